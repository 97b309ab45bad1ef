//! Mounted on axum's router.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tidings_socketio::{Accepted, Config, Connect, Event, Reason, Refused, Service, Socket, SocketIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

struct Greeter;

impl Service for Greeter {
    type Session = Socket;

    async fn connect(&self, _: Connect, socket: Socket) -> Result<Accepted<Socket>, Refused> {
        Ok(Accepted::new(socket))
    }

    async fn event(&self, socket: &mut Socket, event: Event) {
        let words = event.decode::<String>(0).unwrap_or_default();
        socket.emit("greeting", &(words,)).expect("strings are JSON");
    }

    async fn disconnect(&self, _: Socket, _: Reason) {}
}

#[cfg(test)]
async fn greet(address: SocketAddr, url: &str) {
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://test{url}?EIO=4&transport=websocket");
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    client.next().await.unwrap().unwrap();
    client.send(Message::text("40")).await.unwrap();
    client.next().await.unwrap().unwrap();
    client.send(Message::text("42[\"greet\",\"hello\"]")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("42[\"greeting\",\"hello\"]"));
}

#[tokio::test]
async fn several_servers_share_a_router() {
    let tasks = TaskTracker::new();
    let routed = SocketIo::new(Greeter, Config::default(), tasks.clone());
    let mut config = Config::default();
    config.engine.path = String::new();
    let nested = SocketIo::new(Greeter, config, tasks.clone());
    let router = Router::new().route_service("/socket.io/", routed.clone()).nest_service("/nested", nested);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = TaskTracker::new();
    serving.spawn(async move { axum::serve(listener, router).await });
    greet(address, "/socket.io/").await;
    greet(address, "/nested/").await;
}
