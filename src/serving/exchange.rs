//! What is remembered of a request until its reply is gone: one access record and one sample, written when the exchange
//! is dropped, so also when the caller hangs up or a task panics (T3).

use super::core::Core;
use super::front::Front;
use crate::http::body::Upload;
use crate::limit::table::Held;
use crate::live::Local;
use crate::model::RequestHead;
use crate::model::connection::ConnectionId;
use crate::model::environment::EnvironmentId;
use crate::model::key::KeyId;
use crate::model::listener::{DoorKind, Place};
use crate::model::webhook::OwnAnswer;
use crate::model::workflow::WorkflowId;
use crate::model::{Denial, Key, Slot};
use crate::policy::standing::Standing;
use crate::policy::{Permit, Presented};
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::metrics::Sample;
use crate::telemetry::timestamp::{now_ms, unix_ms};
use crate::telemetry::usage::Used;
use http::header::USER_AGENT;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};
use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Complete,
    ClientGone,
    UpstreamDied,
    /// It fell silent in the middle of its reply.
    UpstreamIdle,
    /// A tunnel in which nobody said anything for too long.
    Idle,
    /// A tunnel whose key, or workflow, no longer permits it.
    Revoked,
}

/// A core with one request more under way for as long as this lives, so also until after a panic (hazard 34).
struct Underway(Rc<Core>);

impl Underway {
    fn on(core: Rc<Core>) -> Underway {
        core.metrics.request_started();
        Underway(core)
    }
}

impl Deref for Underway {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.metrics.request_ended();
    }
}

/// The record in the making.
pub struct Exchange {
    core: Underway,
    live: Local,
    started: Instant,
    /// When it was over, once it is.
    over: Option<Instant>,
    /// Unix milliseconds: the request's `now`.
    pub now: i64,
    pub request_id: HeaderValue,
    pub address: IpAddr,
    /// Which of the generation's listeners it came to, once that was looked up.
    pub listener: Option<usize>,
    method: Method,
    target: Option<PathAndQuery>,
    version: Version,
    /// What is logged in place of the path, where that may hold somebody's secret.
    path: Option<String>,
    user_agent: Option<HeaderValue>,
    door: DoorKind,
    key: Option<(KeyId, Option<Slot>)>,
    run: Option<(Option<WorkflowId>, EnvironmentId, ConnectionId)>,
    /// What a known caller asked for, whether permitted or not.
    asked: (Option<WorkflowId>, Option<ConnectionId>),
    place: Option<&'static str>,
    pub in_query: bool,
    pub bearer: bool,
    upload: Option<Rc<Upload>>,
    sent_at: Option<Instant>,
    upstream: Option<Duration>,
    status: u16,
    refused: Option<(&'static str, &'static str)>,
    own_answer: Option<OwnAnswer>,
    cause: Option<Cow<'static, str>>,
    bytes_out: u64,
    tunnelled: (u64, u64),
    /// Secrets that were taken from the reply.
    scrubbed: u64,
    /// Concurrency slots, until it is over.
    held: Held,
    end: End,
}

/// What nginx taught operators to read as: the caller was gone before an answer was.
const GONE: u16 = 499;

impl Exchange {
    pub fn begin(core: Rc<Core>, live: Local, front: &Front, parts: &RequestHead) -> Box<Exchange> {
        let started = Instant::now();
        let now = unix_ms(started);
        // What only the log asks for.
        let logged = core.access.is_on();
        Box::new(Exchange {
            request_id: core.ids.next(now),
            started,
            over: None,
            now,
            address: front.peer,
            listener: None,
            method: parts.method.clone(),
            target: parts.uri.path_and_query().filter(|_| logged).cloned(),
            path: None,
            door: front.door,
            version: parts.version,
            user_agent: parts.headers.get(USER_AGENT).filter(|_| logged).cloned(),
            key: None,
            run: None,
            asked: (None, None),
            place: None,
            in_query: false,
            bearer: false,
            upload: None,
            sent_at: None,
            upstream: None,
            status: GONE,
            refused: None,
            own_answer: None,
            cause: None,
            bytes_out: 0,
            tunnelled: (0, 0),
            scrubbed: 0,
            held: Held::new(),
            end: End::ClientGone,
            core: Underway::on(core),
            live,
        })
    }

