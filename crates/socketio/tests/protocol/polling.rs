//! HTTP long-polling.

use tokio::io::AsyncReadExt as _;

use crate::harness::{Server, within};

fn ok() -> (u16, String) {
    (200, "ok".to_owned())
}

#[tokio::test]
async fn payloads_carry_several_packets_both_ways() {
    let server = Server::start().await;
    let sid = server.enter().await;
    assert_eq!(server.post(&sid, "42[\"a\",1]\u{1e}42[\"b\",\"ü\"]\u{1e}427[\"c\"]").await, ok());
    server.logged("c ").await;
    let mut received = server.get(&sid).await.1;
    while !received.ends_with("437[]") {
        received = format!("{received}\u{1e}{}", server.get(&sid).await.1);
    }
    assert_eq!(received, "42[\"echo\",1]\u{1e}42[\"echo\",\"ü\"]\u{1e}437[]");
}

#[tokio::test]
async fn bytes_travel_as_base64() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let packet = "451-[\"m\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==";
    assert_eq!(server.post(&sid, packet).await, ok());
    let expected = "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==";
    assert_eq!(server.get(&sid).await, (200, expected.to_owned()));
}

#[tokio::test]
async fn a_poll_waits_for_something_to_send() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let (poll, post) = tokio::join!(server.get(&sid), server.post(&sid, "42[\"m\"]"));
    assert_eq!((poll, post), ((200, "42[\"echo\"]".to_owned()), ok()));
}

#[tokio::test]
async fn the_client_closes_and_its_poll_is_let_go() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let mut poll = server.begin("GET", &format!("EIO=4&transport=polling&sid={sid}"), "", "").await;
    assert_eq!(server.post(&sid, "1").await, ok());
    let mut answer = String::new();
    within(poll.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n6"), "{answer}");
    assert_eq!(server.get(&sid).await.0, 400);
    server.logged("disconnect / transport close").await;
    server.empty().await;
}

#[tokio::test]
async fn the_server_closes_and_the_last_packets_can_be_fetched() {
    let server = Server::start().await;
    let sid = server.enter().await;
    server.post(&sid, "42[\"m\"]\u{1e}42[\"close\"]").await;
    server.logged("disconnect / told").await;
    assert_eq!(server.get(&sid).await, (200, "42[\"echo\"]\u{1e}1".to_owned()));
    assert_eq!(server.get(&sid).await.0, 400);
    server.empty().await;
}

#[tokio::test]
async fn two_polls_at_once_close_the_session() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let (one, two) = tokio::join!(server.request("GET", &query, "", ""), server.get(&sid));
    let mut answers = [one, two];
    answers.sort();
    assert_eq!((answers[0].0, answers[0].1.as_str()), (200, "1"));
    assert_eq!(answers[1].0, 400);
    assert_eq!(server.get(&sid).await.0, 400);
    server.logged("disconnect / transport error").await;
}

#[tokio::test]
async fn two_posts_at_once_close_the_session() {
    let server = Server::with(|config| config.engine.inbox_messages = 1).await;
    let sid = server.enter().await;
    // The first waits because there is no room for all of its packets.
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let _first = server.begin("POST", &query, "", "42[\"gate\"]\u{1e}42[\"a\"]\u{1e}42[\"b\"]").await;
    server.logged("gate ").await;
    assert_eq!(server.post(&sid, "42[\"c\"]").await.0, 400);
    server.gate.add_permits(1);
    server.logged("disconnect / transport error").await;
}

#[tokio::test]
async fn a_cancelled_poll_closes_the_session() {
    let server = Server::start().await;
    let sid = server.enter().await;
    drop(server.begin("GET", &format!("EIO=4&transport=polling&sid={sid}"), "", "").await);
    server.logged("disconnect / transport error").await;
    assert_eq!(server.get(&sid).await.0, 400);
    server.empty().await;
}

#[tokio::test]
async fn a_post_that_is_no_payload_closes_the_session() {
    for body in ["abc", "4hello", "42[\"m\"]\u{1e}", "b****", "0{}", "5", "2probe", "\u{1e}"] {
        let server = Server::start().await;
        let sid = server.enter().await;
        assert_eq!(server.post(&sid, body).await.0, 400, "{body}");
        assert_eq!(server.get(&sid).await.0, 400, "{body}");
        server.logged("disconnect / parse error").await;
        server.empty().await;
    }
}

#[tokio::test]
async fn octet_streams_are_refused_and_leave_nothing_behind() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let kind = "content-type: application/octet-stream\r\n";
    let query = format!("EIO=4&transport=polling&sid={sid}");
    assert_eq!(server.request("POST", &query, kind, "4").await.0, 400);
    server.empty().await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let server = Server::start().await;
    let sid = server.enter().await;
    for method in ["PUT", "DELETE", "PATCH"] {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        assert_eq!(server.request(method, &query, "", "").await.0, 400, "{method}");
    }
    assert_eq!(server.post(&sid, "420[\"m\"]").await, ok(), "the session is unharmed");
    assert_eq!(server.get(&sid).await.1, "430[]");
}
