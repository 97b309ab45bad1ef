//! A PostgreSQL server for tests and benches: thrown away afterwards, also when its maker is killed. For Linux.
//!
//! It runs from Debian's `postgresql`, in a temporary folder, on a Unix socket alone, as the user `postgres` when its
//! maker is root. A guardian process stops it and removes the folder as soon as the maker is gone, whatever the
//! reason: it reads from a pipe that only the maker holds.

mod processes;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What installs the server.
const INSTALL: &str = "apt-get install --yes postgresql";

/// Where Debian has one folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// What the guardian does; `$0` is the programs' folder, `$1` the server's.
const GUARD: &str = "cat > /dev/null; \"$0/pg_ctl\" -D \"$1/data\" stop -m immediate -s; cd /; rm -rf \"$1\"";

/// What a server has that others do not need. By default it is as Debian would have it: `fsync` is on.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Lines for `postgresql.conf`: `max_connections = 200`.
    pub settings: Vec<String>,
    /// Variables for the environment of the server's processes: `LD_PRELOAD` and a library that its user may read.
    pub environment: Vec<(String, String)>,
    /// The only CPU that its processes run on, counted from 0; any when there is none.
    pub cpu: Option<usize>,
}

/// A server of one's own. Dropped, it is stopped at once and its folder removed.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    options: Options,
    /// It stops the server when it cannot read from its maker any more.
    _guardian: Child,
}

/// Where `pg_ctl`, `psql`, `pgbench` and the server itself are: the newest version that is installed.
///
/// # Errors
/// There is none; the error names the command that installs it.
pub fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path().join("bin")))
    });
    let found = numbered.filter(|(_, bin)| bin.join("initdb").exists()).max();
    let (_, bin) = found.with_context(|| format!("PostgreSQL is not installed. Install it: {INSTALL}"))?;
    Ok(bin)
}

impl Cluster {
    /// Makes a server and starts it; it answers when this returns.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or did not start; its log is in the error.
    pub fn start(options: &Options) -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("tidings-pg-").tempdir()?;
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()))?;
        }
        // From here on the guardian removes it.
        let folder = folder.keep();
        let mut guardian = unprivileged("sh");
        guardian.args(["-c", GUARD]).arg(&programs).arg(&folder).current_dir("/");
        // Out of reach of a Ctrl+C, which is for the maker.
        guardian.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guardian = guardian.spawn().context("the guardian of a server")?;
        let cluster = Self { folder, programs, options: options.clone(), _guardian: guardian };
        cluster.make()?;
        cluster.control(&["start"])?;
        Ok(cluster)
    }

    fn make(&self) -> Result<()> {
        let data = self.data();
        let words =
            ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
        run(unprivileged(self.programs.join("initdb")).args(words).arg("-D").arg(&data).current_dir("/"))?;
        let mut file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf"))?;
        let folder = self.folder.display();
        writeln!(
            file,
            "listen_addresses = ''\nunix_socket_directories = '{folder}'\nlogging_collector = off"
        )?;
        for line in &self.options.settings {
            writeln!(file, "{line}")?;
        }
        Ok(())
    }

    /// `pg_ctl` with these words, waiting for its end: `["stop", "-m", "immediate"]`, `["start"]`,
    /// `["restart", "-m", "fast"]`.
    ///
    /// # Errors
    /// It failed; the end of the server's log is in the error.
    pub fn control(&self, words: &[&str]) -> Result<()> {
        let pg_ctl = self.programs.join("pg_ctl");
        let mut command = match self.options.cpu {
            Some(cpu) => {
                let mut command = unprivileged("taskset");
                command.args(["-c", &cpu.to_string()]).arg(pg_ctl);
                command
            }
            None => unprivileged(pg_ctl),
        };
        // The server keeps what it inherits.
        command.envs(self.options.environment.iter().cloned()).stdin(Stdio::null()).current_dir("/");
        command.arg("-D").arg(self.data()).arg("-l").arg(self.log_file()).args(["-w", "-s"]).args(words);
        run(&mut command).with_context(|| format!("the server's log ends with:\n{}", self.log_end()))?;
        Ok(())
    }

    /// Kills all of the server's processes at once, as a crash of its machine would, and waits until they are gone.
    /// `control(&["start"])` starts it again.
    ///
    /// # Errors
    /// It does not run, or its processes do not go within 10 s.
    pub fn kill(&self) -> Result<()> {
        processes::kill_family(self.postmaster()?)?;
        // The next server asks whether their process is there; as long as nobody has waited for it, it seems to be.
        for lock in ["data/postmaster.pid", ".s.PGSQL.5432.lock"] {
            std::fs::remove_file(self.folder.join(lock)).with_context(|| lock.to_owned())?;
        }
        Ok(())
    }

    /// The server's processes: the postmaster first, then what it started.
    ///
    /// # Errors
    /// It does not run.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let postmaster = self.postmaster()?;
        let mut pids = vec![postmaster];
        pids.extend(processes::children(postmaster)?);
        Ok(pids)
    }

    fn postmaster(&self) -> Result<u32> {
        let text =
            std::fs::read_to_string(self.data().join("postmaster.pid")).context("the server does not run")?;
        text.lines().next().unwrap_or_default().parse().context("postmaster.pid names no process")
    }

    /// Where a database of this server is: `postgres://postgres@%2Ftmp%2F…/NAME`. There is always one named `postgres`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    /// Makes an empty database, and says where it is.
    ///
    /// # Errors
    /// The server does not run, or has one of that name.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("createdb"));
        run(command.arg("-h").arg(&self.folder).args(["-U", "postgres", name]).current_dir("/"))?;
        Ok(self.url(name))
    }

    /// What `psql` prints for these statements: a row a line, its columns with a bar between them.
    ///
    /// # Errors
    /// One of them failed, or the server does not run.
    pub fn psql(&self, database: &str, statements: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-qtA", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        run(command.arg("-h").arg(&self.folder).args(["-c", statements]).current_dir("/"))
    }

    /// The folder of this version's programs, `psql` and `pgbench` among them. They reach the server with
    /// `-h FOLDER -U postgres`.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The server's folder: its socket, `log`, and `data`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn log_end(&self) -> String {
        const LINES: usize = 20;
        let log = std::fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

/// The server refuses to run as root.
fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// What it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
