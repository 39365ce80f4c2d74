//! Connections to the file, set up for what they are for.

use rusqlite::{Connection, OpenFlags, Result};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for somebody with another tool, who holds the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// Prepared statements that are kept; there are fewer of ours.
const STATEMENTS: usize = 64;
/// Pages kept in memory by the writer, in KiB: digests are random, so their index is written to all over.
const WRITER_CACHE_KIB: i64 = 32 << 10;
/// What a burst has made longer of the log is given back.
const LOG_LIMIT: i64 = 64 << 20;

/// For writing. The file is there.
pub(super) fn writing(path: &Path) -> Result<Connection> {
    let connection = opened(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An acknowledged change survives a power failure as well.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What was deleted does not linger in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    Ok(connection)
}

/// For reading beside the writer.
pub(super) fn reading(path: &Path) -> Result<Connection> {
    opened(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// For reading what nobody writes to: not even the files beside it are made.
pub(super) fn looking(path: &Path) -> Result<Connection> {
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use std::os::unix::ffi::OsStrExt;
    let path = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let uri = format!("file:{path}?immutable=1");
    opened(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// For making a new one, in a file that is there and empty.
pub(super) fn making(path: &Path) -> Result<Connection> {
    opened(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn opened(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    // The file may have been in other hands: its schema calls nothing, and what is misshapen is not read.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
