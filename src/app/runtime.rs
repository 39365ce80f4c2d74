//! `keystile serve`: the gateway, its admin listener, its reloads and its signals, until it is told to stop.

use super::Gateway;
use super::ending::{Ending, end};
use super::keeping;
use super::notify::Notifier;
use super::reload::{EVERY, Reloader, log_endings, log_expiries, log_warnings};
use super::start::Start;
use crate::admin::{self, Health, Service};
use crate::assembly::{self, Settings};
use crate::control::Control;
use crate::model::listener::Address;
use crate::net::handover::{Offer, Predecessor};
use crate::net::inherited::Inherited;
use crate::net::listen;
use crate::telemetry::access_log::Format;
use crate::telemetry::log as telemetry;
use crate::telemetry::timestamp::now_ms;
use anyhow::Context as _;
use rustls::ServerConfig;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// How often certificates that end soon are told.
const DAY: Duration = Duration::from_secs(86_400);
/// How often keys that end soon are counted.
const HOUR: Duration = Duration::from_secs(3600);

/// Runs until SIGTERM or SIGINT, or until a successor has taken over. `takeover`: from whoever offers it at
/// `takeover_socket`. `Err` holds what to print: every mistake of the file, or why it could not start.
pub fn serve(path: &Path, takeover: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    let (store, log) = assembly::early(path).unwrap_or_default();
    start_log(&log);
    let start = runtime.block_on(Start::read(path, store, takeover))?;
    log_warnings(&start.assembled.warnings);
    let (predecessor, inherited) = inherit(&start.assembled.settings, takeover)?;
    runtime.block_on(run(path, start, predecessor, inherited))
}

/// Sockets that are open already: a predecessor's, or systemd's.
fn inherit(settings: &Settings, takeover: bool) -> anyhow::Result<(Option<Predecessor>, Inherited)> {
    if !takeover {
        let inherited = Inherited::from_systemd().context("cannot use what systemd passed on (LISTEN_FDS)")?;
        return Ok((None, inherited));
    }
    let path = settings.takeover_socket.as_ref().context(
        "--takeover needs `takeover_socket: PATH` in the configuration, and in the one that the running gateway has",
    )?;
    let (predecessor, inherited) = Predecessor::meet(path).with_context(|| {
        format!("nobody hands over at {}: start without --takeover if no gateway runs", path.display())
    })?;
    Ok((Some(predecessor), inherited))
}

async fn run(
    path: &Path,
    start: Start,
    predecessor: Option<Predecessor>,
    mut inherited: Inherited,
) -> anyhow::Result<()> {
    let settings = start.assembled.settings.clone();
    let notifier = Arc::new(Notifier::from_env());
    let (gateway, control) = start.run(&mut inherited)?;
    if let Err(error) = control.recall_uses().await {
        tracing::warn!(%error, "when secrets of webhooks were last used is not known");
    }
    let health = Arc::new(Health::new(1));
    let admin = open_admin(&settings, &gateway, &health, Some(control.clone()), &mut inherited)?;
    // What a predecessor has beyond that, this configuration no longer wants. systemd's sockets nobody else accepts on.
    if predecessor.is_none() && !inherited.unclaimed().is_empty() {
        let unclaimed = inherited.unclaimed().join(", ");
        anyhow::bail!("systemd passed on {unclaimed}, where no listener has this address");
    }
    let mut signals = Signals::hear()?;
    let took_over = predecessor.is_some();
    if let Some(predecessor) = predecessor {
        predecessor.release().context("the running gateway waited too long and goes on: try again")?;
        tracing::info!("took over: the gateway before this one drains and ends");
        gateway.doors.held.own_files();
    }
    inherited.close();
    let taken_over = match offer(&settings, &gateway) {
        Ok(taken_over) => taken_over,
        // There is no way back: nobody else serves.
        Err(error) if took_over => {
            tracing::error!(error = format!("{error:#}"), "no successor can take over");
            oneshot::channel().1
        }
        Err(error) => return Err(error),
    };
    tokio::spawn(watchdog(notifier.clone(), gateway.clone(), health.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "ready");
    notifier.ready();
    let keeping = control.has_store().then(|| {
        gateway.usage.start();
        tokio::spawn(keeping::keep(gateway.clone(), control.clone()))
    });
    let reloader = Reloader::new(gateway.clone(), control.clone(), health.clone(), notifier.clone(), path.to_owned());
    let ending = follow(gateway.clone(), reloader, &mut signals, successor(taken_over)).await?;
    notifier.stopping();
    if ending == Ending::TakenOver {
        // Probes and Prometheus are the successor's, too.
        admin.accepting.iter().for_each(AbortHandle::abort);
        tracing::info!("a successor has taken over");
    }
    let cut = end(ending, &gateway, &health, &mut signals).await;
    if let Some(keeping) = keeping {
        keeping.abort();
        keeping::finish(&gateway, &control).await;
    }
    tracing::info!(cut, "stopped");
    Ok(())
}

/// What we are told from outside. Heard from before `ready` is said: until then, SIGHUP would end the process, and
/// SIGTERM end it without draining.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A file that may not grow is an error where it is written, and not the end of traffic.
    _file_size: Signal,
}

