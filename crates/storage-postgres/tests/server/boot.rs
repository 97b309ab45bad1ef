//! What is checked before anything is written, and the schema.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidings_domain::ports::{Directory, ThreadRepository};
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::Transfer;
use tidings_domain::user::User;
use tidings_storage_postgres::{OpenError, PgConfig, PgStore, Promise};
use tidings_testkit::{ALICE, BOB, block_on};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::cluster::{self, database_in, quiet, with_database};
use crate::world::{World, messages, whole};

async fn set(url: &str, setting: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let name = database_in(url);
    connection.execute(AssertSqlSafe(format!("alter database {name} set {setting}"))).await.unwrap();
}

#[test]
fn a_commit_that_does_not_wait_for_the_disk_is_refused_unless_named() {
    block_on(async {
        let world = World::new();
        set(&world.url, "synchronous_commit = off").await;
        let refused = world.try_open(world.config()).await;
        let named = matches!(&refused, Err(OpenError::Setting { setting: "synchronous_commit", found }) if found == "off");
        assert!(named, "{refused:?}");
        let other = PgConfig { may_be_off: vec![Promise::Fsync], ..world.config() };
        assert!(world.try_open(other).await.is_err());
        let accepted = PgConfig { may_be_off: vec![Promise::SynchronousCommit], ..world.config() };
        world.open(accepted).await.close().await;
        set(&world.url, "synchronous_commit = local").await;
        world.open(world.config()).await.close().await;
    });
}

/// A database of an earlier version: what it kept of a token gives way to any token, what it kept of the host to none.
#[test]
fn users_of_an_earlier_version_are_as_old_as_can_be() {
    block_on(async {
        let world = World::new();
        let mut connection = world.past_the_store().await;
        let name = format!("{}_earlier", database_in(&world.url));
        connection
            .execute(AssertSqlSafe(format!("create database {name} template template0")))
            .await
            .unwrap();
        let url = with_database(&world.url, &name);
        let earlier = tempfile::tempdir().unwrap();
        let first = "0001_messaging.sql";
        let from = format!("{}/migrations/{first}", env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(from, earlier.path().join(first)).unwrap();
        let mut past = PgConnection::connect(&url).await.unwrap();
        Migrator::new(earlier.path()).await.unwrap().run_direct(None, &mut past, false).await.unwrap();
        let rows = "insert into person (id, number, name, told, updated_at) \
            values ('alice', 1, 'Alice', false, 5), ('bob', 2, 'Bob by the host', true, 5)";
        past.execute(rows).await.unwrap();
        let store = PgStore::open(PgConfig::at(url), quiet(), &TaskTracker::new()).await.unwrap();
        for (person, kept) in [(ALICE, "from a token"), (BOB, "Bob by the host")] {
            let before = store.users(&[person.id()]).await.unwrap().pop().unwrap();
            assert_eq!(before.as_of, Timestamp::from_millis(0));
            let user = User { name: "from a token".to_owned(), ..User::unknown(person.id()) };
            let put = store.put_user(user, None).await.unwrap();
            assert_eq!((put.name.as_str(), put.number), (kept, before.number));
        }
        store.close().await;
    });
}

#[test]
fn a_server_that_only_reads_is_refused() {
    block_on(async {
        let world = World::new();
        set(&world.url, "default_transaction_read_only = on").await;
        let refused = world.try_open(world.config()).await;
        assert!(matches!(refused, Err(OpenError::ReadOnly)), "{refused:?}");
    });
}

#[test]
fn another_encoding_is_refused() {
    block_on(async {
        let world = World::new();
        let mut connection = world.past_the_store().await;
        let name = format!("{}_ascii", database_in(&world.url));
        let create = format!("create database {name} encoding 'SQL_ASCII' locale 'C' template template0");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        let config = PgConfig::at(with_database(&world.url, &name));
        let refused = PgStore::open(config, quiet(), &TaskTracker::new()).await;
        assert!(matches!(refused, Err(OpenError::Encoding { .. })), "{refused:?}");
    });
}

#[test]
fn a_server_that_risks_its_files_or_follows_another_is_refused() {
    let cluster = cluster::start();
    block_on(async {
        let tasks = TaskTracker::new();
        let mut admin = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
        admin.execute("alter system set fsync = off").await.unwrap();
        admin.execute("alter system set full_page_writes = off").await.unwrap();
        cluster.control(&["restart", "-m", "fast"]).unwrap();
        let config = PgConfig::at(cluster.url("postgres"));
        let refused = PgStore::open(config.clone(), quiet(), &tasks).await;
        assert!(matches!(refused, Err(OpenError::Setting { setting: "fsync", .. })), "{refused:?}");
        let fsync = PgConfig { may_be_off: vec![Promise::Fsync], ..config.clone() };
        let refused = PgStore::open(fsync, quiet(), &tasks).await;
        assert!(
            matches!(refused, Err(OpenError::Setting { setting: "full_page_writes", .. })),
            "{refused:?}"
        );
        let both = PgConfig { may_be_off: vec![Promise::Fsync, Promise::FullPageWrites], ..config.clone() };
        PgStore::open(both, quiet(), &tasks).await.unwrap().close().await;
        // It becomes the replica of nobody.
        cluster.control(&["stop", "-m", "fast"]).unwrap();
        std::fs::write(cluster.folder().join("data/standby.signal"), "").unwrap();
        cluster.control(&["start"]).unwrap();
        let refused = PgStore::open(config, quiet(), &tasks).await;
        assert!(matches!(refused, Err(OpenError::ReadOnly)), "{refused:?}");
    });
}

#[test]
fn what_cannot_be_reached_is_told_without_its_password() {
    block_on(async {
        let config = PgConfig::at("postgres://user:a-secret@127.0.0.1:1/nothing");
        assert!(!format!("{config:?}").contains("a-secret"));
        let refused = PgStore::open(config, quiet(), &TaskTracker::new()).await.unwrap_err();
        assert!(matches!(refused, OpenError::Connect(_)));
        assert!(!format!("{refused} {refused:?}").contains("a-secret"));
        let refused =
            PgStore::open(PgConfig::at("nonsense"), quiet(), &TaskTracker::new()).await.unwrap_err();
        assert!(matches!(refused, OpenError::Url(_)), "{refused:?}");
    });
}

/// Several processes start at once, on a database that has nothing yet, and on one that has rows.
#[test]
fn processes_that_start_at_once_migrate_once() {
    block_on(async {
        let world = World::new();
        let mut connection = world.past_the_store().await;
        connection.execute("drop schema public cascade; create schema public").await.unwrap();
        let refused = world.try_open(PgConfig { migrate: false, ..world.config() }).await;
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let version = |name: String| name.split('_').next().unwrap().parse::<i64>().unwrap();
        let versions: Vec<i64> =
            files.map(|file| version(file.unwrap().file_name().into_string().unwrap())).collect();
        let (newest, all) = (*versions.iter().max().unwrap(), i64::try_from(versions.len()).unwrap());
        let is_old = matches!(&refused, Err(OpenError::Schema { found: 0, needed }) if *needed == newest);
        assert!(is_old, "{refused:?}");
        for round in 0..2 {
            let mut opening = JoinSet::new();
            for _ in 0..6 {
                let config = PgConfig { lanes: 1, readers: 1, ..world.config() };
                opening.spawn(async move { PgStore::open(config, quiet(), &TaskTracker::new()).await });
            }
            for store in opening.join_all().await {
                let store = store.unwrap();
                store.put_user(User::unknown(ALICE.id()), None).await.unwrap();
                store.close().await;
            }
            let as_it_is = PgConfig { migrate: false, ..world.config() };
            world.open(as_it_is).await.close().await;
            let count: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(count, all);
            let store = world.open(world.config()).await;
            let thread = world.thread(&store).await;
            world.send(&store, thread, "kept").await.unwrap().unwrap();
            assert_eq!(whole(&world, &store, thread).await.len(), 1, "round {round}");
            store.close().await;
        }
    });
}

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
        let store = world.open(world.config()).await;
        assert_eq!(store.members(thread).await.unwrap(), before);
        assert_eq!(messages(&store, thread).await, std::slice::from_ref(&sent));
        assert_eq!(store.users(&[ALICE.id()]).await.unwrap(), [user]);
        // Numbers and seqs go on, and the key is still known.
        let again = world.send(&store, thread, "kept").await.unwrap().unwrap();
        assert_eq!((again.message, again.duplicate), (sent.clone(), true));
        let next = world.send(&store, thread, "next").await.unwrap().unwrap().message;
        assert_eq!(next.seq, sent.seq.next());
        assert!(next.number > sent.number);
    });
}

