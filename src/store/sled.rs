//! The embedded engine: sled 0.34 in one directory, for one process.
//!
//! sled's own `flush` waits for `sync_file_range` only, which neither writes the file's new length nor empties the disk's
//! cache; so its timer is off, all writing goes through `Writer`, and a group counts as written after `flush` *and*
//! `fdatasync`. Reads go straight to sled: what is hot is in memory, the rest is one small read. A read may see a write a
//! moment before it is durable; every decision that must hold (`create`, `replace`, `take`) is made by the writer.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::sled::{Config, Db, Tree};
use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Record, Store, StoreError, Version, limits,
    sled_records::{Records, SEGMENT_BYTES, alive, expired, page},
    writer::Writer,
};
use crate::base::clock::{Clock, Timestamp};

const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// What this version writes; kept in the directory, so that an older binary does not misread a newer one's records.
const FORMAT: &[u8] = b"1";
/// A file beside sled's own, there once the format is durably in the store. sled opens a file it cannot read as an empty one:
/// a store with the mark and without the format is a damaged one, not a new one.
const MARK: &str = "anteroom-store";
/// How long a directory that is in use is asked for again: the process before this one may be about to end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many expired records are removed by one verb.
const SWEEP: usize = 128;

/// A [`Store`] in a directory of this machine.
pub struct SledStore {
    // Dropped first: the writer finishes before the directory is let go.
    writer: Writer<Records>,
    tree: Tree,
    clock: Arc<dyn Clock>,
}

/// Why a directory cannot be the store.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("`{0}` is in use")]
    InUse(PathBuf),
    #[error(
        "`{0}` was written by a newer version of Anteroom; start that version, or restore a backup from before it"
    )]
    Newer(PathBuf),
    #[error(
        "`{0}` has been a store and cannot be read as one any more: the disk or something else damaged it; restore a backup, or move it away to begin anew without users' connections"
    )]
    Damaged(PathBuf),
    #[error("`{path}` cannot be opened: {source}")]
    Unusable {
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SledStore {
    /// Opens the directory, making it (for its owner only) if it is not there. Blocks; for start-up.
    ///
    /// # Errors
    /// When another process has it open (after a second of asking), or it cannot be read or written. The message says which,
    /// and what to do.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_inner(path, clock).map_err(|refused| match refused {
            Refused::InUse(path) => StoreError::InUse(path),
            refused => StoreError::Unavailable(Box::new(refused)),
        })
    }

    fn open_inner(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Refused> {
        make_directory(path).map_err(|error| Refused::unusable(path, error))?;
        let db = open_patiently(path)?;
        check_format(&db, path)?;
        let records = Records::open(&db, path, Arc::clone(&clock))
            .map_err(|error| Refused::unusable(path, error))?;
        leave_mark(path).map_err(|error| Refused::unusable(path, error))?;
        Ok(Self {
            tree: records.tree.clone(),
            writer: Writer::start(records).map_err(|error| Refused::unusable(path, error))?,
            clock,
        })
    }
}

