//! One running server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use tempfile::TempDir;
use tidings_throwaway_postgres::{Cluster, Options};

use crate::DEADLINE;
use crate::binary::tidings;
use crate::http::Rest;
use crate::log::Log;
use crate::users::SECRET;

/// Where a server keeps what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The default: SQLite in the data folder.
    Sqlite,
    /// Nowhere.
    Memory,
    /// A database of its own on a throw-away PostgreSQL server, which all tests of a process share.
    Postgres,
}

/// A server's data folder, deleted when dropped, and where its database is. It outlives the servers that run on it one
/// after another.
#[derive(Debug)]
pub struct Data {
    folder: TempDir,
    database_url: OsString,
}

impl Data {
    /// An empty folder, and an empty database.
    ///
    /// # Errors
    /// Of the file system; or the command that installs PostgreSQL.
    pub fn new(store: Store) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a data folder")?;
        let database_url = match store {
            Store::Memory => OsString::from("memory:"),
            Store::Sqlite => {
                let mut url = OsString::from("sqlite:");
                url.push(database(folder.path()));
                url
            }
            Store::Postgres => {
                static MADE: AtomicUsize = AtomicUsize::new(0);
                let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
                shared_cluster()?.create_database(&name)?.into()
            }
        };
        Ok(Self { folder, database_url })
    }

    /// An empty folder, and a database that is there.
    ///
    /// # Errors
    /// Of the file system.
    pub fn on(database_url: impl Into<OsString>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a data folder")?;
        Ok(Self { folder, database_url: database_url.into() })
    }

    /// Where its database is, for a server of PostgreSQL or in memory.
    #[must_use]
    pub fn url(&self) -> &str {
        self.database_url.to_str().unwrap_or_default()
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// SQLite's file, told to the server as such so that no test depends on its default name.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database(self.path())
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("under-test.db")
}

/// The guardian stops it when this process is gone.
fn shared_cluster() -> anyhow::Result<&'static Cluster> {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    let started = SHARED.get_or_init(|| {
        let settings = vec!["max_connections = 200".to_owned()];
        Cluster::start(&Options { settings, ..Options::default() }).map_err(|error| format!("{error:#}"))
    });
    started.as_ref().map_err(|error| anyhow!("{error}"))
}

