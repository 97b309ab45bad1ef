//! What a look at a thread's unread messages costs.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tidings_domain::error::StoreError;
use tidings_domain::id::{MessageId, ThreadId};
use tidings_domain::message::Message;
use tidings_domain::messaging::{Deps, Messaging, Settings};
use tidings_domain::page::MessagePage;
use tidings_domain::ports::MessageRepository;
use tidings_domain::seq::Seq;
use tidings_domain::time::Timestamp;
use tidings_testkit::{ALICE, BOB, CAROL, Fixture};

use crate::post::{Post, WINDOW_MS, nobody, only, worked_off};
use crate::world::{on_a_store, sends};

/// Passes reads on, and notes how many bytes of text each page has.
#[derive(Debug)]
struct Weighed {
    messages: Arc<dyn MessageRepository>,
    pages: Mutex<Vec<usize>>,
}

impl Weighed {
    fn over(fixture: &Fixture) -> (Arc<Self>, Messaging) {
        let (messages, pages) = (Arc::clone(&fixture.stores.messages), Mutex::default());
        let weighed = Arc::new(Self { messages, pages });
        let settings = Settings::default().notice_after_ms(Some(WINDOW_MS));
        let messages = Arc::<Self>::clone(&weighed);
        (weighed, Messaging::new(Deps { messages, settings, ..fixture.deps() }))
    }
}

#[async_trait]
impl MessageRepository for Weighed {
    async fn page(&self, thread: ThreadId, page: &MessagePage) -> Result<Vec<Message>, StoreError> {
        let messages = self.messages.page(thread, page).await?;
        let bytes = messages.iter().map(|message| message.body.as_str().len()).sum();
        self.pages.lock().unwrap().push(bytes);
        Ok(messages)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.messages.message(id).await
    }

    async fn last_before(&self, thread: ThreadId, at: Timestamp) -> Result<Seq, StoreError> {
        self.messages.last_before(thread, at).await
    }
}

const LONG: usize = 10_000;

/// For somebody who is present little more than a text is read, however much they have not read; and for somebody who is away, never
/// more at once than a piece.
#[test]
fn a_look_reads_little_at_once() {
    on_a_store(async |fixture| {
        let (weighed, messaging) = Weighed::over(&fixture);
        let post = Post::default();
        let thread = fixture.opened(&[ALICE, BOB, CAROL]).await.id;
        for _ in 0..600 {
            sends(&messaging, ALICE, thread, &"x".repeat(LONG)).await;
        }
        weighed.pages.lock().unwrap().clear();
        fixture.clock.advance(WINDOW_MS);
        worked_off(&fixture, &messaging, &only(&[BOB, CAROL]), &post).await;
        assert_eq!(std::mem::take(&mut *weighed.pages.lock().unwrap()), [LONG]);
        fixture.clock.advance(12 * 3_600_000);
        worked_off(&fixture, &messaging, &only(&[CAROL]), &post).await;
        assert_eq!(post.told(), [(BOB.id(), 500)]);
        let pages = std::mem::take(&mut *weighed.pages.lock().unwrap());
        assert!(pages.iter().all(|bytes| *bytes <= 64 * 1024 + LONG), "{pages:?}");
        // What counts is the same as if all were read at once.
        fixture.clock.advance(12 * 3_600_000);
        worked_off(&fixture, &messaging, &nobody(), &post).await;
        assert_eq!(post.told(), [(CAROL.id(), 500)]);
    });
}
