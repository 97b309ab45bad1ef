//! Random days of a thread beside a naive model: whatever happens, everyone is notified of what they have not read, once.

use std::sync::atomic::Ordering;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::messaging::Messaging;
use tidings_testkit::{ALICE, BOB, CAROL, Fixture, Person};

use crate::post::{Here, Post, WINDOW_MS, read, with_notices};
use crate::world::{on_a_store, sends};

const PEOPLE: [Person; 3] = [ALICE, BOB, CAROL];

#[derive(Debug, Clone)]
enum Op {
    Send(usize),
    Read(usize),
    Come(usize),
    Go(usize),
    /// The runner works whenever there is something to do.
    Wait(i64),
    /// Time passes without a runner.
    Stall(i64),
    /// The clock is put back.
    Back(i64),
    Post {
        closed: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..PEOPLE.len();
    prop_oneof![
        8 => who().prop_map(Op::Send),
        2 => who().prop_map(Op::Read),
        3 => who().prop_map(Op::Come),
        3 => who().prop_map(Op::Go),
        8 => prop_oneof![Just(WINDOW_MS), 1..2 * WINDOW_MS].prop_map(Op::Wait),
        1 => (1..2 * WINDOW_MS).prop_map(Op::Stall),
        1 => prop_oneof![1..WINDOW_MS, Just(3_600_000)].prop_map(Op::Back),
        1 => any::<bool>().prop_map(|closed| Op::Post { closed }),
    ]
}

/// What each has not read, as a list; and what no notice was about, as another.
#[derive(Debug, Default)]
struct Model {
    unread: [Vec<MessageId>; PEOPLE.len()],
    unnotified: [Vec<MessageId>; PEOPLE.len()],
}

struct Run {
    fixture: Fixture,
    messaging: Messaging,
    post: Post,
    here: Here,
    thread: ThreadId,
    model: Model,
}

impl Run {
    async fn take(&mut self, op: &Op) {
        match *op {
            Op::Send(who) => {
                let id = sends(&self.messaging, PEOPLE[who], self.thread, "hello").await.id;
                for other in (0..PEOPLE.len()).filter(|other| *other != who) {
                    self.model.unread[other].push(id);
                    self.model.unnotified[other].push(id);
                }
                // Who writes has read what is above.
                self.model.read(who);
            }
            Op::Read(who) => {
                read(&self.messaging, PEOPLE[who], self.thread).await;
                self.model.read(who);
            }
            Op::Come(who) => {
                self.here.0.insert(PEOPLE[who].id());
            }
            Op::Go(who) => {
                self.here.0.remove(&PEOPLE[who].id());
            }
            Op::Wait(millis) => self.wait(millis).await,
            Op::Stall(millis) => {
                self.fixture.clock.advance(millis);
            }
            Op::Back(millis) => {
                self.fixture.clock.advance(-millis);
            }
            Op::Post { closed } => self.post.closed.store(closed, Ordering::Relaxed),
        }
    }

    /// Lets time pass from job to job, and holds each notice against the model.
    async fn wait(&mut self, millis: i64) {
        let end = self.fixture.now().plus_millis(millis);
        loop {
            let round = self.messaging.work_off(&self.here, &self.post).await.unwrap();
            assert_eq!(round.given_up, 0);
            for notice in self.post.take() {
                let who = PEOPLE.iter().position(|person| person.id() == notice.user).unwrap();
                assert!(!self.here.0.contains(&notice.user), "somebody who is present was notified");
                let unnotified = std::mem::take(&mut self.model.unnotified[who]);
                assert_eq!(unnotified.last(), Some(&notice.newest), "a notice of nothing new");
                assert_eq!(notice.unread, unnotified.len() as u64);
            }
            let now = self.fixture.now();
            let next = round.next_at.map_or(end, |at| at.min(end)).max(now);
            self.fixture.clock.advance(next.as_millis() - now.as_millis());
            if next == end {
                return;
            }
        }
    }
}

impl Model {
    fn read(&mut self, who: usize) {
        self.unread[who].clear();
        self.unnotified[who].clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everyone_is_notified_once_of_what_they_have_not_read(ops in prop::collection::vec(op(), 0..60)) {
        on_a_store(async |fixture| {
            let thread = fixture.opened(&PEOPLE).await.id;
            let (messaging, post, here) = (with_notices(&fixture), Post::default(), Here::default());
            let mut run = Run { fixture, messaging, post, here, thread, model: Model::default() };
            for op in &ops {
                run.take(op).await;
            }
            // Everyone goes and the post is open: by the time that the rarest try comes, nothing is left.
            run.post.closed.store(false, Ordering::Relaxed);
            run.here.0.clear();
            let clocks_apart = ops.iter().map(|op| if let Op::Back(millis) = op { *millis } else { 0 }).sum::<i64>();
            run.wait(3 * 3_600_000 + clocks_apart).await;
            assert_eq!(run.model.unnotified, [const { Vec::new() }; PEOPLE.len()]);
            assert_eq!(run.fixture.stores.jobs.next_job_at().await, Ok(None), "a job that goes on for nobody");
        });
    }
}
