//! What is decided about a request, and what is made of it.

use super::steer;
use crate::http::h1::head;
use crate::model::listener::{Place, PlaceMask};
use crate::model::routes::{Found, Routes};
use crate::model::template::{Segment, Template};
use crate::model::token;
use crate::model::workflow::WorkflowId;
use crate::model::{Fields, RequestHead};
use crate::model::{Slot, Snapshot};
use crate::policy::authenticate::by_url;
use crate::policy::forwarded::Side;
use crate::policy::rewrite::{self, Caller};
use crate::policy::{
    Credential, Invocation, Origin, Proven, authenticate, authorise, credential, environment, fixture, identify, path,
};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};

/// A request with the first line of `bytes` as its target and the others as its fields; `None` if it is none.
pub(super) fn request(bytes: &[u8]) -> Option<RequestHead> {
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut head = [b"GET ", lines.next()?, b" HTTP/1.1\r\n"].concat();
    for line in lines.filter(|line| !line.is_empty()) {
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head::request(&Bytes::from(head)).ok()
}

/// Which places are open, by the low bits.
fn open(bits: u8) -> PlaceMask {
    let all = [Place::Authorization, Place::Header, Place::Query, Place::SignedUrl];
    let closed = all.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
    closed.fold(PlaceMask::ALL, |mask, (_, place)| mask.without(*place))
}

/// A byte-wise percent-decoding that minds nothing.
fn decoded(text: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(text).collect()
}

/// Every token in an open place, found the simple way.
fn tokens(parts: &RequestHead, open: PlaceMask) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if open.has(Place::Authorization) {
        for value in parts.headers.get_all(AUTHORIZATION) {
            let value = value.as_bytes().trim_ascii();
            for (scheme, separators) in [("key", &b"= \t"[..]), ("bearer", b" \t")] {
                let Some((begin, rest)) = value.split_at_checked(scheme.len()) else { continue };
                if begin.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first().is_none_or(|b| separators.contains(b))
                {
                    all.push(rest.get(1..).unwrap_or_default().trim_ascii().to_vec());
                }
            }
        }
    }
    if open.has(Place::Header) {
        all.extend(parts.headers.get_all("x-api-key").map(|v| v.as_bytes().trim_ascii().to_vec()));
    }
    if open.has(Place::Query) {
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decoded(&spaced(name)).eq_ignore_ascii_case(b"auth-key") {
                all.push(decoded(&spaced(value)));
            }
        }
    }
    all
}

/// `+` stands for a blank in a query.
fn spaced(text: &str) -> Vec<u8> {
    text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect()
}

/// Whether a signed URL is looked for and would be one, found the simple way.
fn is_signed(parts: &RequestHead, open: PlaceMask) -> bool {
    let names = parts.uri.query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    open.has(Place::SignedUrl) && names.into_iter().any(|name| decoded(&spaced(name)).eq_ignore_ascii_case(b"auth-sig"))
}

/// Exactly one credential, or a refusal; where there is none, none is found.
pub fn credentials(bytes: &[u8]) {
    let ([bits], bytes) = steer(bytes);
    let Some(parts) = request(&[b"/?", bytes].concat()) else { return };
    let open = open(bits);
    let (expected, signed) = (tokens(&parts, open), is_signed(&parts, open));
    match credential(&parts.headers, parts.uri.query(), &fixture::places(), open) {
        Ok(None) => assert!(expected.is_empty() && !signed, "overlooked"),
        Ok(Some(Credential::Token(found))) => {
            assert!(!expected.is_empty() && !signed);
            assert!(expected.iter().all(|token| token == found.token()), "one of several");
        }
        Ok(Some(Credential::Url(url))) => {
            assert!(expected.is_empty() && signed);
            let (world, asked) = (fixture::snapshot(), environment::Asked::Nothing);
            assert!(by_url(&world, url, &Found::Workflow(WorkflowId(0)), &asked, 0).is_err(), "nobody signed it");
        }
        Err(denial) => {
            let tokens = parts.headers.get_all(AUTHORIZATION).count() + expected.len();
            assert!(tokens > 1 || signed, "{denial:?}");
        }
    }
}

