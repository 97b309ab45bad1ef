//! What happens to the whole when a part of it falls.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::{Environment, Flags};
use crate::healthcheck;

const DEADLINE: Duration = Duration::from_secs(20);

fn log() -> Output {
    Output::to("test", std::io::sink()).unwrap()
}

/// What is answered to a GET over a new connection.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| panic!("{path} is not answered"))
}

/// The end of a part that the server cannot go on without is told by `/readyz`, and the rest goes down in order.
#[tokio::test]
async fn a_part_that_falls_is_told_and_the_server_ends() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("TIDINGS_DATA_DIR", folder.path().to_str().unwrap()), ("DATABASE_URL", "memory:")];
    let config = Config::load(&Flags::new(), &Environment::from(env)).unwrap().config;
    let app = App::build(&config, None, &log()).await.unwrap();
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
    let app = App::build(&config, None, &log()).await.unwrap();
    app.serve_on(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let supervisor = app.supervisor.clone();
    let ended = tokio::time::timeout(Duration::from_secs(20), app.shut_down()).await;
    assert!(ended.is_ok(), "it ends");
    assert_eq!(supervisor.fallen(), None);
}

/// A polling client is between two requests when the server is asked to stop. Its next one, over a new connection,
/// fetches what is left for it.
#[tokio::test]
async fn polling_clients_fetch_their_last_answers_while_newcomers_are_refused() {
    const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
    let folder = tempfile::tempdir().unwrap();
    let env = [("TIDINGS_DATA_DIR", folder.path().to_str().unwrap()), ("DATABASE_URL", "memory:")];
    let config = Config::load(&Flags::new(), &Environment::from(env)).unwrap().config;
    let app = App::build(&config, None, &log()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    app.serve_on(listener);
    let opened = get(address, POLLING).await;
    let (_, sid) = opened.split_once("\"sid\":\"").expect("a session");
    let sid = sid.split('"').next().unwrap();

    let draining = app.draining.clone();
    let ended = TaskTracker::new().spawn(app.shut_down());
    while !draining.has_begun() {
        tokio::task::yield_now().await;
    }
    let ready = get(address, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("draining\n"), "{ready}");
    let refused = get(address, POLLING).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    let last = get(address, &format!("{POLLING}&sid={sid}")).await;
    assert!(last.starts_with("HTTP/1.1 200") && last.ends_with('1'), "{last}");
    tokio::time::timeout(DEADLINE, ended).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[test]
fn however_many_sockets_there_are_half_of_the_time_is_enough_to_close_them() {
    let drain = Duration::from_secs(10);
    assert_eq!(drain_slice(0, drain), DRAIN_SLICE_MIN);
    assert_eq!(drain_slice(12_500, drain), 500);
    for (sockets, drain) in [(100_000_usize, drain), (1_000_000, drain), (7, Duration::ZERO)] {
        let slices = sockets.div_ceil(drain_slice(sockets, drain));
        let pauses = u32::try_from(slices - 1).unwrap();
        assert!(DRAIN_PAUSE * pauses <= drain / 2, "{sockets} sockets in {drain:?}");
    }
}
