//! Moving everything that one store keeps into another.
//!
//! [`copy`] reads a store record by record, in the order of [`RecordKind::ALL`], and writes each page into the other
//! store in one transaction together with the [`Place`] it has come to. So a copy that was killed goes on where it
//! stopped, and a record is written once. At the end both stores are read again, and their [`Contents`] must be equal.
//!
//! A record holds all that stores keep, counters and numbers included, so that the copy goes on counting where the
//! first store stopped. What a store derives from its records (indexes, sequences, copies of a column) it derives anew.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::context::Context;
use crate::error::StoreError;
use crate::job::ClaimedJob;
use crate::member::Member;
use crate::message::Message;
use crate::seq::Modseq;
use crate::summary::Summary;
use crate::thread::{Thread, ThreadKey};
use crate::time::Timestamp;
use crate::user::{Subject, User};

/// One thing that a store keeps, with all that it keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Record {
    /// A user, with the subjects that lead to them, sorted.
    User(Box<User>, Vec<Subject>),
    /// A business object.
    Context(Context),
    /// A thread's own row.
    Thread(Box<Thread>, Option<ThreadKey>),
    /// A member, with the modseq of their first change: the order in which they came in.
    Member(Member, Modseq),
    /// A message, with the modseq with which it was appended: its own moves on with each edit.
    Message(Box<Message>, Modseq),
    /// A summary.
    Summary(Summary),
    /// A job, and when it may be claimed: when it is due, or when its holder's lease ends.
    Job(ClaimedJob, Timestamp),
}

/// The kinds of [`Record`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// [`Record::User`].
    User,
    /// [`Record::Context`].
    Context,
    /// [`Record::Thread`].
    Thread,
    /// [`Record::Member`].
    Member,
    /// [`Record::Message`].
    Message,
    /// [`Record::Summary`].
    Summary,
    /// [`Record::Job`].
    Job,
}

impl RecordKind {
    /// All of them, in the order in which they are copied: whatever belongs to a thread comes after it.
    pub const ALL: [Self; 7] =
        [Self::User, Self::Context, Self::Thread, Self::Member, Self::Message, Self::Summary, Self::Job];

    /// Its name in the plural: `messages`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Context => "contexts",
            Self::Thread => "threads",
            Self::Member => "members",
            Self::Message => "messages",
            Self::Summary => "summaries",
            Self::Job => "jobs",
        }
    }

    /// The most records of a page. Chosen so that a page of the largest ones takes about 16 MiB.
    #[must_use]
    pub const fn page_max(self) -> u32 {
        match self {
            Self::User | Self::Thread | Self::Member => 1_000,
            Self::Message => 400,
            Self::Context | Self::Summary | Self::Job => 60,
        }
    }

    fn next(self) -> Option<Self> {
        Self::ALL.into_iter().skip_while(|kind| *kind != self).nth(1)
    }
}

/// How far a copy has come: all kinds before this one are there, and of this one all records up to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The kind.
    pub kind: RecordKind,
    /// The key of the last record, in the words of the store that was read; `None` when there is none yet.
    pub after: Option<String>,
}

impl Place {
    /// Before everything.
    pub const START: Self = Self { kind: RecordKind::User, after: None };
}

impl fmt::Display for Place {
    /// The text that a store keeps: `messages 4711`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.after.iter().try_for_each(|after| write!(f, " {after}"))
    }
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (name, after) = match text.split_once(' ') {
            Some((name, after)) => (name, Some(after.to_owned())),
            None => (text, None),
        };
        let kind = RecordKind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| StoreError::Corrupt("the place that a copy has come to".into()))?;
        Ok(Self { kind, after })
    }
}

/// Some records of one kind.
#[derive(Debug, Clone, Default)]
pub struct RecordPage {
    /// The records, in the order of their keys.
    pub records: Vec<Record>,
    /// The key of the last one, in the store's own words; `None` when the page is empty.
    pub last: Option<String>,
}

/// Whether a store can take in the records of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// It is empty.
    Empty,
    /// A copy into it has begun and not ended.
    Underway {
        /// The [history](Transfer::history) of the store that is copied.
        from: Uuid,
        /// How far it has come.
        place: Place,
    },
    /// It has records of its own.
    Used,
}

/// Lets all records of a store out, and those of another store in. For tools: nothing that serves needs it.
///
/// # Concurrency
/// Reading takes no locks. Each page is consistent in itself, but not all pages together: a store that is written to meanwhile
/// is not read as it ever was, which [`copy`] finds at the end.
#[async_trait]
pub trait Transfer: Send + Sync + fmt::Debug {
    /// What names this store's history. No other store has the same.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn history(&self) -> Result<Uuid, StoreError>;

    /// Records of a kind that come behind a key, up to [`page_max`](RecordKind::page_max). Messages of a thread come by
    /// seq upwards. An empty page is the last.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] when the key is none of this store's.
    async fn records(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError>;

    /// Whether another store's records can be taken in.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn incoming(&self) -> Result<Incoming, StoreError>;

    /// Notes that a copy begins, so that no server starts on this store before its end.
    ///
    /// # Errors
    /// [`StoreError`]; also when the store is not empty, or another copy is under way.
    async fn begin(&self, from: Uuid) -> Result<(), StoreError>;

    /// Keeps records as they are, and that the copy has come from `at` to `next`: both or neither.
    ///
    /// # Errors
    /// [`StoreError`]; also when the copy under way is not at `at`, which keeps two of them apart.
    async fn put(&self, records: Vec<Record>, at: &Place, next: &Place) -> Result<(), StoreError>;

    /// Notes that the copy is complete.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end(&self) -> Result<(), StoreError>;
}

/// What a store holds, in figures: equal for two stores with the same records, in whatever order they give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    counts: [u64; RecordKind::ALL.len()],
    digest: u128,
}

