//! `tidings serve`: runs the server until a signal ends it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpSocket};

use crate::app::App;
use crate::auth::Secret;
use crate::config::{Config, Problems};
use crate::demo::Demo;
use crate::metrics::Metrics;
use crate::output::Output;

/// How many connections may wait to be accepted, as far as the system allows (`net.core.somaxconn`): all clients of a
/// server that was restarted come back at once, and those it has no place for try again only seconds later.
const BACKLOG: u32 = 4096;

/// Runs the server until a signal ends it. `log`: where its log is written.
pub(crate) async fn serve(config: Config, log: &Output) -> anyhow::Result<()> {
    if let Some(problem) = config.unsafe_to_serve() {
        return Err(Problems(vec![problem]).into());
    }
    // First of all: a start that fails here has made no database and no secret.
    let listener = bind(config.server.listen, "choose another address with --listen")?;
    let metrics_listener = match config.metrics.listen.filter(|_| config.metrics.enabled) {
        Some(listen) => Some(bind(listen, "choose another address as metrics.listen")?),
        None => None,
    };
    let secrets =
        config.auth.issuers.iter().filter_map(|issuer| issuer.keys.secret()).chain(&config.auth.secret);
    if let Some(weakness) = secrets.filter_map(Secret::weakness).next() {
        tracing::warn!("a secret {weakness}: make a new one with openssl rand -base64 32");
    }
    // Before anything that counts.
    let metrics = if config.metrics.enabled { Some(Metrics::install(log.clone())?) } else { None };
    let app = App::build(&config, metrics, log).await?;
    if let Some(listener) = metrics_listener {
        tracing::info!(address = %listener.local_addr()?, "metrics are told");
        app.serve_metrics_on(listener);
    }
    let address = listener.local_addr()?;
    let demo = if config.is_demo() { Some(Demo::set_up(&app.messaging, &app.secret).await?) } else { None };
    // Before anybody can know that it is here, and ask it to end.
    let signals = Signals::new()?;
    greet(address, &config, &app, demo.as_ref())?;
    app.serve_on(listener);
    let fallen = tokio::select! {
        signal = signals.any() => signal.map(|()| None)?,
        task = app.falls() => Some(task),
    };
    app.shut_down().await;
    match fallen {
        None => Ok(()),
        Some(task) => bail!("{task} stopped, and the server with it: see the log above; start it again"),
    }
}

/// Begins to listen.
pub(crate) fn bind(listen: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
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

/// What an operator needs first: a line of the log, and, whatever the log filter, lines on standard output.
fn greet(address: SocketAddr, config: &Config, app: &App, demo: Option<&Demo>) -> anyhow::Result<()> {
    let (version, store) = (env!("CARGO_PKG_VERSION"), app.store.describe());
    let dialects: Vec<&str> = config.dialects.served.iter().map(|dialect| dialect.name).collect();
    tracing::info!(version, store, dialects = dialects.join(","), "listening on http://{address}");
    let demo = demo.map(|demo| demo.tell(address) + "\n").unwrap_or_default();
    // On a thread of its own: nobody may be reading.
    let output = Output::to("greeting", std::io::stdout())?;
    output.line(format!("tidings {version} listening on http://{address}\nstore: {store}\n{demo}"));
    Ok(())
}
