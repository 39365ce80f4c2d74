//! What is decided about a call, and what is made of it.

use super::requests::request;
use super::steer;
use crate::model::RequestHead;
use crate::model::connection::{InjectRule, Injection};
use crate::model::directory::Directory;
use crate::model::key::{Grants, KeyId};
use crate::model::listener::{Door, OutboundDoor};
use crate::model::scrub::Needle;
use crate::model::{Denial, Listener, Snapshot};
use crate::policy::authenticate::stood_for;
use crate::policy::outbound::authorise::Call;
use crate::policy::outbound::slots::Filled;
use crate::policy::outbound::{authorise, called, identify, rewrite};
use crate::policy::{Origin, Permit, fixture};
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, HOST};

const SECRET: &str = "s3cr3t-s3cr3t";
const BASE: &str = "/base";

/// Where the connection injects, by a few bits.
fn rules(bits: u8) -> Vec<InjectRule> {
    let header = |name: &'static str, value: &str| InjectRule::Header {
        name: http::HeaderName::from_static(name),
        value: value.to_owned(),
    };
    match bits % 6 {
        0 => vec![header("authorization", "Bearer {secret}")],
        1 => vec![header("x-api-key", "{secret}")],
        2 => vec![InjectRule::Query { name: "key".into(), value: "{secret}".into() }],
        3 => vec![InjectRule::Path { prefix: "/bot{secret}".into() }],
        4 => vec![InjectRule::Path { prefix: "/{secret}".into() }],
        _ => vec![
            header("x-goog-api-key", "{secret}"),
            InjectRule::Query { name: "api_key".into(), value: "{secret}".into() },
        ],
    }
}

/// One connection, `engine-0`, which the first key may use, and a listener that stands for that key.
fn world(bits: u8) -> (Snapshot, Listener) {
    let mut snapshot = fixture::snapshot();
    let secret = fixture::secret(SECRET);
    let frame = &mut *snapshot;
    let connection = &mut frame.connections[0];
    connection.injection = Injection::prepare(&rules(bits), &secret).expect("it fits");
    connection.needle = Needle::of([&secret]).map(|needle| frame.needles.keep(needle));
    connection.destination.base_path = BASE.to_owned();
    connection.destination.base_path_once = bits & 0x40 != 0;
    snapshot.keys[0].connections = Grants::some(vec![fixture::uid_of("engine-0")]);
    snapshot.directory = Directory::of(&snapshot.connections);
    let door = Door::Outbound(OutboundDoor { identity: Some(KeyId(0)), hosts: vec![] });
    (snapshot, Listener { door, ..fixture::door() })
}

/// Whatever is called and sent along: it leaves below the base path, for the provider's host, with the secret in its places
/// and nowhere else, or it does not leave.
pub fn calls(bytes: &[u8]) {
    let ([bits], bytes) = steer(bytes);
    let Some(mut parts) = request(&[b"/c/engine-0", bytes].concat()) else { return };
    let (snapshot, listener) = world(bits);
    let Ok((target, permit)) = decide(&snapshot, &listener, &mut parts) else { return };
    assert!(target.starts_with(BASE), "out of the base path");
    assert!(target[BASE.len()..].starts_with(['/', '?']) || target == BASE, "beside the base path");
    let path = target.split('?').next().unwrap_or_default();
    assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")), "a dot segment");
    assert_eq!(parts.headers.get_all(HOST).count(), 1);
    assert_eq!(parts.headers[HOST], permit.connection().destination.authority);
    assert_eq!(parts.headers[ACCEPT_ENCODING], "identity");
    let fields: Vec<u8> = parts.headers.values().flat_map(|v| [v.as_bytes(), b"\n"].concat()).collect();
    let count = |text: &[u8]| text.windows(SECRET.len()).filter(|w| *w == SECRET.as_bytes()).count();
    // Callers may know the word as well; they cannot make ours go missing, or stand twice in its place.
    assert!(count(&fields) + count(target.as_bytes()) >= rules(bits).len());
    for (name, _) in &permit.connection().injection.headers {
        assert_eq!(parts.headers.get_all(name).count(), 1, "ours alone");
    }
}

fn decide<'s>(
    snapshot: &'s Snapshot,
    listener: &Listener,
    parts: &mut RequestHead,
) -> Result<(String, Permit<'s>), Denial> {
    let uri = parts.uri.clone();
    let called = called(&uri, parts.version)?.ok_or(Denial::ConnectionNotFound)?;
    let named = snapshot.directory.find(called.name);
    let filled = Filled { headers: &parts.headers, query: uri.query(), rest: called.rest };
    let claims = identify(filled, listener, &snapshot.directory)?;
    if !claims.tokens.is_empty() {
        return Err(Denial::MissingKey);
    }
    let caller = stood_for(snapshot, KeyId(0), 0).map_err(|rejected| rejected.denial)?;
    let origin = Origin { address: std::net::Ipv4Addr::LOCALHOST.into(), certificate: None };
    let call = Call { method: &parts.method, named, rest: called.rest };
    let permit = authorise(snapshot, &caller, &origin, &call, &parts.headers, 0)?;
    let open = claims.open(listener);
    drop(claims);
    let target = rewrite::target(&called, uri.query(), &permit, listener, open).expect("a target that can be sent");
    rewrite::fields(&mut parts.headers, &permit, listener, open, HeaderValue::from_static("r"));
    Ok((target.to_string(), permit))
}
