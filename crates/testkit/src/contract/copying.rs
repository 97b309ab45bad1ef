//! Copying everything from one store into another: see [`tidings_domain::transfer`].
//!
//! Run them with [`copy_contract!`](crate::copy_contract). Every case gets two empty stores, of whatever sorts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::job::{Job, Work};
use tidings_domain::member::Standing;
use tidings_domain::page::PageLimit;
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::thread::{NewThread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::{
    Contents, CopyError, Incoming, Place, Record, RecordKind, RecordPage, Transfer, copy,
};
use tidings_domain::user::{Subject, User};
use uuid::Uuid;

use super::{directory, jobs, keys, listing, members, messages, summaries};
use crate::fixture::Fixture;
use crate::people::{ALICE, BOB, CAROL, DAVE, ERIN, Person, campaign, crowd};
use crate::rules::{Sent, enqueuing, keeping_member, sending};

const EVERYBODY: [Person; 5] = [ALICE, BOB, CAROL, DAVE, ERIN];

fn door(fixture: &Fixture) -> &dyn Transfer {
    fixture.stores.transfer.as_deref().expect("the store can be copied")
}

/// Something of everything that a store keeps: what other cases put there, and then some.
async fn fill(from: &Fixture) {
    directory::users_round_trip(from).await;
    directory::contexts_round_trip(from).await;
    directory::a_subject_moves_to_whom_it_is_given_last(from).await;
    members::markers_round_trip(from).await;
    members::every_field_of_a_member_round_trips(from).await;
    members::members_come_in_the_order_they_came(from).await;
    members::a_subject_changes(from).await;
    messages::every_field_of_a_message_round_trips(from).await;
    messages::edits_and_tombstones_keep_their_place(from).await;
    messages::any_text_round_trips(from).await;
    summaries::every_field_of_a_summary_round_trips(from).await;
    keys::a_key_belongs_to_its_thread_and_sender(from).await;
    listing::unread_is_arithmetic(from).await;
    let subjects = ["a", "b"].map(|sub| Subject { issuer: "é'\"\\".to_owned(), sub: sub.to_owned() });
    let as_of = Timestamp::from_millis(1_767_323_044_000);
    let user = User { told: true, as_of, ..User::unknown(DAVE.id()) };
    from.stores.directory.put_user(user, Some(subjects.into())).await.expect("the store works");
    for thread in every_sort(from) {
        let id = from.created(thread).await.id;
        from.clock.advance(1);
        from.says(id, ALICE, "of every sort").await;
        from.does(keeping_member(id, BOB.id(), |bob| bob.standing = Standing::Hidden)).await;
    }
    jobs::who_was_notified_is_remembered(from).await;
    waiting_jobs(from).await;
}

/// A thread with each sort of key, and one that is too large for the lists of its members.
fn every_sort(from: &Fixture) -> Vec<NewThread> {
    let pair = |key| NewThread { key: Some(key), ..from.group(&[ALICE, BOB]) };
    let nested = tidings_domain::context::ContextRef {
        parent: Some(("contract".parse().expect("a kind"), "/".parse().expect("an id"))),
        ..campaign(":")
    };
    let mut large = from.group(&[ALICE, BOB]);
    large.founders.extend(crowd(40));
    let about =
        |of: &tidings_domain::context::ContextRef, thread| NewThread { context: Some(of.clone()), ..thread };
    vec![
        pair(ThreadKey::direct(ALICE.id(), BOB.id())),
        about(&nested, pair(ThreadKey::pair(nested.clone(), ALICE.id(), BOB.id()))),
        about(&campaign("7"), pair(ThreadKey::Context(campaign("7")))),
        pair(ThreadKey::Request(crate::people::key("  of the / host :"))),
        large,
    ]
}

/// Jobs that wait, that are held, and that were given back.
async fn waiting_jobs(from: &Fixture) {
    let thread = from.opened(&[ALICE, BOB]).await.id;
    let again = |failing: &[Person], failures| Work::NotifyAgain {
        thread,
        upto: Seq::new(4),
        failing: failing.iter().map(|person| person.id()).collect(),
        failures,
    };
    let unread = Work::NotifyUnread { thread };
    for (due_in, work) in [(0, unread.clone()), (5, again(&[ERIN, BOB], 3)), (700, unread)] {
        let due_at = from.now().plus_millis(due_in);
        from.does(enqueuing(Job { id: from.job_id(), due_at, work })).await;
    }
    let held = from.claim(5, 10).await;
    let back = from.now().plus_millis(90_000);
    let failed = held.iter().find(|held| matches!(held.job.work, Work::NotifyAgain { .. }));
    let failed = failed.expect("it is due");
    from.stores.jobs.retry_job(failed, back, again(&[BOB], 4)).await.expect("the store works");
}

async fn copied(from: &Fixture, to: &Fixture) -> Contents {
    copy(door(from), door(to), |_, _| {}).await.expect("the copy comes to its end")
}

/// The copy, with the clock and the ids of the first store.
fn going_on(from: &Fixture, to: &Fixture) -> Fixture {
    Fixture { stores: to.stores.clone(), heard: Arc::clone(&to.heard), ..from.clone() }
}

async fn threads(fixture: &Fixture) -> BTreeMap<ThreadId, Option<ThreadKey>> {
    let mut threads = BTreeMap::new();
    let mut after = None;
    loop {
        let page =
            door(fixture).records(RecordKind::Thread, after.as_deref()).await.expect("the store works");
        for record in page.records {
            let Record::Thread(thread, key) = record else { panic!("no thread: {record:?}") };
            threads.insert(thread.id, key);
        }
        match page.last {
            None => return threads,
            last => after = last,
        }
    }
}

/// Whatever is asked of the copy, it answers as the first store does.
pub async fn a_copy_answers_every_read_alike(from: &Fixture, to: &Fixture) {
    fill(from).await;
    let contents = copied(from, to).await;
    assert!(contents.counts().all(|(_, count)| count > 0), "something of everything: {contents}");
    assert_eq!(door(to).incoming().await, Ok(Incoming::Used));
    let all = threads(from).await;
    assert_eq!(threads(to).await, all);
    let (one, other) = (&from.stores, &to.stores);
    for (id, key) in all {
        let roster = one.threads.members(id).await;
        let (thread, _) = roster.clone().expect("the store works").expect("the thread exists");
        assert_eq!(other.threads.members(id).await, roster);
        assert_eq!(other.threads.thread(id).await, Ok(Some(thread.clone())));
        if let Some(key) = key {
            assert_eq!(other.threads.thread_by_key(&key).await, Ok(Some(thread.clone())));
        }
        assert_eq!(to.messages(id).await, from.messages(id).await);
        assert_eq!(
            other.messages.last_before(id, thread.last_message_at).await,
            one.messages.last_before(id, thread.last_message_at).await
        );
        let limit = PageLimit::clamped(500);
        assert_eq!(other.summaries.summaries(id, limit).await, one.summaries.summaries(id, limit).await);
        for after in [0, 1, thread.modseq.get() / 2, thread.modseq.get().saturating_sub(1)].map(Modseq::new) {
            let changes = one.feed.changes_of(id, after, 10_000).await;
            assert_eq!(other.feed.changes_of(id, after, 10_000).await, changes, "{id} after {after:?}");
        }
    }
    for person in EVERYBODY {
        assert_eq!(to.list(person).await, from.list(person).await, "the list of {person:?}");
    }
    let everybody = EVERYBODY.map(Person::id);
    for id in &everybody {
        let id = std::slice::from_ref(id);
        assert_eq!(other.directory.users(id).await, one.directory.users(id).await);
    }
    let subject = Subject { issuer: "é'\"\\".to_owned(), sub: "b".to_owned() };
    let dave = other.directory.user_by_subject(&subject).await.expect("the store works");
    assert_eq!(dave.map(|dave| dave.id), Some(DAVE.id()));
    assert_eq!(
        other.directory.contexts(&[campaign("1")]).await,
        one.directory.contexts(&[campaign("1")]).await
    );
    assert_eq!(other.jobs.next_job_at().await, one.jobs.next_job_at().await);
}

/// What is done next has the same effect in both: the same seqs and modseqs, no number twice, keys found again, jobs held
/// by whom they were held by.
pub async fn a_copy_goes_on_as_the_first_would(from: &Fixture, to: &Fixture) {
    fill(from).await;
    let thread = from.opened(&[ALICE, BOB]).await.id;
    let first = from.does(sending(from.draft(thread, ALICE, "under a key", Some("k")))).await.message;
    copied(from, to).await;
    let copy = going_on(from, to);
    let again = copy.does(sending(copy.draft(thread, ALICE, "under a key", Some("k")))).await;
    assert_eq!(again, Sent { message: first.clone(), duplicate: true });
    let (old, new) = (from.says(thread, BOB, "goes on").await, copy.says(thread, BOB, "goes on").await);
    assert_eq!((new.seq, new.modseq), (old.seq, old.modseq));
    assert!(new.number > first.number, "{} after {}", new.number, first.number);
    // A number that was given before is given to nothing else.
    let known = numbers(from).await;
    let carl = copy.stores.directory.put_user(User::unknown("carl".parse().expect("an id")), None).await;
    let carl = carl.expect("the store works");
    assert!(!known.0.contains(&carl.number), "{} is somebody else's", carl.number);
    let made = copy.opened(&[ALICE, CAROL]).await;
    assert!(!known.1.contains(&made.number), "{} is another thread's", made.number);
    let direct =
        NewThread { key: Some(ThreadKey::direct(ALICE.id(), BOB.id())), ..copy.group(&[ALICE, BOB]) };
    let (found, created) = copy.stores.threads.create(direct).await.expect("the store works");
    assert!(!created && from.thread(found.id).await.number == found.number);
    // Large and small threads keep their places in lists.
    let large = threads(from).await.into_keys().find(|id| *id != thread && *id != made.id);
    assert!(large.is_some());
    for after_ms in [0, 700, 60_006, 90_000] {
        assert_eq!(copy.claim(after_ms, 100).await, from.claim(after_ms, 100).await, "due in {after_ms} ms");
    }
}

/// The numbers of users and of threads.
async fn numbers(fixture: &Fixture) -> (Vec<u64>, Vec<u64>) {
    let all = async |kind| door(fixture).records(kind, None).await.expect("the store works").records;
    let user = |record| if let Record::User(user, _) = record { Some(user.number) } else { None };
    let thread = |record| if let Record::Thread(thread, _) = record { Some(thread.number) } else { None };
    let users = all(RecordKind::User).await.into_iter().filter_map(user);
    let threads = all(RecordKind::Thread).await.into_iter().filter_map(thread);
    (users.collect(), threads.collect())
}

/// A store in front of which something goes wrong.
#[derive(Debug)]
struct Broken<'a> {
    inner: &'a dyn Transfer,
    /// How many pages it still takes in.
    puts: AtomicUsize,
    /// What it does before it lets out the last kind of records.
    meanwhile: Option<&'a Fixture>,
}

