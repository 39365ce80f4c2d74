//! The metrics by name, each with the help that a reader of a dashboard needs.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::Shared;
use super::core::{FrontProtocol, Sum, locked};
use super::histogram::Histogram;
use super::process;
use super::series::{OTHER, OTHER_STATUS, Pair, SeriesTable};
use crate::model::flood::Flood;
use crate::model::key::Endings;
use crate::model::listener::ConnectionRefusal;
use crate::model::quota::Scope;
use crate::model::webhook::OwnAnswer;

#[derive(Debug)]
pub(super) struct Exposition(pub(super) Arc<Shared>);

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), Error> {
        let mut page = Page(encoder);
        let sum = self.0.sum();
        requests(&mut page, &sum.series, &REQUESTS)?;
        requests(&mut page, &sum.calls, &CALLS)?;
        front(&mut page, &sum)?;
        load(&mut page, &sum)?;
        limits(&mut page, &sum, &self.0)?;
        deliveries(&mut page, &sum, &self.0)?;
        upstream(&mut page, &sum)?;
        access_log(&mut page, &self.0)?;
        usage(&mut page, &self.0)?;
        config(&mut page, &self.0)?;
        certificates(&mut page, &self.0)?;
        endings(&mut page, &self.0)?;
        process_facts(&mut page, &self.0)
    }
}

