//! What was answered stays, whatever happens to the process; and one process at a time.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use tidings_domain::error::StoreError;
use tidings_domain::ports::{Directory, ThreadRepository};
use tidings_domain::user::User;
use tidings_storage_sqlite::{OpenError, SqliteConfig};
use tidings_testkit::{ALICE, block_on, eventually};
use tokio::task::JoinSet;

use crate::world::{World, messages};

#[test]
fn all_is_there_after_closing_and_opening() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        let sent = world.send(&store, thread, "kept").await.unwrap().unwrap().message;
        let user = store.put_user(User::unknown(ALICE.id()), None).await.unwrap();
        let before = store.members(thread).await.unwrap();
        store.close().await;
        store.close().await;
        let store = world.open(world.config()).await;
        assert_eq!(store.members(thread).await.unwrap(), before);
        assert_eq!(messages(&store, thread).await, std::slice::from_ref(&sent));
        assert_eq!(store.users(&[ALICE.id()]).await.unwrap(), [user]);
        // Numbers and seqs go on where they stopped, and the key is still known.
        let again = world.send(&store, thread, "kept").await.unwrap().unwrap();
        assert_eq!((again.message, again.duplicate), (sent.clone(), true));
        let next = world.send(&store, thread, "next").await.unwrap().unwrap().message;
        assert_eq!((next.seq, next.number), (sent.seq.next(), sent.number + 1));
    });
}

#[test]
fn a_file_is_open_once() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let second = world.try_open(world.config()).await;
        assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
        store.close().await;
        world.open(world.config()).await.close().await;
    });
}

#[test]
fn dropping_every_clone_ends_the_tasks_and_frees_the_file() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        drop(store.clone());
        drop(store);
        world.tasks.close();
        world.tasks.wait().await;
        world.open(world.config()).await.close().await;
    });
}

