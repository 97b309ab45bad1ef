//! One thread with all that belongs to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use tidings_domain::change::Change;
use tidings_domain::id::UserId;
use tidings_domain::member::{Member, unread};
use tidings_domain::message::Message;
use tidings_domain::page::{ENTRY_MEMBERS_MAX, MessagePage, PageEnd, PageLimit, ThreadEntry};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::Summary;
use tidings_domain::text::ClientKey;
use tidings_domain::thread::{Thread, ThreadKey};
use tidings_domain::time::Timestamp;

/// A row of a thread, by what its modseq leads to.
#[derive(Debug, Clone, Copy)]
enum Row {
    Fields,
    Member(usize),
    Message(usize),
    Summary(usize),
}

/// How many bytes of text a page still has room for.
#[derive(Debug)]
pub(crate) struct TextRoom(usize);

impl TextRoom {
    pub(crate) fn of(limit: PageLimit) -> Self {
        Self(usize::try_from(limit.text_bytes()).unwrap_or(usize::MAX))
    }

    /// Whether there is room left; the text that uses up the last of it may be longer.
    pub(crate) fn takes(&mut self, message: &Message) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(message.body.as_str().len());
        is_left
    }
}

#[derive(Debug)]
struct Written {
    message: Message,
    /// The change counter when it was appended; its own modseq moves on when it is replaced.
    appended: Modseq,
}

#[derive(Debug)]
pub(crate) struct Kept {
    thread: Thread,
    key: Option<ThreadKey>,
    /// In the order they came in.
    members: Vec<Member>,
    /// The modseq of each member's first change, in the same order.
    joined: Vec<Modseq>,
    by_user: HashMap<UserId, usize>,
    /// At index `seq - 1`.
    messages: Vec<Written>,
    by_key: HashMap<(UserId, ClientKey), usize>,
    deleted: BTreeSet<Seq>,
    /// In the order they were added.
    summaries: Vec<Summary>,
    /// Every row once, under the value of the change counter that it took last.
    changed: BTreeMap<Modseq, Row>,
}

impl Kept {
    pub(crate) fn new(thread: Thread, key: Option<ThreadKey>) -> Self {
        Self {
            thread,
            key,
            members: Vec::new(),
            joined: Vec::new(),
            by_user: HashMap::new(),
            messages: Vec::new(),
            by_key: HashMap::new(),
            deleted: BTreeSet::new(),
            summaries: Vec::new(),
            changed: BTreeMap::new(),
        }
    }

    pub(crate) const fn thread(&self) -> &Thread {
        &self.thread
    }

    pub(crate) const fn key(&self) -> Option<&ThreadKey> {
        self.key.as_ref()
    }