/// A permit for `root`, of `snapshot`.
fn permit(snapshot: &Snapshot) -> Invocation<'_> {
    let token = HeaderValue::from_str(&format!("Key={}", &*fixture::token("root", Slot::Primary))).expect("a value");
    let honest: Fields = [(AUTHORIZATION, token)].into_iter().collect();
    let presented = identify(&honest, None, &fixture::places(), PlaceMask::ALL).expect("one").expect("one");
    let caller = authenticate(snapshot, &presented, 0).expect("a key");
    let route = snapshot.routes.find(&Method::GET, &path::segments("/customers/1").expect("a path"));
    let origin = Origin { address: std::net::Ipv4Addr::LOCALHOST.into(), certificate: None };
    authorise(snapshot, &Proven::key(caller), &origin, &route, &environment::Asked::Nothing, 0).expect("permitted")
}

fn from_nobody() -> Caller {
    Caller {
        side: Side {
            peer: HeaderValue::from_static("::1"),
            scheme: HeaderValue::from_static("http"),
            host: Some(HeaderValue::from_static("h")),
        },
        trusted: false,
        request_id: HeaderValue::from_static("r"),
    }
}

/// Nothing that was shown goes on, in any place and spelling; nothing that belongs to one connection does; the injected
/// secret is there once; and what is not taken from a query stays as it was, to the byte.
pub fn rewriting(bytes: &[u8]) {
    let ([bits], bytes) = steer(bytes);
    let Some(parts) = request(&[b"/", bytes].concat()) else { return };
    let (snapshot, open) = (fixture::snapshot(), open(bits));
    let (permit, door) = (permit(&snapshot), &snapshot.listeners[0]);
    let mut fields = parts.headers.clone();
    rewrite::fields(&mut fields, &permit, door, open, from_nobody());
    let listed = parts.headers.get_all("connection").flat_map(|v| v.as_bytes().split(|b| *b == b','));
    let listed: Vec<Vec<u8>> = listed.map(|name| name.trim_ascii().to_ascii_lowercase()).collect();
    for (name, value) in &fields {
        let folded: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let ours = token::mentioned_in(value.as_bytes());
        assert!(!ours || !matches!(&*folded, "authorization" | "x-api-key"), "{name} holds a token");
        let dropped = ["connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-authorization"];
        // Said anew for the upstream's connection, and nothing but this.
        assert!(folded != "te" || (*name == http::header::TE && value == "trailers"), "{name}: {value:?}");
        assert!(folded != "trailer" || *name == http::header::TRAILER, "{name} is an alias");
        assert!(!dropped.contains(&&*folded), "{name} is hop-by-hop");
        assert!(folded == name.as_str() || !folded.starts_with("x-keystile-"), "{name} is forged");
        let named = listed.iter().any(|listed| listed == name.as_str().as_bytes());
        let ours = ["host", "content-length", "x-engine-key"].contains(&name.as_str())
            || name.as_str().starts_with("x-keystile-")
            || name.as_str().starts_with("x-forwarded-")
            || ["x-request-id", "via", "te", "trailer"].contains(&name.as_str());
        assert!(!named || ours, "{name} was for the connection alone");
        if folded == "x-engine-key" {
            assert_eq!((name.as_str(), value.as_bytes()), ("x-engine-key", &b"s3cr3t"[..]));
        }
        if !ours && folded == name.as_str() && *name != http::header::COOKIE {
            let before: Vec<_> = parts.headers.get_all(name).collect();
            assert_eq!(fields.get_all(name).collect::<Vec<_>>(), before, "{name} is not as it came");
        }
    }
    assert_eq!(fields.get_all("x-engine-key").count(), 1);
    let Some(target) = rewrite::target(&parts.uri, &permit, door, open) else { panic!("no target") };
    assert_eq!(target.path(), parts.uri.path());
    let pairs = |query: Option<&str>| query.map_or(vec![], |q| q.split('&').map(str::to_owned).collect::<Vec<_>>());
    let (before, after) = (pairs(parts.uri.query()), pairs(target.query()));
    let mut kept = after.iter().peekable();
    for pair in &before {
        if kept.next_if(|k| *k == pair).is_none() {
            let name = pair.split(';').map(|p| decoded(&spaced(p)).to_ascii_lowercase());
            let name: Vec<u8> = name.collect::<Vec<_>>().join(&b';');
            let why = |n: &[u8]| name.windows(n.len()).any(|w| w == n);
            let signed = why(b"auth-id") || why(b"auth-exp") || why(b"auth-sig");
            assert!((why(b"auth") && why(b"key")) || signed, "{pair} is lost");
        }
    }
    assert_eq!(kept.next(), None, "something was added or moved");
    let mut again = parts;
    (again.uri, again.headers) = (target, fields);
    assert!(tokens(&again, open).is_empty() && !is_signed(&again, open), "a credential goes on");
}

