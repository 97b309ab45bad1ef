//! A batch in memory: what was found, and what the jobs leave of it, one after the other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidings_domain::change::{Change, Commit};
use tidings_domain::context::Context;
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
use tidings_domain::user::{Subject, User};

use crate::load::{Counters, Loaded};
use crate::queue::{Answer, JobRequest, Request};
use crate::transfer::Step;

/// A thread that exists, as the jobs so far left it.
#[derive(Debug)]
pub(crate) struct Room {
    /// As the database has it; `None` when the batch created it.
    pub(crate) before: Option<Thread>,
    /// The text of its key, when the batch created it.
    pub(crate) key: Option<String>,
    pub(crate) found: Snapshot,
    /// The members that were put, with the modseq of the first time.
    pub(crate) put: BTreeMap<UserId, (Modseq, u64)>,
    /// The messages that were appended or replaced.
    pub(crate) written: BTreeMap<MessageId, WrittenMessage>,
    /// The summaries that were added, each with its commit.
    pub(crate) summaries: Vec<(Summary, u64)>,
    /// The last commit that changed it; 0 when none did.
    pub(crate) commit_no: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct WrittenMessage {
    /// The modseq with which the batch appended it; `None` when it was there before.
    pub(crate) appended: Option<Modseq>,
    pub(crate) commit_no: u64,
}

/// What became of one job.
pub(crate) type Outcome = (Result<Answer, StoreError>, Option<Commit>);

#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rooms: HashMap<ThreadId, Room>,
    pub(crate) users: Vec<User>,
    /// By the number of their user; those a user had are replaced.
    pub(crate) subjects: BTreeMap<u64, Vec<Subject>>,
    pub(crate) jobs: Vec<Job>,
    /// What is asked about stored jobs, with the place of the request in the batch.
    pub(crate) job_requests: Vec<(usize, JobRequest)>,
    /// Steps of a copy into this store.
    pub(crate) steps: Vec<Arc<Step>>,
    ran: usize,
    /// Whether the commit counter was moved for its own sake.
    touched: bool,
    pub(crate) contexts: Vec<Context>,
    pub(crate) counters: Counters,
    by_key: HashMap<String, ThreadId>,
    known_users: HashMap<UserId, User>,
}

