//! What a URL says of its caller: that it was signed, or that a sender wants to hear something before it delivers.

use super::steer;
use crate::http::h1::head;
use crate::model::listener::PlaceMask;
use crate::model::token::Digest;
use crate::model::webhook::Handshake;
use crate::model::workflow::WorkflowId;
use crate::model::{RequestHead, Slot, Snapshot};
use crate::policy::authenticate::by_url;
use crate::policy::environment::asked;
use crate::policy::signed_url::{Order, issue};
use crate::policy::webhook::handshake::{Greeting, challenge, greeting};
use crate::policy::{Credential, credential, fixture, path};
use bytes::Bytes;
use http::Method;
use std::collections::BTreeMap;

/// Unix milliseconds.
const END: i64 = 2_000_000;
const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
const TOKEN: &[u8] = b"to ken";

/// Every value of this name in a query, found the simple way: the name in any case, or exactly.
fn values(query: &str, wanted: &str, any_case: bool) -> Vec<Vec<u8>> {
    let decoded = |text: &str| percent_encoding::percent_decode(text.replace('+', " ").as_bytes()).collect::<Vec<u8>>();
    let is = |name: &[u8]| name == wanted.as_bytes() || (any_case && name.eq_ignore_ascii_case(wanted.as_bytes()));
    let halves =
        |pair: &str| pair.split_once('=').map_or((decoded(pair), Vec::new()), |(n, v)| (decoded(n), decoded(v)));
    query.split('&').map(halves).filter(|(name, _)| is(name)).map(|(_, value)| value).collect()
}

/// A request's first line, with what was signed in place of `@1` (whose), `@2` (until when), `@3` (the signature) and `@@`
/// (all of it).
fn arrived(method: &Method, text: &[u8], signed: &[&str; 3]) -> Option<RequestHead> {
    let [id, expiry, signature] = signed;
    let whole = format!("auth-id={id}&auth-exp={expiry}&auth-sig={signature}");
    let mut head = [method.as_str().as_bytes(), b" "].concat();
    let mut bytes = text.iter().copied().take_while(|b| !matches!(b, b'\r' | b'\n')).peekable();
    while let Some(byte) = bytes.next() {
        let stands_for = match bytes.peek() {
            Some(b'1') => *id,
            Some(b'2') => *expiry,
            Some(b'3') => *signature,
            Some(b'@') => &whole,
            _ => "",
        };
        if byte != b'@' || stands_for.is_empty() {
            head.push(byte);
            continue;
        }
        bytes.next();
        head.extend_from_slice(stands_for.as_bytes());
    }
    head.extend_from_slice(b" HTTP/1.1\r\nhost: h\r\n\r\n");
    head::request(&Bytes::from(head)).ok()
}

/// Whether the request is let in by its URL; `Some` is the route that it is let in for.
fn let_in(world: &Snapshot, parts: &RequestHead, now: i64) -> Option<WorkflowId> {
    let door = &world.listeners[0];
    let route = world.routes.find(&parts.method, &path::segments(parts.uri.path()).ok()?);
    let asked = asked(parts.uri.query(), &door.environment_parameter);
    let shown = credential(&parts.headers, parts.uri.query(), &door.places, PlaceMask::ALL).ok()??;
    let Credential::Url(url) = shown else { return None };
    by_url(world, url, &route, &asked, now).ok().and_then(|_| route.workflow())
}

/// A URL that was signed, in whatever way it comes: what is let in has each part of the signature once, as it was signed,
/// for the workflow and environment it was signed for, in time.
fn signed(how: u8, text: &[u8]) {
    let world = fixture::snapshot();
    let parameters: BTreeMap<String, String> = [("id".to_owned(), "7".to_owned())].into();
    let environment = (how & 4 != 0).then_some("Test");
    let order = Order {
        key: &world.keys[0],
        slot: Some(Slot::Primary),
        workflow: "get",
        environment,
        expires_at: END,
        base: None,
        parameters: &parameters,
    };
    let url = issue(&world, &order, 0).expect("it can be signed").url;
    let query = url.split_once('?').expect("it has a query").1;
    let signed = ["auth-id", "auth-exp", "auth-sig"].map(|name| values(query, name, false).remove(0));
    let signed = signed.each_ref().map(|value| std::str::from_utf8(value).expect("text"));
    let method = &METHODS[usize::from(how & 3) % 3];
    let Some(parts) = arrived(method, text, &signed) else { return };
    let now = if how & 8 == 0 { 0 } else { END };
    let Some(workflow) = let_in(&world, &parts, now) else { return };
    let query = parts.uri.query().unwrap_or_default();
    for (name, value) in ["auth-id", "auth-exp", "auth-sig"].iter().zip(signed) {
        assert_eq!(values(query, name, true), [value.as_bytes()], "{name}");
    }
    assert_eq!((workflow, now), (WorkflowId(0), 0), "for something else, or too late");
    assert!(*method != Method::POST && parts.uri.path().starts_with("/customers/"));
    let named = values(query, "_profile", false);
    let home = environment.unwrap_or("Production").as_bytes();
    assert!(named == [home] || (environment.is_none() && named.is_empty()), "elsewhere");
}

/// What is said back is short text without control characters, which stands in the request once; and nobody hears it who
/// does not know what was agreed.
fn handshakes(which: u8, query: &str, body: &[u8]) {
    let verify_token = Digest::of(TOKEN);
    let all = [Handshake::Slack, Handshake::Meta { verify_token }, Handshake::Dropbox, Handshake::Microsoft];
    let handshake = &all[usize::from(which) % all.len()];
    let sayable = |text: &str| {
        assert!(!text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control), "{text:?}");
    };
    for method in METHODS {
        let Ok(Some(Greeting::Echo(text))) = greeting(handshake, &method, Some(query)) else { continue };
        sayable(&text);
        let (by, name) = match handshake {
            Handshake::Slack => panic!("it asks with a body"),
            Handshake::Meta { .. } => {
                assert_eq!(values(query, "hub.verify_token", false), [TOKEN]);
                assert_eq!(values(query, "hub.mode", false), [b"subscribe"]);
                (Method::GET, "hub.challenge")
            }
            Handshake::Dropbox => (Method::GET, "challenge"),
            Handshake::Microsoft => (Method::POST, "validationToken"),
        };
        assert_eq!(method, by);
        assert_eq!(values(query, name, false), [text.as_bytes()]);
    }
    if let Ok(Some(text)) = challenge(body) {
        sayable(&text);
        // What is passed over may hold what no text can.
        let Ok(said) = serde_json::from_slice::<serde_json::Value>(body) else { return };
        assert_eq!((said["type"].as_str(), said["challenge"].as_str()), (Some("url_verification"), Some(&*text)));
    }
}

/// A URL that was signed, in whatever way it comes, and handshakes of all kinds.
pub fn urls(bytes: &[u8]) {
    let ([how], bytes) = steer(bytes);
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    signed(how, line);
    let body = bytes.get(line.len() + 1..).unwrap_or_default();
    if let Ok(query) = std::str::from_utf8(line) {
        handshakes(how >> 4, query, body);
    }
}
