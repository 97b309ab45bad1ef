//! Answers that do not arrive.

use std::time::Duration;

use tidings_domain::error::StoreError;
use tidings_domain::ports::ThreadRepository;
use tidings_storage_postgres::PgConfig;
use tidings_testkit::block_on;
use tokio::task::JoinSet;

use crate::proxy::{Mood, Proxy};
use crate::world::{World, messages, whole};

/// Short enough for a test.
fn impatient(url: &str) -> PgConfig {
    PgConfig {
        lanes: 1,
        readers: 2,
        connect_max: Duration::from_millis(500),
        reader_wait_max: Duration::from_millis(500),
        statement_max: Duration::from_millis(100),
        idle_max: Duration::from_millis(200),
        ..PgConfig::at(url)
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_a_commit() {
    block_on(async {
        let world = World::new();
        let (proxy, url) = Proxy::start(&world.url, &world.tasks);
        let store = world.open(PgConfig { lanes: 1, ..PgConfig::at(url) }).await;
        let thread = world.thread(&store).await;
        proxy.set(Mood::LosesAnswers);
        for n in 0..5 {
            let sent = world.send(&store, thread, &format!("message {n}")).await.unwrap().unwrap();
            assert!(!sent.duplicate);
        }
        let mut sends = JoinSet::new();
        for n in 0..50 {
            sends.spawn(world.send(&store, thread, &format!("batched {n}")));
        }
        for answer in sends.join_all().await {
            assert!(!answer.unwrap().unwrap().duplicate);
        }
        proxy.set(Mood::Fair);
        assert_eq!(whole(&world, &store, thread).await.len(), 55);
    });
}

#[test]
fn a_commit_that_never_arrived_is_none() {
    block_on(async {
        let world = World::new();
        let (proxy, url) = Proxy::start(&world.url, &world.tasks);
        let store = world.open(PgConfig { lanes: 1, ..PgConfig::at(url) }).await;
        let thread = world.thread(&store).await;
        proxy.set(Mood::LosesCommits);
        for n in 0..3 {
            let sent = world.send(&store, thread, &format!("lost {n}")).await;
            assert!(matches!(sent, Err(StoreError::Unavailable(_))), "{sent:?}");
        }
        proxy.set(Mood::Fair);
        assert!(messages(&store, thread).await.is_empty());
        for n in 0..3 {
            assert!(!world.send(&store, thread, &format!("lost {n}")).await.unwrap().unwrap().duplicate);
        }
        whole(&world, &store, thread).await;
    });
}

#[test]
fn a_commit_nobody_can_ask_about_is_unknown_and_its_key_settles_it() {
    block_on(async {
        let world = World::new();
        let (proxy, url) = Proxy::start(&world.url, &world.tasks);
        let store = world.open(impatient(&url)).await;
        let thread = world.thread(&store).await;
        proxy.set(Mood::LosesAnswersForGood);
        let sent = world.send(&store, thread, "perhaps").await;
        assert!(matches!(sent, Err(StoreError::Unknown(_))), "{sent:?}");
        proxy.set(Mood::Fair);
        let sent = loop {
            match world.send(&store, thread, "perhaps").await {
                Ok(sent) => break sent.unwrap(),
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert!(sent.duplicate, "it had been stored");
        assert_eq!(messages(&store, thread).await, [sent.message]);
    });
}

/// sqlx#4349: a connection whose server went silent keeps its place in the pool for ever.
#[test]
fn a_silent_server_is_given_up_and_keeps_no_place() {
    block_on(async {
        let world = World::new();
        let (proxy, url) = Proxy::start(&world.url, &world.tasks);
        let store = world.open(impatient(&url)).await;
        let thread = world.thread(&store).await;
        store.thread(thread).await.unwrap();
        proxy.set(Mood::Silent);
        let mut reads = JoinSet::new();
        for _ in 0..10 {
            let store = store.clone();
            reads.spawn(async move { store.thread(thread).await });
        }
        let send = world.tasks.spawn(world.send(&store, thread, "into the void"));
        for answer in reads.join_all().await {
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        }
        let sent = send.await.unwrap();
        assert!(matches!(sent, Err(StoreError::Unavailable(_))), "{sent:?}");
        proxy.set(Mood::Fair);
        for n in 0..10 {
            store.thread(thread).await.unwrap();
            while let Err(error) = world.send(&store, thread, &format!("message {n}")).await {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            }
        }
        assert!(messages(&store, thread).await.len() >= 10);
    });
}
