//! How much there is.

use crate::store::Counts;
use rusqlite::{Connection, Result};

pub(super) fn read(connection: &Connection) -> Result<Counts> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM resources WHERE kind = 'environment'),
            (SELECT count(*) FROM resources WHERE kind = 'connection'),
            (SELECT count(*) FROM resources WHERE kind = 'workflow'),
            (SELECT count(*) FROM keys), (SELECT count(*) FROM secrets),
            (SELECT coalesce(max(seq), 0) FROM audit), (SELECT revision FROM meta)",
    )?;
    statement.query_row([], |row| {
        Ok(Counts {
            environments: row.get(0)?,
            connections: row.get(1)?,
            workflows: row.get(2)?,
            keys: row.get(3)?,
            secrets: row.get(4)?,
            audit: row.get(5)?,
            revision: row.get(6)?,
        })
    })
}

pub(super) fn revision(connection: &Connection) -> Result<u64> {
    connection.query_row("SELECT revision FROM meta", [], |row| row.get(0))
}

pub(super) fn set_revision(connection: &Connection, revision: u64) -> Result<()> {
    connection.prepare_cached("UPDATE meta SET revision = ?1")?.execute([revision])?;
    Ok(())
}