    /// When the request's head was whole.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// When it is answered, in Unix milliseconds: unless something had to be waited for, that is now.
    pub fn answered_at(&self) -> i64 {
        let waited = self.upload.is_some();
        if waited { unix_ms(Instant::now()) } else { self.now }
    }

    /// All is said and done: when that was seen.
    pub fn is_over(mut self: Box<Exchange>) -> Instant {
        *self.over.insert(Instant::now())
    }

    pub fn presented(&mut self, presented: &Presented<'_>) {
        self.place = Some(presented.place.name());
        self.in_query = presented.in_query;
        self.bearer = presented.bearer;
        if presented.in_query {
            self.core.metrics.credential_in_query();
        }
    }

    /// H7. It stands in the query by design: nobody is told to send it elsewhere.
    pub fn signed_url(&mut self) {
        self.place = Some(Place::SignedUrl.name());
    }

    pub fn caller(&mut self, key: &Key, slot: Option<Slot>) {
        self.key = Some((key.index, slot));
    }

    /// Logs `path`, if there is one, instead of the one that came.
    pub fn shown_as(&mut self, path: Option<String>) {
        self.path = path;
    }

    /// A caller who is known asks for these, before it is decided.
    pub fn asked_for(&mut self, workflow: Option<WorkflowId>, connection: Option<ConnectionId>) {
        self.asked = (workflow, connection);
    }

    pub fn permitted(&mut self, permit: &Permit<'_>, workflow: Option<WorkflowId>) {
        let connection = permit.connection().index;
        self.run = Some((workflow, permit.environment().id, connection));
        self.asked = (workflow, Some(connection));
    }

    /// H2: the body is taken in before anything is sent.
    pub fn receiving(&mut self, upload: Rc<Upload>) {
        self.upload = Some(upload);
    }

    /// The request leaves for the upstream, now.
    pub fn sending(&mut self, upload: Rc<Upload>) -> Instant {
        // What was taken in before counts, whatever of it the upstream takes.
        self.upload.get_or_insert(upload);
        *self.sent_at.insert(Instant::now())
    }

    /// The reply's head is there.
    pub fn answered(&mut self, status: u16) {
        self.upstream = self.sent_at.map(|at| at.elapsed());
        self.status = status;
    }

    /// It takes these concurrency slots until its reply has gone.
    pub fn holds(&mut self, held: Held) {
        self.held = held;
    }

    /// The gateway itself says 200.
    pub fn answered_here(&mut self, answer: OwnAnswer) {
        self.status = 200;
        self.own_answer = Some(answer);
        self.core.metrics.answered_here(answer);
    }

    /// H1: the request's signature is right.
    pub fn signed(&mut self) {
        self.place.get_or_insert("signature");
    }

    pub fn refused(&mut self, denial: &Denial) {
        let (code, status) = denial.code_and_status();
        self.status = status.as_u16();
        self.refused = Some((code, denial.whose().name()));
        self.cause = denial.cause();
        if let Denial::RateLimited(refusal) = denial {
            self.core.metrics.limited(refusal.scope);
        }
    }

    pub fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// What a tunnel has carried so far: from the caller, and from the upstream.
    pub fn tunnelled(&mut self, bytes: (u64, u64)) {
        self.tunnelled = bytes;
    }

    /// C12: how many secrets the reply held so far.
    pub fn scrubbed(&mut self, replaced: u64) {
        self.scrubbed = replaced;
    }

    pub fn end(&mut self, end: End) {
        self.end = end;
    }

    /// For how long this request's tunnel may be silent.
    pub fn tunnel_timeout(&self) -> Duration {
        self.run.map_or(Duration::ZERO, |(_, _, c)| self.live.snapshot.connection(c).timeouts.tunnel)
    }

    /// Whether what was permitted still is, by the configuration in force.
    pub fn still_permitted(&self, standing: &Standing) -> bool {
        standing.holds(&self.core.live().snapshot, now_ms())
    }

