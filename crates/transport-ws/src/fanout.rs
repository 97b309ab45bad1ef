//! Handing a frame to those who hear it: encoded once per dialect, however many they are.

use tidings_domain::id::UserId;
use tidings_domain::seq::Seq;
use tidings_socketio::Encoded;
use tidings_wire::{Audience, Dialect, Frame, Outbound};

use crate::roster::Roster;
use crate::sessions::{Session, Sessions};
use crate::threads::ThreadState;

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

/// One frame on its way.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) dialect: &'static Dialect,
    pub(crate) outbound: &'a Outbound,
    pub(crate) durability: Durability,
    /// The message it is about: only those who may see that message hear it.
    pub(crate) seq: Option<Seq>,
}

impl Delivery<'_> {
    /// Hands the frame to everyone in the thread who hears it; says to how many.
    pub(crate) fn send(&self, sessions: &Sessions, state: &ThreadState, roster: &Roster) -> usize {
        let mut encoded = None;
        let mut sent = 0;
        for (user, seat) in &roster.members {
            if self.seq.is_some_and(|seq| !seat.member.sees(seq)) {
                continue;
            }
            for session in sessions.of(user) {
                if !self.is_heard(session, user, &self.outbound.audience, state) {
                    continue;
                }
                if encoded.is_none() {
                    encoded = self.encode();
                }
                let Some(packet) = &encoded else { return sent };
                // A client that does not keep up is closed by its outbox; it comes back and reads anew.
                session.socket.send(packet);
                sent += 1;
            }
        }
        sent
    }

    fn is_heard(&self, session: &Session, user: &UserId, audience: &Audience, state: &ThreadState) -> bool {
        std::ptr::eq(session.dialect, self.dialect)
            && audience.includes(user, state.joined.contains(&session.id))
    }

    fn encode(&self) -> Option<Encoded> {
        let packet = encode(self.dialect, &self.outbound.frame)?;
        Some(match self.durability {
            Durability::Durable => packet,
            Durability::Ephemeral => packet.ephemeral(),
        })
    }
}
