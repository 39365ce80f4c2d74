//! What is made of a delivery's signature.

use super::steer;
use crate::model::Fields;
use crate::model::webhook::{Algorithm, Clock, Encoding, Form, Part, Scheme, SecretEncoding, TimestampPlace};
use crate::policy::webhook::Signer;
use crate::policy::webhook::fixture::{Arrived, SECRET, key, workflow};
use http::{HeaderName, HeaderValue};
use std::collections::BTreeSet;

const FORM: &str = "application/x-www-form-urlencoded";

/// What the steering bits do to a delivery on its way.
const FIELDS_GONE: u8 = 1;
const REPLACED: u8 = 2;
const BODY_CHANGED: u8 = 4;
const BODY_CUT: u8 = 8;
const AS_FORM: u8 = 16;

/// One that signs all there is to sign.
fn custom() -> Scheme {
    let text = |text: &str| Part::Text(text.into());
    let header = HeaderName::from_static;
    Scheme {
        name: "custom",
        header: header("x-acme-signature"),
        form: Form::Prefixed("acme=".into()),
        timestamp: Some((TimestampPlace::Header(header("x-acme-timestamp")), Clock::Rfc3339)),
        id: Some(header("x-acme-id")),
        signed: vec![
            Part::Id,
            text("\n"),
            Part::Timestamp,
            text("\n"),
            Part::Method,
            Part::Url,
            text("\n"),
            Part::Body,
        ],
        algorithm: Algorithm::HmacSha512,
        encoding: Encoding::Base64Url,
    }
}

fn scheme(which: u8) -> Scheme {
    let known = Scheme::NAMES[usize::from(which) % Scheme::NAMES.len()];
    Scheme::known(known).unwrap_or_else(custom)
}

/// Fields, an empty line and a body. What was signed verifies; whatever else arrives is refused, or says the same of the
/// same delivery.
pub fn webhooks(bytes: &[u8]) {
    let ([which, how, place], bytes) = steer(bytes);
    let scheme = scheme(which);
    let (fields, body) = bytes
        .windows(2)
        .position(|two| two == b"\n\n")
        .map_or((bytes, &b""[..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let workflow = workflow(scheme.clone(), vec![key(&scheme, SECRET)]);
    let signer = Signer::of(&scheme, SECRET.as_bytes(), SecretEncoding::Text).expect("a signer");
    let content_type = if how & AS_FORM != 0 { FORM } else { "application/json" };
    if body.len() > 1000 {
        return; // It may have more fields than anybody looks at.
    }
    let sent = Arrived::signed(&scheme, &signer, "msg_1", content_type, body);
    let whole = sent.verified(&workflow).expect("what was signed verifies").id();
    let mut arrived = sent.clone();
    change(&mut arrived, fields, how, place);
    let Ok(verified) = arrived.verified(&workflow) else { return };
    assert_eq!(verified.id(), whole, "another delivery");
    match scheme.signed.contains(&Part::SortedForm) && how & AS_FORM != 0 {
        true => assert_eq!(form(&arrived.body), form(&sent.body), "another form"),
        false => assert_eq!(arrived.body, sent.body, "another body"),
    }
    let told = |arrived: &Arrived, name: &HeaderName| arrived.headers[name].as_bytes().trim_ascii().to_vec();
    let stamp = match &scheme.timestamp {
        Some((TimestampPlace::Header(header), _)) => Some(header),
        _ => None,
    };
    for header in scheme.id.iter().chain(stamp) {
        assert_eq!(told(&arrived, header), told(&sent, header), "another {header}");
        assert_eq!(arrived.headers.get_all(header).count(), 1);
    }
    assert_eq!(arrived.headers.get_all(&scheme.header).count(), 1, "of two, which is meant?");
}

fn change(arrived: &mut Arrived, fields: &[u8], how: u8, place: u8) {
    if how & FIELDS_GONE != 0 {
        arrived.headers = Fields::new();
    }
    for line in fields.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 1..]));
        let (Ok(name), Ok(value)) = (name, value) else { continue };
        match how & REPLACED != 0 {
            true => arrived.headers.insert(name, value),
            false => arrived.headers.append(name, value),
        }
    }
    let at = usize::from(place) % arrived.body.len().max(1);
    if how & BODY_CHANGED != 0
        && let Some(byte) = arrived.body.get_mut(at)
    {
        *byte ^= 1 << (place % 8);
    }
    if how & BODY_CUT != 0 {
        arrived.body.truncate(at);
    }
}

/// What Twilio signs of a form, the simple way.
fn form(body: &[u8]) -> Vec<u8> {
    let decoded = |text: &[u8]| {
        let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_encoding::percent_decode(&spaced).collect::<Vec<u8>>()
    };
    let pairs: BTreeSet<(Vec<u8>, Vec<u8>)> = body
        .split(|byte| *byte == b'&')
        .map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decoded(halves.next().unwrap_or_default());
            (half(), half())
        })
        .collect();
    pairs.into_iter().flat_map(|(name, value)| [name, value].concat()).collect()
}