/// The same families for either door.
struct Families {
    requests: [&'static str; 2],
    received: [&'static str; 2],
    sent: [&'static str; 2],
    whole: [&'static str; 2],
    upstream: [&'static str; 2],
    /// The label of the name.
    by: &'static str,
}

const REQUESTS: Families = Families {
    requests: [
        "keystile_requests",
        "Finished requests. code is the reason if the gateway itself answered, empty if the upstream's reply was \
         passed on, so code!=\"\" selects refusals; workflow is empty if none was found, _other beyond 1000 per core",
    ],
    received: [
        "keystile_request_bytes",
        "Bytes of request bodies received from callers, before anything is added or removed",
    ],
    sent: [
        "keystile_response_bytes",
        "Bytes of reply bodies sent to callers; far fewer than the upstream sent means callers hang up early",
    ],
    whole: [
        "keystile_request_duration_seconds",
        "From a request's head to the end of its reply, refusals included; minus the upstream's duration it is what \
         the gateway and the transfer of bodies cost",
    ],
    upstream: [
        "keystile_upstream_duration_seconds",
        "From sending a request to the upstream to the head of its reply; only requests that were forwarded count",
    ],
    by: "workflow",
};

const CALLS: Families = Families {
    requests: [
        "keystile_calls",
        "Finished calls through the outbound door; code as in keystile_requests, connection is empty if none was found",
    ],
    received: ["keystile_call_request_bytes", "Bytes of request bodies of calls, before anything is added or removed"],
    sent: [
        "keystile_call_response_bytes",
        "Bytes of reply bodies sent to those who call, without what was decoded or removed",
    ],
    whole: ["keystile_call_duration_seconds", "From a call's head to the end of its reply, refusals included"],
    upstream: [
        "keystile_call_upstream_duration_seconds",
        "From sending a call to the provider to the head of its reply; only calls that were forwarded count",
    ],
    by: "connection",
};

fn requests(page: &mut Page<'_>, table: &SeriesTable, of: &Families) -> Result<(), Error> {
    let sorted = table.sorted();
    let [name, help] = of.requests;
    page.counters(
        name,
        help,
        sorted.iter().flat_map(|(pair, series)| {
            (series.outcomes.iter()).map(|(outcome, count)| {
                let status = match outcome.status {
                    OTHER_STATUS => OTHER.to_owned(),
                    status => status.to_string(),
                };
                let labels = (of.labels(pair), [("status", status)]);
                ((labels, [("code", outcome.code)]), *count)
            })
        }),
    )?;
    let [name, help] = of.received;
    page.counters(name, help, sorted.iter().map(|(pair, series)| (of.labels(pair), series.bytes_in)))?;
    let [name, help] = of.sent;
    page.counters(name, help, sorted.iter().map(|(pair, series)| (of.labels(pair), series.bytes_out)))?;
    let [name, help] = of.whole;
    page.histograms(name, help, sorted.iter().map(|(pair, series)| (of.labels(pair), &series.whole)))?;
    let [name, help] = of.upstream;
    page.histograms(name, help, sorted.iter().map(|(pair, series)| (of.labels(pair), &series.upstream)))
}

impl Families {
    fn labels<'p>(&self, pair: &'p Pair) -> [(&'static str, &'p str); 2] {
        [(self.by, &*pair.name), ("environment", &*pair.environment)]
    }
}

fn front(page: &mut Page<'_>, sum: &Sum) -> Result<(), Error> {
    page.gauge(
        "keystile_requests_in_flight",
        "Requests begun and not yet finished; growing without more traffic means the upstream is slowing down",
        sum.in_flight,
    )?;
    page.gauges(
        "keystile_front_connections",
        "Open connections from callers, by the protocol spoken on them; idle ones count too",
        (FrontProtocol::ALL.iter().zip(sum.front)).map(|((_, label), open)| ([("protocol", *label)], open)),
    )?;
    page.counters(
        "keystile_connections_refused",
        "Connections closed before anything was read from their caller, by the reason: a cap, too few descriptors, or \
         the PROXY protocol",
        (ConnectionRefusal::ALL.iter().zip(sum.refused)).map(|(why, refused)| ([("reason", why.name())], refused)),
    )?;
    page.counters(
        "keystile_h2_floods",
        "HTTP/2 connections ended for too many frames or mistakes that bring nothing, by their kind; each is an attack or \
         a broken client, and the debug log names the address",
        (Flood::ALL.iter().zip(sum.h2_floods)).map(|(flood, ended)| ([("frames", flood.name())], ended)),
    )?;
    page.counter(
        "keystile_tls_handshake_failures",
        "Connections that ended before TLS was agreed: scanners mostly; many at once after a certificate change means \
         that callers do not trust it",
        sum.tls_handshake_failures,
    )?;
    page.counter(
        "keystile_credential_in_query",
        "Requests with a key in the URL, where proxies and browsers keep it; the access log flags which keys. Bring \
         it to zero before setting a sunset date",
        sum.credential_in_query,
    )
}

fn load(page: &mut Page<'_>, sum: &Sum) -> Result<(), Error> {
    page.histogram(
        "keystile_core_delay_seconds",
        "How long whatever is ready waits until a core gets to it, measured while requests come; what stays above \
         overload.delay is overload, and a rise towards it is the time for another gateway",
        &sum.delays,
    )?;
    page.counter(
        "keystile_overload_refused",
        "Requests refused with 503 overloaded because a core was behind, before anything was done for them",
        sum.refused_behind,
    )
}

fn limits(page: &mut Page<'_>, sum: &Sum, shared: &Shared) -> Result<(), Error> {
    page.counters(
        "keystile_rate_limited",
        "Requests refused by a limit, by whose limit it was; failed_auth is the brake on addresses that guess keys",
        (Scope::ALL.iter().zip(sum.limited)).map(|(scope, refused)| ([("scope", scope.name())], refused)),
    )?;
    page.gauge(
        "keystile_limiter_addresses",
        "Addresses the limiter remembers; it is bounded, and a sudden rise means requests from many sources at once",
        shared.limiter_addresses.load(Relaxed),
    )
}

fn deliveries(page: &mut Page<'_>, sum: &Sum, shared: &Shared) -> Result<(), Error> {
    let held = *locked(&shared.deliveries);
    page.counters(
        "keystile_deliveries_answered",
        "Webhooks' requests that the gateway answered with 200 and did not forward: replayed, since they were delivered \
         before, and handshake; their code in keystile_requests is empty",
        (OwnAnswer::ALL.iter().zip(sum.answered_here)).map(|(answer, count)| ([("answer", answer.name())], count)),
    )?;
    page.gauge(
        "keystile_deliveries_remembered",
        "Deliveries that would not be forwarded again, those under way included; it is bounded",
        held.remembered,
    )?;
    page.counter(
        "keystile_deliveries_forgotten",
        "Deliveries forgotten before their time because too many came: each could be delivered once more. Remember for \
         a shorter time, or spread the senders over several gateways",
        held.forgotten,
    )?;
    page.gauge(
        "keystile_delivery_buffer_bytes",
        "Memory that holds deliveries until they are verified and sent on; at webhooks.buffer they are refused with 503",
        held.held,
    )
}

fn upstream(page: &mut Page<'_>, sum: &Sum) -> Result<(), Error> {
    page.counters(
        "keystile_upstream_connections_opened",
        "Connections dialled to upstreams; close to the rate of requests means that the upstream closes after each",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.opened)),
    )?;
    page.counters(
        "keystile_upstream_connections_reused",
        "Requests that found an open connection in the pool, saving a TCP and a TLS handshake",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.reused)),
    )?;
    page.counters(
        "keystile_upstream_retries",
        "Requests sent once more, because the upstream had not acted or acting twice does no harm; a few at a restart, \
         many mean that connections are being cut",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.retried)),
    )?;
    page.counters(
        "keystile_upstream_ejections",
        "Times that an address of an upstream was left alone for a while after failing repeatedly; it counts on each \
         core",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.ejected)),
    )?;
    page.counters(
        "keystile_upstream_secrets_scrubbed",
        "Secrets taken from replies to calls: the provider says them back; any at all are worth a look",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.scrubbed)),
    )?;
    page.gauges(
        "keystile_upstream_connections_idle",
        "Open connections to upstreams that wait in the pool for the next request",
        (sum.pools.iter()).map(|(connection, pool)| ([("connection", &**connection)], pool.idle)),
    )
}

