//! `keystile serve`: the gateway, its admin listener, its reloads and its signals, until it is told to stop.

use super::Gateway;
use super::reload::{EVERY, Reloader, log_expiries, log_warnings};
use crate::admin::{self, Health};
use crate::assembly::{self, Settings};
use crate::telemetry::access_log::Format;
use crate::telemetry::log;
use crate::telemetry::timestamp::now_ms;
use anyhow::Context as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long requests may take to finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(30);
/// How often certificates that end soon are told.
const DAY: Duration = Duration::from_secs(86_400);

/// Runs until SIGTERM or SIGINT. `Err` holds what to print: every mistake of the file, or why it could not start.
pub fn serve(path: &Path) -> anyhow::Result<()> {
    let assembled = assembly::from_file(path).map_err(|rejected| anyhow::anyhow!("{rejected}"))?;
    let settings = assembled.settings.clone();
    start_log(&settings);
    log_warnings(&assembled.warnings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    runtime.block_on(async {
        let gateway = Arc::new(Gateway::start(assembled)?);
        let health = Arc::new(Health::new(1));
        open_admin(&settings, &gateway, &health).await?;
        let signals = Signals::hear()?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "ready");
        let reloader = Reloader::new(gateway.clone(), health.clone(), path.to_owned());
        follow(gateway.clone(), reloader, signals).await?;
        health.drain();
        tracing::info!("draining");
        let drained = tokio::task::spawn_blocking(move || gateway.drain(DRAIN)).await.unwrap_or(false);
        tracing::info!(drained, "stopped");
        Ok(())
    })
}

/// What we are told from outside. Heard from before `ready` is said: until then, SIGHUP would end the process, and
/// SIGTERM end it without draining.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub fn hear() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Signals and clocks, until it is time to stop.
pub async fn follow(gateway: Arc<Gateway>, mut reloader: Reloader, mut signals: Signals) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(EVERY);
    // What the first day brings is told with the configuration's warnings.
    let mut day = tokio::time::interval_at(tokio::time::Instant::now() + DAY, DAY);
    loop {
        let asked = tokio::select! {
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
            _ = signals.hangup.recv() => true,
            _ = beat.tick() => false,
            _ = day.tick() => {
                log_expiries(&gateway.settings().expiries, now_ms());
                continue;
            }
        };
        let gateway = gateway.clone();
        let work = move || {
            if asked {
                gateway.reopen_log();
                reloader.reload("SIGHUP");
            } else {
                gateway.sweep();
                reloader.look();
            }
            reloader
        };
        reloader = tokio::task::spawn_blocking(work).await.context("the reloader failed")?;
    }
}

/// Opens the admin listener, and the one for probes if there is one.
pub async fn open_admin(
    settings: &Settings,
    gateway: &Arc<Gateway>,
    health: &Arc<Health>,
) -> anyhow::Result<SocketAddr> {
    let service = admin::Service { metrics: gateway.metrics.clone(), health: health.clone() };
    let admin = admin::open(settings.admin, settings.admin_tls.clone(), service.clone())
        .await
        .with_context(|| format!("cannot listen on {}: change listeners.admin.address", settings.admin))?;
    tracing::info!(listener = "admin", bound = %admin, "listening");
    if let Some(address) = settings.health {
        let bound = admin::open(address, None, service)
            .await
            .with_context(|| format!("cannot listen on {address}: change listeners.health.address"))?;
        tracing::info!(listener = "health", bound = %bound, "listening");
    }
    Ok(admin)
}

fn start_log(settings: &Settings) {
    let level = settings.log.level.parse().unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let format: Format = settings.log.format.parse().unwrap_or(Format::Json);
    // Only the first one counts; a test may have started its own.
    let _ = log::init(level, format);
    log::install_panic_hook();
}
