//! One thing after the other, in bounded queues.

use std::time::Duration;

use tidings_socketio::{Encoded, Sent};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_run_in_the_order_sent() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.join("40/room,").await;
    server.gate.add_permits(1000);
    for number in 0..1000 {
        client.send("42[\"gate\"]").await;
        client.send(&format!("42{}[\"m\",{number}]", if number % 2 == 0 { "" } else { "/room," })).await;
    }
    for number in 0..1000 {
        assert!(client.next().await.ends_with(&format!("[\"echo\",{number}]")));
    }
}

#[tokio::test]
async fn a_waiting_handler_stops_nobody_but_its_own_connection() {
    let server = Server::start().await;
    let (mut stuck, mut other) = (server.client().await, server.client().await);
    stuck.send("42[\"gate\"]").await;
    stuck.send("420[\"m\"]").await;
    server.logged("gate ").await;
    let socket = server.seen.sockets.lock()[0].clone();
    socket.emit("news", &("while waiting",)).unwrap();
    assert_eq!(stuck.next().await, "42[\"news\",\"while waiting\"]");
    other.send("420[\"m\"]").await;
    assert_eq!(other.next().await, "430[]");
    server.gate.add_permits(1);
    assert_eq!(stuck.next().await, "430[]");
}

#[tokio::test]
async fn what_overlaps_is_begun_in_order_and_the_rest_waits_for_all_of_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for number in 0..10 {
        client.send(&format!("42{number}[\"slow\",{number}]")).await;
    }
    client.send("4210[\"m\",10]").await;
    client.send("4211[\"slow\",11]").await;
    server.logged("slow 9").await;
    let begun = || -> Vec<String> {
        let log = server.seen.log.lock();
        log.iter().filter(|line| line.starts_with("slow") || line.starts_with("m ")).cloned().collect()
    };
    let first_ten: Vec<String> = (0..10).map(|number| format!("slow {number}")).collect();
    assert_eq!(begun(), first_ten, "all at once, in order, and nothing else");
    server.gate.add_permits(9);
    for _ in 0..9 {
        assert!(client.next().await.starts_with("43"));
    }
    assert_eq!(begun(), first_ten, "one of them is still going on");
    server.gate.add_permits(2);
    let mut last = Vec::new();
    for _ in 0..3 {
        last.push(client.next().await);
    }
    assert_eq!(last[1..], ["4310[10]", "4311[11]"]);
}

#[tokio::test]
async fn no_more_than_the_limit_overlap() {
    let server = Server::with(|config| config.engine.max_overlapping = 2).await;
    let mut client = server.client().await;
    for number in 0..4 {
        client.send(&format!("42{number}[\"slow\",{number}]")).await;
    }
    server.logged("slow 1").await;
    let begun = || server.seen.log.lock().iter().filter(|line| line.starts_with("slow")).count();
    // The connection's task has gone on since, and begun what it could: it answers another's poll for what it says.
    let socket = server.seen.sockets.lock()[0].clone();
    socket.emit("news", &()).unwrap();
    assert_eq!(client.next().await, "42[\"news\"]");
    assert_eq!(begun(), 2);
    for left in [3, 4, 4, 4] {
        server.gate.add_permits(1);
        assert!(client.next().await.starts_with("43"));
        server.logged(&format!("slow {}", left - 1)).await;
        assert_eq!(begun(), left);
    }
}

#[tokio::test]
async fn what_was_begun_is_answered_before_the_server_closes() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    for number in 0..3 {
        client.send(&format!("42{number}[\"slow\",{number}]")).await;
    }
    client.send("423[\"m\",\"not begun\"]").await;
    server.logged("slow 2").await;
    server.io.shutdown(1, Duration::ZERO).await;
    assert_eq!(socket.emit("news", &()).unwrap(), Sent::Closed, "nothing but answers passes");
    server.gate.add_permits(3);
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(client.next().await);
    }
    answers.sort();
    assert_eq!(answers, ["430[0]", "431[1]", "432[2]"]);
    assert_eq!(client.closing().await, Some((1000, String::new())));
    server.logged("disconnect / server shutting down").await;
    assert!(!server.seen.log.lock().iter().any(|line| line.contains("not begun")));
}

