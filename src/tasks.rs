//! What is done now and then, whether or not anybody asks.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{store::Store, upstream::Upstreams};

const EVERY: Duration = Duration::from_secs(60);

/// Removes expired records and idle upstream sessions until told to stop.
pub async fn run(store: Arc<dyn Store>, upstreams: Upstreams, stopping: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match store.purge().await {
            Ok(0) => {}
            Ok(purged) => tracing::debug!(purged, "expired records were removed"),
            Err(error) => tracing::warn!(%error, "expired records could not be removed"),
        }
        upstreams.tidy().await;
    }
}
