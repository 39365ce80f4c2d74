//! Keys: a row each, their digests, and the tokens that are still accepted.

use super::errors::{Failure, is_name_taken};
use super::values::Sql;
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::{Graced, KeyRow, ListQuery, StoreError};
use rusqlite::{Connection, OptionalExtension, Result, Row, ToSql, params};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, uid, name, document, enabled, revoked_at, expires_at, environment, primary_digest, \
             secondary_digest, primary_at, secondary_at, owner, access, version, created_at, updated_at FROM keys ",
            $rest
        )
    };
}

/// `OR FAIL`, here and below: what a failing statement has done is undone with its whole change, so it needs no journal of
/// its own.
pub(super) fn add(connection: &Connection, key: &KeyRow) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "INSERT OR FAIL INTO keys (uid, name, document, enabled, revoked_at, expires_at, environment, primary_digest,
            secondary_digest, primary_at, secondary_at, owner, access, version, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    named(key, execute(&mut statement, key, &[]))?;
    let id = connection.last_insert_rowid();
    grace(connection, id, &key.graced)
}

pub(super) fn set(connection: &Connection, expected: u64, key: &KeyRow) -> std::result::Result<(), Failure> {
    let Some(id) = id_of(connection, key.uid, expected)? else { return Err(Failure::Change(StoreError::Conflict)) };
    // First: a token may go from grace back to its slot.
    connection.prepare_cached("DELETE FROM graced WHERE key = ?1")?.execute([id])?;
    let mut statement = connection.prepare_cached(
        "UPDATE OR FAIL keys SET uid = ?1, name = ?2, document = ?3, enabled = ?4, revoked_at = ?5, expires_at = ?6,
            environment = ?7, primary_digest = ?8, secondary_digest = ?9, primary_at = ?10, secondary_at = ?11,
            owner = ?12, access = ?13, version = ?14, created_at = ?15, updated_at = ?16
         WHERE id = ?17",
    )?;
    named(key, execute(&mut statement, key, &[&id]))?;
    grace(connection, id, &key.graced)
}

pub(super) fn drop(connection: &Connection, uid: Uid, expected: u64) -> std::result::Result<(), Failure> {
    let Some(id) = id_of(connection, uid, expected)? else { return Err(Failure::Change(StoreError::Conflict)) };
    connection.prepare_cached("DELETE FROM keys WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The version of a key, if it is there.
pub(super) fn version(connection: &Connection, uid: Uid) -> Result<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT version FROM keys WHERE uid = ?1")?;
    statement.query_row([Sql(uid)], |row| row.get(0)).optional()
}

fn id_of(connection: &Connection, uid: Uid, version: u64) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM keys WHERE uid = ?1 AND version = ?2")?;
    statement.query_row(params![Sql(uid), version], |row| row.get(0)).optional()
}

fn execute(statement: &mut rusqlite::Statement<'_>, key: &KeyRow, more: &[&dyn ToSql]) -> Result<usize> {
    let (uid, access) = (Sql(key.uid), Sql(key.access));
    let (environment, primary, secondary) = (key.environment.map(Sql), key.primary.map(Sql), key.secondary.map(Sql));
    let row: [&dyn ToSql; 16] = [
        &uid,
        &key.name,
        &key.document,
        &key.enabled,
        &key.revoked_at,
        &key.expires_at,
        &environment,
        &primary,
        &secondary,
        &key.primary_at,
        &key.secondary_at,
        &key.owner,
        &access,
        &key.version,
        &key.created_at,
        &key.updated_at,
    ];
    let all: Vec<&dyn ToSql> = row.into_iter().chain(more.iter().copied()).collect();
    statement.execute(all.as_slice())
}

fn named(key: &KeyRow, done: Result<usize>) -> std::result::Result<(), Failure> {
    match done {
        Ok(_) => Ok(()),
        Err(e) if is_name_taken(&e) => {
            Err(Failure::Change(StoreError::NameTaken { kind: Resource::Key, name: key.name.clone() }))
        }
        Err(e) => Err(e.into()),
    }
}

