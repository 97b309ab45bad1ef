//! Scenarios for stock clients: scripts under `tests/node`, run by Node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::log::Log;
use crate::server::Server;
use crate::table::table;
use crate::users::{SECRET, Users};

/// How long a whole scenario may take. Each step in it has a shorter deadline of its own.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(300);

/// What a stock client travels over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transports {
    /// Long-polling, then an upgrade to WebSocket.
    Default,
    /// Long-polling alone.
    Polling,
    /// WebSocket alone.
    WebSocket,
}

impl Transports {
    fn json(self) -> Value {
        match self {
            Self::Default => Value::Null,
            Self::Polling => json!(["polling"]),
            Self::WebSocket => json!(["websocket"]),
        }
    }
}

/// The folder of the scripts.
#[must_use]
pub fn node_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node")
}

/// The installed packages of the scripts.
///
/// # Errors
/// The command that installs them, when they are missing.
pub fn stock_modules() -> anyhow::Result<PathBuf> {
    let modules = node_folder().join("node_modules");
    ensure!(
        modules.join("socket.io-client/package.json").is_file(),
        "socket.io-client is not installed; run: npm ci --prefix {}",
        node_folder().display()
    );
    Ok(modules)
}

/// Runs `tests/node/NAME.mjs` against a server with these users and waits for its end.
///
/// # Errors
/// The script's output and the server's, when it fails, takes longer than its deadline or makes the server panic.
pub fn scenario(name: &str, server: &Server, users: &Users, transports: Transports) -> anyhow::Result<()> {
    scenario_of(name, server, &users.json(), transports)
}

/// As [`scenario`], against a server that is not the `tidings` binary: `users` is what the script knows of them.
///
/// # Errors
/// As [`scenario`].
pub fn scenario_of(name: &str, server: &Server, users: &Value, transports: Transports) -> anyhow::Result<()> {
    stock_modules()?;
    let world = json!({
        "url": format!("http://{}", server.address()),
        "transports": transports.json(),
        "secret": SECRET,
        "users": users,
        "table": table(),
    });
    let mut child = Command::new("node")
        .arg(format!("{name}.mjs"))
        .current_dir(node_folder())
        .env("TIDINGS_WORLD", world.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running node; is Node.js installed?")?;
    let log = Log::of(&mut child);
    if !log.closed(SCENARIO_DEADLINE) {
        // It may end just now; either way it is reaped below.
        let _gone = child.kill();
    }
    let status = child.wait().context("reaping node")?;
    ensure!(
        status.success(),
        "{name} over {transports:?} failed ({status}):\n{}\n--- the server's log ---\n{}",
        log.text(),
        server.log().text()
    );
    server.unshaken().with_context(|| format!("{name} over {transports:?}"))
}
