//! Looking users up. Whoever is asked for while a look-up runs is read with the next one, in one statement: when many
//! clients connect at once, the way to a reading connection and back costs more than what is read.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sqlx::SqlitePool;
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::user::User;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::directory::read_users;

/// How many look-ups may wait; one more waits for room.
const QUEUE_MAX: usize = 4_096;
/// How many look-ups are read at once.
const TAKE_MAX: usize = 256;
/// The most users of a look-up that shares its statement; a larger one is worth its own.
pub(crate) const SHARED_IDS_MAX: usize = 16;

/// The door to whoever looks users up.
#[derive(Debug, Clone)]
pub(crate) struct Lookups(mpsc::Sender<Lookup>);

/// Who is asked for, and who asks. Whoever hung up is not read for.
#[derive(Debug)]
pub(crate) struct Lookup {
    ids: Vec<UserId>,
    reply: oneshot::Sender<Result<Vec<User>, StoreError>>,
}

impl Lookups {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Lookup>) {
        let (sender, waiting) = mpsc::channel(QUEUE_MAX);
        (Self(sender), waiting)
    }

    /// Those of `ids` that are known, in their order.
    pub(crate) async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Lookup { ids: ids.to_vec(), reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// Looks users up until `closing`.
pub(crate) async fn run(
    readers: SqlitePool,
    mut waiting: mpsc::Receiver<Lookup>,
    closing: CancellationToken,
) {
    let mut taken = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => return,
            count = waiting.recv_many(&mut taken, TAKE_MAX) => if count == 0 { return },
        }
        taken.retain(|lookup| !lookup.reply.is_closed());
        let asked: BTreeSet<&UserId> = taken.iter().flat_map(|lookup| &lookup.ids).collect();
        let found =
            async { if asked.is_empty() { Ok(Vec::new()) } else { read_users(&readers, asked).await } };
        let found = AssertUnwindSafe(found).catch_unwind().await;
        let found = found.unwrap_or_else(|_| Err(StoreError::Internal("a look-up panicked".into())));
        match found {
            Ok(users) => {
                let known: HashMap<UserId, User> =
                    users.into_iter().map(|user| (user.id.clone(), user)).collect();
                for Lookup { ids, reply } in taken.drain(..) {
                    // Whoever asked may have hung up meanwhile.
                    drop(reply.send(Ok(ids.iter().filter_map(|id| known.get(id)).cloned().collect())));
                }
            }
            // One broken row is the fault of nobody else who is asked for.
            Err(StoreError::Corrupt(_)) if taken.len() > 1 => {
                for Lookup { ids, reply } in taken.drain(..) {
                    drop(reply.send(read_users(&readers, &ids).await));
                }
            }
            Err(error) => {
                for Lookup { reply, .. } in taken.drain(..) {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
    }
}
