//! T5: what is used. The counts live in the store; what was counted since the last flush is not in them yet.

use super::refusal::Done;
use super::state::Control;
use crate::model::{Resource, Uid};
use crate::store::UsageRow;

impl Control {
    pub(super) async fn usage_of(&self, kind: Resource, uids: &[Uid]) -> Done<Vec<UsageRow>> {
        match &self.stored {
            Some(stored) => Ok(stored.store.usage_of(kind, uids).await?),
            None => Ok(Vec::new()),
        }
    }
}
