//! Poison, corruption, lost connections: whoever is not concerned does not notice.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};
use tidings_domain::decision::{Decided, Decision, transact};
use tidings_domain::error::StoreError;
use tidings_domain::message::Origin;
use tidings_domain::page::{PageLimit, ThreadPage};
use tidings_domain::ports::{Directory, ThreadRepository};
use tidings_domain::snapshot::{Scope, Snapshot};
use tidings_domain::user::User;
use tidings_storage_postgres::PgConfig;
use tidings_testkit::{ALICE, DEADLINE, block_on, sending};
use tokio::task::JoinSet;

use crate::world::{World, messages, whole};

const LIST: ThreadPage = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };

/// Makes every insert of such a message fail, now or at the commit.
fn poison(word: &str, when: &str) -> String {
    format!(
        "create function {word}() returns trigger language plpgsql as $$ begin \
         if new.body like '%{word}%' then raise exception 'poisoned'; end if; return null; end $$; \
         create constraint trigger {word} after insert on message {when} for each row execute function {word}()"
    )
}

#[test]
fn a_statement_or_a_commit_that_fails_hurts_no_neighbour() {
    block_on(async {
        let world = World::new();
        let store = world.open(PgConfig { lanes: 1, ..world.config() }).await;
        let threads = world.threads(&store, 2).await;
        let mut past = world.past_the_store().await;
        past.execute(AssertSqlSafe(poison("early", ""))).await.unwrap();
        past.execute(AssertSqlSafe(poison("late", "deferrable initially deferred"))).await.unwrap();
        let mut sends = JoinSet::new();
        for n in 0..60 {
            let text = match n % 10 {
                3 => format!("early {n}"),
                7 => format!("late {n}"),
                _ => format!("good {n}"),
            };
            let send = world.send(&store, threads[n % 2], &text);
            sends.spawn(async move { (text, send.await) });
        }
        for (text, answer) in sends.join_all().await {
            if text.starts_with("good") {
                assert!(matches!(answer, Ok(Ok(_))), "{text}: {answer:?}");
            } else {
                assert!(matches!(answer, Err(StoreError::Internal(_))), "{text}: {answer:?}");
            }
        }
        let mut stored = 0;
        for thread in threads {
            stored += whole(&world, &store, thread).await.len();
        }
        assert_eq!(stored, 60 - 12);
    });
}

/// `statement_timeout`: a statement that takes too long is ended, its senders may try again, and the lane goes on.
#[test]
fn a_statement_that_takes_too_long_is_ended() {
    block_on(async {
        let world = World::new();
        let config = PgConfig { lanes: 1, statement_max: Duration::from_millis(300), ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut past = world.past_the_store().await;
        past.execute(
            "create function slow() returns trigger language plpgsql as $$ begin \
             if new.body like 'slow%' then perform pg_sleep(60); end if; return null; end $$; \
             create trigger slow after insert on message for each row execute function slow()",
        )
        .await
        .unwrap();
        let answer = world.send(&store, thread, "slow").await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        world.send(&store, thread, "quick").await.unwrap().unwrap();
        assert_eq!(whole(&world, &store, thread).await.len(), 1);
        assert_eq!(world.sessions(&mut past, "state like 'idle in transaction%'").await, 0);
    });
}

#[test]
fn a_corrupt_row_is_told_and_hurts_no_other_thread() {
    block_on(async {
        let world = World::new();
        let store = world.open(PgConfig { lanes: 1, ..world.config() }).await;
        let (broken, fine) = (world.thread(&store).await, world.thread(&store).await);
        for thread in [broken, fine] {
            world.send(&store, thread, "hello").await.unwrap().unwrap();
        }
        let mut past = world.past_the_store().await;
        for damage in [
            "update member set role = ''",
            "update member set role = 'member', standing = 9",
            "update member set standing = 0, read_via = 1, read_message = null",
            "update member set read_via = 0, user_id = user_id || ' b'",
        ] {
            let damage = format!("{damage} where thread_id = '{broken}'");
            past.execute(AssertSqlSafe(damage.clone())).await.unwrap();
            assert!(matches!(store.members(broken).await, Err(StoreError::Corrupt(_))), "{damage}");
            assert!(store.members(fine).await.is_ok());
        }
        let damage = format!("update thread set last_seq = -1 where id = '{broken}'");
        past.execute(AssertSqlSafe(damage)).await.unwrap();
        let mut sends = JoinSet::new();
        for n in 0..20 {
            let thread = if n % 2 == 0 { broken } else { fine };
            let send = world.send(&store, thread, &format!("message {n}"));
            sends.spawn(async move { (n, send.await) });
        }
        for (n, answer) in sends.join_all().await {
            assert_eq!(matches!(answer, Err(StoreError::Corrupt(_))), n % 2 == 0, "{answer:?}");
            assert_eq!(matches!(answer, Ok(Ok(_))), n % 2 == 1, "{answer:?}");
        }
    });
}

/// sqlx#4393: a call that was cancelled while it began a transaction leaves it open for whoever is next.
#[test]
fn dropped_reads_leave_no_transaction_and_keep_no_place() {
    block_on(async {
        let world = World::new();
        let store = world.open(PgConfig { readers: 2, ..world.config() }).await;
        world.threads(&store, 20).await;
        let alice = ALICE.id();
        for n in 0..200_u32 {
            let reading = store.threads_of(&alice, &LIST);
            let patience = Duration::from_micros(u64::from(n) * 10);
            tokio::time::timeout(patience, reading).await.ok();
        }
        for _ in 0..4 {
            let reads = (0..8).map(|_| store.threads_of(&alice, &LIST));
            for list in futures_util::future::join_all(reads).await {
                assert_eq!(list.unwrap().len(), 20);
            }
        }
        let mut past = world.past_the_store().await;
        let gone = async {
            while world.sessions(&mut past, "state like 'idle in transaction%'").await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE / 2, gone).await.expect("no transaction stays open");
    });
}

/// sqlx#4393, as above, for writes: whoever hangs up disturbs no transaction.
#[test]
fn dropped_writes_leave_no_transaction() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let thread = world.thread(&store).await;
        for n in 0..200_u64 {
            let sending = world.send(&store, thread, &format!("message {n}"));
            tokio::time::timeout(Duration::from_micros(n * 10), sending).await.ok();
        }
        world.send(&store, thread, "last").await.unwrap().unwrap();
        whole(&world, &store, thread).await;
        let mut past = world.past_the_store().await;
        assert_eq!(world.sessions(&mut past, "state like 'idle in transaction%'").await, 0);
    });
}

