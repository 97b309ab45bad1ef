//! A batch in memory: what was found, and what the jobs leave of it, one after the other.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidings_domain::change::{Change, Commit};
use tidings_domain::decision::{self, AnyDecision};
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::job::Job;
use tidings_domain::member::Member;
use tidings_domain::message::Origin;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::summary::Summary;
use tidings_domain::thread::{NewThread, Thread};

use crate::load::Loaded;
use crate::numbers::Numbers;
use crate::queue::{Answer, Request};

/// A thread that exists, as the jobs so far left it.
#[derive(Debug)]
pub(crate) struct Room {
    /// As the database has it; `None` when the batch created it.
    pub(crate) before: Option<Thread>,
    /// The text of its key, when the batch created it.
    pub(crate) key: Option<String>,
    pub(crate) found: Snapshot,
    /// The members that were put, with the modseq of the first time.
    pub(crate) put: BTreeMap<UserId, Modseq>,
    /// The messages that were appended or replaced, with the modseq of the batch's own appending.
    pub(crate) written: BTreeMap<MessageId, Option<Modseq>>,
    /// The summaries that were added.
    pub(crate) summaries: Vec<Summary>,
    /// The number of its newest message; 0 when there is none.
    pub(crate) last_number: u64,
    pub(crate) changed: bool,
}

/// What became of one job.
pub(crate) type Outcome = (Result<Answer, StoreError>, Option<Commit>);

/// A decision wrote more messages than its scope let expect; alone, it finds a whole block of numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutOfNumbers;

#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rooms: HashMap<ThreadId, Room>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) numbers: Numbers,
    /// Threads that exist under the keys of those to be created. Not locked: to be looked at only.
    by_key: HashMap<String, Thread>,
}

impl Batch {
    pub(crate) fn new<'a>(loaded: Loaded, jobs: impl Iterator<Item = &'a Request>, numbers: Numbers) -> Self {
        let Loaded { threads, by_key, members, messages, keyed } = loaded;
        let room = |(id, (thread, last)): (ThreadId, (Thread, u64))| {
            (id, Room { last_number: last, ..Room::new(Some(thread.clone()), thread) })
        };
        let mut rooms: HashMap<ThreadId, Room> = threads.into_iter().map(room).collect();
        let scopes = jobs.filter_map(|job| match job {
            Request::Decide { scope, .. } => Some(scope),
            Request::Create(_) => None,
        });
        for scope in scopes {
            let Some(room) = rooms.get_mut(&scope.thread) else { continue };
            for user in &scope.members {
                let member = members.get(&(scope.thread, user.clone())).cloned();
                room.found.load_member(user.clone(), member);
            }
            if let Some((sender, key)) = &scope.client_key {
                let id = keyed.get(&(scope.thread, sender.clone(), key.clone()));
                let message = id.and_then(|id| messages.get(id)).cloned();
                room.found.load_keyed(sender.clone(), key.clone(), message);
            }
            for id in &scope.messages {
                let message = messages.get(id).filter(|message| message.thread == scope.thread);
                room.found.load_message(*id, message.cloned());
            }
        }
        Self { rooms, jobs: Vec::new(), numbers, by_key }
    }

    /// Whether there is anything to store.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.rooms.values().all(|room| !room.changed)
    }

    /// Runs one job on what those before it left.
    pub(crate) fn run(&mut self, request: &Request) -> Result<Outcome, OutOfNumbers> {
        Ok(match request {
            Request::Decide { decision, scope } => match self.decide(decision.as_ref(), scope)? {
                Ok(commit) => (Ok(Answer::Decided), commit),
                Err(error) => (Err(error), None),
            },
            Request::Create(new) => match self.create(new) {
                Ok((thread, commit)) => (Ok(Answer::Created(thread, commit.is_some())), commit),
                Err(error) => (Err(error), None),
            },
        })
    }

    fn decide(
        &mut self,
        decision: &dyn AnyDecision,
        scope: &Scope,
    ) -> Result<Result<Option<Commit>, StoreError>, OutOfNumbers> {
        let found = view(self.rooms.get(&scope.thread), scope, self.numbers.next_message());
        let changes = match decision::run(decision, &found) {
            Ok(changes) if changes.is_empty() => return Ok(Ok(None)),
            Ok(changes) => changes,
            Err(error) => return Ok(Err(error)),
        };
        let missing = || StoreError::Internal("a thread vanished under the lock".into());
        let Some(room) = self.rooms.get_mut(&scope.thread) else { return Ok(Err(missing())) };
        let (_, prev) = room.found.head();
        for change in &changes {
            if let Change::AppendMessage(message) = change
                && !self.numbers.use_messages(message.number)
            {
                return Err(OutOfNumbers);
            }
            if let Change::EnqueueJob(job) = change {
                self.jobs.push(job.clone());
            }
            room.take(change);
        }
        let Some(thread) = room.found.thread().cloned() else { return Ok(Err(missing())) };
        Ok(Ok(Commit::of(thread, prev, decision.origin(), changes)))
    }

    fn create(&mut self, new: &NewThread) -> Result<(Thread, Option<Commit>), StoreError> {
        let key = new.key.as_ref().map(ToString::to_string);
        if let Some(thread) = key.as_ref().and_then(|key| self.by_key.get(key)) {
            let now = self.rooms.get(&thread.id).and_then(|room| room.found.thread());
            return Ok((now.unwrap_or(thread).clone(), None));
        }
        if self.rooms.contains_key(&new.id) {
            return Err(StoreError::Internal("a thread id was given twice".into()));
        }
        let users: HashSet<&UserId> = new.founders.iter().map(|party| &party.user).collect();
        if users.len() != new.founders.len() {
            return Err(StoreError::Internal("a founder was named twice".into()));
        }
        let missing = || StoreError::Internal("a thread vanished while it was made".into());
        let empty = Thread {
            id: new.id,
            number: self.numbers.use_thread().ok_or_else(missing)?,
            context: new.context.clone(),
            subject: new.subject.clone(),
            member_count: 0,
            last_seq: Seq::ZERO,
            last_message_at: new.created_at,
            modseq: Modseq::ZERO,
            fields_modseq: Modseq::ZERO,
            notice_due: None,
            notice_upto: Seq::ZERO,
            created_at: new.created_at,
            updated_at: new.created_at,
        };
        let mut room = Room::new(None, empty);
        let mut changes = Vec::with_capacity(new.founders.len());
        for party in &new.founders {
            let member = Member::joining(new.id, party.user.clone(), party.role.clone(), new.created_at);
            let (_, modseq) = room.found.head();
            let change = Change::PutMember(Member { modseq: modseq.next(), ..member });
            room.take(&change);
            changes.push(change);
        }
        room.changed = true;
        room.key.clone_from(&key);
        let thread = room.found.thread().cloned().ok_or_else(missing)?;
        self.rooms.insert(new.id, room);
        if let Some(key) = key {
            self.by_key.insert(key, thread.clone());
        }
        let commit = Commit::of(thread.clone(), Modseq::ZERO, Origin::Request, changes);
        Ok((thread, commit))
    }
}

