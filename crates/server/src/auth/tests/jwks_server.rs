//! A server of key sets on loopback that counts who asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// A server of one answer, which can be exchanged.
pub(super) struct JwksServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    asked: AtomicUsize,
    answer: Mutex<String>,
    /// Whether answers may be given.
    gate: watch::Sender<bool>,
}

impl JwksServer {
    pub(super) async fn serving(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            asked: AtomicUsize::new(0),
            answer: Mutex::default(),
            gate: watch::Sender::new(true),
        });
        let server = Self { address, shared: Arc::clone(&shared) };
        server.publish(keys);
        // Ends with the test's runtime.
        TaskTracker::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &shared).await;
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    pub(super) fn publish(&self, keys: &[Value]) {
        self.answer_with("200 OK", "", &json!({"keys": keys}).to_string());
    }

    pub(super) fn answer_with(&self, status: &str, headers: &str, body: &str) {
        *self.shared.answer.lock() = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }

    /// Lets nobody have an answer until [`open`](Self::open).
    pub(super) fn shut(&self) {
        self.shared.gate.send_replace(false);
    }

    pub(super) fn open(&self) {
        self.shared.gate.send_replace(true);
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    shared.asked.fetch_add(1, Ordering::SeqCst);
    shared.gate.subscribe().wait_for(|open| *open).await.unwrap();
    let answer = shared.answer.lock().clone();
    // A client that has had enough closes its side.
    let _closed = stream.write_all(answer.as_bytes()).await;
}
