//! The state of the hub and what each input does to it. No I/O: what must be read is asked for and comes back.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::messaging::{MessageView, ReadError};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::time::Timestamp;
use tidings_domain::typing::{TypingBoard, TypingChange};
use tidings_socketio::Reason;
use tidings_wire::{Answer, Dialect, EventError, Heard};
use tokio::time::Instant;

use crate::HubConfig;
use crate::fanout::{Delivery, Durability};
use crate::input::{Gap, Input, Intended, Live, Read, ThreadInput};
use crate::sessions::Sessions;
use crate::threads::Threads;

/// Something about a thread that must be read before its news go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadThread {
    pub(crate) thread: ThreadId,
    /// Also what changed after this point.
    pub(crate) after: Option<Modseq>,
}

/// All that the hub knows.
#[derive(Debug)]
pub(crate) struct HubState {
    config: HubConfig,
    sessions: Sessions,
    threads: Threads,
    /// The dialects that have been seen here, each with who is typing in it.
    dialects: Vec<(&'static Dialect, TypingBoard)>,
    started: Instant,
    /// What has to be read; the task takes it from here.
    pub(crate) to_read: Vec<ReadThread>,
}

/// Why an input could not be carried out yet.
enum NotYet {
    /// The roster must be read.
    Roster,
    /// What came after this point must be read.
    After(Modseq),
}

impl HubState {
    pub(crate) fn new(config: HubConfig) -> Self {
        Self {
            threads: Threads::new(config.threads),
            config,
            sessions: Sessions::default(),
            dialects: Vec::new(),
            started: Instant::now(),
            to_read: Vec::new(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input) {
        match input {
            Input::Came(session) => {
                if !self.dialects.iter().any(|(known, _)| std::ptr::eq(*known, session.dialect)) {
                    let board = TypingBoard::new(session.dialect.socket.typing_expires_after_ms);
                    self.dialects.push((session.dialect, board));
                }
                self.sessions.add(session);
            }
            Input::Went(session) => self.went(session),
            Input::Thread(id, input) => self.thread_input(id, input),
            Input::Reply(reply) => reply.send(),
            Input::Read(id, read) => self.read(id, *read),
        }
    }

    /// A commit of this thread found no room in the hub's queue; the first such had `prev` before it.
    pub(crate) fn missed(&mut self, id: ThreadId, prev: Modseq) {
        let state = self.threads.entry(id);
        let after = state.delivered.unwrap_or(prev);
        if state.reading {
            state.missed_after = Some(state.missed_after.map_or(after, |before| before.min(after)));
        } else {
            self.ask(id, Some(after));
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// When [`expire`](Self::expire) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let next = self.dialects.iter().filter_map(|(_, board)| board.next_deadline()).min()?;
        let millis = u64::try_from(next.as_millis()).unwrap_or_default();
        Some(self.started + std::time::Duration::from_millis(millis))
    }

    /// Ends the typing that has lasted its time.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        let ended: Vec<TypingChange> =
            self.dialects.iter_mut().flat_map(|(_, board)| board.expire(now)).collect();
        for change in &ended {
            self.tell_typing(change);
        }
    }

    /// Milliseconds since the hub began: typing needs no calendar, and a monotonic clock never jumps.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn ask(&mut self, thread: ThreadId, after: Option<Modseq>) {
        self.threads.entry(thread).reading = true;
        self.to_read.push(ReadThread { thread, after });
    }

    fn went(&mut self, id: SessionId) {
        let Some((_, joined)) = self.sessions.remove(id) else { return };
        for thread in joined {
            if let Some(state) = self.threads.get_mut(thread) {
                state.joined.remove(&id);
            }
        }
        let ended: Vec<TypingChange> =
            self.dialects.iter_mut().flat_map(|(_, board)| board.gone(id)).collect();
        for change in &ended {
            self.tell_typing(change);
        }
    }

    fn thread_input(&mut self, id: ThreadId, input: ThreadInput) {
        let waiting_max = self.config.thread_queue_inputs;
        match self.threads.get_mut(id) {
            Some(state) if state.reading => match input {
                input if state.waiting.len() < waiting_max => state.waiting.push_back(input),
                ThreadInput::Committed(commit) => {
                    state.missed_after.get_or_insert(commit.prev);
                }
                ThreadInput::Intent(intended) => {
                    answer(intended, &Err(EventError::Limit("too much is going on in this thread")));
                }
                ThreadInput::Reply(reply) => reply.send(),
            },
            _ => self.run(id, input, false),
        }
    }

    /// Carries an input out, or has read what it needs and keeps it until then. `first` keeps it before the others.
    fn run(&mut self, id: ThreadId, input: ThreadInput, first: bool) {
        let not_yet = match &input {
            ThreadInput::Committed(commit) => self.commit(id, commit).err(),
            ThreadInput::Intent(intended) => self.lacks_roster(id, intended).then_some(NotYet::Roster),
            ThreadInput::Reply(_) => None,
        };
        let Some(not_yet) = not_yet else {
            match input {
                ThreadInput::Committed(_) => {}
                ThreadInput::Intent(intended) => self.intend(id, intended),
                ThreadInput::Reply(reply) => reply.send(),
            }
            return;
        };
        let state = self.threads.entry(id);
        if first {
            state.waiting.push_front(input);
        } else {
            state.waiting.push_back(input);
        }
        let after = match not_yet {
            NotYet::Roster => None,
            NotYet::After(after) => Some(after),
        };
        self.ask(id, after);
    }

    /// What was asked for is here: the news that waited go on.
    fn read(&mut self, id: ThreadId, read: Read) {
        let Some(state) = self.threads.get_mut(id) else { return };
        state.reading = false;
        let exists = read.roster.is_some();
        state.roster = read.roster;
        match read.gap {
            Gap::None => {}
            Gap::Filled(commit) => {
                // The roster was read after the gap, so nothing in it asks for another read.
                if self.commit(id, &commit).is_err() {
                    self.resync(id);
                }
            }
            Gap::TooLong => self.resync(id),
        }
        loop {
            let Some(state) = self.threads.get_mut(id) else { return };
            if state.reading {
                return;
            }
            if let Some(after) = state.missed_after.take() {
                let after = state.delivered.unwrap_or(after);
                return self.ask(id, Some(after));
            }
            let Some(input) = state.waiting.pop_front() else { break };
            match input {
                ThreadInput::Intent(intended) if !exists => {
                    answer(intended, &Err(EventError::Access(ReadError::UnknownThread)));
                }
                // There is nobody to hear it.
                ThreadInput::Committed(_) if !exists => {}
                input @ (ThreadInput::Committed(_) | ThreadInput::Intent(_) | ThreadInput::Reply(_)) => {
                    self.run(id, input, true);
                }
            }
        }
        if !exists {
            self.threads.forget(id);
        }
    }

    /// Its sessions have missed more than can be told after the fact: they are closed, so that they come back and
    /// read anew. Nothing is skipped silently.
    fn resync(&mut self, id: ThreadId) {
        let Some(state) = self.threads.get_mut(id) else { return };
        state.delivered = None;
        let Some(roster) = &state.roster else { return };
        tracing::warn!(thread = %id, "a thread's sessions missed too much and are closed");
        for session in roster.members.keys().flat_map(|user| self.sessions.of(user)) {
            session.socket.close(Reason::Closed("resync"));
        }
    }

    /// Delivers a commit, unless something must be read first.
    fn commit(&mut self, id: ThreadId, commit: &Commit) -> Result<(), NotYet> {
        let state = self.threads.entry(id);
        if let Some(delivered) = state.delivered {
            if commit.modseq() <= delivered {
                return Ok(());
            }
            if commit.prev > delivered {
                return Err(NotYet::After(delivered));
            }
        }
        let roster = state.roster.as_mut().ok_or(NotYet::Roster)?;
        if roster.is_stale(Instant::now(), self.config.roster_believed) {
            return Err(NotYet::Roster);
        }
        if !commit.changes.iter().all(|change| roster.apply(change)) {
            return Err(NotYet::Roster);
        }
        state.delivered = Some(commit.modseq());
        for change in &commit.changes {
            self.tell_change(id, commit, change);
        }
        Ok(())
    }

    fn tell_change(&mut self, id: ThreadId, commit: &Commit, change: &Change) {
        let mut view = None;
        match change {
            Change::AppendMessage(message) => {
                if let Some(author) = message.author.user() {
                    self.end_typing(id, author);
                }
                view = Some(message);
            }
            Change::ReplaceMessage(message) => view = Some(message),
            Change::PutMember(member) if !member.takes_part() => {
                self.end_typing(id, &member.user);
                self.take_out(id, &member.user);
            }
            Change::PutMember(_) | Change::PutThread(_) => {}
        }
        let Some(state) = self.threads.get(id) else { return };
        let Some(roster) = &state.roster else { return };
        let view = view.map(|message| {
            let sender = message.author.user().and_then(|user| roster.members.get(user));
            MessageView::fresh(message.clone(), sender.map(|seat| Arc::clone(&seat.profile)))
        });
        let heard = Heard { commit, change, message: view.as_ref() };
        let seq: Option<Seq> = view.as_ref().map(|view| view.message.seq);
        for (dialect, _) in &self.dialects {
            if !(dialect.expresses)(&roster.thread) {
                continue;
            }
            for outbound in (dialect.socket.commit)(&heard) {
                let delivery =
                    Delivery { dialect, outbound: &outbound, durability: Durability::Durable, seq };
                delivery.send(&self.sessions, state, roster);
            }
        }
    }

    /// A user who takes no part any more follows the thread on no session.
    fn take_out(&mut self, id: ThreadId, user: &tidings_domain::id::UserId) {
        let Some(state) = self.threads.get_mut(id) else { return };
        let ids: Vec<SessionId> = self.sessions.of(user).iter().map(|session| session.id).collect();
        for session in ids {
            state.joined.remove(&session);
            self.sessions.leave(session, id);
        }
    }

    fn end_typing(&mut self, id: ThreadId, user: &tidings_domain::id::UserId) {
        let ended: Vec<TypingChange> =
            self.dialects.iter_mut().filter_map(|(_, board)| board.sent(id, user)).collect();
        for change in &ended {
            self.tell_typing(change);
        }
    }

    fn tell_typing(&self, change: &TypingChange) {
        let Some(state) = self.threads.get(change.thread) else { return };
        let Some(roster) = &state.roster else { return };
        for (dialect, _) in &self.dialects {
            if !(dialect.expresses)(&roster.thread) {
                continue;
            }
            if let Some(outbound) = (dialect.socket.typing)(change) {
                let durability = Durability::Ephemeral;
                let delivery = Delivery { dialect, outbound: &outbound, durability, seq: None };
                delivery.send(&self.sessions, state, roster);
            }
        }
    }

    /// Whether an intent needs a roster that is not there. Leaving needs none, unless it ends typing.
    fn lacks_roster(&self, id: ThreadId, intended: &Intended) -> bool {
        let user = &intended.session.actor.user;
        let typing = || self.dialects.iter().any(|(_, board)| board.is_typing(id, user));
        if matches!(intended.what, Live::Leave) && !typing() {
            return false;
        }
        let roster = self.threads.get(id).and_then(|state| state.roster.as_ref());
        roster.is_none_or(|roster| roster.is_stale(Instant::now(), self.config.roster_believed))
    }

    fn intend(&mut self, id: ThreadId, intended: Intended) {
        let (session, user) = (intended.session.id, intended.session.actor.user.clone());
        // Its connection may have ended while the intent waited.
        if !self.sessions.contains(session) {
            return;
        }
        let takes_part = self.threads.get(id).and_then(|state| state.roster.as_ref()).is_some_and(|roster| {
            roster.members.contains_key(&user) && (intended.session.dialect.expresses)(&roster.thread)
        });
        let result = match intended.what {
            Live::Leave => {
                if let Some(state) = self.threads.get_mut(id) {
                    state.joined.remove(&session);
                }
                self.sessions.leave(session, id);
                self.type_in(id, &intended, false);
                Ok(Answer::Left(id))
            }
            _ if !takes_part => Err(EventError::Access(ReadError::NotAMember)),
            Live::Join => self.join(id, session),
            Live::Typing(typing) => {
                self.type_in(id, &intended, typing);
                Ok(Answer::Noted)
            }
        };
        answer(intended, &result);
    }

    fn join(&mut self, id: ThreadId, session: SessionId) -> Result<Answer, EventError> {
        if !self.sessions.join(session, id, self.config.joined_threads) {
            return Err(EventError::Limit("this session follows too many threads"));
        }
        self.threads.entry(id).joined.insert(session);
        Ok(Answer::Joined(id))
    }

    fn type_in(&mut self, id: ThreadId, intended: &Intended, typing: bool) {
        let now = self.now();
        let session = &intended.session;
        let board = self.dialects.iter_mut().find(|(dialect, _)| std::ptr::eq(*dialect, session.dialect));
        let Some((_, board)) = board else { return };
        let change = if typing {
            board.start(id, &session.actor.user, session.id, now)
        } else {
            board.stop(id, session.id)
        };
        if let Some(change) = change {
            self.tell_typing(&change);
        }
    }
}

fn answer(intended: Intended, result: &Result<Answer, EventError>) {
    let Intended { session, inbound, ack, .. } = intended;
    let replies = (inbound.reply)(&session.actor, result.as_ref());
    session.tell(&replies, ack);
}

/// What commits found no room in the queue: for each thread, where the first of them began.
pub(crate) type Missed = HashMap<ThreadId, Modseq>;
