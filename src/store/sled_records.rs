//! The records of the sled engine: how one is read, and how the writer thread writes and syncs.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::{self, File},
    io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

use ::sled::{Db, IVec, Tree};

use super::{
    IN_ORDER, Record, StoreError, Version,
    layout::{decode, encode},
    writer::Medium,
};
use crate::base::clock::{Clock, Timestamp};

/// Pages above a quarter of a segment go to files of their own. A page holds up to 16 records, so with 2 MiB records up to
/// 32 KiB (all that we know of) stay in the log. sled does not let this change for a directory once made.
pub(super) const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// The records as the writer thread sees them.
pub(super) struct Records {
    db: Db,
    pub(super) tree: Tree,
    clock: Arc<dyn Clock>,
    file: File,
    directory: PathBuf,
    synced_blobs: HashSet<OsString>,
    unsynced: u64,
}

impl Records {
    pub(super) fn open(
        db: &Db,
        path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut records = Self {
            tree: db.open_tree("records")?,
            db: db.clone(),
            clock,
            file: File::open(path.join("db"))?,
            directory: path.to_owned(),
            synced_blobs: HashSet::new(),
            unsynced: 0,
        };
        File::open(path.join("conf"))?.sync_all()?;
        records.sync()?;
        Ok(records)
    }

    pub(super) fn alive(&self, key: &str) -> Result<Option<Record>, StoreError> {
        alive(&self.tree, key, self.clock.now())
    }

    pub(super) fn put(
        &mut self,
        key: &str,
        value: &[u8],
        expires: Option<Timestamp>,
    ) -> Result<Version, StoreError> {
        // Never given out twice in the life of a directory, so that a version seen before a `take` is not met after it.
        let version = Version(self.db.generate_id().map_err(unavailable)?);
        let bytes = encode(version, expires, value);
        self.unsynced += (key.len() + bytes.len()) as u64;
        self.tree.insert(key, bytes).map_err(unavailable)?;
        Ok(version)
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.unsynced += key.len() as u64;
        self.tree.remove(key).map(drop).map_err(unavailable)
    }

    /// Removes what is still expired: a record may have been written anew since it was seen.
    pub(super) fn sweep(&mut self, keys: &[String]) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut swept = 0;
        for key in keys {
            let bytes = self.tree.get(key).map_err(unavailable)?;
            let Some(bytes) = bytes else { continue };
            if !decode(key, &bytes)?.is_alive(now) {
                self.remove(key)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// sled writes a page too large for its log to a file of its own, and syncs neither file nor directory.
    fn sync_blobs(&mut self) -> io::Result<()> {
        let directory = self.directory.join("blobs");
        let mut present = HashSet::new();
        let mut fresh = false;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if !self.synced_blobs.contains(&entry.file_name()) {
                match File::open(entry.path()) {
                    Ok(file) => file.sync_all()?,
                    // Replaced and removed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                fresh = true;
            }
            present.insert(entry.file_name());
        }
        self.synced_blobs = present;
        if fresh {
            File::open(&directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Medium for Records {
    /// Less than a segment: sled reuses a segment only once the one that replaced its content is full, so what was moved is
    /// always synced before what it was moved from is overwritten.
    const GROUP_BYTES: u64 = SEGMENT_BYTES as u64 / 8;

    fn unsynced(&self) -> u64 {
        self.unsynced
    }

    fn sync(&mut self) -> io::Result<()> {
        self.db.flush().map_err(io::Error::other)?;
        self.sync_blobs()?;
        self.file.sync_data()?;
        self.unsynced = 0;
        Ok(())
    }
}

pub(super) fn alive(tree: &Tree, key: &str, now: Timestamp) -> Result<Option<Record>, StoreError> {
    let Some(bytes) = tree.get(key).map_err(unavailable)? else {
        return Ok(None);
    };
    let record = decode(key, &bytes)?;
    Ok(record.is_alive(now).then_some(record))
}

pub(super) fn page(
    tree: &Tree,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<(String, Record)>, StoreError> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let mut page = Vec::new();
    for item in tree.range::<&str, _>((start, Bound::Unbounded)) {
        let (key, bytes) = item.map_err(unavailable)?;
        if page.len() == limit || !key.starts_with(prefix.as_bytes()) {
            break;
        }
        let key = text(&key)?;
        let record = decode(&key, &bytes)?;
        if record.is_alive(now) {
            page.push((key, record));
        }
    }
    Ok(page)
}

pub(super) fn expired(tree: &Tree, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut expired = Vec::new();
    let mut from = Bound::Unbounded;
    loop {
        let mut items = tree.range::<String, _>((from, Bound::Unbounded));
        from = loop {
            let Some(item) = items.next() else {
                return Ok(expired);
            };
            let (key, bytes) = item.map_err(unavailable)?;
            let key = text(&key)?;
            if !decode(&key, &bytes)?.is_alive(now) {
                expired.push(key);
            } else if let Some(table) = in_order(&key) {
                // `0` is what comes after `/`.
                break Bound::Included(format!("{table}0"));
            }
        };
    }
}

fn in_order(key: &str) -> Option<&str> {
    let (table, _) = key.split_once('/')?;
    IN_ORDER.contains(&table).then_some(table)
}

fn unavailable(error: ::sled::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

fn text(key: &IVec) -> Result<String, StoreError> {
    String::from_utf8(key.to_vec()).map_err(|error| StoreError::Corrupt {
        key: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        reason: "its key is not UTF-8".to_owned(),
    })
}
