//! The state of the hub and what each input does to it. No I/O: what must be read is asked for and comes back.

use std::sync::Arc;

use tidings_domain::change::Change;
use tidings_domain::id::{SessionId, ThreadId};
use tidings_domain::messaging::{Messaging, ReadError};
use tidings_domain::seq::Modseq;
use tidings_socketio::Reason;
use tidings_wire::EventError;
use tokio::time::Instant;

use crate::HubConfig;
use crate::input::{Gap, Input, Read, ThreadInput};
use crate::late::Late;
use crate::meters::FrameMeters;
use crate::presence::Presence;
use crate::reads::Ask;
use crate::roster::Roster;
use crate::sessions::{Coming, Sessions};
use crate::threads::Threads;
use crate::typists::Typists;

/// All that the hub knows.
#[derive(Debug)]
pub(crate) struct HubState {
    pub(crate) config: HubConfig,
    pub(crate) sessions: Sessions,
    pub(crate) threads: Threads,
    pub(crate) typists: Typists,
    pub(crate) meters: FrameMeters,
    presence: Arc<Presence>,
    /// Knows how people are called; set when the hub begins to run.
    pub(crate) names: Option<Messaging>,
    /// What is to be read; the task takes it from here.
    pub(crate) asks: Vec<Ask>,
    /// Sessions that went before the hub took note that they came.
    gone_early: Vec<SessionId>,
    /// The time, as of the inputs that are being handled.
    pub(crate) now: Instant,
}

/// Why an input could not be carried out yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NotYet {
    /// The roster must be read.
    Roster,
    /// What came after this point must be read.
    After(Modseq),
}

impl HubState {
    pub(crate) fn new(config: HubConfig, presence: Arc<Presence>) -> Self {
        let now = Instant::now();
        Self {
            threads: Threads::new(config.threads),
            config,
            sessions: Sessions::default(),
            typists: Typists::new(now),
            meters: FrameMeters::new(),
            presence,
            names: None,
            asks: Vec::new(),
            gone_early: Vec::new(),
            now,
        }
    }

    pub(crate) fn handle(&mut self, input: Input) {
        match input {
            Input::Came(session) => self.came(session),
            Input::Went(session) => self.went(session),
            Input::Thread(id, input) => self.thread_input(id, input),
            Input::Reply(reply) => reply.send(),
            Input::Read(id, read) => self.read(id, *read),
        }
    }

    /// Takes in what found no room in the hub's queue.
    pub(crate) fn handle_late(&mut self, late: Late) {
        for id in late.went {
            if self.sessions.get(id).is_some() {
                self.went(id);
            } else {
                // Its coming is in the queue still.
                self.gone_early.push(id);
            }
        }
        for (id, point) in late.missed {
            let state = self.threads.entry(id, self.now);
            state.miss(point);
            if !state.reading {
                self.go_on(id);
            }
        }
    }

