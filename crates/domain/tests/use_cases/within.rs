//! Bounds of an actor: the kind of object that their dialect knows, and their budget.

use std::sync::Arc;
use std::sync::Mutex;

use tidings_domain::error::Classify;
use tidings_domain::id::UserId;
use tidings_domain::messaging::{
    AddSummary, Deps, Extent, FindThread, ListSummaries, ListThreads, MarkError, MarkRead, MarkTarget,
    Messaging, OpenError, OwnMessage, PageMessages, ReadError, SendError, SummaryError,
};
use tidings_domain::page::{PageEnd, PageLimit, ThreadPage};
use tidings_domain::ports::{Budget, Limiter, TooMany};
use tidings_domain::summary::SummaryContent;
use tidings_domain::thread::NewThread;
use tidings_domain::user::{Actor, Within};
use tidings_testkit::{ALICE, BOB, CAROL, DAVE, Person, campaign};

use crate::world::{on_a_store, opening, sends, tries_to_send};

fn within(kind: &str, actor: Actor) -> Actor {
    Actor { within: Some(Within { kind: kind.parse().unwrap(), members_max: 2 }), ..actor }
}

#[test]
fn threads_of_another_kind_do_not_exist_for_reads_and_writes() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let about = NewThread { context: Some(campaign("1")), ..fixture.group(&[ALICE, BOB]) };
        let group = NewThread { context: Some(campaign("1")), ..fixture.group(&[ALICE, BOB, CAROL]) };
        let threads = [
            fixture.created(about).await.id,
            fixture.opened(&[ALICE, BOB]).await.id,
            fixture.created(group).await.id,
        ];
        for thread in threads {
            fixture.says(thread, BOB, "hello").await;
        }
        let content = SummaryContent::parse("in short".to_owned(), vec![], vec![], None).unwrap();
        for (kind, thread, exists) in [
            ("campaign", threads[0], true),
            ("job", threads[0], false),
            ("campaign", threads[1], false),
            ("campaign", threads[2], false),
        ] {
            let before = fixture.thread(thread).await;
            // To a stranger too: whether the thread is there at all cannot be told from the answers.
            let ada = within(kind, ALICE.actor());
            let sent = tries_to_send(&messaging, &ada, thread, "hello").await;
            assert_eq!(sent.as_ref().err(), (!exists).then_some(&SendError::UnknownThread), "{kind}");
            let viewed = messaging.view_thread(&ada, thread).await;
            assert_eq!(viewed.as_ref().err(), (!exists).then_some(&ReadError::UnknownThread));
            let page = PageMessages {
                thread,
                after: None,
                before: None,
                from: PageEnd::Newest,
                skip: 0,
                limit: PageLimit::MAX,
                extent: Extent::Whole,
            };
            let paged = messaging.page_messages(&ada, page).await;
            assert_eq!(paged.as_ref().err(), (!exists).then_some(&ReadError::UnknownThread));
            let list = ListSummaries { thread, limit: PageLimit::MAX };
            let listed = messaging.list_summaries(&ada, list).await;
            assert_eq!(listed.err(), (!exists).then_some(ReadError::UnknownThread));
            let add = AddSummary { thread, content: content.clone() };
            let added = messaging.add_summary(&ada, add).await;
            assert_eq!(added.err(), (!exists).then_some(SummaryError::UnknownThread));
            let message = fixture.messages(thread).await[0].id;
            for (target, error) in [
                (MarkTarget::Message(message), MarkError::UnknownMessage),
                (MarkTarget::Thread(thread), MarkError::UnknownThread),
            ] {
                let mark = MarkRead { target, own: OwnMessage::Allow };
                let marked = messaging.mark_read(&ada, mark).await;
                assert_eq!(marked.err(), (!exists).then_some(error));
            }
            if !exists {
                assert_eq!(fixture.thread(thread).await, before, "nothing changed");
                let stranger = within(kind, DAVE.actor());
                let viewed = messaging.view_thread(&stranger, thread).await;
                assert_eq!(viewed.unwrap_err(), ReadError::UnknownThread);
            }
        }
    });
}

