//! The loop against clients on real sockets who do not behave. Waits are short here; what they bound is the same.

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::*;

mod readers;

/// How long anything may take before a test has failed.
const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(3600);
/// More than the system's buffers between two sockets hold.
const BIG: usize = 32 * 1024 * 1024;

/// Answers with the path, or what a path asks for.
#[derive(Clone)]
struct Echo {
    /// Opens for those who asked for `/slow`.
    gate: Arc<Semaphore>,
}

impl Answer for Echo {
    async fn answer(&self, request: Request<Body>, _: SocketAddr) -> Response<Body> {
        let path = request.uri().path().to_owned();
        Response::new(match path.as_str() {
            "/big" => Body::from(vec![b'x'; BIG]),
            "/body" => Body::from(request.into_body().collect().await.unwrap().to_bytes()),
            "/slow" => {
                self.gate.acquire().await.unwrap().forget();
                Body::from("at last")
            }
            _ => Body::from(path),
        })
    }
}

struct World {
    address: SocketAddr,
    gate: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn settings() -> Settings {
    Settings {
        connections: 100,
        connections_per_address: None,
        proxies: Arc::default(),
        head_max_wait: LONG,
        keep_alive: LONG,
        write_patience: LONG,
        read_rate: None,
    }
}

impl World {
    async fn new(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, stop, gate) = (TaskTracker::new(), CancellationToken::new(), Arc::new(Semaphore::new(0)));
        let answer = Echo { gate: Arc::clone(&gate) };
        // Apart from the connections' tracker, and ended with the test's runtime.
        TaskTracker::new().spawn(accept(listener, settings, answer, tasks.clone(), stop.clone()));
        Self { address, gate, tasks, stop }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Waits until every connection has ended.
    async fn ended(&self) {
        self.tasks.close();
        timeout(DEADLINE, self.tasks.wait()).await.expect("the connections end");
    }
}

struct Client(TcpStream);

impl Client {
    async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn asks(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await;
    }

    /// Reads until the text is there.
    async fn hears(&mut self, text: &str) -> String {
        let mut heard = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&heard).contains(text) {
                assert_ne!(self.0.read_buf(&mut heard).await.unwrap(), 0, "it ended without {text:?}");
            }
        };
        timeout(DEADLINE, reading).await.unwrap_or_else(|_| panic!("{text:?} does not come"));
        String::from_utf8(heard).unwrap()
    }

    /// Reads what is left, until the server has closed the connection, in whatever way.
    async fn end(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end too.
        drop(
            timeout(DEADLINE, self.0.read_to_end(&mut rest)).await.expect("the server closes the connection"),
        );
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let world = World::new(Settings { head_max_wait: SHORT, ..settings() }).await;
    assert_eq!(world.connect().await.end().await, "");
    world.ended().await;
}

#[tokio::test]
async fn a_head_that_comes_in_drops_is_not_waited_for() {
    let world = World::new(Settings { head_max_wait: SHORT, ..settings() }).await;
    let Client(stream) = world.connect().await;
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    let dripping = async {
        let mut tick = tokio::time::interval(SHORT / 10);
        // Until the server has had enough.
        while writing.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    };
    let mut heard = Vec::new();
    let closed = async {
        drop(reading.read_to_end(&mut heard).await);
    };
    timeout(DEADLINE, async { tokio::join!(dripping, closed) }).await.expect("the server closes it");
    assert!(!String::from_utf8_lossy(&heard).contains("200"));
    world.ended().await;
}

#[tokio::test]
async fn who_asks_again_in_time_stays_and_who_does_not_is_closed() {
    let world = World::new(Settings { keep_alive: SHORT, ..settings() }).await;
    let mut client = world.connect().await;
    for round in 0..5 {
        client.asks(&format!("/{round}")).await;
        client.hears(&format!("/{round}")).await;
    }
    assert_eq!(client.end().await, "");
    // A slow answer is not the client's fault.
    let mut client = world.connect().await;
    client.asks("/slow").await;
    assert!(timeout(2 * SHORT, client.hears("at last")).await.is_err());
    world.gate.add_permits(1);
    client.hears("at last").await;
}