#[async_trait]
impl Transfer for Broken<'_> {
    async fn history(&self) -> Result<Uuid, StoreError> {
        self.inner.history().await
    }

    async fn records(&self, kind: RecordKind, after: Option<&str>) -> Result<RecordPage, StoreError> {
        if let (Some(fixture), RecordKind::Job, None) = (self.meanwhile, kind, after) {
            fixture.opened(&[ALICE, BOB]).await;
        }
        self.inner.records(kind, after).await
    }

    async fn incoming(&self) -> Result<Incoming, StoreError> {
        self.inner.incoming().await
    }

    async fn begin(&self, from: Uuid) -> Result<(), StoreError> {
        self.inner.begin(from).await
    }

    async fn put(&self, records: Vec<Record>, at: &Place, next: &Place) -> Result<(), StoreError> {
        let left = self.puts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| StoreError::Unavailable("the disk is full".into()))?;
        self.inner.put(records, at, next).await
    }

    async fn end(&self) -> Result<(), StoreError> {
        self.inner.end().await
    }
}

/// Wherever it broke off, the next one goes on there, and nothing is there twice.
pub async fn a_copy_that_broke_off_goes_on(from: &Fixture, to: &Fixture) {
    fill(from).await;
    let history = door(from).history().await.expect("the store works");
    for _ in 0..RecordKind::ALL.len() - 1 {
        let breaks = Broken { inner: door(to), puts: AtomicUsize::new(1), meanwhile: None };
        let broken = copy(door(from), &breaks, |_, _| {}).await;
        assert_eq!(broken, Err(CopyError::Target(StoreError::Unavailable("the disk is full".into()))));
        let incoming = door(to).incoming().await.expect("the store works");
        assert!(matches!(incoming, Incoming::Underway { from, .. } if from == history), "{incoming:?}");
    }
    let mut pages = 0;
    let copied = copy(door(from), door(to), |_, _| pages += 1).await;
    assert_eq!(copied, Ok(Contents::of(door(from)).await.expect("the store works")));
    assert!(pages > 0);
    assert_eq!(door(to).incoming().await, Ok(Incoming::Used));
}