fn access_log(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    let counters = &shared.access_log;
    page.counter(
        "keystile_access_log_records_written",
        "Access records written to their destination; it follows the requests within a tenth of a second",
        counters.written.load(Relaxed),
    )?;
    page.counter(
        "keystile_access_log_records_dropped",
        "Access records lost because the destination was too slow or failed; requests never wait for the log",
        counters.dropped.load(Relaxed),
    )?;
    page.counter(
        "keystile_access_log_write_errors",
        "Failed writes of the access log: a full disk, a closed pipe, a file that cannot be reopened",
        counters.write_errors.load(Relaxed),
    )
}

fn usage(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    page.counter(
        "keystile_usage_dropped",
        "Counts for a key, workflow or connection that are missing from the usage that is kept: too many different ones \
         at once, or the store took none for long; metrics and access log have them all",
        shared.usage_dropped.load(Relaxed),
    )
}

fn config(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    page.gauge(
        "keystile_config_generation",
        "Number of the configuration in force; nodes that differ for long are not in step",
        shared.config_generation.load(Relaxed),
    )?;
    page.gauge(
        "keystile_config_last_reload_successful",
        "1 if the last reload was taken, 0 if it was refused and the configuration before it stays in force",
        u64::from(shared.config_reload_successful.load(Relaxed)),
    )?;
    page.counter(
        "keystile_config_reload_failures",
        "Reloads refused because of a mistake; the operational log names file, line and field",
        shared.config_reload_failures.load(Relaxed),
    )?;
    page.gauge(
        "keystile_config_last_success_timestamp_seconds",
        "When the configuration in force was taken, in Unix seconds; 0 before the first",
        shared.config_last_success.load(Relaxed),
    )
}

fn certificates(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    page.gauges(
        "keystile_tls_certificate_expiry_timestamp_seconds",
        "When a certificate of the configuration ends, in Unix seconds; used is listener, client_ca or connection, owner \
         the listener or connection. Alert on less than 30 days from now",
        locked(&shared.certificates).iter().map(|((used, owner, name), end)| {
            ([("used", used.name()), ("owner", &**owner), ("name", name.as_str())], *end)
        }),
    )
}

fn endings(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    page.gauges(
        "keystile_connection_secret_expiry_timestamp_seconds",
        "When a connection's secret ends by its expires_at, in Unix seconds; it is used all the same. Alert on less than 30 \
         days from now",
        locked(&shared.secrets).iter().map(|(connection, end)| ([("connection", &**connection)], *end)),
    )?;
    page.gauges(
        "keystile_webhook_secret_last_used_timestamp_seconds",
        "When a secret that a webhook's sender signs with was last used, in Unix seconds; none for one that never was. secret \
         is where it is read from, or its number in the store. One that is long unused is safe to remove",
        locked(&shared.signing_secrets).iter().filter_map(|((workflow, secret), used)| {
            Some(([("workflow", &**workflow), ("secret", &**secret)], used.at()?.div_euclid(1000)))
        }),
    )?;
    let Endings { day, week, month } = *locked(&shared.key_endings);
    let within = [("1d", day), ("7d", day + week), ("30d", day + week + month)];
    page.gauges(
        "keystile_keys_expiring",
        "Keys that are enabled and end within that time; counted every hour. Their owners need others by then",
        within.into_iter().map(|(within, count)| ([("within", within)], count)),
    )
}

fn process_facts(page: &mut Page<'_>, shared: &Shared) -> Result<(), Error> {
    page.gauges(
        "keystile_build_info",
        "Always 1; its label tells the version, so that a change of behaviour can be laid beside an upgrade",
        [([("version", env!("CARGO_PKG_VERSION"))], 1_u64)].into_iter(),
    )?;
    page.gauge(
        "process_start_time_seconds",
        "When the process started, in Unix seconds; a jump is a restart",
        shared.started,
    )?;
    let facts = process::read();
    let readings = [
        (
            "process_open_fds",
            "Open file descriptors: about one per connection on either side, and the files",
            facts.open_fds,
        ),
        (
            "process_max_fds",
            "The limit on file descriptors; at the limit new connections are refused, so alert well below",
            facts.max_fds,
        ),
        (
            "process_resident_memory_bytes",
            "Memory of the process that lies in RAM; it follows connections, bodies in transit and the number of keys",
            facts.resident_bytes,
        ),
    ];
    for (name, help, reading) in readings {
        if let Some(value) = reading {
            page.gauge(name, help, value)?;
        }
    }
    Ok(())
}

/// The encoder with the few shapes used here. Names of counters stand without the `_total` that the format appends.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (L, u64)>,
    ) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            (metric.encode_family(&labels)?).encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (L, V)>,
    ) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count) = (histogram.sum_seconds(), histogram.count());
        metric.encode_histogram::<NoLabelSet>(sum, count, &histogram.buckets(), None)
    }

    fn histograms<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = (L, &'h Histogram)>,
    ) -> Result<(), Error> {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in rows {
            let (sum, count) = (histogram.sum_seconds(), histogram.count());
            (metric.encode_family(&labels)?).encode_histogram::<NoLabelSet>(sum, count, &histogram.buckets(), None)?;
        }
        Ok(())
    }
}
