//! A database that is there and locked, but not yet written to.

use super::errors::fault;
use super::lock::{Lock, beside};
use super::migrate::{self, APPLICATION_ID};
use super::place::Place;
use super::store::{Apply, Store};
use super::{audit, connect, readers::Readers, writer::Writer};
use crate::store::chain::Chain;
use crate::store::{OpenError, StoreError};
use rusqlite::{Connection, OptionalExtension};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What is looked through at every start: small, and secrets depend on it. All of a million keys would take seconds.
const CHECKED: [&str; 4] = ["keyring", "meta", "resources", "secrets"];

/// A database of ours, found and locked. Nothing of it was changed.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    lock: Lock,
    keyring: Vec<u8>,
}

impl Database {
    /// Looks at the database, read-only. Waits up to `patience` for a gateway that has it: a predecessor may be about to
    /// end.
    pub fn find(path: &Path, patience: Duration) -> Result<Database, OpenError> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(OpenError::Missing { path: path.into() }),
            Err(e) => return Err(unusable(path, e)),
        };
        let lock = Lock::take(&path, patience).map_err(|e| unusable(&path, e))?;
        let lock = lock.ok_or_else(|| OpenError::Locked { path: path.clone() })?;
        let keyring = look(&path)?;
        Ok(Database { path, lock, keyring })
    }

    /// Makes a new database with this record of the keyring. What exists is never overwritten.
    pub fn create(path: &Path, keyring: &[u8]) -> Result<Database, OpenError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|e| unusable(folder, e))?;
        let path = folder.join(path.file_name().ok_or_else(|| unusable(path, "it names no file"))?);
        let lock = Lock::take(&path, Duration::ZERO).map_err(|e| unusable(&path, e))?;
        let lock = lock.ok_or_else(|| OpenError::Locked { path: path.clone() })?;
        // A log without its database would be taken for the new one's.
        for existing in [path.clone(), beside(&path, "-wal"), beside(&path, "-journal")] {
            if existing.symlink_metadata().is_ok() {
                return Err(OpenError::Exists { path: existing });
            }
        }
        make(&path, keyring)?;
        Ok(Database { path, lock, keyring: keyring.into() })
    }

    /// What the vault is opened with.
    pub fn keyring(&self) -> &[u8] {
        &self.keyring
    }

    /// Opens for writing: migrates and starts the writer. `chain` is the audit's key; `apply` gets the effects of what was
    /// committed, in that order, on the writer's thread.
    pub fn open<E: Send + 'static>(self, chain: Zeroizing<[u8; 32]>, apply: Apply<E>) -> Result<Store<E>, OpenError> {
        let Database { path, lock, .. } = self;
        keep_private(&path);
        let connection = prepared(&path).map_err(|e| damaged_or_unusable(&path, fault(e)))?;
        let chain = Chain::new(chain);
        let place = Arc::new(Place::of(&path).map_err(|e| unusable(&path, e))?);
        let writer = Writer::new(connection, place.clone(), chain.clone(), apply);
        let writer = writer.map_err(|e| damaged_or_unusable(&path, fault(e)))?;
        Store::start(writer, Readers::new(place), chain, lock).map_err(|e| unusable(&path, e))
    }
}

fn prepared(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = connect::writing(path)?;
    migrate::migrate(&mut connection)?;
    audit::head(&connection)?;
    Ok(connection)
}

/// Whether it is ours, and whole as far as can be told quickly; its keyring.
fn look(path: &Path) -> Result<Vec<u8>, OpenError> {
    if !is_ours(path).map_err(|e| unusable(path, e))? {
        return Err(OpenError::Foreign { path: path.into() });
    }
    let failed = |e| damaged_or_unusable(path, fault(e));
    // Without a log beside it, and under our lock, nobody writes to it.
    let log = beside(path, "-wal").metadata().map_or(0, |m| m.len());
    let connection = if log == 0 { connect::looking(path) } else { connect::reading(path) }.map_err(failed)?;
    let (version, known) = (migrate::version(&connection).map_err(failed)?, migrate::known());
    if version > known {
        return Err(OpenError::Newer { path: path.into(), version, known });
    }
    for table in CHECKED {
        let check = format!("PRAGMA quick_check({table})");
        let verdict: String = connection.query_row(&check, [], |row| row.get(0)).map_err(failed)?;
        if verdict != "ok" {
            return Err(damaged(path, format!("the table {table} is not whole")));
        }
    }
    let keyring =
        connection.query_row("SELECT record FROM keyring", [], |row| row.get(0)).optional().map_err(failed)?;
    keyring.ok_or_else(|| damaged(path, "its keyring is gone".into()))
}

/// By the file's head alone, which stays the same from the first transaction on: so what is broken behind it is called
/// damaged and not somebody else's.
fn is_ours(path: &Path) -> io::Result<bool> {
    let mut head = [0u8; 72];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        Ok(()) => Ok(head.starts_with(b"SQLite format 3\0") && head.ends_with(&APPLICATION_ID.to_be_bytes())),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// Made under another name and given its own when it is whole, so that a crash leaves nothing half-made behind.
fn make(path: &Path, keyring: &[u8]) -> Result<(), OpenError> {
    let draft = beside(path, ".new");
    for left in [draft.clone(), beside(&draft, "-journal")] {
        match fs::remove_file(left) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unusable(&draft, e)),
            _ => {}
        }
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    drop(file.map_err(|e| unusable(&draft, e))?);
    let made = connect::making(&draft).and_then(|mut connection| migrate::make(&mut connection, keyring));
    made.map_err(|e| unusable(path, fault(e)))?;
    // Unlike a rename, a link never takes the place of something.
    fs::hard_link(&draft, path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => OpenError::Exists { path: path.into() },
        _ => unusable(path, e),
    })?;
    fs::remove_file(&draft).map_err(|e| unusable(&draft, e))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| unusable(folder, e))
}

/// A restored backup may have come with wider rights. If they are somebody else's to set, they stay.
fn keep_private(path: &Path) {
    let Ok(found) = path.metadata() else { return };
    if found.permissions().mode() & 0o077 != 0 {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
}

fn unusable(path: &Path, reason: impl ToString) -> OpenError {
    OpenError::Unusable { path: path.into(), reason: reason.to_string() }
}

fn damaged(path: &Path, reason: String) -> OpenError {
    OpenError::Damaged { path: path.into(), reason }
}

fn damaged_or_unusable(path: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Corrupt(reason) => damaged(path, reason),
        StoreError::Unavailable(reason) => unusable(path, reason),
        error => unusable(path, error),
    }
}
