//! A PostgreSQL server for tests: thrown away afterwards, also when a test fails or is killed.
//!
//! It runs from Debian's `postgresql`, in a temporary folder, on a Unix socket alone, as the user `postgres` when the
//! tests run as root. A guardian process stops it and removes the folder as soon as the test process is gone, whatever
//! the reason: it reads from a pipe that only the test process holds. With `TEST_DATABASE_URL`, that server is used
//! instead; its user must be allowed to create databases.
#![expect(dead_code, reason = "each file of tests uses a part of it")]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, OnceLock, mpsc};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tidings_domain::change::Commit;
use tidings_domain::ports::Notifier;
use tidings_storage_postgres::{PgConfig, PgStore};

/// What installs the server.
const INSTALL: &str = "apt-get install --yes postgresql";

/// Hears of nothing that anybody wants to know.
#[derive(Debug)]
struct Quiet;

impl Notifier for Quiet {
    fn committed(&self, _: Arc<Commit>) {}
}

/// A server of one's own.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    _guardian: Child,
}

/// Where the server's programs are: the newest version that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    let version = |bin: &Path| -> u32 {
        let name = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        name.and_then(|name| name.parse().ok()).unwrap_or(0)
    };
    found.sort_by_key(|bin| version(bin));
    found.pop().unwrap_or_else(|| panic!("PostgreSQL is not installed. Install it: {INSTALL}"))
}

/// The server refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Cluster {
    /// Makes one and starts it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder: TempDir = tempfile::Builder::new().prefix("tidings-pg-").tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres:").arg(folder.path()));
        }
        // From here on the guardian removes it.
        let folder = folder.keep();
        let data = folder.join("data");
        let guarding =
            "cat > /dev/null; \"$0/pg_ctl\" -D \"$1/data\" stop -m immediate -s; cd /; rm -rf \"$1\"";
        let mut guardian = unprivileged(Path::new("sh"));
        guardian.args(["-c", guarding]).arg(&programs).arg(&folder);
        // Out of reach of a Ctrl+C, which is for the tests.
        guardian.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guardian = guardian.current_dir("/").spawn().unwrap();
        run(unprivileged(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir("/"));
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 200\nmax_wal_size = '2GB'\n\
             logging_collector = off\n",
            folder.display()
        );
        let mut file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
        let cluster = Self { folder, programs, _guardian: guardian };
        cluster.control(&["start"]);
        cluster
    }

    /// `pg_ctl`, waiting for its end.
    pub(crate) fn control(&self, words: &[&str]) {
        run(unprivileged(&self.programs.join("pg_ctl"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-w", "-s"])
            .args(words)
            // The server keeps what it inherits.
            .stdin(Stdio::null())
            .current_dir("/"));
    }

    /// Stops it and starts it again as the replica of nobody.
    pub(crate) fn become_a_replica(&self) {
        self.control(&["stop", "-m", "fast"]);
        run(unprivileged(Path::new("touch")).arg(self.folder.join("data/standby.signal")).current_dir("/"));
        self.control(&["start"]);
    }

    /// Where a database of this server is.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }
}

/// What the keeper of databases is asked.
enum Ask {
    /// A new one, migrated; answers its URL.
    Make(mpsc::Sender<String>),
    /// One whose schema is as it was made: it is emptied and used again.
    Recycle(String),
}

/// Makes databases, on a thread of its own that outlives every test's runtime.
fn keeper() -> &'static mpsc::Sender<Ask> {
    static KEEPER: LazyLock<mpsc::Sender<Ask>> = LazyLock::new(|| {
        let (ask, asked) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(keep(asked));
        });
        ask
    });
    &KEEPER
}

const EMPTY: &str = "delete from thread; delete from member; delete from message; delete from summary; \
    delete from job; delete from person; delete from subject; delete from context; \
    select setval('thread_number', 1, false), setval('message_number', 1, false), setval('user_number', 1, false)";

async fn keep(asked: mpsc::Receiver<Ask>) {
    let given = std::env::var_os("TEST_DATABASE_URL");
    let given = given.as_ref().map(|url| url.to_str().expect("TEST_DATABASE_URL is a URL"));
    let url =
        |database: &str| given.map_or_else(|| shared().url(database), |url| with_database(url, database));
    let mine = |name: &str| format!("tidings_{}_{name}", std::process::id());
    let admin = given.map_or_else(|| url("postgres"), str::to_owned);
    let mut connection = PgConnection::connect(&admin).await.expect("the test server answers");
    let template = mine("template");
    execute(&mut connection, format!("create database {template}")).await;
    PgStore::migrate(&PgConfig::at(url(&template))).await.expect("an empty database migrates");
    let (mut made, mut free): (u32, Vec<String>) = (0, Vec::new());
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::Make(reply) => {
                let name = if let Some(name) = free.pop() {
                    let users = format!(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
                        where datname = '{name}'"
                    );
                    execute(&mut connection, users).await;
                    let mut inside = PgConnection::connect(&url(&name)).await.unwrap();
                    inside.execute(EMPTY).await.unwrap();
                    inside.close().await.unwrap();
                    name
                } else {
                    made += 1;
                    let name = mine(&made.to_string());
                    execute(&mut connection, format!("create database {name} template {template}")).await;
                    name
                };
                reply.send(url(&name)).ok();
            }
            Ask::Recycle(name) => free.push(name),
        }
    }
}

async fn execute(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql.clone())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The same server, another database.
fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let server = base.rsplit_once('/').map_or(base, |(server, _)| server);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{database}{query}")
}

fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

/// A database of one's own, with the schema in it.
pub(crate) struct Database {
    pub(crate) url: String,
    recycled: bool,
}

impl Database {
    pub(crate) fn new() -> Self {
        let (reply, made) = mpsc::channel();
        keeper().send(Ask::Make(reply)).ok();
        let url = made.recv().expect("the keeper of databases works; its panic says more");
        Self { url, recycled: false }
    }

    /// One that is used through a store alone, and may serve another test afterwards.
    pub(crate) fn recycled() -> Self {
        let mut database = Self::new();
        database.recycled = true;
        database
    }

    pub(crate) fn config(&self) -> PgConfig {
        PgConfig::at(&self.url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.recycled {
            let path = self.url.split('?').next().unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            keeper().send(Ask::Recycle(name)).ok();
        }
    }
}

/// A notifier for stores that nobody listens to.
pub(crate) fn quiet() -> Arc<dyn Notifier> {
    Arc::new(Quiet)
}
