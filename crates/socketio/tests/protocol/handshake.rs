//! Opening sessions, and being refused.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use tokio::io::AsyncReadExt as _;

use crate::harness::{Server, sid, within};

/// What asks for a WebSocket, besides the host.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn polling_opens_a_session_that_may_upgrade() {
    let server = Server::start().await;
    let (status, body) = server.request("GET", "EIO=4&transport=polling", "", "").await;
    assert_eq!(status, 200);
    let open: serde_json::Value = serde_json::from_str(body.strip_prefix('0').unwrap()).unwrap();
    let expected = json!({
        "sid": open["sid"], "upgrades": ["websocket"],
        "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1_000_000,
    });
    assert_eq!(open, expected);
}

#[tokio::test]
async fn websocket_opens_a_session_at_once() {
    let server = Server::start().await;
    let open = server.websocket("").await.next().await;
    assert!(open.starts_with("0{"));
    assert!(open.contains("\"upgrades\":[],"));
}

#[tokio::test]
async fn the_first_subprotocol_that_is_offered_is_answered() {
    let server = Server::start().await;
    let sid = server.enter().await;
    let offers = [
        ("", None),
        ("sec-websocket-protocol: x\r\n", Some("x")),
        ("sec-websocket-protocol: chat.v2, x\r\n", Some("chat.v2")),
        ("sec-websocket-protocol: b\t ,a\r\nsec-websocket-protocol: c\r\n", Some("b")),
    ];
    for (offer, chosen) in offers {
        // For a new session, and for one that moves.
        for query in ["", &format!("&sid={sid}")] {
            let query = format!("EIO=4&transport=websocket{query}");
            let mut stream = server.begin("GET", &query, &format!("{UPGRADE}{offer}"), "").await;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(within(stream.read_u8()).await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            let answered = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
            assert_eq!(answered, chosen, "{head}");
        }
    }
    let many = (0..10_000).map(|number| format!("p{number}")).collect::<Vec<_>>().join(",");
    for wrong in ["", ",", "x,", ",x", "x y", "x,x", "(x)", "x;", "\"x\"", "x,\u{e9}", &format!("{many},p0")]
    {
        let offer = format!("{UPGRADE}sec-websocket-protocol: {wrong}\r\n");
        let (status, _) = server.request("GET", "EIO=4&transport=websocket", &offer, "").await;
        assert_eq!(status, 400, "{wrong:.40}");
    }
}

#[tokio::test]
async fn ids_are_long_and_never_the_same() {
    let server = Server::start().await;
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let sid = server.open().await;
        assert_eq!(sid.len(), 22, "128 bits");
        assert!(ids.insert(sid));
    }
}

#[tokio::test]
async fn refusals_name_their_cause() {
    let server = Server::start().await;
    let refused = [
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
        ("GET", "EIO=3&transport=websocket", 5),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=webtransport", 0),
        ("GET", "EIO=4&transport=polling&sid=__proto__", 1),
        ("GET", "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA", 1),
        ("GET", "EIO=4&transport=polling&sid=%F0%9F%92%A9", 1),
        ("GET", "EIO=4&transport=polling&sid=", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=websocket", 3),
    ];
    for (method, query, code) in refused {
        let (status, body) = server.request(method, query, "", "").await;
        let error: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &error["code"]), (400, &json!(code)), "{method} {query}");
        assert!(error["message"].is_string());
    }
    assert_eq!(server.io.connections(), 0, "nothing was kept");
}

#[tokio::test]
async fn polling_can_be_switched_off() {
    let server = Server::with(|config| config.engine.polling = false).await;
    let (status, body) = server.request("GET", "EIO=4&transport=polling", "", "").await;
    assert_eq!((status, body.contains("\"code\":0")), (400, true));
    server.client().await;
}

#[tokio::test]
async fn only_its_own_path_is_served() {
    let server = Server::with(|config| config.engine.path = "/other/".to_owned()).await;
    assert_eq!(server.request("GET", "EIO=4&transport=polling", "", "").await.0, 404);
    assert!(server.io.serves("/other/") && server.io.serves("/other"));
    assert!(!server.io.serves("/other/more"));
}

#[tokio::test]
async fn foreign_pages_are_kept_out_and_own_ones_get_cors_headers() {
    let server = Server::start().await;
    let foreign = "origin: https://evil.example\r\n";
    let (status, body) = server.request("GET", "EIO=4&transport=polling", foreign, "").await;
    assert_eq!((status, body.contains("\"code\":4")), (403, true));
    let upgrade = format!(
        "{foreign}upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    assert_eq!(server.request("GET", "EIO=4&transport=websocket", &upgrade, "").await.0, 403);

    let own = "origin: https://app.example\r\n";
    let (head, body) = server.request_whole("GET", "EIO=4&transport=polling", own, "").await;
    assert!(head.contains("access-control-allow-origin: https://app.example"), "{head}");
    sid(&body);
    let preflight = format!("{own}access-control-request-headers: x-token\r\n");
    let (head, _) = server.request_whole("OPTIONS", "EIO=4&transport=polling", &preflight, "").await;
    assert!(
        head.starts_with("HTTP/1.1 204") && head.contains("access-control-allow-headers: x-token"),
        "{head}"
    );
}

#[tokio::test]
async fn the_service_sees_the_handshake() {
    let server = Server::start().await;
    let (_, body) = server.request("GET", "EIO=4&transport=polling", "user-agent: tester\r\n", "").await;
    server.post(&sid(&body), "40{\"token\":\"t\"}").await;
    server.logged("connect {\"token\":\"t\"} None true true").await;
}

#[tokio::test]
async fn a_handshake_is_bounded() {
    let server = Server::start().await;
    let cookie = format!("cookie: {}\r\n", "c".repeat(10_000));
    assert_eq!(server.request("GET", "EIO=4&transport=polling", &cookie, "").await.0, 400);
    assert_eq!(server.io.connections(), 0);
}

#[tokio::test]
async fn a_full_server_says_so_and_recovers() {
    let server = Server::with(|config| config.engine.max_sessions = 2).await;
    let (sid, client) = (server.open().await, server.client().await);
    assert_eq!(server.request("GET", "EIO=4&transport=polling", "", "").await.0, 503);
    drop(client);
    server.until(|| server.io.connections() == 1).await;
    server.open().await;
    assert_eq!(server.post(&sid, "1").await.0, 200);
}

#[tokio::test]
async fn a_shutdown_closes_everybody_and_refuses_newcomers() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(server.client().await);
    }
    server.io.shutdown(2, Duration::from_millis(1)).await;
    assert_eq!(server.request("GET", "EIO=4&transport=polling", "", "").await.0, 503);
    for client in &mut clients {
        client.closed().await;
    }
    server.tasks.close();
    within(server.tasks.wait()).await;
    server.logged("disconnect / server shutting down").await;
    assert_eq!(server.io.connections(), 0);
}
