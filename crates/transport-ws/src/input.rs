//! What reaches the hub's task.

use std::sync::Arc;

use tidings_domain::change::Commit;
use tidings_domain::id::{SessionId, ThreadId};
use tidings_socketio::Ack;
use tidings_wire::{Answer, EventError, Inbound, Replies};

use crate::roster::Roster;
use crate::sessions::{Coming, Place};

/// One thing for the hub to do.
#[derive(Debug)]
pub(crate) enum Input {
    /// A session begins.
    Came(Coming),
    /// A session is gone.
    Went(SessionId),
    /// Something about one thread.
    Thread(ThreadId, ThreadInput),
    /// A reply that waits for nothing.
    Reply(Reply),
    /// What was read about a thread.
    Read(ThreadId, Box<Read>),
}

/// Something about one thread, kept in order while the thread is being read.
#[derive(Debug)]
pub(crate) enum ThreadInput {
    /// A commit of a store.
    Committed(Arc<Commit>),
    /// A live intent of a session.
    Intent(Intended),
    /// A reply to a session, behind the commit that it is about.
    Reply(Reply),
}

/// A live intent: the hub carries it out and answers.
#[derive(Debug)]
pub(crate) struct Intended {
    pub(crate) place: Place,
    pub(crate) what: Live,
    pub(crate) inbound: &'static Inbound,
    pub(crate) ack: Option<Ack>,
}

impl Intended {
    /// Tells the session what came of it.
    pub(crate) fn answer(self, result: Result<&Answer, &EventError>) {
        let session = self.place.session();
        session.tell(&(self.inbound.reply)(&session.actor, result), self.ack);
    }
}

/// What a live intent wants.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Live {
    Join,
    Leave,
    Typing(bool),
}

/// What a session is told in answer to an event.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) place: Place,
    pub(crate) replies: Replies,
    pub(crate) ack: Option<Ack>,
}

impl Reply {
    pub(crate) fn send(self) {
        self.place.session().tell(&self.replies, self.ack);
    }
}

/// What was read about a thread.
#[derive(Debug)]
pub(crate) struct Read {
    /// The roster; `None` when there is no such thread.
    pub(crate) roster: Option<Roster>,
    /// What was missed, if something was.
    pub(crate) gap: Gap,
    /// Whether the thread's news went on meanwhile.
    pub(crate) behind: bool,
}

/// What a thread's news lacked.
#[derive(Debug)]
pub(crate) enum Gap {
    /// Nothing.
    None,
    /// This.
    Filled(Commit),
    /// More than is told after the fact.
    TooLong,
}
