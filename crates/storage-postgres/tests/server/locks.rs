//! Threads that another process has locked.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::Executor;
use tidings_domain::error::StoreError;
use tidings_domain::ports::ThreadRepository;
use tidings_domain::text::DraftHash;
use tidings_domain::thread::{NewThread, ThreadKey};
use tidings_storage_postgres::PgConfig;
use tidings_testkit::{ALICE, BOB, T0, block_on, eventually};
use tokio::task::JoinSet;

use crate::world::{World, messages, whole};

#[test]
fn a_locked_thread_holds_up_no_other() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.patient()).await;
        let threads = world.threads(&store, 20).await;
        let (locked, free) = threads.split_at(1);
        let mut other = world.locking(locked).await;
        let mut waiting = JoinSet::new();
        for n in 0..30 {
            waiting.spawn(world.send(&store, locked[0], &format!("waits {n}")));
        }
        for n in 0..10 {
            for thread in free {
                world.send(&store, *thread, &format!("message {n}")).await.unwrap().unwrap();
            }
        }
        assert!(waiting.try_join_next().is_none(), "it is locked");
        assert!(messages(&store, locked[0]).await.is_empty(), "and read nevertheless");
        other.execute("rollback").await.unwrap();
        for answer in waiting.join_all().await {
            answer.unwrap().unwrap();
        }
        assert_eq!(whole(&world, &store, locked[0]).await.len(), 30);
        whole(&world, &store, free[0]).await;
    });
}

/// More threads are locked than there are waiters: one that is let go goes on.
#[test]
fn many_locked_threads_hold_up_no_other() {
    block_on(async {
        let world = World::new();
        let store = world.open(PgConfig { waiters: 1, ..world.patient() }).await;
        let threads = world.threads(&store, 12).await;
        let (locked, free) = threads.split_at(9);
        let mut for_long = world.locking(&locked[..8]).await;
        let mut for_short = world.locking(&locked[8..]).await;
        let mut long = JoinSet::new();
        for n in 0..3 {
            for thread in &locked[..8] {
                long.spawn(world.send(&store, *thread, &format!("long {n}")));
            }
        }
        let short = world.send(&store, locked[8], "short");
        let short = world.tasks.spawn(short);
        for thread in free {
            world.send(&store, *thread, "free").await.unwrap().unwrap();
        }
        for_short.execute("rollback").await.unwrap();
        short.await.unwrap().unwrap().unwrap();
        assert!(long.try_join_next().is_none());
        for_long.execute("rollback").await.unwrap();
        for answer in long.join_all().await {
            answer.unwrap().unwrap();
        }
        for thread in threads {
            whole(&world, &store, thread).await;
        }
    });
}

#[test]
fn a_lock_held_too_long_is_an_honest_error_and_passes() {
    block_on(async {
        let world = World::new();
        let config = PgConfig { lock_max: Duration::from_millis(100), ..world.config() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut other = world.locking(&[thread]).await;
        let mut sends = JoinSet::new();
        for n in 0..50 {
            sends.spawn(world.send(&store, thread, &format!("message {n}")));
        }
        for answer in sends.join_all().await {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        other.execute("rollback").await.unwrap();
        world.send(&store, thread, "afterwards").await.unwrap().unwrap();
        assert_eq!(whole(&world, &store, thread).await.len(), 1, "what failed was not stored");
    });
}

/// What another process stored while the lock was waited for is seen: its message, its key, its seq.
#[test]
fn a_key_stored_during_the_wait_is_found() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.patient()).await;
        let thread = world.thread(&store).await;
        let first = world.send(&store, thread, "first").await.unwrap().unwrap().message;
        let mut other = world.locking(&[thread]).await;
        let waiting = world.tasks.spawn(world.send(&store, thread, "second"));
        // In a transaction one always sees the same sessions.
        let mut watching = world.past_the_store().await;
        while world.sessions(&mut watching, "wait_event_type = 'Lock'").await == 0 {
            tokio::task::yield_now().await;
        }
        let draft = world.draft(thread, "second");
        sqlx::query(
            "insert into message (thread_id, seq, id, number, modseq, appended_modseq, sender, sender_role, body, \
             client_key, draft, imported, created_at) \
             select thread_id, 2, $1, number + 1, modseq + 2, modseq + 2, sender, sender_role, 'second', 'second', \
             $2, false, created_at from message",
        )
        .bind(*draft.id.as_uuid())
        .bind(sqlx::types::Uuid::from_bytes(*DraftHash::of_body(&draft.body).as_bytes()))
        .execute(&mut other)
        .await
        .unwrap();
        let counted =
            "update thread set last_seq = 2, modseq = modseq + 1, last_number = last_number + 1; commit";
        other.execute(counted).await.unwrap();
        let found = waiting.await.unwrap().unwrap().unwrap();
        assert_eq!((found.message.id, found.duplicate), (draft.id, true));
        let third = world.send(&store, thread, "third").await.unwrap().unwrap().message;
        assert_eq!((first.seq.get(), third.seq.get()), (1, 3));
    });
}

