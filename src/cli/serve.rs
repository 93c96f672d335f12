//! `anteroom serve`.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    app::App,
    base::{clock::SystemClock, entropy::OsEntropy},
    config::Config,
};

pub(super) fn run(config: Config, path: &Path) -> anyhow::Result<()> {
    Runtime::new()?.block_on(serve(config, path))
}

async fn serve(config: Config, path: &Path) -> anyhow::Result<()> {
    let address = config.server.listen;
    let public_url = config.server.public_url.clone();
    // Before the store: a second process is told about the port it cannot have, not about the store.
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}; change `server.listen` in {}",
            path.display()
        )
    })?;
    let app = App::build(config, Arc::new(SystemClock), Arc::new(OsEntropy)).await?;
    let local = listener.local_addr()?;
    tracing::info!(%public_url, config = %path.display(), "listening on http://{local}");
    app.serve(listener, stopped()).await;
    tracing::info!("stopped");
    Ok(())
}

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
