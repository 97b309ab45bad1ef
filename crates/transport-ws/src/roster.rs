//! Who takes part in a thread, as far as live delivery must know.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::change::{Change, Commit};
use tidings_domain::error::StoreError;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::messaging::Messaging;
use tidings_domain::seq::Modseq;
use tidings_domain::thread::Thread;
use tidings_domain::user::User;
use tokio::time::Instant;

/// Everyone who takes part in a thread, with their names, as of one point in its history.
#[derive(Debug)]
pub(crate) struct Roster {
    /// The thread as it was at `modseq`.
    pub(crate) thread: Arc<Thread>,
    /// By user id, so that one is found by halves.
    seats: Vec<Seat>,
    /// Everything up to here is in it.
    modseq: Modseq,
    /// When it came in; a roster that is not seated yet is as fresh as can be.
    seated_at: Option<Instant>,
}

/// A member who takes part.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) member: Member,
    pub(crate) profile: Arc<User>,
}

impl Roster {
    /// Reads a thread's roster; `None` when there is no such thread.
    pub(crate) async fn read(messaging: &Messaging, id: ThreadId) -> Result<Option<Self>, StoreError> {
        let Some((thread, mut members)) = messaging.roster(id).await? else { return Ok(None) };
        members.retain(Member::takes_part);
        members.sort_unstable_by(|one, other| one.user.cmp(&other.user));
        let users: Vec<UserId> = members.iter().map(|member| member.user.clone()).collect();
        let profiles = messaging.profiles(&users).await?;
        let seats = members.into_iter().zip(profiles).map(|(member, profile)| Seat { member, profile });
        Ok(Some(Self {
            seats: seats.collect(),
            modseq: thread.modseq,
            thread: Arc::new(thread),
            seated_at: None,
        }))
    }

    /// It comes into use.
    pub(crate) fn seat(&mut self, now: Instant) {
        self.seated_at = Some(now);
    }

    /// Takes over what an older reading knows better: how people are called now.
    pub(crate) fn rename(&mut self, other: &Self) {
        for seat in &mut self.seats {
            if let Some(known) = other.get(&seat.member.user) {
                seat.profile = Arc::clone(&known.profile);
            }
        }
    }

    /// Whether its names are too old to be believed. Who takes part is exact however old it is: commits say so.
    pub(crate) fn is_stale(&self, now: Instant, believed: Duration) -> bool {
        self.seated_at.is_some_and(|at| now.saturating_duration_since(at) > believed)
    }

    /// Everyone who takes part.
    pub(crate) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat of a user who takes part.
    pub(crate) fn get(&self, user: &UserId) -> Option<&Seat> {
        self.seats.get(self.place(user).ok()?)
    }

    /// The change counter up to which everything is in it.
    pub(crate) const fn modseq(&self) -> Modseq {
        self.modseq
    }

    /// Takes over a commit, unless it was read with it. False when someone came in whose name must be read first; it
    /// is of no more use then.
    pub(crate) fn apply(&mut self, commit: &Commit) -> bool {
        if commit.modseq() <= self.modseq {
            return true;
        }
        let applied = commit.changes.iter().all(|change| self.apply_change(change));
        if applied {
            self.modseq = commit.modseq();
            self.thread = Arc::clone(&commit.thread);
        }
        applied
    }

    fn apply_change(&mut self, change: &Change) -> bool {
        let Change::PutMember(member) = change else { return true };
        match (self.place(&member.user), member.takes_part()) {
            (Ok(place), true) => {
                if let Some(seat) = self.seats.get_mut(place) {
                    seat.member = member.clone();
                }
            }
            (Ok(place), false) => {
                self.seats.remove(place);
            }
            (Err(_), takes_part) => return !takes_part,
        }
        true
    }

    fn place(&self, user: &UserId) -> Result<usize, usize> {
        self.seats.binary_search_by(|seat| seat.member.user.cmp(user))
    }
}
