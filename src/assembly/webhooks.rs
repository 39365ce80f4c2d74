//! `webhook` of a workflow: how its deliveries are verified.

mod custom;
mod secrets;

use super::{Names, Site};
use crate::config::View;
use crate::config::reference;
use crate::config::scalar;
use crate::model::connection::ConnectionId;
use crate::model::environment::EnvironmentId;
use crate::model::template::Template;
use crate::model::token::Digest;
use crate::model::webhook::{Handshake, Part, ReplayAnswer, Replays, Require, Scheme, Signature, Webhook};
use crate::model::{Environment, Uid};
use http::HeaderValue;
use std::time::Duration;

/// How far a timestamp may be off where nothing is said: what Stripe's, Slack's and Standard Webhooks' libraries take.
const TOLERANCE: Duration = Duration::from_secs(300);
/// How long a delivery is remembered whose signature never ends: senders try again for a day or so.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

/// What a webhook is judged beside.
pub struct Around<'a> {
    pub names: &'a Names<'a>,
    pub environments: &'a [Environment],
    pub default_environment: EnvironmentId,
    pub workflow: (&'a str, Uid),
    pub template: Option<&'a Template>,
    pub upstream: &'a [(EnvironmentId, ConnectionId)],
    /// The largest body that it takes, by any listener.
    pub largest: u64,
    /// What all deliveries may hold together.
    pub buffer: u64,
}

