//! How fast commits reach sockets, in this process: `cargo run --release -p tidings-transport-ws --example fanout`.
//!
//! One room of 1,000 members, then 500 rooms of two, every member on a WebSocket over loopback. Sends come through the
//! use cases, as requests do; the clients only count frames. Figures of one run are worth comparing with each other
//! and with another version's on the same machine, nothing more.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidings_domain::context::Party;
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, Messaging, SendMessage};
use tidings_domain::ports::{Clock, IdSource, ThreadRepository, TokenError, TokenVerifier};
use tidings_domain::text::Body;
use tidings_domain::thread::NewThread;
use tidings_domain::user::{Actor, Identity, User};
use tidings_socketio::{Config, SocketIo};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{ManualClock, SeededIds, T0, campaign, crowd};
use tidings_transport_ws::{DialectService, Hub, HubConfig, Origins};
use tidings_wire::{Dialect, Socket, campaign::DIALECT};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The campaign dialect's words for threads of any size.
static GROUPS: Dialect = Dialect {
    expresses: |_| true,
    within: || None,
    socket: Socket { namespace: "/groups", ..DIALECT.socket },
    ..DIALECT
};

type Failed = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
struct NameVerifier;

#[async_trait]
impl TokenVerifier for NameVerifier {
    async fn verify(&self, _: &str, token: &str) -> Result<Identity, TokenError> {
        let id: UserId = token.parse().map_err(|_| TokenError("no such user"))?;
        Ok(Identity::user(User::unknown(id), T0))
    }
}

struct Bench {
    messaging: Messaging,
    store: MemoryStore,
    ids: SeededIds,
    address: SocketAddr,
    tasks: TaskTracker,
    /// Frames that clients have got.
    frames: Arc<AtomicU64>,
}

impl Bench {
    async fn new() -> Result<Self, Failed> {
        let (hub, task) = Hub::new(HubConfig::default());
        let store = MemoryStore::new(Arc::new(hub.clone()));
        let messaging = Messaging::new(Deps::on(store.clone(), ManualClock::at(T0), SeededIds::new(1)));
        let tasks = TaskTracker::new();
        task.spawn(messaging.clone(), &tasks, CancellationToken::new());
        let verifier = Arc::new(NameVerifier);
        let service =
            DialectService::new(hub, messaging.clone(), verifier, Origins::default(), vec![&GROUPS]);
        let sockets = SocketIo::new(service, Config::default(), tasks.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let sockets = sockets.clone();
                let service = service_fn(move |request| {
                    let sockets = sockets.clone();
                    async move { Ok::<_, Infallible>(sockets.handle(request, None).await) }
                });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                serving.spawn(async move { drop(connection.with_upgrades().await) });
            }
        });
        Ok(Self { messaging, store, ids: SeededIds::new(2), address, tasks, frames: Arc::default() })
    }

    async fn thread(&self, founders: Vec<Party>) -> Result<ThreadId, Failed> {
        let at = ManualClock::at(T0).now();
        let id = ThreadId::from_uuid(self.ids.uuid_v7(at));
        let context = Some(campaign("bench"));
        let new = NewThread { id, key: None, context, subject: None, founders, created_at: at };
        Ok(self.store.create(new).await?.0.id)
    }

    /// A client that counts its frames from then on.
    async fn client(&self, user: &UserId) -> Result<(), Failed> {
        let stream = TcpStream::connect(self.address).await?;
        let url = "ws://localhost/socket.io/?EIO=4&transport=websocket";
        let (mut ws, _) = tokio_tungstenite::client_async(url, stream).await?;
        ws.next().await.ok_or("no open packet")??;
        let connect = format!("40/groups,{{\"token\":\"{}\"}}", user.as_str());
        ws.send(Message::text(connect)).await?;
        for _ in 0..2 {
            ws.next().await.ok_or("not let in")??;
        }
        let (mut stream, frames) = (ws.into_inner(), Arc::clone(&self.frames));
        self.tasks.spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                // What is sent is ASCII, so this byte is the beginning of a text frame.
                let begun = buffer.iter().take(len).filter(|byte| **byte == 0x81).count();
                frames.fetch_add(u64::try_from(begun).unwrap_or_default(), Ordering::Relaxed);
            }
        });
        Ok(())
    }

    /// Sends `rounds` times to every thread, each time waiting until everybody has it, and tells frames per second.
    async fn measure(
        &self,
        threads: &[(ThreadId, UserId)],
        rounds: u64,
        hearers: u64,
    ) -> Result<f64, Failed> {
        const AT_ONCE: u64 = 50;
        let before = self.frames.load(Ordering::Relaxed);
        let began = Instant::now();
        for round in 0..rounds {
            for (thread, sender) in threads {
                let actor = Actor::new(sender.clone(), None, Origin::Request);
                let body = Body::parse("a message of the usual length, as people write them to each other")?;
                let send = SendMessage { thread: *thread, body, client_key: None };
                self.messaging.send(&actor, send).await?;
            }
            if (round + 1) % AT_ONCE == 0 || round + 1 == rounds {
                let sent = (round + 1) * u64::try_from(threads.len())?;
                while self.frames.load(Ordering::Relaxed) - before < sent * hearers {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 frames")]
        let frames = (self.frames.load(Ordering::Relaxed) - before) as f64;
        Ok(frames / began.elapsed().as_secs_f64())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failed> {
    let bench = Bench::new().await?;
    let everyone = crowd(1_000);
    for party in &everyone {
        bench.client(&party.user).await?;
    }
    let first = everyone.first().ok_or("nobody")?.user.clone();
    let room = [(bench.thread(everyone.clone()).await?, first)];
    let mut pairs = Vec::new();
    for pair in everyone.chunks(2) {
        let sender = pair.first().ok_or("nobody")?.user.clone();
        pairs.push((bench.thread(pair.to_vec()).await?, sender));
    }
    bench.measure(&room, 200, 999).await?;
    bench.measure(&pairs, 20, 1).await?;
    for _ in 0..3 {
        let large = bench.measure(&room, 2_000, 999).await?;
        let small = bench.measure(&pairs, 400, 1).await?;
        println!("room of 1,000: {large:.0} frames/s; 500 rooms of two: {small:.0} frames/s");
    }
    Ok(())
}