/// What `kill -9` leaves is a copy of the file and its log at some moment.
#[test]
fn a_copy_taken_while_writing_holds_all_that_was_answered() {
    block_on(async {
        let world = World::new();
        // No checkpoint meanwhile: then the file stands still and the log is only appended to, so that copying one
        // after the other is copying both at one moment.
        let config = SqliteConfig { checkpoint_interval: Duration::from_secs(3_600), ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut sends = JoinSet::new();
        for n in 0..400 {
            sends.spawn(world.send(&store, thread, &format!("message {n} {}", "x".repeat(n * 20))));
        }
        let mut answered = Vec::new();
        for round in 0..8 {
            for _ in 0..40 {
                answered.push(sends.join_next().await.unwrap().unwrap().unwrap().unwrap().message);
            }
            let copy = world.path(&format!("copy-{round}.db"));
            std::fs::copy(world.path("tidings.db"), &copy).unwrap();
            std::fs::copy(world.path("tidings.db-wal"), copy.with_extension("db-wal")).unwrap();
            let address = format!("sqlite:{}", copy.display());
            let mut connection = SqliteConnection::connect(&address).await.unwrap();
            let check: String = scalar(&mut connection, "pragma integrity_check").await;
            assert_eq!(check, "ok");
            let orphans = sqlx::query("pragma foreign_key_check").fetch_all(&mut connection).await.unwrap();
            assert!(orphans.is_empty());
            connection.close().await.unwrap();
            let copied = world.open(SqliteConfig::at(&copy)).await;
            let found = messages(&copied, thread).await;
            assert!(answered.iter().all(|message| found.contains(message)), "round {round}");
            assert!(found.iter().zip(1..).all(|(message, seq)| message.seq.get() == seq));
            copied.close().await;
        }
        sends.join_all().await;
    });
}

async fn scalar<T>(connection: &mut SqliteConnection, sql: &str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

#[test]
fn closing_finishes_what_was_taken() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        let mut sends = JoinSet::new();
        for n in 0..300 {
            sends.spawn(world.send(&store, thread, &format!("message {n}")));
        }
        let first = sends.join_next().await.unwrap().unwrap().unwrap().unwrap().message;
        store.close().await;
        let mut stored = vec![first];
        for answer in sends.join_all().await {
            match answer {
                Ok(sent) => stored.push(sent.unwrap().message),
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
            }
        }
        assert!(matches!(store.thread(thread).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(world.send(&store, thread, "late").await, Err(StoreError::Unavailable(_))));
        stored.sort_unstable_by_key(|message| message.seq);
        let log = std::fs::metadata(world.path("tidings.db-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0, "the log is written back");
        let store = world.open(world.config()).await;
        assert_eq!(messages(&store, thread).await, stored);
    });
}

#[test]
fn the_log_does_not_grow_without_bound() {
    block_on(async {
        let world = World::new();
        let config = SqliteConfig {
            checkpoint_interval: Duration::from_millis(5),
            wal_bytes_max: 256 * 1024,
            ..world.config()
        };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let size = || std::fs::metadata(world.path("tidings.db-wal")).map_or(0, |log| log.len());
        for round in 0..20 {
            let mut sends = JoinSet::new();
            for n in 0..20 {
                sends.spawn(world.send(&store, thread, &format!("{round} {n} {}", "x".repeat(9_000))));
            }
            sends.join_all().await;
        }
        eventually("the log is cut back", || size() <= 256 * 1024).await;
        assert_eq!(messages(&store, thread).await.len(), 400);
    });
}

/// Somebody reads an old state of the file for long, as a backup or a shell of another process does.
#[test]
fn a_long_reader_does_not_slow_sends_down() {
    /// As many sends as are measured at once, one after the other.
    const SENDS: usize = 60;
    block_on(async {
        let world = World::new();
        let wal_bytes_max = 256 * 1024;
        let interval = Duration::from_millis(20);
        let config = SqliteConfig { checkpoint_interval: interval, wal_bytes_max, ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let size = || std::fs::metadata(world.path("tidings.db-wal")).map_or(0, |log| log.len());
        let timed = async |name: &str| -> Duration {
            let begun = Instant::now();
            for n in 0..SENDS {
                world.send(&store, thread, &format!("{name} {n}")).await.unwrap().unwrap();
            }
            begun.elapsed()
        };
        timed("warm").await;
        let quiet = timed("quiet").await;
        let mut reader = world.past_the_store().await;
        reader.execute("begin").await.unwrap();
        reader.execute("select count(*) from message").await.unwrap();
        let mut sent = 0;
        while size() <= wal_bytes_max {
            let text = format!("fill {sent} {}", "x".repeat(9_000));
            world.send(&store, thread, &text).await.unwrap().unwrap();
            sent += 1;
        }
        let beside = timed("beside").await;
        assert!(
            beside < quiet * 4,
            "{SENDS} sends took {beside:?} beside a reader, and {quiet:?} without it"
        );
        reader.execute("rollback").await.unwrap();
        eventually("the log is cut back once the reader is gone", || size() <= wal_bytes_max).await;
        assert_eq!(messages(&store, thread).await.len(), 3 * SENDS + sent);
    });
}

#[test]
fn a_file_from_a_newer_version_is_refused_unharmed() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        store.close().await;
        let mut connection = world.past_the_store().await;
        sqlx::query(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             values (9999, 'from the future', true, x'00', 0)",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let refused = world.try_open(world.config()).await;
        assert!(matches!(refused, Err(OpenError::Migrate { .. })), "{refused:?}");
        sqlx::query("delete from _sqlx_migrations where version = 9999")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let store = world.open(world.config()).await;
        assert!(store.thread(thread).await.unwrap().is_some());
    });
}

/// In a folder that others may look into, nobody but the owner reads the database, nor what is beside it.
#[cfg(unix)]
#[test]
fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    block_on(async {
        let world = World::new();
        let folder = world.path("open");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let store = world.open(SqliteConfig::at(folder.join("tidings.db"))).await;
        world.thread(&store).await;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?} has mode {mode:o}", entry.path());
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["tidings.db", "tidings.db-shm", "tidings.db-wal", "tidings.db.lock"]);
    });
}
