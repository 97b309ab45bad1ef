//! A server with a service that can be told what to do, and clients that speak bytes.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tidings_socketio::{
    Accepted, Begun, Body, Config, Connect, Encoded, Event, Origins, Reason, Refused, Service, Socket,
    SocketIo,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

/// Longer than anything a test waits for.
const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, wait).await.expect("it happens in time")
}

/// What the service has seen, and what its handlers wait for.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) sockets: Mutex<Vec<Socket>>,
}

/// Does what events tell it.
pub(crate) struct Scripted {
    seen: Arc<Seen>,
    /// Each `gate` event takes one permit.
    gate: Arc<Semaphore>,
}

impl Service for Scripted {
    type Session = Socket;

    fn has_namespace(&self, namespace: &str) -> bool {
        namespace == "/" || namespace.starts_with("/room")
    }

    async fn admit(&self, request: &Parts, _: Option<SocketAddr>) -> Result<HeaderMap, Box<Response<Body>>> {
        Origins::exact(["https://app.example"]).check(request)
    }

    async fn connect(&self, request: Connect, socket: Socket) -> Result<Accepted<Socket>, Refused> {
        let auth = request.auth().unwrap_or("{}").to_owned();
        let pid = request.recovery().map(|recovery| format!("{} {:?}", recovery.pid, recovery.offset));
        let peer = request.handshake().peer().is_some();
        let agent = request.handshake().header(&http::header::USER_AGENT).is_some();
        self.seen.log.lock().push(format!("connect {auth} {pid:?} {peer} {agent}"));
        if auth.contains("refuse") {
            socket.emit("never", &()).unwrap();
            return Err(Refused::new("no").with_data(&[1, 2]).unwrap());
        }
        if auth.contains("kick") {
            socket.disconnect();
        }
        socket.emit("early", &(1,)).unwrap();
        self.seen.sockets.lock().push(socket.clone());
        let first = Encoded::event(request.namespace(), "first", &()).unwrap();
        Ok(Accepted::new(socket).pid("private").frames(vec![first]))
    }

    fn begin(&self, _: &mut Socket, mut event: Event) -> Begun<Event> {
        if event.name() != "slow" {
            return Begun::Waits(event);
        }
        let (seen, gate) = (Arc::clone(&self.seen), Arc::clone(&self.gate));
        Begun::GoesOn(Box::pin(async move {
            seen.log.lock().push(format!("slow {}", event.args().raw()));
            // A gate that is closed for good: there will be no answer.
            let Ok(permit) = gate.acquire().await else { return };
            permit.forget();
            let ack = event.take_ack().unwrap();
            seen.log.lock().push(format!("done {}", event.args().raw()));
            ack.send_raw(event.args().raw(), Vec::new());
        }))
    }

    async fn event(&self, socket: &mut Socket, mut event: Event) {
        let ack = event.take_ack();
        let (raw, attachments) = (event.args().raw().to_owned(), event.args().attachments().to_vec());
        self.seen.log.lock().push(format!("{} {raw}", event.name()));
        match event.name() {
            "gate" => self.gate.acquire().await.unwrap().forget(),
            "kick" => socket.disconnect(),
            "close" => socket.close(Reason::Closed("told")),
            "ask" => {
                let limit = event.decode(0).unwrap_or(1000);
                let asked = socket.emit_with_ack("question", &(1,)).unwrap();
                let answer = asked.within(Duration::from_millis(limit)).await;
                let words = answer.map_or_else(|error| error.to_string(), |args| args.raw().to_owned());
                socket.emit("answered", &(words,)).unwrap();
            }
            "text" => {
                let words = event.decode::<String>(0).unwrap_or_else(|error| error.to_string());
                socket.emit("text", &(words,)).unwrap();
            }
            _ => match ack {
                Some(ack) => ack.send_raw(&raw, attachments),
                None => {
                    socket.send(&Encoded::raw_event(socket.namespace(), "echo", &raw, attachments).unwrap());
                }
            },
        }
    }