/// A balancer keeps a connection for its next request longer than any head may take.
#[tokio::test]
async fn a_connection_that_rested_longer_than_a_head_may_take_still_answers() {
    let world = World::new(Settings { head_max_wait: SHORT, ..settings() }).await;
    let mut client = world.connect().await;
    client.asks("/first").await;
    client.hears("/first").await;
    // Nothing comes for much longer than `head_max_wait`, not even the end.
    assert!(timeout(5 * SHORT, client.end()).await.is_err());
    client.say("POST /body HTTP/1.1\r\nhost: here\r\ncontent-length: 7\r\n\r\nstill 1").await;
    client.hears("still 1").await;
    // The next head has begun, and is not waited for as long.
    client.say("GET /").await;
    assert!(!client.end().await.contains("200"));
    world.ended().await;
}

/// An answer that takes longer to read than a connection may rest is read to its end.
#[tokio::test]
async fn resting_begins_when_the_answer_is_read() {
    let world = World::new(Settings { keep_alive: SHORT, ..settings() }).await;
    let mut client = world.connect().await;
    client.asks("/big").await;
    client.hears("200 OK").await;
    assert!(timeout(5 * SHORT, std::future::pending::<()>()).await.is_err());
    assert!(client.end().await.len() > BIG / 2);
    world.ended().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    let requests: String =
        (0..20).map(|n| format!("GET /path-{n:02} HTTP/1.1\r\nhost: here\r\n\r\n")).collect();
    client.say(&requests).await;
    let heard = client.hears("/path-19").await;
    let places: Vec<_> = (0..20).map(|n| heard.find(&format!("/path-{n:02}")).unwrap()).collect();
    assert!(places.is_sorted(), "{heard}");
}

/// A client that is answered before its body was read must not send its next request into the end of the connection.
#[tokio::test]
async fn an_answer_says_when_it_is_the_last_one() {
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    // Read, or empty: the connection stays.
    client.say("POST /body HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\nhi").await;
    assert!(!client.hears("\r\n\r\nhi").await.contains("connection: close"));
    client.say("POST /empty HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n").await;
    assert!(!client.hears("/empty").await.contains("connection: close"));
    client.say("POST /not-read HTTP/1.1\r\nhost: here\r\ncontent-length: 999999\r\n\r\nhi").await;
    let heard = client.hears("/not-read").await;
    assert!(heard.contains("connection: close"), "{heard}");
    client.end().await;
    world.ended().await;
}

