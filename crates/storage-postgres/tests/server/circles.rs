//! Two processes write the same people, subjects, business objects and jobs, in opposite orders: nobody waits in a
//! circle, which the server would end with an error for one of them.

use sqlx::Executor;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::page::PageLimit;
use tidings_domain::ports::{Directory, JobRepository};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_storage_postgres::PgStore;
use tidings_testkit::{block_on, campaign};
use tokio::task::JoinSet;

use crate::world::World;

/// How many people, subjects, objects and jobs there are.
const EACH: usize = 8;
const ROUNDS: usize = 40;

fn person(n: usize) -> User {
    User::unknown(format!("person{}", n % EACH).parse().unwrap())
}

fn subject(n: usize) -> Subject {
    Subject { issuer: "issuer".to_owned(), sub: format!("sub {}", n % EACH) }
}

fn object(n: usize) -> Context {
    let reference: ContextRef = campaign(&(n % EACH).to_string());
    let (title, parties) = (n.to_string(), Vec::new());
    Context { reference, title, is_public: true, state: None, data: None, parties }
}

/// In one process upwards, in the other one downwards.
fn nth(process: usize, n: usize) -> usize {
    if process == 0 { n } else { EACH * ROUNDS - n }
}

async fn work_on_jobs(store: &PgStore, process: usize) -> Result<(), StoreError> {
    let now = Timestamp::from_millis(1_000);
    // The lease ends at once, so that others claim it, too.
    let mut held = store.claim_jobs(now, now, PageLimit::clamped(5)).await?;
    if process == 1 {
        held.reverse();
    }
    let all = held.iter().map(|job| store.retry_job(job, now, job.job.work.clone()));
    futures_util::future::try_join_all(all).await.map(drop)
}

#[test]
fn two_processes_never_wait_in_a_circle() {
    block_on(async {
        let world = World::new();
        let stores = [world.open(world.config()).await, world.open(world.config()).await];
        let mut past = world.past_the_store().await;
        past.execute(
            "insert into job select gen_random_uuid(), 0, gen_random_uuid(), 1, '{}', 0, 0, 0 from generate_series(1, 8)",
        )
        .await
        .unwrap();
        let mut writes: JoinSet<Result<(), StoreError>> = JoinSet::new();
        for n in 0..EACH * ROUNDS {
            for (process, store) in stores.iter().enumerate() {
                let (store, n) = (store.clone(), nth(process, n));
                writes.spawn(async move {
                    let subjects = vec![subject(n), subject(n / 2), subject(n / 3)];
                    store.put_user(person(n), Some(subjects)).await?;
                    store.put_context(object(n)).await?;
                    store.put_user(person(n / 2), None).await?;
                    work_on_jobs(&store, process).await
                });
            }
        }
        for written in writes.join_all().await {
            written.unwrap();
        }
        for n in 0..EACH {
            let (given, store) = (person(n), &stores[n % 2]);
            store.put_user(given.clone(), Some(vec![subject(n)])).await.unwrap();
            let found = stores[1 - n % 2].user_by_subject(&subject(n)).await.unwrap().map(|user| user.id);
            assert_eq!(found, Some(given.id));
        }
        // A session tells its counts at the latest when it ends.
        for store in stores {
            store.close().await;
        }
        let ended = "select deadlocks, (select count(*) from pg_stat_activity \
            where datname = current_database() and application_name = 'tidings') \
            from pg_stat_database where datname = current_database()";
        let (circles, _) = loop {
            let (circles, sessions): (i64, i64) = sqlx::query_as(ended).fetch_one(&mut past).await.unwrap();
            if sessions == 0 {
                break (circles, sessions);
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(circles, 0, "the server ended circles");
    });
}
