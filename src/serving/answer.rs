//! What stands around every journey, once: it times, records, and turns a refusal into a reply.

use super::core::Core;
use super::exchange::Exchange;
use super::front::Front;
use super::panics::caught;
use super::reply_body::{Passing, ReplyBody};
use crate::http::body::CallersBody;
use crate::http::date;
use crate::http::early::Early;
use crate::http::reply::{self, Answer};
use crate::limit::table::Allowances;
use crate::live::Local;
use crate::model::listener::DoorKind;
use crate::model::{Denial, Listener};
use crate::model::{Fields, Reply, RequestHead};
use crate::policy::headers::strip_reply;
use crate::policy::rewrite;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use std::pin::pin;
use std::rc::Rc;

/// A request that has come in.
pub struct Arrival<'a> {
    pub core: &'a Rc<Core>,
    pub live: &'a Local,
    pub front: &'a Front,
    pub parts: &'a mut RequestHead,
    /// For whoever sends it on, to be taken.
    pub body: &'a mut CallersBody,
    /// Whom to tell what the upstream says before its reply.
    pub early: &'a Early,
    pub log: &'a mut Exchange,
}

/// What a journey brings home: the upstream's reply, and what goes with it.
pub struct Passed {
    pub reply: Reply<Passing>,
    /// What was charged, where the listener tells of it. Boxed, as what is rare.
    pub charged: Option<Box<Allowances>>,
}

/// How a journey ends that brings no reply home. Nothing was sent, or nothing came back.
#[derive(Debug)]
pub enum Ended {
    Refused(Denial),
    /// The same, before the caller has proved anything: a listener that conceals says no more of it than of any other (W6).
    Unproven(Denial),
    Answered(Answer),
}

impl From<Denial> for Ended {
    fn from(denial: Denial) -> Ended {
        Ended::Refused(denial)
    }
}

/// Where requests go from here, by the door they came through.
pub trait Journeys: Copy + 'static {
    /// Whatever ends it early ends it before anything was sent.
    fn travel(self, arrival: &mut Arrival<'_>) -> impl Future<Output = Result<Passed, Ended>>;
}

/// Answers one request: never fails, never panics.
#[expect(clippy::manual_async_fn, reason = "an async function keeps its arguments twice")]
pub fn answer(
    journeys: impl Journeys,
    core: &Rc<Core>,
    front: &Front,
    parts: &mut RequestHead,
    mut body: CallersBody,
    early: Early,
) -> impl Future<Output = Reply<ReplyBody>> {
    async move {
        let live = core.live();
        let mut exchange = Exchange::begin(core.clone(), live.clone(), front, parts);
        let (body, early) = (&mut body, &early);
        let mut arrival = Arrival { core, live: &live, front, parts, body, early, log: &mut exchange };
        let outcome = caught(pin!(journeys.travel(&mut arrival))).await;
        let listener = exchange.listener.map(|at| &live.snapshot.listeners[at]);
        answered(outcome, exchange, listener)
    }
}

/// What becomes of a journey's outcome.
fn answered(
    outcome: Result<Passed, Ended>,
    mut exchange: Box<Exchange>,
    listener: Option<&Listener>,
) -> Reply<ReplyBody> {
    match outcome {
        Ok(Passed { reply, charged }) => {
            let mut reply = reply;
            sign(&mut reply.headers, &exchange, listener, charged.as_deref());
            match &reply.body {
                Passing::AsItIs(_) => {}
                Passing::Switched(_, standing) => {
                    reply.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                    reply.headers.insert(header::UPGRADE, standing.protocol().clone());
                }
                Passing::Scrubbed(body) => {
                    reply.headers.insert(reply::SCRUB, reply::scrub(body.replaced()));
                }
            }
            reply.map(|body| ReplyBody::passed(body, exchange))
        }
        Err(Ended::Answered(answer)) => {
            exchange.answered_here(answer.kind());
            own(answer.reply(&exchange.request_id), exchange)
        }
        Err(Ended::Refused(denial)) => own(refused(&denial, &denial, &mut exchange, listener), exchange),
        Err(Ended::Unproven(denial)) => {
            let conceal = listener.is_some_and(|l| l.conceal);
            let said = if conceal { &Denial::WorkflowNotFound } else { &denial };
            own(refused(&denial, said, &mut exchange, listener), exchange)
        }
    }
}

/// What the gateway itself says, dated.
fn own(mut reply: Reply<Bytes>, exchange: Box<Exchange>) -> Reply<ReplyBody> {
    reply.headers.append(header::DATE, date::at(exchange.answered_at()));
    reply.map(|body| ReplyBody::own(body, exchange))
}

/// Records a refusal; what is said of it may be less.
fn refused(denial: &Denial, said: &Denial, exchange: &mut Exchange, listener: Option<&Listener>) -> Reply<Bytes> {
    exchange.refused(denial);
    let conceal = listener.is_some_and(|l| l.conceal);
    let asked = reply::Asked { request_id: &exchange.request_id, bearer: exchange.bearer, conceal };
    let mut reply = reply::refusal(said, &asked);
    if !conceal {
        deprecate(&mut reply.headers, exchange);
    }
    reply
}

/// What a provider calls the request.
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// What is added to, and taken from, a reply that passes.
fn sign(fields: &mut Fields, exchange: &Exchange, listener: Option<&Listener>, charged: Option<&Allowances>) {
    let theirs = fields.remove(&rewrite::REQUEST_ID);
    strip_reply(fields);
    if listener.is_some_and(|l| l.door.kind() == DoorKind::Outbound) {
        // Its support asks for it.
        if let Some(id) = theirs {
            fields.insert(UPSTREAM_REQUEST_ID, id);
        }
        // Other ways to the provider are no ways to us.
        fields.remove(header::ALT_SVC);
    }
    fields.insert(rewrite::REQUEST_ID, exchange.request_id.clone());
    if let Some(charged) = charged {
        reply::allowances(fields, charged);
    }
    deprecate(fields, exchange);
}

/// K6: a key in the URL is answered with `Deprecation` (RFC 9745) and, where its end is set, `Sunset` (RFC 8594).
fn deprecate(fields: &mut Fields, exchange: &Exchange) {
    if !exchange.in_query {
        return;
    }
    /// Since the first release, 2026-11-21.
    const SINCE: HeaderValue = HeaderValue::from_static("@1795219200");
    fields.insert(HeaderName::from_static("deprecation"), SINCE);
    let Some(sunset) = exchange.query_sunset() else { return };
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(sunset.max(0) as u64);
    if let Ok(value) = HeaderValue::try_from(httpdate::fmt_http_date(at)) {
        fields.insert(HeaderName::from_static("sunset"), value);
    }
}
