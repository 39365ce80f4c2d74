//! What one core of the data plane owns. Nothing in it is shared with another core but counters that are read from
//! outside.

use super::desks::Desks;
use super::load::Load;
use super::request_id::RequestIds;
use crate::http::upstream::Upstreams;
use crate::limit::{Buffers, Replays};
use crate::live::{Local, Shared};
use crate::policy::via::Via;
use crate::telemetry::access_log::AccessWriter;
use crate::telemetry::metrics::CoreMetrics;
use crate::telemetry::usage::CoreUsage;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// A core's state.
pub struct Core {
    shared: Shared,
    /// The generation this core last saw.
    current: RefCell<Local>,
    pub upstreams: Rc<Upstreams>,
    pub metrics: Arc<CoreMetrics>,
    pub access: AccessWriter,
    pub usage: Arc<CoreUsage>,
    pub ids: RequestIds,
    pub via: Arc<Via>,
    /// H4: the process's.
    pub replays: Arc<Replays>,
    /// H2: the process's.
    pub buffers: Arc<Buffers>,
    pub load: Load,
    /// For connections, and the streams of HTTP/2.
    pub desks: Desks,
    /// What still runs is ended by us, because we end.
    pub cut: Cell<bool>,
}

impl Core {
    pub fn new(
        shared: Shared,
        metrics: Arc<CoreMetrics>,
        access: AccessWriter,
        usage: Arc<CoreUsage>,
        via: Arc<Via>,
        replays: Arc<Replays>,
        buffers: Arc<Buffers>,
    ) -> Rc<Core> {
        let current = RefCell::new(Local::new(shared.load_full()));
        let upstreams = Rc::new(Upstreams::new(metrics.clone()));
        let cut = Cell::default();
        Rc::new(Core {
            shared,
            current,
            upstreams,
            metrics,
            access,
            usage,
            ids: RequestIds::default(),
            via,
            replays,
            buffers,
            load: Load::default(),
            desks: Desks::default(),
            cut,
        })
    }

    /// The generation in force.
    pub fn live(&self) -> Local {
        let newest = self.shared.load();
        let mut current = self.current.borrow_mut();
        if !current.is(&newest) {
            *current = Local::new(Arc::clone(&newest));
        }
        current.clone()
    }
}
