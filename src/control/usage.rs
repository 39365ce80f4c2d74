//! T5: what is used. The counts live in the store; what was counted since the last flush is not in them yet.

use super::refusal::Done;
use super::state::Control;
use crate::model::{Resource, Uid};
use crate::store::{AuditHead, StoreError, Tally, UsageRow};
use crate::telemetry::usage::Counted;

impl Control {
    pub(super) async fn usage_of(&self, kind: Resource, uids: &[Uid]) -> Done<Vec<UsageRow>> {
        match &self.stored {
            Some(stored) => Ok(stored.store.usage_of(kind, uids).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Writes down what was counted.
    pub async fn count(&self, counted: &[Counted]) -> Result<(), StoreError> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let tally = |c: &Counted| Tally {
            kind: c.kind,
            uid: c.uid,
            slot: c.slot,
            code: c.code.to_owned(),
            count: c.count,
            last_at: c.last_at,
        };
        stored.store.count(counted.iter().map(tally).collect()).await
    }

    /// T4: how the audit ends now.
    pub fn audit_head(&self) -> Option<AuditHead> {
        self.stored.as_ref().map(|stored| stored.store.audit_head())
    }

    /// Whether anything is kept.
    pub fn has_store(&self) -> bool {
        self.stored.is_some()
    }
}
