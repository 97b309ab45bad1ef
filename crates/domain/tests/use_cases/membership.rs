//! Who is in a thread is the host's explicit decision: finding the thread again does not change it.

use tidings_domain::context::Party;
use tidings_domain::error::{Classify, ErrorKind};
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::Standing;
use tidings_domain::messaging::{
    AddSummary, Extent, HostCommand, HostError, HostOpenThread, HostOutcome, ImportMember, ImportThread,
    ListSummaries, MarkError, MarkRead, MarkTarget, MemberPut, Messaging, OwnMessage, PageMessages,
    PutMember, Unique, ViewStart,
};
use tidings_domain::page::{PageEnd, PageLimit};
use tidings_domain::seq::Seq;
use tidings_domain::summary::SummaryContent;
use tidings_domain::thread::{MEMBERS_MAX, ThreadKey};
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Fixture, Person, campaign, crowd, keeping_member, key};

use crate::world::{on_a_store, role, sends};

fn of(people: &[Person]) -> Vec<Party> {
    people.iter().map(|person| person.party()).collect()
}

async fn opens(messaging: &Messaging, parties: Vec<Party>, unique: Unique) -> (ThreadId, bool) {
    let open = HostOpenThread { context: Some(campaign("1")), parties, subject: None, unique };
    let outcome = messaging.execute_host(HostCommand::OpenThread(open)).await.unwrap();
    let HostOutcome::Opened { thread, created, .. } = outcome else { panic!("came to {outcome:?}") };
    (thread.id, created)
}

fn putting(thread: ThreadId, user: UserId) -> PutMember {
    PutMember { thread, user, role: None, visible_from: ViewStart::Now }
}

async fn tries_to_put(messaging: &Messaging, put: PutMember) -> Result<MemberPut, HostError> {
    let outcome = messaging.execute_host(HostCommand::PutMember(put)).await?;
    let HostOutcome::MemberPut(put) = outcome else { panic!("came to {outcome:?}") };
    Ok(put)
}

async fn removes(messaging: &Messaging, thread: ThreadId, person: Person) {
    messaging.execute_host(HostCommand::RemoveMember { thread, user: person.id() }).await.unwrap();
}

/// The seqs that a person reads.
async fn reads(messaging: &Messaging, person: Person, thread: ThreadId) -> Vec<u64> {
    let ask = PageMessages {
        thread,
        after: None,
        before: None,
        from: PageEnd::Newest,
        skip: 0,
        limit: PageLimit::MAX,
        extent: Extent::Whole,
    };
    let page = messaging.page_messages(&person.actor(), ask).await.unwrap();
    page.messages.iter().map(|view| view.message.seq.get()).collect()
}

async fn unread(fixture: &Fixture, person: Person, thread: ThreadId) -> u64 {
    fixture.entry(person, thread).await.unread
}

#[test]
fn finding_a_thread_again_changes_nobodys_membership() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        for unique in [Unique::Parties, Unique::Context, Unique::Request(Some(key("k")))] {
            let again = || opens(&messaging, of(&[ALICE, BOB]), unique.clone());
            let (thread, created) = again().await;
            assert!(created);
            for standing in [Standing::Hidden, Standing::Left, Standing::Removed] {
                fixture.does(keeping_member(thread, BOB.id(), move |bob| bob.standing = standing)).await;
                sends(&messaging, ALICE, thread, "among ourselves").await;
                let before = (fixture.thread(thread).await, fixture.member(thread, BOB).await);
                assert_eq!(again().await, (thread, false));
                let after = (fixture.thread(thread).await, fixture.member(thread, BOB).await);
                assert_eq!(after, before, "{standing:?}");
            }
        }
    });
}

#[test]
fn importing_a_thread_again_brings_nobody_back() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let member = |person: Person| ImportMember { party: person.party(), read_until: None };
        let import = ImportThread {
            id: fixture.thread_id(),
            key: Some(ThreadKey::pair(campaign("1"), ALICE.id(), BOB.id())),
            context: Some(campaign("1")),
            subject: None,
            created_at: fixture.now(),
            members: vec![member(ALICE), member(BOB)],
            messages: Vec::new(),
        };
        messaging.execute_host(HostCommand::Import(vec![import.clone()])).await.unwrap();
        removes(&messaging, import.id, BOB).await;
        messaging.execute_host(HostCommand::Import(vec![import.clone()])).await.unwrap();
        assert_eq!(fixture.member(import.id, BOB).await.unwrap().standing, Standing::Removed);
    });
}

