//! One connection: its socket, what is not whole yet, and how far its handshake is.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};

use anyhow::anyhow;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

use super::fleet::Listener;
use super::frame::{self, Frame};
use super::handshake::{self, Client, Stage};
use super::message::{Said, quoted, recognise, succeeded};
use super::post::Post;

#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Option<TcpStream>,
    pub(super) stage: Stage,
    /// Whether the poll tells when it can be written to.
    pub(super) waits_to_write: bool,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
}

/// What a read took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// All that there was.
    All,
    /// There may be more.
    Some,
    Nothing,
}

/// Why a connection does not go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is closed, or never came to be.
    Lost(String),
    /// The server says no, or what it should not say.
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

impl Link {
    pub(super) const fn absent() -> Self {
        Self { stream: None, stage: Stage::Absent, waits_to_write: false, rest: Vec::new() }
    }

    /// Begins to connect, without waiting for it.
    pub(super) fn connecting(address: SocketAddr) -> std::io::Result<TcpStream> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Reads once and hears what has come whole.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        number: usize,
        client: &Client,
        post: &mut Post,
        listener: &mut impl Listener,
    ) -> Result<Received, Trouble> {
        let Some(mut stream) = self.stream.as_ref() else { return Ok(Received::Nothing) };
        let (kept, room) = (self.rest.len(), buffer.len());
        if let Some(head) = buffer.get_mut(..kept) {
            head.copy_from_slice(&self.rest);
        }
        let read = match stream.read(buffer.get_mut(kept..).unwrap_or_default()) {
            Ok(0) => return Err(Trouble::Lost("the server closed the connection".to_owned())),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Received::Some),
            Err(error) => return Err(Trouble::Lost(error.to_string())),
        };
        let received = if kept + read == room { Received::Some } else { Received::All };
        let mut bytes = buffer.get(..kept + read).unwrap_or_default();
        if self.stage == Stage::Upgrading {
            match handshake::upgraded(bytes).map_err(Trouble::Lost)? {
                Some(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
                None => {
                    self.keep(bytes);
                    return Ok(received);
                }
            }
            self.stage = Stage::Opening;
        }
        while let Some((frame, taken)) = frame::first(bytes).map_err(|error| anyhow!(error))? {
            match frame {
                Frame::Text(text) => self.hear(text, number, client, post, listener)?,
                Frame::Ping(payload) => post.pong(number, payload),
                Frame::Pong => {}
                Frame::Close(reason) => {
                    return Err(Trouble::Lost(format!(
                        "the server closed the WebSocket: {}",
                        reason.escape_ascii()
                    )));
                }
            }
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        self.keep(bytes);
        Ok(received)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.rest.clear();
        if bytes.is_empty() {
            if self.rest.capacity() > 0 {
                self.rest = Vec::new();
            }
        } else {
            self.rest.extend_from_slice(bytes);
        }
    }

    fn hear(
        &mut self,
        text: &[u8],
        number: usize,
        client: &Client,
        post: &mut Post,
        listener: &mut impl Listener,
    ) -> anyhow::Result<()> {
        let said = recognise(text);
        match said {
            Said::Ping => post.say(number, &[b"3"]),
            // As Tidings and plain servers tell it, and as NestJS does.
            Said::Event(b"error" | b"exception", _) => return Err(anyhow!("an error: {}", quoted(text))),
            _ if self.stage != Stage::Ready => {
                let next = self.stage.after(text, &said, client, number, post);
                self.stage = next.map_err(|error| anyhow!(error))?;
            }
            Said::Event(name, arguments) => listener.event(number, name, arguments, post)?,
            Said::Ack(id, arguments) if succeeded(arguments) => listener.ack(number, id, arguments, post)?,
            Said::Ack(..) => return Err(anyhow!("refused: {}", quoted(text))),
            Said::Refused => return Err(anyhow!("sent away: {}", quoted(text))),
            Said::LetIn | Said::Other => {}
        }
        Ok(())
    }
}
