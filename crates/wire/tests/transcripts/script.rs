//! The lines of a transcript. Each is a JSON object, told by the keys it has.
//!
//! What there is at the beginning, or comes about past the dialect:
//! - `{"note": …}` says what the next steps show.
//! - `{"time": "2025-08-08T10:30:00.000Z"}` sets the clock; `{"wait": 6000}` lets so many milliseconds pass.
//! - `{"user": "ada", "role": …, "name": …, "picture": …}`: what ada's token, `token-ada`, will say of her.
//! - `{"campaign": "c1", "title": …, "public": …, "parties": [["ada", "ADVERTISER"], …]}`: what the host told of it.
//! - `{"thread": {"about": ["job", "j1"] or null, "subject": …, "members": [["ada", "ADVERTISER"], …]}}`
//! - `{"standing": "removed", "of": "bob", "in": "$thread1"}`; `{"delete": "$message1", "in": "$thread1"}`
//! - `{"store": "busy"}`: how the store fares from now on: `well`, `busy`, `unavailable`, `unknown` or `corrupt`;
//!   `{"directory": "busy"}`: how the directory fares. `{"sends": 2}`: so many messages may still be sent.
//! - `{"strict": true}`: only what the host has told about may have threads.
//!
//! What clients do:
//! - `{"session": "a1", "as": "ada"}` connects with ada's token; `{"connect": "a1", "auth": …, "authorization": …}`
//!   with what its handshake holds. `{"close": "a1"}` drops it.
//! - `{"as": "ada", "request": {"method": …, "path": …, "body": … or "raw": "…"}}`
//! - `{"on": "a1", "emit": ["sendMessage", …], "ack": true}`; without `ack` the client gives no callback.
//! - `{"problem": {"kind": "no-route", …}}`: what the transport meets before there is a command.
//!
//! What the host does:
//! - `{"host": {"method": …, "path": …, "body": … or "raw": …, "key": …}}` with its `Idempotency-Key`, and
//!   `{"host_problem": {"kind": …}}`.
//!
//! What comes of it, in this order; what is not there did not come:
//! - `{"token": …}` found in a handshake, and `{"refused": …}`.
//! - `{"reply": {"status": …, "body": …}}`; no `body` is an empty one.
//! - `{"hears": {"a1": [["newMessage", …], …], …}}`: what every session hears, in order.
//! - `{"ack": […]}`: the arguments of the callback, called after all that.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_wire::Dialect;

