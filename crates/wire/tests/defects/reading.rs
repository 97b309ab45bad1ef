//! What is read, by whom, and at what cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::decision::AnyDecision;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::message::Message;
use tidings_domain::messaging::Deps;
use tidings_domain::page::{About, MessagePage, ThreadEntry, ThreadPage};
use tidings_domain::ports::{Directory, MessageRepository, ThreadRepository};
use tidings_domain::seq::Seq;
use tidings_domain::thread::{NewThread, Thread, ThreadKey};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_storage_memory::MemoryStore;

use crate::world::{in_a_world, in_a_world_with, text};

/// The original gives any thread and its whole history to whoever has an account.
#[test]
fn d02_strangers_read_nothing() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        world.said("ada", &thread, "between us").await;
        for path in ["", "/messages", "/summaries"] {
            let path = format!("/threads/{thread}{path}");
            // Another promoter of the same campaign is a stranger to the thread too.
            for stranger in ["eve", "cy", "root"] {
                let (status, body) = world.rest(stranger, "GET", &path, "").await;
                assert_eq!(status, 403, "{stranger} {path}");
                assert_eq!(text(&body, "message"), "You do not have access to this thread");
                assert!(!body.to_string().contains("between us"));
            }
            assert_eq!(world.rest("bob", "GET", &path, "").await.0, 200, "{path}");
        }
        let path = "/campaigns/spring/thread?promoterId=bob&advertiserId=ada";
        assert_eq!(world.rest("eve", "GET", path, "").await, (200, serde_json::Value::Null));
        assert_eq!(world.rest("eve", "GET", "/threads", "").await, (200, serde_json::json!([])));
    });
}

/// Counts what is asked of the store.
#[derive(Debug)]
struct Counting {
    memory: MemoryStore,
    asked: Arc<AtomicUsize>,
}

impl Counting {
    fn memory(&self) -> &MemoryStore {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &self.memory
    }
}

#[async_trait]
impl ThreadRepository for Counting {
    async fn transact(&self, decision: Arc<dyn AnyDecision>) -> Result<(), StoreError> {
        self.memory().transact(decision).await
    }

    async fn create(&self, new: NewThread) -> Result<(Thread, bool), StoreError> {
        self.memory().create(new).await
    }

    async fn thread(&self, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.memory().thread(id).await
    }

    async fn thread_by_key(&self, key: &ThreadKey) -> Result<Option<Thread>, StoreError> {
        self.memory().thread_by_key(key).await
    }

    async fn members(&self, id: ThreadId) -> Result<Option<(Thread, Vec<Member>)>, StoreError> {
        self.memory().members(id).await
    }

    async fn threads_of(&self, user: &UserId, page: &ThreadPage) -> Result<Vec<ThreadEntry>, StoreError> {
        self.memory().threads_of(user, page).await
    }

    async fn unread_of(
        &self,
        user: &UserId,
        about: Option<&About>,
        members_max: u32,
    ) -> Result<u64, StoreError> {
        self.memory().unread_of(user, about, members_max).await
    }

    async fn latest_about(
        &self,
        user: &UserId,
        object: &ContextRef,
        with: &[UserId],
        members_max: u32,
    ) -> Result<Option<Thread>, StoreError> {
        self.memory().latest_about(user, object, with, members_max).await
    }
}

#[async_trait]
impl MessageRepository for Counting {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        self.memory().page(thread, page).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.memory().message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        self.memory().last_before(thread, at).await
    }
}

#[async_trait]
impl Directory for Counting {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.memory().users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        self.memory().user_by_subject(subject).await
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        self.memory().put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.memory().contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.memory().put_context(context).await
    }
}

/// Everything, counted.
fn counted(asked: &Arc<AtomicUsize>) -> impl FnOnce(&MemoryStore, Deps) -> Deps + use<> {
    let asked = Arc::clone(asked);
    move |memory, deps| {
        let counting = Arc::new(Counting { memory: memory.clone(), asked });
        Deps {
            threads: Arc::<Counting>::clone(&counting),
            messages: Arc::<Counting>::clone(&counting),
            directory: counting,
            ..deps
        }
    }
}