/// The `webhook` of the workflow that `view` is, if it has one.
pub fn assemble(site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> Option<Box<Webhook>> {
    if !view.is_set("webhook") {
        return None;
    }
    let view = view.part("webhook");
    if around.template.is_none() {
        let remedy = "add to the workflow: template: POST /hooks/NAME";
        site.error(view.here(), "a workflow without a template receives nothing", remedy);
    }
    let require = view.text("require").and_then(Require::named).unwrap_or(Require::Signature);
    let signature = signature(site, &view, require, around);
    if require.takes_signatures() && around.largest > around.buffer {
        let (largest, buffer) = (scalar::show_size(around.largest), scalar::show_size(around.buffer));
        let reason =
            format!("a delivery may have {largest}, and no more than {buffer} are ever held: larger ones are 503");
        let remedy =
            format!("give the workflow max_body: {buffer}, or less; or webhooks.buffer as much as several take");
        site.warning(view.here(), reason, remedy);
    }
    let scheme = signature.as_ref().map_or("key", |signature| signature.scheme.name);
    let username = HeaderValue::try_from(format!("Webhook: {}/{scheme}", around.workflow.0)).ok();
    Some(Box::new(Webhook {
        require,
        environment: environment(site, &view, around),
        handshake: handshake(site, &view, signature.as_ref(), around),
        replays: replays(site, &view, signature.as_ref()),
        username: username.unwrap_or(HeaderValue::from_static("Webhook")),
        signature,
    }))
}

/// H5.
fn environment(site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> EnvironmentId {
    let written = around.names.environment(site, view, "environment");
    let id = written.unwrap_or(around.default_environment);
    if !around.upstream.is_empty() && !around.upstream.iter().any(|(environment, _)| *environment == id) {
        let name = around.environments.get(usize::from(id.0)).map_or("it", |e| &*e.name);
        let reason = format!("deliveries run in {name}, where the workflow has no upstream");
        site.error(view.at("environment"), reason, "name an environment of the workflow's upstream");
    }
    id
}

fn signature(site: &Site<'_>, view: &View<'_>, require: Require, around: &Around<'_>) -> Option<Signature> {
    let Some(name) = view.text("scheme") else {
        // One that is written wrongly has been told.
        if require.takes_signatures() && !view.is_set("scheme") {
            let remedy = "add: scheme: standard, or what the sender uses; or require: key";
            site.error(view.here(), "nothing says how the sender signs", remedy);
        }
        return None;
    };
    if !require.takes_signatures() {
        let remedy = "leave scheme and secrets out, or write require: both";
        site.error(view.at("require"), "with `key` no signature is looked at", remedy);
    }
    let scheme = match Scheme::known(name) {
        Some(scheme) => {
            custom::own_fields(site, view, name);
            scheme
        }
        None => custom::scheme(site, view)?,
    };
    let signs_url = scheme.signed.contains(&Part::Url);
    if view.is_set("public_url") && !signs_url {
        let remedy = "leave it out";
        site.error(view.at("public_url"), format!("{name} does not sign the URL"), remedy);
    }
    let tolerance = tolerance(site, view, &scheme);
    let secrets = secrets::assemble(site, view, &scheme, around.workflow.1);
    let public_url = view.text("public_url").map(Box::from);
    Some(Signature { scheme, secrets, tolerance, public_url })
}

fn tolerance(site: &Site<'_>, view: &View<'_>, scheme: &Scheme) -> Option<Duration> {
    let written = view.opt_duration("tolerance");
    match (&scheme.timestamp, written) {
        (None, None) => None,
        (None, Some(_)) => {
            let reason = format!("{} has no timestamp that could be too old", scheme.name);
            site.error(
                view.at("tolerance"),
                reason,
                "leave it out; replays.remember keeps deliveries from coming twice",
            );
            None
        }
        (Some(_), written) => Some(written.unwrap_or(TOLERANCE)),
    }
}

/// H6.
fn handshake(
    site: &Site<'_>,
    view: &View<'_>,
    signature: Option<&Signature>,
    around: &Around<'_>,
) -> Option<Handshake> {
    let name = view.text("handshake")?;
    if name != "meta" && view.is_set("verify_token") {
        site.error(view.at("verify_token"), format!("{name}'s handshake has no token"), "leave it out");
    }
    let by_get = matches!(name, "meta" | "dropbox");
    if by_get && around.template.is_some_and(|template| template.method == http::Method::GET) {
        let reason = format!("{name}'s handshake is a GET, and so is this workflow");
        site.error(view.at("handshake"), reason, "write the workflow's template with POST");
    }
    match name {
        "slack" if signature.is_none() => {
            let reason = "Slack's handshake is signed, and no signature is looked at here";
            site.error(view.at("handshake"), reason, "add: scheme: slack, with its secrets");
            None
        }
        "slack" => Some(Handshake::Slack),
        "meta" => {
            if !view.is_set("verify_token") {
                let remedy = "add: verify_token: env:NAME, as it was entered at Meta";
                site.error(view.at("handshake"), "Meta's handshake shows a token", remedy);
            }
            Some(Handshake::Meta { verify_token: verify_token(site, view)? })
        }
        "dropbox" => Some(Handshake::Dropbox),
        _ => Some(Handshake::Microsoft),
    }
}

/// Only its digest is kept, as of every token that is shown to us.
fn verify_token(site: &Site<'_>, view: &View<'_>) -> Option<Digest> {
    let at = view.at("verify_token");
    match view.opt("verify_token", reference::Slot::parse)? {
        reference::Slot::Digest(digest) => Some(digest),
        reference::Slot::Reference(reference) => {
            let found = site.fetch(at, &reference)?;
            let text = std::str::from_utf8(&found).ok();
            Some(text.and_then(|text| scalar::digest(text).ok()).unwrap_or_else(|| Digest::of(&found)))
        }
    }
}

/// H4. Whoever takes no signature has nothing to know a delivery by.
fn replays(site: &Site<'_>, view: &View<'_>, signature: Option<&Signature>) -> Option<Replays> {
    let Some(signature) = signature else {
        if view.is_set("replays") {
            let reason = "without a signature nothing tells one delivery from another";
            site.error(view.at("replays"), reason, "leave it out, or add a scheme");
        }
        return None;
    };
    let usual = signature.tolerance.map_or(REMEMBER, |tolerance| tolerance * 2);
    let remember = match view.opt_switch("replays.remember") {
        Some(written) => scalar::duration(written?).ok()?,
        None => usual,
    };
    if signature.tolerance.is_some() && remember < usual {
        // What a clock ahead of ours signed is of now for twice the tolerance.
        let reason =
            "a delivery is forgotten while its signature is still of now, so that a copy of it is delivered again";
        let remedy = format!("write {}s or more, or leave it out", usual.as_secs());
        site.warning(view.at("replays.remember"), reason, remedy);
    }
    if view.text("handshake") == Some("dropbox") && !view.is_set("replays.remember") && !signature.scheme.is_unique() {
        let reason =
            "Dropbox's deliveries say the same of every change, so that the next one would be taken for a copy";
        site.warning(view.at("handshake"), reason, "add: replays: { remember: false }, or how long if that is meant");
    }
    let answer = match view.text("replays.answer") {
        Some("ok") => ReplayAnswer::Ok,
        Some(_) => ReplayAnswer::Conflict,
        None if signature.scheme.name == "custom" => ReplayAnswer::Conflict,
        None => ReplayAnswer::Ok,
    };
    Some(Replays { remember, answer })
}

#[cfg(test)]
mod tests;
