//! Jobs: stored with their commit, held by one at a time, done at least once.

use std::collections::BTreeSet;

use tidings_domain::error::StoreError;
use tidings_domain::id::{JobId, ThreadId};
use tidings_domain::job::{ClaimedJob, Job, NoticesSettled, Work};
use tidings_domain::member::Member;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;

use super::together::together;
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, DAVE, ERIN, Person};
use crate::rules::{Draft, appending, appending_with_notice, enqueuing, settling};

fn job(fixture: &Fixture, thread: ThreadId, due_in: i64) -> Job {
    let due_at = fixture.now().plus_millis(due_in);
    Job { id: fixture.job_id(), due_at, work: Work::NotifyUnread { thread } }
}

async fn enqueued(fixture: &Fixture, thread: ThreadId, due_in: i64) -> Job {
    fixture.does(enqueuing(job(fixture, thread, due_in))).await
}

fn ids(claimed: &[ClaimedJob]) -> Vec<JobId> {
    claimed.iter().map(|claimed| claimed.job.id).collect()
}

async fn next_at(fixture: &Fixture) -> Option<Timestamp> {
    fixture.stores.jobs.next_job_at().await.expect("the store works")
}

/// A job comes with the message that causes it, and comes back as it was given. The notifier hears of the message
/// alone; the thread says until when a notice is pending.
pub async fn a_job_is_stored_with_its_commit(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    assert_eq!(next_at(fixture).await, None);
    assert_eq!(fixture.thread(thread).await.notice_due, None);
    let due_at = fixture.now().plus_millis(30_123);
    let draft = fixture.draft(thread, ALICE, "who is away?", None);
    let job = fixture.does(appending_with_notice(draft, fixture.job_id(), due_at)).await;
    assert_eq!(job.work, Work::NotifyUnread { thread });
    let heard = fixture.heard.heard_of(thread);
    let commit = heard.last().expect("the message was heard");
    assert_eq!(commit.changes.len(), 1, "nobody hears of a job: {:?}", commit.changes);
    let now = fixture.thread(thread).await;
    assert_eq!((now.modseq, now.notice_due), (Modseq::new(3), Some(due_at)), "a job takes no modseq");
    assert_eq!(*commit.thread, now);
    assert_eq!(fixture.entry(BOB, thread).await.thread, now);
    let feed = fixture.stores.feed.changes_of(thread, Modseq::ZERO, 3).await.expect("the store works");
    assert_eq!(feed.map(|commit| commit.changes.len()), Some(3), "nor is it in the log");
    assert_eq!(next_at(fixture).await, Some(due_at));
    assert_eq!(fixture.claim(30_123, 10).await, [ClaimedJob { job, attempts: 1 }]);
}

/// A job alone changes no row that anybody sees but until when the thread's notice is pending, and is not heard.
pub async fn a_job_alone_is_no_commit(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await;
    let first = enqueued(fixture, thread.id, 50).await;
    let second = enqueued(fixture, thread.id, 20).await;
    let now = fixture.thread(thread.id).await;
    assert_eq!(now, Thread { notice_due: Some(second.due_at), ..thread.clone() });
    assert_eq!(fixture.heard.heard().len(), 1, "the creation alone");
    assert_eq!(ids(&fixture.claim(100, 10).await), [second.id, first.id]);
    // And the next change follows without a gap.
    assert_eq!(fixture.says(thread.id, ALICE, "hello").await.modseq, thread.modseq.next());
}

/// What was refused, what failed and what panicked stores no job, alone or beside others.
pub async fn no_commit_no_job(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let taken = fixture.does(appending(fixture.draft(thread, ALICE, "first", None))).await;
    let due = fixture.now();
    let tries = (0..20).map(|n| {
        let draft = match n % 3 {
            0 => fixture.draft(thread, CAROL, "an outsider", None),
            1 => Draft { id: taken.id, ..fixture.draft(thread, ALICE, "an id used twice", None) },
            _ => fixture.draft(thread, BOB, "good", None),
        };
        let rule = appending_with_notice(draft, fixture.job_id(), due);
        let fixture = fixture.clone();
        async move { fixture.tries(rule).await }
    });
    let answers = together(tries).await;
    let mut stored: Vec<JobId> = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        match (n % 3, answer) {
            (0, Ok(Err(_))) | (1, Err(StoreError::Internal(_))) => {}
            (2, Ok(Ok(job))) => stored.push(job.id),
            (_, other) => panic!("{n}: {other:?}"),
        }
    }
    let mut claimed = ids(&fixture.claim(0, 100).await);
    claimed.sort_unstable();
    stored.sort_unstable();
    assert_eq!(claimed, stored);
}

