//! When the secrets that senders sign with were last used.

use super::values::Sql;
use crate::model::uid::Uid;
use crate::store::SecretUse;
use rusqlite::{Connection, Result, Row, params};

pub(super) fn note(connection: &Connection, used: &SecretUse) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO secret_uses (secret, workflow, last_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET last_at = max(last_at, excluded.last_at)",
    )?;
    statement.execute(params![Sql(used.secret), Sql(used.workflow), used.last_at])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, secret: Uid) -> Result<()> {
    connection.prepare_cached("DELETE FROM secret_uses WHERE secret = ?1")?.execute([Sql(secret)])?;
    Ok(())
}

/// Those of a workflow's secrets.
pub(super) fn forget_all(connection: &Connection, workflow: Uid) -> Result<()> {
    connection.prepare_cached("DELETE FROM secret_uses WHERE workflow = ?1")?.execute([Sql(workflow)])?;
    Ok(())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<SecretUse>> {
    let mut statement = connection.prepare_cached("SELECT secret, workflow, last_at FROM secret_uses")?;
    let read = |row: &Row<'_>| {
        Ok(SecretUse { secret: row.get::<_, Sql<_>>(0)?.0, workflow: row.get::<_, Sql<_>>(1)?.0, last_at: row.get(2)? })
    };
    statement.query_map([], read)?.collect()
}