const TEMPLATES: &[&str] = &[
    "GET /",
    "GET /customers/{id}",
    "GET /customers/me",
    "GET /admin",
    "GET /admin/{page}",
    "GET /files/{rest...}",
    "GET /files/secret",
    "GET /a/{x}/b",
    "GET /a/c/{rest...}",
];

/// The template that a server means by `path`, which looks at each segment through `eyes`.
fn meant(path: &[Vec<u8>], eyes: fn(&[u8]) -> Vec<u8>) -> Option<WorkflowId> {
    let fits = |template: &Template| {
        let rest = template.segments.iter().any(|s| matches!(s, Segment::Rest(_)));
        let fixed = template.segments.len() - usize::from(rest);
        let length = if rest { path.len() > fixed } else { path.len() == fixed };
        length
            && template.segments.iter().zip(path).all(|(segment, part)| match segment {
                Segment::Literal(text) => eyes(text.as_bytes()) == eyes(part),
                Segment::One(_) => !part.is_empty(),
                Segment::Rest(_) => true,
            })
    };
    let rank = |template: &Template| -> Vec<u8> {
        let rank = |s: &Segment| match s {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 2,
        };
        template.segments.iter().map(rank).collect()
    };
    let all = TEMPLATES.iter().enumerate().filter_map(|(n, text)| Some((n, Template::parse(text).ok()?)));
    let best = all.filter(|(_, template)| fits(template)).min_by_key(|(_, template)| rank(template));
    best.map(|(n, _)| WorkflowId(u32::try_from(n).unwrap_or(u32::MAX)))
}

/// What is matched is what is forwarded, and it is matched by nothing else to a server that reads it more freely.
pub fn routing(bytes: &[u8]) {
    let Some(parts) = request(&[b"/", bytes.split(|b| *b == b'\n').next().unwrap_or_default()].concat()) else {
        return;
    };
    let came = parts.uri.path();
    let Ok(segments) = path::segments(came) else { return };
    let mut routes = Routes::default();
    for (n, text) in TEMPLATES.iter().enumerate() {
        let workflow = WorkflowId(u32::try_from(n).expect("few"));
        routes.add(&Template::parse(text).expect("a template"), workflow).expect("no overlap");
    }
    // A server that decodes, cuts parameters, and then goes where the dots lead, stays.
    let split: Vec<&[u8]> = came.as_bytes()[1..].split(|b| *b == b'/').collect();
    for reading in [|s: &[u8]| s.to_vec(), |s: &[u8]| decoded(s), |s: &[u8]| decoded(&decoded(s))] {
        let read: Vec<Vec<u8>> = split.iter().map(|s| reading(s)).collect();
        assert!(!read.iter().any(|s| s.iter().any(|b| matches!(b, b'/' | b'\\' | 0))), "{came}");
        assert!(!read.iter().any(|s| matches!(s.split(|b| *b == b';').next(), Some(b"." | b".."))), "{came}");
    }
    assert_eq!(
        segments.iter().map(|s| s.to_vec()).collect::<Vec<_>>(),
        split.iter().map(|s| decoded(s)).collect::<Vec<_>>()
    );
    let Found::Workflow(found) = routes.find(&Method::GET, &segments) else { return };
    let once: Vec<Vec<u8>> = split.iter().map(|s| decoded(s)).collect();
    assert_eq!(meant(&once, <[u8]>::to_vec), Some(found), "{came}");
    if let Some(carelessly) = meant(&once, |s| s.to_ascii_lowercase()) {
        assert_eq!(carelessly, found, "{came} in lower case");
    }
    let twice: Vec<Vec<u8>> = once.iter().map(|s| decoded(s)).collect();
    let cut = |s: &[u8]| s.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end().to_ascii_lowercase();
    if let Some(carelessly) = meant(&twice, cut) {
        assert_eq!(carelessly, found, "{came} without parameters");
    }
}
