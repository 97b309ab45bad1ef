//! The published keys of an issuer, remembered.
//!
//! A token with a key id that is not known may mean that the issuer has new keys, or that somebody makes up ids. So the
//! set is fetched anew for it, but not often: once at a time, at most every [`PAUSE`], and not again for an id that was
//! just looked for. A set that cannot be fetched leaves the last good one in force, up to [`KEPT_MAX`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use parking_lot::Mutex;
use reqwest::{Client, Url};
use tidings_domain::ports::{Clock, TokenError};
use tidings_domain::time::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Algorithm;
use super::fetch::{FETCH_MAX, Fetched, client, fetch};

/// The shortest time between two fetches.
const PAUSE: Duration = Duration::from_secs(30);
/// The same after a fetch that failed.
const PAUSE_FAILED: Duration = Duration::from_secs(5);
/// How long a set is used that cannot be fetched anew.
const KEPT_MAX: Duration = Duration::from_hours(24);
/// How long nothing is fetched for an id that was not in the set, and how many such ids are remembered.
const MISSING_BELIEVED: Duration = Duration::from_mins(1);
const MISSING_MAX: usize = 128;

const UNKNOWN: TokenError = TokenError("the token's key is not known");
const UNAVAILABLE: TokenError = TokenError("the issuer's keys cannot be fetched now");

/// What fetching needs.
#[derive(Debug, Clone)]
pub(crate) struct Upkeep {
    pub(crate) clock: Arc<dyn Clock>,
    /// Fetches are tasks of their own: a client that hangs up must not break off the fetch that others wait for.
    pub(crate) tasks: TaskTracker,
    /// Ends them.
    pub(crate) stop: CancellationToken,
}

/// The published keys of an issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Jwks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    issuer: String,
    url: Url,
    algorithm: Algorithm,
    client: Client,
    upkeep: Upkeep,
    state: Mutex<State>,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    set: Option<KeySet>,
    fetching: bool,
    /// When the last fetch began, and whether it failed.
    last: Option<(Timestamp, bool)>,
    missing: VecDeque<(String, Timestamp)>,
}

struct KeySet {
    keys: Vec<(Option<String>, Arc<DecodingKey>)>,
    fetched_at: Timestamp,
    fresh: Duration,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(kid, _)| kid)).finish()
    }
}

impl Jwks {
    /// The keys published at `url`; none are fetched yet.
    ///
    /// # Errors
    /// When this machine has no root certificates. So only who needs a client makes one.
    pub(crate) fn new(issuer: &str, url: Url, algorithm: Algorithm, upkeep: Upkeep) -> anyhow::Result<Self> {
        let (client, state, ended) = (client()?, Mutex::default(), watch::Sender::new(0));
        Ok(Self(Arc::new(Shared { issuer: issuer.to_owned(), url, algorithm, client, upkeep, state, ended })))
    }

    /// The key with this id; without an id, the only key. Waits for a fetch only when the key is not there.
    ///
    /// # Concurrency
    /// At most one fetch at a time; all who need it wait for the same.
    pub(crate) async fn key(&self, kid: Option<&str>) -> Result<Arc<DecodingKey>, TokenError> {
        let mut ended = {
            let mut state = self.0.state.lock();
            let now = self.0.upkeep.clock.now();
            state.forget(now);
            let is_fresh = state.set.as_ref().is_some_and(|set| set.is_fresh(now));
            if let Some(key) = state.find(kid) {
                if !is_fresh {
                    self.begin_fetch(&mut state, now);
                }
                return Ok(key);
            }
            if is_fresh && kid.is_some_and(|kid| state.missing.iter().any(|(missing, _)| missing == kid)) {
                return Err(UNKNOWN);
            }
            if !self.begin_fetch(&mut state, now) {
                return Err(state.absence());
            }
            self.0.ended.subscribe()
        };
        // A fetch always ends; the time is for one whose task never ran.
        if !matches!(tokio::time::timeout(FETCH_MAX * 2, ended.changed()).await, Ok(Ok(()))) {
            return Err(UNAVAILABLE);
        }
        let mut state = self.0.state.lock();
        match (state.find(kid), kid) {
            (Some(key), _) => return Ok(key),
            (None, Some(kid)) if state.last.is_some_and(|(_, failed)| !failed) => {
                state.miss(kid, self.0.upkeep.clock.now());
            }
            (None, _) => {}
        }
        Err(state.absence())
    }