impl Batch {
    pub(crate) fn new<'a>(
        loaded: Loaded,
        jobs: impl Iterator<Item = &'a Request>,
        counters: Counters,
    ) -> Self {
        let Loaded { threads, by_key, members, messages, keyed, users } = loaded;
        let room = |(id, thread): (ThreadId, Thread)| (id, Room::new(Some(thread.clone()), thread));
        let mut rooms: HashMap<ThreadId, Room> = threads.into_iter().map(room).collect();
        let scopes = jobs.filter_map(|job| match job {
            Request::Decide { scope, .. } => Some(scope),
            Request::Create(_)
            | Request::PutUser(..)
            | Request::PutContext(_)
            | Request::Jobs(_)
            | Request::Transfer(_)
            | Request::Touch => None,
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
        Self {
            rooms,
            users: Vec::new(),
            subjects: BTreeMap::new(),
            jobs: Vec::new(),
            job_requests: Vec::new(),
            steps: Vec::new(),
            ran: 0,
            touched: false,
            contexts: Vec::new(),
            counters,
            by_key,
            known_users: users,
        }
    }

    /// Whether there is anything to store.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.users.is_empty()
            && self.job_requests.is_empty()
            && self.steps.is_empty()
            && self.contexts.is_empty()
            && !self.touched
            && self.rooms.values().all(|room| room.commit_no == 0)
    }

    /// Runs one job on what those before it left.
    pub(crate) fn run(&mut self, request: &Request) -> Outcome {
        let place = self.ran;
        self.ran = place.saturating_add(1);
        match request {
            Request::Decide { decision, scope } => match self.decide(decision.as_ref(), scope) {
                Ok(commit) => (Ok(Answer::Done), commit),
                Err(error) => (Err(error), None),
            },
            Request::Create(new) => match self.create(new) {
                Ok((thread, commit)) => (Ok(Answer::Created(thread, commit.is_some())), commit),
                Err(error) => (Err(error), None),
            },
            Request::PutUser(user, subjects) => {
                (Ok(Answer::User(self.put_user(user, subjects.as_deref()))), None)
            }
            Request::PutContext(context) => {
                self.counters.commits = self.counters.commits.saturating_add(1);
                self.contexts.push(context.clone());
                (Ok(Answer::Done), None)
            }
            Request::Jobs(asked) => {
                // Answered once the batch's own jobs are written. The counter tells whether a commit came to be.
                self.counters.commits = self.counters.commits.saturating_add(1);
                self.job_requests.push((place, asked.clone()));
                (Ok(Answer::Done), None)
            }
            Request::Transfer(step) => {
                self.counters.commits = self.counters.commits.saturating_add(1);
                self.steps.push(Arc::clone(step));
                (Ok(Answer::Done), None)
            }
            Request::Touch => {
                self.counters.commits = self.counters.commits.saturating_add(1);
                self.touched = true;
                (Ok(Answer::Done), None)
            }
        }
    }

    fn decide(&mut self, decision: &dyn AnyDecision, scope: &Scope) -> Result<Option<Commit>, StoreError> {
        let next_number = self.counters.messages.saturating_add(1);
        let found = view(self.rooms.get(&scope.thread), scope, next_number);
        let changes = decision::run(decision, &found)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let missing = || StoreError::Internal("a thread vanished under the lock".into());
        let room = self.rooms.get_mut(&scope.thread).ok_or_else(missing)?;
        self.counters.commits = self.counters.commits.saturating_add(1);
        let (_, prev) = room.found.head();
        for change in &changes {
            if let Change::AppendMessage(message) = change {
                self.counters.messages = message.number;
            }
            if let Change::EnqueueJob(job) = change {
                self.jobs.push(job.clone());
            }
            room.take(change, self.counters.commits);
        }
        let thread = room.found.thread().cloned().ok_or_else(missing)?;
        Ok(Commit::of(thread, prev, decision.origin(), changes))
    }

    fn create(&mut self, new: &NewThread) -> Result<(Thread, Option<Commit>), StoreError> {
        let key = new.key.as_ref().map(ToString::to_string);
        let known = key.as_ref().and_then(|key| self.rooms.get(self.by_key.get(key)?));
        if let Some(thread) = known.and_then(|room| room.found.thread()) {
            return Ok((thread.clone(), None));
        }
        if self.rooms.contains_key(&new.id) {
            return Err(StoreError::Internal("a thread id was given twice".into()));
        }
        let users: HashSet<&UserId> = new.founders.iter().map(|party| &party.user).collect();
        if users.len() != new.founders.len() {
            return Err(StoreError::Internal("a founder was named twice".into()));
        }
        self.counters.threads = self.counters.threads.saturating_add(1);
        self.counters.commits = self.counters.commits.saturating_add(1);
        let empty = Thread {
            id: new.id,
            number: self.counters.threads,
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
            room.take(&change, self.counters.commits);
            changes.push(change);
        }
        room.commit_no = self.counters.commits;
        room.key.clone_from(&key);
        let missing = || StoreError::Internal("a thread vanished while it was made".into());
        let thread = room.found.thread().cloned().ok_or_else(missing)?;
        self.rooms.insert(new.id, room);
        if let Some(key) = key {
            self.by_key.insert(key, new.id);
        }
        let commit = Commit::of(thread.clone(), Modseq::ZERO, Origin::Request, changes);
        Ok((thread, commit))
    }

    fn put_user(&mut self, user: &User, subjects: Option<&[Subject]>) -> User {
        let known = self.known_users.get(&user.id);
        if let Some(known) = known.filter(|known| !user.supersedes(known)) {
            return known.clone();
        }
        self.counters.commits = self.counters.commits.saturating_add(1);
        let number = known.map_or_else(
            || {
                self.counters.users = self.counters.users.saturating_add(1);
                self.counters.users
            },
            |known| known.number,
        );
        let user = User { number, ..user.clone() };
        self.known_users.insert(user.id.clone(), user.clone());
        self.users.push(user.clone());
        if let Some(subjects) = subjects {
            // Whoever is told last has a subject.
            for others in self.subjects.values_mut() {
                others.retain(|subject| !subjects.contains(subject));
            }
            self.subjects.insert(number, subjects.to_vec());
        }
        user
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
            commit_no: 0,
        }
    }

    fn take(&mut self, change: &Change, commit_no: u64) {
        self.commit_no = commit_no;
        match change {
            Change::AppendMessage(message) => {
                let appended = Some(message.modseq);
                self.written.insert(message.id, WrittenMessage { appended, commit_no });
            }
            Change::ReplaceMessage(message) => {
                let fresh = WrittenMessage { appended: None, commit_no };
                self.written.entry(message.id).or_insert(fresh).commit_no = commit_no;
            }
            Change::PutMember(member) => {
                let first = (member.modseq, commit_no);
                self.put.entry(member.user.clone()).or_insert(first).1 = commit_no;
            }
            Change::AddSummary(summary) => self.summaries.push((summary.clone(), commit_no)),
            Change::SettleNotices(settled) => {
                for (user, _) in &settled.notified {
                    let modseq = self.found.member(user).ok().flatten().map_or(Modseq::ZERO, |it| it.modseq);
                    self.put.entry(user.clone()).or_insert((modseq, commit_no)).1 = commit_no;
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
