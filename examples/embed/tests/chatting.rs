//! The real example, driven by stock clients.

use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Rest, Server, Socket, Transports, User, scenario_of};

fn start() -> anyhow::Result<Server> {
    let mut example = Command::new(env!("CARGO_BIN_EXE_tidings-example-embed"));
    example.env("PORT", "0");
    Server::listening(example)
}

/// Logs in at the service, as its own frontend does.
fn login(server: &Server, id: &'static str, role: &'static str) -> anyhow::Result<User> {
    let answer = Rest::anonymous(server.address()).post(&format!("/login/{id}/{role}"), &Value::Null)?;
    ensure!(answer.status == 200, "no login: {answer:?}");
    Ok(User { id, role, name: id, token: answer.text })
}

#[test]
fn stock_clients_talk_through_a_service_that_embeds_tidings() -> anyhow::Result<()> {
    for transports in [Transports::Default, Transports::Polling, Transports::WebSocket] {
        chat(transports)?;
    }
    Ok(())
}

fn chat(transports: Transports) -> anyhow::Result<()> {
    let server = start()?;
    let mut users = serde_json::Map::new();
    for (id, role) in [("ada", "ADVERTISER"), ("ben", "PROMOTER"), ("eve", "PROMOTER")] {
        let User { id, role, name, token } = login(&server, id, role)?;
        users.insert(id.to_owned(), json!({ "id": id, "role": role, "name": name, "token": token }));
    }
    scenario_of("embedded", &server, &Value::from(users), transports)?;
    ensure!(server.stop(DEADLINE)?.success());
    Ok(())
}

#[test]
fn stopping_closes_the_sockets_that_are_there() -> anyhow::Result<()> {
    let server = start()?;
    let mut socket = Socket::connect(server.address(), &login(&server, "ada", "ADVERTISER")?)?;
    ensure!(server.stop(DEADLINE)?.success(), "it ends well although somebody is connected");
    let end = socket.until(|_| false).expect_err("nothing more is heard");
    ensure!(format!("{end:#}").contains("closed"), "told, not dropped: {end:#}");
    Ok(())
}

#[test]
fn the_example_is_as_short_as_it_is_said_to_be() {
    assert!(include_str!("../src/main.rs").lines().count() <= 60);
}
