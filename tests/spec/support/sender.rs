//! Senders of webhooks, who sign as their documentation says. Nothing of the gateway's own code is in it.

use super::client::{Ask, Reply};
use super::upstream::Recorded;
use super::world::{Builder, World};
use aws_lc_rs::hmac;
use base64::Engine as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub const SCHEMES: [&str; 6] = ["standard", "github", "stripe", "slack", "shopify", "twilio"];
/// Those that sign a time.
pub const TIMED: [&str; 3] = ["standard", "stripe", "slack"];
/// What the key of `standard` is, in base64 behind `whsec_`.
const STANDARD_KEY: &[u8] = b"canary-standard-key-7Hq2Lm9Xw4Zt";

/// What deliveries of a scheme are signed with, as its sender shows it.
pub fn secret(scheme: &str) -> String {
    match scheme {
        "standard" => format!("whsec_{}", base64(STANDARD_KEY)),
        "stripe" => "whsec_canary-stripe-4Rk8Vb1Np6".to_owned(),
        _ => format!("canary-{scheme}-signing-Gx5Yc3Tj"),
    }
}

pub fn header_of(scheme: &str) -> &'static str {
    match scheme {
        "standard" => "webhook-signature",
        "github" => "X-Hub-Signature-256",
        "stripe" => "Stripe-Signature",
        "slack" => "X-Slack-Signature",
        "shopify" => "X-Shopify-Hmac-SHA256",
        _ => "X-Twilio-Signature",
    }
}

/// What stands before the signature itself.
pub fn prefix_of(scheme: &str) -> &'static str {
    match scheme {
        "standard" => "v1,",
        "github" => "sha256=",
        "stripe" => "v1=",
        "slack" => "v0=",
        _ => "",
    }
}

/// A workflow for every scheme, `POST /hooks/<scheme>`, with its secret; `more` are fields of all webhooks.
pub fn hooks(build: Builder, more: &str) -> Builder {
    SCHEMES.iter().fold(build, |build, scheme| hook(build, scheme, scheme, more))
}

pub fn hook(build: Builder, name: &str, scheme: &str, more: &str) -> Builder {
    let webhook = format!("scheme: {scheme}, secrets: ['file:{scheme}.signing']{}{more}", comma(more));
    custom(build.file(&format!("{scheme}.signing"), secret(scheme)), name, &webhook)
}

/// `POST /hooks/<name>` in both environments, with this `webhook`.
pub fn custom(build: Builder, name: &str, webhook: &str) -> Builder {
    let upstream = "{ Production: engine-production, Test: engine-test }";
    let fields = format!("template: 'POST /hooks/{name}', upstream: {upstream}, webhook: {{ {webhook} }}");
    build.workflow(name, &fields)
}

fn comma(more: &str) -> &'static str {
    if more.is_empty() { "" } else { ", " }
}