#[test]
fn a_database_of_a_newer_version_is_refused_unharmed() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        store.close().await;
        let mut connection = world.past_the_store().await;
        let future = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
            values (9999, 'from the future', true, '', 0)";
        connection.execute(future).await.unwrap();
        let refused = world.try_open(world.config()).await;
        assert!(matches!(refused, Err(OpenError::Migrate(_))), "{refused:?}");
        connection.execute("delete from _sqlx_migrations where version = 9999").await.unwrap();
        let store = world.open(world.config()).await;
        assert!(store.thread(thread).await.unwrap().is_some());
    });
}

#[test]
fn an_unfinished_copy_opens_for_copying_alone() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        store.begin(Uuid::from_u128(7)).await.unwrap();
        store.close().await;
        let refused = world.try_open(world.config()).await;
        assert!(matches!(refused, Err(OpenError::Unfinished)), "{refused:?}");
        let store = world.open(PgConfig { copying: true, ..world.config() }).await;
        store.end().await.unwrap();
        store.close().await;
        world.open(world.config()).await.close().await;
    });
}

#[test]
fn a_later_schema_may_serve_but_is_not_copied() {
    block_on(async {
        let world = World::new();
        let mut connection = world.past_the_store().await;
        connection
            .execute(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                values (9999, 'later', true, '', 0)",
            )
            .await
            .unwrap();
        let serving = PgConfig { migrate: false, ..world.config() };
        world.open(serving.clone()).await.close().await;
        let refused = world.try_open(PgConfig { copying: true, ..serving }).await;
        assert!(matches!(refused, Err(OpenError::Schema { found: 9999, .. })), "{refused:?}");
    });
}