/// Of one sort only what is due, earliest first and between equals by id; no more than asked for.
pub async fn due_jobs_are_claimed_earliest_first(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut jobs = Vec::new();
    for due_in in [400, 100, 300, 200, 100, 100, -5_000] {
        jobs.push(enqueued(fixture, thread, due_in).await);
    }
    jobs.sort_unstable_by_key(|job| (job.due_at, job.id));
    let all: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    assert_eq!(next_at(fixture).await, jobs.first().map(|job| job.due_at));
    assert_eq!(ids(&fixture.claim(-5_001, 10).await), []);
    assert_eq!(ids(&fixture.claim(99, 10).await), all[..1]);
    assert_eq!(ids(&fixture.claim(250, 2).await), all[1..3]);
    assert_eq!(ids(&fixture.claim(250, 10).await), all[3..5], "what is held is passed over");
    assert_eq!(ids(&fixture.claim(400, 10).await), all[5..]);
    assert_eq!(ids(&fixture.claim(400, 10).await), []);
}

/// However long something repeated is overdue, windows that end come before it; and both share one limit.
pub async fn windows_are_claimed_before_what_is_repeated(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut repeated = Vec::new();
    for due_in in [-9_000, -8_000] {
        let job = Job { work: again(thread, &[], 0), ..job(fixture, thread, due_in) };
        repeated.push(fixture.does(enqueuing(job)).await.id);
    }
    let late = enqueued(fixture, thread, 100).await.id;
    let window = enqueued(fixture, thread, -10).await.id;
    assert_eq!(next_at(fixture).await, Some(fixture.now().plus_millis(-9_000)), "the earliest of both sorts");
    assert_eq!(ids(&fixture.claim(0, 1).await), [window]);
    assert_eq!(ids(&fixture.claim(100, 2).await), [late, repeated[0]]);
    assert_eq!(ids(&fixture.claim(100, 10).await), repeated[1..]);
    assert_eq!(next_at(fixture).await, Some(fixture.now().plus_millis(60_000)), "when the first lease ends");
}

/// Whoever holds a job holds it until the lease ends; then it comes back, and its attempts count on.
pub async fn a_lease_holds_and_ends(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let job = enqueued(fixture, thread, 0).await;
    for attempts in 1..=4 {
        let now = fixture.now();
        assert_eq!(fixture.claim(0, 10).await, [ClaimedJob { job: job.clone(), attempts }]);
        assert_eq!(next_at(fixture).await, Some(now.plus_millis(60_000)), "when it comes back");
        fixture.clock.advance(59_999);
        assert_eq!(fixture.claim(0, 10).await, []);
        fixture.clock.advance(1);
    }
}

/// Another try of a notice: up to a message, for these people after so many failures.
fn again(thread: ThreadId, failing: &[Person], failures: u32) -> Work {
    let failing = failing.iter().map(|person| person.id()).collect();
    Work::NotifyAgain { thread, upto: Seq::new(7), failing, failures }
}

/// A job of each sort comes back as it was given, and leaves the thread's pending window as it was unless it is one.
pub async fn every_field_of_a_job_round_trips(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut jobs = vec![enqueued(fixture, thread, 5).await];
    let window = fixture.thread(thread).await.notice_due;
    let works =
        [again(thread, &[], 0), again(thread, &[ALICE], 1), again(thread, &[ERIN, BOB], u32::MAX >> 1)];
    for (work, due_in) in works.into_iter().zip(6..) {
        let job = Job { work, ..job(fixture, thread, due_in) };
        jobs.push(fixture.does(enqueuing(job)).await);
    }
    assert_eq!(fixture.thread(thread).await.notice_due, window);
    let claimed = fixture.claim(10, 10).await;
    assert_eq!(claimed, jobs.into_iter().map(|job| ClaimedJob { job, attempts: 1 }).collect::<Vec<_>>());
}

/// Who was notified and which windows have ended is stored and read back, takes no modseq, and is not heard; what else
/// is known of a member stays.
pub async fn who_was_notified_is_remembered(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
    for text in ["one", "two", "three"] {
        fixture.says(thread, ALICE, text).await;
    }
    enqueued(fixture, thread, 5).await;
    let before = fixture.thread(thread).await;
    let (bob, carol) = (fixture.member(thread, BOB).await, fixture.member(thread, CAROL).await);
    let heard = fixture.heard.heard().len();
    let settled = |due, upto, notified: &[(Person, u64)]| NoticesSettled {
        thread,
        due,
        upto: Seq::new(upto),
        notified: notified.iter().map(|(person, upto)| (person.id(), Seq::new(*upto))).collect(),
    };
    fixture.does(settling(settled(None, 3, &[(BOB, 2)]))).await;
    let ended = Thread { notice_due: None, notice_upto: Seq::new(3), ..before.clone() };
    assert_eq!(fixture.thread(thread).await, ended);
    let notified = |member: Option<Member>, upto| member.map(|it| Member { notified: Seq::new(upto), ..it });
    assert_eq!(fixture.member(thread, BOB).await, notified(bob.clone(), 2));
    assert_eq!(fixture.member(thread, CAROL).await, carol);
    // With a job in the same commit, and for several.
    let due = fixture.now().plus_millis(9);
    fixture.does(settling(settled(Some(due), 3, &[(CAROL, 3), (BOB, 3)]))).await;
    assert_eq!(fixture.thread(thread).await, Thread { notice_due: Some(due), ..ended });
    assert_eq!(fixture.member(thread, BOB).await, notified(bob, 3));
    assert_eq!(fixture.member(thread, CAROL).await, notified(carol, 3));
    assert_eq!(fixture.heard.heard().len(), heard, "nobody hears of it");
    // It stays with whatever changes next.
    fixture.says(thread, BOB, "an answer").await;
    let bob = fixture.member(thread, BOB).await.expect("he is there");
    assert_eq!((bob.notified, bob.marker.seq), (Seq::new(3), Seq::new(4)));
    let outsider = fixture.tries(settling(settled(None, 3, &[(DAVE, 1)]))).await;
    assert!(matches!(outsider, Ok(Err(_))), "{outsider:?}");
}

