//! `tidings serve`: runs the server until a signal ends it.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::app::App;
use crate::auth::Secret;
use crate::config::{Config, Problems};
use crate::demo::Demo;
use crate::metrics::Metrics;
use crate::store::Store;

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

    let listener = bind(config.server.listen, "choose another address with --listen").await?;
    if let Some(listen) = metrics_listen {
        let listener = bind(listen, "choose another address as metrics.listen").await?;
        tracing::info!(address = %listener.local_addr()?, "metrics are told");
        app.serve_metrics_on(listener);
    }
    let address = listener.local_addr()?;
    let demo = if config.is_demo() { Some(Demo::set_up(&app.messaging, &secret).await?) } else { None };
    tell(address, &app.store, demo.as_ref());
    app.serve_on(listener);
    signal().await?;
    app.shut_down().await;
    Ok(())
}

async fn bind(listen: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}: {remedy}"))
}

/// Ctrl-C, or the signal with which supervisors ask a process to end.
async fn signal() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what an operator needs first, whatever the log filter")]
fn tell(address: SocketAddr, store: &Store, demo: Option<&Demo>) {
    println!("tidings {} listening on http://{address}", env!("CARGO_PKG_VERSION"));
    println!("store: {}", store.describe());
    if let Some(demo) = demo {
        println!("{}", demo.tell(address));
    }
}
