//! Databases for tests, each with the schema in it, on one throw-away server for all tests of a process. With
//! `TEST_DATABASE_URL`, that server is used instead; its user must be allowed to create databases.
#![expect(dead_code, reason = "each file of tests uses a part of it")]

use std::sync::{Arc, LazyLock, OnceLock, mpsc};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidings_domain::change::Commit;
use tidings_domain::ports::Notifier;
use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_throwaway_postgres::{Cluster, Options};

/// Hears of nothing that anybody wants to know.
#[derive(Debug)]
struct Quiet;

impl Notifier for Quiet {
    fn committed(&self, _: Arc<Commit>) {}
}

/// A server of one's own, for the tests of a store.
pub(crate) fn start() -> Cluster {
    let settings = ["max_connections = 200", "max_wal_size = '2GB'"].map(str::to_owned).into();
    Cluster::start(&Options { settings, ..Options::default() }).unwrap()
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
    delete from job; delete from person; delete from subject; delete from context; delete from transfer; \
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

/// The database that a URL names.
pub(crate) fn database_in(url: &str) -> &str {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The same server, another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let server = base.rsplit_once('/').map_or(base, |(server, _)| server);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{database}{query}")
}

fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(start)
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
            keeper().send(Ask::Recycle(database_in(&self.url).to_owned())).ok();
        }
    }
}

/// A notifier for stores that nobody listens to.
pub(crate) fn quiet() -> Arc<dyn Notifier> {
    Arc::new(Quiet)
}