/// A request in the making, of which everything may be changed.
#[derive(Clone)]
pub struct Delivery {
    pub scheme: String,
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Delivery {
    /// Right, of now, and with a body that was never sent before.
    pub fn of(scheme: &str) -> Delivery {
        Delivery::signed(scheme, &secret(scheme), &body(), now())
    }

    pub fn signed(scheme: &str, secret: &str, body: &[u8], at: i64) -> Delivery {
        Delivery::at_time(scheme, secret, body, &at.to_string())
    }

    /// With a timestamp that need not be one.
    pub fn at_time(scheme: &str, secret: &str, body: &[u8], at: &str) -> Delivery {
        let id = format!("msg_{}", number());
        let target = format!("/hooks/{scheme}");
        let kind = if scheme == "twilio" { "application/x-www-form-urlencoded" } else { "application/json" };
        let mut fields = match scheme {
            "standard" => vec![("webhook-id".to_owned(), id.clone()), ("webhook-timestamp".to_owned(), at.to_owned())],
            "slack" => vec![("X-Slack-Request-Timestamp".to_owned(), at.to_owned())],
            _ => Vec::new(),
        };
        let url = format!("http://gateway.test{target}");
        fields.push((header_of(scheme).to_owned(), signature(scheme, secret, &id, at, &url, body)));
        fields.push(("Content-Type".to_owned(), kind.to_owned()));
        Delivery { scheme: scheme.to_owned(), method: "POST".to_owned(), target, fields, body: body.to_vec() }
    }

    /// The one field of this name, in any case.
    pub fn field(&self, name: &str) -> &str {
        let mut all = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let (Some((_, value)), None) = (all.next(), all.next()) else { panic!("{name} is not there once") };
        value
    }

    pub fn signature(&self) -> String {
        self.field(header_of(&self.scheme)).to_owned()
    }

    pub fn without(mut self, name: &str) -> Delivery {
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    pub fn and(mut self, name: &str, value: impl Into<String>) -> Delivery {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// In place of what there is.
    pub fn with(self, name: &str, value: impl Into<String>) -> Delivery {
        self.without(name).and(name, value)
    }

    /// With another signature.
    pub fn forged(self, value: impl Into<String>) -> Delivery {
        let name = header_of(&self.scheme);
        self.with(name, value)
    }

    pub fn saying(mut self, body: impl AsRef<[u8]>) -> Delivery {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn to(mut self, target: impl Into<String>) -> Delivery {
        self.target = target.into();
        self
    }

    /// All but the body.
    pub fn head(&self, world: &World) -> Ask {
        let ask = world.ask(&self.method, &self.target);
        self.fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
    }

    pub fn ask(&self, world: &World) -> Ask {
        self.head(world).body(&self.body)
    }

    pub fn send(&self, world: &World) -> Reply {
        self.ask(world).send()
    }

    /// It arrives at Production, once and to the byte.
    #[track_caller]
    pub fn is_taken(&self, world: &World, what: &str) -> Recorded {
        let before = world.production.count();
        let reply = self.send(world);
        assert_eq!(reply.verdict(), "200", "{}: {what}: {}", self.scheme, reply.text());
        assert_eq!(world.production.count(), before + 1, "{}: {what}", self.scheme);
        let arrived = world.production.last();
        assert_eq!(arrived.body, self.body, "{}: {what}", self.scheme);
        arrived
    }

    /// It is refused so, and nothing of it arrives anywhere.
    #[track_caller]
    pub fn is_refused(&self, world: &World, what: &str, verdict: &str) {
        self.is_refused_with(world, what, &[verdict]);
    }

    /// One of these.
    #[track_caller]
    pub fn is_refused_with(&self, world: &World, what: &str, verdicts: &[&str]) {
        let before = (world.production.count(), world.test.count());
        let reply = self.send(world);
        let verdict = reply.verdict();
        assert!(verdicts.contains(&verdict.as_str()), "{}: {what}: {verdict} {}", self.scheme, reply.text());
        assert_eq!((world.production.count(), world.test.count()), before, "{}: {what} arrived", self.scheme);
    }
}

/// What the sender puts into its header.
fn signature(scheme: &str, secret: &str, id: &str, at: &str, url: &str, body: &[u8]) -> String {
    let before = |text: String| [text.as_bytes(), body].concat();
    let with = |message: &[u8]| sha256(secret.as_bytes(), message);
    match scheme {
        "standard" => {
            let key = secret.strip_prefix("whsec_").map(decoded).unwrap();
            format!("v1,{}", base64(&sha256(&key, &before(format!("{id}.{at}.")))))
        }
        "github" => format!("sha256={}", hex(&with(body))),
        "stripe" => format!("t={at},v1={}", hex(&with(&before(format!("{at}."))))),
        "slack" => format!("v0={}", hex(&with(&before(format!("v0:{at}:"))))),
        "shopify" => base64(&with(body)),
        _ => base64(&mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes(), twilio(url, body).as_bytes())),
    }
}

/// The URL, and names and values of the form, sorted. Good for forms that need no decoding.
pub fn twilio(url: &str, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let mut pairs: Vec<(&str, &str)> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    pairs.sort_unstable();
    pairs.iter().fold(url.to_owned(), |all, (name, value)| all + name + value)
}

pub fn sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    mac(hmac::HMAC_SHA256, key, message)
}

pub fn mac(algorithm: hmac::Algorithm, key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// One that was never sent before; a form as well, since one scheme reads it.
pub fn body() -> Vec<u8> {
    format!("Canary=delivery-{}-{}", std::process::id(), number()).into_bytes()
}

fn number() -> usize {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    NUMBER.fetch_add(1, Ordering::SeqCst)
}
