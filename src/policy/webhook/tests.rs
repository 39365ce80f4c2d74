//! Vectors from the providers' documentation and libraries, and what each scheme's fields may and may not look like.

use super::fixture::{Arrived, NOW, SECRET, key, workflow};
use super::{Claim, Signer};
use crate::model::denial::{BadSignature, BadTime};
use crate::model::webhook::{Algorithm, Clock, Encoding, Part, Require, Scheme, SecretEncoding, SigningKey};
use crate::model::webhook::{Form, TimestampPlace};
use crate::model::{Denial, Workflow};
use http::{HeaderName, Method, Uri};

pub(super) fn scheme(name: &str) -> Scheme {
    Scheme::known(name).unwrap()
}

/// Wants signatures of this scheme by these secrets.
pub(super) fn wants(name: &str, secrets: &[&str]) -> Workflow {
    workflow(scheme(name), secrets.iter().map(|secret| key(&scheme(name), secret)).collect())
}

/// What became of it, and which secret was right.
fn judged(arrived: &Arrived, workflow: &Workflow) -> Result<String, Denial> {
    arrived.verified(workflow).map(|verified| verified.secret().label.to_string())
}

pub(super) fn malformed<T>(result: Result<T, Denial>) -> bool {
    matches!(result, Err(Denial::SignatureInvalid { bad: BadSignature::Malformed(_), .. }))
}

pub(super) fn not_ours<T>(result: Result<T, Denial>) -> bool {
    matches!(result, Err(Denial::SignatureInvalid { header: Some(_), bad: BadSignature::NotOurs }))
}

fn missing<T>(result: Result<T, Denial>) -> Option<HeaderName> {
    match result {
        Err(Denial::SignatureMissing { header }) => Some(header),
        _ => None,
    }
}

pub(super) const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

pub(super) fn github(signature: &str) -> Arrived {
    Arrived::with(&[("x-hub-signature-256", signature)], "Hello, World!")
}

#[test]
fn h1_github_as_documented() {
    let workflow = wants("github", &["It's a Secret to Everybody"]);
    assert_eq!(judged(&github(GITHUB), &workflow).unwrap(), "secret 0");
    assert!(github(&GITHUB.to_uppercase().replace("SHA", "sha")).verified(&workflow).is_ok(), "digits of either case");
    assert!(github(&format!(" \t{GITHUB} ")).verified(&workflow).is_ok(), "HTTP/2 carries blanks around values");
    assert!(not_ours(github(&GITHUB.replace("757", "758")).verified(&workflow)));
    assert!(not_ours(github(&GITHUB[..GITHUB.len() - 2]).verified(&workflow)), "a byte short");
    assert!(not_ours(github(&format!("{GITHUB}00")).verified(&workflow)), "a byte long");
    let bare = &GITHUB["sha256=".len()..];
    for wrong in ["", "sha256=", "sha1=00", &GITHUB[..GITHUB.len() - 1], bare, &format!("sha256= {bare}")] {
        assert!(malformed(github(wrong).verified(&workflow)), "{wrong}");
    }
    for wrong in [&GITHUB.to_uppercase(), &format!("{GITHUB},{GITHUB}"), &format!("{GITHUB} {GITHUB}")] {
        assert!(malformed(github(wrong).verified(&workflow)), "{wrong}");
    }
}

#[test]
fn h1_slack_as_documented() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let fields = [("x-slack-request-timestamp", "1531420618"), ("x-slack-signature", signature)];
    let workflow = wants("slack", &["8f742231b10e8888abcd99yyyzzz85a5"]);
    let arrived = Arrived::with(&fields, body);
    assert!(arrived.verified_at(&workflow, 1_531_420_618_000).is_ok());
    assert_eq!(arrived.verified(&workflow).unwrap_err(), Denial::SignatureExpired(BadTime::TooOld));
    let later = Arrived::with(&[("x-slack-request-timestamp", "1531420619"), fields[1]], body);
    assert!(not_ours(later.verified_at(&workflow, 1_531_420_618_000)), "the timestamp is signed");
    assert_eq!(missing(Arrived::with(&fields[1..], body).verified(&workflow)).unwrap(), "x-slack-request-timestamp");
    assert_eq!(missing(Arrived::with(&fields[..1], body).verified(&workflow)).unwrap(), "x-slack-signature");
}

