//! The sessions of this node, by id and by user.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::user::Actor;
use tidings_socketio::Socket;
use tidings_wire::{Dialect, Replies};

use crate::input::Reply;

/// One authenticated user in one namespace on one connection, in one dialect.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) actor: Actor,
    pub(crate) socket: Socket,
    pub(crate) dialect: &'static Dialect,
}

impl Session {
    /// Tells the client what an event of its own came to.
    pub(crate) fn tell(&self, replies: &Replies, ack: Option<tidings_socketio::Ack>) {
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

impl Reply {
    pub(crate) fn send(self) {
        self.session.tell(&self.replies, self.ack);
    }
}

/// The sessions that are there.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_id: HashMap<SessionId, Here>,
    by_user: HashMap<UserId, Vec<Arc<Session>>>,
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
        self.by_id.insert(session.id, Here { session, joined: Vec::new() });
    }

    /// Takes a session out; gives it back with the threads it followed.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<(Arc<Session>, Vec<ThreadId>)> {
        let Here { session, joined } = self.by_id.remove(&id)?;
        let user = &session.actor.user;
        if let Some(sessions) = self.by_user.get_mut(user) {
            sessions.retain(|other| other.id != id);
            if sessions.is_empty() {
                self.by_user.remove(user);
            }
        }
        Some((session, joined))
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

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.by_id.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
