//! Connections, and what waits to be sent on them.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::rc::Rc;

use rustix::event::epoll;
use rustix::fd::OwnedFd;

/// How much may wait for a client that does not read, in bytes. Then it is cut off.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A socket's membership of a thread, with what the others are told when it types: that it does, that it does not.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) thread: usize,
    pub(crate) typing: Rc<[u8]>,
    pub(crate) not_typing: Rc<[u8]>,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    pub(crate) upgraded: bool,
    pub(crate) user: Option<String>,
    pub(crate) seats: Vec<Seat>,
    /// The beginning of a frame whose end is not here yet.
    pub(crate) input: Vec<u8>,
    /// What is not sent yet.
    output: Vec<u8>,
    /// Whether the kernel tells when more can be sent.
    waits: bool,
    broken: bool,
    /// Whether it is among those that are looked at when the turn ends.
    due: bool,
}

/// Everybody who is connected, by place.
#[derive(Debug)]
pub(crate) struct Sockets {
    epoll: OwnedFd,
    all: Vec<Option<Socket>>,
    free: Vec<usize>,
    due: Vec<usize>,
    coalesce: bool,
}

impl Socket {
    /// Sends as much of what waits as the kernel takes.
    pub(crate) fn flush(&mut self) {
        match self.stream.write(&self.output) {
            Ok(sent) if sent == self.output.len() => self.output.clear(),
            Ok(sent) => drop(self.output.drain(..sent)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.broken = true,
        }
        self.broken |= self.output.len() > OUTPUT_BYTES_MAX;
    }
}

impl Sockets {
    pub(crate) const fn new(epoll: OwnedFd, coalesce: bool) -> Self {
        Self { epoll, all: Vec::new(), free: Vec::new(), due: Vec::new(), coalesce }
    }

    pub(crate) const fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    pub(crate) const fn places(&self) -> std::ops::Range<usize> {
        0..self.all.len()
    }

    pub(crate) fn dismiss(&mut self, place: usize) {
        if self.all.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    pub(crate) fn admit(&mut self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
        let socket = Socket {
            stream,
            upgraded: false,
            user: None,
            seats: Vec::new(),
            input: Vec::new(),
            output: Vec::new(),
            waits: false,
            broken: false,
            due: false,
        };
        if let Some(free) = self.all.get_mut(place) {
            *free = Some(socket);
        }
        Ok(())
    }

    pub(crate) fn at(&mut self, place: usize) -> Option<&mut Socket> {
        self.all.get_mut(place)?.as_mut()
    }

    /// Sends a frame, or keeps it until the turn ends.
    pub(crate) fn give(&mut self, place: usize, frame: &[u8]) {
        let coalesce = self.coalesce;
        let Some(socket) = self.at(place) else { return };
        let keeps = coalesce || socket.waits;
        socket.output.extend_from_slice(frame);
        if !keeps {
            socket.flush();
        }
        if !socket.due && (socket.broken || !socket.output.is_empty()) {
            socket.due = true;
            self.due.push(place);
        }
    }

    /// Sends more of what waits, now that there is room.
    pub(crate) fn resume(&mut self, place: usize) {
        let Some(socket) = self.at(place) else { return };
        socket.flush();
        if !socket.due {
            socket.due = true;
            self.due.push(place);
        }
    }

    /// What is to be looked at when a turn ends: sends what was kept; gives back who is broken.
    pub(crate) fn settle(&mut self) -> anyhow::Result<Vec<usize>> {
        let mut broken = Vec::new();
        for place in std::mem::take(&mut self.due) {
            let Some(socket) = self.all.get_mut(place).and_then(Option::as_mut) else { continue };
            socket.due = false;
            if !socket.waits && !socket.output.is_empty() {
                socket.flush();
            }
            if socket.broken || socket.output.len() > OUTPUT_BYTES_MAX {
                broken.push(place);
            } else if socket.waits == socket.output.is_empty() {
                socket.waits = !socket.waits;
                let out = if socket.waits { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
                let data = epoll::EventData::new_u64(place as u64);
                epoll::modify(&self.epoll, &socket.stream, data, epoll::EventFlags::IN | out)?;
            }
        }
        Ok(broken)
    }
}
