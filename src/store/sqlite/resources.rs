//! Environments, connections and workflows.

use super::errors::{Failure, is_name_taken};
use super::keys::mentions;
use super::values::Sql;
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::{ListQuery, ResourceRow, StoreError};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT uid, kind, name, document, state, connector, environment, secret_version, owner, access, version, \
             created_at, updated_at FROM resources ",
            $rest
        )
    };
}

pub(super) fn add(connection: &Connection, row: &ResourceRow) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO resources (uid, kind, name, document, state, connector, environment, secret_version, owner,
            access, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let done = statement.execute(params![
        Sql(row.uid),
        Sql(row.kind),
        row.name,
        row.document,
        row.state,
        row.connector,
        row.environment,
        row.secret_version,
        row.owner,
        Sql(row.access),
        row.version,
        row.created_at,
        row.updated_at
    ]);
    named(row, done).map(|_| ())
}

/// The kind stays what it was.
pub(super) fn set(connection: &Connection, expected: u64, row: &ResourceRow) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE resources SET name = ?3, document = ?4, state = ?5, connector = ?6, environment = ?7,
            secret_version = ?8, owner = ?9, access = ?10, version = ?11, created_at = ?12, updated_at = ?13
         WHERE uid = ?1 AND kind = ?2 AND version = ?14",
    )?;
    let done = statement.execute(params![
        Sql(row.uid),
        Sql(row.kind),
        row.name,
        row.document,
        row.state,
        row.connector,
        row.environment,
        row.secret_version,
        row.owner,
        Sql(row.access),
        row.version,
        row.created_at,
        row.updated_at,
        expected
    ]);
    one(named(row, done)?)
}

pub(super) fn drop(connection: &Connection, uid: Uid, expected: u64) -> std::result::Result<Resource, Failure> {
    let mut statement =
        connection.prepare_cached("DELETE FROM resources WHERE uid = ?1 AND version = ?2 RETURNING kind")?;
    let kind = statement.query_row(params![Sql(uid), expected], |row| row.get::<_, Sql<_>>(0)).optional()?;
    kind.map(|kind| kind.0).ok_or(Failure::Change(StoreError::Conflict))
}

/// The version of a resource, if it is there.
pub(super) fn version(connection: &Connection, uid: Uid) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT version FROM resources WHERE uid = ?1")?;
    statement.query_row([Sql(uid)], |row| row.get(0)).optional()
}

/// A connection's current secret is there: nobody purged it while somebody else went back to it.
pub(super) fn has_its_secret(connection: &Connection, uid: Uid) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT NOT EXISTS (SELECT 1 FROM resources WHERE uid = ?1 AND secret_version IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM secrets WHERE resource = resources.uid AND version = resources.secret_version))",
    )?;
    statement.query_row([Sql(uid)], |row| row.get(0))
}

fn named(row: &ResourceRow, done: Result<usize>) -> std::result::Result<usize, Failure> {
    match done {
        Err(e) if is_name_taken(&e) => {
            Err(Failure::Change(StoreError::NameTaken { kind: row.kind, name: row.name.clone() }))
        }
        done => Ok(done?),
    }
}

fn one(changed: usize) -> std::result::Result<(), Failure> {
    if changed == 1 { Ok(()) } else { Err(Failure::Change(StoreError::Conflict)) }
}

fn read(row: &Row<'_>) -> Result<ResourceRow> {
    Ok(ResourceRow {
        uid: row.get::<_, Sql<_>>(0)?.0,
        kind: row.get::<_, Sql<_>>(1)?.0,
        name: row.get(2)?,
        document: row.get(3)?,
        state: row.get(4)?,
        connector: row.get(5)?,
        environment: row.get(6)?,
        secret_version: row.get(7)?,
        owner: row.get(8)?,
        access: row.get::<_, Sql<_>>(9)?.0,
        version: row.get(10)?,
        created_at: row.get(11)?,
        updated_at: row.get(12)?,
    })
}

/// By name, or by id in the form of a UUID.
pub(super) fn find(connection: &Connection, kind: Resource, name_or_uid: &str) -> Result<Option<ResourceRow>> {
    let found = match Uid::parse(name_or_uid) {
        Some(uid) => connection
            .prepare_cached(select!("WHERE uid = ?1 AND kind = ?2"))?
            .query_row(params![Sql(uid), Sql(kind)], read),
        None => connection
            .prepare_cached(select!("WHERE name = ?1 AND kind = ?2"))?
            .query_row(params![name_or_uid, Sql(kind)], read),
    };
    found.optional()
}

/// All of a kind, by name.
pub(super) fn all(connection: &Connection, kind: Resource) -> Result<Vec<ResourceRow>> {
    let mut statement = connection.prepare_cached(select!("WHERE kind = ?1 ORDER BY name"))?;
    statement.query_map([Sql(kind)], read)?.collect()
}

/// What `query` asks for, by name.
pub(super) fn list(connection: &Connection, kind: Resource, query: &ListQuery) -> Result<Vec<ResourceRow>> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE kind = ?1 AND name > ?2
            AND (?3 IS NULL OR connector = ?3)
            AND (?4 IS NULL OR environment = ?4)
            AND (?5 IS NULL OR access = ?5)
            AND (?6 IS NULL OR owner = ?6)
         ORDER BY name"
    ))?;
    let mut rows = statement.query(params![
        Sql(kind),
        query.after.as_deref().unwrap_or_default(),
        query.connector,
        query.environment,
        query.access.map(Sql),
        query.owner
    ])?;
    let wanted = query.q.as_deref().map(str::to_lowercase);
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let row = read(row)?;
        if wanted.as_deref().is_none_or(|wanted| mentions(&row.name, &row.document, wanted)) {
            found.push(row);
        }
    }
    Ok(found)
}
