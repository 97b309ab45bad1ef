//! Members of a thread, their read markers and the arithmetic of unread.

use crate::id::{MessageId, Role, ThreadId, UserId};
use crate::seq::{Modseq, Seq};
use crate::time::Timestamp;

/// Whether a member is in the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// In it.
    Active,
    /// In it, but they took the thread out of their list. Opening it again brings it back.
    Hidden,
    /// Left of their own accord; may come back by opening the thread again.
    Left,
    /// Removed by somebody else; may not come back by themselves.
    Removed,
}

/// How a read marker came to where it is.
///
/// The order matters: at the same seq a stronger statement replaces a weaker one, because the author of a message
/// wants to hear "read" even when its reader had already moved past it by answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarkedVia {
    /// By sending a message, which implies having read those before it. Silent.
    Send,
    /// By reading up to this message.
    Message(MessageId),
    /// By reading the whole thread.
    Thread,
}

impl MarkedVia {
    const fn strength(self) -> u8 {
        match self {
            Self::Send => 0,
            Self::Message(_) => 1,
            Self::Thread => 2,
        }
    }
}

/// The highest seq that a member has read. Only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadMarker {
    /// The seq itself; 0 when nothing was read.
    pub seq: Seq,
    /// When it last moved.
    pub at: Option<Timestamp>,
    /// How it came there.
    pub via: MarkedVia,
}

impl ReadMarker {
    /// Nothing read yet.
    pub const START: Self = Self { seq: Seq::ZERO, at: None, via: MarkedVia::Send };

    /// The marker after a move to `seq`, or `None` when that would not be a step forward.
    #[must_use]
    pub fn moved(self, seq: Seq, at: Timestamp, via: MarkedVia) -> Option<Self> {
        let forward = seq > self.seq || (seq == self.seq && via.strength() > self.via.strength());
        forward.then_some(Self { seq, at: Some(at), via })
    }
}

/// A user in a thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// The thread.
    pub thread: ThreadId,
    /// The user.
    pub user: UserId,
    /// Their role in this thread.
    pub role: Role,
    /// Whether they are in it.
    pub standing: Standing,
    /// How far they have read.
    pub marker: ReadMarker,
    /// The thread's change counter when the marker last moved. Equal to `modseq` if that is what changed last.
    pub marker_modseq: Modseq,
    /// Where their view begins: messages with a higher seq are theirs to see; 0 is the whole history.
    pub visible_from: Seq,
    /// Put away in their list by themselves.
    pub archived: bool,
    /// Not notified by their own wish. Still counts in their unread total.
    pub muted: bool,
    /// The newest message that a notice told them of; 0 when none has.
    pub notified: Seq,
    /// When they first came in.
    pub joined_at: Timestamp,
    /// The thread's change counter when this row last changed.
    pub modseq: Modseq,
}

impl Member {
    /// Someone who comes into a thread now and sees its whole history, unread.
    #[must_use]
    pub const fn joining(thread: ThreadId, user: UserId, role: Role, at: Timestamp) -> Self {
        Self {
            thread,
            user,
            role,
            standing: Standing::Active,
            marker: ReadMarker::START,
            marker_modseq: Modseq::ZERO,
            visible_from: Seq::ZERO,
            archived: false,
            muted: false,
            notified: Seq::ZERO,
            joined_at: at,
            modseq: Modseq::ZERO,
        }
    }

    /// Whether this user takes part: may read, write and hear the thread.
    #[must_use]
    pub const fn takes_part(&self) -> bool {
        matches!(self.standing, Standing::Active | Standing::Hidden)
    }

    /// With the marker moved by the change that takes `modseq`; `None` if that would not be a step forward.
    #[must_use]
    pub fn marked(&self, seq: Seq, at: Timestamp, via: MarkedVia, modseq: Modseq) -> Option<Self> {
        let marker = self.marker.moved(seq, at, via)?;
        Some(Self { marker, marker_modseq: modseq, modseq, ..self.clone() })
    }

    /// Whether moving the marker is what changed last.
    #[must_use]
    pub fn just_marked(&self) -> bool {
        self.marker_modseq == self.modseq && self.modseq > Modseq::ZERO
    }

    /// Whether the message at `seq` is theirs to see.
    #[must_use]
    pub fn sees(&self, seq: Seq) -> bool {
        self.takes_part() && seq > self.visible_from
    }

    /// The seq above which messages are unread and no notice was about them.
    #[must_use]
    pub fn unnotified_above(&self) -> Seq {
        self.unread_above().max(self.notified)
    }

    /// The seq above which messages are unread: published formula, the same in every store.
    #[must_use]
    pub fn unread_above(&self) -> Seq {
        self.marker.seq.max(self.visible_from)
    }
}

/// How many messages are unread: those with seq in (`above`, `last`], less the `deleted` ones among them.
///
/// `above` is [`Member::unread_above`]. Arithmetic, never a stored count, so it cannot drift.
#[must_use]
pub const fn unread(last: Seq, above: Seq, deleted: u64) -> u64 {
    last.get().saturating_sub(above.get()).saturating_sub(deleted)
}