#[test]
fn lost_connections_are_replaced_and_no_write_notices() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        let threads = world.threads(&store, 4).await;
        let mut past = world.past_the_store().await;
        let kill = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
            where datname = current_database() and application_name = 'tidings'";
        for n in 0..5 {
            past.execute(kill).await.unwrap();
            for thread in &threads {
                world.send(&store, *thread, &format!("message {n}")).await.unwrap().unwrap();
            }
            store.put_user(User::unknown(ALICE.id()), None).await.unwrap();
            // A read that had its connection a moment ago may notice once.
            for thread in &threads {
                let read = store.thread(*thread).await;
                assert!(matches!(read, Ok(_) | Err(StoreError::Unavailable(_))), "{read:?}");
            }
            assert!(store.thread(threads[0]).await.is_ok());
        }
        for thread in threads {
            assert_eq!(whole(&world, &store, thread).await.len(), 5);
        }
    });
}

#[test]
fn closing_finishes_what_was_taken_and_lets_go() {
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
        let mut past = world.past_the_store().await;
        while world.sessions(&mut past, "application_name = 'tidings'").await > 0 {
            tokio::task::yield_now().await;
        }
        let store = world.open(world.config()).await;
        assert_eq!(messages(&store, thread).await, stored);
    });
}

#[test]
fn dropping_every_clone_ends_the_tasks() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        world.thread(&store).await;
        drop(store.clone());
        drop(store);
        world.tasks.close();
        world.tasks.wait().await;
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
        let store = world.open(PgConfig { lanes: 1, ..world.config() }).await;
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

/// A database that takes no writes for a while: sends are refused, the store says so, and both pass.
#[test]
fn a_read_only_database_is_known_and_passes() {
    block_on(async {
        let world = World::new();
        let store = world.open(PgConfig { lanes: 1, ..world.config() }).await;
        let thread = world.threads(&store, 1).await[0];
        store.check_writable().await.unwrap();
        let mut past = world.past_the_store().await;
        let name: String =
            sqlx::query_scalar("select current_database()").fetch_one(&mut past).await.unwrap();
        let mut becomes = async |read_only: &str| {
            let sql = format!("alter database {name} set default_transaction_read_only = {read_only}");
            past.execute(AssertSqlSafe(sql)).await.unwrap();
            // Whoever is there began before.
            past.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await
            .unwrap();
        };
        becomes("on").await;
        // The first may meet the connection that is gone.
        drop(store.check_writable().await);
        assert!(matches!(store.check_writable().await, Err(StoreError::Unavailable(_))));
        let refused = world.send(&store, thread, "refused").await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        becomes("off").await;
        let until = tokio::time::Instant::now() + DEADLINE;
        while let Err(error) = store.check_writable().await {
            assert!(tokio::time::Instant::now() < until, "{error}");
        }
        world.send(&store, thread, "after").await.unwrap().unwrap();
        assert_eq!(whole(&world, &store, thread).await.len(), 1);
        store.close().await;
        store.stopped().await;
        assert!(store.check_writable().await.is_err());
    });
}