    /// Fetches the set ahead of the first token, without waiting for it.
    pub(crate) fn warm_up(&self) {
        let mut state = self.0.state.lock();
        self.begin_fetch(&mut state, self.0.upkeep.clock.now());
    }

    /// Begins a fetch unless it is too early for one; tells whether one is on its way.
    fn begin_fetch(&self, state: &mut State, now: Timestamp) -> bool {
        if state.fetching {
            return true;
        }
        let is_early = state.last.is_some_and(|(at, failed)| {
            // Not earlier than the last: the clock was set back, and waiting for it could take for ever.
            at <= now && now < later(at, if failed { PAUSE_FAILED } else { PAUSE })
        });
        if is_early {
            return false;
        }
        state.fetching = true;
        state.last = Some((now, false));
        let shared = Arc::clone(&self.0);
        let stop = self.0.upkeep.stop.clone();
        self.0.upkeep.tasks.spawn(stop.run_until_cancelled_owned(async move { shared.fetch(now).await }));
        true
    }
}

impl Shared {
    async fn fetch(&self, now: Timestamp) {
        let _fetching = Fetching { shared: self, begun: now };
        let fetched = fetch(&self.client, &self.url, self.algorithm).await;
        let mut state = self.state.lock();
        state.fetching = false;
        match fetched {
            Ok(Fetched { keys, fresh, .. }) => {
                tracing::debug!(issuer = self.issuer, keys = keys.len(), "the key set was fetched");
                let keys = keys.into_iter().map(|(kid, key)| (kid, Arc::new(key))).collect();
                state.set = Some(KeySet { keys, fetched_at: now, fresh });
                state.missing.clear();
            }
            Err(error) => {
                state.last = Some((now, true));
                let kept = state.set.is_some();
                tracing::warn!(issuer = self.issuer, error = format!("{error:#}"), kept, "no new key set");
            }
        }
        // Under the lock: nobody who begins to wait now is woken for this fetch.
        self.ended.send_modify(|ended| *ended += 1);
    }
}

/// A fetch under way. One that is broken off, by a panic or a shutdown, has failed, so that another may begin.
struct Fetching<'a> {
    shared: &'a Shared,
    begun: Timestamp,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if std::mem::take(&mut state.fetching) {
            state.last = Some((self.begun, true));
            self.shared.ended.send_modify(|ended| *ended += 1);
        }
    }
}

impl State {
    fn find(&self, kid: Option<&str>) -> Option<Arc<DecodingKey>> {
        let keys = &self.set.as_ref()?.keys;
        let key = match (kid, keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|(known, _)| known.as_deref() == Some(kid)),
            // Without an id there must be no choice.
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        key.map(|(_, key)| Arc::clone(key))
    }

    /// Drops what is too old.
    fn forget(&mut self, now: Timestamp) {
        if self.set.as_ref().is_some_and(|set| now >= later(set.fetched_at, KEPT_MAX.max(set.fresh))) {
            self.set = None;
        }
        while self.missing.front().is_some_and(|(_, until)| *until <= now) {
            self.missing.pop_front();
        }
    }

    fn miss(&mut self, kid: &str, now: Timestamp) {
        if self.missing.len() >= MISSING_MAX {
            self.missing.pop_front();
        }
        self.missing.push_back((kid.to_owned(), later(now, MISSING_BELIEVED)));
    }

    fn absence(&self) -> TokenError {
        if self.set.is_some() { UNKNOWN } else { UNAVAILABLE }
    }
}

impl KeySet {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at <= now && now < later(self.fetched_at, self.fresh)
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.plus_millis(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}
