//! The sessions of this node, by id and by user.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;
use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::user::Actor;
use tidings_socketio::{Ack, Reason, Socket};
use tidings_wire::{Dialect, Replies};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// One authenticated user in one namespace on one connection, in one dialect.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) actor: Actor,
    pub(crate) socket: Socket,
    pub(crate) dialect: &'static Dialect,
    /// When it is closed because of its token's age, if ever.
    pub(crate) until: Option<Instant>,
    /// Room for events that the hub has not answered yet.
    pub(crate) places: Semaphore,
}

/// Room that one event takes until the hub has answered it. It keeps a session from filling the hub's queues, and
/// what waits behind a slow read within bounds.
#[derive(Debug)]
pub(crate) struct Place(Arc<Session>);

impl Place {
    /// Waits for room.
    pub(crate) async fn take(session: &Arc<Session>) -> Self {
        // Nearly always there is room, and nothing to wait for.
        if let Ok(permit) = session.places.try_acquire() {
            permit.forget();
        } else if let Ok(permit) = session.places.acquire().await {
            permit.forget();
        }
        Self(Arc::clone(session))
    }

    /// Whose event it is.
    pub(crate) fn session(&self) -> &Session {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.add_permits(1);
    }
}

impl Session {
    /// Tells the client what an event of its own came to.
    pub(crate) fn tell(&self, replies: &Replies, ack: Option<Ack>) {
        for frame in &replies.emit {
            if let Some(encoded) = crate::fanout::encode(self.dialect, frame) {
                self.socket.send(&encoded);
            }
        }
        if let (Some(ack), Some(args)) = (ack, &replies.ack) {
            ack.send_raw(args, Vec::new());
        }
    }
}

/// A session on its way to the hub. If it does not get there, because the hub has stopped, it is closed: nobody would
/// tell it anything.
#[derive(Debug)]
pub(crate) struct Coming(Option<Arc<Session>>);

impl Coming {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self(Some(session))
    }

    /// It has arrived.
    pub(crate) fn arrive(mut self) -> Option<Arc<Session>> {
        self.0.take()
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.socket.close(Reason::Shutdown);
        }
    }
}

/// The sessions that are there. When the hub goes, however it goes, they are closed: nobody would tell them
/// anything any more.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashMap<SessionId, Here>,
    by_user: HashMap<UserId, Vec<Arc<Session>>>,
    by_end: BTreeSet<(Instant, SessionId)>,
}

#[derive(Debug)]
struct Here {
    session: Arc<Session>,
    /// The threads it follows, so that leaving them all costs no search. Most sessions follow few.
    joined: Vec<ThreadId>,
}

impl Sessions {
    pub(crate) fn add(&mut self, session: Arc<Session>) {
        self.by_user.entry(session.actor.user.clone()).or_default().push(Arc::clone(&session));
        self.by_end.extend(session.until.map(|until| (until, session.id)));
        self.by_id.insert(session.id, Here { session, joined: Vec::new() });
    }

    /// Takes a session out; tells which threads it followed. `None` when it is not there.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<(Arc<Session>, Vec<ThreadId>)> {
        let Here { session, joined } = self.by_id.remove(&id)?;
        if let Some(until) = session.until {
            self.by_end.remove(&(until, id));
        }
        let user = &session.actor.user;
        if let Some(sessions) = self.by_user.get_mut(user) {
            sessions.retain(|other| other.id != id);
            if sessions.is_empty() {
                self.by_user.remove(user);
            }
        }
        Some((session, joined))
    }

    /// Closes those whose tokens ended too long ago. The transport is closed, not the namespace alone: that is what
    /// stock clients come back from, and one that asks for its token anew comes back with a valid one.
    pub(crate) fn close_ended(&mut self, now: Instant) {
        while let Some((until, id)) = self.by_end.first().copied()
            && until <= now
        {
            self.by_end.pop_first();
            if let Some(session) = self.get(id) {
                session.socket.close(Reason::Closed("token expired"));
            }
        }
    }

    /// When [`close_ended`](Self::close_ended) has something to do next.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.by_end.first().map(|(until, _)| *until)
    }

    /// Notes that a session follows a thread. False when it follows `max` already, or is gone.
    pub(crate) fn join(&mut self, id: SessionId, thread: ThreadId, max: usize) -> bool {
        let Some(here) = self.by_id.get_mut(&id) else { return false };
        if here.joined.contains(&thread) {
            return true;
        }
        if here.joined.len() >= max {
            return false;
        }
        here.joined.push(thread);
        true
    }

    pub(crate) fn leave(&mut self, id: SessionId, thread: ThreadId) {
        if let Some(here) = self.by_id.get_mut(&id) {
            here.joined.retain(|joined| *joined != thread);
        }
    }

    pub(crate) fn of(&self, user: &UserId) -> &[Arc<Session>] {
        self.by_user.get(user).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id).map(|here| &*here.session)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        for here in self.by_id.values() {
            here.session.socket.close(Reason::Shutdown);
        }
    }
}
