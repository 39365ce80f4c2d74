//! The numbers of the gateway in OpenMetrics text.
//!
//! Each core counts for itself ([`CoreMetrics`]); a scrape adds the cores up. No label is a key, an address or a path:
//! a label's values are bounded by what is configured, and beyond a stated number folded into `_other`.

mod core;
mod exposition;
mod histogram;
mod process;
mod series;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use self::core::Sum;
pub(super) use self::core::locked;
pub use self::core::{CoreMetrics, FrontConnection, FrontProtocol, UpstreamPool};
use self::exposition::Exposition;
pub use self::series::Sample;
use super::access_log::AccessCounters;
use crate::model::certificate::{Expiry, Use};
use crate::model::key::Endings;
use crate::model::webhook::{LastUsed, SigningSecret};
use crate::model::{Frame, Workflow};

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    shared: Arc<Shared>,
    registry: Registry,
}

/// What the exposition reads.
#[derive(Debug)]
struct Shared {
    cores: Mutex<Vec<Arc<CoreMetrics>>>,
    access_log: Arc<AccessCounters>,
    usage_dropped: Arc<AtomicU64>,
    started: f64,
    config_generation: AtomicU64,
    config_reload_successful: AtomicBool,
    config_reload_failures: AtomicU64,
    /// Unix seconds; 0 before the first success.
    config_last_success: AtomicU64,
    limiter_addresses: AtomicU64,
    deliveries: Mutex<Deliveries>,
    certificates: Mutex<Certificates>,
    /// By connection, in Unix seconds.
    secrets: Mutex<BTreeMap<Arc<str>, i64>>,
    signing_secrets: Mutex<SigningSecrets>,
    /// By how soon.
    key_endings: Mutex<Endings>,
}

/// What is held of webhooks' deliveries, over all cores.
#[derive(Debug, Default, Clone, Copy)]
pub struct Deliveries {
    /// H4: those that would not be forwarded again.
    pub remembered: u64,
    /// Those that had to be forgotten before their time.
    pub forgotten: u64,
    /// H2: bytes of those that are being taken in.
    pub held: u64,
}

/// By use, owner and name: Unix seconds.
type Certificates = BTreeMap<(Use, Arc<str>, String), i64>;

/// By workflow and label: when each was last used.
type SigningSecrets = BTreeMap<(Arc<str>, Box<str>), Arc<LastUsed>>;

impl Metrics {
    pub fn new(started: SystemTime) -> Metrics {
        let shared = Arc::new(Shared {
            cores: Mutex::default(),
            access_log: Arc::default(),
            usage_dropped: Arc::default(),
            started: (started.duration_since(UNIX_EPOCH)).map_or(0.0, |since| since.as_secs_f64()),
            config_generation: AtomicU64::new(0),
            config_reload_successful: AtomicBool::new(true),
            config_reload_failures: AtomicU64::new(0),
            config_last_success: AtomicU64::new(0),
            limiter_addresses: AtomicU64::new(0),
            deliveries: Mutex::default(),
            certificates: Mutex::default(),
            secrets: Mutex::default(),
            signing_secrets: Mutex::default(),
            key_endings: Mutex::default(),
        });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition(Arc::clone(&shared))));
        Metrics { shared, registry }
    }

    /// A handle for one more core. Its numbers count as long as the process lives, whoever holds it.
    pub fn core(&self) -> Arc<CoreMetrics> {
        let core = Arc::new(CoreMetrics::default());
        locked(&self.shared.cores).push(Arc::clone(&core));
        core
    }

    /// Where the access log counts; given to `AccessLog::start`.
    pub fn access_log(&self) -> Arc<AccessCounters> {
        Arc::clone(&self.shared.access_log)
    }

    /// Where counts of usage are counted that found no room; given to `Usage::new`.
    pub fn usage_dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.usage_dropped)
    }

    /// A configuration, the first or a later one, is in force.
    pub fn config_loaded(&self, generation: u64, now: SystemTime) {
        let shared = &self.shared;
        let now = (now.duration_since(UNIX_EPOCH)).map_or(0, |since| since.as_secs());
        shared.config_generation.store(generation, Relaxed);
        shared.config_last_success.store(now, Relaxed);
        shared.config_reload_successful.store(true, Relaxed);
    }

    /// A configuration was refused; the one before stays in force.
    pub fn config_reload_failed(&self) {
        self.shared.config_reload_failures.fetch_add(1, Relaxed);
        self.shared.config_reload_successful.store(false, Relaxed);
    }

    /// How many addresses the limiter remembers; told by the janitor that forgets them.
    pub fn set_limiter_addresses(&self, addresses: u64) {
        self.shared.limiter_addresses.store(addresses, Relaxed);
    }

    /// What is held of deliveries; told by the same.
    pub fn set_deliveries(&self, deliveries: Deliveries) {
        *locked(&self.shared.deliveries) = deliveries;
    }

    /// When the certificates of the configuration in force end. Of several with one name, the first to end counts.
    pub fn set_certificates(&self, expiries: &[Expiry]) {
        let mut certificates = Certificates::new();
        for expiry in expiries {
            let end = expiry.not_after.div_euclid(1000);
            let first = certificates.entry((expiry.used, expiry.owner.clone(), expiry.name.clone())).or_insert(end);
            *first = end.min(*first);
        }
        *locked(&self.shared.certificates) = certificates;
    }

    /// R3: when the connections' secrets end, as far as it is known.
    pub fn set_secrets(&self, ends: impl Iterator<Item = (Arc<str>, i64)>) {
        *locked(&self.shared.secrets) = ends.map(|(connection, end)| (connection, end.div_euclid(1000))).collect();
    }

    /// The secrets that webhooks are signed with; when each was last used is read with every scrape.
    pub fn set_signing_secrets(&self, frame: &Frame) {
        let of = |(workflow, secret): (&Workflow, &SigningSecret)| {
            ((workflow.name.clone(), secret.label.clone()), secret.used.clone())
        };
        *locked(&self.shared.signing_secrets) = frame.signing_secrets().map(of).collect();
    }

    /// R3: how many keys end soon; counted now and then, since there may be a million.
    pub fn set_key_endings(&self, endings: Endings) {
        *locked(&self.shared.key_endings) = endings;
    }

    /// Forgets workflows that are no longer configured, so that renaming them for years does not fill the table.
    pub fn retain_workflows(&self, keep: impl Fn(&str) -> bool) {
        for core in locked(&self.shared.cores).iter() {
            core.retain_workflows(&keep);
        }
    }

    /// The same for connections that calls went through.
    pub fn retain_connections(&self, keep: impl Fn(&str) -> bool) {
        for core in locked(&self.shared.cores).iter() {
            core.retain_connections(&keep);
        }
    }

    /// Everything, as OpenMetrics text of [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a String takes all that is written");
        out
    }
}