const STANDARD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn standard(signature: &str) -> Arrived {
    let id = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
    let fields = [id, ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)];
    Arrived::with(&fields, r#"{"test": 2432232314}"#)
}

#[test]
fn h1_standard_webhooks_as_its_libraries_test_it() {
    let workflow = wants("standard", &[SECRET]);
    assert!(standard(STANDARD).verified(&workflow).is_ok());
    let wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    for several in [
        format!("{wrong} {STANDARD}"),
        format!("{STANDARD}  v2,{wrong}"),
        format!("v1a,AAAA v2,x novalue , v1,!! {STANDARD}"),
    ] {
        assert!(standard(&several).verified(&workflow).is_ok(), "{several}");
    }
    assert!(not_ours(standard(wrong).verified(&workflow)));
    // Ed25519's version never makes an HMAC's signature right.
    assert!(not_ours(standard(&STANDARD.replace("v1", "v1a")).verified(&workflow)));
    for unknown in ["", "v2,AAAA", "V1,AAAA", &STANDARD.replace("v1,", ""), "v1,", "v1,A", &STANDARD.replace('=', "")] {
        assert!(malformed(standard(unknown).verified(&workflow)), "{unknown}");
    }
}

#[test]
fn h1_standard_webhooks_has_an_id_that_is_apart() {
    let workflow = wants("standard", &[SECRET]);
    let with_id = |id| {
        let mut arrived = standard(STANDARD);
        arrived.headers.insert("webhook-id", http::HeaderValue::from_static(id));
        arrived.verified(&workflow)
    };
    assert!(not_ours(with_id("msg_other")));
    assert!(malformed(with_id("")));
    assert!(malformed(with_id("msg.1")), "who reads `msg.1.<timestamp>.<body>` sees another body");
    let mut without = standard(STANDARD);
    without.headers.remove("webhook-id");
    assert_eq!(missing(without.verified(&workflow)).unwrap(), "webhook-id");
}

#[test]
fn h1_standard_webhooks_by_ed25519() {
    let signer = Signer::of(&scheme("standard"), format!("whsk_{}=", "A".repeat(43)).as_bytes(), SecretEncoding::Text);
    let signer = signer.unwrap();
    let public = SigningKey::Ed25519(signer.public_key().unwrap().try_into().unwrap());
    let arrived = Arrived::signed(&scheme("standard"), &signer, "msg_1", "application/json", b"{}");
    assert!(arrived.headers["webhook-signature"].to_str().unwrap().starts_with("v1a,"));
    let both = workflow(scheme("standard"), vec![key(&scheme("standard"), SECRET), public]);
    assert_eq!(judged(&arrived, &both).unwrap(), "secret 1");
    assert!(not_ours(arrived.verified(&wants("standard", &[SECRET]))));
}

const STRIPE: &str = "c2f890decbc5ede7c5060bb9a6d31e0626a4342bacb9aeae2adb1bcea72f9812";

fn stripe(signature: &str) -> Arrived {
    let body = "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
    Arrived::with(&[("stripe-signature", signature)], body)
}

#[test]
fn h1_stripe_by_an_independent_computation() {
    let workflow = wants("stripe", &["whsec_other", "whsec_test_secret"]);
    let at = 1_492_774_577_000;
    let judge = |signature: String| stripe(&signature).verified_at(&workflow, at).map(|v| v.secret().label.to_string());
    assert_eq!(judge(format!("t=1492774577,v1={STRIPE}")).unwrap(), "secret 1");
    let other = "0".repeat(64);
    for right in [
        format!("v1={STRIPE},t=1492774577"),
        format!("t=1492774577, v1={STRIPE}, v0={other}"),
        format!("t=1492774577,v1={other},v1={STRIPE}"),
        format!("t=1492774577,v1=,v1=xx,v1,v1={STRIPE},,"),
    ] {
        assert!(judge(right.clone()).is_ok(), "{right}");
    }
    assert!(not_ours(judge(format!("t=1492774577,v1={other}"))));
    assert!(not_ours(judge(format!("t=1492774578,v1={STRIPE}"))));
    for wrong in [
        format!("t=1492774577,t=1492774577,v1={STRIPE}"),
        format!("v1={STRIPE}"),
        "t=1492774577".to_owned(),
        format!("t=1492774577,v0={STRIPE}"),
        format!("t=-1492774577,v1={STRIPE}"),
        format!("t=1492774577.0,v1={STRIPE}"),
        format!("t=,v1={STRIPE}"),
        format!("t=1492774577;v1={STRIPE}"),
        format!("T=1492774577,v1={STRIPE}"),
    ] {
        assert!(malformed(judge(wrong.clone())), "{wrong}");
    }
}

