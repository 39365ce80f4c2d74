//! Changes are picked up: by SIGHUP, and by looking. Kubernetes swaps a symbolic link when a ConfigMap changes, which
//! inotify on the file does not see; content, looked at through the link, does not lie.

use super::Gateway;
use crate::admin::Health;
use crate::assembly;
use crate::config::Mistakes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
pub const EVERY: Duration = Duration::from_secs(1);

/// Reloads a gateway from its file.
pub struct Reloader {
    gateway: Arc<Gateway>,
    health: Arc<Health>,
    path: PathBuf,
    seen: Vec<Stamp>,
}

/// What is remembered of a file: cheap to look at, and a digest for when that says "changed".
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<(SystemTime, u64, PathBuf)>,
    digest: Option<blake3::Hash>,
}

impl Reloader {
    pub fn new(gateway: Arc<Gateway>, health: Arc<Health>, path: PathBuf) -> Reloader {
        let seen = stamps(&gateway.settings().files);
        Reloader { gateway, health, path, seen }
    }

    /// Reloads if a file has changed since it was last read.
    pub fn look(&mut self) {
        if self.seen.iter().all(Stamp::is_fresh) {
            return;
        }
        let now = stamps(&self.seen.iter().map(|s| s.path.clone()).collect::<Vec<_>>());
        let changed = now.iter().zip(&self.seen).any(|(now, seen)| now.digest != seen.digest);
        self.seen = now;
        if changed {
            self.reload("a file changed");
        }
    }

    /// Reads the file and puts it in force; if it is wrong, the old one keeps serving and everybody is told.
    pub fn reload(&mut self, why: &str) {
        // Looked at before they are read: a change in between is then still a change.
        let before = stamps(&self.gateway.settings().files);
        let mut files: Vec<PathBuf> = before.iter().map(|s| s.path.clone()).collect();
        let outcome = match assembly::from_file(&self.path) {
            Ok(assembled) => {
                log_warnings(&assembled.warnings);
                files.clone_from(&assembled.settings.files);
                self.gateway.replace(assembled).map_err(|error| format!("{error:#}"))
            }
            Err(mistakes) => {
                for mistake in mistakes.iter() {
                    tracing::error!(file = %mistake.file, line = mistake.line, column = mistake.column,
                        field = %mistake.path, remedy = %mistake.remedy, "{}", mistake.reason);
                }
                Err(format!("{} mistakes in {}", mistakes.iter().count(), self.path.display()))
            }
        };
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
        let known = |path: &PathBuf| before.iter().find(|s| s.path == *path).cloned();
        self.seen = files.iter().map(|f| known(f).unwrap_or_else(|| Stamp::of(f))).collect();
    }
}

/// What the lints say, one line each.
pub fn log_warnings(warnings: &Mistakes) {
    for warning in warnings.iter() {
        tracing::warn!(file = %warning.file, line = warning.line, field = %warning.path, "{}", warning.reason);
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|f| Stamp::of(f)).collect()
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        // In this order: content that changes after it was read must not carry the newer time.
        let modified = modified(path);
        let digest = std::fs::read(path).ok().map(|bytes| blake3::hash(&bytes));
        Stamp { path: path.to_owned(), modified, digest }
    }

    fn is_fresh(&self) -> bool {
        self.modified == modified(&self.path)
    }
}

/// Time, length and where the links lead: the last changes when a ConfigMap is swapped for one of the same age.
fn modified(path: &Path) -> Option<(SystemTime, u64, PathBuf)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), path.canonicalize().ok()?))
}