impl Refused {
    fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    fn by_sled(path: &Path, error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Corruption { .. } => Self::Damaged(path.to_owned()),
            other => Self::unusable(path, other),
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, StoreError> {
        limits::check_key(key)?;
        alive(&self.tree, key, self.clock.now())
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        limits::check_key(key)?;
        limits::check_value(key, &value)?;
        let key = key.to_owned();
        self.writer
            .run(move |records| match records.alive(&key)? {
                Some(_) => Ok(None),
                None => records.put(&key, &value, expires).map(Some),
            })
            .await
    }

    async fn replace(
        &self,
        key: &str,
        seen: Version,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<Option<Version>, StoreError> {
        limits::check_key(key)?;
        limits::check_value(key, &value)?;
        let key = key.to_owned();
        self.writer
            .run(move |records| match records.alive(&key)? {
                Some(record) if record.version == seen => {
                    records.put(&key, &value, expires).map(Some)
                }
                _ => Ok(None),
            })
            .await
    }

    async fn take(&self, key: &str) -> Result<Option<Record>, StoreError> {
        limits::check_key(key)?;
        let key = key.to_owned();
        self.writer
            .run(move |records| {
                let record = records.alive(&key)?;
                if record.is_some() {
                    records.remove(&key)?;
                }
                Ok(record)
            })
            .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        let (tree, now) = (self.tree.clone(), self.clock.now());
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        blocking(move || page(&tree, &prefix, after.as_deref(), limit, now)).await
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        let (tree, now) = (self.tree.clone(), self.clock.now());
        let expired = blocking(move || expired(&tree, now)).await?;
        let mut purged = 0;
        for keys in expired.chunks(SWEEP) {
            let keys = keys.to_vec();
            purged += self.writer.run(move |records| records.sweep(&keys)).await?;
        }
        Ok(purged)
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn check_format(db: &Db, path: &Path) -> Result<(), Refused> {
    let refused = |error| Refused::by_sled(path, error);
    match db.get("format").map_err(refused)?.as_deref() {
        Some(FORMAT) => Ok(()),
        Some(_) => Err(Refused::Newer(path.to_owned())),
        None if path.join(MARK).exists() => Err(Refused::Damaged(path.to_owned())),
        None => db.insert("format", FORMAT).map(drop).map_err(refused),
    }
}

fn leave_mark(path: &Path) -> io::Result<()> {
    let mark = path.join(MARK);
    if !mark.exists() {
        File::create(mark)?.sync_all()?;
        // The files are durable; their names are once the directory is.
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

fn open_patiently(path: &Path) -> Result<Db, Refused> {
    const STEP: Duration = Duration::from_millis(50);
    let config = Config::new()
        .path(path)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let mut waited = Duration::ZERO;
    loop {
        let error = match config.open() {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        // sled has no error of its own for this; a test holds its words.
        let in_use = error.to_string().contains("could not acquire lock");
        match (in_use, waited < PATIENCE) {
            (true, true) => std::thread::sleep(STEP),
            (true, false) => return Err(Refused::InUse(path.to_owned())),
            (false, _) => return Err(Refused::by_sled(path, error)),
        }
        waited += STEP;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Unavailable(Box::new(error)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::clock::{ManualClock, SystemClock},
        store::contract,
    };

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        contract::hold(|clock: &ManualClock| {
            let directory = tempfile::tempdir().unwrap();
            let clock = clock.clone();
            Box::new(move || {
                Arc::new(SledStore::open(directory.path(), Arc::new(clock.clone())).unwrap())
            })
        })
        .await;
    }

    #[tokio::test]
    async fn a_directory_in_use_is_refused_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let clock = || Arc::new(SystemClock);
        let first = SledStore::open(directory.path(), clock()).unwrap();
        let refusal = SledStore::open(directory.path(), clock()).err().unwrap();
        let text = refusal.to_string();
        assert!(
            text.contains("another process has") && text.contains("[store] url"),
            "{text}"
        );
        drop(first);
        SledStore::open(directory.path(), clock()).unwrap();
    }

    #[tokio::test]
    async fn a_newer_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(SledStore::open(directory.path(), Arc::new(SystemClock)).unwrap());
        let db = open_patiently(directory.path()).unwrap();
        db.insert("format", b"2").unwrap();
        drop(db);
        let refusal = SledStore::open(directory.path(), Arc::new(SystemClock)).err();
        assert!(refusal.unwrap().to_string().contains("newer version"));
    }

    #[tokio::test]
    async fn a_damaged_store_is_not_taken_for_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let open = || SledStore::open(directory.path(), Arc::new(SystemClock));
        drop(open().unwrap());
        drop(open().unwrap());
        let file = directory.path().join("db");
        let length = fs::metadata(&file).unwrap().len();
        fs::write(&file, vec![0; usize::try_from(length).unwrap()]).unwrap();
        let refusal = open().err().unwrap().to_string();
        assert!(refusal.contains("restore a backup"), "{refusal}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_directory_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let _store = SledStore::open(&path, Arc::new(SystemClock)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
