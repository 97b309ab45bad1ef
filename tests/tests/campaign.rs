//! The campaign dialect as stock clients see it: the scenarios under `tests/node`, each on a server of its own.

use tidings_tests::{Data, Server, Store, Transports, Users, scenario, script};

fn on(store: Store, name: &str, transports: &[Transports]) -> anyhow::Result<()> {
    let users = Users::mint()?;
    for transports in transports {
        let data = Data::new(store)?;
        let server = Server::start(&data)?;
        scenario(name, &server, &users, *transports)?;
    }
    Ok(())
}

const EVERY: &[Transports] = &[Transports::Default, Transports::Polling, Transports::WebSocket];
const DEFAULT: &[Transports] = &[Transports::Default];

#[test]
fn connecting() -> anyhow::Result<()> {
    on(Store::Sqlite, "connecting", EVERY)
}

#[test]
fn delivery() -> anyhow::Result<()> {
    on(Store::Sqlite, "delivery", EVERY)
}

#[test]
fn delivery_from_memory() -> anyhow::Result<()> {
    on(Store::Memory, "delivery", DEFAULT)
}

#[test]
fn delivery_from_postgres() -> anyhow::Result<()> {
    on(Store::Postgres, "delivery", EVERY)
}

#[test]
fn idempotency() -> anyhow::Result<()> {
    on(Store::Sqlite, "idempotency", DEFAULT)?;
    on(Store::Memory, "idempotency", DEFAULT)?;
    on(Store::Postgres, "idempotency", DEFAULT)
}

#[test]
fn read_marks() -> anyhow::Result<()> {
    on(Store::Sqlite, "read_marks", DEFAULT)?;
    on(Store::Memory, "read_marks", DEFAULT)?;
    on(Store::Postgres, "read_marks", DEFAULT)
}

#[test]
fn typing() -> anyhow::Result<()> {
    on(Store::Sqlite, "typing", DEFAULT)
}

#[test]
fn typing_over_polling() -> anyhow::Result<()> {
    on(Store::Sqlite, "typing", &[Transports::Polling])
}

#[test]
fn several_devices() -> anyhow::Result<()> {
    on(Store::Sqlite, "devices", EVERY)
}

#[test]
fn upgrade_under_traffic() -> anyhow::Result<()> {
    on(Store::Sqlite, "upgrade", DEFAULT)
}

#[test]
fn authentication() -> anyhow::Result<()> {
    on(Store::Sqlite, "auth", EVERY)
}

#[test]
fn routes() -> anyhow::Result<()> {
    on(Store::Sqlite, "routes", DEFAULT)?;
    on(Store::Memory, "routes", DEFAULT)?;
    on(Store::Postgres, "routes", DEFAULT)
}

#[test]
fn outsiders() -> anyhow::Result<()> {
    on(Store::Sqlite, "outsiders", DEFAULT)
}

#[test]
fn who_may_do_what() -> anyhow::Result<()> {
    on(Store::Sqlite, "matrix", DEFAULT)?;
    on(Store::Memory, "matrix", DEFAULT)?;
    on(Store::Postgres, "matrix", DEFAULT)
}

#[test]
fn names() -> anyhow::Result<()> {
    on(Store::Sqlite, "names", DEFAULT)
}

#[test]
fn roles() -> anyhow::Result<()> {
    on(Store::Sqlite, "roles", DEFAULT)
}

#[test]
fn a_token_that_expires_while_connected() -> anyhow::Result<()> {
    script("expiring")
}

#[test]
fn a_token_within_the_leeway() -> anyhow::Result<()> {
    script("leeway")
}

#[test]
fn a_campaign_system_moves_by_the_page() -> anyhow::Result<()> {
    script("walkthrough")
}

#[test]
fn a_planned_restart() -> anyhow::Result<()> {
    script("restart")
}

#[test]
fn defects_of_the_original() -> anyhow::Result<()> {
    script("defects")
}

#[test]
fn bad_events() -> anyhow::Result<()> {
    on(Store::Sqlite, "bad_events", EVERY)
}

#[test]
fn bad_requests() -> anyhow::Result<()> {
    on(Store::Sqlite, "bad_requests", DEFAULT)
}

#[test]
fn large_texts() -> anyhow::Result<()> {
    on(Store::Sqlite, "large", DEFAULT)
}

#[test]
fn hostile_frames() -> anyhow::Result<()> {
    on(Store::Sqlite, "hostile_frames", DEFAULT)
}
