//! What runs: workers, the generation in force, and how it is replaced.

use super::doors::{self, Doors};
use super::journeys::BothDoors;
use crate::assembly::{Assembled, Settings};
use crate::config::scalar::LogTarget;
use crate::limit::{Buffers, Limits, Replays};
use crate::live::{KeyChange, Live, Shared};
use crate::model::Snapshot;
use crate::model::key::Endings;
use crate::model::listener::Address;
use crate::net::inherited::Inherited;
use crate::net::tls::Tls;
use crate::policy::via::Via;
use crate::serving::core::Core;
use crate::serving::worker::{Order, Worker};
use crate::telemetry::access_log::{AccessLog, Destination, Format};
use crate::telemetry::metrics::{Deliveries, Metrics};
use crate::telemetry::timestamp::now_ms;
use crate::telemetry::usage::Usage;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long a worker may take to let go of what still runs.
const CUT: Duration = Duration::from_secs(1);

/// A running gateway.
pub struct Gateway {
    pub shared: Shared,
    pub metrics: Arc<Metrics>,
    /// Counts nothing until somebody starts it.
    pub usage: Usage,
    workers: Mutex<Vec<Worker>>,
    access: AccessLog,
    settings: Mutex<Settings>,
    pub doors: Doors,
    replays: Arc<Replays>,
    buffers: Arc<Buffers>,
    /// Whoever puts something in force holds it, from reading what is in force to replacing it.
    gate: Mutex<()>,
}

/// Nobody else puts anything in force while it is held.
pub struct Gate<'a>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

impl Gateway {
    /// Binds every listener, unless its sockets are inherited, and starts the workers. Nothing is left running if it fails.
    pub fn start(assembled: Assembled, inherited: &mut Inherited) -> anyhow::Result<Gateway> {
        let settings = assembled.settings.clone();
        let count = settings.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let metrics = Arc::new(Metrics::new(SystemTime::now()));
        let format: Format = settings.log.format.parse().unwrap_or(Format::Json);
        let access = AccessLog::start(destination(&settings.log.access), format, metrics.access_log())
            .context("cannot open the access log")?;
        let mut opened = Vec::new();
        for (door, address) in assembled.snapshot.listeners.iter().zip(&settings.listening) {
            opened.push(doors::open(door, address, count, inherited)?);
        }
        metrics.set_secrets(assembled.snapshot.secret_endings());
        metrics.set_signing_secrets(&assembled.snapshot);
        let live = Live {
            limits: Limits::build(&assembled.snapshot, None),
            snapshot: assembled.snapshot,
            trust: Arc::new(assembled.trust),
            certificates: Arc::new(assembled.certificates),
            generation: 1,
        };
        let shared: Shared = Arc::new(ArcSwap::from_pointee(live));
        let usage = Usage::new(metrics.usage_dropped());
        let via = Arc::new(mark());
        let (replays, buffers) = (Arc::<Replays>::default(), Arc::<Buffers>::default());
        let mut workers = Vec::with_capacity(count);
        for n in 0..count {
            let (shared, metrics, access, via) = (shared.clone(), metrics.core(), access.writer(), via.clone());
            let (usage, replays, buffers) = (usage.core(), replays.clone(), buffers.clone());
            let core = move || Core::new(shared, metrics, access, usage, via, replays, buffers);
            workers.push(Worker::start(n, BothDoors, core).context("cannot start a worker")?);
        }
        metrics.config_loaded(1, SystemTime::now());
        metrics.set_certificates(&settings.expiries);
        let gateway = Gateway {
            shared,
            metrics,
            usage,
            workers: Mutex::new(workers),
            access,
            settings: Mutex::new(settings),
            doors: Doors::new(),
            replays,
            buffers,
            gate: Mutex::default(),
        };
        opened.into_iter().for_each(|opened| gateway.doors.listen(opened, &locked(&gateway.workers)));
        Ok(gateway)
    }

