//! `anteroom serve`.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Admin, Operators},
    app::App,
    base::{clock::SystemClock, entropy::OsEntropy},
    config::Config,
    reload::Reloader,
    server,
};

pub(super) fn run(config: Config, path: &Path) -> anyhow::Result<()> {
    Runtime::new()?.block_on(serve(config, path))
}

async fn serve(config: Config, path: &Path) -> anyhow::Result<()> {
    let address = config.server.listen;
    let public_url = config.server.public_url.clone();
    let admin_address = config.server.admin_listen;
    // Before the store: a second process is told about the port it cannot have, not about the store.
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; change `server.listen` in {}",
            path.display()
        )
    })?;
    let app = App::build(config, Arc::new(SystemClock), Arc::new(OsEntropy)).await?;
    let reloader = app.reloader(path);
    tokio::spawn(reloader.clone().watch(app.stopping()));
    tokio::spawn(at_hangup(reloader.clone()));
    if let Some(address) = admin_address {
        let operators = app.operators();
        administer(address, reloader, operators, app.stopping(), path).await?;
    }
    let local = listener.local_addr()?;
    tracing::info!(%public_url, config = %path.display(), "listening on http://{local}");
    app.serve(listener, stopped()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the operators' listener.
async fn administer(
    address: SocketAddr,
    reloader: Reloader,
    operators: Operators,
    stopping: CancellationToken,
    path: &Path,
) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics cannot be collected")?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; change `server.admin_listen` in {}",
            path.display()
        )
    })?;
    tracing::info!("metrics and health on http://{}", listener.local_addr()?);
    let router = admin::routes(Admin {
        metrics,
        reloader,
        operators,
    });
    let stop = async move {
        stopping.cancelled().await;
        Duration::ZERO
    };
    tokio::spawn(server::serve(listener, router, server::HEADERS, stop));
    Ok(())
}

/// Takes a changed file over at each SIGHUP.
#[cfg(unix)]
async fn at_hangup(reloader: Reloader) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    while hangups.recv().await.is_some() {
        // It has been told when this fails.
        let _ = reloader.reload().await;
    }
}

#[cfg(not(unix))]
async fn at_hangup(_: Reloader) {}

/// Resolves at SIGTERM or Ctrl-C.
pub(super) async fn stopped() {
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
