//! What the gateway tells about itself: metrics, one access record per request, and the operational log.
//!
//! Two rules hold for everything here. No key, token or secret is ever written (T3), so caller-made text passes
//! through [`redact`]; and no caller can forge a line or steer a terminal (hazard 33), so it passes through `escape`.

pub mod access_log;
mod escape;
pub mod log;
pub mod metrics;
pub mod redact;
pub mod timestamp;
pub mod usage;
