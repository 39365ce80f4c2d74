//! `webhook` of a workflow: how its deliveries are verified.

mod secrets;

use super::{Names, Site};
use crate::config::reference;
use crate::config::scalar;
use crate::config::{At, View};
use crate::model::connection::ConnectionId;
use crate::model::environment::EnvironmentId;
use crate::model::template::Template;
use crate::model::token::Digest;
use crate::model::webhook::{
    Algorithm, Clock, Encoding, Form, Handshake, Part, ReplayAnswer, Replays, Require, Scheme, Signature,
    TimestampPlace, Webhook,
};
use crate::model::{Environment, Uid};
use http::{HeaderName, HeaderValue};
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
        if require.takes_signatures() {
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
            own_fields(site, view, name);
            scheme
        }
        None => custom(site, view)?,
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

/// What only `custom` has.
const OWN: [&str; 9] = [
    "header",
    "prefix",
    "template",
    "algorithm",
    "encoding",
    "secret_encoding",
    "timestamp_header",
    "timestamp_format",
    "id_header",
];

fn own_fields(site: &Site<'_>, view: &View<'_>, scheme: &str) {
    for field in OWN.into_iter().filter(|field| view.is_set(field)) {
        let reason = format!("{scheme} says itself how it signs");
        site.error(view.at(field), reason, "leave it out, or write scheme: custom");
    }
}

/// An operator's own scheme.
fn custom(site: &Site<'_>, view: &View<'_>) -> Option<Scheme> {
    for (field, example) in [
        ("header", "X-Acme-Signature"),
        ("template", "\"{timestamp}.{body}\""),
        ("algorithm", "hmac-sha256"),
        ("encoding", "hex"),
    ] {
        if !view.is_set(field) {
            site.error(view.here(), format!("custom needs {field}"), format!("add: {field}: {example}"));
        }
    }
    let header = |field| view.text(field).and_then(|name| name.parse::<HeaderName>().ok());
    let signed = view.text("template").map(|text| parts(site, view.at("template"), text));
    let timestamp = header("timestamp_header").map(|name| {
        let clock = view.text("timestamp_format").and_then(Clock::named).unwrap_or(Clock::Seconds);
        (TimestampPlace::Header(name), clock)
    });
    let id = header("id_header");
    one_header_each(site, view);
    let signed = signed?;
    for (part, word, field, stands) in [
        (Part::Timestamp, "{timestamp}", "timestamp_header", timestamp.is_some()),
        (Part::Id, "{id}", "id_header", id.is_some()),
    ] {
        match (signed.contains(&part), stands) {
            (true, false) => {
                let remedy = format!("add: {field}: NAME-OF-THE-HEADER");
                site.error(view.at("template"), format!("nothing says where {word} stands"), remedy);
            }
            (false, true) => {
                let reason = format!("{word} is not signed, so anybody could change it");
                site.error(view.at(field), reason, format!("put {word} into template, or leave {field} out"));
            }
            _ => {}
        }
    }
    Some(Scheme {
        name: "custom",
        header: header("header")?,
        form: Form::Prefixed(view.text("prefix").unwrap_or_default().into()),
        timestamp,
        id,
        signed,
        algorithm: Algorithm::named(view.text("algorithm")?)?,
        encoding: Encoding::named(view.text("encoding")?)?,
    })
}

/// What stands in one header cannot be two things.
fn one_header_each(site: &Site<'_>, view: &View<'_>) {
    let fields = ["header", "timestamp_header", "id_header"];
    let named: Vec<(&str, &str)> = fields.into_iter().filter_map(|field| Some((field, view.text(field)?))).collect();
    for (at, (field, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..at].iter().find(|(_, other)| other.eq_ignore_ascii_case(name)) {
            let reason = format!("{name} is the {other} already");
            site.error(view.at(field), reason, "name the header in which the sender says it");
        }
    }
}

