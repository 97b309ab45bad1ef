//! Locks, poison, corruption and full queues: whoever is not concerned does not notice.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, SqliteConnection};
use tidings_domain::decision::{Decided, Decision, transact};
use tidings_domain::error::StoreError;
use tidings_domain::message::Origin;
use tidings_domain::page::{PageLimit, ThreadPage};
use tidings_domain::ports::{Directory, ThreadRepository};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::user::User;
use tidings_storage_sqlite::SqliteConfig;
use tidings_testkit::{ALICE, BOB, block_on, eventually, sending};
use tokio::task::JoinSet;

use crate::world::{World, messages};

const LIST: ThreadPage = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };

/// Somebody else holds the write lock, with a change that is not committed.
async fn locked(world: &World) -> SqliteConnection {
    let mut other = world.past_the_store().await;
    other.execute("begin immediate; update meta set epoch = randomblob(16)").await.unwrap();
    other
}

#[test]
fn readers_do_not_wait_for_a_writer() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        let sent = world.send(&store, thread, "before").await.unwrap().unwrap().message;
        let mut other = locked(&world).await;
        let mut waiting = JoinSet::new();
        waiting.spawn(world.send(&store, thread, "waits"));
        for _ in 0..20 {
            assert_eq!(messages(&store, thread).await, std::slice::from_ref(&sent));
            assert_eq!(store.threads_of(&BOB.id(), &LIST).await.unwrap().len(), 1);
            assert!(store.members(thread).await.unwrap().is_some());
        }
        other.execute("rollback").await.unwrap();
        assert!(waiting.join_next().await.unwrap().unwrap().is_ok());
        assert_eq!(messages(&store, thread).await.len(), 2);
    });
}

#[test]
fn a_lock_held_too_long_is_an_honest_error_and_passes() {
    block_on(async {
        let world = World::new();
        let config = SqliteConfig { busy_wait_max: Duration::from_millis(20), ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut other = locked(&world).await;
        let mut sends = JoinSet::new();
        for n in 0..50 {
            sends.spawn(world.send(&store, thread, &format!("message {n}")));
        }
        for answer in sends.join_all().await {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        let unwritable = store.check_writable().await;
        assert!(matches!(unwritable, Err(StoreError::Unavailable(_))), "{unwritable:?}");
        other.execute("rollback").await.unwrap();
        store.check_writable().await.expect("a small write goes well again");
        store.check_writable().await.expect("and nothing more is written to know it");
        world.send(&store, thread, "afterwards").await.unwrap().unwrap();
        assert_eq!(messages(&store, thread).await.len(), 1, "what failed was not stored");
    });
}

#[test]
fn a_full_queue_answers_at_once() {
    block_on(async {
        let world = World::new();
        let config = SqliteConfig { queue_max: 3, batch_max: 2, ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut other = locked(&world).await;
        // The writer holds up to two and the queue three; the rest cannot be taken.
        let mut sends = JoinSet::new();
        for n in 0..30 {
            sends.spawn(world.send(&store, thread, &format!("message {n}")));
        }
        let mut refused = 0;
        while sends.len() > 5 {
            let answer = sends.join_next().await.unwrap().unwrap();
            assert_eq!(answer, Err(StoreError::Busy { limit: 3 }));
            refused += 1;
        }
        other.execute("rollback").await.unwrap();
        let (mut stored, mut answers) = (0, sends.join_all().await);
        answers.retain(|answer| answer.is_err());
        refused += answers.len();
        stored += messages(&store, thread).await.len();
        assert_eq!(stored + refused, 30);
        assert!(stored >= 3, "{stored} were taken");
    });
}

#[test]
fn a_statement_that_fails_hurts_no_neighbour() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let (thread, other) = (world.thread(&store).await, world.thread(&store).await);
        let mut past = world.past_the_store().await;
        past.execute(
            "create trigger poison before insert on message when new.body like '%poison%' \
             begin select raise(abort, 'poisoned'); end",
        )
        .await
        .unwrap();
        // Held back, so that all are in one batch.
        past.execute("begin immediate").await.unwrap();
        let mut sends = JoinSet::new();
        for n in 0..60 {
            let text = if n % 7 == 3 { format!("poison {n}") } else { format!("good {n}") };
            let send = world.send(&store, if n % 2 == 0 { thread } else { other }, &text);
            sends.spawn(async move { (text, send.await) });
        }
        past.execute("rollback").await.unwrap();
        for (text, answer) in sends.join_all().await {
            if text.starts_with("poison") {
                assert!(matches!(answer, Err(StoreError::Internal(_))), "{answer:?}");
            } else {
                assert!(matches!(answer, Ok(Ok(_))), "{text}: {answer:?}");
            }
        }
        let stored = [messages(&store, thread).await, messages(&store, other).await];
        assert_eq!(stored.iter().map(Vec::len).sum::<usize>(), 60 - 9);
        for (stored, id) in stored.iter().zip([thread, other]) {
            assert!(stored.iter().zip(1..).all(|(message, seq)| message.seq.get() == seq), "no gap");
            let commits = world.heard.heard_of(id);
            assert!(commits.windows(2).all(|pair| pair[0].modseq() == pair[1].prev));
            assert_eq!(commits.len(), 1 + stored.len(), "each heard once");
        }
    });
}

