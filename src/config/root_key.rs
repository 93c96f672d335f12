//! The root key that nobody configured: made at the first start, kept in a file of its own beside `gateway.toml`.
//!
//! It is not kept in the store's folder, so that a copy of the store alone opens nothing.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::base::{entropy::Entropy, seal::RootKey};

/// The id of a root key that nobody configured.
pub(super) const DEFAULT_ID: &str = "1";
/// The file of a root key that nobody configured, beside `gateway.toml`.
pub(super) const DEFAULT_FILE: &str = "root.key";

/// The ring of root keys; before the first start there may be none yet.
#[derive(Clone, Debug)]
pub enum RootKeys {
    /// The first seals, all open; at least one.
    Ring(Arc<[RootKey]>),
    /// None is configured, the store is new, and the file is to be made at the first start.
    FirstStart(PathBuf),
}

/// Why no root key could be made.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file could not be written.
    #[error("the root key cannot be written to {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The file appeared meanwhile, and is no root key.
    #[error("{} is no root key: expected 32 bytes in base64", .0.display())]
    NotAKey(PathBuf),
}

impl RootKeys {
    /// Whether another ring is meant. The file that the first start made is not another one.
    pub fn differ_from(&self, other: &Self) -> bool {
        let (Self::Ring(mine), Self::Ring(theirs)) = (self, other) else {
            return false;
        };
        let same =
            |(mine, theirs): (&RootKey, &RootKey)| mine.id == theirs.id && mine.key == theirs.key;
        mine.len() != theirs.len() || !mine.iter().zip(theirs.iter()).all(same)
    }

    /// The ring; makes the key first if this is the first start. What was made is on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn ring(&self, entropy: &dyn Entropy) -> Result<Arc<[RootKey]>, RootKeyError> {
        let path = match self {
            Self::Ring(ring) => return Ok(Arc::clone(ring)),
            Self::FirstStart(path) => path,
        };
        let text = match write_new(path, entropy) {
            Ok(text) => {
                tracing::info!(
                    file = %path.display(),
                    "made a root key; keep a copy of it: without it nothing in the store opens"
                );
                text
            }
            // Another process started at the same moment, or this ring was asked for before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let read = std::fs::read_to_string(path);
                Zeroizing::new(read.map_err(|error| RootKeyError::Write(path.clone(), error))?)
            }
            Err(error) => return Err(RootKeyError::Write(path.clone(), error)),
        };
        let key = decode(&text).ok_or_else(|| RootKeyError::NotAKey(path.clone()))?;
        let id = DEFAULT_ID.to_owned();
        Ok([RootKey { id, key }].into())
    }
}

/// A new root key as it is written in files and variables: 32 bytes in base64.
pub fn generate(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(key.as_mut_slice());
    Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(key.as_slice()))
}

/// Writes a new root key to a file that must not exist yet, readable by its owner only. Returns it.
///
/// # Errors
/// `AlreadyExists`, and whatever keeps a file from being written.
pub fn write_new(path: &Path, entropy: &dyn Entropy) -> io::Result<Zeroizing<String>> {
    let text = generate(entropy);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = writeln!(file, "{}", text.as_str()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key would be worse than none.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    // The name of the file must survive a power cut too.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(text)
}

/// Base64 in either alphabet, padded or not, of exactly 32 bytes.
pub(super) fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim();
    [&STANDARD, &URL_SAFE].into_iter().find_map(|alphabet| {
        let bytes = GeneralPurpose::new(alphabet, lenient).decode(text).ok();
        let bytes = bytes.map(Zeroizing::new)?;
        bytes.as_slice().try_into().ok().map(Zeroizing::new)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn a_generated_key_decodes_and_others_do_not() {
        assert!(decode(&generate(&SeededEntropy::new(1))).is_some());
        let unpadded = "-_".repeat(21) + "8";
        assert!(decode(&unpadded).is_some(), "URL-safe, without padding");
        for text in ["", "AAAA", "no base64!", &"A".repeat(100)] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_first_start_makes_a_key_and_the_second_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEFAULT_FILE);
        let keys = RootKeys::FirstStart(path.clone());
        let first = keys.ring(&SeededEntropy::new(1)).unwrap();
        let second = keys.ring(&SeededEntropy::new(2)).unwrap();
        assert_eq!(first[0].key, second[0].key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(
            write_new(&path, &SeededEntropy::new(3)).is_err(),
            "never overwritten"
        );
    }
}