fn grace(connection: &Connection, id: i64, graced: &[Graced]) -> std::result::Result<(), Failure> {
    for one in graced {
        let mut statement = connection.prepare_cached("INSERT OR FAIL INTO graced VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![Sql(one.digest), id, Sql(one.slot), one.until])?;
    }
    Ok(())
}

/// A row without what is graced, and its number.
fn read(row: &Row<'_>) -> Result<(i64, KeyRow)> {
    let key = KeyRow {
        uid: row.get::<_, Sql<_>>(1)?.0,
        name: row.get(2)?,
        document: row.get(3)?,
        enabled: row.get(4)?,
        revoked_at: row.get(5)?,
        expires_at: row.get(6)?,
        environment: row.get::<_, Option<Sql<_>>>(7)?.map(|s| s.0),
        primary: row.get::<_, Option<Sql<_>>>(8)?.map(|s| s.0),
        secondary: row.get::<_, Option<Sql<_>>>(9)?.map(|s| s.0),
        graced: Vec::new(),
        primary_at: row.get(10)?,
        secondary_at: row.get(11)?,
        owner: row.get(12)?,
        access: row.get::<_, Sql<_>>(13)?.0,
        version: row.get(14)?,
        created_at: row.get(15)?,
        updated_at: row.get(16)?,
    };
    Ok((row.get(0)?, key))
}

fn read_graced(row: &Row<'_>) -> Result<Graced> {
    Ok(Graced { slot: row.get::<_, Sql<_>>(0)?.0, digest: row.get::<_, Sql<_>>(1)?.0, until: row.get(2)? })
}

fn with_graced(connection: &Connection, (id, mut key): (i64, KeyRow)) -> Result<KeyRow> {
    let mut statement =
        connection.prepare_cached("SELECT slot, digest, until FROM graced WHERE key = ?1 ORDER BY until, digest")?;
    key.graced = statement.query_map([id], read_graced)?.collect::<Result<_>>()?;
    Ok(key)
}

/// By name, or by id in the form of a UUID.
pub(super) fn find(connection: &Connection, name_or_uid: &str) -> Result<Option<KeyRow>> {
    let found = match Uid::parse(name_or_uid) {
        Some(uid) => connection.prepare_cached(select!("WHERE uid = ?1"))?.query_row([Sql(uid)], read),
        None => connection.prepare_cached(select!("WHERE name = ?1"))?.query_row([name_or_uid], read),
    };
    found.optional()?.map(|found| with_graced(connection, found)).transpose()
}

/// Every key, in no order.
pub(super) fn each(connection: &Connection, mut take: impl FnMut(KeyRow)) -> Result<()> {
    let mut graced: HashMap<i64, Vec<Graced>> = HashMap::new();
    let mut statement = connection.prepare("SELECT slot, digest, until, key FROM graced ORDER BY until, digest")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        graced.entry(row.get(3)?).or_default().push(read_graced(row)?);
    }
    let mut statement = connection.prepare(select!(""))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, mut key) = read(row)?;
        key.graced = graced.remove(&id).unwrap_or_default();
        take(key);
    }
    Ok(())
}

/// What `query` asks for, by name.
pub(super) fn list(connection: &Connection, query: &ListQuery) -> Result<Vec<KeyRow>> {
    let mut statement = connection.prepare_cached(select!(
        "WHERE name > ?1
            AND (?2 IS NULL OR environment = ?2)
            AND (?3 IS NULL OR access = ?3)
            AND (?4 IS NULL OR owner = ?4)
            AND (?5 IS NULL OR CASE ?5
                WHEN 'revoked' THEN revoked_at IS NOT NULL
                WHEN 'expired' THEN revoked_at IS NULL AND expires_at <= ?6
                WHEN 'disabled' THEN revoked_at IS NULL AND NOT enabled
                WHEN 'enabled' THEN revoked_at IS NULL AND enabled AND (expires_at IS NULL OR expires_at > ?6)
                ELSE 0 END)
         ORDER BY name"
    ))?;
    let mut rows = statement.query(params![
        query.after.as_deref().unwrap_or_default(),
        query.environment_id.map(Sql),
        query.access.map(Sql),
        query.owner,
        query.state,
        query.now
    ])?;
    let wanted = query.q.as_deref().map(str::to_lowercase);
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let matches = match &wanted {
            Some(wanted) => mentions(row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?, wanted),
            None => true,
        };
        if matches {
            found.push(with_graced(connection, read(row)?)?);
        }
    }
    Ok(found)
}

/// What people wrote of a resource, within its document.
#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
}

/// Whether name, title or description hold `wanted`, which is in lower case.
pub(super) fn mentions(name: &str, document: &str, wanted: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(wanted);
    if holds(name) {
        return true;
    }
    // Most documents hold neither, and are not parsed for it.
    if !document.contains("\"title\"") && !document.contains("\"description\"") {
        return false;
    }
    let Ok(words) = serde_json::from_str::<Words<'_>>(document) else { return false };
    [words.title, words.description].into_iter().flatten().any(|text| holds(&text))
}
