//! All clients of a run, and the turns of their epoll.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::event::{Timespec, epoll};

use super::frame::FRAME_BYTES_MAX;
use super::handshake::{self, Client, Stage};
use super::link::{Link, Received, Trouble};
use super::post::{Flushed, Post};

/// What one read takes at most. A frame and the beginning of a next one have to fit.
const BUFFER_BYTES: usize = 2 * FRAME_BYTES_MAX;
/// Most connections that one turn serves.
const READY_MAX: usize = 1024;
/// The longest turn while clients connect, so that those that failed are tried again.
const CONNECTING_TURN: Duration = Duration::from_millis(10);
/// The longest turn otherwise: how late a condition is looked at when nothing comes.
const TURN: Duration = Duration::from_millis(100);

/// What is asked of the poll: once for what is new, or every wait would look again at all that the last one told of.
const HEARS: epoll::EventFlags =
    epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP).union(epoll::EventFlags::ET);
/// The server will say no more than what has arrived, and the poll will not tell of it again.
const ENDED: epoll::EventFlags =
    epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR);

/// What a workload does with what its clients hear. Both are called only for clients that are ready.
pub trait Listener {
    /// A client heard an event: its name, and what follows the name.
    ///
    /// # Errors
    /// It should not have been heard, which ends the run.
    fn event(&mut self, client: usize, name: &[u8], arguments: &[u8], post: &mut Post) -> anyhow::Result<()>;

    /// What a client said under this id was acknowledged with `success: true`.
    ///
    /// # Errors
    /// It should not have been, which ends the run.
    fn ack(&mut self, client: usize, id: u64, arguments: &[u8], post: &mut Post) -> anyhow::Result<()>;
}

/// Hears nothing: for clients that are just there.
impl Listener for () {
    fn event(&mut self, _: usize, _: &[u8], _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        Ok(())
    }

    fn ack(&mut self, client: usize, id: u64, _: &[u8], _: &mut Post) -> anyhow::Result<()> {
        bail!("client {client} did not ask for an acknowledgement {id}")
    }
}

/// How clients are to connect.
#[derive(Debug, Clone, Copy)]
pub struct Connecting {
    /// Most handshakes in flight.
    pub at_once: usize,
    /// Whether a connection that fails before it is ready is tried again.
    pub again: bool,
    /// How long it may take until all are ready.
    pub within: Duration,
}

/// What connecting took.
#[derive(Debug, Clone, Copy)]
pub struct Connected {
    /// From the first connection begun until the last client was ready.
    pub took: Duration,
    /// How many connections failed before and were tried again.
    pub tried_again: usize,
}

/// The clients, numbered as they were given.
#[expect(missing_debug_implementations, reason = "the events of an epoll have none")]
pub struct Fleet {
    address: SocketAddr,
    poll: OwnedFd,
    clients: Vec<Client>,
    links: Vec<Link>,
    post: Post,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    /// How many clients are ready.
    ready: usize,
    /// Those whose connection failed before it was ready, if they are to be tried again.
    failed: Vec<usize>,
    again: bool,
}