use crate::coverage::Coverage;
use crate::diff::diff;
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeLine {
    pub(crate) time: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitLine {
    pub(crate) wait: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserLine {
    pub(crate) user: String,
    pub(crate) role: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) picture: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignLine {
    pub(crate) campaign: String,
    pub(crate) title: String,
    pub(crate) public: bool,
    pub(crate) parties: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadLine {
    pub(crate) thread: ThreadMade,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadMade {
    pub(crate) about: Option<(String, String)>,
    pub(crate) subject: Option<String>,
    pub(crate) members: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingLine {
    pub(crate) standing: String,
    pub(crate) of: String,
    pub(crate) r#in: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteLine {
    pub(crate) delete: String,
    pub(crate) r#in: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreLine {
    pub(crate) store: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectoryLine {
    pub(crate) directory: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendsLine {
    pub(crate) sends: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StrictLine {
    pub(crate) strict: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostLine {
    pub(crate) host: HostAsked,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostAsked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Box<RawValue>>,
    pub(crate) raw: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostProblemLine {
    pub(crate) host_problem: ProblemMet,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionLine {
    pub(crate) session: String,
    pub(crate) r#as: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectLine {
    pub(crate) connect: String,
    pub(crate) auth: Option<Box<RawValue>>,
    pub(crate) authorization: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseLine {
    pub(crate) close: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLine {
    pub(crate) r#as: String,
    pub(crate) request: Request,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Box<RawValue>>,
    pub(crate) raw: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmitLine {
    pub(crate) on: String,
    pub(crate) emit: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(crate) ack: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProblemLine {
    pub(crate) problem: ProblemMet,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ProblemMet {
    NoToken,
    EmptyToken,
    BadToken { why: String },
    NoRoute { method: String, path: String },
    TooLarge { bytes: usize },
    Unsupported { why: String },
    TooMany { seconds: u64 },
    Unavailable,
    Internal,
}

/// A transcript with what came of its steps, and where that is not what was written.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) text: String,
    pub(crate) failures: Vec<String>,
}

pub(crate) async fn play(dialect: &'static Dialect, text: &str, coverage: &mut Coverage) -> Played {
    let mut world = World::new(dialect);
    let mut played = Played::default();
    let mut lines = text.lines().zip(1..).peekable();
    while let Some((line, number)) = lines.next() {
        let mut expected = Vec::new();
        while let Some((outcome, _)) = lines.next_if(|(line, _)| is_outcome(line)) {
            expected.push(outcome.to_owned());
        }
        let came = match step(&mut world, line, coverage).await {
            Ok(()) => world.take_outcomes(),
            Err(error) => {
                played.failures.push(format!("{number}: {error}\n"));
                expected.clone()
            }
        };
        if let Some(difference) = difference(&expected, &came) {
            played.failures.push(format!("{number}: {line}\n{difference}"));
        }
        for line in std::iter::once(line).chain(came.iter().map(String::as_str)) {
            played.text.push_str(line);
            played.text.push('\n');
        }
    }
    played
}

fn parts(line: &str) -> Result<BTreeMap<String, &RawValue>, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}

fn is_outcome(line: &str) -> bool {
    let outcome = |parts: BTreeMap<String, &RawValue>| {
        let has = |key| parts.contains_key(key);
        has("reply") || has("hears") || has("token") || has("refused") || (has("ack") && !has("on"))
    };
    parts(line).is_ok_and(outcome)
}

/// How what came differs in meaning from what was expected. The order of keys is no difference.
fn difference(expected: &[String], came: &[String]) -> Option<String> {
    let read = |lines: &[String]| -> Vec<Value> {
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.clone().into())).collect()
    };
    let (expected, came) = (read(expected), read(came));
    let shown = |values: &[Value]| -> Vec<String> {
        let pretty = |value| serde_json::to_string_pretty(value).unwrap_or_default();
        values.iter().flat_map(|value| pretty(value).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    (expected != came).then(|| diff(&shown(&expected), &shown(&came)))
}

async fn step(world: &mut World, line: &str, coverage: &mut Coverage) -> Result<(), String> {
    if line.trim().is_empty() {
        return Ok(());
    }
    let line = &world.names().to_wire(line)?;
    let parts = parts(line)?;
    let has = |key| parts.contains_key(key);
    if has("note") {
        Ok(())
    } else if has("request") {
        world.request(read(line)?, coverage).await
    } else if has("emit") {
        world.emit(read(line)?, coverage).await
    } else if has("session") {
        let SessionLine { session, r#as } = read(line)?;
        world.connect(session, &format!("token-{as}"), coverage).await
    } else if has("connect") {
        world.handshake(read(line)?, coverage).await
    } else if has("close") {
        world.close(&read::<CloseLine>(line)?.close, coverage).await
    } else if has("host") {
        world.host(read(line)?, coverage).await
    } else if has("host_problem") {
        world.host_problem(&read::<HostProblemLine>(line)?.host_problem, coverage)
    } else if has("problem") {
        world.problem(&read::<ProblemLine>(line)?.problem);
        Ok(())
    } else if has("user") {
        world.user(read(line)?)
    } else if has("campaign") {
        world.campaign(read(line)?).await
    } else if has("thread") {
        world.thread(read::<ThreadLine>(line)?.thread, coverage).await
    } else if has("standing") {
        world.standing(read(line)?, coverage).await
    } else if has("delete") {
        world.delete(read(line)?, coverage).await
    } else if has("store") {
        world.fail(&read::<StoreLine>(line)?.store)
    } else if has("directory") {
        world.fail_directory(&read::<DirectoryLine>(line)?.directory)
    } else if has("sends") {
        world.leave_sends(read::<SendsLine>(line)?.sends);
        Ok(())
    } else if has("strict") {
        world.be_strict(read::<StrictLine>(line)?.strict);
        Ok(())
    } else if has("time") {
        world.set_time(&read::<TimeLine>(line)?.time, coverage).await
    } else if has("wait") {
        world.wait(read::<WaitLine>(line)?.wait, coverage).await
    } else {
        Err("no such step, or what came of one stands without it".to_owned())
    }
}

fn read<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| error.to_string())
}
