//! Sealed things that are too large for one record: cut up, each piece sealed for its place among the others.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, table::Table};
use crate::base::{
    clock::Timestamp,
    seal::{OpenError, Purpose, Sealed, Sealer},
};

/// Sealed and as text, a piece is a record of less than 32 KiB, which the embedded engine keeps in its log.
const PIECE_BYTES: usize = 23 * 1024;
/// Pieces that are written or removed at a time.
const AT_ONCE: usize = 8;

/// Where sealed things of any size are kept, under keys of the caller's.
///
/// Records: `{table}/{key}/{n}`. What [`Pieces::put`] acknowledged is there as a whole; what it did not is not there at all for
/// [`Pieces::get`].
#[derive(Clone)]
pub struct Pieces {
    table: Table<Piece>,
    name: &'static str,
    sealer: Sealer,
    purpose: Purpose,
}

/// One of them.
#[derive(Clone, Serialize, Deserialize)]
struct Piece {
    /// How many there are.
    of: usize,
    sealed: Sealed,
}

/// Why what was kept does not come back.
#[derive(Debug, thiserror::Error)]
pub enum PiecesError {
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is there and does not open.
    #[error("something kept in `{table}` does not open: {error}")]
    Sealed {
        /// Where.
        table: &'static str,
        /// Why not.
        error: OpenError,
    },
}

impl Pieces {
    /// Those of the table `name`, which has no other records, sealed for `purpose`.
    pub fn new(
        store: Arc<dyn Store>,
        name: &'static str,
        sealer: Sealer,
        purpose: Purpose,
    ) -> Self {
        Self {
            table: Table::new(store, name),
            name,
            sealer,
            purpose,
        }
    }

    /// Keeps `content` under `key` until `expires`, in the place of what was there.
    ///
    /// # Errors
    /// What the store says; then nothing is there that could be read, and the same may be tried again.
    pub async fn put(
        &self,
        key: &str,
        content: &[u8],
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let of = content.len().div_ceil(PIECE_BYTES).max(1);
        // The first comes last: without it there is nothing.
        let rest = stream::iter((1..of).map(|n| self.put_one(key, (n, of), content, expires)));
        rest.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.put_one(key, (0, of), content, expires).await
    }

    async fn put_one(
        &self,
        key: &str,
        (n, of): (usize, usize),
        content: &[u8],
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let begin = n * PIECE_BYTES;
        let content = &content[begin..content.len().min(begin + PIECE_BYTES)];
        let (number, place) = (n.to_string(), format!("{key}/{n}"));
        let owner = [self.name, key, &number, &of.to_string()];
        let sealed = self.sealer.seal(self.purpose, &owner, content);
        let piece = Piece { of, sealed };
        while !self.table.create(&place, &piece, expires).await? {
            let there = self.table.get(&place).await?;
            let Some(there) = there else { continue };
            let put = self
                .table
                .replace(&place, there.version, &piece, expires)
                .await?;
            if put.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// What is kept under `key`.
    ///
    /// # Errors
    /// See [`PiecesError`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PiecesError> {
        let Some(first) = self.table.get(&format!("{key}/0")).await? else {
            return Ok(None);
        };
        let of = first.value.of;
        let mut content = Vec::new();
        let mut piece = first.value;
        for n in 0..of {
            if n > 0 {
                let Some(next) = self.table.get(&format!("{key}/{n}")).await? else {
                    return Ok(None);
                };
                piece = next.value;
            }
            let owner = [self.name, key, &n.to_string(), &of.to_string()];
            let opened = self.sealer.open(self.purpose, &owner, &piece.sealed);
            content.extend_from_slice(&opened.map_err(|error| PiecesError::Sealed {
                table: self.name,
                error,
            })?);
        }
        Ok(Some(content))
    }

    /// Removes what is kept under `key`, whole or not.
    ///
    /// # Errors
    /// What the store says; the same may be tried again.
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let prefix = format!("{key}/");
        loop {
            let there = self.table.list(&prefix, None, AT_ONCE).await?;
            if there.is_empty() {
                return Ok(());
            }
            for (place, _) in there {
                self.table.take(&place).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        base::{clock::ManualClock, entropy::SeededEntropy, seal::RootKey},
        store::sled::SledStore,
    };

    fn pieces() -> (Pieces, tempfile::TempDir, Arc<dyn Store>) {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let store = SledStore::open(directory.path(), Arc::new(clock)).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let ring = [RootKey {
            id: "k".into(),
            key: Zeroizing::new([1; 32]),
        }];
        let sealer = Sealer::new(&ring, Arc::new(SeededEntropy::new(1)));
        let pieces = Pieces::new(Arc::clone(&store), "thing", sealer, Purpose::ScheduledRun);
        (pieces, directory, store)
    }

    #[tokio::test]
    async fn anything_comes_back_as_it_was() {
        let (pieces, _directory, store) = pieces();
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 1024 * 1024] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            pieces.put("a/b", &content, None).await.unwrap();
            assert_eq!(pieces.get("a/b").await.unwrap(), Some(content), "{length}");
        }
        // Something shorter takes the place of something longer.
        pieces.put("a/b", b"short", None).await.unwrap();
        assert_eq!(pieces.get("a/b").await.unwrap().unwrap(), b"short");
        pieces.put("a/bc", b"another's", None).await.unwrap();
        pieces.remove("a/b").await.unwrap();
        assert_eq!(pieces.get("a/b").await.unwrap(), None);
        let left = store.list("thing/", None, 100).await.unwrap();
        assert_eq!(left.len(), 1, "what is another's stays");
    }

    #[tokio::test]
    async fn a_piece_in_another_place_does_not_open() {
        let (pieces, _directory, store) = pieces();
        let content = vec![7; PIECE_BYTES * 2];
        pieces.put("mine", &content, None).await.unwrap();
        let moved = store.take("thing/mine/0").await.unwrap().unwrap();
        store
            .create("thing/mine/0x", moved.value.clone(), None)
            .await
            .unwrap();
        assert_eq!(pieces.get("mine").await.unwrap(), None, "one is missing");
        for (from, to) in [("mine/1", "mine/0"), ("mine/0x", "theirs/0")] {
            let piece = store.get(&format!("thing/{from}")).await.unwrap().unwrap();
            let to_key = format!("thing/{to}");
            store.create(&to_key, piece.value, None).await.unwrap();
            let key = to.split('/').next().unwrap();
            let error = pieces.get(key).await.unwrap_err();
            assert!(matches!(error, PiecesError::Sealed { .. }), "{to}: {error}");
        }
    }
}
