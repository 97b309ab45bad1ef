//! History from another system: with its ids and times, once, unheard.

use tidings_domain::change::Change;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::message::{Author, Origin};
use tidings_domain::messaging::{
    HostCommand, HostError, HostOutcome, ImportError, ImportMember, ImportMessage, ImportProblem,
    ImportThread, Imported, Messaging, Settings,
};
use tidings_domain::thread::{MEMBERS_MAX, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_testkit::{ALICE, BOB, CAROL, Fixture, Person, T0, body, campaign, crowd};

use crate::world::{on_a_store, party, sends};

/// By how much an import may date a message later than it was written.
pub(crate) const MOVED_MAX_MS: i64 = 5 * 60_000;

/// So many milliseconds after the beginning of the old system's history.
pub(crate) fn old(millis: i64) -> Timestamp {
    T0.plus_millis(millis - 1_000_000_000)
}

pub(crate) fn member(person: Person, read_until: Option<i64>) -> ImportMember {
    ImportMember { party: party(person, "member"), read_until: read_until.map(old) }
}

/// A thread of Alice and Bob about a campaign, without messages.
pub(crate) fn a_thread(fixture: &Fixture) -> ImportThread {
    ImportThread {
        id: fixture.thread_id(),
        key: Some(ThreadKey::pair(campaign("1"), ALICE.id(), BOB.id())),
        context: Some(campaign("1")),
        subject: None,
        created_at: old(0),
        members: vec![member(ALICE, None), member(BOB, None)],
        messages: Vec::new(),
    }
}

pub(crate) fn message(fixture: &Fixture, by: Option<Person>, text: &str, millis: i64) -> ImportMessage {
    ImportMessage {
        id: fixture.message_id(),
        sender: by.map(Person::id),
        body: body(text),
        created_at: old(millis),
    }
}

async fn tries(messaging: &Messaging, threads: Vec<ImportThread>) -> Result<Vec<Imported>, HostError> {
    let outcome = messaging.execute_host(HostCommand::Import(threads)).await?;
    let HostOutcome::Imported(imported) = outcome else { panic!("came to {outcome:?}") };
    Ok(imported)
}

/// What became of a thread: its id here, whether it was created, how many messages were added and known.
pub(crate) type Became = (ThreadId, bool, usize, usize);

pub(crate) async fn does(messaging: &Messaging, thread: ImportThread) -> Became {
    let done = tries(messaging, vec![thread]).await.unwrap().pop().unwrap();
    (done.thread.id, done.created, done.added, done.known)
}

pub(crate) async fn problem(messaging: &Messaging, thread: ImportThread) -> ImportProblem {
    let id = thread.id;
    let error = tries(messaging, vec![thread]).await.unwrap_err();
    let HostError::Import(ImportError { thread, problem }) = error else { panic!("{error:?}") };
    assert_eq!(thread, id);
    problem
}

pub(crate) const fn imported(thread: ThreadId, created: bool, added: usize, known: usize) -> Became {
    (thread, created, added, known)
}

#[test]
fn messages_take_their_places_by_time_and_keep_ids_times_and_senders() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let said = |by, text, millis| message(&fixture, by, text, millis);
        let sorted = [
            said(Some(ALICE), "one", 5),
            said(None, "two, by the system", 10),
            // At one moment: by id, so that every import gives the same order; the second is dated 1 ms later.
            said(Some(BOB), "three", 20),
            said(Some(ALICE), "four", 20),
            said(Some(BOB), "five", 700_000),
        ];
        let mut at_once = [sorted[2].clone(), sorted[3].clone()];
        at_once.sort_by_key(|message| message.id);
        let expected = [&sorted[..2], &at_once[..], &sorted[4..]].concat();
        let messages = [4, 0, 3, 2, 1].map(|index: usize| sorted[index].clone()).to_vec();
        let thread = ImportThread { messages, ..a_thread(&fixture) };
        assert_eq!(does(&messaging, thread.clone()).await, (thread.id, true, 5, 0));
        let stored = fixture.messages(thread.id).await;
        assert_eq!(stored.len(), 5);
        let dates = [5, 10, 20, 21, 700_000].map(old);
        for (((stored, expected), date), seq) in stored.iter().zip(&expected).zip(dates).zip(1..) {
            assert_eq!(stored.seq.get(), seq);
            assert_eq!((stored.id, stored.created_at), (expected.id, date));
            assert_eq!((&stored.body, stored.author.user()), (&expected.body, expected.sender.as_ref()));
            assert_eq!(stored.origin, Origin::Import);
            assert_eq!((stored.edited_at, stored.deleted_at), (None, None));
        }
        assert_eq!(stored[1].author, Author::System);
        let now = fixture.thread(thread.id).await;
        assert_eq!((now.created_at, now.last_message_at), (old(0), old(700_000)));
        assert_eq!(now.context, Some(campaign("1")));
        let member = fixture.member(thread.id, ALICE).await.unwrap();
        assert_eq!(member.joined_at, old(0));
    });
}

