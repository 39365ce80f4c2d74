//! How the gateway is, for probes.

use http::StatusCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How the gateway is, for probes.
pub struct Health {
    draining: AtomicBool,
    generation: AtomicU64,
    last_reload_failed: AtomicBool,
}

impl Health {
    pub fn new(generation: u64) -> Health {
        Health {
            draining: AtomicBool::new(false),
            generation: AtomicU64::new(generation),
            last_reload_failed: AtomicBool::new(false),
        }
    }

    pub fn reloaded(&self, generation: u64) {
        self.generation.store(generation, Relaxed);
        self.last_reload_failed.store(false, Relaxed);
    }

    pub fn reload_failed(&self) {
        self.last_reload_failed.store(true, Relaxed);
    }

    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// A wrong file does not make a gateway unready: the old one serves, and taking it out of service would turn a typing
    /// slip into an outage. It is said, though.
    pub(super) fn readiness(&self) -> (StatusCode, String) {
        let draining = self.draining.load(Relaxed);
        let failed = self.last_reload_failed.load(Relaxed);
        let body = serde_json::json!({
            "status": if draining { "draining" } else { "ready" },
            "config": {
                "generation": self.generation.load(Relaxed),
                "last_reload": if failed { "failed: the old configuration keeps serving; the log says why" } else { "ok" },
            },
        });
        let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, format!("{body}\n"))
    }
}