impl Shared {
    fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for core in locked(&self.cores).iter() {
            core.add_to(&mut sum);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::listener::DoorKind;
    use crate::model::webhook::OwnAnswer;
    use std::time::Duration;

    fn metrics() -> Metrics {
        Metrics::new(UNIX_EPOCH + Duration::from_secs(1_000))
    }

    fn sample() -> Sample<'static> {
        Sample {
            door: DoorKind::Inbound,
            name: "orders",
            environment: "Production",
            status: 200,
            code: "",
            total: Duration::from_micros(700),
            upstream: Some(Duration::from_micros(400)),
            bytes_in: 5,
            bytes_out: 50,
        }
    }

    #[track_caller]
    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|seen| seen == line), "no `{line}` in\n{text}");
    }

    #[test]
    fn t5_requests_of_all_cores_are_summed() {
        let metrics = metrics();
        let (one, two) = (metrics.core(), metrics.core());
        one.observe(&sample());
        two.observe(&sample());
        two.observe(&Sample { status: 403, code: "workflow_not_permitted", upstream: None, ..sample() });
        let text = metrics.render();
        let labels = r#"workflow="orders",environment="Production""#;
        has(&text, &format!("keystile_requests_total{{{labels},status=\"200\",code=\"\"}} 2"));
        let refused = r#"status="403",code="workflow_not_permitted""#;
        has(&text, &format!("keystile_requests_total{{{labels},{refused}}} 1"));
        has(&text, &format!("keystile_request_duration_seconds_bucket{{le=\"0.0005\",{labels}}} 0"));
        has(&text, &format!("keystile_request_duration_seconds_bucket{{le=\"0.001\",{labels}}} 3"));
        has(&text, &format!("keystile_request_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 3"));
        has(&text, &format!("keystile_upstream_duration_seconds_count{{{labels}}} 2"));
        has(&text, &format!("keystile_request_bytes_total{{{labels}}} 15"));
        has(&text, &format!("keystile_response_bytes_total{{{labels}}} 150"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_a_core_counts_is_shown() {
        let metrics = metrics();
        let core = metrics.core();
        core.request_started();
        let _connection = core.front_connection(FrontProtocol::H2);
        core.limited(crate::model::quota::Scope::FailedAuth);
        core.connection_refused(crate::model::listener::ConnectionRefusal::ProxyHeader);
        core.h2_flood(crate::model::flood::Flood::Ping);
        core.tls_handshake_failed();
        core.credential_in_query();
        core.answered_here(OwnAnswer::Replayed);
        core.delayed(Duration::from_millis(20));
        core.refused_behind();
        let pool = core.upstream_pool("stripe");
        pool.opened();
        pool.reused();
        pool.idle_added();
        let text = metrics.render();
        has(&text, "keystile_requests_in_flight 1");
        has(&text, "keystile_front_connections{protocol=\"h1\"} 0");
        has(&text, "keystile_front_connections{protocol=\"h2\"} 1");
        has(&text, "keystile_rate_limited_total{scope=\"failed_auth\"} 1");
        has(&text, "keystile_connections_refused_total{reason=\"proxy_header\"} 1");
        has(&text, "keystile_h2_floods_total{frames=\"ping\"} 1");
        has(&text, "keystile_tls_handshake_failures_total 1");
        has(&text, "keystile_credential_in_query_total 1");
        has(&text, "keystile_deliveries_answered_total{answer=\"replayed\"} 1");
        has(&text, "keystile_deliveries_answered_total{answer=\"handshake\"} 0");
        has(&text, "keystile_core_delay_seconds_bucket{le=\"0.01\"} 0");
        has(&text, "keystile_core_delay_seconds_bucket{le=\"0.025\"} 1");
        has(&text, "keystile_core_delay_seconds_count 1");
        has(&text, "keystile_overload_refused_total 1");
        has(&text, "keystile_upstream_connections_opened_total{connection=\"stripe\"} 1");
        has(&text, "keystile_upstream_connections_reused_total{connection=\"stripe\"} 1");
        has(&text, "keystile_upstream_connections_idle{connection=\"stripe\"} 1");
    }

    #[test]
    fn what_the_process_knows_is_shown() {
        let metrics = metrics();
        metrics.config_loaded(7, UNIX_EPOCH + Duration::from_secs(2_000));
        metrics.config_reload_failed();
        metrics.set_limiter_addresses(12);
        metrics.set_deliveries(Deliveries { remembered: 5, forgotten: 6, held: 4096 });
        metrics.access_log().written.fetch_add(3, Relaxed);
        metrics.access_log().dropped.fetch_add(2, Relaxed);
        metrics.usage_dropped().fetch_add(4, Relaxed);
        let text = metrics.render();
        has(&text, "keystile_config_generation 7");
        has(&text, "keystile_config_last_reload_successful 0");
        has(&text, "keystile_config_reload_failures_total 1");
        has(&text, "keystile_config_last_success_timestamp_seconds 2000");
        has(&text, "keystile_limiter_addresses 12");
        has(&text, "keystile_deliveries_remembered 5");
        has(&text, "keystile_deliveries_forgotten_total 6");
        has(&text, "keystile_delivery_buffer_bytes 4096");
        has(&text, "keystile_access_log_records_written_total 3");
        has(&text, "keystile_access_log_records_dropped_total 2");
        has(&text, "keystile_access_log_write_errors_total 0");
        has(&text, "keystile_usage_dropped_total 4");
        has(&text, "process_start_time_seconds 1000.0");
        let version = env!("CARGO_PKG_VERSION");
        has(&text, &format!("keystile_build_info{{version=\"{version}\"}} 1"));
    }

    #[test]
    fn certificates_are_shown_with_their_end_and_the_first_of_two_counts() {
        let metrics = metrics();
        let ends = |name: &str, seconds: i64| Expiry {
            used: Use::Listener,
            owner: "0.0.0.0:8443".into(),
            name: name.to_owned(),
            file: "cert.pem".into(),
            not_after: seconds * 1000,
        };
        metrics.set_certificates(&[ends("a.test", 2_000), ends("a.test", 1_000), ends("b.test", -5)]);
        let text = metrics.render();
        let name = "keystile_tls_certificate_expiry_timestamp_seconds";
        let labels = |name: &str| format!(r#"used="listener",owner="0.0.0.0:8443",name="{name}""#);
        has(&text, &format!("{name}{{{}}} 1000", labels("a.test")));
        has(&text, &format!("{name}{{{}}} -5", labels("b.test")));
        metrics.set_certificates(&[]);
        assert!(!metrics.render().contains("a.test"));
    }

    #[test]
    fn r3_the_ends_of_secrets_are_shown_by_connection_and_those_of_keys_by_number() {
        let metrics = metrics();
        metrics.set_secrets([("stripe".into(), 2_000_000)].into_iter());
        metrics.set_key_endings(Endings { day: 1, week: 2, month: 3 });
        let text = metrics.render();
        let name = "keystile_connection_secret_expiry_timestamp_seconds";
        has(&text, &format!("{name}{{connection=\"stripe\"}} 2000"));
        for (within, count) in [("1d", 1), ("7d", 3), ("30d", 6)] {
            has(&text, &format!("keystile_keys_expiring{{within=\"{within}\"}} {count}"));
        }
        metrics.set_secrets(std::iter::empty());
        assert!(!metrics.render().contains(&format!("{name}{{")));
    }

    #[test]
    fn every_metric_is_explained() {
        let text = metrics().render();
        for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
            let name = line.split(' ').nth(2).expect("a name");
            let help = format!("# HELP {name} ");
            let help = (text.lines()).find_map(|line| line.strip_prefix(&help)).expect("a help");
            assert!(help.len() > 40, "{name}: {help}");
        }
    }

    #[test]
    fn hazard_33_a_label_cannot_forge_a_line() {
        let metrics = metrics();
        let workflow = "a\"} 1\nforged 2\n\\";
        metrics.core().observe(&Sample { name: workflow, ..sample() });
        assert!(!metrics.render().lines().any(|line| line.starts_with("forged")));
    }
}
