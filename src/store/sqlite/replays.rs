//! Idempotency keys.

use super::errors::Failure;
use super::values::Sql;
use crate::model::uid::Uid;
use crate::store::{Replay, StoreError};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// How long they are remembered, in milliseconds.
const REMEMBERED: i64 = 24 * 60 * 60 * 1000;

pub(super) fn find(connection: &Connection, actor: Uid, key: &str) -> Result<Option<Replay>> {
    let mut statement =
        connection.prepare_cached("SELECT request, created, at FROM replays WHERE actor = ?1 AND key = ?2")?;
    let read = |row: &rusqlite::Row<'_>| {
        let created = row.get::<_, Sql<_>>(1)?.0;
        Ok(Replay { actor, key: key.into(), request: row.get(0)?, created, at: row.get(2)? })
    };
    statement.query_row(params![Sql(actor), key], read).optional()
}

/// Remembers one, unless it was used before; forgets those that are a day old.
pub(super) fn remember(connection: &Connection, replay: &Replay) -> std::result::Result<(), Failure> {
    let mut statement = connection.prepare_cached("DELETE FROM replays WHERE at <= ?1")?;
    statement.execute([replay.at.saturating_sub(REMEMBERED)])?;
    if let Some(before) = find(connection, replay.actor, &replay.key)? {
        let repeated = before.request == replay.request;
        let created = before.created;
        return Err(Failure::Change(if repeated { StoreError::Repeated { created } } else { StoreError::Replayed }));
    }
    let mut statement = connection
        .prepare_cached("INSERT INTO replays (actor, key, request, created, at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![Sql(replay.actor), replay.key, replay.request, Sql(replay.created), replay.at])?;
    Ok(())
}
