//! The door for changes (steps 3 to 7).

use std::sync::Arc;

use tidings_domain::change::{Change, Commit};
use tidings_domain::decision::{self, AnyDecision};
use tidings_domain::error::StoreError;
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::thread::{NewThread, Thread};

use crate::TableStore;
use crate::tables::{JobRow, MessageRow, Tables, ThreadRow, next_number};

impl TableStore {
    pub(crate) fn decide_and_store(&self, decision: &dyn AnyDecision) -> Result<(), StoreError> {
        // Step 3: the thread's lock, held to the end. This store has one for all threads.
        let mut tables = self.tables.lock();
        // Step 4: what the scope names, and nothing else.
        let mut found = tables.load(&decision.scope());
        // Step 5: decide. A refusal changes nothing, which is no error here: the decision keeps its own answer.
        let changes = decision::run(decision, &found)?;
        if changes.is_empty() {
            return Ok(());
        }
        // Step 6: store what the changes leave, all or none. A database checks what must be unique by itself.
        tables.check(&changes)?;
        let (_, prev) = found.head();
        for change in &changes {
            found.apply(change);
        }
        let thread = found.thread().cloned().ok_or_else(|| internal("a change to no thread"))?;
        tables.write(&thread, &changes);
        // Step 7: it is stored; tell of it, commits of one thread in order, and only then answer.
        self.tell(Commit::of(thread, prev, decision.origin(), changes));
        Ok(())
    }

    pub(crate) fn create_or_get(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        let mut tables = self.tables.lock();
        let key = new.key.as_ref().map(ToString::to_string);
        if let Some(there) = key.as_deref().and_then(|key| tables.thread_by_key(key)) {
            return Ok((there.clone(), false));
        }
        let twice = |(index, party)| new.founders.iter().take(index).any(|other| other.user == party);
        if tables.thread(new.id).is_some()
            || new.founders.iter().map(|party| &party.user).cloned().enumerate().any(twice)
        {
            return Err(internal("a thread id or a founder was given twice"));
        }
        let mut thread = Thread {
            id: new.id,
            number: next_number(&tables.threads),
            context: new.context,
            subject: new.subject,
            member_count: u32::try_from(new.founders.len()).unwrap_or(u32::MAX),
            last_seq: Seq::ZERO,
            last_message_at: new.created_at,
            modseq: Modseq::ZERO,
            fields_modseq: Modseq::ZERO,
            notice_due: None,
            notice_upto: Seq::ZERO,
            created_at: new.created_at,
            updated_at: new.created_at,
        };
        let mut changes = Vec::with_capacity(new.founders.len());
        for party in new.founders {
            // Each founder is a change, as if they had come in one after the other.
            thread.modseq = thread.modseq.next();
            let member = Member::joining(new.id, party.user, party.role, new.created_at);
            changes.push(Change::PutMember(Member { modseq: thread.modseq, ..member }));
        }
        tables.threads.push(ThreadRow { thread: thread.clone(), key });
        tables.write(&thread, &changes);
        self.tell(Commit::of(thread.clone(), Modseq::ZERO, Origin::Request, changes));
        Ok((thread, true))
    }

    /// Called with the lock held, which is what keeps the commits of a thread in order.
    fn tell(&self, commit: Option<Commit>) {
        if let Some(commit) = commit {
            self.notifier.committed(Arc::new(commit));
        }
    }
}

fn internal(what: &str) -> StoreError {
    StoreError::Internal(what.to_owned())
}

impl Tables {
    /// What was looked for and is not there is `None`. What was not looked for stays out, so that a rule cannot take
    /// the one for the other.
    fn load(&self, scope: &Scope) -> Snapshot {
        let mut found = Snapshot::new(self.thread(scope.thread).cloned(), next_number(&self.messages));
        for user in &scope.members {
            found.load_member(user.clone(), self.member(scope.thread, user).cloned());
        }
        if let Some((sender, key)) = &scope.client_key {
            let message = self.keyed(scope.thread, sender, key).cloned();
            found.load_keyed(sender.clone(), key.clone(), message);
        }
        for id in &scope.messages {
            let message = self.message(*id).filter(|message| message.thread == scope.thread);
            found.load_message(*id, message.cloned());
        }
        found
    }

    /// The unique constraints: a decision with a mistake in it must not get past them.
    fn check(&self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            let taken = match change {
                Change::AppendMessage(message) => {
                    self.message(message.id).is_some() || self.has_key_of(message)
                }
                Change::AddSummary(summary) => self.summaries.iter().any(|other| other.id == summary.id),
                Change::EnqueueJob(job) => self.jobs.iter().any(|row| row.job.id == job.id),
                Change::ReplaceMessage(_)
                | Change::PutMember(_)
                | Change::PutThread(_)
                | Change::SettleNotices(_) => false,
            };
            if taken {
                return Err(internal("an id or a client key was given twice"));
            }
        }
        Ok(())
    }

    fn has_key_of(&self, message: &Message) -> bool {
        let Some((user, key)) = message.author.user().zip(message.client_key.as_ref()) else { return false };
        self.keyed(message.thread, user, key).is_some()
    }

    /// Writes the thread's row and those that the changes carry. It interprets nothing: what a change does to the
    /// thread, [`Snapshot::apply`] has said.
    fn write(&mut self, thread: &Thread, changes: &[Change]) {
        if let Some(row) = self.threads.iter_mut().find(|row| row.thread.id == thread.id) {
            row.thread = thread.clone();
        }
        for change in changes {
            match change {
                Change::AppendMessage(message) => {
                    self.messages.push(MessageRow { message: message.clone(), appended: message.modseq });
                }
                Change::ReplaceMessage(message) => {
                    if let Some(row) = self.messages.iter_mut().find(|row| row.message.id == message.id) {
                        row.message = message.clone();
                    }
                }
                Change::PutMember(member) => {
                    let is_same =
                        |row: &&mut Member| (row.thread, &row.user) == (member.thread, &member.user);
                    match self.members.iter_mut().find(is_same) {
                        Some(row) => *row = member.clone(),
                        None => self.members.push(member.clone()),
                    }
                }
                Change::SettleNotices(settled) => {
                    for row in self.members.iter_mut().filter(|row| row.thread == settled.thread) {
                        let notified = settled.notified.iter().find(|(user, _)| *user == row.user);
                        row.notified = notified.map_or(row.notified, |(_, upto)| *upto);
                    }
                }
                // Its fields are in the thread's own row, written above.
                Change::PutThread(_) => {}
                Change::AddSummary(summary) => self.summaries.push(summary.clone()),
                Change::EnqueueJob(job) => {
                    self.jobs.push(JobRow { job: job.clone(), claimable_at: job.due_at, attempts: 0 });
                }
            }
        }
    }
}