#[test]
fn done_again_it_changes_nothing_and_more_may_follow() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let messages = (0..450).map(|n| message(&fixture, Some(ALICE), "old", n)).collect();
        let members = vec![member(ALICE, Some(449)), member(BOB, Some(99))];
        let mut thread = ImportThread { messages, members, ..a_thread(&fixture) };
        assert_eq!(does(&messaging, thread.clone()).await, (thread.id, true, 450, 0));
        let (before, heard) = (fixture.thread(thread.id).await, fixture.heard.heard().len());
        for _ in 0..2 {
            assert_eq!(does(&messaging, thread.clone()).await, (thread.id, false, 0, 450));
        }
        assert_eq!(fixture.thread(thread.id).await, before);
        assert_eq!(fixture.heard.heard().len(), heard);

        // While the old system was still in use: what has come since, with what is there or alone.
        thread.messages.push(message(&fixture, Some(BOB), "since", 500));
        assert_eq!(does(&messaging, thread.clone()).await, (thread.id, false, 1, 450));
        thread.messages = vec![message(&fixture, Some(BOB), "later", 500)];
        assert_eq!(does(&messaging, thread.clone()).await, (thread.id, false, 1, 0));
        let seqs: Vec<u64> =
            fixture.messages(thread.id).await.iter().map(|message| message.seq.get()).collect();
        assert_eq!(seqs, (1..=452).collect::<Vec<_>>());
        // And live ones after those.
        assert_eq!(sends(&messaging, ALICE, thread.id, "live").await.seq.get(), 453);
    });
}

#[test]
fn markers_make_unread_what_it_was() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let messages = (1..=10).map(|n| message(&fixture, Some(ALICE), "old", n * 10)).collect();
        for (until, unread) in
            [(None, 10), (Some(9), 10), (Some(10), 9), (Some(55), 5), (Some(100), 0), (Some(99_999), 0)]
        {
            let mut thread = ImportThread {
                id: fixture.thread_id(),
                key: None,
                members: vec![member(ALICE, Some(100)), member(BOB, until)],
                messages: Clone::clone(&messages),
                ..a_thread(&fixture)
            };
            for message in &mut thread.messages {
                message.id = fixture.message_id();
            }
            does(&messaging, thread.clone()).await;
            assert_eq!(fixture.entry(BOB, thread.id).await.unread, unread, "{until:?}");
            assert_eq!(fixture.entry(ALICE, thread.id).await.unread, 0);
        }
    });
}

#[test]
fn a_marker_does_not_go_back() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let messages =
            vec![message(&fixture, Some(ALICE), "one", 1), message(&fixture, Some(ALICE), "two", 2)];
        let thread = ImportThread {
            messages,
            members: vec![member(ALICE, None), member(BOB, Some(2))],
            ..a_thread(&fixture)
        };
        does(&messaging, thread.clone()).await;
        let before = fixture.member(thread.id, BOB).await;
        let back =
            ImportThread { members: vec![member(ALICE, None), member(BOB, Some(1))], ..thread.clone() };
        does(&messaging, back).await;
        assert_eq!(fixture.member(thread.id, BOB).await, before);
    });
}

