//! T5: what was counted.

use super::values::{Sql, slot, slot_number};
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::{Tally, UsageRow};
use rusqlite::{Connection, Result, Row, params};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT kind, uid, slot, code, count, first_at, last_at FROM usage ", $rest)
    };
}

pub(super) fn count(connection: &Connection, tally: &Tally) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO usage (kind, uid, slot, code, count, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
         ON CONFLICT DO UPDATE SET count = count + excluded.count, first_at = min(first_at, excluded.first_at),
            last_at = max(last_at, excluded.last_at)",
    )?;
    statement.execute(params![
        Sql(tally.kind),
        Sql(tally.uid),
        slot_number(tally.slot),
        tally.code,
        tally.count,
        tally.last_at
    ])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, kind: Resource, uid: Uid) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM usage WHERE kind = ?1 AND uid = ?2")?;
    statement.execute(params![Sql(kind), Sql(uid)])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, kind: Option<Resource>, uid: Option<Uid>) -> Result<Vec<UsageRow>> {
    let (kind, uid) = (kind.map(Sql), uid.map(Sql));
    // Each by the table's own order, as far as it goes.
    let mut statement = match (&kind, &uid) {
        (Some(_), Some(_)) => connection.prepare_cached(select!("WHERE kind = ?1 AND uid = ?2"))?,
        (Some(_), None) => connection.prepare_cached(select!("WHERE kind = ?1 AND ?2 IS NULL"))?,
        (None, _) => connection.prepare_cached(select!("WHERE ?1 IS NULL AND (?2 IS NULL OR uid = ?2)"))?,
    };
    statement.query_map(params![kind, uid], read)?.collect()
}

pub(super) fn of(connection: &Connection, kind: Resource, uids: &[Uid]) -> Result<Vec<UsageRow>> {
    let mut found = Vec::new();
    for uid in uids {
        found.append(&mut find(connection, Some(kind), Some(*uid))?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<UsageRow> {
    Ok(UsageRow {
        kind: row.get::<_, Sql<_>>(0)?.0,
        uid: row.get::<_, Sql<_>>(1)?.0,
        slot: slot(row.get(2)?)?,
        code: row.get(3)?,
        count: row.get(4)?,
        first_at: row.get(5)?,
        last_at: row.get(6)?,
    })
}