impl Fleet {
    /// Clients of the server at this address, none of them connected.
    ///
    /// # Errors
    /// The system has no epoll to give.
    pub fn new(address: SocketAddr, clients: Vec<Client>) -> anyhow::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("making an epoll")?;
        Ok(Self {
            address,
            poll,
            links: std::iter::repeat_with(Link::absent).take(clients.len()).collect(),
            post: Post::new(clients.len()),
            clients,
            buffer: vec![0; BUFFER_BYTES],
            events: Vec::with_capacity(READY_MAX),
            ready: 0,
            failed: Vec::new(),
            again: false,
        })
    }

    /// How many clients are ready.
    #[must_use]
    pub const fn ready(&self) -> usize {
        self.ready
    }

    /// For saying something outside of a [`Listener`]; it leaves with the next turn.
    pub const fn post(&mut self) -> &mut Post {
        &mut self.post
    }

    /// Connects all clients that are not, and waits until they are ready.
    ///
    /// # Errors
    /// A client is refused or loses its connection, or not all are ready in time.
    pub fn connect(&mut self, how: Connecting) -> anyhow::Result<Connected> {
        let began = Instant::now();
        let deadline = began + how.within;
        let absent = |link: &Link| link.stage == Stage::Absent;
        let mut todo: Vec<usize> = (0..self.links.len()).rev().collect();
        todo.retain(|number| self.links.get(*number).is_some_and(absent));
        self.again = how.again;
        let (before, all) = (self.ready, self.ready + todo.len());
        let (mut begun, mut tried_again) = (0, 0);
        while self.ready < all {
            tried_again += self.failed.len();
            begun -= self.failed.len();
            todo.append(&mut self.failed);
            while begun - (self.ready - before) < how.at_once {
                let Some(number) = todo.pop() else { break };
                begun += 1;
                self.begin(number)?;
            }
            if Instant::now() > deadline {
                bail!("{} of {all} clients were ready after {:?}", self.ready, how.within);
            }
            self.turn(CONNECTING_TURN, &mut ())?;
        }
        self.again = false;
        Ok(Connected { took: began.elapsed(), tried_again })
    }

    /// Drops all connections, without a word to the server.
    pub fn drop_connections(&mut self) {
        for number in 0..self.links.len() {
            self.drop_link(number);
        }
        self.ready = 0;
    }

    /// Takes turns until this time.
    ///
    /// # Errors
    /// As of [`Fleet::turn`].
    pub fn turn_until(&mut self, end: Instant, listener: &mut impl Listener) -> anyhow::Result<()> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left.min(TURN), listener)?;
        }
    }

    /// Takes turns until the condition holds.
    ///
    /// # Errors
    /// As of [`Fleet::turn`], and when it does not hold in time; `missing` tells what did not arrive.
    pub fn turn_while<L: Listener>(
        &mut self,
        listener: &mut L,
        within: Duration,
        holds_on: impl Fn(&L) -> bool,
        missing: impl Fn(&L) -> String,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while holds_on(listener) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("after {within:?}: {}", missing(listener));
            }
            self.turn(left.min(TURN), listener)?;
        }
        Ok(())
    }

    /// One turn: what is to be said leaves, then up to `longest` is waited for something to hear, and it is heard.
    ///
    /// # Errors
    /// A connection is lost, or the server refuses something; the client and the reason are told.
    pub fn turn(&mut self, longest: Duration, listener: &mut impl Listener) -> anyhow::Result<()> {
        self.flush()?;
        let longest = Timespec::try_from(longest).context("a turn's length")?;
        self.events.clear();
        match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(&longest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting on the epoll"),
        }
        for at in 0..self.events.len() {
            let Some(event) = self.events.get(at) else { break };
            let (flags, data) = (event.flags, event.data);
            let number = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            if flags.contains(epoll::EventFlags::OUT) {
                self.post.continues(number);
            }
            if flags.intersects(!epoll::EventFlags::OUT) {
                let ended = flags.intersects(ENDED);
                while match self.receive(number, listener)? {
                    Received::Some => true,
                    Received::All => ended,
                    Received::Nothing => false,
                } {}
            }
        }
        self.flush()
    }

    fn receive(&mut self, number: usize, listener: &mut impl Listener) -> anyhow::Result<Received> {
        let (Some(link), Some(client)) = (self.links.get_mut(number), self.clients.get(number)) else {
            return Ok(Received::Nothing);
        };
        let was_ready = link.stage == Stage::Ready;
        let received = link.receive(&mut self.buffer, number, client, &mut self.post, listener);
        if !was_ready && link.stage == Stage::Ready {
            self.ready += 1;
        }
        received.or_else(|trouble| self.troubled(number, trouble).map(|()| Received::Nothing))
    }

    fn begin(&mut self, number: usize) -> anyhow::Result<()> {
        let begun = Link::connecting(self.address).and_then(|stream| {
            let data = epoll::EventData::new_u64(u64::try_from(number).unwrap_or(u64::MAX));
            epoll::add(&self.poll, &stream, data, HEARS)?;
            Ok(stream)
        });
        match (begun, self.links.get_mut(number)) {
            (Ok(stream), Some(link)) => {
                link.stream = Some(stream);
                link.stage = Stage::Upgrading;
                self.post.raw(number, &handshake::upgrade(self.address));
                Ok(())
            }
            (Err(error), _) => self.troubled(number, Trouble::Lost(error.to_string())),
            (Ok(_), None) => Ok(()),
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while let Some(number) = self.post.next_due() {
            let Some(link) = self.links.get_mut(number) else { continue };
            let Some(stream) = &link.stream else { continue };
            let waits = match self.post.flush(number, stream) {
                Ok(flushed) => flushed == Flushed::Partly,
                Err(error) => {
                    self.troubled(number, Trouble::Lost(error.to_string()))?;
                    continue;
                }
            };
            if waits != link.waits_to_write {
                link.waits_to_write = waits;
                let data = epoll::EventData::new_u64(u64::try_from(number).unwrap_or(u64::MAX));
                let also = if waits { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
                epoll::modify(&self.poll, stream, data, HEARS | also).context("changing the epoll")?;
            }
        }
        Ok(())
    }

    fn troubled(&mut self, number: usize, trouble: Trouble) -> anyhow::Result<()> {
        let stage = self.links.get(number).map_or(Stage::Absent, |link| link.stage);
        match trouble {
            Trouble::Lost(_) if self.again && stage != Stage::Ready => {
                self.drop_link(number);
                self.failed.push(number);
                Ok(())
            }
            Trouble::Lost(reason) => {
                Err(anyhow!(reason)).with_context(|| format!("client {number}, {stage:?}"))
            }
            Trouble::Wrong(error) => Err(error.context(format!("client {number}, {stage:?}"))),
        }
    }

    /// Closing takes the socket off the epoll as well.
    fn drop_link(&mut self, number: usize) {
        if let Some(link) = self.links.get_mut(number) {
            *link = Link::absent();
        }
        self.post.forget(number);
    }
}
