//! What a demo makes up and may want to find again: the API key, the passwords, the client secret.
//!
//! They are random for every demo, although it listens on loopback only: a fixed password would let any program of any user
//! of this machine, and any web page that guesses the port, sign in to whatever demo is running. They are pronounceable, for
//! they are typed; three groups of five letters carry 48 bits. With `--data` they are kept in a file of their owner's, so
//! that what was pasted into a client yesterday works today.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::base::entropy::Entropy;

/// The file in the data directory.
pub(super) const FILE: &str = "demo.json";

/// Everything that is made up. These texts are the demo's own and are printed for its user.
#[derive(Serialize, Deserialize)]
pub(super) struct Keepsakes {
    pub(super) api_key: String,
    pub(super) client_secret: String,
    pub(super) alice: String,
    pub(super) bob: String,
    pub(super) zelda: String,
    pub(super) otto: String,
}

impl Keepsakes {
    /// New ones.
    pub(super) fn make_up(entropy: &dyn Entropy) -> Self {
        Self {
            api_key: format!("arc_{}", entropy.token()),
            client_secret: entropy.token(),
            alice: password(entropy),
            bob: password(entropy),
            zelda: password(entropy),
            otto: password(entropy),
        }
    }

    /// Those in `folder`, or new ones that are put there.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is something else.
    pub(super) fn kept_in(folder: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keepsakes = Self::make_up(entropy);
                let bytes = serde_json::to_vec_pretty(&keepsakes).map_err(io::Error::other)?;
                write_private(&path, &bytes)?;
                Ok(keepsakes)
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes a file that only its owner reads, whatever was there before.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Begun anew, for an old file would keep its old mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

/// Three groups of consonant, vowel, consonant, vowel, consonant: 16 bits each.
fn password(entropy: &dyn Entropy) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let mut bytes = [0; 6];
    entropy.fill(&mut bytes);
    let group = |pair: &[u8]| {
        let bits = u16::from_be_bytes([pair[0], pair[1]]);
        let consonant = |shift: u16| char::from(CONSONANTS[usize::from(bits >> shift & 15)]);
        let vowel = |shift: u16| char::from(VOWELS[usize::from(bits >> shift & 3)]);
        String::from_iter([
            consonant(12),
            vowel(10),
            consonant(6),
            vowel(4),
            consonant(0),
        ])
    };
    bytes
        .chunks_exact(2)
        .map(group)
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    #[test]
    fn passwords_can_be_said_aloud_and_differ() {
        let entropy = SeededEntropy::new(1);
        let one = password(&entropy);
        assert_ne!(one, password(&entropy));
        assert_eq!(one.len(), 17);
        assert!(
            one.bytes().all(|c| c == b'-' || c.is_ascii_lowercase()),
            "{one}"
        );
    }

    #[test]
    fn what_was_kept_is_found_again_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keepsakes::kept_in(folder.path(), &SeededEntropy::new(1)).unwrap();
        let second = Keepsakes::kept_in(folder.path(), &SeededEntropy::new(2)).unwrap();
        assert_eq!(first.api_key, second.api_key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(FILE))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
