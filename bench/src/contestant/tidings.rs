//! The `tidings` binary.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde_json::{Value, json};

use super::process::{Running, SERVER_CORE, Started, free_address, pinned};
use crate::fixture::{self, Thread};
use crate::stage::Stage;

/// The configuration that Tidings is measured with: all as by default but the rates, because one generator is
/// everybody.
pub const CONFIG: &str = r#"[limits]
sends = "off"
opens = "off"
requests = "off"
events = "off"
strangers = "off"
handshakes = "off"
preflights = "off"
packets = "off"
sessions = "off"
sessions_per_user = 1000000
http_connections_per_address = 20000
"#;

/// Messages in one request of the import.
const IMPORTED_AT_ONCE: usize = 10_000;
/// Threads in one request of the import: its limit.
const THREADS_AT_ONCE: usize = 1_000;
/// What each imported message says; its first 180 characters are used.
const BODY: &str = "The parcel has arrived and everything in it is as we agreed. I will have the first draft of the \
video ready on Thursday evening, so that you can look at it before the weekend, if that suits you.";

/// Where it stores.
#[derive(Debug, Clone)]
pub enum Store {
    /// Nowhere.
    Memory,
    /// A file in this folder, with the durability that is the default.
    Sqlite(PathBuf),
    /// A database.
    Postgres(String),
}

/// The server and where it stores.
#[derive(Debug, Clone)]
pub struct Tidings {
    store: Store,
}

impl Tidings {
    /// On this store.
    #[must_use]
    pub const fn on(store: Store) -> Self {
        Self { store }
    }

    /// Starts it.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn start(&self, stage: &Stage) -> anyhow::Result<Running> {
        let config = stage.folder().join("tidings.toml");
        std::fs::write(&config, CONFIG)?;
        let address = free_address()?;
        let data = match &self.store {
            Store::Sqlite(folder) => folder.clone(),
            Store::Memory | Store::Postgres(_) => stage.folder().join("data"),
        };
        let mut command = pinned(SERVER_CORE, &stage.binary("tidings"));
        command.arg("serve").arg("--config").arg(config).arg("--data-dir").arg(data);
        command.args(["--listen", &address.to_string()]).env("JWT_SECRET", stage.secret());
        match &self.store {
            Store::Memory => command.args(["--database-url", "memory:"]),
            Store::Postgres(url) => command.args(["--database-url", url]),
            Store::Sqlite(_) => &mut command,
        };
        Running::start(command, address, stage.secret(), Started::Ready, &stage.log("tidings"))
    }

    /// Brings in threads with as many messages each, all read but the last, through the import of the host API.
    ///
    /// # Errors
    /// What the server answered.
    pub fn import(running: &Running, threads: &[Thread], messages: usize) -> anyhow::Result<()> {
        let token = service_token(&running.server.secret)?;
        let at_once = (IMPORTED_AT_ONCE / messages.max(1)).clamp(1, THREADS_AT_ONCE);
        for (chunk, threads) in threads.chunks(at_once).enumerate() {
            let first = chunk.saturating_mul(at_once);
            let told: Vec<Value> = threads
                .iter()
                .enumerate()
                .map(|(index, thread)| imported(thread, first.saturating_add(index), messages))
                .collect();
            post(running, &token, "/v1/import/threads", &json!({ "threads": told }))?;
        }
        Ok(())
    }
}

fn imported(thread: &Thread, number: usize, messages: usize) -> Value {
    let sender = |seq: usize| thread.members.get(seq % thread.members.len().max(1));
    let written: Vec<Value> = (1..=messages)
        .map(|seq| {
            json!({
                "id": fixture::message_id(number, seq),
                "senderId": sender(seq),
                "content": BODY.get(..180),
                "createdAt": fixture::written_at(number, seq),
            })
        })
        .collect();
    let read_until = (messages > 1).then(|| fixture::written_at(number, messages - 1));
    let member = |user: &String| {
        let role = fixture::role(user);
        json!({ "userId": user, "role": role, "readUntil": read_until })
    };
    json!({
        "id": thread.id,
        "context": { "kind": "campaign", "id": thread.campaign_id },
        "unique": "parties",
        "createdAt": fixture::written_at(number, 0),
        "members": thread.members.iter().map(member).collect::<Vec<_>>(),
        "messages": written,
    })
}

fn post(running: &Running, token: &str, path: &str, body: &Value) -> anyhow::Result<()> {
    let body = body.to_string();
    let address = running.server.address;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = tidings_tests::raw(address, request.as_bytes()).context("importing")?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {}", answer.chars().take(2_000).collect::<String>());
    Ok(())
}

/// A token for the host API.
fn service_token(secret: &str) -> anyhow::Result<String> {
    let expires = get_current_timestamp().saturating_add(3_600);
    let claims = json!({ "sub": "bench", "scope": "service", "exp": expires });
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("minting a service's token")
}
