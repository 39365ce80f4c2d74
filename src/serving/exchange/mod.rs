//! What is remembered of a request until its reply is gone: one access record and one sample, written when the exchange
//! is dropped, so also when the caller hangs up or a task panics (T3).

mod record;

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
use crate::telemetry::timestamp::{now_ms, unix_ms};
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
