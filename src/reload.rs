//! A changed `gateway.toml` is taken without a restart: read, checked whole, swapped whole. A bad one leaves the old one running.
//!
//! It is looked at every two seconds, together with the files it refers to (a rotated secret is a change), and at once at
//! SIGHUP or `POST /admin/reload`. Contents are compared, not times: a secret mounted into a container changes by a link.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Problems, live::Live},
    upstream::Upstreams,
};

const EVERY: Duration = Duration::from_secs(2);
/// No file that is looked at is larger. Bytes.
const LARGEST: u64 = 4 << 20;

/// Takes over what the file says now. Clones share.
#[derive(Clone)]
pub struct Reloader {
    path: Arc<Path>,
    live: Live,
    upstreams: Upstreams,
    /// What was looked at last; held while a file is taken over, so that two never cross.
    seen: Arc<Mutex<Option<Fingerprint>>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

impl Reloader {
    /// Watches the file at `path`, from which the configuration in force was read.
    pub fn new(path: &Path, live: Live, upstreams: Upstreams) -> Self {
        let path = path.into();
        let seen = Arc::default();
        Self {
            path,
            live,
            upstreams,
            seen,
        }
    }

    /// Reads the file and puts it in force.
    ///
    /// # Errors
    /// Every problem of the file; the configuration in force stays.
    pub async fn reload(&self) -> Result<(), Problems> {
        let mut seen = self.seen.lock().await;
        *seen = Some(self.fingerprint().await);
        self.take_over().await
    }

    /// Looks at the files until told to stop.
    pub async fn watch(self, stopping: CancellationToken) {
        *self.seen.lock().await = Some(self.fingerprint().await);
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.look().await;
        }
    }

    /// Takes the files over if they changed since they were looked at last. A bad change is told once.
    pub async fn look(&self) {
        let mut seen = self.seen.lock().await;
        let now = self.fingerprint().await;
        if seen.as_ref().is_some_and(|seen| *seen != now) {
            // It has been told when this fails.
            let _ = self.take_over().await;
        }
        *seen = Some(now);
    }

    async fn take_over(&self) -> Result<(), Problems> {
        let path = Arc::clone(&self.path);
        let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let config = match loaded.expect("reading a file does not panic") {
            Ok(config) => config,
            Err(problems) => {
                metrics::counter!("anteroom_reloads_total", "outcome" => "refused").increment(1);
                tracing::error!(file = %self.path.display(), "the changed configuration was refused, the old one stays in force:\n{problems}");
                return Err(problems);
            }
        };
        for warning in config.warnings.iter() {
            tracing::warn!(path = warning.path, "{}", warning.message);
        }
        let kept = self.live.replace(config);
        let now = self.live.now();
        self.upstreams.retain(now.upstreams.values());
        metrics::counter!("anteroom_reloads_total", "outcome" => "taken").increment(1);
        if kept.is_empty() {
            tracing::info!(file = %self.path.display(), edition = now.edition, "the changed configuration is in force");
        } else {
            tracing::warn!(file = %self.path.display(), edition = now.edition, needs_restart = ?kept, "the changed configuration is in force, but for what needs a restart");
        }
        Ok(())
    }

    /// Of the file and those it refers to, in the configuration in force.
    async fn fingerprint(&self) -> Fingerprint {
        let mut files: Vec<PathBuf> = vec![self.path.to_path_buf()];
        files.extend(self.live.now().files.iter().cloned());
        let hashed = tokio::task::spawn_blocking(move || fingerprint(&files)).await;
        hashed.expect("reading files does not panic")
    }
}

fn fingerprint(files: &[PathBuf]) -> Fingerprint {
    use std::io::Read;
    let mut hash = Sha256::new();
    for file in files {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let read =
            std::fs::File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        hash.update([u8::from(read.is_ok())]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&*bytes);
    }
    Fingerprint(hash.finalize().into())
}