/// So many sends for each user.
#[derive(Debug)]
struct Few(Mutex<Vec<(UserId, u32)>>);

impl Limiter for Few {
    fn take(&self, budget: Budget<'_>) -> Result<(), TooMany> {
        let (Budget::Sends(user) | Budget::Opens(user)) = budget else { return Ok(()) };
        let mut left = self.0.lock().unwrap();
        let own = left.iter_mut().find(|(of, _)| of == user).map(|(_, left)| left);
        match own {
            Some(left) if *left > 0 => {
                *left -= 1;
                Ok(())
            }
            Some(_) | None => Err(TooMany { retry_after_ms: 1_234 }),
        }
    }
}

#[test]
fn who_has_used_up_their_budget_sends_nothing() {
    on_a_store(async |fixture| {
        let limiter = Arc::new(Few(Mutex::new(vec![(ALICE.id(), 2), (BOB.id(), 9)])));
        let messaging = Messaging::new(Deps { limiter, ..fixture.deps() });
        let thread = fixture.opened(&[ALICE, BOB]).await.id;
        sends(&messaging, ALICE, thread, "one").await;
        sends(&messaging, ALICE, thread, "two").await;
        let error = tries_to_send(&messaging, &ALICE.actor(), thread, "three").await.unwrap_err();
        assert_eq!(error, SendError::TooMany(TooMany { retry_after_ms: 1_234 }));
        assert!(error.retryable());
        assert_eq!(error.code(), "rate-limited");
        assert_eq!(fixture.messages(thread).await.len(), 2);
        assert_eq!(fixture.heard.heard_of(thread).len(), 3);
        let content = SummaryContent::parse("in short".to_owned(), vec![], vec![], None).unwrap();
        let add = AddSummary { thread, content };
        let error = messaging.add_summary(&ALICE.actor(), add).await.unwrap_err();
        assert_eq!(error, SummaryError::TooMany(TooMany { retry_after_ms: 1_234 }));
        let open = opening(campaign("1"), ALICE.party(), CAROL.party());
        let error = messaging.open_thread(&ALICE.actor(), open).await.unwrap_err();
        assert_eq!(error, OpenError::TooMany(TooMany { retry_after_ms: 1_234 }));
        // The other one's budget is theirs, and reading costs nothing of it.
        sends(&messaging, BOB, thread, "mine").await;
        assert!(messaging.view_thread(&ALICE.actor(), thread).await.is_ok());
    });
}

#[test]
fn lists_and_searches_pass_over_what_does_not_exist() {
    on_a_store(async |fixture| {
        let messaging = fixture.messaging();
        let about = |people: &[Person]| NewThread { context: Some(campaign("1")), ..fixture.group(people) };
        let pair = fixture.created(about(&[ALICE, BOB])).await.id;
        fixture.clock.advance(1);
        let group = fixture.created(about(&[ALICE, BOB, CAROL])).await.id;
        fixture.says(group, BOB, "to all").await;
        let page = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
        for (actor, first, count, unread) in
            [(ALICE.actor(), group, 2, 1), (within("campaign", ALICE.actor()), pair, 1, 0)]
        {
            let find = FindThread { context: campaign("1"), with: vec![BOB.id()] };
            let found = messaging.find_thread(&actor, find).await.unwrap();
            assert_eq!(found.map(|view| view.thread.id), Some(first));
            assert_eq!(messaging.unread_about(&actor, campaign("1")).await, Ok(unread));
            let list = messaging.list_threads(&actor, ListThreads { page: page.clone() }).await.unwrap();
            assert_eq!(list.threads.len(), count);
        }
        let elsewhere = within("job", ALICE.actor());
        let find = FindThread { context: campaign("1"), with: Vec::new() };
        assert!(messaging.find_thread(&elsewhere, find).await.unwrap().is_none());
        assert_eq!(messaging.unread_about(&elsewhere, campaign("1")).await, Ok(0));
    });
}
