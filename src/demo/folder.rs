//! The demo's data directory: `gateway.toml`, what it refers to, and the store.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::keepsakes;
use crate::{base::entropy::Entropy, config::root_key};

/// Where a demo keeps its files.
#[derive(Debug)]
pub(super) enum Folder {
    /// Gone when this is dropped.
    Passing(TempDir),
    /// Stays.
    Kept(PathBuf),
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It could not be made or written.
    #[error("the data directory {} cannot be used", .0.display())]
    Unusable(PathBuf, #[source] io::Error),
    /// There is a configuration that would be overwritten.
    #[error("{} was not written by the demo and would be overwritten; choose another --data", .0.display())]
    NotOurs(PathBuf),
}

impl Folder {
    /// A new one for this run, or the one at `path`.
    ///
    /// # Errors
    /// Any [`FolderError`].
    pub(super) fn open(path: Option<&Path>) -> Result<Self, FolderError> {
        let Some(path) = path else {
            let folder = tempfile::Builder::new().prefix("anteroom-demo-").tempdir();
            return folder
                .map(Self::Passing)
                .map_err(|error| FolderError::Unusable(std::env::temp_dir(), error));
        };
        let unusable = |error| FolderError::Unusable(path.to_owned(), error);
        make_private(path).map_err(unusable)?;
        // References in the file and the address that is printed must not depend on where one stands.
        let path = path.canonicalize().map_err(unusable)?;
        let configuration = path.join("gateway.toml");
        if configuration.exists() && !path.join(keepsakes::FILE).exists() {
            return Err(FolderError::NotOurs(configuration));
        }
        Ok(Self::Kept(path))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Passing(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    /// Writes a file into it that only its owner reads.
    ///
    /// # Errors
    /// [`FolderError::Unusable`]
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, FolderError> {
        let path = self.path().join(name);
        keepsakes::write_private(&path, text.as_bytes())
            .map_err(|error| FolderError::Unusable(self.path().to_owned(), error))?;
        Ok(path)
    }

    /// Makes the key that seals the store, unless there is one, or a store that another one sealed.
    ///
    /// # Errors
    /// [`FolderError::Unusable`]
    pub(super) fn make_root_key(&self, entropy: &dyn Entropy) -> Result<(), FolderError> {
        let (key, store) = (self.path().join("root.key"), self.path().join("store"));
        if key.exists() || store.exists() {
            return Ok(());
        }
        let made = root_key::write_new(&key, entropy);
        made.map(drop)
            .map_err(|error| FolderError::Unusable(self.path().to_owned(), error))
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_someone_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("gateway.toml"), "# mine").unwrap();
        let refused = Folder::open(Some(folder.path()));
        assert!(
            matches!(refused, Err(FolderError::NotOurs(_))),
            "{refused:?}"
        );
    }
}
