//! Changes are picked up: by SIGHUP, and by looking. Kubernetes swaps a symbolic link when a ConfigMap changes, which
//! inotify on the file does not see; content, looked at through the link, does not lie.

use super::Gateway;
use super::notify::Notifier;
use crate::admin::Health;
use crate::assembly::Stamp;
use crate::config::{Mistake, Mistakes, Severity};
use crate::control::{Control, NotReloaded};
use crate::model::Snapshot;
use crate::model::certificate::Expiry;
use crate::model::key::Endings;
use crate::model::urgency::Urgency;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at.
pub const EVERY: Duration = Duration::from_secs(1);

/// Reloads a gateway from its file.
pub struct Reloader {
    gateway: Arc<Gateway>,
    control: Arc<Control>,
    health: Arc<Health>,
    notifier: Arc<Notifier>,
    path: PathBuf,
    seen: Vec<Stamp>,
}

impl Reloader {
    pub fn new(
        gateway: Arc<Gateway>,
        control: Arc<Control>,
        health: Arc<Health>,
        notifier: Arc<Notifier>,
        path: PathBuf,
    ) -> Reloader {
        let seen = gateway.settings().files;
        Reloader { gateway, control, health, notifier, path, seen }
    }

    /// Reloads if a file has changed since it was last read.
    pub fn look(&mut self) {
        if self.seen.iter().all(Stamp::is_fresh) {
            return;
        }
        let now: Vec<Stamp> = self.seen.iter().map(Stamp::again).collect();
        let changed = now.iter().zip(&self.seen).any(|(now, seen)| !now.same_content(seen));
        self.seen = now;
        if changed {
            self.reload("a file changed");
        }
    }

    /// Reads the file and puts it in force; if it is wrong, the old one keeps serving and everybody is told.
    pub fn reload(&mut self, why: &str) {
        self.notifier.reloading();
        let mut files = Vec::new();
        let reloaded = self.control.reload(&self.path, |assembled| {
            log_warnings(&assembled.warnings);
            files = assembled.settings.files.clone();
        });
        let outcome = reloaded.map_err(|not| match not {
            NotReloaded::Failed(error) => format!("{error:#}"),
            NotReloaded::Rejected(rejected) => {
                let (mistakes, warnings): (Vec<&Mistake>, Vec<&Mistake>) =
                    rejected.mistakes.iter().partition(|mistake| mistake.severity == Severity::Error);
                for mistake in &mistakes {
                    tracing::error!(file = %mistake.file, line = mistake.line, column = mistake.column,
                        field = %mistake.path, remedy = %mistake.remedy, "{}", mistake.reason);
                }
                warnings.into_iter().for_each(log_warning);
                files = rejected.files;
                format!("{} mistakes in {}", mistakes.len(), self.path.display())
            }
        });
        match outcome {
            Ok(generation) => {
                // Before it is told: who reads the log and then asks /readyz must find it true.
                self.health.reloaded(generation);
                tracing::info!(generation, why, "the configuration was reloaded");
            }
            Err(error) => {
                self.gateway.metrics.config_reload_failed();
                self.health.reload_failed();
                tracing::error!(error, why, "the configuration was not reloaded: the old one keeps serving");
            }
        }
        self.seen = files;
        self.notifier.ready();
    }
}

/// What the lints say, one line each.
pub fn log_warnings(warnings: &Mistakes) {
    warnings.iter().for_each(log_warning);
}

fn log_warning(warning: &Mistake) {
    tracing::warn!(file = %warning.file, line = warning.line, field = %warning.path, "{}", warning.reason);
}

/// R3: the connections' secrets and the keys that end soon or have ended: connections one by one, keys by their number.
pub fn log_endings(snapshot: &Snapshot, now: i64) {
    for (connection, end) in snapshot.secret_endings() {
        let (Some(urgency), Some(told)) = (Urgency::of(end, now), Urgency::told(end, now)) else { continue };
        let urgency = urgency.name();
        tracing::warn!(urgency, used = "secret", owner = %connection, "the secret of {connection} {told}");
    }
    let keys = Endings::of(snapshot.keys.iter(), now);
    for (urgency, count) in keys.soon() {
        let urgency = urgency.name();
        let hint = "`keystile keys list` shows expires_at; a new end is set with `keystile keys edit`";
        tracing::warn!(urgency, used = "key", count, hint, "keys end soon");
    }
}

/// The certificates that end soon or have ended, one line each.
pub fn log_expiries(expiries: &[Expiry], now: i64) {
    for expiry in expiries {
        let (Some(urgency), Some(told)) = (expiry.urgency(now), expiry.told(now)) else { continue };
        let (urgency, used) = (urgency.name(), expiry.used.name());
        tracing::warn!(urgency, used, owner = %expiry.owner, "{told}");
    }
}