/// A running server; killed and reaped when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Log,
    address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port over `data` and waits until it is ready.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn start(data: &Data) -> anyhow::Result<Self> {
        Self::start_under(&[], data)
    }

    /// Starts a server as an argument of another program, `strace -D` for example. That program must leave its own
    /// process to the server.
    ///
    /// # Errors
    /// The output, when it does not come up.
    pub fn start_under(wrapper: &[OsString], data: &Data) -> anyhow::Result<Self> {
        Self::run(Self::command(wrapper, data)?)
    }

    /// The command with which [`start_under`](Self::start_under) starts a server.
    ///
    /// # Errors
    /// When there is no binary.
    pub fn command(wrapper: &[OsString], data: &Data) -> anyhow::Result<Command> {
        let mut words = wrapper.iter().cloned().chain([OsString::from(tidings()?)]);
        let mut command = Command::new(words.next().context("no program")?);
        command
            .args(words)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .arg("--database-url")
            .arg(&data.database_url)
            .env("JWT_SECRET", SECRET)
            // Tests are faster than people, and all come from one address.
            .envs(
                [
                    "SENDS",
                    "REQUESTS",
                    "EVENTS",
                    "STRANGERS",
                    "HANDSHAKES",
                    "PREFLIGHTS",
                    "SESSIONS",
                    "PACKETS",
                ]
                .map(|rate| (format!("TIDINGS_LIMITS_{rate}"), "off")),
            )
            .current_dir(data.path());
        Ok(command)
    }

    /// Runs a prepared `serve` command and waits until it says where it listens and `/readyz` agrees.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn run(command: Command) -> anyhow::Result<Self> {
        Self::ready(Self::listening(command)?)
    }

    /// Like [`run`](Self::run), with another standard error, of which nothing is in the log here.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn run_with_stderr(command: Command, stderr: Stdio) -> anyhow::Result<Self> {
        Self::ready(Self::spawned(command, Stdio::piped(), stderr)?)
    }

    /// Like [`run`](Self::run), with another standard output, of which nothing is in the log here.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn run_with_stdout(command: Command, stdout: Stdio) -> anyhow::Result<Self> {
        Self::ready(Self::spawned(command, stdout, Stdio::piped())?)
    }

    fn ready(server: Self) -> anyhow::Result<Self> {
        let ready = Rest::anonymous(server.address).get("/readyz")?;
        ensure!(ready.status == 200, "/readyz says {} once the server listens: {}", ready.status, ready.text);
        Ok(server)
    }

    /// Runs any program that serves, and waits until it says `listening on http://ADDRESS`.
    ///
    /// # Errors
    /// Its output, when it does not come up.
    pub fn listening(command: Command) -> anyhow::Result<Self> {
        Self::spawned(command, Stdio::piped(), Stdio::piped())
    }

    fn spawned(mut command: Command, stdout: Stdio, stderr: Stdio) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let log = Log::of(&mut child);
        // From here on the child is reaped whatever happens.
        let mut server = Self { child, log, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = server.log.wait(DEADLINE, |lines| lines.iter().find_map(|line| listening(line)))?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether it has gone through everything so far without a panic: a panic in one connection's task harms nobody
    /// else, and would go unseen.
    ///
    /// # Errors
    /// The log with the panic.
    pub fn unshaken(&self) -> anyhow::Result<()> {
        let log = self.log.text();
        ensure!(!log.contains("panicked at"), "the server panicked:\n{log}");
        Ok(())
    }

    /// How much memory it has, in bytes: what Linux calls the resident set.
    ///
    /// # Errors
    /// Where there is no `/proc`, and when it is gone.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("an odd VmRSS")?;
        Ok(kibibytes * 1024)
    }

    /// Kills it as a power cut would: SIGKILL, at once.
    ///
    /// # Errors
    /// When the process cannot be killed or reaped.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("reaping the server")?;
        Ok(())
    }

    /// Sends it a signal: `STOP`, `CONT`.
    ///
    /// # Errors
    /// Its output, when it is gone.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        // A shell, because its `kill` is always there and the standard library sends no signals.
        let told = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status()?;
        ensure!(told.success(), "the server was gone before it got a signal:\n{}", self.log.text());
        Ok(())
    }

    /// From now on no file of its may grow beyond so many bytes; with `None`, they may again. A server that ignores
    /// SIGXFSZ meets a disk that is full (`EFBIG` in place of `ENOSPC`); any other is killed.
    ///
    /// # Errors
    /// When there is no `prlimit`.
    pub fn limit_files(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let told = Command::new("prlimit")
            .args(["--pid", &self.child.id().to_string(), &format!("--fsize={limit}:")])
            .output()
            .context("prlimit is missing; run: apt-get install util-linux")?;
        ensure!(told.status.success(), "prlimit: {}", String::from_utf8_lossy(&told.stderr));
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// Its output, when it is still there after `within`.
    pub fn stop(mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        ensure!(self.log.closed(within), "still running {within:?} after SIGTERM:\n{}", self.log.text());
        self.child.wait().context("reaping the server")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only when it is reaped already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The address in a line that says `listening on http://ADDRESS`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::listening;

    #[test]
    fn the_address_is_found_in_plain_and_in_decorated_lines() {
        let want = Some("127.0.0.1:4000".parse().unwrap());
        assert_eq!(listening("tidings is listening on http://127.0.0.1:4000"), want);
        assert_eq!(listening("INFO listening on http://127.0.0.1:4000/ (loopback)"), want);
        assert_eq!(listening("\u{1b}[1mlistening on http://127.0.0.1:4000\u{1b}[0m"), want);
        assert_eq!(listening("[::1] is not bound"), None);
    }
}
