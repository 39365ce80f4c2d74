//! Floor 4: what is kept over restarts, with its audit: rows and sealed values, never a secret in the clear.
//!
//! Readers get rows; whoever changes something hands over one [`Change`], which is whole or absent: its writes, its audit
//! rows and the memory of its idempotency key are one transaction. Changes are committed in an order, several at once where
//! several wait, and their effects are handed to the data plane in that order before anybody is told.

mod rows;

pub use rows::{
    Access, AuditEntry, AuditRow, Change, Graced, Guard, KeyRow, ListQuery, Replay, ResourceRow, Sealed, StoreError,
    Tally, UsageRow, Write,
};