/// `{timestamp}.{body}`, taken apart. A brace that opens no known word is a mistake, not text: it would never match.
fn parts(site: &Site<'_>, at: At<'_>, template: &str) -> Vec<Part> {
    let (parts, unknown) = Part::template(template);
    for word in unknown {
        let remedy = "write {timestamp}, {id}, {body}, {method}, {url} or {path}";
        site.error(at, format!("{{{word}}} is no part of a request that could be signed"), remedy);
    }
    if !parts.contains(&Part::Body) {
        let remedy = "add {body}: what is not signed, anybody can change";
        site.error(at, "the signature does not cover the body", remedy);
    }
    parts
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
mod tests {
    use super::super::{Assembled, Holdings, Rejected, from_text};
    use super::*;
    use crate::model::Keys;
    use std::path::Path;

    fn assembled(webhook: &str) -> Result<Assembled, Rejected> {
        let text = format!(
            "listeners: {{ inbound: [{{ address: 127.0.0.1:0 }}] }}
environments: [{{ name: Production, default: true }}, {{ name: Test }}]
connections: [{{ name: engine, base_url: http://127.0.0.1:1, allow_networks: [127.0.0.0/8] }}]
workflows:
  - name: hook
    template: POST /hook
    upstream: {{ Production: engine }}
    webhook: {webhook}
"
        );
        from_text(&text, "k.yaml", Path::new("."), &Holdings::default(), &Keys::default())
            .map(|(assembled, _)| assembled)
    }

    fn webhook(text: &str) -> Box<Webhook> {
        let mut assembled = assembled(text).unwrap_or_else(|rejected| panic!("{text}: {rejected}"));
        std::sync::Arc::get_mut(&mut assembled.snapshot.frame).unwrap().workflows[0].webhook.take().unwrap()
    }

    #[test]
    fn h1_what_is_not_written_is_what_the_senders_libraries_do() {
        let stripe = webhook("{ scheme: stripe, secrets: [whsec_one, whsec_two] }");
        let signature = stripe.signature.as_ref().unwrap();
        assert_eq!((stripe.require, signature.secrets.len()), (Require::Signature, 2));
        assert_eq!(signature.tolerance, Some(Duration::from_secs(300)));
        let replays = Replays { remember: Duration::from_secs(600), answer: ReplayAnswer::Ok };
        assert_eq!(stripe.replays, Some(replays));
        assert_eq!(stripe.username, "Webhook: hook/stripe");
        let github = webhook("{ scheme: github, secrets: [s3cr3t], replays: { answer: conflict } }");
        assert_eq!(github.signature.unwrap().tolerance, None);
        assert_eq!(github.replays, Some(Replays { remember: REMEMBER, answer: ReplayAnswer::Conflict }));
        assert_eq!(webhook("{ scheme: github, secrets: [s3cr3t], replays: { remember: false } }").replays, None);
    }

    #[test]
    fn h4_forgetting_a_delivery_before_its_signature_ends_is_told() {
        let told = |remember: &str| {
            let text = format!("{{ scheme: stripe, secrets: [env:PATH], replays: {{ remember: {remember} }} }}");
            assembled(&text).unwrap_or_else(|rejected| panic!("{text}: {rejected}")).warnings.to_string()
        };
        assert!(told("599s").contains("write 600s or more"), "{}", told("599s"));
        assert!(!told("600s").contains("forgotten") && !told("false").contains("forgotten"));
    }

    #[test]
    fn h4_deliveries_that_cannot_be_told_apart_are_told_of() {
        let told = |more: &str| {
            let text = format!("{{ scheme: github, secrets: [env:PATH], handshake: dropbox {more} }}");
            assembled(&text).unwrap_or_else(|rejected| panic!("{text}: {rejected}")).warnings.to_string()
        };
        assert!(told("").contains("remember: false"), "{}", told(""));
        assert!(!told(", replays: { remember: false }").contains("remember: false"));
        assert!(!told(", replays: { remember: 1h }").contains("remember: false"));
    }

    #[test]
    fn h1_a_template_is_taken_apart() {
        let custom = webhook(
            "{ scheme: custom, secrets: [s3cr3t], header: X-Sig, template: 'v0:{timestamp}:{id}.{body}', id_header: X-Id,
               timestamp_header: X-Time, algorithm: hmac-sha512, encoding: base64 }",
        );
        let scheme = custom.signature.unwrap().scheme;
        let text = |text: &str| Part::Text(text.into());
        let wanted = [text("v0:"), Part::Timestamp, text(":"), Part::Id, text("."), Part::Body];
        assert_eq!(scheme.signed, wanted);
        assert_eq!((scheme.algorithm, scheme.encoding), (Algorithm::HmacSha512, Encoding::Base64));
        assert_eq!(custom.replays.unwrap().answer, ReplayAnswer::Conflict);
    }

    /// What is wrong in each, as its reader is told.
    #[test]
    fn h1_mistakes_are_told_with_a_remedy() {
        let custom = "scheme: custom, secrets: [s3cr3t], header: X-Sig, algorithm: hmac-sha256, encoding: hex";
        let cases = [
            ("{}", "nothing says how the sender signs"),
            ("{ scheme: strype, secrets: [a] }", "stripe"),
            ("{ scheme: stripe }", "without a secret no signature is right"),
            ("{ scheme: stripe, secret: [a] }", "secrets: [env:NAME]"),
            ("{ scheme: stripe, secrets: [a], header: X-A }", "stripe says itself how it signs"),
            ("{ scheme: github, secrets: [a], tolerance: 5m }", "github has no timestamp"),
            ("{ scheme: github, secrets: [a], public_url: 'https://a.example' }", "github does not sign the URL"),
            ("{ scheme: stripe, secrets: [a], environment: Test }", "deliveries run in Test"),
            ("{ scheme: stripe, secrets: [a], environment: Tset }", "there is no environment \"Tset\""),
            ("{ scheme: stripe, secrets: [a], require: key }", "with `key` no signature is looked at"),
            ("{ require: key, replays: { remember: 1h } }", "nothing tells one delivery from another"),
            ("{ require: key, handshake: slack }", "Slack's handshake is signed"),
            ("{ scheme: github, secrets: [a], handshake: meta }", "Meta's handshake shows a token"),
            ("{ scheme: github, secrets: [a], handshake: dropbox, verify_token: env:A }", "has no token"),
            ("{ scheme: custom, secrets: [a] }", "custom needs header"),
            (&format!("{{ {custom}, template: '{{timestamp}}' }}"), "does not cover the body"),
            (&format!("{{ {custom}, template: 'v0:{{body' }}"), "{} is no part of a request"),
            (&format!("{{ {custom}, template: '{{id}}.{{body}}', id_header: x-sig }}"), "x-sig is the header already"),
            (&format!("{{ {custom}, template: '{{timestamp}}{{body}}' }}"), "nothing says where {timestamp} stands"),
            (&format!("{{ {custom}, template: '{{ts}}{{body}}' }}"), "{ts} is no part of a request"),
            (&format!("{{ {custom}, template: '{{body}}', id_header: X-Id }}"), "{id} is not signed"),
        ];
        for (text, wanted) in cases {
            let rejected = assembled(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
            let told = rejected.to_string();
            assert!(told.contains(wanted) && told.contains("workflows[hook].webhook"), "{text}: {told}");
        }
    }
}
