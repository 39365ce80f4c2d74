//! Sealed secrets, by resource and version.

use super::errors::Failure;
use super::values::Sql;
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::{Sealed, SecretVersion, StoreError};
use rusqlite::{Connection, OptionalExtension, Result, params};

pub(super) fn add(connection: &Connection, sealed: &Sealed) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO secrets (resource, version, sealed, destination, created_at, created_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        Sql(sealed.resource),
        sealed.version,
        sealed.sealed,
        sealed.destination,
        sealed.created_at,
        sealed.created_by
    ])?;
    Ok(())
}

pub(super) fn purge(connection: &Connection, of: Uid, keep: Option<u32>) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM secrets WHERE resource = ?1 AND version IS NOT ?2")?;
    statement.execute(params![Sql(of), keep])?;
    Ok(())
}

pub(super) fn drop(connection: &Connection, of: Uid, version: u32) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached("DELETE FROM secrets WHERE resource = ?1 AND version = ?2")?;
    match statement.execute(params![Sql(of), version])? {
        1 => Ok(()),
        _ => Err(Failure::Change(StoreError::Conflict)),
    }
}

/// All of these resources', for the start.
pub(super) fn of_kind(connection: &Connection, kind: Resource) -> Result<Vec<Sealed>> {
    let mut statement = connection.prepare_cached(
        "SELECT s.resource, s.version, s.sealed, s.destination, s.created_at, s.created_by
         FROM secrets s JOIN resources r ON r.uid = s.resource WHERE r.kind = ?1 ORDER BY s.resource, s.version",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Sealed {
            resource: row.get::<_, Sql<_>>(0)?.0,
            version: row.get(1)?,
            sealed: row.get(2)?,
            destination: row.get(3)?,
            created_at: row.get(4)?,
            created_by: row.get(5)?,
        })
    };
    statement.query_map([Sql(kind)], read)?.collect()
}

pub(super) fn find(connection: &Connection, of: Uid, version: u32) -> Result<Option<Sealed>> {
    let mut statement = connection.prepare_cached(
        "SELECT sealed, destination, created_at, created_by FROM secrets WHERE resource = ?1 AND version = ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Sealed {
            resource: of,
            version,
            sealed: row.get(0)?,
            destination: row.get(1)?,
            created_at: row.get(2)?,
            created_by: row.get(3)?,
        })
    };
    statement.query_row(params![Sql(of), version], read).optional()
}

/// From the newest.
pub(super) fn versions(connection: &Connection, of: Uid) -> Result<Vec<SecretVersion>> {
    let mut statement = connection.prepare_cached(
        "SELECT version, destination, created_at, created_by FROM secrets WHERE resource = ?1 ORDER BY version DESC",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(SecretVersion {
            version: row.get(0)?,
            destination: row.get(1)?,
            created_at: row.get(2)?,
            created_by: row.get(3)?,
        })
    };
    statement.query_map([Sql(of)], read)?.collect()
}