/// The commit itself fails, and the transaction stays open: the store finds out that nothing was stored.
#[test]
fn a_commit_that_fails_is_settled() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        let mut past = world.past_the_store().await;
        past.execute(
            "create table late (nowhere integer references thread (number) deferrable initially deferred); \
             create trigger fails_late after insert on message when new.body like '%fails late%' \
             begin insert into late values (-1); end",
        )
        .await
        .unwrap();
        past.execute("begin immediate").await.unwrap();
        let mut sends = JoinSet::new();
        for text in ["one", "fails late", "two", "three"] {
            let send = world.send(&store, thread, text);
            sends.spawn(async move { (text, send.await) });
        }
        past.execute("rollback").await.unwrap();
        for (text, answer) in sends.join_all().await {
            assert_eq!(matches!(answer, Ok(Ok(_))), text != "fails late", "{text}: {answer:?}");
        }
        assert_eq!(messages(&store, thread).await.len(), 3);
        assert_eq!(world.heard.heard_of(thread).len(), 4, "the creation, and each message once");
    });
}

#[test]
fn a_corrupt_row_is_told_and_hurts_no_other_thread() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let (broken, whole) = (world.thread(&store).await, world.thread(&store).await);
        for thread in [broken, whole] {
            world.send(&store, thread, "hello").await.unwrap().unwrap();
        }
        let mut past = world.past_the_store().await;
        for damage in [
            "update member set role = '' where thread = 1",
            "update member set role = 'member', standing = 9 where thread = 1",
            "update member set standing = 0, read_via = 1, read_message = null where thread = 1",
            "update member set read_via = 0, user_id = 'a b' where thread = 1 and user_id = 'bob'",
            "update thread set last_seq = -1 where number = 1",
            "update thread set last_seq = 1, parent_kind = 'half' where number = 1",
            "update thread set parent_kind = null, subject = char(1) where number = 1",
        ] {
            past.execute(damage).await.unwrap();
            assert!(matches!(store.members(broken).await, Err(StoreError::Corrupt(_))), "{damage}");
            assert!(store.members(whole).await.is_ok());
        }
        past.execute("update message set body = char(0) where thread = 1").await.unwrap();
        let page = tidings_domain::page::MessagePage {
            after: tidings_domain::seq::Seq::ZERO,
            before: None,
            from: tidings_domain::page::PageEnd::Newest,
            limit: PageLimit::MAX,
        };
        let read = tidings_domain::ports::MessageRepository::page(&store, broken, &page).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        let mut sends = JoinSet::new();
        for n in 0..20 {
            let thread = if n % 2 == 0 { broken } else { whole };
            let send = world.send(&store, thread, &format!("message {n}"));
            sends.spawn(async move { (n, send.await) });
        }
        for (n, answer) in sends.join_all().await {
            assert_eq!(matches!(answer, Err(StoreError::Corrupt(_))), n % 2 == 0, "{answer:?}");
            assert_eq!(matches!(answer, Ok(Ok(_))), n % 2 == 1, "{answer:?}");
        }
    });
}

