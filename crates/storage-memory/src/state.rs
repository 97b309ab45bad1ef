//! Everything, behind the lock.

use std::collections::{HashMap, HashSet};

use tidings_domain::change::{Change, Commit};
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, SummaryId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{About, ThreadEntry, ThreadPage};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::transfer::Place;
use tidings_domain::user::{Subject, User};
use uuid::Uuid;

use crate::jobs::Jobs;
use crate::kept::{Kept, TextRoom};
use crate::list::{self, UserList};

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) threads: HashMap<ThreadId, Kept>,
    pub(crate) by_key: HashMap<ThreadKey, ThreadId>,
    pub(crate) messages: HashMap<MessageId, (ThreadId, Seq)>,
    pub(crate) summaries: HashSet<SummaryId>,
    pub(crate) lists: HashMap<UserId, UserList>,
    pub(crate) users: HashMap<UserId, User>,
    pub(crate) subjects: HashMap<Subject, UserId>,
    pub(crate) contexts: HashMap<ContextRef, Context>,
    pub(crate) jobs: Jobs,
    pub(crate) threads_made: u64,
    pub(crate) messages_made: u64,
    pub(crate) users_made: u64,
    /// The copy that is under way into this store: of which history, and how far.
    pub(crate) incoming: Option<(Uuid, Place)>,
}

impl State {
    pub(crate) fn thread(&self, id: ThreadId) -> Option<&Kept> {
        self.threads.get(&id)
    }

    pub(crate) fn thread_by_key(&self, key: &ThreadKey) -> Option<&Kept> {
        self.threads.get(self.by_key.get(key)?)
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&Message> {
        let (thread, seq) = self.messages.get(&id)?;
        self.threads.get(thread)?.message(*seq)
    }

    /// What a decision may see: what its scope names, and nothing else.
    pub(crate) fn view(&self, scope: &Scope) -> Snapshot {
        let kept = self.threads.get(&scope.thread);
        let next_number = self.messages_made.saturating_add(1);
        let mut found = Snapshot::new(kept.map(|kept| kept.thread().clone()), next_number);
        for user in &scope.members {
            found.load_member(user.clone(), kept.and_then(|kept| kept.member(user)).cloned());
        }
        if let Some((sender, key)) = &scope.client_key {
            let message = kept.and_then(|kept| kept.keyed(sender, key)).cloned();
            found.load_keyed(sender.clone(), key.clone(), message);
        }
        for id in &scope.messages {
            let message = self.message(*id).filter(|message| message.thread == scope.thread);
            found.load_message(*id, message.cloned());
        }
        found
    }

    /// Stores changes that fit what `found` shows.
    pub(crate) fn commit(
        &mut self,
        mut found: Snapshot,
        changes: Vec<Change>,
        origin: Origin,
    ) -> Result<Option<Commit>, StoreError> {
        let (_, prev) = found.head();
        for change in &changes {
            found.apply(change);
        }
        let missing = || StoreError::Internal("a thread vanished under the lock".into());
        let thread = found.thread().cloned().ok_or_else(missing)?;
        let kept = self.threads.get(&thread.id).ok_or_else(missing)?;
        if let Some(reason) = changes.iter().find_map(|change| self.taken(kept, change)) {
            return Err(StoreError::Internal(reason.into()));
        }
        self.write(&thread, &changes)?;
        Ok(Commit::of(thread, prev, origin, changes))
    }

    fn write(&mut self, thread: &Thread, changes: &[Change]) -> Result<(), StoreError> {
        let Some(kept) = self.threads.get_mut(&thread.id) else {
            return Err(StoreError::Internal("a thread vanished under the lock".into()));
        };
        let moves = list::place(kept.thread()) != list::place(thread)
            || list::is_small(kept.thread()) != list::is_small(thread);
        let both_large = !list::is_small(kept.thread()) && !list::is_small(thread);
        let everyone = moves && !both_large;
        let touched: Vec<UserId> = if everyone {
            let put = changes.iter().filter_map(put_user).cloned();
            kept.members().iter().map(|member| member.user.clone()).chain(put).collect()
        } else {
            changes.iter().filter_map(put_user).cloned().collect()
        };
        for user in &touched {
            if let Some(list) = self.lists.get_mut(user) {
                list.remove(kept.thread());
            }
        }
        for change in changes {
            kept.write(change);
            match change {
                Change::AppendMessage(message) => {
                    self.messages.insert(message.id, (thread.id, message.seq));
                    self.messages_made = message.number;
                }
                Change::AddSummary(summary) => {
                    self.summaries.insert(summary.id);
                }
                Change::EnqueueJob(job) => self.jobs.put(job.clone()),
                Change::ReplaceMessage(_)
                | Change::PutMember(_)
                | Change::PutThread(_)
                | Change::SettleNotices(_) => {}
            }
        }
        kept.set_thread(thread.clone());
        for user in touched {
            if kept.member(&user).is_some_and(list::is_listed) {
                self.lists.entry(user).or_default().insert(thread);
            }
        }
        Ok(())
    }

    /// The thread that has the key, or a new one and the commit that tells of it.
    pub(crate) fn create(&mut self, new: NewThread) -> Result<(Thread, Option<Commit>), StoreError> {
        if let Some(kept) = new.key.as_ref().and_then(|key| self.thread_by_key(key)) {
            return Ok((kept.thread().clone(), None));
        }
        if self.threads.contains_key(&new.id) {
            return Err(StoreError::Internal("a thread id was given twice".into()));
        }
        let users: HashSet<&UserId> = new.founders.iter().map(|party| &party.user).collect();
        if users.len() != new.founders.len() {
            return Err(StoreError::Internal("a founder was named twice".into()));
        }
        let mut modseq = Modseq::ZERO;
        let mut changes = Vec::with_capacity(new.founders.len());
        for party in new.founders {
            modseq = modseq.next();
            let member = Member::joining(new.id, party.user, party.role, new.created_at);
            changes.push(Change::PutMember(Member { modseq, ..member }));
        }
        self.threads_made = self.threads_made.saturating_add(1);
        let thread = Thread {
            id: new.id,
            number: self.threads_made,
            context: new.context,
            subject: new.subject,
            member_count: u32::try_from(changes.len()).unwrap_or(u32::MAX),
            last_seq: Seq::ZERO,
            last_message_at: new.created_at,
            modseq,
            fields_modseq: Modseq::ZERO,
            notice_due: None,
            notice_upto: Seq::ZERO,
            created_at: new.created_at,
            updated_at: new.created_at,
        };
        self.threads.insert(thread.id, Kept::new(thread.clone(), new.key.clone()));
        if let Some(key) = new.key {
            self.by_key.insert(key, thread.id);
        }
        self.write(&thread, &changes)?;
        let commit = Commit::of(thread.clone(), Modseq::ZERO, Origin::Request, changes);
        Ok((thread, commit))
    }

    pub(crate) fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Vec<ThreadEntry> {
        let Some(list) = self.lists.get(user) else { return Vec::new() };
        let place_of = |id: &ThreadId| self.threads.get(id).map(|kept| list::place(kept.thread()));
        let about = |kept: &&Kept| page.about.as_ref().is_none_or(|about| about.contains(kept.thread()));
        let size = |rows: u32| usize::try_from(rows).unwrap_or(usize::MAX);
        let mut room = TextRoom::of(page.limit);
        list.below(page.below, place_of)
            .filter_map(|place| self.threads.get(&place.thread))
            .filter(about)
            .skip(size(page.skip))
            .take(size(page.limit.get()))
            .filter_map(|kept| Some(kept.entry(kept.member(user)?, &mut room)))
            .collect()
    }

    /// The threads of a user's list that are about something and have at most so many members, in order.
    fn listed<'a>(
        &'a self,
        user: &'a UserId,
        about: Option<&'a About>,
        members_max: u32,
    ) -> impl Iterator<Item = &'a Kept> + 'a {
        let place_of = |id: &ThreadId| self.threads.get(id).map(|kept| list::place(kept.thread()));
        let places = self.lists.get(user).into_iter().flat_map(move |list| list.below(None, place_of));
        places.filter_map(|place| self.threads.get(&place.thread)).filter(move |kept| {
            let thread = kept.thread();
            thread.member_count <= members_max && about.is_none_or(|about| about.contains(thread))
        })
    }