impl Contents {
    /// Reads all of a store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(store: &dyn Transfer) -> Result<Self, StoreError> {
        let mut contents = Self::default();
        for (kind, count) in RecordKind::ALL.into_iter().zip(&mut contents.counts) {
            let mut after = None;
            loop {
                let page = store.records(kind, after.as_deref()).await?;
                for record in &page.records {
                    *count = count.saturating_add(1);
                    // A sum, so that the order does not count.
                    contents.digest = contents.digest.wrapping_add(digest(record));
                }
                if page.last.is_none() {
                    break;
                }
                after = page.last;
            }
        }
        Ok(contents)
    }

    /// How many records there are of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (RecordKind, u64)> {
        RecordKind::ALL.into_iter().zip(self.counts)
    }

    /// A digest over all records. It compares stores within one process, and is not to be kept.
    #[must_use]
    pub const fn digest(&self) -> u128 {
        self.digest
    }
}

impl fmt::Display for Contents {
    /// `2 users, 1 contexts, …, digest 0123…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in self.counts() {
            write!(f, "{count} {}, ", kind.name())?;
        }
        write!(f, "digest {:032x}", self.digest)
    }
}

fn digest(record: &Record) -> u128 {
    let mut hasher = Sha256Hasher(Sha256::new());
    record.hash(&mut hasher);
    let digest = hasher.0.finalize();
    digest.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

/// Feeds what a value hashes to a digest that has no collisions by chance.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Why a copy did not come to its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source failed.
    #[error("the source failed: {0}")]
    Source(StoreError),
    /// The target failed.
    #[error("the target failed: {0}")]
    Target(StoreError),
    /// Source and target are one.
    #[error("source and target are the same store")]
    SameStore,
    /// The source is itself an unfinished copy.
    #[error("the source is itself an unfinished copy: finish that one first")]
    SourceUnfinished,
    /// The target has records of its own.
    #[error("the target is not empty: copy into an empty database")]
    TargetUsed,
    /// The target is an unfinished copy of another store.
    #[error("the target is an unfinished copy of another store: empty it, or finish that copy")]
    OtherCopy,
    /// The copy is not what the source has.
    #[error(
        "source and copy differ, because one of them was written to meanwhile: stop what serves from them, empty \
         the target and copy again. The source has {source_has}; the copy has {copy_has}"
    )]
    Differ {
        /// The source's.
        source_has: Contents,
        /// The target's.
        copy_has: Contents,
    },
}

/// Copies everything from one store into an empty one, or goes on with an unfinished copy of it.
///
/// Answers what both have. `progress` hears of each page that was written: its kind and the count of its records.
///
/// Nobody may write to either meanwhile. When they did, the copy is found to differ, and stays marked as unfinished.
///
/// # Errors
/// [`CopyError`]; the target then holds an unfinished copy, unless it was refused at once.
pub async fn copy(
    source: &dyn Transfer,
    target: &dyn Transfer,
    mut progress: impl FnMut(RecordKind, usize) + Send,
) -> Result<Contents, CopyError> {
    let mut stored = begun(source, target).await?;
    let mut read = stored.clone();
    loop {
        let page = source.records(read.kind, read.after.as_deref()).await.map_err(CopyError::Source)?;
        if page.last.is_none() {
            match read.kind.next() {
                Some(kind) => read = Place { kind, after: None },
                None => break,
            }
            continue;
        }
        read.after = page.last;
        let count = page.records.len();
        target.put(page.records, &stored, &read).await.map_err(CopyError::Target)?;
        stored.clone_from(&read);
        progress(read.kind, count);
    }
    let source_has = Contents::of(source).await.map_err(CopyError::Source)?;
    let copy_has = Contents::of(target).await.map_err(CopyError::Target)?;
    if source_has != copy_has {
        return Err(CopyError::Differ { source_has, copy_has });
    }
    target.end().await.map_err(CopyError::Target)?;
    Ok(copy_has)
}

/// Where the copy begins or goes on.
async fn begun(source: &dyn Transfer, target: &dyn Transfer) -> Result<Place, CopyError> {
    let history = source.history().await.map_err(CopyError::Source)?;
    if target.history().await.map_err(CopyError::Target)? == history {
        return Err(CopyError::SameStore);
    }
    if matches!(source.incoming().await.map_err(CopyError::Source)?, Incoming::Underway { .. }) {
        return Err(CopyError::SourceUnfinished);
    }
    match target.incoming().await.map_err(CopyError::Target)? {
        Incoming::Used => Err(CopyError::TargetUsed),
        Incoming::Underway { from, .. } if from != history => Err(CopyError::OtherCopy),
        Incoming::Underway { place, .. } => Ok(place),
        Incoming::Empty => {
            target.begin(history).await.map_err(CopyError::Target)?;
            Ok(Place::START)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_text_and_back() {
        for kind in RecordKind::ALL {
            for after in [None, Some("campaign c 1 / x".to_owned())] {
                let place = Place { kind, after };
                assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
        assert!("cats 1".parse::<Place>().is_err());
    }
}