#[test]
fn h1_however_many_signatures_few_are_looked_at() {
    let workflow = wants("stripe", &["whsec_test_secret"]);
    let signature = |wrong: usize| format!("t=1492774577{},v1={STRIPE}", ",v1=00".repeat(wrong));
    assert!(stripe(&signature(15)).verified_at(&workflow, 1_492_774_577_000).is_ok());
    assert!(malformed(stripe(&signature(16)).verified_at(&workflow, 1_492_774_577_000)));
    let workflow = wants("standard", &[SECRET]);
    let beside = |wrong: usize| standard(&format!("{}{STANDARD}", "v1a,AAAA ".repeat(wrong)));
    assert!(beside(4).verified(&workflow).is_ok());
    assert!(malformed(beside(5).verified(&workflow)), "each takes the whole body");
}

#[test]
fn h1_shopify_by_an_independent_computation() {
    let workflow = wants("shopify", &["hush"]);
    let sent = |signature| Arrived::with(&[("x-shopify-hmac-sha256", signature)], r#"{"id":820982911946154500}"#);
    assert!(sent("jTGzr08AJvcgtbIkUddSD0iSWB5b7q7u865iNwjRcKI=").verified(&workflow).is_ok());
    for wrong in ["jTGzr08AJvcgtbIkUddSD0iSWB5b7q7u865iNwjRcKI", "jTGzr08AJvcgtbIkUddSD0iSWB5b7q7u865iNwjRcKJ="] {
        assert!(malformed(sent(wrong).verified(&workflow)), "{wrong} is not canonical");
    }
    assert!(not_ours(sent("jTGzr08AJvcgtbIkUddSD0iSWB5b7q7u865iNwjRcKA=").verified(&workflow)));
}

fn twilio(url: &'static str, signature: &str, content_type: &str, body: &str) -> Arrived {
    let mut arrived = Arrived::with(&[("x-twilio-signature", signature), ("content-type", content_type)], body);
    arrived.url = Uri::from_static(url);
    arrived
}

#[test]
fn h1_twilio_as_documented() {
    let workflow = wants("twilio", &["12345"]);
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let body = "To=%2B18005551212&From=%2B12349013030&Digits=1234&Caller=%2B12349013030&CallSid=CA1234567890ABCDE";
    let sent = |url| twilio(url, "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", form, body);
    assert!(sent("https://mycompany.com/myapp.php?foo=1&bar=2").verified(&workflow).is_ok());
    assert!(
        sent("https://mycompany.com:8443/myapp.php?foo=1&bar=2").verified(&workflow).is_ok(),
        "with a port or without"
    );
    for other in [
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        "https://mycompany.com/myapp.php?bar=2&foo=1",
        "https://mycompany.com/myapp.php",
        "https://other.com/myapp.php?foo=1&bar=2",
    ] {
        assert!(not_ours(sent(other).verified(&workflow)), "{other}");
    }
    let json =
        twilio("https://mycompany.com/myapp.php?foo=1&bar=2", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", "application/json", body);
    assert!(malformed(json.verified(&workflow)), "as no form, nothing says what the body was");
}

#[test]
fn h1_twilio_names_bodies_that_are_no_forms() {
    let workflow = wants("twilio", &["1c892n40nd03kdnc0112slzkl3091j20"]);
    let url =
        "https://mycompany.com/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let signed = |body: &str| {
        let signer = Signer::of(&scheme("twilio"), b"1c892n40nd03kdnc0112slzkl3091j20", SecretEncoding::Text).unwrap();
        let mut arrived = Arrived::with(&[("content-type", "application/json")], body);
        arrived.url = Uri::from_static("https://mycompany.com/myapp.php");
        (Arrived::signed(&scheme("twilio"), &signer, "", "application/json", body.as_bytes()), arrived)
    };
    let body = r#"{"property": "value", "boolean": true}"#;
    let (sent, _) = signed(body);
    assert_eq!(sent.url.query(), Uri::from_static(url).query(), "an independent computation");
    assert!(sent.verified(&workflow).is_ok());
    let mut other = sent.clone();
    other.body.pop();
    assert!(not_ours(other.verified(&workflow)));
}

/// `{timestamp}.{id}.{method} {path}\n{body}`, as somebody may write it himself.
pub(super) fn custom(algorithm: Algorithm, encoding: Encoding, clock: Clock) -> Scheme {
    use Part::{Body, Id, Method, Path, Timestamp};
    let text = |text: &str| Part::Text(text.into());
    Scheme {
        name: "custom",
        header: HeaderName::from_static("x-acme-signature"),
        form: Form::Prefixed("acme:".into()),
        timestamp: Some((TimestampPlace::Header(HeaderName::from_static("x-acme-timestamp")), clock)),
        id: Some(HeaderName::from_static("x-acme-id")),
        signed: vec![Timestamp, text("."), Id, text("."), Method, text(" "), Path, text("\n"), Body],
        algorithm,
        encoding,
    }
}

#[test]
fn h1_a_scheme_of_ones_own() {
    for (algorithm, encoding, clock) in [
        (Algorithm::HmacSha1, Encoding::Hex, Clock::Milliseconds),
        (Algorithm::HmacSha512, Encoding::Base64Url, Clock::Rfc3339),
        (Algorithm::HmacSha256, Encoding::Base64, Clock::Seconds),
    ] {
        let scheme = custom(algorithm, encoding, clock);
        let signer = Signer::of(&scheme, b"hunter2", SecretEncoding::Text).unwrap();
        let arrived = Arrived::signed(&scheme, &signer, "d-1", "text/plain", b"hello");
        let workflow = workflow(scheme.clone(), vec![key(&scheme, "hunter2")]);
        assert!(arrived.verified(&workflow).is_ok());
        let mut put = arrived.clone();
        put.method = Method::PUT;
        assert!(not_ours(put.verified(&workflow)), "the method is signed");
        let mut elsewhere = arrived.clone();
        elsewhere.url = Uri::from_static("https://hooks.example.com/orders/2");
        assert!(not_ours(elsewhere.verified(&workflow)), "the path is signed");
        let mut other_host = arrived;
        other_host.url = Uri::from_static("http://internal/orders/1");
        assert!(other_host.verified(&workflow).is_ok(), "the host is not");
    }
}

#[test]
fn h1_a_scheme_of_ones_own_by_ed25519() {
    let scheme = custom(Algorithm::Ed25519, Encoding::Hex, Clock::Seconds);
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let seed = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
    let signers = [(pem, SecretEncoding::Text), (seed, SecretEncoding::Hex)];
    let signers = signers.map(|(written, encoding)| Signer::of(&scheme, written.as_bytes(), encoding).unwrap());
    let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    for signer in &signers {
        let workflow =
            workflow(scheme.clone(), vec![SigningKey::of(&scheme, public.as_bytes(), SecretEncoding::Hex).unwrap()]);
        let arrived = Arrived::signed(&scheme, signer, "d-1", "text/plain", b"hello");
        assert!(arrived.verified(&workflow).is_ok());
        let mut other = arrived;
        other.body.push(b'!');
        assert!(not_ours(other.verified(&workflow)));
    }
    for wrong in [&b"hunter2"[..], b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        assert!(Signer::of(&scheme, wrong, SecretEncoding::Text).is_err());
    }
}

#[test]
fn h1_a_public_url_stands_for_what_a_proxy_changed() {
    let signer = Signer::of(&scheme("twilio"), b"12345", SecretEncoding::Text).unwrap();
    let mut arrived = Arrived::signed(&scheme("twilio"), &signer, "", "application/x-www-form-urlencoded", b"a=1");
    arrived.url = Uri::from_static("http://10.0.0.1:8080/orders/1");
    let mut workflow = wants("twilio", &["12345"]);
    assert!(not_ours(arrived.verified(&workflow)));
    let webhook = workflow.webhook.as_mut().unwrap();
    webhook.signature.as_mut().unwrap().public_url = Some("https://hooks.example.com".into());
    assert!(arrived.verified(&workflow).is_ok());
}

#[test]
fn h3_the_tolerance_is_exact_both_ways() {
    let workflow = wants("standard", &[SECRET]);
    let at = |now| standard(STANDARD).verified_at(&workflow, now).map(|_| ());
    assert_eq!(at(NOW + 300_000), Ok(()));
    assert_eq!(at(NOW + 300_001), Err(Denial::SignatureExpired(BadTime::TooOld)));
    assert_eq!(at(NOW - 300_000), Ok(()));
    assert_eq!(at(NOW - 300_001), Err(Denial::SignatureExpired(BadTime::TooFarAhead)));
    for (absurd, bad) in [("0", BadTime::TooOld), ("999999999999999999", BadTime::TooFarAhead)] {
        let mut arrived = standard(STANDARD);
        arrived.headers.insert("webhook-timestamp", absurd.parse().unwrap());
        assert_eq!(arrived.verified(&workflow).unwrap_err(), Denial::SignatureExpired(bad));
    }
}

#[test]
fn h3_repeated_fields_are_refused_even_if_equal() {
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut arrived = standard(STANDARD);
        let value = arrived.headers[name].clone();
        arrived.headers.append(name, value);
        match arrived.verified(&wants("standard", &[SECRET])) {
            Err(Denial::SignatureInvalid { header, bad: BadSignature::Malformed(_) }) => {
                assert_eq!(header.unwrap(), name, "the hint names it")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn h1_who_may_come_without_a_signature() {
    let mut workflow = wants("github", &["secret"]);
    let nothing = crate::model::Fields::new();
    for (require, without_key, with_key) in [
        (Require::Signature, false, false),
        (Require::Either, false, true),
        (Require::Both, false, false),
        (Require::Key, true, true),
    ] {
        workflow.webhook.as_mut().unwrap().require = require;
        for (key, right) in [(false, without_key), (true, with_key)] {
            let claim = Claim::read(&workflow, &nothing, key, NOW);
            match right {
                true => assert!(claim.unwrap().is_none(), "{require:?}, {key}"),
                false => assert_eq!(missing(claim).unwrap(), "x-hub-signature-256", "{require:?}, {key}"),
            }
        }
    }
    workflow.webhook.as_mut().unwrap().require = Require::Either;
    assert!(malformed(Claim::read(&workflow, &github("nonsense").headers, true, NOW)), "what is there must be right");
    workflow.webhook.as_mut().unwrap().signature.as_mut().unwrap().secrets.clear();
    let arrived = github(GITHUB);
    let closed = Claim::read(&workflow, &arrived.headers, true, NOW);
    assert_eq!(closed.unwrap_err(), Denial::SigningSecretMissing { workflow: "post".into() });
    assert!(Claim::read(&workflow, &nothing, true, NOW).unwrap().is_none(), "a key is as good without any secret");
    assert!(Claim::read(&workflow, &nothing, false, NOW).is_err());
}

#[test]
fn nothing_of_a_signature_is_told() {
    let workflow = wants("github", &["It's a Secret to Everybody"]);
    let arrived = github(GITHUB);
    let claim = Claim::read(&workflow, &arrived.headers, false, NOW).unwrap().unwrap();
    assert_eq!(format!("{claim:?}"), "Claim(post)");
    let verified = format!("{:?}", arrived.verified(&workflow).unwrap());
    assert!(!verified.contains("757107") && !verified.contains("Everybody") && !verified.contains("117, 113, 7"));
}