#[tokio::test]
async fn a_polling_client_fetches_all_its_answers_and_the_close_at_once() {
    let server = Server::start().await;
    let sid = server.enter().await;
    server.post(&sid, "420[\"slow\",0]\u{1e}421[\"slow\",1]").await;
    server.logged("slow 1").await;
    let poll = server.get(&sid);
    let ending = async {
        server.io.shutdown(1, Duration::ZERO).await;
        server.gate.add_permits(1);
        server.logged("done 0").await;
        server.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(poll, ending);
    assert_eq!(answer, (200, "430[0]\u{1e}431[1]\u{1e}1".to_owned()));
    server.empty().await;
}

#[tokio::test]
async fn what_was_begun_is_answered_before_a_client_at_fault_is_closed() {
    let large = format!("42[\"m\",\"{}\"]", "x".repeat(2_000));
    for (fault, closing) in
        [("garbage", (1002, String::new())), (large.as_str(), (1009, "message too large".to_owned()))]
    {
        let server = Server::with(|config| {
            config.engine.max_payload = 1_000;
        })
        .await;
        let mut client = server.client().await;
        client.send("420[\"slow\",0]").await;
        server.logged("slow 0").await;
        client.send(fault).await;
        let socket = server.seen.sockets.lock()[0].clone();
        server.until(|| !socket.is_open()).await;
        server.gate.add_permits(1);
        assert_eq!(client.next().await, "430[0]", "{closing:?}");
        assert_eq!(client.closing().await, Some(closing));
        server.empty().await;
    }
}

/// The answer to the faulty request waits, because a client that is refused gives its poll up.
#[tokio::test]
async fn what_was_begun_is_answered_before_a_faulty_request_is_refused() {
    let server = Server::start().await;
    let sid = server.enter().await;
    server.post(&sid, "420[\"slow\",0]").await;
    server.logged("slow 0").await;
    let socket = server.seen.sockets.lock()[0].clone();
    let fault = async {
        let ended = async {
            server.until(|| !socket.is_open()).await;
            server.gate.add_permits(1);
        };
        tokio::join!(server.post(&sid, "garbage"), ended).0
    };
    let (answer, refused) = tokio::join!(server.get(&sid), fault);
    assert_eq!(answer, (200, "430[0]\u{1e}1".to_owned()));
    assert_eq!(refused.0, 400);
    server.empty().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_holds_the_close_up_for_a_limited_time() {
    for give_up in [false, true] {
        let server = Server::with(|config| {
            config.engine.finish_timeout =
                if give_up { Duration::from_hours(1) } else { Duration::from_millis(50) };
        })
        .await;
        let mut client = server.client().await;
        client.send("420[\"slow\",0]").await;
        server.logged("slow 0").await;
        server.io.shutdown(1, Duration::ZERO).await;
        if give_up {
            // Its handler ends, and has dropped the ack.
            server.gate.close();
        }
        assert_eq!(client.closing().await, Some((1000, String::new())));
        server.gate.add_permits(1);
        server.empty().await;
    }
}

#[tokio::test]
async fn what_overlaps_is_finished_when_the_client_leaves() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    client.send("420[\"slow\",0]").await;
    server.logged("slow 0").await;
    drop(client);
    // The server has seen that the client is gone.
    server.until(|| socket.emit("news", &()).unwrap() == Sent::Closed).await;
    server.gate.add_permits(1);
    server.logged("disconnect / transport close").await;
    let log = server.seen.log.lock();
    let at = |line: &str| log.iter().position(|logged| logged.starts_with(line));
    assert!(at("done 0") < at("disconnect") && at("done 0").is_some(), "{log:?}");
}

#[tokio::test]
async fn a_full_inbox_stops_the_reading() {
    let server = Server::with(|config| {
        config.engine.inbox_messages = 4;
        config.engine.inbox_bytes = 100_000;
        // It is the inbox alone that stops it.
        config.engine.burst_refill = Duration::ZERO;
    })
    .await;
    let mut client = server.client().await;
    client.send("42[\"gate\"]").await;
    let large = Message::text(format!("42[\"m\",\"{}\"]", "x".repeat(60_000)));
    let mut sent = 0;
    // The kernel's buffers fill up once nobody reads.
    while let Ok(done) = tokio::time::timeout(
        Duration::from_millis(200),
        futures_util::SinkExt::send(&mut client.socket, large.clone()),
    )
    .await
    {
        done.unwrap();
        sent += 1;
        assert!(sent < 1000, "60 MB were taken in");
    }
    server.gate.add_permits(1);
    for _ in 0..sent {
        assert!(client.next().await.starts_with("42[\"echo\""));
    }
}

#[tokio::test]
async fn what_was_sent_before_the_client_left_is_handled() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"gate\"]").await;
    client.send("42[\"m\",\"last words\"]").await;
    server.logged("gate ").await;
    client.send("1").await;
    drop(client);
    server.gate.add_permits(1);
    server.logged("disconnect / transport close").await;
    let log = server.seen.log.lock().clone();
    let tail: Vec<&str> = log.iter().skip(1).map(String::as_str).collect();
    assert_eq!(tail, ["gate ", "m \"last words\"", "disconnect / transport close"]);
}