    /// K6: when this caller's key stops being accepted in URLs.
    pub fn query_sunset(&self) -> Option<i64> {
        self.key.and_then(|(key, _)| self.live.snapshot.key(key)?.more().query_key_sunset)
    }
}

impl Exchange {
    /// T5: for whom this request counts. What was cut short has been used all the same, and until now.
    fn used(&self, total: Duration) -> Used {
        let snapshot = &self.live.snapshot;
        let (workflow, connection) = self.asked;
        Used {
            key: self.key.and_then(|(key, slot)| Some((snapshot.key(key)?.uid, slot))),
            workflow: workflow.map(|workflow| snapshot.workflow(workflow).uid),
            connection: connection.map(|connection| snapshot.connection(connection).uid),
            code: self.refused.map_or("", |(code, _)| code),
            at: self.now.saturating_add(total.as_millis() as i64),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let snapshot = &self.live.snapshot;
        let total = self.over.unwrap_or_else(Instant::now).duration_since(self.started);
        let bytes_in = self.upload.as_ref().map_or(0, |u| u.bytes.get()) + self.tunnelled.0;
        let bytes_out = self.bytes_out + self.tunnelled.1;
        // A handshake runs nowhere, and is its workflow's all the same.
        let greeted = self.asked.0.filter(|_| self.own_answer.is_some());
        let workflow = self.run.and_then(|(w, _, _)| w).or(greeted).map(|w| &*snapshot.workflow(w).name);
        let connection = self.run.map(|(_, _, c)| &*snapshot.connection(c).name);
        let environment = self.run.map(|(_, e, _)| &*snapshot.environment(e).name);
        let key = self.key.and_then(|(key, _)| snapshot.key(key));
        let end = match self.end {
            End::Complete => "complete",
            End::ClientGone if self.core.cut.get() => "stopped",
            End::ClientGone => "client_gone",
            End::UpstreamDied => "upstream_died",
            End::UpstreamIdle => "upstream_idle_timeout",
            End::Idle => "idle",
            End::Revoked => "revoked",
        };
        // A reply that was cut short is no success, whatever its status line said.
        let code = match (self.refused, self.end) {
            (Some((code, _)), _) => code,
            (None, End::Complete) => "",
            (None, _) => end,
        };
        self.core.metrics.observe(&Sample {
            door: self.door,
            name: match self.door {
                DoorKind::Inbound => workflow.unwrap_or_default(),
                DoorKind::Outbound => connection.unwrap_or_default(),
            },
            environment: environment.unwrap_or_default(),
            status: self.status,
            code,
            total,
            upstream: self.upstream,
            bytes_in,
            bytes_out,
        });
        if self.core.usage.is_counting() {
            self.core.usage.count(&self.used(total));
        }
        if let Some(connection) = connection.filter(|_| self.scrubbed > 0) {
            self.core.metrics.upstream_pool(connection).scrubbed(self.scrubbed);
        }
        if !self.core.access.is_on() {
            return;
        }
        let key_id = key.map(|key| key.uid.digits());
        self.core.access.record(&AccessRecord {
            time_ms: self.now,
            request_id: self.request_id.as_bytes(),
            listener: self.door.name(),
            address: self.address,
            protocol: protocol(self.version),
            method: self.method.as_str(),
            path: self.path.as_deref().unwrap_or(self.target.as_ref().map_or("", PathAndQuery::path)),
            key: key.map(|key| &*key.name),
            slot: self.key.and_then(|(_, s)| s).map(Slot::name),
            key_id: key_id.as_ref().and_then(|digits| std::str::from_utf8(digits).ok()),
            workflow,
            environment,
            connection,
            status: self.status,
            code: self.refused.map(|(code, _)| code),
            answered: self.own_answer.map(OwnAnswer::name),
            whose: self.refused.map(|(_, whose)| whose),
            cause: self.cause.as_deref(),
            credential_place: self.place,
            credential_in_query: self.in_query,
            scrubbed: self.scrubbed,
            bytes_in,
            bytes_out,
            duration_us: total.as_micros() as u64,
            upstream_us: self.upstream.map(|d| d.as_micros() as u64),
            end,
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
