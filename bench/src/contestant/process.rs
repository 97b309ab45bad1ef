//! Child processes: pinned, waited for, and gone when this process is.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::workload::Server;

/// The core that servers are pinned to.
pub const SERVER_CORE: usize = 0;
/// The core of the generator, and of PostgreSQL.
pub const GENERATOR_CORE: usize = 1;

/// How long a server may take until it can be used.
const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to end when it is asked to; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a server is there: often, because the time to get there is measured too.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What tells that a server can be used.
#[derive(Debug, Clone, Copy)]
pub enum Started {
    /// A line `listening` in what it prints.
    Says,
    /// `/readyz` answers 200.
    Ready,
}

/// A program on a core of its own. It is killed when this process ends, whatever the reason (`PR_SET_PDEATHSIG`).
pub(super) fn pinned(core: usize, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "taskset", "-c"]).arg(core.to_string()).arg(program);
    command
}

/// An address on loopback that nobody listens on.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    listener.local_addr().context("the free port's number")
}

/// A server that can be used; killed and reaped when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// What workloads need of it.
    pub server: Server,
    /// How long it took until it could be used.
    pub took: Duration,
}

impl Running {
    /// Starts a prepared command, its output in `log`, and waits until it can be used.
    ///
    /// # Errors
    /// The command and its output, when it ends or does not get there.
    pub fn start(
        mut command: Command,
        address: SocketAddr,
        secret: &str,
        started: Started,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let begun = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let pids = vec![child.id()];
        let server = Server { address, secret: secret.to_owned(), pids };
        let mut running = Self { child, server, took: Duration::ZERO };
        loop {
            let there = match started {
                Started::Says => said(log, "listening"),
                Started::Ready => is_ready(address),
            };
            if there {
                running.took = begun.elapsed();
                return Ok(running);
            }
            let ended = running.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_MAX {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                let how =
                    ended.map_or_else(|| format!("not there after {START_MAX:?}"), |how| how.to_string());
                bail!("{command:?}: {how}\n{output}");
            }
            pause(LOOK_EVERY);
        }
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it cannot be reaped.
    pub fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() && asked.elapsed() < STOP_MAX {
            pause(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it is reaped already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn said(log: &Path, line: &str) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.lines().any(|said| said.trim() == line))
}

fn is_ready(address: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(START_MAX)).is_ok()
        && stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b"200")
}

/// Waits a little, between two looks at something that this process cannot be woken by.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