impl Room {
    fn new(before: Option<Thread>, thread: Thread) -> Self {
        Self {
            before,
            key: None,
            found: Snapshot::new(Some(thread), 0),
            put: BTreeMap::new(),
            written: BTreeMap::new(),
            summaries: Vec::new(),
            last_number: 0,
            changed: false,
        }
    }

    fn take(&mut self, change: &Change) {
        self.changed = true;
        match change {
            Change::AppendMessage(message) => {
                self.written.insert(message.id, Some(message.modseq));
                self.last_number = message.number;
            }
            Change::ReplaceMessage(message) => {
                self.written.entry(message.id).or_insert(None);
            }
            Change::PutMember(member) => {
                self.put.entry(member.user.clone()).or_insert(member.modseq);
            }
            Change::AddSummary(summary) => self.summaries.push(summary.clone()),
            Change::SettleNotices(settled) => {
                for (user, _) in &settled.notified {
                    let modseq = self.found.member(user).ok().flatten().map_or(Modseq::ZERO, |it| it.modseq);
                    self.put.entry(user.clone()).or_insert(modseq);
                }
            }
            Change::PutThread(_) | Change::EnqueueJob(_) => {}
        }
        self.found.apply(change);
    }
}

/// What a decision may see: what its scope names, whatever else the batch has loaded. What a room does not hold is
/// not there: all that the scopes name was looked for, and a room made in this batch began with nothing else.
fn view(room: Option<&Room>, scope: &Scope, next_number: u64) -> Snapshot {
    let all = room.map(|room| &room.found);
    let mut found = Snapshot::new(all.and_then(Snapshot::thread).cloned(), next_number);
    for user in &scope.members {
        let member = all.and_then(|all| all.member(user).ok().flatten());
        found.load_member(user.clone(), member.cloned());
    }
    if let Some((sender, key)) = &scope.client_key {
        let message = all.and_then(|all| all.keyed(sender, key).ok().flatten());
        found.load_keyed(sender.clone(), key.clone(), message.cloned());
    }
    for id in &scope.messages {
        let message = all.and_then(|all| all.message(*id).ok().flatten());
        found.load_message(*id, message.cloned());
    }
    found
}