#[tokio::test]
async fn what_was_sent_before_the_server_closed_is_not_handled() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"close\"]").await;
    client.send("42[\"m\"]").await;
    client.closed().await;
    server.logged("disconnect / told").await;
    assert!(!server.seen.log.lock().iter().any(|line| line == "m "));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_nobody_waits_for_it() {
    let server = Server::with(|config| config.engine.close_timeout = Duration::from_millis(100)).await;
    let mut reader = server.client().await;
    let _sleeper = server.client().await;
    let sockets = server.seen.sockets.lock().clone();
    let large = Encoded::event("/", "large", &("x".repeat(100_000),)).unwrap();
    let mut sent = 0;
    while sockets[1].send(&large) == Sent::Queued {
        sent += 1;
        assert!(sent < 1000, "100 MB were queued");
        assert_eq!(sockets[0].send(&large), Sent::Queued);
        assert!(reader.next().await.starts_with("42[\"large\""));
    }
    server.logged("disconnect / slow").await;
    server.until(|| server.io.connections() == 1).await;
    reader.send("420[\"m\"]").await;
    assert_eq!(reader.next().await, "430[]");
}

#[tokio::test]
async fn ephemeral_frames_give_way() {
    let server = Server::with(|config| config.engine.outbox_frames = 3).await;
    let mut client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    let frame = |number: u32| Encoded::event("/", "e", &(number,)).unwrap();
    // Nothing is written in between: this test and the connection share one thread.
    let sent = [
        socket.send(&frame(1).ephemeral()),
        socket.send(&frame(2)),
        socket.send(&frame(3).ephemeral()),
        socket.send(&frame(4)),
        socket.send(&frame(5)),
        socket.send(&frame(6).ephemeral()),
    ];
    assert_eq!(sent, [Sent::Queued, Sent::Queued, Sent::Queued, Sent::Queued, Sent::Queued, Sent::Dropped]);
    for number in [2, 4, 5] {
        assert_eq!(client.next().await, format!("42[\"e\",{number}]"));
    }
}

#[tokio::test]
async fn a_burst_is_delivered_whole() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    for number in 0..3000 {
        assert_eq!(socket.emit("b", &(number,)).unwrap(), Sent::Queued);
    }
    for number in 0..3000 {
        assert_eq!(client.next().await, format!("42[\"b\",{number}]"));
    }
}

#[tokio::test]
async fn a_polling_client_that_fetches_nothing_is_closed() {
    let server = Server::with(|config| config.engine.outbox_frames = 10).await;
    let sid = server.enter().await;
    let socket = server.seen.sockets.lock()[0].clone();
    for _ in 0..10 {
        assert_eq!(socket.emit("b", &()).unwrap(), Sent::Queued);
    }
    assert_eq!(socket.emit("b", &()).unwrap(), Sent::Closed);
    assert_eq!(within(server.get(&sid)).await, (200, "1".to_owned()));
    server.logged("disconnect / slow").await;
    server.empty().await;
}
