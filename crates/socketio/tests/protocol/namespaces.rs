//! Entering and leaving namespaces.

use crate::harness::Server;

#[tokio::test]
async fn entering_gives_an_id_then_what_was_prepared_then_what_was_sent() {
    let server = Server::start().await;
    let mut client = server.websocket("").await;
    let open = client.next().await;
    client.send("40").await;
    let connect = client.next().await;
    let value: serde_json::Value = serde_json::from_str(connect.strip_prefix("40").unwrap()).unwrap();
    assert_eq!(value["pid"], "private");
    let id = value["sid"].as_str().unwrap();
    assert_eq!(id.len(), 22);
    assert!(!open.contains(id), "the session's id stays secret");
    assert_eq!(client.next().await, "42[\"first\"]");
    assert_eq!(client.next().await, "42[\"early\",1]");
}

#[tokio::test]
async fn auth_and_recovery_reach_the_service() {
    let server = Server::start().await;
    let mut client = server.websocket("").await;
    client.next().await;
    let auth = "{\"pid\":\"p\",\"offset\":\"o\"}";
    client.join(&format!("40{auth}")).await;
    server.logged(&format!("connect {auth} Some(\"p Some(\\\"o\\\")\") true false")).await;
    client.send("40/room,{\"pid\":7}").await;
    server.logged("connect {\"pid\":7} None true false").await;
}

#[tokio::test]
async fn a_refusal_carries_data_and_nothing_else() {
    let server = Server::start().await;
    let mut client = server.websocket("").await;
    client.next().await;
    client.send("40{\"x\":\"refuse\"}").await;
    assert_eq!(client.next().await, "44{\"message\":\"no\",\"data\":[1,2]}");
    client.send("40/nowhere,").await;
    assert_eq!(client.next().await, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    client.join("40").await;
}

#[tokio::test]
async fn namespaces_share_a_connection_and_end_alone() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.join("40/room,").await;
    client.send("42/room,[\"m\",1]").await;
    assert_eq!(client.next().await, "42/room,[\"echo\",1]");
    client.send("41/room,").await;
    client.send("42[\"m\",2]").await;
    assert_eq!(client.next().await, "42[\"echo\",2]");
    server.logged("disconnect /room client namespace disconnect").await;
    client.join("40/room,").await;
    client.send("42/room,[\"kick\"]").await;
    assert_eq!(client.next().await, "41/room,");
    server.logged("disconnect /room server namespace disconnect").await;
    // Packets that crossed the server's word are ignored.
    client.send("42/room,[\"m\",3]").await;
    client.send("420[\"m\"]").await;
    assert_eq!(client.next().await, "430[]");
    client.join("40/room,").await;
}

#[tokio::test]
async fn a_socket_may_be_disconnected_while_it_enters() {
    let server = Server::start().await;
    let mut client = server.websocket("").await;
    client.next().await;
    client.send("40{\"x\":\"kick\"}").await;
    assert!(client.next().await.starts_with("40{"));
    assert_eq!(client.next().await, "42[\"first\"]");
    assert_eq!(client.next().await, "41");
    server.logged("disconnect / server namespace disconnect").await;
}

#[tokio::test]
async fn anyone_may_disconnect_or_close_a_socket() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let socket = server.seen.sockets.lock()[0].clone();
    assert!(socket.is_open());
    socket.disconnect();
    assert_eq!(client.next().await, "41");
    server.logged("disconnect / server namespace disconnect").await;
    assert!(!socket.is_open());

    let mut other = server.client().await;
    let socket = server.seen.sockets.lock()[1].clone();
    socket.emit("bye", &()).unwrap();
    socket.close(tidings_socketio::Reason::Closed("enough"));
    assert_eq!(other.next().await, "42[\"bye\"]");
    other.closed().await;
    server.logged("disconnect / enough").await;
    assert_eq!(socket.emit("late", &()).unwrap(), tidings_socketio::Sent::Closed);
}

#[tokio::test]
async fn every_namespace_hears_the_end_of_the_connection() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.join("40/room1,").await;
    client.send("1").await;
    client.closed().await;
    server.logged("disconnect / transport close").await;
    server.logged("disconnect /room1 transport close").await;
    server.empty().await;
}

#[tokio::test]
async fn packets_out_of_place_close_the_connection() {
    for packet in
        ["42[\"m\"]", "41", "42/room,[\"m\"]", "44{}", "430[]x", "40[]", "40{", "40{\"a\":1}}", "40\"a\""]
    {
        let server = Server::start().await;
        let mut client = server.websocket("").await;
        client.next().await;
        client.send(packet).await;
        client.closed().await;
        server.empty().await;
    }
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send("40").await;
    client.closed().await;
    server.logged("disconnect / parse error").await;
}
