//! Floods of requests.

use crate::beside::Beside;
use crate::flood::Script;

/// What counts the limits that these floods meet.
const STRANGERS: &str = "tidings_rate_limited_total{budget=\"strangers\"}";
const DELAYED: &str = "tidings_answers_delayed_total";
const WAITS: &str = "tidings_budget_waits_total{budget=\"handshakes\"}";
const PAUSED: &str = "tidings_sockets_paused_total";

/// Everything on one connection, one request behind the other.
fn requests(head: &str) -> Script {
    let then = format!("{head} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes();
    Script { opening: Vec::new(), once: Vec::new(), then }
}

#[test]
fn of_paths_that_do_not_exist() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(200, requests("GET /nope"), STRANGERS)
}

#[test]
fn of_a_dialects_paths_that_do_not_exist() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(200, requests("GET /messaging/nope"), STRANGERS)
}

#[test]
fn of_polls_of_a_session_that_does_not_exist() -> anyhow::Result<()> {
    let poll = requests("GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA");
    Beside::new()?.a_flood_of(200, poll, STRANGERS)
}

#[test]
fn whether_the_server_is_ready() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(200, requests("GET /readyz"), DELAYED)
}

#[test]
fn without_a_valid_token() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(200, requests("GET /messaging/threads"), STRANGERS)
}

#[test]
fn from_pages_that_ask_what_they_may() -> anyhow::Result<()> {
    let head =
        "OPTIONS /messaging/threads HTTP/1.1\r\naccess-control-request-method: POST\r\norigin: https://x";
    let then = format!("{head}\r\nhost: x\r\n\r\n").into_bytes();
    Beside::new()?.a_flood_of(200, Script { opening: Vec::new(), once: Vec::new(), then }, DELAYED)
}

#[test]
fn of_sockets_that_are_never_used() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(200, requests("GET /socket.io/?EIO=4&transport=polling"), WAITS)
}

#[test]
fn of_a_polling_user_whose_packets_mean_nothing() -> anyhow::Result<()> {
    let beside = Beside::new()?;
    let poll = "/socket.io/?EIO=4&transport=polling";
    let post = |body: &str| {
        format!("POST {poll}&sid={{sid}} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let opening = vec![
        format!("GET {poll} HTTP/1.1\r\nhost: x\r\n\r\n"),
        post(&format!("40/messaging,{{\"token\":\"{}\"}}", beside.users.carol.token)),
    ];
    beside.a_flood_of(100, Script { opening, once: Vec::new(), then: post("6").into_bytes() }, PAUSED)
}
