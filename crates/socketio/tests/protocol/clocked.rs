//! What takes long, by a clock that runs as fast as nothing else happens.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidings_socketio::Config;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

use crate::harness::{Server, sid};

/// A client without a network, in the main namespace.
async fn client(server: &Server) -> WebSocketStream<DuplexStream> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let io = server.io.clone();
    let answer = service_fn(move |request| {
        let io = io.clone();
        async move { Ok::<_, Infallible>(io.handle(request, None).await) }
    });
    let http = http1::Builder::new().serve_connection(TokioIo::new(far), answer);
    // Not among the server's tasks, for which tests wait.
    TaskTracker::new().spawn(async move { drop(http.with_upgrades().await) });
    let url = "ws://test/socket.io/?EIO=4&transport=websocket";
    let (mut socket, _) = tokio_tungstenite::client_async(url, near).await.expect("101");
    text(&mut socket).await;
    socket.send(Message::text("40")).await.unwrap();
    for _ in 0..3 {
        text(&mut socket).await;
    }
    socket
}

async fn text(socket: &mut WebSocketStream<DuplexStream>) -> String {
    socket.next().await.unwrap().unwrap().into_text().unwrap().as_str().to_owned()
}

async fn request(server: &Server, method: &str, sid: &str, body: &str) -> (u16, String) {
    let uri = format!("/socket.io/?EIO=4&transport=polling{sid}");
    let request = Request::builder().method(method).uri(uri);
    let response =
        server.io.handle(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap(), None).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}

/// Sends a message a byte at a time until it is closed; says after how long, and why.
async fn dribble(server: &Server) -> (Duration, String) {
    let mut client = client(server).await;
    let begun = Instant::now();
    client.get_mut().write_all(&[0x81, 0x80 | 126, 0x2f, 0xff, 0, 0, 0, 0]).await.unwrap();
    loop {
        sleep(Duration::from_millis(50)).await;
        drop(client.get_mut().write_all(b"4").await);
        if let Some(None | Some(Err(_) | Ok(Message::Close(_)))) = client.next().now_or_never() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_mins(5), "it is still there");
    }
    server.empty().await;
    (begun.elapsed(), server.seen.log.lock().last().unwrap().clone())
}

/// Where a client has to wait after nearly everything that it sends.
fn strict(config: &mut Config) {
    config.engine.burst = 20;
    config.engine.burst_refill = Duration::from_secs(40);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_made_to_wait_for_what_it_sends_must_still_answer_pings() {
    let server = Server::with(|config| {
        strict(config);
        config.engine.flood_timeout = Duration::from_hours(1);
    })
    .await;
    let (time, reason) = dribble(&server).await;
    assert_eq!(reason, "disconnect / ping timeout");
    // 45 s, and one pause.
    assert!(time < Duration::from_secs(60), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_in_small_parts_does_not_rest_between_them() {
    let server = Server::with(|config| {
        strict(config);
        config.engine.ping_interval = Duration::from_hours(1);
        config.engine.flood_timeout = Duration::from_secs(30);
    })
    .await;
    let (time, reason) = dribble(&server).await;
    assert_eq!(reason, "disconnect / too many packets");
    assert!(time < Duration::from_secs(60), "{time:?}");
}

/// Where a large message of another client takes all the memory there is, as long as it is being handled.
async fn full() -> Server {
    let server = Server::with(|config| {
        config.engine.max_payload = 100_000;
        config.engine.max_payload_unestablished = 1_000;
        config.engine.max_large_bytes = 0;
        config.engine.large_wait = Duration::from_mins(10);
    })
    .await;
    let mut other = client(&server).await;
    other.send(Message::text(format!("42[\"gate\",\"{}\"]", "x".repeat(90_000)))).await.unwrap();
    TaskTracker::new().spawn(async move {
        while let Some(Ok(message)) = other.next().await {
            if message.to_text().is_ok_and(|text| text == "2") {
                other.send(Message::text("3")).await.unwrap();
            }
        }
    });
    server.until(|| server.seen.log.lock().iter().any(|line| line.starts_with("gate"))).await;
    server
}

fn large() -> String {
    format!("42[\"m\",\"{}\"]", "x".repeat(20_000))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_memory_is_pinged_and_its_pongs_are_waited_for() {
    let server = full().await;
    let mut client = client(&server).await;
    client.send(Message::text(large())).await.unwrap();
    let mut last = Instant::now();
    for _ in 0..6 {
        assert_eq!(text(&mut client).await, "2");
        // When a stock client would give the server up.
        assert!(last.elapsed() < Duration::from_secs(45), "{:?}", last.elapsed());
        last = Instant::now();
        client.send(Message::text("3")).await.unwrap();
    }
    server.gate.add_permits(1);
    assert!(text(&mut client).await.ends_with("x\"]"));
}

#[tokio::test(start_paused = true)]
async fn a_polling_client_that_waits_for_memory_is_not_asked_for_a_pong() {
    let server = full().await;
    let sid = format!("&sid={}", sid(&request(&server, "GET", "", "").await.1));
    assert_eq!(request(&server, "POST", &sid, "40").await.0, 200);
    assert_eq!(request(&server, "GET", &sid, "").await.0, 200);
    let message = large();
    let polls = async {
        for _ in 0..6 {
            assert_eq!(request(&server, "GET", &sid, "").await, (200, "2".to_owned()));
        }
        server.gate.add_permits(1);
        assert!(request(&server, "GET", &sid, "").await.1.ends_with("x\"]"));
    };
    let (posted, ()) = tokio::join!(request(&server, "POST", &sid, &message), polls);
    assert_eq!(posted, (200, "ok".to_owned()));
    assert_eq!(request(&server, "POST", &sid, "3").await.0, 200);
}