#[tokio::test]
async fn a_request_has_one_host() {
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    for head in [
        "GET /x HTTP/1.1\r\n",
        "GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        "GET /x HTTP/1.1\r\nhost: a b\r\n",
    ] {
        client.say(&format!("{head}\r\n")).await;
        let heard = client.hears("Host header").await;
        assert!(heard.starts_with("HTTP/1.1 400"), "{head:?}: {heard}");
    }
    // The connection is none the worse for it, and the old version needs none.
    client.asks("/still").await;
    client.hears("/still").await;
    let mut client = world.connect().await;
    client.say("GET /old HTTP/1.0\r\n\r\n").await;
    client.hears("/old").await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    let long = "x".repeat(2 * HEAD_BYTES_MAX);
    client.say(&format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n")).await;
    assert!(client.end().await.starts_with("HTTP/1.1 431"));
    let mut client = world.connect().await;
    let many = "x: y\r\n".repeat(HEADERS_MAX + 1);
    client.say(&format!("GET / HTTP/1.1\r\n{many}\r\n")).await;
    assert!(client.end().await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn what_is_no_http_harms_nobody() {
    let world = World::new(settings()).await;
    for garbage in
        ["\0\0\0\0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"]
    {
        let mut client = world.connect().await;
        client.say(garbage).await;
        let heard = client.end().await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4"), "{garbage:?}: {heard}");
    }
    let mut client = world.connect().await;
    client.asks("/fine").await;
    client.hears("/fine").await;
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections() {
    let world = World::new(Settings { connections_per_address: Some(2), ..settings() }).await;
    let (mut first, mut second) = (world.connect().await, world.connect().await);
    for client in [&mut first, &mut second] {
        client.asks("/slow").await;
    }
    assert_eq!(world.connect().await.end().await, "", "all are busy");
    world.gate.add_permits(2);
    for client in [&mut first, &mut second] {
        client.hears("at last").await;
    }
    // Now they rest, and the oldest one makes room.
    let mut third = world.connect().await;
    third.asks("/third").await;
    third.hears("/third").await;
    assert_eq!(first.end().await, "");
    for client in [&mut second, &mut third] {
        client.asks("/still").await;
        client.hears("/still").await;
    }
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait() {
    let world = World::new(Settings { connections: 1, ..settings() }).await;
    let mut first = world.connect().await;
    first.asks("/slow").await;
    let mut second = world.connect().await;
    second.asks("/second").await;
    world.gate.add_permits(1);
    first.hears("at last").await;
    // It is not served before the first is gone.
    let waiting = timeout(SHORT, second.hears("/second")).await;
    assert!(waiting.is_err(), "{waiting:?}");
    drop(first);
    second.hears("/second").await;
}

#[tokio::test]
async fn at_the_end_requests_are_finished_and_nobody_else_waited_for() {
    let world = World::new(settings()).await;
    let (mut silent, mut idle, mut busy) =
        (world.connect().await, world.connect().await, world.connect().await);
    idle.asks("/idle").await;
    idle.hears("/idle").await;
    busy.asks("/slow").await;
    // Behind it: once it is answered, so has the busy one been read.
    idle.asks("/mark").await;
    idle.hears("/mark").await;
    while world.tasks.len() < 3 {
        tokio::task::yield_now().await;
    }
    world.stop.cancel();
    assert_eq!((silent.end().await, idle.end().await), (String::new(), String::new()));
    assert!(TcpStream::connect(world.address).await.is_err() || world.connect().await.end().await.is_empty());
    world.gate.add_permits(1);
    assert!(busy.end().await.ends_with("at last"));
    world.ended().await;
}

#[tokio::test]
async fn who_hangs_up_at_once_holds_nobody_up() {
    let world = World::new(settings()).await;
    for _ in 0..50 {
        let client = world.connect().await;
        // A reset rather than a goodbye.
        client.0.set_zero_linger().unwrap();
    }
    let mut client = world.connect().await;
    client.asks("/here").await;
    client.hears("/here").await;
}

#[tokio::test]
async fn who_is_answered_while_still_writing_sees_the_answer() {
    const BODY: usize = 4 * 1024 * 1024;
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    client.say(&format!("POST /not-read HTTP/1.1\r\nhost: here\r\ncontent-length: {BODY}\r\n\r\n")).await;
    client.say(&"x".repeat(BODY / 2)).await;
    client.hears("200 OK").await;
    client.say(&"x".repeat(BODY / 2)).await;
    assert!(client.end().await.ends_with("/not-read"));
    world.ended().await;
}

#[tokio::test]
async fn who_never_stops_writing_is_not_heard_for_ever() {
    let world = World::new(settings()).await;
    let mut client = world.connect().await;
    client.say("POST /not-read HTTP/1.1\r\nhost: here\r\ncontent-length: 999999999999\r\n\r\n").await;
    client.hears("200 OK").await;
    let writing = async { while client.0.write_all(&[b'x'; 64 * 1024]).await.is_ok() {} };
    timeout(DEADLINE, writing).await.expect("the server closes the connection");
    world.ended().await;
}
