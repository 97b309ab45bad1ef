//! The store, and words for what is asked of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_domain::context::{Context, ContextRef, Party};
use tidings_domain::id::ThreadId;
use tidings_domain::message::{Message, Origin};
use tidings_domain::messaging::{Founders, Messaging, OpenThread, SendError, SendMessage, Sent};
use tidings_domain::ports::Notifier;
use tidings_domain::user::{Actor, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{Fixture, Person, Stores, Subject, block_on, body, campaign};

/// The store in memory.
#[derive(Debug)]
struct Memory;

impl Subject for Memory {
    fn open(notifier: Arc<dyn Notifier>) -> Pin<Box<dyn Future<Output = Stores> + Send>> {
        Box::pin(std::future::ready(Stores::of(MemoryStore::new(notifier))))
    }
}

/// Runs a test on a store of its own.
pub(crate) fn on_a_store(test: impl AsyncFnOnce(Fixture)) {
    block_on(async { test(Fixture::open::<Memory>().await).await });
}

pub(crate) fn role(text: &str) -> tidings_domain::id::Role {
    text.parse().unwrap()
}

pub(crate) fn party(person: Person, as_what: &str) -> Party {
    Party { user: person.id(), role: role(as_what) }
}

/// Somebody with a role in their token.
pub(crate) fn acting(person: Person, as_what: &str) -> Actor {
    Actor::new(person.id(), Some(role(as_what)), Origin::Request)
}

/// Asks for the thread of two parties who are named.
pub(crate) fn opening(of: ContextRef, one: Party, other: Party) -> OpenThread {
    OpenThread { context: of, founders: Founders::Given([one, other]), subject: None }
}

/// What the host told about a campaign.
pub(crate) fn told_campaign(id: &str, parties: Vec<Party>) -> Context {
    Context {
        reference: campaign(id),
        title: format!("The {id} campaign"),
        is_public: true,
        state: None,
        parties,
        data: None,
    }
}

pub(crate) async fn tell_user(fixture: &Fixture, person: Person) {
    fixture.stores.directory.put_user(User::unknown(person.id()), None).await.unwrap();
}

pub(crate) async fn tell_campaign(fixture: &Fixture, id: &str, parties: Vec<Party>) {
    fixture.stores.directory.put_context(told_campaign(id, parties)).await.unwrap();
}

pub(crate) async fn tries_to_send(
    messaging: &Messaging,
    actor: &Actor,
    thread: ThreadId,
    text: &str,
) -> Result<Sent, SendError> {
    messaging.send(actor, SendMessage { thread, body: body(text), client_key: None }).await
}

pub(crate) async fn sends(messaging: &Messaging, by: Person, thread: ThreadId, text: &str) -> Message {
    tries_to_send(messaging, &by.actor(), thread, text).await.unwrap().message.message
}
