//! What one core of the data plane owns. Nothing in it is shared with another core but counters that are read from
//! outside.

use super::request_id::RequestIds;
use crate::http::upstream::Upstreams;
use crate::live::{Live, Shared};
use crate::telemetry::access_log::AccessWriter;
use crate::telemetry::metrics::CoreMetrics;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A core's state.
pub struct Core {
    shared: Shared,
    /// The generation this core last saw, behind a count that only this core touches: a shared one would travel between
    /// the cores' caches with every request.
    current: RefCell<Rc<Arc<Live>>>,
    pub upstreams: Rc<Upstreams>,
    pub metrics: Arc<CoreMetrics>,
    pub access: AccessWriter,
    pub ids: RequestIds,
}

impl Core {
    pub fn new(shared: Shared, metrics: Arc<CoreMetrics>, access: AccessWriter) -> Rc<Core> {
        let current = RefCell::new(Rc::new(shared.load_full()));
        let upstreams = Rc::new(Upstreams::new(metrics.clone()));
        Rc::new(Core { shared, current, upstreams, metrics, access, ids: RequestIds::default() })
    }

    /// The generation in force.
    pub fn live(&self) -> Rc<Arc<Live>> {
        let newest = self.shared.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&newest, &current) {
            *current = Rc::new(Arc::clone(&newest));
        }
        current.clone()
    }
}
