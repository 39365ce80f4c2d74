//! Floor 4: what is kept over restarts, with its audit: rows and sealed values, never a secret in the clear.
//!
//! Readers get rows; whoever changes something hands over one [`Change`], which is whole or absent: its writes, its audit
//! rows and the memory of its idempotency key are one transaction. Changes are committed in an order, several at once where
//! several wait, and their effects are handed to the data plane in that order before anybody is told.
//!
//! A start goes in two steps, so that a wrong master key changes nothing: [`Database::find`] looks, read-only, and gives
//! out the keyring's record; once the vault is open, [`Database::open`] migrates and begins to write.

mod chain;
mod error;
mod query;
mod rows;
mod sqlite;
#[cfg(test)]
mod tests;

pub use error::{OpenError, StoreError};
pub use query::{AuditFilter, AuditHead, AuditVerdict, Committed, Counts, ListQuery};
pub use rows::{
    Access, AuditEntry, AuditRow, Change, Graced, Guard, KeyRow, Replay, ResourceRow, Sealed, SecretUse, SecretVersion,
    Tally, UsageRow, Write,
};
pub use sqlite::{Apply, Database, Store};