#[test]
fn nobody_hears_of_it_and_nobody_is_told() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging_with(Settings::default().notice_after_ms(Some(0)));
        let messages = vec![message(&fixture, Some(ALICE), "old", 1), message(&fixture, None, "old", 2)];
        let members = vec![member(ALICE, Some(2)), member(BOB, Some(1))];
        let thread = ImportThread { messages, members, ..a_thread(&fixture) };
        does(&messaging, thread.clone()).await;
        for commit in fixture.heard.heard_of(thread.id) {
            // The creation tells of members who come in, which no dialect says; all else is marked as an import.
            let is_creation = commit.prev.get() == 0;
            assert_eq!(commit.origin == Origin::Import, !is_creation, "{commit:?}");
            let joins =
                |change: &Change| matches!(change, Change::PutMember(member) if !member.just_marked());
            assert!(!is_creation || commit.changes.iter().all(joins));
        }
        assert_eq!(fixture.thread(thread.id).await.notice_due, None);
        assert_eq!(fixture.stores.jobs.next_job_at().await, Ok(None), "no notices");
    });
}

#[test]
fn a_thread_whose_key_is_there_takes_the_messages() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let first = a_thread(&fixture);
        does(&messaging, first.clone()).await;
        let again = ImportThread {
            id: fixture.thread_id(),
            messages: vec![message(&fixture, Some(BOB), "hello", 7)],
            ..first.clone()
        };
        assert_eq!(does(&messaging, again.clone()).await, (first.id, false, 1, 0));
        assert_eq!(fixture.stores.threads.thread(again.id).await, Ok(None));
        assert_eq!(fixture.messages(first.id).await.len(), 1);
    });
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = |messages| ImportThread { messages, ..a_thread(&fixture) };
        let stranger = message(&fixture, Some(CAROL), "who?", 1);
        let (id, problem_of) = (stranger.id, async |thread| problem(&messaging, thread).await);
        assert_eq!(problem_of(thread(vec![stranger])).await, ImportProblem::UnknownSender(id));
        let twice = message(&fixture, Some(ALICE), "twice", 1);
        let other = ImportMessage { created_at: old(9), ..twice.clone() };
        assert_eq!(problem_of(thread(vec![twice.clone(), other])).await, ImportProblem::Twice(twice.id));
        let crowded = crowd(MEMBERS_MAX + 1)
            .into_iter()
            .map(|party| ImportMember { party, read_until: None })
            .collect();
        for members in [vec![], vec![member(ALICE, None), member(BOB, None), member(ALICE, None)], crowded] {
            let thread = ImportThread { members, key: None, ..thread(Vec::new()) };
            assert_eq!(problem_of(thread).await, ImportProblem::Members);
        }
        assert!(fixture.heard.heard().is_empty(), "nothing was created");

        let there = thread(vec![message(&fixture, Some(ALICE), "one", 10)]);
        does(&messaging, there.clone()).await;
        let older = message(&fixture, Some(BOB), "older", 10 - MOVED_MAX_MS);
        let id = older.id;
        let late = ImportThread { messages: vec![older], ..there.clone() };
        assert_eq!(problem_of(late).await, ImportProblem::TooOld(id));

        let foreign = there.messages[0].id;
        let stealing = ImportThread {
            id: fixture.thread_id(),
            key: None,
            messages: vec![
                message(&fixture, Some(ALICE), "good", 1),
                ImportMessage { id: foreign, ..message(&fixture, Some(ALICE), "stolen", 2) },
            ],
            ..there.clone()
        };
        assert_eq!(problem_of(stealing).await, ImportProblem::InOtherThread(foreign));
        assert_eq!(fixture.messages(there.id).await.len(), 1);
        assert_eq!(fixture.messages(there.id).await[0].body, body("one"));
    });
}

