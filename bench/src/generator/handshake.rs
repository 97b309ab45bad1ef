//! From a TCP connection to a client that is let in: the upgrade, Engine.IO's open packet, the namespace's CONNECT, the
//! event `connected`, and a thread joined.

use std::net::SocketAddr;

use super::message::{Said, quoted, succeeded};
use super::post::Post;

/// The largest head of an answer to the upgrade, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Who connects.
#[derive(Debug, Clone)]
pub struct Client {
    /// The token it shows.
    pub token: String,
    /// The thread it joins, if it joins one.
    pub thread: Option<String>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Absent,
    /// The upgrade is asked for.
    Upgrading,
    /// A WebSocket, but no Engine.IO session yet.
    Opening,
    /// CONNECT is sent.
    Entering {
        let_in: bool,
        welcomed: bool,
    },
    /// `joinThread` is sent.
    Joining,
    Ready,
}

/// The request for the upgrade.
pub(super) fn upgrade(address: SocketAddr) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// How many bytes the head of the answer to the upgrade takes, or `None` while it is not whole.
///
/// # Errors
/// The server does not upgrade.
pub(super) fn upgraded(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|at| at == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err("the head of the answer to the upgrade is too large".to_owned());
        }
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        return Err(format!("no upgrade: {}", quoted(bytes)));
    }
    Ok(Some(end + 4))
}

impl Stage {
    /// The stage after the server said this, whose next word goes into the post.
    ///
    /// # Errors
    /// The server refuses the client.
    pub(super) fn after(
        self,
        text: &[u8],
        said: &Said<'_>,
        client: &Client,
        number: usize,
        post: &mut Post,
    ) -> Result<Self, String> {
        match (self, said) {
            (Self::Opening, _) if text.starts_with(b"0{") => {
                post.say(number, &[b"40/messaging,{\"token\":\"", client.token.as_bytes(), b"\"}"]);
                Ok(Self::Entering { let_in: false, welcomed: false })
            }
            (Self::Entering { welcomed, .. }, Said::LetIn) => {
                Ok(Self::Entering { let_in: true, welcomed }.join(client, number, post))
            }
            (Self::Entering { let_in, .. }, Said::Event(b"connected", _)) => {
                Ok(Self::Entering { let_in, welcomed: true }.join(client, number, post))
            }
            (Self::Joining, Said::Ack(0, arguments)) if succeeded(arguments) => Ok(Self::Ready),
            (_, Said::Refused | Said::Ack(..)) => Err(format!("refused: {}", quoted(text))),
            // Others may be heard already.
            (Self::Entering { .. } | Self::Joining, _) => Ok(self),
            _ => Err(format!("said out of turn: {}", quoted(text))),
        }
    }

    fn join(self, client: &Client, number: usize, post: &mut Post) -> Self {
        if self != (Self::Entering { let_in: true, welcomed: true }) {
            return self;
        }
        let Some(thread) = &client.thread else { return Self::Ready };
        post.say(number, &[b"42/messaging,0[\"joinThread\",{\"threadId\":\"", thread.as_bytes(), b"\"}]"]);
        Self::Joining
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::recognise;
    use super::*;

    #[test]
    fn a_client_is_ready_once_it_is_let_in_welcomed_and_joined() {
        let client = Client { token: "t".to_owned(), thread: Some("x".to_owned()) };
        let mut post = Post::new(1);
        let mut stage = Stage::Opening;
        let told: [(&[u8], bool); 5] = [
            (b"0{\"sid\":\"a\"}", false),
            (b"42/messaging,[\"connected\",{}]", false),
            (b"40/messaging,{\"sid\":\"b\"}", false),
            (b"42/messaging,[\"threadJoined\",{}]", false),
            (b"43/messaging,0[{\"success\":true}]", true),
        ];
        for (text, ready) in told {
            stage = stage.after(text, &recognise(text), &client, 0, &mut post).unwrap();
            assert_eq!(stage == Stage::Ready, ready, "{}", quoted(text));
        }
    }

    #[test]
    fn a_refusal_is_an_error() {
        let client = Client { token: "t".to_owned(), thread: Some("x".to_owned()) };
        let mut post = Post::new(1);
        for text in [&b"43/messaging,0[{\"success\":false}]"[..], b"44/messaging,{}", b"41/messaging,"] {
            assert!(Stage::Joining.after(text, &recognise(text), &client, 0, &mut post).is_err());
        }
    }

    #[test]
    fn the_answer_to_the_upgrade_may_arrive_in_parts() {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81";
        for end in 0..head.len() - 1 {
            assert_eq!(upgraded(&head[..end]), Ok(None));
        }
        assert_eq!(upgraded(head), Ok(Some(head.len() - 1)));
        assert!(upgraded(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").is_err());
    }
}
