//! One gateway a database: a lock that ends with the process, however it ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often somebody who waits looks again.
const AGAIN: Duration = Duration::from_millis(20);

/// Held: nobody else opens this database. On a file of its own, which stays: closing the database's own file would let go
/// of SQLite's locks on it.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, and let go of when it is dropped")] File);

/// `path` with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

impl Lock {
    /// Waits up to `patience` for whoever holds it: a predecessor may be about to end. None: it is still held.
    pub fn take(database: &Path, patience: Duration) -> io::Result<Option<Lock>> {
        let path = beside(database, ".lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Lock(file))),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(AGAIN),
            }
        }
    }
}
