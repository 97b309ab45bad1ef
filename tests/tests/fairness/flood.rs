//! Clients that write as fast as the server reads, on many connections at once.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};

/// How long a write or a read may block before a client looks whether it is to end.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// How long a client that was disconnected waits before it comes back: it is to keep the server busy, not the machine.
const AWAY: Duration = Duration::from_millis(100);
/// How much is written at once.
const CHUNK: usize = 16 * 1024;
/// The stack of a client's thread.
const STACK: usize = 256 * 1024;

/// What each client of a flood does on each of its connections.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Requests, each of which is answered before the next is written. `{sid}` in one stands for the session id of the
    /// answers before.
    pub(crate) opening: Vec<String>,
    /// Written after that, once.
    pub(crate) once: Vec<u8>,
    /// Written over and over in the end, whatever is answered.
    pub(crate) then: Vec<u8>,
}

/// What a flood has come to.
#[derive(Debug, Default)]
struct Progress {
    /// How many bytes the server has taken of what is written over and over.
    taken: AtomicUsize,
    /// Why a client was disconnected last.
    last_end: Mutex<Option<std::io::Error>>,
}

/// A flood; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
    clients: Vec<JoinHandle<()>>,
}

impl Flood {
    /// So many clients; one that is disconnected comes back.
    pub(crate) fn begin(address: SocketAddr, clients: usize, script: Script) -> anyhow::Result<Self> {
        let (stop, progress) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut flood = Self { stop, progress, clients: Vec::new() };
        let script = Arc::new(Script { then: repeated(&script.then), ..script });
        for _ in 0..clients {
            let (stop, script) = (Arc::clone(&flood.stop), Arc::clone(&script));
            let progress = Arc::clone(&flood.progress);
            let client = move || {
                while !stop.load(Ordering::Relaxed) {
                    // Whatever the server does to it, it tries again.
                    let ended = run(address, &script, &stop, &progress.taken);
                    *progress.last_end.lock().unwrap_or_else(PoisonError::into_inner) = ended.err();
                    std::thread::park_timeout(AWAY);
                }
            };
            let client = std::thread::Builder::new().stack_size(STACK).spawn(client);
            flood.clients.push(client.context("starting a client")?);
        }
        Ok(flood)
    }

    /// Ends it.
    ///
    /// # Errors
    /// It was none: the server has taken less than one piece from each client on the average.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let clients = self.clients.len();
        let last_end = self.progress.last_end.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.stop();
        let taken = self.progress.taken.load(Ordering::Relaxed);
        ensure!(
            taken >= clients * CHUNK,
            "{clients} clients got {taken} bytes through to the server; one was disconnected: {last_end:?}"
        );
        Ok(())
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _panicked = client.join();
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop();
    }
}

fn repeated(unit: &[u8]) -> Vec<u8> {
    unit.repeat((CHUNK / unit.len().max(1)).max(1))
}

fn run(address: SocketAddr, script: &Script, stop: &AtomicBool, taken: &AtomicUsize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, LOOK_AROUND)?;
    stream.set_write_timeout(Some(LOOK_AROUND))?;
    stream.set_read_timeout(Some(LOOK_AROUND))?;
    let mut sid = String::new();
    for request in &script.opening {
        stream.write_all(request.replace("{sid}", &sid).as_bytes())?;
        let answer = answer(&mut stream, stop)?;
        if let Some((_, rest)) = answer.split_once("\"sid\":\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut sid);
        }
    }
    let then = String::from_utf8_lossy(&script.then);
    let then =
        if then.contains("{sid}") { then.replace("{sid}", &sid).into_bytes() } else { script.then.clone() };
    write(&mut stream, &script.once, stop, &AtomicUsize::new(0))?;
    while !stop.load(Ordering::Relaxed) {
        write(&mut stream, &then, stop, taken)?;
        stream.set_nonblocking(true)?;
        let heard = discard(&mut stream);
        stream.set_nonblocking(false)?;
        heard?;
    }
    Ok(())
}

/// The head of an answer, with what has come of its body.
fn answer(stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<String> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => heard.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if waits(&error) && !stop.load(Ordering::Relaxed) => continue,
            Err(error) => return Err(error),
        }
        let text = String::from_utf8_lossy(&heard);
        if text.contains("\r\n\r\n") {
            return Ok(text.into_owned());
        }
    }
}

/// Writes all of it, for as long as the server takes; meanwhile answers pile up as far as the system lets them.
fn write(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    stop: &AtomicBool,
    taken: &AtomicUsize,
) -> std::io::Result<()> {
    while !bytes.is_empty() && !stop.load(Ordering::Relaxed) {
        match stream.write(bytes) {
            Ok(written) => {
                taken.fetch_add(written, Ordering::Relaxed);
                bytes = bytes.get(written..).unwrap_or_default();
            }
            Err(error) if waits(&error) => {
                stream.set_nonblocking(true)?;
                let heard = discard(stream);
                stream.set_nonblocking(false)?;
                heard?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads past what has come.
fn discard(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if waits(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A request that opens a WebSocket.
pub(crate) fn websocket() -> String {
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
     sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        .to_owned()
}

/// A client's frame of a WebSocket whose mask changes nothing (RFC 6455, section 5.2).
pub(crate) fn frame(opcode: u8, payload: &str) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(length) {
        Ok(short @ ..=125) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload.as_bytes());
    frame
}

pub(crate) const TEXT: u8 = 1;
pub(crate) const PING: u8 = 9;
