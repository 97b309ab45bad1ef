//! What was acked is there after a crash, once; and an ack is written after the disk has it.

#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

mod flush;
mod full;
mod kill;
mod postgres;

use anyhow::{Context, ensure};
use serde_json::json;
use tidings_tests::{Rest, Server, Users};

/// How often is killed: `usual`, unless `cargo xtask kill --cycles N` sets another number.
fn kills(usual: usize) -> anyhow::Result<usize> {
    #[expect(clippy::disallowed_methods, reason = "how cargo xtask reaches into a test")]
    match std::env::var("TIDINGS_KILL_CYCLES") {
        Ok(cycles) => cycles.parse().context("TIDINGS_KILL_CYCLES is not a number"),
        Err(_) => Ok(usual),
    }
}

fn open(server: &Server, users: &Users, campaign: &str) -> anyhow::Result<String> {
    let asked = json!({ "campaignId": campaign, "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let opened = Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?;
    ensure!(opened.status == 201, "{opened:?}");
    Ok(opened.json()?["id"].as_str().context("a thread without an id")?.to_owned())
}
