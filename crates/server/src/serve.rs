//! `tidings serve`: runs the server until a signal ends it.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

use crate::app::App;
use crate::auth::Secret;
use crate::config::{Config, Problems};
use crate::demo::Demo;
use crate::metrics::Metrics;
use crate::store::Store;

/// How many connections may wait to be accepted, as far as the system allows (`net.core.somaxconn`): all clients of a
/// server that was restarted come back at once, and those it has no place for try again only seconds later.
const BACKLOG: u32 = 4096;

/// Runs the server until a signal ends it.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    if let Some(problem) = config.unsafe_to_serve() {
        return Err(Problems(vec![problem]).into());
    }
    let secret = match &config.auth.secret {
        Some(given) => given.clone(),
        None => Secret::own(&config.server.data_dir)?,
    };
    // Before anything that counts.
    let metrics = if config.metrics.enabled { Some(Metrics::install()?) } else { None };
    let metrics_listen = config.metrics.listen.filter(|_| metrics.is_some());
    let app = App::build(&config, &secret, metrics).await?;

    let listener = bind(config.server.listen, "choose another address with --listen")?;
    if let Some(listen) = metrics_listen {
        let listener = bind(listen, "choose another address as metrics.listen")?;
        tracing::info!(address = %listener.local_addr()?, "metrics are told");
        app.serve_metrics_on(listener);
    }
    let address = listener.local_addr()?;
    let demo = if config.is_demo() { Some(Demo::set_up(&app.messaging, &secret).await?) } else { None };
    // Before anybody can know that it is here, and ask it to end.
    let signals = Signals::new()?;
    tell(address, &app.store, demo.as_ref());
    app.serve_on(listener);
    signals.any().await?;
    app.shut_down().await;
    Ok(())
}

fn bind(listen: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    let bound = || -> std::io::Result<TcpListener> {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // So that a restart need not wait until the connections before it are forgotten.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        socket.listen(BACKLOG)
    };
    bound().with_context(|| format!("cannot listen on {listen}: {remedy}"))
}

/// Ctrl-C, and the signal with which supervisors ask a process to end. Heard from the moment this is made.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the first of them.
    #[cfg(unix)]
    async fn any(mut self) -> std::io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }

    #[cfg(not(unix))]
    async fn any(self) -> std::io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

#[expect(clippy::print_stdout, reason = "what an operator needs first, whatever the log filter")]
fn tell(address: SocketAddr, store: &Store, demo: Option<&Demo>) {
    println!("tidings {} listening on http://{address}", env!("CARGO_PKG_VERSION"));
    println!("store: {}", store.describe());
    if let Some(demo) = demo {
        println!("{}", demo.tell(address));
    }
}