#[test]
fn who_is_brought_back_sees_what_comes_from_then_on() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = opens(&messaging, of(&[ALICE, BOB]), Unique::Parties).await.0;
        sends(&messaging, BOB, thread, "while he was in it").await;
        removes(&messaging, thread, BOB).await;
        let hidden = sends(&messaging, ALICE, thread, "while he was out").await;
        let content = SummaryContent::parse("short".into(), Vec::new(), Vec::new(), None).unwrap();
        let add = AddSummary { thread, content };
        messaging.add_summary(&ALICE.actor(), add.clone()).await.unwrap();
        let summaries = async |person: Person| {
            let list = ListSummaries { thread, limit: PageLimit::MAX };
            messaging.list_summaries(&person.actor(), list).await.unwrap().len()
        };

        let put = tries_to_put(&messaging, putting(thread, BOB.id())).await.unwrap();
        assert_eq!((put.member.standing, put.added), (Standing::Active, false));
        assert_eq!((put.member.visible_from, &put.member.role), (Seq::new(2), &BOB.party().role));
        assert_eq!(put.thread.member_count, 2);
        assert_eq!(reads(&messaging, BOB, thread).await, [0_u64; 0]);
        assert_eq!(unread(&fixture, BOB, thread).await, 0);
        assert_eq!(fixture.entry(BOB, thread).await.last_message, None);
        assert_eq!((summaries(BOB).await, summaries(ALICE).await), (0, 1));
        let mark = MarkRead { target: MarkTarget::Message(hidden.id), own: OwnMessage::Allow };
        let marked = messaging.mark_read(&BOB.actor(), mark).await;
        assert_eq!(marked.unwrap_err(), MarkError::UnknownMessage);

        sends(&messaging, ALICE, thread, "welcome back").await;
        messaging.add_summary(&ALICE.actor(), add).await.unwrap();
        assert_eq!(reads(&messaging, BOB, thread).await, [3]);
        assert_eq!(unread(&fixture, BOB, thread).await, 1);
        assert_eq!((summaries(BOB).await, summaries(ALICE).await), (1, 2));
        assert_eq!(reads(&messaging, ALICE, thread).await, [1, 2, 3]);

        // Said twice, done once: his view does not move under him.
        let before = fixture.thread(thread).await.modseq;
        tries_to_put(&messaging, putting(thread, BOB.id())).await.unwrap();
        let widened = PutMember { visible_from: ViewStart::Beginning, ..putting(thread, BOB.id()) };
        tries_to_put(&messaging, widened).await.unwrap();
        assert_eq!(fixture.thread(thread).await.modseq, before, "nothing to do");
        assert_eq!(reads(&messaging, BOB, thread).await, [3]);
    });
}

#[test]
fn the_host_may_show_the_whole_history() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let thread = opens(&messaging, of(&[ALICE, BOB]), Unique::Parties).await.0;
        sends(&messaging, BOB, thread, "while he was in it").await;
        removes(&messaging, thread, BOB).await;
        sends(&messaging, ALICE, thread, "while he was out").await;
        let whole = |user| PutMember { visible_from: ViewStart::Beginning, ..putting(thread, user) };
        tries_to_put(&messaging, whole(BOB.id())).await.unwrap();
        assert_eq!(reads(&messaging, BOB, thread).await, [1, 2]);
        assert_eq!(unread(&fixture, BOB, thread).await, 1, "what he wrote himself he has read");
        let dave = PutMember { role: Some(role("observer")), ..whole(DAVE.id()) };
        assert!(tries_to_put(&messaging, dave).await.unwrap().added);
        assert_eq!(reads(&messaging, DAVE, thread).await, [1, 2]);
    });
}

#[test]
fn a_user_who_was_never_in_the_thread_comes_in_with_a_role() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let unique = || Unique::Request(Some(key("k")));
        let thread = opens(&messaging, of(&[ALICE, BOB]), unique()).await.0;
        sends(&messaging, ALICE, thread, "between two").await;
        let refused = tries_to_put(&messaging, putting(thread, CAROL.id())).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Invalid, "role-required"));
        let carol = || PutMember { role: Some(role("observer")), ..putting(thread, CAROL.id()) };
        let put = tries_to_put(&messaging, carol()).await.unwrap();
        assert_eq!((put.added, put.thread.member_count), (true, 3));
        assert_eq!(put.member.role, role("observer"));
        assert!(!tries_to_put(&messaging, carol()).await.unwrap().added);
        assert_eq!(reads(&messaging, CAROL, thread).await, [0_u64; 0]);
        sends(&messaging, CAROL, thread, "hello").await;
        // She is no founder: the request that opened the thread still means the same thread.
        assert_eq!(opens(&messaging, of(&[ALICE, BOB]), unique()).await, (thread, false));
        // Another role is a change, and none of her view.
        let moderator = PutMember { role: Some(role("moderator")), ..carol() };
        let put = tries_to_put(&messaging, moderator).await.unwrap();
        assert_eq!((put.added, &put.member.role), (false, &role("moderator")));
        assert_eq!(reads(&messaging, CAROL, thread).await, [2]);
    });
}

#[test]
fn a_thread_takes_no_more_members_than_it_may_have() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let parties = crowd(MEMBERS_MAX);
        let first = parties[0].user.clone();
        let thread = opens(&messaging, parties, Unique::Request(None)).await.0;
        let dave = || PutMember { role: Some(role("member")), ..putting(thread, DAVE.id()) };
        let refused = tries_to_put(&messaging, dave()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "thread-full"));
        assert!(!tries_to_put(&messaging, putting(thread, first.clone())).await.unwrap().added);
        let remove = HostCommand::RemoveMember { thread, user: first.clone() };
        messaging.execute_host(remove).await.unwrap();
        assert!(tries_to_put(&messaging, dave()).await.unwrap().added);
        let back = tries_to_put(&messaging, putting(thread, first)).await;
        assert_eq!(back.unwrap_err(), HostError::ThreadFull);
        let nowhere = putting(fixture.thread_id(), ALICE.id());
        assert_eq!(tries_to_put(&messaging, nowhere).await.unwrap_err(), HostError::UnknownThread);
    });
}
