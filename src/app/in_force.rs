//! The gateway, as the use cases see it.

use super::Gateway;
use crate::assembly::{Assembled, Rejected};
use crate::control::{InForce, NotReloaded};
use crate::live::{KeyChange, Live};
use crate::model::Keys;
use std::sync::Arc;

impl InForce for Gateway {
    fn live(&self) -> Arc<Live> {
        self.shared.load_full()
    }

    fn change_keys(&self, changes: Vec<KeyChange>) {
        Gateway::change_keys(self, changes);
    }

    fn replace_frame(&self, assembled: Assembled) -> anyhow::Result<u64> {
        Gateway::replace_frame(self, assembled)
    }

    fn reload(&self, read: &mut dyn FnMut(&Keys) -> Result<Assembled, Rejected>) -> Result<u64, NotReloaded> {
        // Files may be slow to read, and keys must be revoked meanwhile.
        let before = self.shared.load().snapshot.keys.clone();
        let mut assembled = read(&before).map_err(NotReloaded::Rejected)?;
        let gate = self.gate();
        let keys = self.shared.load().snapshot.keys.clone();
        if !keys.is_same(&before) {
            assembled = read(&keys).map_err(NotReloaded::Rejected)?;
        }
        self.replace(assembled, &gate).map_err(NotReloaded::Failed)
    }
}