impl Signals {
    pub fn hear() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Comes back when we are to stop.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Signals and clocks, until it is time to stop.
pub async fn follow(
    gateway: Arc<Gateway>,
    mut reloader: Reloader,
    signals: &mut Signals,
    taken_over: impl Future<Output = ()>,
) -> anyhow::Result<Ending> {
    let mut taken_over = pin!(taken_over);
    let mut beat = tokio::time::interval(EVERY);
    // What the first day brings is told with the configuration's warnings.
    let mut day = tokio::time::interval_at(tokio::time::Instant::now() + DAY, DAY);
    let mut hour = tokio::time::interval(HOUR);
    loop {
        let asked = tokio::select! {
            _ = signals.terminate.recv() => return Ok(Ending::Told),
            _ = signals.interrupt.recv() => return Ok(Ending::Told),
            () = taken_over.as_mut() => return Ok(Ending::TakenOver),
            _ = signals.hangup.recv() => true,
            _ = beat.tick() => false,
            _ = day.tick() => {
                log_expiries(&gateway.settings().expiries, now_ms());
                log_endings(&gateway.shared.load().snapshot, now_ms());
                continue;
            }
            _ = hour.tick() => {
                gateway.count_endings();
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

/// The admin listener, and the one for probes if there is one.
pub struct Admin {
    pub address: SocketAddr,
    accepting: Vec<AbortHandle>,
}

/// Opens them. `control`: what the admin API is over; the listener for probes has none.
pub fn open_admin(
    settings: &Settings,
    gateway: &Gateway,
    health: &Arc<Health>,
    control: Option<Arc<Control>>,
    inherited: &mut Inherited,
) -> anyhow::Result<Admin> {
    let service = |control| Service::new(gateway.metrics.clone(), health.clone(), control);
    let mut accepting = Vec::new();
    let mut open = |listener: &'static str, address: SocketAddr, tls: Option<Arc<ServerConfig>>, service: Service| {
        let role = format!("{listener} {address}");
        let opened = match inherited.claim(&role, &Address::Tcp(address)) {
            Some(claimed) => claimed,
            None => {
                anyhow::ensure!(!listen::is_taken(address), "it is in use");
                listen::bind(address, 1)?
            }
        };
        let bound = opened.sockets.first().context("no socket")?.local_addr()?.as_socket().unwrap_or(address);
        for socket in listen::again(&opened.sockets)? {
            accepting.push(admin::open(socket.into(), tls.clone(), service.clone())?);
        }
        gateway.doors.held.keep(role, opened);
        tracing::info!(listener, %bound, "listening");
        Ok(bound)
    };
    let address = open("admin", settings.admin, settings.admin_tls.clone(), service(control))
        .with_context(|| format!("cannot listen on {}: change listeners.admin.address", settings.admin))?;
    if let Some(address) = settings.health {
        open("health", address, None, service(None))
            .with_context(|| format!("cannot listen on {address}: change listeners.health.address"))?;
    }
    Ok(Admin { address, accepting })
}

/// Offers the listening sockets to a successor, and says when one has taken over. Without `takeover_socket`, never.
fn offer(settings: &Settings, gateway: &Arc<Gateway>) -> anyhow::Result<oneshot::Receiver<()>> {
    let (taken, told) = oneshot::channel();
    let Some(path) = &settings.takeover_socket else { return Ok(told) };
    let offer =
        Offer::bind(path).with_context(|| format!("cannot listen on {}: change takeover_socket", path.display()))?;
    let gateway = gateway.clone();
    let serving = move || match offer.serve(|| gateway.doors.held.groups()) {
        Ok(()) => {
            gateway.doors.held.hand_files_on();
            let _ = taken.send(());
        }
        Err(error) => tracing::error!(%error, "no successor can take over any more"),
    };
    std::thread::Builder::new().name("takeover".into()).spawn(serving).context("cannot start a thread")?;
    Ok(told)
}

/// Comes back when a successor has taken over; where nobody is left who could say so, never.
async fn successor(taken_over: oneshot::Receiver<()>) {
    if taken_over.await.is_err() {
        std::future::pending().await
    }
}

/// Tells systemd that we are alive as long as every worker answers. One that drains may take as long as it is allowed.
async fn watchdog(notifier: Arc<Notifier>, gateway: Arc<Gateway>, health: Arc<Health>) {
    let Some(every) = notifier.watchdog() else { return };
    let mut beat = tokio::time::interval(every);
    loop {
        beat.tick().await;
        let alive = tokio::time::timeout(every.max(Duration::from_millis(1)), gateway.is_alive()).await;
        if health.is_draining() || alive == Ok(true) {
            notifier.alive();
        }
    }
}

fn start_log(log: &assembly::Log) {
    let level = log.level.parse().unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let format: Format = log.format.parse().unwrap_or(Format::Json);
    // Only the first one counts; a test may have started its own.
    let _ = telemetry::init(level, format);
    telemetry::install_panic_hook();
}
