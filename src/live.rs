//! Floor 5: what the data plane reads: a snapshot with the state that goes with it. Published whole; a request takes
//! hold of one and keeps it to its end.

use crate::limit::Limits;
use crate::model::Snapshot;
use crate::net::tls::Tls;
use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// One generation of the configuration, in force.
pub struct Live {
    pub snapshot: Snapshot,
    pub limits: Limits,
    /// How each connection's upstream is verified, by the connection's index; `None` where it speaks no TLS.
    pub trust: Vec<Option<Tls<ClientConfig>>>,
    /// What each listener shows its callers, by the listener's index; `None` where it speaks no TLS.
    pub certificates: Vec<Option<Tls<ServerConfig>>>,
    /// Counts reloads, from 1.
    pub generation: u64,
}

/// Where the generation in force is found. Replaced by a reload, read by every core.
pub type Shared = Arc<ArcSwap<Live>>;

impl Live {
    /// The listener that was configured with this address, if it still is.
    pub fn listener(&self, address: &str) -> Option<usize> {
        self.snapshot.listeners.iter().position(|l| &*l.address == address)
    }
}

/// A generation as one core holds it, behind a count that only this core touches: a shared one would travel between the
/// cores' caches with every request.
#[derive(Clone)]
pub struct Local(Rc<Generation>);

struct Generation(Arc<Live>);

impl Local {
    pub fn new(live: Arc<Live>) -> Local {
        Local(Rc::new(Generation(live)))
    }

    /// Whether this is that generation.
    pub fn is(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.0.0, live)
    }
}

impl Deref for Local {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.0.0
    }
}
