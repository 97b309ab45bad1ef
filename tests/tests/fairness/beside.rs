//! A user who sends messages beside a flood.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{Data, Rest, Server, Socket, Store, Users, tidings};

use crate::flood::{Flood, Script};

/// How many times as long as when all is quiet half of the sends, and nearly all of them, may take beside a flood.
const MEDIAN_RATIO_MAX: u32 = 8;
const P95_RATIO_MAX: u32 = 10;
/// Quiet times below this count as this: they say nothing about the server.
const MEDIAN_FLOOR: Duration = Duration::from_millis(2);
const P95_FLOOR: Duration = Duration::from_millis(5);
/// How many sends are measured, and for how long at most. All of a test are within a user's budget.
const SENDS: usize = 100;
const MEASURED_FOR: Duration = Duration::from_secs(8);
/// How long a flood goes on before it is measured: what may come at once has come then.
const SETTLED_AFTER: Duration = Duration::from_secs(6);
/// What a user leaves between two messages.
const PAUSE: Duration = Duration::from_millis(20);

/// How long sends take.
#[derive(Debug)]
struct Times {
    median: Duration,
    p95: Duration,
}

/// Two floods at once would be measured beside each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A server as it is by default, in memory, and two users on it.
pub(crate) struct Beside {
    pub(crate) server: Server,
    pub(crate) users: Users,
    alice: Socket,
    thread: String,
    _data: Data,
    _turn: MutexGuard<'static, ()>,
}

impl Beside {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let data = Data::new(Store::Memory)?;
        let users = Users::mint()?;
        let mut command = Command::new(tidings()?);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database-url", "memory:", "--data-dir"])
            .arg(data.path())
            .env("JWT_SECRET", tidings_tests::SECRET)
            .current_dir(data.path());
        let server = Server::run(command)?;
        let asked =
            json!({ "campaignId": "spring", "promoterId": users.bob.id, "advertiserId": users.alice.id });
        let opened = Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?;
        let thread =
            opened.json()?.get("id").and_then(Value::as_str).context("a thread without an id")?.to_owned();
        let alice = Socket::connect(server.address(), &users.alice)?;
        Ok(Self { server, users, alice, thread, _data: data, _turn: turn })
    }

    /// The sum of all of a metric's samples, or of those with a label.
    pub(crate) fn counted(&self, metric: &str) -> anyhow::Result<f64> {
        let page = Rest::anonymous(self.server.address()).get("/metrics")?;
        ensure!(page.status == 200, "{page:?}");
        let samples = page.text.lines().filter(|line| line.starts_with(metric));
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// That Alice's sends take little longer while so many clients do this, because they are limited: the metric counts
    /// it.
    pub(crate) fn a_flood_of(mut self, clients: usize, script: Script, metric: &str) -> anyhow::Result<()> {
        let counted = self.counted(metric)?;
        let quiet = self.sends(SENDS, MEASURED_FOR)?;
        let flood = Flood::begin(self.server.address(), clients, script)?;
        self.sends(usize::MAX, SETTLED_AFTER)?;
        let beside = self.sends(SENDS, MEASURED_FOR)?;
        flood.end()?;
        self.server.unshaken()?;
        ensure!(self.counted(metric)? > counted, "{metric} counts nothing of the flood");
        ensure!(
            beside.median < quiet.median.max(MEDIAN_FLOOR) * MEDIAN_RATIO_MAX
                && beside.p95 < quiet.p95.max(P95_FLOOR) * P95_RATIO_MAX,
            "a send takes {quiet:?} when all is quiet, {beside:?} beside the flood"
        );
        Ok(())
    }

    /// How long sends take until they are acknowledged.
    fn sends(&mut self, sends: usize, within: Duration) -> anyhow::Result<Times> {
        let (began, mut times) = (Instant::now(), Vec::new());
        while times.len() < sends && began.elapsed() < within {
            let sent = Instant::now();
            let asked =
                self.alice.emit("sendMessage", &json!({ "threadId": self.thread, "content": "hello" }))?;
            let answer = self.alice.ack(asked)?;
            ensure!(answer.get("success") == Some(&Value::Bool(true)), "{answer}");
            times.push(sent.elapsed());
            std::thread::park_timeout(PAUSE);
        }
        times.sort_unstable();
        let part = |percent: usize| times.get(times.len() * percent / 100).copied();
        let (median, p95) = (part(50), part(95));
        Ok(Times { median: median.context("nothing sent")?, p95: p95.context("nothing sent")? })
    }
}
