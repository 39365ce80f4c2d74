//! Whether the database is still the one at its path. A file that was moved away, deleted or replaced can be written to as
//! long as it is open, and the next start finds nothing of that: so nothing is acknowledged that would be lost.

use super::lock::beside;
use crate::store::StoreError;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The database and its log, as they were when they were opened.
#[derive(Debug)]
pub(super) struct Place {
    pub path: PathBuf,
    log: PathBuf,
    opened: [Identity; 2],
}

/// Device and inode.
type Identity = (u64, u64);

impl Place {
    /// Of a database that is open, and so has its log.
    pub fn of(path: &Path) -> io::Result<Place> {
        let (path, log) = (path.to_owned(), beside(path, "-wal"));
        let opened = [identity(&path.metadata()?), identity(&log.metadata()?)];
        Ok(Place { path, log, opened })
    }

    /// Both are where they were.
    pub fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in [&self.path, &self.log].into_iter().zip(self.opened) {
            let reason = match path.metadata() {
                Ok(found) if identity(&found) == opened => continue,
                Ok(_) => "another file is in its place",
                Err(error) if error.kind() == io::ErrorKind::NotFound => "it is gone from its place",
                Err(_) => "its place cannot be looked at",
            };
            return Err(StoreError::Moved { path: path.clone(), reason });
        }
        Ok(())
    }
}

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}
