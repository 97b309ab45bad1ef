//! Events, acks and attachments.

use crate::harness::Server;

#[tokio::test]
async fn arguments_come_as_they_were_sent() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for args in ["", ",1", ",1,\"2\",{\"3\":[true]}", ",null,[ 1 , 2 ],1e400", ",\"\\ud800\",\"\\u0000\""] {
        client.send(&format!("42[\"m\"{args}]")).await;
        assert_eq!(client.next().await, format!("42[\"echo\"{args}]"));
        client.send(&format!("4217[\"m\"{args}]")).await;
        assert_eq!(client.next().await, format!("4317[{}]", args.trim_start_matches(',')));
    }
}

#[tokio::test]
async fn odd_names_are_only_names() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (name, seen) in [
        ("\"\\u0061\\n\"", "a\n "),
        ("\"\\ud800\"", "\"\\ud800\" "),
        ("7", "7 "),
        ("\"__proto__\"", "__proto__ "),
        ("\"\"", " "),
    ] {
        client.send(&format!("420[{name}]")).await;
        assert_eq!(client.next().await, "430[]", "{name}");
        server.logged(seen).await;
    }
}

#[tokio::test]
async fn a_string_that_is_no_text_fails_where_it_is_read() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"text\",\"\\ud800\"]").await;
    assert!(client.next().await.contains("escape"), "an error of the decoder");
    client.send("42[\"text\"]").await;
    assert_eq!(client.next().await, "42[\"text\",\"argument 0 is missing\"]");
    client.send("42[\"text\",\"a\\u0000b\"]").await;
    assert_eq!(client.next().await, "42[\"text\",\"a\\u0000b\"]");
}

#[tokio::test]
async fn the_server_may_ask_inside_a_handler() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"ask\"]").await;
    assert_eq!(client.next().await, "420[\"question\",1]");
    client.send("42[\"m\"]").await;
    client.send("430[\"yes\",2]").await;
    assert_eq!(client.next().await, "42[\"answered\",\"\\\"yes\\\",2\"]");
    assert_eq!(client.next().await, "42[\"echo\"]", "what came meanwhile had to wait");
    // An answer to nothing is ignored.
    client.send("430[]").await;
    client.send("4399[]").await;
    client.send("42[\"ask\",20]").await;
    assert_eq!(client.next().await, "421[\"question\",1]");
    assert_eq!(client.next().await, "42[\"answered\",\"the client did not answer in time\"]");
}

#[tokio::test]
async fn a_question_ends_with_its_socket() {
    let server = Server::start().await;
    let _client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    let asked = socket.emit_with_ack("question", &()).unwrap();
    socket.disconnect();
    let answer = asked.within(std::time::Duration::from_secs(5)).await;
    assert!(matches!(answer, Err(tidings_socketio::AckError::Gone)), "{answer:?}");
}

#[tokio::test]
async fn a_handler_that_waits_for_an_answer_hears_that_the_client_is_gone() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"ask\",600000]").await;
    assert_eq!(client.next().await, "420[\"question\",1]");
    drop(client);
    server.logged("disconnect / transport close").await;
    server.empty().await;
}

#[tokio::test]
async fn attachments_go_both_ways() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let args = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    client.send(&format!("452-[\"m\",{args}]")).await;
    client.send_bytes(&[1, 2, 3]).await;
    client.send_bytes(&[]).await;
    assert_eq!(client.next().await, format!("452-[\"echo\",{args}]"));
    assert_eq!(client.next_bytes().await, [1, 2, 3]);
    assert_eq!(client.next_bytes().await, [0_u8; 0]);
    client.send(&format!("452-7[\"m\",{args}]")).await;
    client.send_bytes(&[1]).await;
    client.send_bytes(&[2]).await;
    assert_eq!(client.next().await, format!("462-7[{args}]"));
    assert_eq!((client.next_bytes().await, client.next_bytes().await), (vec![1], vec![2]));
}

#[tokio::test]
async fn answers_may_carry_attachments() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("42[\"ask\"]").await;
    assert_eq!(client.next().await, "420[\"question\",1]");
    client.send("461-0[{\"_placeholder\":true,\"num\":0}]").await;
    client.send_bytes(&[9]).await;
    assert!(client.next().await.starts_with("42[\"answered\",\"{"));
}

#[tokio::test]
async fn a_packet_that_announces_no_attachments_is_a_plain_one() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("450-[\"m\",1]").await;
    assert_eq!(client.next().await, "42[\"echo\",1]");
}

#[tokio::test]
async fn malformed_packets_close_the_connection() {
    for packet in [
        "4",
        "4abc",
        "47",
        "42",
        "42{}",
        "42[]",
        "42[1",
        "42[null]",
        "42[{}]",
        "42[\"m\"]]",
        "42[\"m\",]",
        "42[\"m\" 1]",
        "42abc[\"m\"]",
        "4299999999999999999999[\"m\"]",
        "43[]",
        "430",
        "430{}",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42[\"connec\\u0074\"]",
        "45[\"m\"]",
        "45-[\"m\"]",
        "45x-[\"m\"]",
        "451[\"m\"]",
        "42[\"\n\"]",
        "42/room",
        "41{}",
    ] {
        let server = Server::start().await;
        let mut client = server.client().await;
        client.send(packet).await;
        client.closed().await;
        server.logged("disconnect / parse error").await;
    }
}

#[tokio::test]
async fn bytes_out_of_place_close_the_connection() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send_bytes(&[1]).await;
    client.closed().await;
    let mut client = server.client().await;
    client.send("451-[\"m\"]").await;
    client.send("42[\"m\"]").await;
    client.closed().await;
}
