//! A server in the test's own process, and what happens behind it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidings_domain::decision::transact;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::member::{Member, Standing};
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, Messaging, SendMessage};
use tidings_domain::ports::{
    Clock, Directory, IdSource, Limiter, Notifier, ThreadRepository, TokenError, TokenVerifier, Unlimited,
};
use tidings_domain::seq::Seq;
use tidings_domain::thread::NewThread;
use tidings_domain::user::{Actor, Identity, User};
use tidings_socketio::{Config, SocketIo};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{
    ManualClock, Person, Rule, SeededIds, T0, body, campaign, eventually, keeping_member, putting_member,
};
use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
use tidings_wire::{Dialect, Socket, campaign::DIALECT};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Client, Io, Packet};
use crate::store::{Control, GatedStore};

/// The campaign dialect's words for threads of any number of members. Its sockets end with their tokens.
pub(crate) static GROUPS: Dialect = Dialect {
    name: "groups",
    expresses: |_| true,
    within: || None,
    socket: Socket { namespace: "/groups", outlives_token: false, ..DIALECT.socket },
    ..DIALECT
};

/// Where every client comes from.
pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 4711);

/// How long tokens hold, in milliseconds from the beginning.
pub(crate) const TOKEN_LASTS_MS: i64 = 3_600_000;

/// Takes any name for a token of that user; `slow NAME` only when let, and `nobody` never.
#[derive(Debug)]
struct NameVerifier {
    slow: Arc<Semaphore>,
}

#[async_trait]
impl TokenVerifier for NameVerifier {
    async fn verify(&self, _: &str, token: &str) -> Result<Identity, TokenError> {
        let name = match token.strip_prefix("slow ") {
            Some(name) => {
                let _let = self.slow.acquire().await;
                name
            }
            None => token,
        };
        let id: UserId = name.parse().map_err(|_| TokenError("no such user"))?;
        if name == "nobody" {
            return Err(TokenError("nobody is nobody"));
        }
        Ok(Identity::user(User::unknown(id), T0.plus_millis(TOKEN_LASTS_MS)))
    }
}