/// Nothing is copied onto what is there, nor from or into something else's unfinished copy.
pub async fn only_an_empty_store_takes_a_copy_in(from: &Fixture, to: &Fixture) {
    assert_eq!(copy(door(from), door(from), |_, _| {}).await, Err(CopyError::SameStore));
    assert_eq!(door(to).incoming().await, Ok(Incoming::Empty));
    let other = Uuid::from_u128(42);
    door(to).begin(other).await.expect("an empty store");
    assert!(door(to).begin(other).await.is_err(), "one copy at a time");
    assert_eq!(copy(door(from), door(to), |_, _| {}).await, Err(CopyError::OtherCopy));
    assert_eq!(copy(door(to), door(from), |_, _| {}).await, Err(CopyError::SourceUnfinished));
    door(to).end().await.expect("the store works");
    let mine = to.opened(&[ALICE, BOB]).await;
    from.opened(&[CAROL, BOB]).await;
    assert_eq!(copy(door(from), door(to), |_, _| {}).await, Err(CopyError::TargetUsed));
    assert!(door(to).begin(other).await.is_err(), "it has something of its own");
    assert_eq!(to.thread(mine.id).await, mine);
}

/// A page comes to where the copy is, or nothing of it is kept: two at once do not mix.
pub async fn a_page_follows_the_one_before(from: &Fixture, to: &Fixture) {
    from.opened(&[ALICE, BOB]).await;
    let page = door(from).records(RecordKind::Thread, None).await.expect("the store works");
    door(to).begin(Uuid::from_u128(42)).await.expect("an empty store");
    let next = Place { kind: RecordKind::Thread, after: page.last };
    assert!(door(to).put(page.records.clone(), &next, &next).await.is_err(), "it is not there yet");
    assert_eq!(threads(to).await.len(), 0);
    door(to).put(page.records.clone(), &Place::START, &next).await.expect("it is at the start");
    assert!(door(to).put(page.records, &Place::START, &next).await.is_err(), "it was there");
    assert_eq!(threads(to).await.len(), 1);
    let underway = Incoming::Underway { from: Uuid::from_u128(42), place: next };
    assert_eq!(door(to).incoming().await, Ok(underway));
}