    /// When [`expire`](Self::expire) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let presence = self.presence.next_deadline();
        [self.typists.next_deadline(), self.sessions.next_end(), presence].into_iter().flatten().min()
    }

    /// Ends the typing and the sessions that have lasted their time.
    pub(crate) fn expire(&mut self) {
        self.sessions.close_ended(self.now);
        let ended = self.typists.expire(self.now);
        self.tell_typing(&ended);
        for change in self.presence.expire(self.now) {
            tracing::debug!(user = %change.user, "a user went");
        }
    }

    fn came(&mut self, coming: Coming) {
        let Some(session) = coming.arrive() else { return };
        if let Some(index) = self.gone_early.iter().position(|gone| *gone == session.id) {
            self.gone_early.swap_remove(index);
            return;
        }
        tracing::debug!(session = ?session.id, user = %session.actor.user, "a session came");
        if self.presence.came(&session.actor.user, session.id, self.now).is_some() {
            tracing::debug!(user = %session.actor.user, "a user came");
        }
        self.typists.meet(session.dialect);
        self.sessions.add(session);
    }

    fn went(&mut self, id: SessionId) {
        let Some((session, joined)) = self.sessions.remove(id) else { return };
        self.presence.went(&session.actor.user, id, self.now);
        tracing::debug!(session = ?id, "a session went");
        for thread in joined {
            if let Some(state) = self.threads.get_mut(thread) {
                state.joined.remove(&id);
            }
        }
        let ended = self.typists.gone(id);
        self.tell_typing(&ended);
    }

    fn thread_input(&mut self, id: ThreadId, input: ThreadInput) {
        let waiting_max = self.config.thread_queue_inputs;
        match self.threads.get_mut(id) {
            Some(state) if state.reading => match input {
                ThreadInput::Committed(commit) if state.waiting.len() >= waiting_max => {
                    state.miss(commit.prev);
                }
                // Of the others there are never more than the sessions have places for.
                input @ (ThreadInput::Committed(_) | ThreadInput::Intent(_) | ThreadInput::Reply(_)) => {
                    state.waiting.push_back(input);
                }
            },
            _ => self.run(id, input),
        }
    }

    /// Carries an input out, or has read what it needs and keeps it, before all others, until then.
    fn run(&mut self, id: ThreadId, input: ThreadInput) {
        let not_yet = match &input {
            ThreadInput::Committed(commit) => self.commit(id, commit).err(),
            ThreadInput::Intent(intended) => self.lacks_roster(id, intended).then_some(NotYet::Roster),
            ThreadInput::Reply(_) => None,
        };
        match (not_yet, input) {
            (None, ThreadInput::Committed(_)) => {}
            (None, ThreadInput::Intent(intended)) => self.intend(id, intended),
            (None, ThreadInput::Reply(reply)) => reply.send(),
            (Some(not_yet), input) => {
                self.threads.entry(id, self.now).waiting.push_front(input);
                self.ask(
                    id,
                    match not_yet {
                        NotYet::Roster => None,
                        NotYet::After(after) => Some(after),
                    },
                );
            }
        }
    }

    fn ask(&mut self, thread: ThreadId, after: Option<Modseq>) {
        self.threads.entry(thread, self.now).reading = true;
        self.asks.push(Ask { thread, after, behind: false });
    }

    /// Has a roster with old names read anew, while the thread's news go on.
    pub(crate) fn refresh_if_stale(&mut self, thread: ThreadId) {
        let (now, believed) = (self.now, self.config.roster_believed);
        let Some(state) = self.threads.get_mut(thread) else { return };
        let is_stale = state.roster.as_ref().is_some_and(|roster| roster.is_stale(now, believed));
        if is_stale && !state.refreshing && !state.reading {
            state.refreshing = true;
            self.asks.push(Ask { thread, after: None, behind: true });
        }
    }

    /// A roster that was read behind the news is here.
    fn refreshed(&mut self, id: ThreadId, read: Option<Roster>) {
        let Some(state) = self.threads.get_mut(id) else { return };
        state.refreshing = false;
        let (Some(current), Some(read)) = (&mut state.roster, read) else { return };
        if read.modseq() >= current.modseq() {
            return self.seat(id, read);
        }
        // Commits have gone past it meanwhile.
        current.rename(&read);
        current.seat(self.now);
    }

    /// What was asked for is here: the news that waited go on.
    fn read(&mut self, id: ThreadId, read: Read) {
        if read.behind {
            return self.refreshed(id, read.roster);
        }
        let Some(state) = self.threads.get_mut(id) else { return };
        state.reading = false;
        let Some(roster) = read.roster else { return self.no_such_thread(id) };
        self.seat(id, roster);
        match read.gap {
            Gap::None => {}
            Gap::Filled(mut missed) => {
                // Where nothing was delivered before, commits from before the gap may have waited with it.
                self.run_up_to(id, missed.prev);
                // A message that was changed since stands among the later changes, but is heard at its place.
                missed.changes.sort_by_key(tell_order);
                // The roster was read after the gap, so nothing in it asks for another read.
                if self.commit(id, &missed).is_err() {
                    self.resync(id);
                }
            }
            Gap::TooLong => self.resync(id),
        }
        self.go_on(id);
    }

    /// Puts a roster that was read into use.
    fn seat(&mut self, id: ThreadId, mut roster: Roster) {
        let Some(state) = self.threads.get_mut(id) else { return };
        roster.seat(self.now);
        // Whoever takes no part any more follows it no longer, however that was learned.
        let sessions = &mut self.sessions;
        state.joined.retain(|session| {
            let stays = sessions.get(*session).is_some_and(|at| roster.get(&at.actor.user).is_some());
            if !stays {
                sessions.leave(*session, id);
            }
            stays
        });
        state.roster = Some(roster);
    }

    /// Carries out what waits, up to what must be read first.
    fn go_on(&mut self, id: ThreadId) {
        if let Some(point) = self.threads.get(id).and_then(|state| state.missed_after) {
            self.run_up_to(id, point);
            let Some(state) = self.threads.get_mut(id) else { return };
            if !state.reading {
                state.missed_after = None;
                let after = state.delivered.unwrap_or(point);
                self.ask(id, Some(after));
            }
            return;
        }
        while let Some(input) = self.threads.get_mut(id).and_then(|state| state.next()) {
            self.run(id, input);
        }
    }

    /// Carries out what waits up to the last commit that is not beyond `point`.
    fn run_up_to(&mut self, id: ThreadId, point: Modseq) {
        let count = self.threads.get(id).map_or(0, |state| state.waiting_up_to(point));
        for _ in 0..count {
            let Some(input) = self.threads.get_mut(id).and_then(|state| state.next()) else { return };
            self.run(id, input);
        }
    }

    fn no_such_thread(&mut self, id: ThreadId) {
        let Some(state) = self.threads.forget(id) else { return };
        for session in state.joined {
            self.sessions.leave(session, id);
        }
        for input in state.waiting {
            match input {
                ThreadInput::Intent(intended) => {
                    intended.answer(Err(&EventError::Access(ReadError::UnknownThread)));
                }
                ThreadInput::Reply(reply) => reply.send(),
                // There is nobody to hear it.
                ThreadInput::Committed(_) => {}
            }
        }
    }

    /// Its sessions have missed more than can be told after the fact: they are closed, so that they come back and
    /// read anew. Nothing is skipped silently, and nothing is told in part.
    fn resync(&mut self, id: ThreadId) {
        let Some(state) = self.threads.get_mut(id) else { return };
        let Some(roster) = &state.roster else { return };
        // Whoever comes from now on reads what was before; live news go on behind it.
        state.delivered = Some(roster.modseq());
        tracing::warn!(thread = %id, "a thread's sessions have missed too much and are closed");
        for session in roster.seats().iter().flat_map(|seat| self.sessions.of(&seat.member.user)) {
            if (session.dialect.expresses)(&roster.thread) {
                session.socket.close(Reason::Closed("resync"));
            }
        }
    }
}

/// Messages by their place in the thread first, then everything else in the order in which it changed.
fn tell_order(change: &Change) -> (bool, u64) {
    match change {
        Change::AppendMessage(message) => (false, message.seq.get()),
        Change::ReplaceMessage(_)
        | Change::PutMember(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_)
        | Change::SettleNotices(_) => (true, change.modseq().map_or(0, Modseq::get)),
    }
}
