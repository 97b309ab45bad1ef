//! A server that sends everything back, as the official protocol test suites expect it.
//!
//! Socket.IO on `PORT` (3000), namespaces `/` and `/custom`: on connect `auth` with the handshake's auth
//! payload; `message` is answered by `message-back`, `message-with-ack` by an ack, with the same arguments.
//! Bare Engine.IO on `ENGINE_PORT` (3001).

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tidings_socketio::engine::{self, Connection, EngineIo, Frame, Message, Protocol};
use tidings_socketio::{
    Accepted, Body, Config, Connect, Encoded, Event, Handshake, Reason, Refused, Service, Socket, SocketIo,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

struct Echo;

impl Service for Echo {
    type Session = Socket;

    fn has_namespace(&self, namespace: &str) -> bool {
        matches!(namespace, "/" | "/custom")
    }

    async fn connect(&self, request: Connect, socket: Socket) -> Result<Accepted<Socket>, Refused> {
        let auth = request.auth().unwrap_or("{}");
        match Encoded::raw_event(request.namespace(), "auth", auth, Vec::new()) {
            Ok(event) => Ok(Accepted::new(socket).frames(vec![event])),
            Err(error) => Err(Refused::new(error.to_string())),
        }
    }

    async fn event(&self, socket: &mut Socket, mut event: Event) {
        let ack = event.take_ack();
        let args = event.args();
        match (event.name(), ack) {
            ("message", _) => {
                let attachments = args.attachments().to_vec();
                if let Ok(back) =
                    Encoded::raw_event(socket.namespace(), "message-back", args.raw(), attachments)
                {
                    socket.send(&back);
                }
            }
            ("message-with-ack", Some(ack)) => ack.send_raw(args.raw(), args.attachments().to_vec()),
            _ => {}
        }
    }

    async fn disconnect(&self, _: Socket, _: Reason) {}
}

/// Sends every Engine.IO message back.
struct EngineEcho;

impl Protocol for EngineEcho {
    type Receiver = ();
    type Session = Connection;
    type Job = Message;

    fn open(&self, _: Handshake, connection: Connection) -> ((), Connection) {
        ((), connection)
    }

    fn receive(&self, (): &mut (), message: Message) -> Result<Option<Message>, Reason> {
        Ok(Some(message))
    }

    async fn handle(&self, connection: &mut Connection, message: Message) {
        connection.send(&match message {
            Message::Text(text) => Frame::text(&text),
            Message::Binary(bytes) => Frame::binary(bytes),
        });
    }

    async fn close(&self, _: Connection, _: Reason) {}
}

/// The settings that the suites expect.
fn engine_config(mut config: engine::Config) -> engine::Config {
    config.ping_interval = Duration::from_millis(300);
    config.ping_timeout = Duration::from_millis(200);
    config.max_payload = 1_000_000;
    config
}

fn port(name: &str, default: u16) -> Result<u16, std::num::ParseIntError> {
    #[expect(clippy::disallowed_methods, reason = "an example has no configuration module")]
    std::env::var(name).map_or(Ok(default), |value| value.parse())
}

/// Accepts connections for ever.
async fn serve<A, F>(listener: TcpListener, tasks: TaskTracker, answer: A) -> std::io::Result<()>
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: some will be free soon.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        stream.set_nodelay(true)?;
        tasks.spawn(serve_connection(stream, peer, answer.clone()));
    }
}

async fn serve_connection<A, F>(stream: TcpStream, peer: SocketAddr, answer: A)
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let response = answer(request, peer);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    // Clients come and go; a broken connection is not worth a word.
    drop(builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tasks = TaskTracker::new();

    let mut config = Config::default();
    config.engine = engine_config(config.engine);
    config.engine.connect_timeout = Some(Duration::from_secs(1));
    let socket_io = SocketIo::new(Echo, config, tasks.clone());
    let engine_io = EngineIo::new(EngineEcho, engine_config(engine::Config::default()), tasks.clone());

    let sockets = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port("PORT", 3000)?)).await?;
    let engines = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port("ENGINE_PORT", 3001)?)).await?;
    let words = format!("Socket.IO on {}, Engine.IO on {}", sockets.local_addr()?, engines.local_addr()?);
    writeln!(std::io::stdout(), "{words}")?;
    tokio::try_join!(
        serve(sockets, tasks.clone(), move |request, peer| {
            let socket_io = socket_io.clone();
            async move { socket_io.handle(request, Some(peer)).await }
        }),
        serve(engines, tasks.clone(), move |request, peer| {
            let engine_io = engine_io.clone();
            async move { engine_io.handle(request, Some(peer)).await }
        }),
    )?;
    Ok(())
}
