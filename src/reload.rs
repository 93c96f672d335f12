//! A changed `gateway.toml` is taken without a restart: read, checked whole, swapped whole. A bad one leaves the old one running.
//!
//! It is looked at every two seconds, together with the files it refers to (a rotated secret is a change), and at once at
//! SIGHUP or `POST /admin/reload`. Contents are compared, not times: a secret mounted into a container changes by a link.
//!
//! Files are seldom written at one moment. One that changes while it is looked at is left to the next look, for the beginning
//! of a good file is a good file too, with fewer gateways in it. One that was refused is tried again at each look, for what it
//! refers to may be on its way.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, Problems, live::Live},
    upstream::Upstreams,
};

const EVERY: Duration = Duration::from_secs(2);
/// So long a changed file has to hold still.
const STILL: Duration = Duration::from_millis(150);
/// No file that is looked at is larger. Bytes.
const LARGEST: u64 = 4 << 20;

/// Takes over what the file says now. Clones share.
#[derive(Clone)]
pub struct Reloader {
    path: Arc<Path>,
    live: Live,
    upstreams: Upstreams,
    /// Held while a file is taken over, so that two never cross.
    seen: Arc<Mutex<Seen>>,
}

/// What came of the last look.
#[derive(Default)]
struct Seen {
    files: Option<Fingerprint>,
    /// The files do not make a configuration, and this was told.
    refused: bool,
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
        seen.files = Some(self.fingerprint().await);
        let config = self.read(&mut seen).await;
        self.settle(&mut seen, config)
    }

    /// Looks at the files until told to stop.
    pub async fn watch(self, stopping: CancellationToken) {
        self.seen.lock().await.files = Some(self.fingerprint().await);
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
        let changed = seen.files.as_ref().is_some_and(|files| *files != now);
        if changed {
            sleep(STILL).await;
            if self.fingerprint().await != now {
                return;
            }
        }
        let tried_already = seen.refused && !changed;
        seen.files = Some(now);
        if changed || tried_already {
            let config = self.read(&mut seen).await;
            if config.is_ok() || !tried_already {
                // It has been told when this fails.
                let _ = self.settle(&mut seen, config);
            }
        }
    }

    /// What the files say. Their fingerprint is always older than that: what changes in between is a change.
    async fn read(&self, seen: &mut Seen) -> Result<Config, Problems> {
        let config = self.load().await?;
        if config.files == self.live.now().files {
            return Ok(config);
        }
        seen.files = Some(self.fingerprint_with(&config.files).await);
        self.load().await
    }

    async fn load(&self) -> Result<Config, Problems> {
        let path = Arc::clone(&self.path);
        let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await;
        let config = loaded.expect("reading a file does not panic")?;
        if !says_nothing(&config) || says_nothing(&self.live.now()) {
            return Ok(config);
        }
        // A full disk leaves such files behind.
        let why = "says nothing; to switch everything off, say `status = \"inactive\"`";
        Err(Problems::of_file(
            self.path.display().to_string(),
            why.to_owned(),
        ))
    }

    fn settle(&self, seen: &mut Seen, config: Result<Config, Problems>) -> Result<(), Problems> {
        seen.refused = config.is_err();
        if let Err(problems) = &config {
            metrics::counter!("anteroom_reloads_total", "outcome" => "refused").increment(1);
            tracing::error!(file = %self.path.display(), "the changed configuration was refused, the old one stays in force:\n{problems}");
        }
        config.map(|config| self.take_over(config))
    }

    fn take_over(&self, config: Config) {
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
    }

    /// Of the file and those it refers to, in the configuration in force.
    async fn fingerprint(&self) -> Fingerprint {
        self.fingerprint_with(&self.live.now().files).await
    }

    async fn fingerprint_with(&self, more: &[PathBuf]) -> Fingerprint {
        let mut files: Vec<PathBuf> = vec![self.path.to_path_buf()];
        files.extend(more.iter().cloned());
        let hashed = tokio::task::spawn_blocking(move || fingerprint(&files)).await;
        hashed.expect("reading files does not panic")
    }
}

/// Whether it is as good as an empty file.
fn says_nothing(config: &Config) -> bool {
    config.gateways.is_empty() && config.user_sources.is_empty() && config.upstreams.is_empty()
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
