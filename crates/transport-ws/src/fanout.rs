//! Handing a frame to those who hear it: encoded once per dialect, however many they are.

use std::sync::Arc;

use foldhash::HashSet;
use tidings_domain::id::SessionId;
use tidings_domain::seq::Seq;
use tidings_socketio::Encoded;
use tidings_wire::{Audience, Dialect, Frame, Outbound, Reach};

use crate::meters::FrameMeters;
use crate::roster::{Roster, Seat};
use crate::sessions::{Session, Sessions};

/// A frame as a packet of the dialect's namespace.
pub(crate) fn encode(dialect: &Dialect, frame: &Frame) -> Option<Encoded> {
    Encoded::raw_event(dialect.socket.namespace, frame.event, &frame.args, Vec::new())
        .inspect_err(|error| tracing::error!(event = frame.event, %error, "a frame could not be encoded"))
        .ok()
}

/// Whether a frame may be dropped when a client does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It tells of something stored.
    Durable,
    /// It does not matter a few seconds later.
    Ephemeral,
}

/// Everyone who takes part in a thread and is here now.
#[derive(Debug)]
pub(crate) struct Hearers<'a> {
    roster: &'a Roster,
    sessions: &'a Sessions,
    joined: &'a HashSet<SessionId>,
    meters: &'a FrameMeters,
}

impl<'a> Hearers<'a> {
    pub(crate) fn new(
        roster: &'a Roster,
        joined: &'a HashSet<SessionId>,
        sessions: &'a Sessions,
        meters: &'a FrameMeters,
    ) -> Self {
        Self { roster, sessions, joined, meters }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here().next().is_none()
    }

    fn here(&self) -> impl Iterator<Item = (&'a Seat, &'a Arc<Session>)> + use<'a> {
        let (seats, sessions) = (self.roster.seats(), self.sessions);
        seats
            .iter()
            .flat_map(move |seat| sessions.of(&seat.member.user).iter().map(move |session| (seat, session)))
    }

    /// Hands a frame to those of a dialect's sessions that are to hear it. Of a message hear only those who see it.
    pub(crate) fn tell(
        &self,
        dialect: &'static Dialect,
        outbound: &Outbound,
        durability: Durability,
        seq: Option<Seq>,
    ) {
        let mut encoded = None;
        let mut told = 0;
        for (seat, session) in self.here() {
            if !std::ptr::eq(session.dialect, dialect)
                || seq.is_some_and(|seq| !seat.member.sees(seq))
                || !self.reaches(&outbound.audience, seat, session)
            {
                continue;
            }
            if encoded.is_none() {
                encoded = encode(dialect, &outbound.frame).map(|packet| match durability {
                    Durability::Durable => packet,
                    Durability::Ephemeral => packet.ephemeral(),
                });
            }
            let Some(packet) = &encoded else { break };
            // A client that does not keep up is closed by its outbox; it comes back and reads anew.
            session.socket.send(packet);
            told += 1;
        }
        self.meters.told(durability, told);
    }

    fn reaches(&self, audience: &Audience, seat: &Seat, session: &Session) -> bool {
        let own = audience.actor.as_ref() == Some(&seat.member.user);
        match if own { audience.own } else { audience.others } {
            Reach::Nobody => false,
            Reach::Everyone => true,
            Reach::Joined => self.joined.contains(&session.id),
        }
    }
}
