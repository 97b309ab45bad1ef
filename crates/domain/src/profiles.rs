//! User profiles, remembered: every message and every frame shows a name, and names rarely change.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;
use crate::id::UserId;
use crate::ports::{Clock, Directory};
use crate::time::Timestamp;
use crate::user::{Subject, User};

/// How many profiles a generation holds; at most two generations are kept.
const GENERATION_USERS_MAX: usize = 10_000;
/// How long a remembered profile is believed, in milliseconds: another node may have changed it.
const BELIEVED_MS: i64 = 60_000;
/// How much later than the stored one a token that confirms a profile must be issued for that to be stored, in
/// milliseconds: a host may issue a token for each connection, and each would cost a write. Within it, what a token
/// confirmed is remembered by this process alone, and only as long as the profile is.
const CONFIRMED_AFTER_MS: i64 = 60 * 60 * 1_000;

/// Profiles in front of a [`Directory`].
pub(crate) struct Profiles {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<Generations>,
}

/// Two maps instead of a list of uses: when the young one is full it becomes the old one, and the old one is dropped.
#[derive(Default)]
struct Generations {
    young: HashMap<UserId, Remembered>,
    old: HashMap<UserId, Remembered>,
}

#[derive(Clone)]
struct Remembered {
    user: Arc<User>,
    known: bool,
    /// Its `as_of` in the directory; that of `user` may be later.
    stored_as_of: Timestamp,
    until: Timestamp,
}

impl Remembered {
    fn known(user: Arc<User>, until: Timestamp) -> Self {
        Self { stored_as_of: user.as_of, user, known: true, until }
    }
}

/// What is known, with what a later token says.
fn merged(known: &User, said: User) -> User {
    // A token without a name shows the id instead; that is no news about somebody who has a name.
    let is_nameless = said.name == said.id.as_str();
    User {
        name: if is_nameless { known.name.clone() } else { said.name },
        avatar_url: said.avatar_url.or_else(|| known.avatar_url.clone()),
        role: said.role.or_else(|| known.role.clone()),
        as_of: said.as_of,
        ..known.clone()
    }
}

impl Generations {
    fn get(&mut self, id: &UserId, now: Timestamp) -> Option<Remembered> {
        if let Some(found) = self.young.get(id) {
            return (found.until > now).then(|| found.clone());
        }
        let found = self.old.remove(id).filter(|found| found.until > now)?;
        self.put(found.clone());
        Some(found)
    }

    /// Remembers a profile, unless a newer one came in while this one was on its way.
    fn put(&mut self, remembered: Remembered) {
        let version = |of: &Remembered| (of.user.updated_at, of.user.as_of);
        let newer = |kept: &Remembered| kept.known && version(kept) > version(&remembered);
        if self.young.get(&remembered.user.id).is_some_and(newer) {
            return;
        }
        if self.young.len() >= GENERATION_USERS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(remembered.user.id.clone(), remembered);
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiles").finish_non_exhaustive()
    }
}

impl Profiles {
    pub(crate) fn new(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>) -> Self {
        Self { directory, clock, remembered: Mutex::default() }
    }

    /// The profiles of `ids`, in their order.
    pub(crate) async fn of(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, StoreError> {
        Ok(self.recall(ids).await?.into_iter().map(|remembered| remembered.user).collect())
    }

    /// Takes in a user known from a token, where that says more or something newer than the directory. What the token
    /// does not say stays as it is. A token that was issued earlier than the one that is known changes nothing.
    pub(crate) async fn sighted(&self, user: User) -> Result<Arc<User>, StoreError> {
        let now = self.clock.now();
        // A token from the future is no newer than any other of now: it must not keep later ones out.
        let user = User { told: false, as_of: user.as_of.min(now), ..user.presentable() };
        let known = self.recall(std::slice::from_ref(&user.id)).await?.pop().filter(|known| known.known);
        let user = match known {
            None => User { updated_at: now, ..user },
            Some(known) if !user.supersedes(&known.user) => return Ok(known.user),
            Some(Remembered { user: known, stored_as_of, until, .. }) => {
                let merged = merged(&known, user);
                let is_same = merged.name == known.name
                    && merged.avatar_url == known.avatar_url
                    && merged.role == known.role;
                if !is_same {
                    User { updated_at: now, ..merged }
                } else if merged.as_of < stored_as_of.plus_millis(CONFIRMED_AFTER_MS) {
                    let user = if merged.as_of == known.as_of { known } else { Arc::new(merged) };
                    self.lock().put(Remembered { user: Arc::clone(&user), known: true, stored_as_of, until });
                    return Ok(user);
                } else {
                    merged
                }
            }
        };
        self.put(user, None).await
    }

    /// Takes in what the host says of a user.
    pub(crate) async fn told(
        &self,
        user: User,
        subjects: Option<Vec<Subject>>,
    ) -> Result<Arc<User>, StoreError> {
        let now = self.clock.now();
        let user = User { told: true, as_of: now, updated_at: now, ..user.presentable() };
        self.put(user, subjects).await
    }

    async fn put(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<Arc<User>, StoreError> {
        let user = Arc::new(self.directory.put_user(user, subjects).await?);
        let until = self.clock.now().plus_millis(BELIEVED_MS);
        self.lock().put(Remembered::known(Arc::clone(&user), until));
        Ok(user)
    }

    /// A profile that is known without asking the directory.
    pub(crate) fn remembered(&self, id: &UserId) -> Option<Arc<User>> {
        let now = self.clock.now();
        self.lock().get(id, now).filter(|remembered| remembered.known).map(|remembered| remembered.user)
    }

    async fn recall(&self, ids: &[UserId]) -> Result<Vec<Remembered>, StoreError> {
        let now = self.clock.now();
        let mut found: Vec<Option<Remembered>> = {
            let mut remembered = self.lock();
            ids.iter().map(|id| remembered.get(id, now)).collect()
        };
        let missing: Vec<UserId> =
            ids.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(id, _)| id.clone()).collect();
        if !missing.is_empty() {
            let users = self.directory.users(&missing).await?;
            let until = now.plus_millis(BELIEVED_MS);
            let mut fresh: HashMap<UserId, Remembered> = users
                .into_iter()
                .map(|user| (user.id.clone(), Remembered::known(Arc::new(user), until)))
                .collect();
            let mut remembered = self.lock();
            for (id, slot) in ids.iter().zip(&mut found) {
                if slot.is_some() {
                    continue;
                }
                let entry = fresh.entry(id.clone()).or_insert_with(|| Remembered {
                    user: Arc::new(User::unknown(id.clone())),
                    known: false,
                    stored_as_of: Timestamp::from_millis(0),
                    until,
                });
                remembered.put(entry.clone());
                *slot = Some(entry.clone());
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
