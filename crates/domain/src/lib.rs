//! Threads, members, messages and read markers: the rules of marketplace messaging, pure.
//!
//! People with roles talk in **threads** about business objects: a campaign, a contract, a job. This crate says who may
//! do what in a thread, what that changes and what is unread afterwards. It knows no store, no wire format and no
//! runtime, has no clock and no randomness: those come in through [`ports`]. So every rule is a value that can be run,
//! and property-tested, by itself.
//!
//! # Words
//!
//! - A [`Thread`](thread::Thread) is a conversation. Its **context** ([`ContextRef`](context::ContextRef)) is the
//!   object that it is about, its **key** ([`ThreadKey`](thread::ThreadKey)) what makes it the only one of its sort.
//! - A [`Member`](member::Member) is a user in a thread, with a role, a read marker and personal flags.
//! - A [`Message`](message::Message) has a **seq** ([`Seq`](seq::Seq)), its place in the thread: 1, 2, 3… without gaps,
//!   for ever. A deleted message keeps its place.
//! - The **modseq** ([`Modseq`](seq::Modseq)) counts a thread's changes. Each durable change takes the next value, and
//!   the changed row keeps its last one.
//! - The **client key** ([`ClientKey`](text::ClientKey)) makes sending idempotent: the same key from the same sender in
//!   the same thread gives the first message again; with another text it is a conflict.
//! - The **read marker** ([`ReadMarker`](member::ReadMarker)) is the highest seq that a member has read. It only moves
//!   forward. [Unread](member::unread) is arithmetic on it, never a stored count.
//! - **[Typing](typing)** and **[presence]** are ephemeral: state machines, never stored.
//!
//! # One door for writes
//!
//! ```text
//!  use case          clock and id are read once
//!     │
//!     ▼
//!  Decision ──scope()──►  store: lock the thread, load what the scope names
//!     ▲                     │
//!     │                     ▼
//!     └──decide()◄──────  Snapshot ◄───────────────┐
//!     │                                            │ apply(): what the next decision
//!     ├─► a rejection: nothing is stored           │ of the same batch finds
//!     └─► output and changes ──► Change, Change… ──┘
//!                                  │
//!                                  ▼  stored together, durably
//!                                Commit ──► Notifier (live sessions), ChangeFeed (later)
//! ```
//!
//! A [`Decision`](decision::Decision) is a typed, pure rule. A store loads its [`Scope`](snapshot::Scope) under the
//! thread's lock, lets it judge the [`Snapshot`](snapshot::Snapshot), and stores the [`Change`](change::Change)s, all or
//! none. What was not loaded is an error and never taken for absent. Because deciding is synchronous and may be
//! repeated, a store can run many decisions in one transaction; [`Snapshot::apply`](snapshot::Snapshot::apply) lets each
//! see the ones before it, in every store alike. The changes, as one [`Commit`](change::Commit), are also
//! all that live sessions hear of it: events are derived from them, never written beside them. [`decision::transact`]
//! gives a caller the typed answer back.
//!
//! [`Messaging`](messaging::Messaging) is the service over it all: the use cases that transports and embedders call.
//!
//! # A rule without a store
//!
//! ```
//! use std::sync::Arc;
//!
//! use tidings_domain::decision::Decision;
//! use tidings_domain::id::{MessageId, ThreadId};
//! use tidings_domain::member::Member;
//! use tidings_domain::message::Origin;
//! use tidings_domain::messaging::{Send, SendError, SendMessage};
//! use tidings_domain::policy::SenderRoles;
//! use tidings_domain::seq::{Modseq, Seq};
//! use tidings_domain::snapshot::Snapshot;
//! use tidings_domain::text::{Body, ClientKey, DraftHash};
//! use tidings_domain::thread::Thread;
//! use tidings_domain::time::Timestamp;
//! use tidings_domain::user::Actor;
//! use uuid::Uuid;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Ada says hello, at noon.
//! let noon = Timestamp::from_millis(1_767_268_800_000);
//! let thread = ThreadId::from_uuid(Uuid::from_u128(1));
//! let ada = Actor::new("ada".parse()?, None, Origin::Request);
//! let body = Body::parse("Hello!")?;
//! let send = Send {
//!     actor: ada.clone(),
//!     id: MessageId::from_uuid(Uuid::from_u128(2)),
//!     draft: DraftHash::of_body(&body),
//!     request: SendMessage { thread, body, client_key: Some(ClientKey::parse("k1")?) },
//!     at: noon,
//!     notice_after_ms: None,
//!     policy: Arc::new(SenderRoles::default()),
//! };
//!
//! // What a store would find for the decision's scope: a thread that is empty, Ada in it, her key new.
//! let mut found = Snapshot::new(Some(an_empty(thread, noon)), 1);
//! found.load_member(ada.user.clone(), Some(Member::joining(thread, ada.user.clone(), "brand".parse()?, noon)));
//! found.load_keyed(ada.user.clone(), ClientKey::parse("k1")?, None);
//!
//! // Two changes: the message at the next seq, and Ada's own marker moved to it.
//! let decided = send.decide(&found)?;
//! let (message, modseq, duplicate) = decided.output;
//! assert_eq!((message.seq, modseq, duplicate), (Seq::new(1), Modseq::new(3), false));
//! for change in &decided.changes {
//!     found.apply(change);
//! }
//! assert_eq!(found.head(), (Seq::new(1), Modseq::new(3)));
//!
//! // Sent again, the key finds the first message, and nothing changes.
//! let again = send.decide(&found)?;
//! assert!(again.changes.is_empty() && again.output.2);
//!
//! // Somebody who is not in the thread is refused. That she was looked for must be said: without this line, the
//! // decision would fail for looking at what was not loaded.
//! let eve = Send { actor: Actor { user: "eve".parse()?, ..ada }, ..send };
//! found.load_member("eve".parse()?, None);
//! assert_eq!(eve.decide(&found).unwrap_err(), SendError::NotAMember);
//! # Ok(())
//! # }
//! #
//! # fn an_empty(id: ThreadId, at: Timestamp) -> Thread {
//! #     Thread {
//! #         id,
//! #         number: 1,
//! #         context: None,
//! #         subject: None,
//! #         member_count: 1,
//! #         last_seq: Seq::ZERO,
//! #         last_message_at: at,
//! #         modseq: Modseq::new(1),
//! #         fields_modseq: Modseq::new(1),
//! #         notice_due: None,
//! #         notice_upto: Seq::ZERO,
//! #         created_at: at,
//! #         updated_at: at,
//! #     }
//! # }
//! ```

mod budget;
pub mod change;
pub mod context;
pub mod decision;
pub mod error;
pub mod id;
pub mod job;
pub mod member;
pub mod message;
pub mod messaging;
pub mod page;
pub mod policy;
pub mod ports;
pub mod presence;
mod profiles;
pub mod seq;
pub mod snapshot;
pub mod summary;
pub mod text;
pub mod thread;
pub mod time;
pub mod transfer;
pub mod typing;
pub mod user;
