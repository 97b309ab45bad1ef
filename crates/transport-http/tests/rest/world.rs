//! A router over a store, and requests to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::messaging::{Deps, Messaging};
use tidings_domain::ports::{
    Clock, IdSource, Limiter, ThreadRepository, TokenError, TokenVerifier, Unlimited,
};
use tidings_domain::thread::NewThread;
use tidings_domain::user::{Identity, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{ALICE, BOB, ManualClock, Person, RecordingNotifier, SeededIds, T0, campaign};
use tidings_transport_http::{InFlight, InFlightLimits};
use tidings_wire::campaign::DIALECT;
use tower_service::Service;

use crate::store::{Fault, FaultyStore};

/// Takes any name for a token of that user; `host` is the host's own, `user:host` that of a user with the same id, and
/// `expired` holds no more.
#[derive(Debug)]
struct NameVerifier;

#[async_trait]
impl TokenVerifier for NameVerifier {
    async fn verify(&self, dialect: &str, token: &str) -> Result<Identity, TokenError> {
        assert!(["campaign", "host"].contains(&dialect));
        let name = token.strip_prefix("user:").unwrap_or(token);
        let id: UserId = name.parse().map_err(|_| TokenError("it is no token"))?;
        match token {
            "expired" => Err(TokenError("it has expired")),
            "host" => Ok(Identity::service(User::unknown(id), T0)),
            _ => Ok(Identity::user(User::unknown(id), T0)),
        }
    }
}

pub(crate) struct World {
    router: Router,
    store: FaultyStore,
    pub(crate) clock: Arc<ManualClock>,
    ids: SeededIds,
}

/// A reply, its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// The message of an error in the shape of the dialect, whose status code agrees with the reply's.
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let body = self.json();
        assert_eq!(body["statusCode"], status, "{body}");
        assert_eq!(body["error"].is_string(), status != 500, "{body}");
        body["message"].as_str().expect("a message").to_owned()
    }
}

/// A request of a person.
pub(crate) fn request(person: Person, method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", person.0));
    request.body(body.into()).expect("a request")
}

impl World {
    pub(crate) fn new() -> Self {
        Self::within(Unlimited)
    }

    /// A world in which this says how often what may be done.
    pub(crate) fn within(limiter: impl Limiter) -> Self {
        Self::bounded(limiter, InFlightLimits::default())
    }

    /// A world in which this says how often what may be done, and how much of it at once.
    pub(crate) fn bounded(limiter: impl Limiter, limits: InFlightLimits) -> Self {
        let clock = Arc::new(ManualClock::at(T0));
        let store = FaultyStore {
            inner: MemoryStore::new(Arc::new(RecordingNotifier::default())),
            fault: Arc::new(Mutex::new(None)),
            directory_fault: Arc::new(Mutex::new(None)),
            reads: Arc::default(),
        };
        let messaging = Messaging::new(Deps {
            threads: Arc::new(store.clone()),
            messages: Arc::new(store.clone()),
            feed: Arc::new(store.clone()),
            directory: Arc::new(store.clone()),
            limiter: Arc::new(limiter),
            ..Deps::on(store.inner.clone(), Arc::clone(&clock), SeededIds::new(5))
        });
        let verifier: Arc<dyn TokenVerifier> = Arc::new(NameVerifier);
        let host = tidings_transport_http::host_router(messaging.clone(), Arc::clone(&verifier), &[&DIALECT]);
        let router = host.merge(tidings_transport_http::router_within(
            &DIALECT,
            messaging,
            verifier,
            &InFlight::new(limits),
        ));
        Self { router, store, clock, ids: SeededIds::new(6) }
    }

    pub(crate) fn faults(&self, fault: Option<Fault>) {
        *self.store.fault.lock() = fault;
    }

    pub(crate) fn directory_faults(&self, fault: Option<Fault>) {
        *self.store.directory_fault.lock() = fault;
    }

    /// How many pages of messages were read so far, and how many contexts.
    pub(crate) fn reads(&self) -> [usize; 2] {
        let reads = &self.store.reads;
        [reads.pages.load(Ordering::Relaxed), reads.contexts.load(Ordering::Relaxed)]
    }

    /// A thread of Alice and Bob.
    pub(crate) async fn thread(&self) -> ThreadId {
        self.thread_about("spring").await
    }

    /// A thread of Alice and Bob about a campaign.
    pub(crate) async fn thread_about(&self, id: &str) -> ThreadId {
        let at = ManualClock::at(T0).now();
        let new = NewThread {
            id: ThreadId::from_uuid(self.ids.uuid_v7(at)),
            key: None,
            context: Some(campaign(id)),
            subject: None,
            founders: vec![ALICE.party(), BOB.party()],
            created_at: at,
        };
        self.store.inner.create(new).await.expect("it is created").0.id
    }

    /// The response as it comes, its body not read.
    pub(crate) async fn responds(&self, request: Request<Body>) -> Response {
        let mut router = self.router.clone();
        match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.responds(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// A request of a person, with a body if one is given.
    pub(crate) async fn asks(
        &self,
        person: Person,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        self.call(request(person, method, path, body)).await
    }

    pub(crate) async fn gets(&self, person: Person, path: &str) -> Answer {
        self.asks(person, Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn posts(&self, person: Person, path: &str, body: &Value) -> Answer {
        self.asks(person, Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn sends(&self, person: Person, thread: ThreadId, text: &str) -> Value {
        let path = format!("/messaging/threads/{thread}/messages");
        let answer = self.posts(person, &path, &json!({ "content": text })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()
    }
}