    /// Waits until nobody else puts anything in force.
    pub fn gate(&self) -> Gate<'_> {
        Gate(locked(&self.gate))
    }

    /// Puts other keys in force. Requests under way keep those they began with.
    pub fn change_keys(&self, changes: Vec<KeyChange>) {
        let _gate = self.gate();
        let live = self.shared.load_full().with_keys(changes);
        self.shared.store(Arc::new(live));
    }

    /// Puts everything but the keys in force, which stay as they are.
    pub fn replace_frame(&self, mut assembled: Assembled) -> anyhow::Result<u64> {
        let gate = self.gate();
        assembled.snapshot.keys = self.shared.load().snapshot.keys.clone();
        self.replace(assembled, &gate)
    }

    /// Puts another configuration in force. Requests under way keep the one they began with; limits that did not change
    /// go on. The gate is held since the keys were read that it was assembled beside. `Err`: nothing was changed.
    pub fn replace(&self, mut assembled: Assembled, _: &Gate<'_>) -> anyhow::Result<u64> {
        let count = locked(&self.workers).len();
        let before = self.shared.load_full();
        // Nobody else has it yet.
        if let Some(frame) = Arc::get_mut(&mut assembled.snapshot.frame) {
            frame.carry_on(&before.snapshot.frame);
        }
        let mut opened = Vec::new();
        for (door, address) in assembled.snapshot.listeners.iter().zip(&assembled.settings.listening) {
            if before.listener(&door.address).is_none() {
                opened.push(doors::open(door, address, count, &mut Inherited::default())?);
            }
        }
        let live = Live {
            limits: Limits::build(&assembled.snapshot, Some((&before.snapshot, &before.limits))),
            trust: Arc::new(kept_trust(&before, &assembled.snapshot, assembled.trust)),
            certificates: Arc::new(kept_certificates(&before, &assembled.snapshot, assembled.certificates)),
            snapshot: assembled.snapshot,
            generation: before.generation + 1,
        };
        let generation = live.generation;
        let live = Arc::new(live);
        self.shared.store(live.clone());
        opened.into_iter().for_each(|opened| self.doors.listen(opened, &locked(&self.workers)));
        for door in &before.snapshot.listeners {
            let workers = locked(&self.workers);
            match live.listener(&door.address).map(|at| &live.snapshot.listeners[at]) {
                None => self.doors.unlisten(door, &workers),
                Some(new) if new.assurance() != door.assurance() => {
                    self.doors.renew(door, &workers);
                }
                Some(new) if new.socket_mode != door.socket_mode => self.doors.change_mode(new),
                Some(_) => {}
            }
        }
        let known = |name: &str| name.is_empty() || live.snapshot.workflows.iter().any(|w| &*w.name == name);
        self.metrics.retain_workflows(known);
        let known = |name: &str| name.is_empty() || live.snapshot.connections.iter().any(|c| &*c.name == name);
        self.metrics.retain_connections(known);
        self.metrics.config_loaded(generation, SystemTime::now());
        self.metrics.set_certificates(&assembled.settings.expiries);
        self.metrics.set_secrets(live.snapshot.secret_endings());
        self.metrics.set_signing_secrets(&live.snapshot);
        self.note_unchangeable(&assembled.settings);
        *locked(&self.settings) = assembled.settings;
        Ok(generation)
    }

    /// Where the listeners listen, by their names, sorted.
    pub fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        self.doors.addresses()
    }

    /// What is not the data plane's, as last read.
    pub fn settings(&self) -> Settings {
        locked(&self.settings).clone()
    }

    /// Opens the access log anew, after it was rotated away.
    pub fn reopen_log(&self) {
        self.access.reopen();
    }

    /// R3: counts the keys that end soon. Looks at all of them.
    pub fn count_endings(&self) {
        let live = self.shared.load_full();
        self.metrics.set_key_endings(Endings::of(live.snapshot.keys.iter(), now_ms()));
    }

    /// Forgets addresses whose limits are whole again, and deliveries whose time is over. Called every second or so.
    pub fn sweep(&self) {
        let remembered = self.shared.load().limits.sweep(Instant::now());
        self.metrics.set_limiter_addresses(remembered as u64);
        let remembered = self.replays.sweep(now_ms()) as u64;
        self.metrics.set_deliveries(Deliveries {
            remembered,
            forgotten: self.replays.forgotten(),
            held: self.buffers.held(),
        });
    }

    /// Stops accepting; requests under way go on. What a successor does not hold is closed to new callers.
    pub fn stop_accepting(&self) {
        self.doors.held.let_all_go();
        locked(&self.workers).iter().for_each(|w| w.order(Order::Drain));
    }

    /// Whether every connection has ended after [`Gateway::stop_accepting`].
    pub fn is_drained(&self) -> bool {
        locked(&self.workers).iter().all(Worker::is_done)
    }

    /// Whether every worker answers.
    pub async fn is_alive(&self) -> bool {
        let answers: Vec<_> = locked(&self.workers).iter().map(Worker::ask).collect();
        for answer in answers {
            if answer.await.is_err() {
                return false;
            }
        }
        true
    }

    /// Cuts what still runs, and writes the last records of the access log.
    pub fn close(&self) {
        self.doors.held.let_all_go();
        locked(&self.workers).iter().for_each(|w| w.order(Order::Cut));
        let deadline = Instant::now() + CUT;
        while !self.is_drained() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if self.is_drained() {
            locked(&self.workers).iter_mut().for_each(Worker::join);
        }
        self.access.close();
    }

    /// Some settings are read once; say so instead of pretending.
    fn note_unchangeable(&self, new: &Settings) {
        let old = locked(&self.settings);
        let changed = [
            ("workers", old.workers != new.workers),
            ("log", old.log != new.log),
            ("listeners.admin.address", old.admin != new.admin),
            ("listeners.health.address", old.health != new.health),
            ("takeover_socket", old.takeover_socket != new.takeover_socket),
            ("store", old.store != new.store),
        ];
        for (field, _) in changed.iter().filter(|(_, changed)| *changed) {
            tracing::warn!(field, "this change takes effect at the next start");
        }
    }
}

