//! Who takes part in a thread, as far as live delivery must know.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_domain::change::Change;
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
    pub(crate) thread: Thread,
    pub(crate) members: HashMap<UserId, Seat>,
    /// Everything up to here is in it.
    modseq: Modseq,
    read_at: Instant,
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
        let read_at = Instant::now();
        let Some((thread, members)) = messaging.roster(id).await? else { return Ok(None) };
        let members: Vec<Member> = members.into_iter().filter(Member::takes_part).collect();
        let users: Vec<UserId> = members.iter().map(|member| member.user.clone()).collect();
        let profiles = messaging.profiles(&users).await?;
        let seats = members.into_iter().zip(profiles).map(|(member, profile)| Seat { member, profile });
        let members = users.into_iter().zip(seats).collect();
        Ok(Some(Self { modseq: thread.modseq, thread, members, read_at }))
    }

    /// Whether it is too old to be believed. Also when it is to seat somebody whose name it does not know.
    pub(crate) fn is_stale(&self, now: Instant, believed: std::time::Duration) -> bool {
        now.saturating_duration_since(self.read_at) > believed
    }

    /// Takes over a change, unless it was read with it. False when someone came in whose name must be read first.
    pub(crate) fn apply(&mut self, change: &Change) -> bool {
        if change.modseq() <= self.modseq {
            return true;
        }
        let Change::PutMember(member) = change else {
            self.modseq = change.modseq();
            return true;
        };
        if !member.takes_part() {
            self.members.remove(&member.user);
        } else if let Some(seat) = self.members.get_mut(&member.user) {
            seat.member = member.clone();
        } else {
            return false;
        }
        self.modseq = change.modseq();
        true
    }
}