    async fn disconnect(&self, socket: Socket, reason: Reason) {
        self.seen.log.lock().push(format!("disconnect {} {reason}", socket.namespace()));
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) io: SocketIo<Scripted>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let (seen, gate) = (Arc::new(Seen::default()), Arc::new(Semaphore::new(0)));
        let tasks = TaskTracker::new();
        let service = Scripted { seen: Arc::clone(&seen), gate: Arc::clone(&gate) };
        let io = SocketIo::new(service, config, tasks.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Not among `tasks`, for which tests wait.
        let (serving, accepted) = (io.clone(), TaskTracker::new());
        let connections = accepted.clone();
        accepted.spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let io = serving.clone();
                let answer = service_fn(move |request| {
                    let io = io.clone();
                    async move { Ok::<_, Infallible>(io.handle(request, Some(peer)).await) }
                });
                let http = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                connections.spawn(async move { drop(http.with_upgrades().await) });
            }
        });
        Self { address, io, seen, gate, tasks }
    }

    /// Sends a request on a connection of its own; gives the status line's code and the body.
    pub(crate) async fn request(&self, method: &str, query: &str, extra: &str, body: &str) -> (u16, String) {
        let (head, body) = self.request_whole(method, query, extra, body).await;
        (head[9..12].parse().unwrap(), body)
    }

    pub(crate) async fn request_whole(
        &self,
        method: &str,
        query: &str,
        extra: &str,
        body: &str,
    ) -> (String, String) {
        let mut stream = self.begin(method, query, extra, body).await;
        let mut response = Vec::new();
        within(stream.read_to_end(&mut response)).await.unwrap();
        let response = String::from_utf8(response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").expect("a response");
        (head.to_owned(), body.to_owned())
    }

    /// A connection that nothing was sent on.
    pub(crate) async fn stream(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and does not wait for the answer.
    pub(crate) async fn begin(&self, method: &str, query: &str, extra: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} /socket.io/?{query} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{extra}content-length: {length}\r\n\r\n{body}"
        );
        // A server that refuses early may close before it has read everything.
        drop(stream.write_all(request.as_bytes()).await);
        stream
    }

    pub(crate) async fn get(&self, sid: &str) -> (u16, String) {
        self.request("GET", &format!("EIO=4&transport=polling&sid={sid}"), "", "").await
    }

    pub(crate) async fn post(&self, sid: &str, body: &str) -> (u16, String) {
        self.request("POST", &format!("EIO=4&transport=polling&sid={sid}"), "", body).await
    }

    /// Opens a polling session.
    pub(crate) async fn open(&self) -> String {
        let (status, body) = self.request("GET", "EIO=4&transport=polling", "", "").await;
        assert_eq!(status, 200, "{body}");
        sid(&body)
    }

    /// Opens a polling session and enters the main namespace.
    pub(crate) async fn enter(&self) -> String {
        let sid = self.open().await;
        assert_eq!(self.post(&sid, "40").await, (200, "ok".to_owned()));
        let (status, body) = self.get(&sid).await;
        assert_eq!(status, 200);
        assert!(
            body.starts_with("40{") && body.ends_with("\u{1e}42[\"first\"]\u{1e}42[\"early\",1]"),
            "{body}"
        );
        sid
    }

    pub(crate) async fn websocket(&self, query: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://test/socket.io/?EIO=4&transport=websocket{query}");
        let (socket, _) = within(tokio_tungstenite::client_async(url, stream)).await.expect("101");
        Client { socket }
    }

    /// A client in the main namespace, past the greetings.
    pub(crate) async fn client(&self) -> Client {
        let mut client = self.websocket("").await;
        client.next().await;
        client.join("40").await;
        client
    }

    /// Waits until the service has logged this.
    pub(crate) async fn logged(&self, line: &str) {
        self.until(|| self.seen.log.lock().iter().any(|logged| logged == line)).await;
    }

    /// Waits until there are no connections left.
    pub(crate) async fn empty(&self) {
        self.until(|| self.io.connections() == 0).await;
    }

    pub(crate) async fn until(&self, mut condition: impl FnMut() -> bool) {
        let met = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, met).await.is_err() {
            panic!("not met; seen: {:?}", self.seen.log.lock());
        }
    }
}

/// The session id in an open packet.
pub(crate) fn sid(open: &str) -> String {
    let open: serde_json::Value =
        serde_json::from_str(open.strip_prefix('0').expect("an open packet")).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// A WebSocket client that sees packets as they are.
pub(crate) struct Client {
    pub(crate) socket: tokio_tungstenite::WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, packet: &str) {
        within(self.socket.send(Message::text(packet))).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        within(self.socket.send(Message::binary(Bytes::copy_from_slice(bytes)))).await.unwrap();
    }

    /// The next text packet.
    pub(crate) async fn next(&mut self) -> String {
        match within(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn next_bytes(&mut self) -> Vec<u8> {
        match within(self.socket.next()).await {
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            other => panic!("no bytes: {other:?}"),
        }
    }

    /// Enters a namespace and reads the greetings.
    pub(crate) async fn join(&mut self, packet: &str) {
        self.send(packet).await;
        assert!(self.next().await.starts_with(packet.split('{').next().unwrap()));
        assert!(self.next().await.ends_with("[\"first\"]"));
        assert!(self.next().await.ends_with("[\"early\",1]"));
    }

    /// Waits until the server closes; gives the code and the words of its close frame, if there was one.
    pub(crate) async fn closing(&mut self) -> Option<(u16, String)> {
        let mut closing = None;
        while let Some(Ok(message)) = within(self.socket.next()).await {
            if let Message::Close(Some(frame)) = message {
                closing = Some((frame.code.into(), frame.reason.as_str().to_owned()));
            }
        }
        closing
    }

    /// Waits until the server closes, whatever it sends before.
    pub(crate) async fn closed(&mut self) {
        within(async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }
}