    pub(crate) fn set_thread(&mut self, thread: Thread) {
        self.thread = thread;
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn member(&self, user: &UserId) -> Option<&Member> {
        self.members.get(*self.by_user.get(user)?)
    }

    pub(crate) fn message(&self, seq: Seq) -> Option<&Message> {
        let index = usize::try_from(seq.get().checked_sub(1)?).ok()?;
        self.messages.get(index).map(|written| &written.message)
    }

    pub(crate) fn keyed(&self, sender: &UserId, key: &ClientKey) -> Option<&Message> {
        let index = *self.by_key.get(&(sender.clone(), key.clone()))?;
        self.messages.get(index).map(|written| &written.message)
    }

    /// Whether the sender has used this key in this thread.
    pub(crate) fn has_key(&self, message: &Message) -> bool {
        match (message.author.user(), &message.client_key) {
            (Some(user), Some(key)) => self.by_key.contains_key(&(user.clone(), key.clone())),
            (None, _) | (_, None) => false,
        }
    }

    /// Writes the rows of a change that fits; the thread's own row is set apart.
    pub(crate) fn write(&mut self, change: &Change) {
        let (row, old) = match change {
            Change::AppendMessage(message) => {
                let index = self.messages.len();
                if let (Some(user), Some(key)) = (message.author.user(), &message.client_key) {
                    self.by_key.insert((user.clone(), key.clone()), index);
                }
                self.note_deleted(message);
                self.messages.push(Written { message: message.clone(), appended: message.modseq });
                (Row::Message(index), None)
            }
            Change::ReplaceMessage(message) => {
                self.note_deleted(message);
                let place = usize::try_from(message.seq.get().saturating_sub(1)).unwrap_or(usize::MAX);
                let Some(written) = self.messages.get_mut(place) else { return };
                let old = std::mem::replace(&mut written.message, message.clone());
                (Row::Message(place), Some(old.modseq))
            }
            Change::PutMember(member) => {
                if let Some(index) = self.by_user.get(&member.user).copied()
                    && let Some(row) = self.members.get_mut(index)
                {
                    let old = std::mem::replace(row, member.clone());
                    (Row::Member(index), Some(old.modseq))
                } else {
                    let index = self.members.len();
                    self.by_user.insert(member.user.clone(), index);
                    self.members.push(member.clone());
                    self.joined.push(member.modseq);
                    (Row::Member(index), None)
                }
            }
            Change::PutThread(_) => (Row::Fields, Some(self.thread.fields_modseq)),
            Change::AddSummary(summary) => {
                self.summaries.push(summary.clone());
                (Row::Summary(self.summaries.len() - 1), None)
            }
            Change::SettleNotices(settled) => {
                for (user, upto) in &settled.notified {
                    let index = self.by_user.get(user).copied();
                    if let Some(member) = index.and_then(|index| self.members.get_mut(index)) {
                        member.notified = *upto;
                    }
                }
                return;
            }
            // Jobs are kept apart; what one leaves in the thread comes with the thread's row.
            Change::EnqueueJob(_) => return,
        };
        let Some(modseq) = change.modseq() else { return };
        if let Some(old) = old {
            self.changed.remove(&old);
        }
        if matches!(row, Row::Fields) {
            self.thread.fields_modseq = modseq;
        }
        self.changed.insert(modseq, row);
    }

    /// Each member with the modseq of their first change.
    pub(crate) fn joined(&self) -> impl Iterator<Item = (&Member, Modseq)> {
        self.members.iter().zip(self.joined.iter().copied())
    }

    /// The messages from a place on, each with the modseq with which it was appended.
    pub(crate) fn appended(&self, after: Seq) -> impl Iterator<Item = (&Message, Modseq)> {
        let from = usize::try_from(after.get()).unwrap_or(usize::MAX);
        let rows = self.messages.get(from..).unwrap_or_default();
        rows.iter().map(|written| (&written.message, written.appended))
    }

    /// The summaries, in the order they were added.
    pub(crate) fn all_summaries(&self) -> &[Summary] {
        &self.summaries
    }

    /// Takes a member in who came in at `joined`, at their place among the others.
    pub(crate) fn restore_member(&mut self, member: Member, joined: Modseq) {
        let place = self.joined.partition_point(|other| *other < joined);
        self.joined.insert(place, joined);
        self.members.insert(place, member);
        for (index, member) in self.members.iter().enumerate() {
            self.by_user.insert(member.user.clone(), index);
            self.changed.insert(member.modseq, Row::Member(index));
        }
    }

    /// Takes a message in that was appended at `appended`; false when it is not the next.
    pub(crate) fn restore_message(&mut self, message: Message, appended: Modseq) -> bool {
        let index = self.messages.len();
        if usize::try_from(message.seq.get()).ok() != Some(index.saturating_add(1)) {
            return false;
        }
        self.write(&Change::AppendMessage(message));
        if let Some(written) = self.messages.last_mut() {
            written.appended = appended;
        }
        true
    }

    /// Notes that the thread's own fields changed last at their modseq.
    pub(crate) fn restore_fields(&mut self) {
        if self.thread.fields_modseq > Modseq::ZERO {
            self.changed.insert(self.thread.fields_modseq, Row::Fields);
        }
    }

    fn note_deleted(&mut self, message: &Message) {
        if message.deleted_at.is_some() {
            self.deleted.insert(message.seq);
        } else {
            self.deleted.remove(&message.seq);
        }
    }

    /// The current rows above a mark, in modseq order; `None` when they are more than `limit`.
    pub(crate) fn changes_after(&self, after: Modseq, limit: usize) -> Option<Vec<Change>> {
        let above = || self.changed.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, row)| *row);
        if above().nth(limit).is_some() {
            return None;
        }
        let change = |row| match row {
            Row::Fields => Some(Change::PutThread(self.thread.clone())),
            Row::Summary(index) => self.summaries.get(index).cloned().map(Change::AddSummary),
            Row::Member(index) => self.members.get(index).cloned().map(Change::PutMember),
            Row::Message(index) => self.messages.get(index).map(|written| {
                let message = written.message.clone();
                if written.appended > after {
                    Change::AppendMessage(message)
                } else {
                    Change::ReplaceMessage(message)
                }
            }),
        };
        Some(above().filter_map(change).collect())
    }

    pub(crate) fn page(&self, page: &MessagePage) -> Vec<Message> {
        let index = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX);
        let end = page.before.map_or(usize::MAX, |before| index(before.get().saturating_sub(1)));
        let end = end.min(self.messages.len());
        let start = index(page.after.get()).min(end);
        let limit = index(u64::from(page.limit.get()));
        let rows = self.messages.get(start..end).unwrap_or_default().iter().map(|written| &written.message);
        let mut room = TextRoom::of(page.limit);
        let fits = |message: &&Message| room.takes(message);
        match page.from {
            PageEnd::Newest => {
                let mut rows: Vec<Message> = rows.rev().take(limit).take_while(fits).cloned().collect();
                rows.reverse();
                rows
            }
            PageEnd::Oldest => rows.take(limit).take_while(fits).cloned().collect(),
        }
    }

    pub(crate) fn summaries(&self, limit: PageLimit) -> Vec<Summary> {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        self.summaries.iter().rev().take(limit).cloned().collect()
    }

    pub(crate) fn last_before(&self, at: Timestamp) -> Seq {
        let count = self.messages.partition_point(|written| written.message.created_at < at);
        Seq::new(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// What a list shows of the thread to one of its members, with the last message if there is room for it.
    pub(crate) fn entry(&self, member: &Member, room: &mut TextRoom) -> ThreadEntry {
        let last = self.thread.last_seq;
        let everyone = self.thread.member_count <= ENTRY_MEMBERS_MAX;
        ThreadEntry {
            thread: self.thread.clone(),
            member: member.clone(),
            members: if everyone { self.members.clone() } else { vec![member.clone()] },
            last_message: self
                .message(last)
                .filter(|message| member.sees(last) && room.takes(message))
                .cloned(),
            unread: self.unread(member),
        }
    }

    /// How many messages one of its members has not read.
    pub(crate) fn unread(&self, member: &Member) -> u64 {
        let above = member.unread_above();
        let deleted = self.deleted.range((Bound::Excluded(above), Bound::Unbounded)).count();
        unread(self.thread.last_seq, above, u64::try_from(deleted).unwrap_or(u64::MAX))
    }
}
