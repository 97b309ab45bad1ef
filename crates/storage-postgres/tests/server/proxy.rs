//! Something between the store and the server that does what networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// What it does with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// Passes everything on.
    Fair,
    /// Passes commits on, and closes the connection instead of passing on the answer.
    LosesAnswers,
    /// Closes the connection instead of passing on a commit.
    LosesCommits,
    /// As [`LosesAnswers`](Self::LosesAnswers), and lets nobody in afterwards.
    LosesAnswersForGood,
    /// Passes nothing on, and closes nothing.
    Silent,
}

/// A connection of either kind.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<W: AsyncRead + AsyncWrite + Unpin + Send> Wire for W {}

#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    folder: Arc<TempDir>,
    /// The folder of its socket, or its host and port.
    server: String,
    mood: Arc<AtomicU8>,
    changed: Arc<Notify>,
    tasks: TaskTracker,
}

impl Proxy {
    /// Listens in a folder of its own, for a server that listens in another.
    pub(crate) fn start(url: &str, tasks: &TaskTracker) -> (Self, String) {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let after = url.split_once("://").map_or(url, |(_, after)| after);
        let authority = after.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let ours = url.replace(host, &folder.path().display().to_string().replace('/', "%2F"));
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let proxy = Self {
            folder,
            server: host.replace("%2F", "/"),
            mood: Arc::new(AtomicU8::new(Mood::Fair as u8)),
            changed: Arc::default(),
            tasks: tasks.clone(),
        };
        tasks.spawn(proxy.clone().listen(listener));
        (proxy, ours)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }

    async fn listen(self, listener: UnixListener) {
        while let Ok((client, _)) = listener.accept().await {
            if self.is(Mood::LosesAnswersForGood) {
                continue;
            }
            self.tasks.spawn(self.clone().pass(client));
        }
    }

    async fn server(&self) -> std::io::Result<Box<dyn Wire>> {
        if self.server.starts_with('/') {
            Ok(Box::new(UnixStream::connect(format!("{}/.s.PGSQL.5432", self.server)).await?))
        } else if self.server.contains(':') {
            Ok(Box::new(TcpStream::connect(&self.server).await?))
        } else {
            Ok(Box::new(TcpStream::connect((self.server.as_str(), 5432)).await?))
        }
    }

    async fn pass(self, mut client: UnixStream) {
        assert!(self.folder.path().exists());
        let Ok(mut server) = self.server().await else { return };
        let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            let changed = self.changed.notified();
            if self.is(Mood::Silent) {
                changed.await;
                continue;
            }
            tokio::select! {
                () = changed => {}
                count = client.read(&mut up) => {
                    let Ok(count @ 1..) = count else { return };
                    let bytes = &up[..count];
                    let commits = bytes.ends_with(b"commit\0");
                    if commits && self.is(Mood::LosesCommits) {
                        return;
                    }
                    if server.write_all(bytes).await.is_err() {
                        return;
                    }
                    if commits && (self.is(Mood::LosesAnswers) || self.is(Mood::LosesAnswersForGood)) {
                        // It is done by the time it answers.
                        let _done = server.read(&mut down).await;
                        return;
                    }
                }
                count = server.read(&mut down) => {
                    let Ok(count @ 1..) = count else { return };
                    if client.write_all(&down[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