    pub(crate) fn unread_of(&self, user: &UserId, about: Option<&About>, members_max: u32) -> u64 {
        let listed = self.listed(user, about, members_max);
        listed.filter_map(|kept| Some(kept.unread(kept.member(user)?))).sum()
    }

    pub(crate) fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Option<Thread> {
        let about = About::Object(object.clone());
        let takes_part = |kept: &Kept, user: &UserId| kept.member(user).is_some_and(Member::takes_part);
        let mut listed = self.listed(user, Some(&about), members_max);
        let found = listed.find(|kept| with.iter().all(|user| takes_part(kept, user)));
        found.map(|kept| kept.thread().clone())
    }

    /// Why a change cannot be stored though it fits: something that must be unique is taken.
    fn taken(&self, kept: &Kept, change: &Change) -> Option<&'static str> {
        match change {
            Change::AppendMessage(message) if self.messages.contains_key(&message.id) => {
                Some("a message id was given twice")
            }
            Change::AppendMessage(message) if kept.has_key(message) => Some("a client key was given twice"),
            Change::AddSummary(summary) if self.summaries.contains(&summary.id) => {
                Some("a summary id was given twice")
            }
            Change::EnqueueJob(job) if self.jobs.has(job.id) => Some("a job id was given twice"),
            Change::AppendMessage(_)
            | Change::ReplaceMessage(_)
            | Change::PutMember(_)
            | Change::PutThread(_)
            | Change::AddSummary(_)
            | Change::EnqueueJob(_)
            | Change::SettleNotices(_) => None,
        }
    }
}

const fn put_user(change: &Change) -> Option<&UserId> {
    match change {
        Change::PutMember(member) => Some(&member.user),
        Change::AppendMessage(_)
        | Change::ReplaceMessage(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_)
        | Change::SettleNotices(_) => None,
    }
}
