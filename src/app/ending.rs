//! The end of a gateway: told to load balancers first, then to callers, and to nobody who is still waiting for a reply.

use super::Gateway;
use super::runtime::Signals;
use crate::admin::Health;
use crate::assembly::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM or SIGINT.
    Told,
    /// A successor serves from the same sockets.
    TakenOver,
}

/// Ends in order, or at once if it is told a second time. Returns how many connections were cut.
pub async fn end(ending: Ending, gateway: &Arc<Gateway>, health: &Health, signals: &mut Signals) -> u32 {
    let cut = tokio::select! {
        () = finish(ending, gateway, health) => gateway.doors.open(),
        () = signals.stop() => {
            tracing::warn!("told to stop a second time: ending at once");
            gateway.doors.open()
        }
    };
    let closing = gateway.clone();
    let _ = tokio::task::spawn_blocking(move || closing.close()).await;
    cut
}

async fn finish(ending: Ending, gateway: &Gateway, health: &Health) {
    let Shutdown { delay, drain } = gateway.settings().shutdown;
    health.drain();
    // A successor takes the new callers: nobody has to be told to go elsewhere.
    if ending == Ending::Told && !delay.is_zero() {
        tracing::info!(delay = delay.as_secs_f64(), "not ready any more, still accepting");
        sleep(delay).await;
    }
    gateway.stop_accepting();
    tracing::info!(connections = gateway.doors.open(), "draining");
    let deadline = Instant::now() + drain;
    while !gateway.is_drained() && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
}
