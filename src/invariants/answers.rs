//! What others answer to us, and what of it people read: on a terminal, and in logs.

use super::steer;
use crate::cli::remote::problem::Problem;
use crate::connector::{Meaning, Reply, Rule, Verdict, Verify};
use crate::model::Fields;
use crate::telemetry::access_log::{AccessRecord, Format, example, line_of};
use crate::telemetry::redact::redact;
use http::header::CONTENT_ENCODING;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

/// What a terminal or a reader of logs may act on instead of showing it.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn rule(status: (u16, u16), contains: &[&str], json: &[(&str, &str)], meaning: Meaning) -> Rule {
    Rule {
        status: vec![status],
        contains: contains.iter().map(|word| (*word).to_owned()).collect(),
        json: json.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect(),
        header: None,
        meaning,
        says: format!("It means {}.", meaning.name()),
        remedy: None,
    }
}

fn verify(alone: bool) -> Verify {
    let scope = Some(HeaderName::from_static("x-scope"));
    let rules = vec![
        rule((200, 299), &[], &[("ok", "true")], Meaning::Active),
        rule((200, 499), &["invalid key", "No-Such-Key"], &[], Meaning::BadKey),
        rule((200, 499), &[], &[("error.code", "7"), ("error.list.0", "region")], Meaning::WrongRegion),
        Rule { header: scope, ..rule((403, 403), &[], &[], Meaning::MissingScope) },
        rule((401, 401), &[], &[], Meaning::BadKey),
    ];
    let rules = if alone { Vec::new() } else { rules };
    Verify { method: Method::GET, path: "/me".into(), headers: Vec::new(), body: None, rules }
}

/// A provider's reply to a secret that is tried: what was read of it by halves says what the whole of it says, or nothing.
fn tried(how: u8, cut: u8, body: &[u8]) {
    let verify = verify(how & 1 == 1);
    let status = [200, 204, 302, 401, 403, 404, 429, 500][usize::from(how >> 1) % 8];
    let mut headers = Fields::new();
    if how & 16 != 0 {
        headers.insert("x-scope", HeaderValue::from_static("a"));
    }
    if how & 32 != 0 {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let status = StatusCode::from_u16(status).expect("a status");
    let verdict = |body: &[u8], whole| Verdict::of_reply(&verify, &Reply { status, headers: &headers, body, whole });
    let whole = verdict(body, true);
    let half = verdict(&body[..usize::from(cut).min(body.len())], false);
    assert!(half == whole || half.meaning == Meaning::Inconclusive.name(), "{half:?}, but {whole:?}");
}

/// A gateway's refusal, as `keystile` prints it: nothing in it that a terminal would act on.
fn printed(status: u16, body: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    let status = StatusCode::from_u16(status).expect("a status");
    if let Some(problem) = Problem::read(status, &body) {
        let text = problem.to_string();
        assert!(!text.chars().any(|c| c != '\n' && acts(c)), "{text:?}");
    }
}

/// What a caller sends, in the access log: one line that reads back as what was sent, but for tokens.
fn logged(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |b| *b == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (path, cause, agent) = (part(), part(), part());
    let (Ok(path), Ok(cause)) = (std::str::from_utf8(path), std::str::from_utf8(cause)) else { return };
    let record = AccessRecord { path, cause: Some(cause), user_agent: Some(agent), ..example() };
    for format in [Format::Json, Format::Text] {
        let line = String::from_utf8(line_of(format, &record)).expect("text");
        let line = line.strip_suffix('\n').expect("a line");
        assert!(!line.chars().any(acts), "{line:?}");
        assert!(format == Format::Text || serde_json::from_str::<Value>(line).is_ok(), "{line:?}");
        if format == Format::Json {
            let read: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(read["path"].as_str(), Some(&*redact(path)));
            assert_eq!(read["cause"].as_str(), Some(&*redact(cause)));
        }
    }
    let clean = redact(path);
    assert_eq!(redact(&clean), clean, "a token is left");
}

/// Replies of providers and gateways, and what is written down of callers.
pub fn answers(bytes: &[u8]) {
    let ([kind, how, cut], bytes) = steer(bytes);
    match kind % 3 {
        0 => tried(how, cut, bytes),
        1 => printed([400, 401, 409, 422, 500][usize::from(how) % 5], bytes),
        _ => logged(bytes),
    }
}
