//! H6: what senders are told before they deliver. Nothing of it reaches an upstream.

use crate::http::reply::Answer;
use crate::live::Live;
use crate::model::RequestHead;
use crate::model::routes::Found;
use crate::model::webhook::{Handshake, Require};
use crate::model::{Denial, Snapshot, Workflow};
use crate::policy::authorise::may_greet;
use crate::policy::webhook::Verified;
use crate::policy::webhook::handshake::{self, Greeting};
use crate::policy::{Authenticated, Invocation, Origin};
use crate::serving::answer::Ended;
use crate::serving::exchange::Exchange;
use bytes::Bytes;
use http::Method;
use std::time::Instant;

/// A handshake that is asked for by a URL, and of whom.
#[derive(Debug)]
pub struct Asked<'s> {
    pub workflow: &'s Workflow,
    /// Or what is wrong with it.
    pub greeting: Result<Greeting, Denial>,
}

/// The handshake that this request asks for, if it is one: at the workflow that its path leads to, by the handshake's own
/// method, which nobody else answers there.
pub fn asked<'s, S: AsRef<[u8]>>(
    snapshot: &'s Snapshot,
    route: &Found,
    path: &[S],
    parts: &RequestHead,
    has_body: bool,
) -> Option<Asked<'s>> {
    let id = match route {
        Found::Workflow(id) => Some(*id),
        Found::OtherMethods(_) if parts.method == Method::GET => {
            snapshot.handshakes.find(&Method::GET, path).workflow()
        }
        _ => None,
    };
    let workflow = snapshot.workflow(id.filter(|_| !has_body)?);
    let greeting = handshake::greeting(wanted(workflow)?, &parts.method, parts.uri.query()).transpose()?;
    Some(Asked { workflow, greeting })
}

fn wanted(workflow: &Workflow) -> Option<&Handshake> {
    workflow.webhook.as_ref()?.handshake.as_ref()
}

/// Whether it may be answered, before it is charged. A key is asked for where deliveries need one; a signature is not: there
/// is nothing yet that could be signed.
pub fn permitted(
    asked: &Asked<'_>,
    key: Option<&Authenticated<'_>>,
    origin: &Origin<'_>,
    now: i64,
) -> Result<String, Denial> {
    let required = asked.workflow.webhook.as_ref().map(|webhook| webhook.require);
    match (key, required) {
        (Some(key), _) => may_greet(key.key(), origin, asked.workflow, now)?,
        (None, Some(Require::Signature | Require::Either)) => {}
        (None, _) => return Err(Denial::MissingKey),
    }
    match &asked.greeting {
        Ok(Greeting::Echo(text)) => Ok(text.clone()),
        Ok(Greeting::WrongToken) => Err(Denial::WrongVerifyToken),
        Err(denial) => Err(denial.clone()),
    }
}

/// Answers it. A wrong token is a failed authentication (L3); over the limit tokens are not compared any more.
pub fn answered(
    asked: &Asked<'_>,
    key: Option<&Authenticated<'_>>,
    origin: &Origin<'_>,
    (live, listener): (&Live, usize),
    log: &mut Exchange,
) -> Ended {
    let failed = live.limits.failed(listener);
    if let Some(Handshake::Meta { .. }) = wanted(asked.workflow)
        && let Err(refusal) = failed.check(log.address, Instant::now())
    {
        return Ended::Unproven(Denial::RateLimited(refusal));
    }
    let text = match permitted(asked, key, origin, log.now) {
        Ok(text) => text,
        Err(denial) => {
            if denial == Denial::WrongVerifyToken {
                let _ = failed.failed(log.address, Instant::now());
            }
            return Ended::Unproven(denial);
        }
    };
    log.asked_for(Some(asked.workflow.index), None);
    match live.limits.charge_answer(key.map(|key| key.key()), asked.workflow.index, listener, log.address) {
        Ok(_) => Ended::Answered(Answer::Handshake(Bytes::from(text))),
        Err(refusal) => Ended::Refused(Denial::RateLimited(refusal)),
    }
}

/// Answers Slack's, which a permitted delivery asks for.
pub fn said(text: String, run: &Invocation<'_>, (live, listener): (&Live, usize), log: &Exchange) -> Ended {
    match live.limits.charge_answer(run.key(), run.workflow().index, listener, log.address) {
        Ok(_) => Ended::Answered(Answer::Handshake(Bytes::from(text))),
        Err(refusal) => Ended::Refused(Denial::RateLimited(refusal)),
    }
}

/// Slack's, which is asked for in a delivery like any other.
pub fn challenge(delivery: &Verified<'_>, body: &[u8]) -> Result<Option<String>, Denial> {
    match wanted(delivery.workflow()) {
        Some(Handshake::Slack) => handshake::challenge(body),
        _ => Ok(None),
    }
}