/// Readers that hang up leave no transaction open behind them: the log can be cut back, and connections are free.
#[test]
fn dropped_reads_leave_nothing_behind() {
    block_on(async {
        let world = World::new();
        let config = SqliteConfig {
            readers: 2,
            checkpoint_interval: Duration::from_millis(5),
            wal_bytes_max: 1,
            ..world.config()
        };
        let store = world.open(config).await;
        for _ in 0..20 {
            world.thread(&store).await;
        }
        let alice = ALICE.id();
        for n in 0..200_u32 {
            let reading = store.threads_of(&alice, &LIST);
            let patience = Duration::from_micros(u64::from(n) * 10);
            tokio::time::timeout(patience, reading).await.ok();
        }
        let list = store.threads_of(&alice, &LIST).await.unwrap();
        assert_eq!(list.len(), 20);
        world.thread(&store).await;
        let log = || std::fs::metadata(world.path("tidings.db-wal")).map_or(0, |log| log.len());
        eventually("the log is empty", || log() == 0).await;
    });
}

/// Users who are asked for at the same time are read in one statement; a broken row is the fault of no other.
#[test]
fn a_broken_user_is_broken_alone() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        for person in [ALICE, BOB] {
            store.put_user(User::unknown(person.id()), None).await.unwrap();
        }
        let broken = AssertSqlSafe(format!("update user set role = '' where id = '{}'", BOB.id().as_str()));
        world.past_the_store().await.execute(broken).await.unwrap();
        let (alice, bob) = ([ALICE.id()], [BOB.id()]);
        let (found, failed, again) =
            tokio::join!(store.users(&alice), store.users(&bob), store.users(&alice));
        assert_eq!(found.unwrap(), again.unwrap());
        assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
    });
}

/// A decision that panics outside of its rule, where the store alone can stand it.
struct OriginPanics<D>(D);

impl<D: Decision> Decision for OriginPanics<D> {
    type Output = D::Output;
    type Rejection = D::Rejection;

    fn scope(&self) -> Scope {
        self.0.scope()
    }

    fn origin(&self) -> Origin {
        panic!("a panic in a writer, as it should be here")
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<D::Output>, D::Rejection> {
        self.0.decide(found)
    }
}

#[test]
fn a_panic_in_a_writer_hurts_nobody_else() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        let mut sends = JoinSet::new();
        for n in 0..40 {
            let rule = sending(world.draft(thread, &format!("message {n}")));
            let store = store.clone();
            sends.spawn(async move {
                if n % 10 == 3 {
                    (true, transact(&store, OriginPanics(rule)).await)
                } else {
                    (false, transact(&store, rule).await)
                }
            });
        }
        for (panics, answer) in sends.join_all().await {
            assert_eq!(matches!(answer, Err(StoreError::Internal(_))), panics, "{answer:?}");
            assert_eq!(matches!(answer, Ok(Ok(_))), !panics, "{answer:?}");
        }
        assert_eq!(messages(&store, thread).await.len(), 36);
        store.check_writable().await.unwrap();
    });
}

/// What nobody has tried to write is not known to fail; a decision that leaves nothing proves nothing.
#[test]
fn whether_the_file_can_be_written_is_known_without_writing() {
    block_on(async {
        let world = World::new();
        let config = SqliteConfig { busy_wait_max: Duration::from_millis(20), ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let commits = async || -> i64 {
            let mut past = world.past_the_store().await;
            sqlx::query_scalar("select commits from meta").fetch_one(&mut past).await.unwrap()
        };
        let before = commits().await;
        for _ in 0..10 {
            store.check_writable().await.unwrap();
        }
        assert_eq!(commits().await, before, "nothing was written to find out");
        let mut other = locked(&world).await;
        world.send(&store, thread, "refused").await.unwrap_err();
        store.check_writable().await.unwrap_err();
        other.execute("rollback").await.unwrap();
        store.check_writable().await.unwrap();
        assert_eq!(commits().await, before + 1, "one small write was needed");
        store.close().await;
        store.stopped().await;
        store.check_writable().await.unwrap_err();
    });
}
