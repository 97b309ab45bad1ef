//! Floods of packets.

use crate::beside::Beside;
use crate::flood::{PING, Script, TEXT, frame, websocket};

/// What counts the limits that these floods meet.
const FLOODED: &str = "tidings_sockets_flooded_total";
const PAUSED: &str = "tidings_sockets_paused_total";
const EVENTS: &str = "tidings_rate_limited_total{budget=\"events\"}";

fn sockets(once: Vec<u8>, then: Vec<u8>) -> Script {
    Script { opening: vec![websocket()], once, then }
}

fn enters(token: &str) -> Vec<u8> {
    frame(TEXT, &format!("40/messaging,{{\"token\":\"{token}\"}}"))
}

#[test]
fn strangers_whose_sockets_ping() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(300, sockets(Vec::new(), frame(PING, "")), FLOODED)
}

#[test]
fn strangers_whose_sockets_send_packets_that_mean_nothing() -> anyhow::Result<()> {
    Beside::new()?.a_flood_of(300, sockets(Vec::new(), frame(TEXT, "6")), FLOODED)
}

#[test]
fn a_user_whose_many_sockets_send_unknown_events() -> anyhow::Result<()> {
    let beside = Beside::new()?;
    let once = enters(&beside.users.carol.token);
    beside.a_flood_of(300, sockets(once, frame(TEXT, "42/messaging,[\"nope\",{}]")), EVENTS)
}

#[test]
fn a_user_whose_sockets_ping() -> anyhow::Result<()> {
    let beside = Beside::new()?;
    let once = enters(&beside.users.carol.token);
    beside.a_flood_of(300, sockets(once, frame(PING, "")), PAUSED)
}

#[test]
fn a_user_whose_socket_enters_and_leaves() -> anyhow::Result<()> {
    let beside = Beside::new()?;
    let mut then = enters(&beside.users.carol.token);
    then.extend(frame(TEXT, "41/messaging,"));
    beside.a_flood_of(10, sockets(Vec::new(), then), FLOODED)
}