/// The listeners' TLS: what is in force where nothing of it has changed.
fn kept_certificates(
    before: &Live,
    snapshot: &Snapshot,
    new: Vec<Option<Tls<ServerConfig>>>,
) -> Vec<Option<Tls<ServerConfig>>> {
    let in_force = |address: &str| before.certificates[before.listener(address)?].as_ref();
    new.into_iter().zip(&snapshot.listeners).map(|(tls, door)| Some(tls?.or_same(in_force(&door.address)))).collect()
}

/// The same for the connections' trust.
fn kept_trust(
    before: &Live,
    snapshot: &Snapshot,
    new: Vec<Option<Tls<ClientConfig>>>,
) -> Vec<Option<Tls<ClientConfig>>> {
    let named =
        before.snapshot.connections.iter().zip(before.trust.iter()).map(|(c, trust)| (&*c.name, trust.as_ref()));
    let in_force: HashMap<&str, Option<&Tls<ClientConfig>>> = named.collect();
    let kept = |name: &str| in_force.get(name).copied().flatten();
    new.into_iter().zip(&snapshot.connections).map(|(tls, c)| Some(tls?.or_same(kept(&c.name)))).collect()
}

/// What tells this process's requests from those of others. Without randomness its number must do.
fn mark() -> Via {
    let mut random = [0; 8];
    if getrandom::fill(&mut random).is_err() {
        random = u64::from(std::process::id()).to_be_bytes();
    }
    Via::new(random)
}

fn destination(target: &LogTarget) -> Destination {
    match target {
        LogTarget::Stdout => Destination::Stdout,
        LogTarget::Stderr => Destination::Stderr,
        LogTarget::Off => Destination::Off,
        LogTarget::File(path) => Destination::File(path.clone()),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
