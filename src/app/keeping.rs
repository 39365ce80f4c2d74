//! What goes on beside traffic where there is a store: what was counted is written down, and the audit's end is told.

use super::Gateway;
use crate::assembly::Assembled;
use crate::connector::Verdict;
use crate::control::Control;
use crate::egress::verify::verify_all;
use crate::model::Uid;
use crate::model::connection::ConnectionId;
use crate::store::SecretUse;
use crate::telemetry::usage::Counted;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until};

/// How soon what was counted is written down, while there is little.
const SOON: Duration = Duration::from_secs(2);
/// Where every request has a key of its own, a row each would cost more than the requests: writing takes a hundredth of the
/// time at most, and the longer it waits, the more requests share a row.
const SHARE: u32 = 100;
/// But nobody waits longer than this to see when a key was used.
const LATEST: Duration = Duration::from_secs(30);
/// T4: how often the audit's end is told, so that cutting it off shows.
const HEAD: Duration = Duration::from_secs(3600);

/// Until the runtime ends.
pub async fn keep(gateway: Arc<Gateway>, control: Arc<Control>) {
    let mut head = interval(HEAD);
    let mut next = Instant::now() + SOON;
    let mut noted = Noted::default();
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = gateway.usage.crowded() => {}
            _ = head.tick() => {
                tell_head(&control);
                continue;
            }
        }
        let began = Instant::now();
        write_down(&gateway, &control).await;
        noted.write_down(&gateway, &control).await;
        next = Instant::now() + (began.elapsed() * SHARE).clamp(SOON, LATEST);
    }
}

/// The last of it, when no request runs any more.
pub async fn finish(gateway: &Gateway, control: &Control) {
    write_down(gateway, control).await;
    Noted::default().write_down(gateway, control).await;
    tell_head(control);
    control.close().await;
}

async fn write_down(gateway: &Gateway, control: &Control) {
    let counted: Vec<Counted> = gateway.usage.drain();
    if counted.is_empty() {
        return;
    }
    if let Err(error) = control.count(&counted).await {
        tracing::warn!(%error, "what was used cannot be written down; it is kept for later");
        gateway.usage.give_back(&counted);
    }
}

/// When secrets that senders sign with were last used, as far as it is written down.
#[derive(Default)]
struct Noted(HashMap<Uid, SecretUse>);

impl Noted {
    async fn write_down(&mut self, gateway: &Gateway, control: &Control) {
        let live = gateway.shared.load_full();
        let used = live.snapshot.signing_secrets().filter_map(|(workflow, secret)| {
            let last_at = secret.used.at()?;
            Some(SecretUse { secret: secret.uid, workflow: workflow.uid, last_at })
        });
        let all: HashMap<Uid, SecretUse> = used.map(|used| (used.secret, used)).collect();
        let changed = all.values().filter(|used| self.0.get(&used.secret) != Some(used));
        let changed: Vec<SecretUse> = changed.copied().collect();
        if changed.is_empty() {
            return;
        }
        match control.note_uses(changed).await {
            Ok(()) => self.0 = all,
            Err(error) => tracing::warn!(%error, "which secrets were used cannot be written down; it is tried again"),
        }
    }
}

fn tell_head(control: &Control) {
    if let Some(head) = control.audit_head() {
        tracing::info!(count = head.count, hash = %head.hash, "audit head: note it elsewhere, and a cut shows");
    }
}

/// C8: asks the provider, on a runtime of its own.
pub fn verified(assembled: Box<Assembled>, id: ConnectionId, time: Duration) -> io::Result<Verdict> {
    let mut verdicts = verify_all(&Rc::from(assembled), &[id], time, |_| {})?;
    verdicts.pop().map(|(_, verdict)| verdict).ok_or_else(|| io::Error::other("no verdict"))
}
