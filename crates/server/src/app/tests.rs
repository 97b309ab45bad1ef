//! What happens to the whole when a part of it falls.

use std::time::Duration;

use super::*;
use crate::config::{Environment, Flags};
use crate::healthcheck;

/// The end of a part that the server cannot go on without is told by `/readyz`, and the rest goes down in order.
#[tokio::test]
async fn a_part_that_falls_is_told_and_the_server_ends() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("TIDINGS_DATA_DIR", folder.path().to_str().unwrap()), ("DATABASE_URL", "memory:")];
    let config = Config::load(&Flags::new(), &Environment::from(env)).unwrap().config;
    let app = App::build(&config, None).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    app.serve_on(listener);
    assert_eq!(healthcheck::ask(address).await.unwrap(), "ready\n");

    app.supervisor.rely_on("a part", async { panic!("a panic for the test") });
    assert_eq!(app.falls().await, "a part");
    let told = healthcheck::ask(address).await.unwrap_err().to_string();
    assert!(told.contains("a part of the server has stopped"), "{told}");
    let ended = tokio::time::timeout(Duration::from_secs(20), app.shut_down()).await;
    assert!(ended.is_ok(), "what is left goes down");
}

/// Nothing falls in an ordinary shutdown.
#[tokio::test]
async fn a_shutdown_is_no_fall() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("TIDINGS_DATA_DIR", folder.path().to_str().unwrap()), ("TIDINGS_NOTICES_AFTER", "1s")];
    let config = Config::load(&Flags::new(), &Environment::from(env)).unwrap().config;
    let app = App::build(&config, None).await.unwrap();
    app.serve_on(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let supervisor = app.supervisor.clone();
    let ended = tokio::time::timeout(Duration::from_secs(20), app.shut_down()).await;
    assert!(ended.is_ok(), "it ends");
    assert_eq!(supervisor.fallen(), None);
}