#[test]
fn a_thread_that_is_another_is_not_taken_for_it() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let there = a_thread(&fixture);
        does(&messaging, there.clone()).await;
        let before = fixture.thread(there.id).await;
        let said = |by| vec![message(&fixture, Some(by), "hello", 5)];
        let with_carol = vec![member(ALICE, None), member(CAROL, None)];
        for other in [
            // Its id, about something else, with a message or without.
            ImportThread { context: Some(campaign("2")), key: None, messages: said(ALICE), ..there.clone() },
            ImportThread { context: None, key: None, ..there.clone() },
            // Its id, with other members.
            ImportThread { members: with_carol.clone(), key: None, messages: said(CAROL), ..there.clone() },
            ImportThread { members: with_carol.clone(), key: None, ..there.clone() },
            // Its key, with other members.
            ImportThread { id: fixture.thread_id(), members: with_carol, ..there.clone() },
        ] {
            let shown = format!("{other:?}");
            assert_eq!(problem(&messaging, other).await, ImportProblem::OtherThread, "{shown}");
        }
        assert_eq!(fixture.thread(there.id).await, before);
        assert!(fixture.messages(there.id).await.is_empty());
    });
}

#[test]
fn threads_before_one_that_fails_are_kept() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let good = ImportThread { key: None, ..a_thread(&fixture) };
        let bad = ImportThread {
            id: fixture.thread_id(),
            key: None,
            messages: vec![message(&fixture, Some(CAROL), "who?", 1)],
            ..a_thread(&fixture)
        };
        let never = ImportThread { id: fixture.thread_id(), key: None, ..a_thread(&fixture) };
        let error = tries(&messaging, vec![good.clone(), bad.clone(), never.clone()]).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "import-unknown-sender"));
        assert!(error.to_string().contains(&bad.id.to_string()), "{error}");
        for (id, is_there) in [(good.id, true), (bad.id, false), (never.id, false)] {
            assert_eq!(fixture.stores.threads.thread(id).await.unwrap().is_some(), is_there);
        }
    });
}

/// Time never runs back within a thread: what is dated ahead would hold it there.
#[test]
fn nothing_comes_from_the_future() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let ahead = |millis: i64| fixture.now().plus_millis(5 * 60_000 + millis);
        let dated = |at: Timestamp| {
            let by_alice = message(&fixture, Some(ALICE), "when?", 0);
            let thread = || ImportThread { id: fixture.thread_id(), key: None, ..a_thread(&fixture) };
            [
                ImportThread { messages: vec![ImportMessage { created_at: at, ..by_alice }], ..thread() },
                ImportThread { created_at: at, ..thread() },
                ImportThread {
                    members: vec![ImportMember { read_until: Some(at), ..member(ALICE, None) }],
                    ..thread()
                },
            ]
        };
        for thread in dated(ahead(1)) {
            let id = thread.id;
            assert_eq!(problem(&messaging, thread).await, ImportProblem::InFuture);
            assert_eq!(fixture.stores.threads.thread(id).await, Ok(None));
        }
        // Clocks differ a little.
        for thread in dated(ahead(0)) {
            does(&messaging, thread).await;
        }
    });
}

/// As with a live send: who writes has read what is above.
#[test]
fn who_wrote_has_read_up_to_there() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let messages = vec![
            message(&fixture, Some(ALICE), "one", 1),
            message(&fixture, Some(BOB), "two", 2),
            message(&fixture, Some(ALICE), "three", 3),
        ];
        let thread = ImportThread { messages, ..a_thread(&fixture) };
        does(&messaging, thread.clone()).await;
        assert_eq!(fixture.entry(ALICE, thread.id).await.unread, 0);
        assert_eq!(fixture.entry(BOB, thread.id).await.unread, 1);
    });
}

#[test]
fn each_problem_has_its_kind() {
    let id = MessageId::from_uuid(uuid::Uuid::from_u128(1));
    let thread = ThreadId::from_uuid(uuid::Uuid::from_u128(2));
    for (problem, kind) in [
        (ImportProblem::UnknownSender(id), ErrorKind::Invalid),
        (ImportProblem::Twice(id), ErrorKind::Invalid),
        (ImportProblem::Members, ErrorKind::Invalid),
        (ImportProblem::InFuture, ErrorKind::Invalid),
        (ImportProblem::TooOld(id), ErrorKind::Conflict),
        (ImportProblem::InOtherThread(id), ErrorKind::Conflict),
        (ImportProblem::OtherThread, ErrorKind::Conflict),
    ] {
        let error = ImportError { thread, problem };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.retryable());
    }
}