/// The original asks twice for each thread, and lists all there are.
#[test]
fn d08_a_list_asks_the_store_as_often_however_long_it_is() {
    let asked = Arc::new(AtomicUsize::new(0));
    in_a_world_with(counted(&asked), async |world| {
        let mut costs = Vec::new();
        let mut threads = 0;
        for count in [1, 10, 60] {
            while threads < count {
                world.tell_campaign(&format!("c{threads}")).await;
                let body = format!(r#"{{"campaignId":"c{threads}"}}"#);
                let (status, thread) = world.rest("ada", "POST", "/threads", &body).await;
                assert_eq!(status, 201);
                world.said("bob", &text(&thread, "id"), "hello").await;
                threads += 1;
            }
            // Names are remembered for a minute; here they are not.
            world.clock.advance(120_000);
            let before = asked.load(Ordering::Relaxed);
            let (_, list) = world.rest("ada", "GET", "/threads", "").await;
            costs.push(asked.load(Ordering::Relaxed) - before);
            assert_eq!(list.as_array().map(Vec::len), Some(count));
            assert!(list.as_array().unwrap().iter().all(|thread| thread["unreadCount"] == 1));
        }
        assert_eq!(costs, [costs[0]; 3], "calls for 1, 10 and 60 threads");
        assert!(costs[0] <= 3, "{costs:?}");
    });
}

/// In the original a limit below zero and a bad date are database errors, and no limit is too large.
#[test]
fn d15_wild_limits_and_dates_are_answered() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        for n in 0..510 {
            world.said("ada", &thread, &format!("message {n}")).await;
        }
        let path = format!("/threads/{thread}/messages");
        for (query, status, rows) in [
            ("", 200, 500),
            ("limit=0", 200, 500),
            ("limit=abc", 200, 500),
            ("limit=1000000000", 200, 500),
            ("limit=99999999999999999999", 200, 500),
            ("limit=3", 200, 3),
            ("limit=3&page=0", 200, 3),
            ("limit=3&page=9223372036854775807", 200, 0),
            ("limit=500&page=2", 200, 10),
            ("limit=-1", 400, 0),
            ("limit=3&page=-1", 400, 0),
            ("before=yesterday", 400, 0),
            ("before=2025-02-30T00:00:00Z", 400, 0),
            ("before=999999-01-01T00:00:00Z", 400, 0),
            ("before=2999-01-01T00:00:00Z", 200, 500),
            ("before=1999-01-01", 200, 0),
        ] {
            let (came, body) = world.rest("bob", "GET", &format!("{path}?{query}"), "").await;
            assert_eq!(came, status, "{query}: {body}");
            if status == 200 {
                assert_eq!(body.as_array().map(Vec::len), Some(rows), "{query}");
            }
            let (came, _) = world.rest("bob", "GET", &format!("/threads?{query}"), "").await;
            assert_eq!(came, if query.starts_with("before") { 200 } else { status }, "threads {query}");
        }
    });
}

/// In the first original `A or B and campaign` lists other campaigns' threads to one of the two sides.
#[test]
fn d16_a_campaign_lists_its_own_threads_alone() {
    in_a_world(async |world| {
        world.tell_campaign("autumn").await;
        for campaign in ["spring", "autumn"] {
            for promoter in ["bob", "cy"] {
                let body = format!(
                    r#"{{"campaignId":"{campaign}","promoterId":"{promoter}","advertiserId":"ada"}}"#
                );
                assert_eq!(world.rest("ada", "POST", "/threads", &body).await.0, 201);
            }
        }
        for (who, campaign, count) in [
            ("ada", "spring", 2),
            ("ada", "autumn", 2),
            ("bob", "spring", 1),
            ("cy", "autumn", 1),
            ("eve", "spring", 0),
        ] {
            let (_, list) = world.rest(who, "GET", &format!("/threads?campaignId={campaign}"), "").await;
            let list = list.as_array().unwrap();
            assert_eq!(list.len(), count, "{who} {campaign}");
            assert!(list.iter().all(|thread| text(thread, "campaignId") == campaign));
            let is_in = |thread| ["promoterId", "advertiserId"].iter().any(|side| text(thread, side) == who);
            assert!(list.iter().all(is_in), "{who}");
        }
    });
}

/// The original asks Google for the user and the database for eight relations, with every request.
#[test]
fn d17_a_known_user_is_not_looked_up_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let only_users = Arc::clone(&asked);
    let change = move |memory: &MemoryStore, deps: Deps| Deps {
        directory: Arc::new(Counting { memory: memory.clone(), asked: only_users }),
        ..deps
    };
    in_a_world_with(change, async |world| {
        let thread = world.thread_with("bob").await;
        world.said("ada", &thread, "the first").await;
        let before = asked.load(Ordering::Relaxed);
        for n in 0..100 {
            world.said("ada", &thread, &format!("message {n}")).await;
        }
        assert_eq!(asked.load(Ordering::Relaxed), before, "a hundred sends ask nobody who it is");
    });
}
