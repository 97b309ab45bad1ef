//! Threads brought over by the host, and how long somebody waits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tidings_tests::{Data, Rest, Server, Store, Users};

/// One test after the other: each looks at what another would spoil.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) users: Users,
    _data: Data,
    _alone: MutexGuard<'static, ()>,
}

/// An id of ours: UUIDv7 by its form.
pub(crate) fn id(number: usize) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

pub(crate) fn date(number: usize) -> String {
    let (minutes, seconds) = (number / 60, number % 60);
    format!("2025-01-01T{:02}:{:02}:{seconds:02}.000Z", minutes / 60, minutes % 60)
}

impl World {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (data, users) = (Data::new(Store::Sqlite)?, Users::mint()?);
        Ok(Self { server: Server::start(&data)?, users, _data: data, _alone: alone })
    }

    /// Brings over a thread of Alice and Bob about a campaign, with these messages of Alice.
    pub(crate) fn thread(&self, id: &str, campaign: &str, messages: &[Value]) -> Value {
        json!({
            "id": id,
            "context": { "kind": "campaign", "id": campaign },
            "createdAt": date(0),
            "members": [
                { "userId": self.users.alice.id, "role": "ADVERTISER" },
                { "userId": self.users.bob.id, "role": "PROMOTER" },
            ],
            "messages": messages,
        })
    }

    pub(crate) fn imports(&self, threads: &[Value]) -> anyhow::Result<()> {
        let host = Rest::of(self.server.address(), &self.users.host);
        let answer = host.post("/v1/import/threads", &json!({ "threads": threads }))?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }

    /// A message of Alice for an import.
    pub(crate) fn message(&self, number: usize, text: &str) -> Value {
        json!({ "id": id(number), "senderId": self.users.alice.id, "content": text, "createdAt": date(number) })
    }

    /// How long Carol, who has nothing to do with it, waits for a list of hers.
    pub(crate) fn carol_waits(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let answer = Rest::of(self.server.address(), &self.users.carol).get("/messaging/threads")?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(began.elapsed())
    }
}

/// What 95 of 100 are no longer than.
pub(crate) fn p95(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    waits.get(waits.len() * 95 / 100).copied().unwrap_or_default()
}
