//! The demo's gateway: the same composition root as `anteroom serve`, fed from the file that was just written.

use std::{path::Path, sync::Arc};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::run::DemoError;
use crate::{
    app::App,
    base::{clock::Clock, entropy::Entropy},
    config,
};

/// Builds the gateway that `file` describes and serves it on `listener` until `stop`.
///
/// # Errors
/// [`DemoError::Configuration`] and [`DemoError::Gateway`]
pub(super) async fn serve(
    file: &Path,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    stop: CancellationToken,
) -> Result<JoinHandle<Result<(), DemoError>>, DemoError> {
    let config = config::load(file)?;
    let app = App::build(config, clock, entropy)
        .await
        .map_err(|error| DemoError::Gateway(error.into()))?;
    Ok(tokio::spawn(async move {
        app.serve(listener, stop.cancelled_owned()).await;
        Ok(())
    }))
}