/// Another process is stopped in the middle of a transaction: its threads wait until the server ends its session.
#[test]
fn a_stopped_process_keeps_its_threads_only_until_it_is_ended() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.patient()).await;
        let threads = world.threads(&store, 2).await;
        let mut other = world.past_the_store().await;
        let mut process = Command::new("psql")
            .arg(&world.url)
            // What this store sets on its own sessions, but shorter.
            .env("PGOPTIONS", "-c idle_in_transaction_session_timeout=1500")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql is there");
        let lock = format!("begin; select from thread where id = '{}' for no key update;\n", threads[0]);
        process.stdin.as_mut().unwrap().write_all(lock.as_bytes()).unwrap();
        let has_locked = "state = 'idle in transaction' and query like 'select from thread%'";
        while world.sessions(&mut other, has_locked).await == 0 {
            tokio::task::yield_now().await;
        }
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        let waiting = world.tasks.spawn(world.send(&store, threads[0], "waits"));
        for n in 0..20 {
            world.send(&store, threads[1], &format!("message {n}")).await.unwrap().unwrap();
        }
        // On a slow machine the server may have ended it by now.
        let (is_done, is_locked) = (waiting.is_finished(), world.sessions(&mut other, has_locked).await > 0);
        assert!(!(is_done && is_locked));
        waiting.await.unwrap().unwrap().unwrap();
        assert_eq!(world.sessions(&mut other, has_locked).await, 0);
        process.kill().unwrap();
        process.wait().unwrap();
        whole(&world, &store, threads[0]).await;
    });
}

/// A key that another process is just creating under is waited for, and then found.
#[test]
fn a_key_that_is_being_created_is_found() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.patient()).await;
        let thread = world.thread(&store).await;
        let mut other = world.past_the_store().await;
        let key = ThreadKey::direct(ALICE.id(), BOB.id());
        other.execute("begin").await.unwrap();
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(key.to_string())
            .execute(&mut other)
            .await
            .unwrap();
        let new = NewThread {
            id: world.draft(thread, "an id").id.as_uuid().to_string().parse().unwrap(),
            key: Some(key),
            context: None,
            subject: None,
            founders: vec![ALICE.party(), BOB.party()],
            created_at: T0,
        };
        let creating = {
            let store = store.clone();
            async move { store.create(new).await }
        };
        let creating = world.tasks.spawn(creating);
        world.send(&store, thread, "is not held up").await.unwrap().unwrap();
        sqlx::query("update thread set key = 'direct alice bob' where id = $1")
            .bind(*thread.as_uuid())
            .execute(&mut other)
            .await
            .unwrap();
        assert!(!creating.is_finished());
        other.execute("commit").await.unwrap();
        let (found, created) = creating.await.unwrap().unwrap();
        assert_eq!((found.id, created), (thread, false));
    });
}

#[test]
fn a_full_queue_answers_at_once() {
    block_on(async {
        let world = World::new();
        let config = PgConfig { queue_max: 3, batch_max: 2, ..world.patient() };
        let store = world.open(config).await;
        let thread = world.thread(&store).await;
        let mut other = world.locking(&[thread]).await;
        let mut sends = JoinSet::new();
        for n in 0..60 {
            sends.spawn(world.send(&store, thread, &format!("message {n}")));
        }
        // A waiter has up to two, three are parked and three are in the queue.
        let mut refused = 0;
        while sends.len() > 8 {
            let answer = sends.join_next().await.unwrap().unwrap();
            assert_eq!(answer, Err(StoreError::Busy { limit: 3 }));
            refused += 1;
        }
        other.execute("rollback").await.unwrap();
        let answers = sends.join_all().await;
        let stored = whole(&world, &store, thread).await.len();
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), stored);
        assert_eq!(stored + refused + answers.iter().filter(|answer| answer.is_err()).count(), 60);
        assert!(stored >= 2, "{stored} were taken");
        eventually("it takes more", || true).await;
        world.send(&store, thread, "afterwards").await.unwrap().unwrap();
    });
}
