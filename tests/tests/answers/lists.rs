//! Lists that are dear to make.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, ensure};
use tidings_tests::Rest;

use crate::world::{World, id, p95};

const THREADS: usize = 2_000;
const REQUESTS: usize = 500;
/// How many of them are asked for at once.
const AT_ONCE: usize = 100;
const QUIET_WAITS: usize = 200;
/// How many times longer others may wait. Without a bound on what one user does at once it is thousands of times.
const TIMES_MAX: u32 = 150;

#[test]
fn one_users_lists_are_not_in_everybodys_way() -> anyhow::Result<()> {
    let world = World::new()?;
    let threads: Vec<_> = (0..THREADS)
        .map(|n| world.thread(&id(n), &format!("campaign-{n}"), &[world.message(10_000 + n, "hello")]))
        .collect();
    for chunk in threads.chunks(100) {
        world.imports(chunk)?;
    }
    world.carol_waits()?;
    let waits = (0..QUIET_WAITS).map(|_| world.carol_waits()).collect::<Result<_, _>>()?;
    let quiet = p95(waits);

    let (left, answered) = (AtomicUsize::new(REQUESTS), AtomicUsize::new(0));
    let beside = thread::scope(|scope| {
        let asking = || -> anyhow::Result<()> {
            let bob = Rest::of(world.server.address(), &world.users.bob);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let answer = bob.get("/messaging/threads?page=4&limit=500")?;
                // Some are refused: so many at once are too many.
                ensure!([200, 429].contains(&answer.status), "{answer:?}");
                answered.fetch_add(usize::from(answer.status == 200), Ordering::Relaxed);
            }
            Ok(())
        };
        let askers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(asking)).collect();
        let mut waits = Vec::new();
        while askers.iter().any(|asker| !asker.is_finished()) {
            waits.push(world.carol_waits()?);
        }
        for asker in askers {
            asker.join().ok().context("an asker panicked")??;
        }
        anyhow::Ok(p95(waits))
    })?;
    ensure!(answered.load(Ordering::Relaxed) > 0, "no list was answered");
    ensure!(beside < quiet * TIMES_MAX, "Carol waits {beside:?} beside Bob's lists, {quiet:?} otherwise");
    world.server.unshaken()
}