/// A store that is written to while it is copied is found out, and its copy is not taken for one.
pub async fn what_is_written_meanwhile_is_found(from: &Fixture, to: &Fixture) {
    fill(from).await;
    let moving = Broken { inner: door(from), puts: AtomicUsize::new(0), meanwhile: Some(from) };
    let differs = copy(&moving, door(to), |_, _| {}).await;
    assert!(matches!(differs, Err(CopyError::Differ { .. })), "{differs:?}");
    assert!(matches!(door(to).incoming().await, Ok(Incoming::Underway { .. })));
}

/// More than one page of everything that comes in pages, and no record lost between them.
pub async fn pages_meet(from: &Fixture, to: &Fixture) {
    let mut large = from.group(&[ALICE, BOB]);
    large.founders.extend(crowd(998));
    let large = from.created(large).await.id;
    for n in 0..410 {
        from.says(large, ALICE, &format!("message {n}")).await;
    }
    let small = from.opened(&[ALICE, BOB]).await.id;
    for n in 0..70 {
        from.says(small, BOB, &format!("message {n}")).await;
        let thread = if n % 2 == 0 { small } else { large };
        let work = Work::NotifyUnread { thread };
        from.does(enqueuing(Job { id: from.job_id(), due_at: from.now(), work })).await;
    }
    let mut pages = Vec::new();
    let contents = copy(door(from), door(to), |kind, count| pages.push((kind, count))).await;
    let counts: BTreeMap<&str, u64> = contents
        .expect("the copy comes to its end")
        .counts()
        .map(|(kind, count)| (kind.name(), count))
        .collect();
    assert_eq!((counts["members"], counts["messages"], counts["jobs"]), (1_002, 480, 70));
    for kind in [RecordKind::Member, RecordKind::Message, RecordKind::Job] {
        assert_eq!(pages.iter().filter(|(of, _)| *of == kind).count(), 2, "{pages:?}");
    }
}