/// A finished job is gone; one that is given back is due at the time said, with what is left of its work.
///
/// Its own time is unchanged, its place among the others the new one. Whoever lost a job to another claim has no say in
/// it any more, and what nobody knows is not an error.
pub async fn jobs_are_finished_and_given_back(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let first = Job { work: again(thread, &[], 0), ..job(fixture, thread, 0) };
    let (first, second) = (fixture.does(enqueuing(first)).await, enqueued(fixture, thread, 10).await);
    let jobs = &fixture.stores.jobs;
    let held = |job: &Job, attempts| ClaimedJob { job: job.clone(), attempts };
    let left = again(thread, &[ALICE, BOB], 3);
    assert_eq!(ids(&fixture.claim(0, 10).await), [first.id]);
    let later = fixture.now().plus_millis(500);
    assert_eq!(jobs.retry_job(&held(&first, 1), later, left.clone()).await, Ok(()));
    assert_eq!(next_at(fixture).await, Some(second.due_at));
    assert_eq!(ids(&fixture.claim(499, 1).await), [second.id]);
    let sooner = later.plus_millis(-1);
    assert_eq!(jobs.retry_job(&held(&second, 1), sooner, second.work.clone()).await, Ok(()));
    let first = Job { work: left, ..first };
    let both = fixture.claim(500, 10).await;
    assert_eq!(both, [held(&second, 2), held(&first, 2)], "by when they are due again");
    for lost in [held(&first, 1), held(&second, 1)] {
        assert_eq!(jobs.finish_job(&lost).await, Ok(()));
        assert_eq!(jobs.retry_job(&lost, fixture.now(), second.work.clone()).await, Ok(()));
    }
    assert_eq!(fixture.claim(500, 10).await, [], "they are held by the second claim");
    assert_eq!(jobs.finish_job(&held(&second, 2)).await, Ok(()));
    let again = jobs.retry_job(&held(&second, 2), fixture.now(), second.work.clone()).await;
    assert_eq!(again, Ok(()), "it stays finished");
    assert_eq!(jobs.finish_job(&held(&first, 2)).await, Ok(()));
    assert_eq!(next_at(fixture).await, None);
    let unknown = Job { id: fixture.job_id(), ..first };
    assert_eq!(jobs.finish_job(&held(&unknown, 1)).await, Ok(()));
    assert_eq!(jobs.retry_job(&held(&unknown, 1), fixture.now(), second.work).await, Ok(()));
    assert_eq!(fixture.claim(i64::from(i32::MAX), 10).await, []);
}

/// However many claim at once, each job is held by one; and jobs come while others are claimed.
pub async fn no_two_hold_a_job(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let mut all = BTreeSet::new();
    for n in 0..60 {
        all.insert(enqueued(fixture, thread, n % 7).await.id);
    }
    let late: Vec<Job> = (0..20).map(|_| job(fixture, thread, 5)).collect();
    all.extend(late.iter().map(|job| job.id));
    let work = (0..40).map(|n| {
        let (fixture, late) = (fixture.clone(), late.get(n).cloned());
        async move {
            if let Some(job) = late {
                fixture.does(enqueuing(job)).await;
            }
            ids(&fixture.claim(10, 3).await)
        }
    });
    let mut claimed = together(work).await.concat();
    claimed.extend(ids(&fixture.claim(10, 100).await));
    assert_eq!(claimed.len(), 80);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), all);
}

/// A job's id is given once while the job is there.
pub async fn a_job_id_used_twice_is_refused(fixture: &Fixture) {
    let thread = fixture.opened(&[ALICE, BOB]).await.id;
    let first = enqueued(fixture, thread, 0).await;
    let again = Job { due_at: first.due_at.plus_millis(5), ..first.clone() };
    let answer = fixture.tries(enqueuing(again)).await;
    assert!(matches!(answer, Err(StoreError::Internal(_))), "{answer:?}");
    assert_eq!(fixture.thread(thread).await.notice_due, Some(first.due_at));
    assert_eq!(fixture.claim(10, 10).await, [ClaimedJob { job: first, attempts: 1 }]);
}
