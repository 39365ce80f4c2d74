//! What is written of webhooks, and what of it is a mistake.

use super::super::{Assembled, Holdings, Rejected, from_text};
use super::*;
use crate::model::Keys;
use crate::model::webhook::{Algorithm, Encoding};
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
    from_text(&text, "k.yaml", Path::new("."), &Holdings::default(), &Keys::default()).map(|(assembled, _)| assembled)
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
fn h2_a_budget_that_one_delivery_cannot_fit_is_told_of() {
    let told = |webhook: &str, more: &str| {
        let text = format!("{{ {webhook} }}\n    {more}");
        assembled(&text).unwrap_or_else(|rejected| panic!("{text}: {rejected}")).warnings.to_string()
    };
    let stripe = "scheme: stripe, secrets: [env:PATH]";
    assert!(told(stripe, "max_body: 65MiB").contains("no more than 64MiB are ever held"));
    assert!(!told(stripe, "max_body: 64MiB").contains("are ever held"));
    assert!(!told("require: key", "max_body: 65MiB").contains("are ever held"));
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
