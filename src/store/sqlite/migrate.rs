//! The database's versions: numbered steps forward, each one transaction. There is no way back but a backup.

use rusqlite::{Connection, Result};

/// Marks a file as ours: `KSTL`.
pub(super) const APPLICATION_ID: i32 = 0x4b53_544c;

/// In their order; the first makes version 1.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql")];

/// The version that this program writes.
pub(super) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

pub(super) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes an older database to the present version, step by step.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let present = usize::try_from(version(connection)?).unwrap_or(0);
    for (at, step) in MIGRATIONS.iter().enumerate().skip(present) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", at as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Everything of an empty database, in one transaction.
pub(super) fn make(connection: &mut Connection, keyring: &[u8]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in MIGRATIONS {
        transaction.execute_batch(step)?;
    }
    transaction.execute("INSERT INTO keyring VALUES (1, ?1)", [keyring])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()
}
