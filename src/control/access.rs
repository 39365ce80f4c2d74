//! K13: who asks, and what they may do.

use crate::model::Uid;
use std::net::IpAddr;
use std::sync::Arc;

/// Somebody whose key is alive and good for administration. Made by [`super::Control::actor`] only.
#[derive(Debug, Clone)]
pub struct Actor {
    pub(super) key: Uid,
    pub(super) name: Arc<str>,
    pub(super) address: IpAddr,
    pub(super) request_id: String,
}

impl Actor {
    pub fn name(&self) -> &str {
        &self.name
    }
}
