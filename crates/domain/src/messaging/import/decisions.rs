//! What an import writes: messages at their places, and markers.

use std::collections::BTreeSet;

use super::{ImportMessage, ImportProblem, MOVED_MAX_MS};
use crate::change::Change;
use crate::context::Party;
use crate::decision::{Decided, Decision};
use crate::id::{Role, ThreadId, UserId};
use crate::member::MarkedVia;
use crate::message::{Author, Message, Origin};
use crate::seq::Seq;
use crate::snapshot::{Scope, Snapshot};
use crate::text::DraftHash;
use crate::time::Timestamp;

/// What [`Append`] did.
#[derive(Debug)]
pub(super) struct Appended {
    /// How many messages are new.
    pub(super) added: usize,
    /// The place of each message, new or not, in the order in which they were given.
    pub(super) places: Vec<Seq>,
}

/// Appends messages to a thread, oldest first, passing over those that are there.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) thread: ThreadId,
    pub(super) members: Vec<Party>,
    pub(super) messages: Vec<ImportMessage>,
}

impl Decision for Append {
    type Output = Appended;
    type Rejection = ImportProblem;

    fn scope(&self) -> Scope {
        let scope = self
            .members
            .iter()
            .fold(Scope::thread(self.thread), |scope, party| scope.member(party.user.clone()));
        self.messages.iter().fold(scope, |scope, message| scope.message(message.id))
    }

    fn origin(&self) -> Origin {
        Origin::Import
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<Appended>, ImportProblem> {
        let thread = found.thread().ok_or(ImportProblem::OtherThread)?;
        for party in &self.members {
            found.member(&party.user)?.ok_or(ImportProblem::OtherThread)?;
        }
        let (mut seq, mut modseq) = found.head();
        let mut number = found.next_number();
        // The first message of a thread keeps its time, even where it is older than the thread.
        let mut earliest = (seq > Seq::ZERO).then(|| thread.last_message_at.plus_millis(1));
        let (mut changes, mut places) = (Vec::new(), Vec::with_capacity(self.messages.len()));
        for message in &self.messages {
            if let Some(there) = found.message(message.id)? {
                places.push(there.seq);
                continue;
            }
            let created_at = earliest.map_or(message.created_at, |earliest| message.created_at.max(earliest));
            if created_at > message.created_at.plus_millis(MOVED_MAX_MS) {
                return Err(ImportProblem::TooOld(message.id));
            }
            earliest = Some(created_at.plus_millis(1));
            (seq, modseq) = (seq.next(), modseq.next());
            places.push(seq);
            changes.push(Change::AppendMessage(Message {
                id: message.id,
                number,
                thread: thread.id,
                seq,
                modseq,
                author: self.author(message),
                draft: DraftHash::of_body(&message.body),
                body: message.body.clone(),
                client_key: None,
                origin: Origin::Import,
                created_at,
                edited_at: None,
                deleted_at: None,
            }));
            number = number.saturating_add(1);
        }
        let added = changes.len();
        for member in self.members.iter().filter_map(|party| found.member(&party.user).ok().flatten()) {
            // Who writes has read what is above, as with a send.
            let own = changes.iter().rev().find_map(|change| own_message(change, &member.user));
            let marked = own.and_then(|(seq, at)| member.marked(seq, at, MarkedVia::Send, modseq.next()));
            if let Some(member) = marked {
                modseq = modseq.next();
                changes.push(Change::PutMember(member));
            }
        }
        Ok(Decided { output: Appended { added, places }, changes })
    }
}

/// The place and time of a message, if a user wrote it.
fn own_message(change: &Change, user: &UserId) -> Option<(Seq, Timestamp)> {
    match change {
        Change::AppendMessage(message) if message.author.user() == Some(user) => {
            Some((message.seq, message.created_at))
        }
        Change::AppendMessage(_)
        | Change::ReplaceMessage(_)
        | Change::PutMember(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_)
        | Change::SettleNotices(_) => None,
    }
}

impl Append {
    fn author(&self, message: &ImportMessage) -> Author {
        let role_of = |user: &UserId| -> Option<Role> {
            self.members.iter().find(|party| party.user == *user).map(|party| party.role.clone())
        };
        match &message.sender {
            Some(user) => {
                role_of(user).map_or(Author::System, |role| Author::Member { user: user.clone(), role })
            }
            None => Author::System,
        }
    }
}

/// Moves a member's marker to where it was in the other system.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) thread: ThreadId,
    pub(super) user: UserId,
    /// The last message that is dated up to that moment. A message is never dated earlier than it was written, so all up
    /// to here were written by then.
    pub(super) dated: Seq,
    /// The imported messages that were written up to that moment, however they are dated.
    pub(super) read: BTreeSet<Seq>,
    pub(super) at: Timestamp,
}

impl Decision for Read {
    type Output = ();
    type Rejection = ImportProblem;

    fn scope(&self) -> Scope {
        Scope::thread(self.thread).member(self.user.clone())
    }

    fn origin(&self) -> Origin {
        Origin::Import
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, ImportProblem> {
        let thread = found.thread().ok_or(ImportProblem::OtherThread)?;
        let member = found.member(&self.user)?.ok_or(ImportProblem::OtherThread)?;
        let modseq = thread.modseq.next();
        let seq = self.read_up_to(member.marker.seq);
        let marked = member.marked(seq, self.at, MarkedVia::Thread, modseq);
        let changes = marked.filter(|_| seq > Seq::ZERO).map(Change::PutMember).into_iter().collect();
        Ok(Decided { changes, output: () })
    }
}

impl Read {
    /// The last of the messages that were read, given that those up to `marker` were. It ends before the first one that
    /// is not known to be read: another import or a live send may have put it between them.
    fn read_up_to(&self, marker: Seq) -> Seq {
        let known = self.dated.max(marker);
        let mut seq = known;
        while self.read.contains(&seq.next()) {
            seq = seq.next();
        }
        // A marker that stands beyond what was read there stays as it is.
        if seq == known && !self.read.contains(&seq) { self.dated } else { seq }
    }
}