/// How a world is to be.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) hub: HubConfig,
    pub(crate) sockets: Config,
    /// Connections are pipes in memory, so that a paused clock stands still while anything is under way.
    pub(crate) in_memory: bool,
    /// What may be done how often; anything, if there is none.
    pub(crate) limiter: Option<Arc<dyn Limiter>>,
}

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) messaging: Messaging,
    store: GatedStore,
    pub(crate) control: Arc<Control>,
    pub(crate) clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    pub(crate) slow_tokens: Arc<Semaphore>,
    sockets: SocketIo<DialectService>,
    listener: Option<TcpListener>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        let (hub, task) = Hub::new(setup.hub);
        let notifier: Arc<dyn Notifier> = Arc::new(hub.clone());
        let memory = MemoryStore::new(notifier);
        let store = GatedStore::new(memory.clone());
        let (clock, ids) = (Arc::new(ManualClock::at(T0)), Arc::new(SeededIds::new(7)));
        let messaging = Messaging::new(Deps {
            threads: Arc::new(store.clone()),
            messages: Arc::new(store.clone()),
            feed: Arc::new(store.clone()),
            directory: Arc::new(store.clone()),
            limiter: setup.limiter.unwrap_or_else(|| Arc::new(Unlimited)),
            ..Deps::on(memory, Arc::<ManualClock>::clone(&clock), Arc::<SeededIds>::clone(&ids))
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        task.spawn(messaging.clone(), &tasks, stop.clone());
        let slow_tokens = Arc::new(Semaphore::new(0));
        let verifier = Arc::new(NameVerifier { slow: Arc::clone(&slow_tokens) });
        let service = DialectService::new(
            hub.clone(),
            messaging.clone(),
            verifier,
            Origins::default(),
            vec![&DIALECT, &GROUPS],
        );
        let listener = match setup.in_memory {
            true => None,
            false => Some(TcpListener::bind("127.0.0.1:0").await.expect("a port")),
        };
        Self {
            sockets: SocketIo::new(service, setup.sockets, tasks.clone()),
            control: store.control(),
            store,
            hub,
            messaging,
            clock,
            ids,
            slow_tokens,
            listener,
            tasks,
            stop,
        }
    }

    /// How many messages of a thread are stored.
    pub(crate) async fn stored(&self, thread: ThreadId) -> u64 {
        let found = self.store.thread(thread).await.expect("the store works").expect("the thread is there");
        found.last_seq.get()
    }

    /// Closes everybody's connection, as a server does that stops.
    pub(crate) async fn closes_everybody(&self) {
        self.sockets.shutdown(usize::MAX, Duration::ZERO).await;
    }

    /// Asks over HTTP, as a client of long-polling does.
    pub(crate) async fn asks(&self, query: &str) -> http::Response<tidings_socketio::Body> {
        let request = http::Request::builder().uri(format!("/socket.io/?EIO=4&{query}"));
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
        self.sockets.handle(request, Some(PEER)).await
    }

    /// Opens a connection that the server serves.
    async fn dial(&self) -> Box<dyn Io> {
        let Some(listener) = &self.listener else {
            let (here, there) = tokio::io::duplex(64 * 1024);
            self.serve(there);
            return Box::new(here);
        };
        let address = listener.local_addr().expect("an address");
        let (dialled, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (accepted, _) = accepted.expect("it is accepted");
        accepted.set_nodelay(true).expect("TCP_NODELAY");
        self.serve(accepted);
        Box::new(dialled.expect("it connects"))
    }

    fn serve(&self, io: impl Io + 'static) {
        let sockets = self.sockets.clone();
        let service = service_fn(move |request| {
            let sockets = sockets.clone();
            async move { Ok::<_, Infallible>(sockets.handle(request, Some(PEER)).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
        self.tasks.spawn(async move { drop(connection.await) });
    }

    /// A client that reads nothing yet.
    pub(crate) async fn deaf(&self, namespace: &'static str, token: &str) -> Client {
        Client::deaf(self.dial().await, namespace, token).await
    }

    /// A client that is in, with what it was told first already heard.
    pub(crate) async fn client(&self, namespace: &'static str, token: &str) -> Client {
        let mut client = self.deaf(namespace, token).await;
        client.listen(&self.tasks);
        assert_eq!(client.next().await, Packet::Accepted);
        assert!(client.next().await.is_event("connected"));
        client
    }

    pub(crate) async fn campaigner(&self, person: Person) -> Client {
        self.client(DIALECT.socket.namespace, person.0).await
    }

    pub(crate) async fn groupie(&self, person: Person) -> Client {
        self.client(GROUPS.socket.namespace, person.0).await
    }

    /// A thread of these people about a campaign.
    pub(crate) async fn thread(&self, people: &[Person]) -> ThreadId {
        let at = self.clock.now();
        let new = NewThread {
            id: ThreadId::from_uuid(self.ids.uuid_v7(at)),
            key: None,
            context: Some(campaign("spring")),
            subject: None,
            founders: people.iter().map(|person| person.party()).collect(),
            created_at: at,
        };
        let (thread, _) = self.store.create(new).await.expect("it is created");
        thread.id
    }

    /// Sends as through a request.
    pub(crate) async fn sends(&self, thread: ThreadId, person: Person, text: &str) {
        let actor = Actor::new(person.id(), None, Origin::Request);
        let send = SendMessage { thread, body: body(text), client_key: None };
        self.messaging.send(&actor, send).await.expect("it is sent");
    }

    pub(crate) async fn sends_many(&self, thread: ThreadId, person: Person, count: usize) {
        for index in 0..count {
            self.sends(thread, person, &format!("message {index}")).await;
        }
    }

    async fn does(&self, rule: Rule<Member>) {
        transact(&self.store, rule).await.expect("the store works").expect("the rule agrees");
    }

    pub(crate) async fn removes(&self, thread: ThreadId, person: Person) {
        self.does(keeping_member(thread, person.id(), |member| member.standing = Standing::Removed)).await;
    }

    /// Takes somebody in who sees what comes after `visible_from`.
    pub(crate) async fn takes_in(&self, thread: ThreadId, person: Person, visible_from: u64) {
        let party = person.party();
        let member = Member::joining(thread, party.user, party.role, self.clock.now());
        self.does(putting_member(Member { visible_from: Seq::new(visible_from), ..member })).await;
    }

    /// The host tells another name of somebody, who went by their id before.
    pub(crate) async fn names(&self, person: Person, name: &str) {
        let user = User { name: name.to_owned(), ..User::unknown(person.id()) };
        self.store.put_user(user, None).await.expect("it is kept");
    }

    /// Waits until so many reads wait at the gate.
    pub(crate) async fn reads_wait(&self, count: usize) {
        eventually("reads wait at the gate", || self.control.waiting() == count).await;
    }

    pub(crate) async fn sessions_are(&self, count: usize) {
        eventually("the hub knows its sessions", || self.hub.sessions() == count).await;
    }
}
