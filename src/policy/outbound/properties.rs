//! What must be true of every call, whatever its caller sends.

use super::authorise::Call;
use super::slots::Filled;
use super::{authorise, called, identify, rewrite};
use crate::model::Fields;
use crate::model::connection::{InjectRule, Injection};
use crate::model::directory::Directory;
use crate::model::key::{Grants, KeyId};
use crate::model::listener::{Door, OutboundDoor};
use crate::model::scrub::Needle;
use crate::model::{Denial, Listener, Slot, Snapshot};
use crate::policy::authenticate::stood_for;
use crate::policy::{Authenticated, Origin, Presented, authenticate, fixture};
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use proptest::prelude::*;

/// `crm` may call by engine-0 (Production), which injects as `rules` say; engine-1 (also Production) is nobody's.
fn world(rules: &[InjectRule], others: &[InjectRule]) -> Snapshot {
    let mut snapshot = fixture::snapshot();
    let frame = &mut *snapshot;
    for (connection, rules) in frame.connections.iter_mut().zip([rules, others]) {
        connection.injection = Injection::prepare(rules, &fixture::secret("s3cr3t")).unwrap();
        connection.environment = frame.default_environment;
        connection.needle = Needle::of([&fixture::secret("s3cr3t-s3cr3t")]).map(|needle| frame.needles.keep(needle));
        connection.destination.base_path = "/base".into();
    }
    snapshot.keys[0].connections = Grants::some(vec![fixture::uid_of("engine-0")]);
    snapshot.keys[1].connections = Grants::some(vec![]);
    snapshot.directory = Directory::of(&snapshot.connections);
    snapshot
}

fn listener(identity: Option<KeyId>) -> Listener {
    Listener { door: Door::Outbound(OutboundDoor { identity, hosts: vec![] }), ..fixture::door() }
}

fn bearer() -> Vec<InjectRule> {
    vec![InjectRule::Header { name: "authorization".parse().unwrap(), value: "Bearer {secret}".into() }]
}

fn header(name: &str) -> Vec<InjectRule> {
    vec![InjectRule::Header { name: name.parse().unwrap(), value: "{secret}".into() }]
}

fn query() -> Vec<InjectRule> {
    vec![InjectRule::Query { name: "key".into(), value: "{secret}".into() }]
}

fn path() -> Vec<InjectRule> {
    vec![InjectRule::Path { prefix: "/bot{secret}".into() }]
}

/// What leaves for the provider: the target, and the fields as lines.
type Sent = (String, Vec<String>);

/// The whole decision, as the journey makes it.
fn send(
    snapshot: &Snapshot,
    listener: &Listener,
    target: &str,
    lines: &[(&str, String)],
) -> Result<Sent, &'static str> {
    decide(snapshot, listener, target, lines).map_err(|denial| denial.code())
}

fn decide(snapshot: &Snapshot, listener: &Listener, target: &str, lines: &[(&str, String)]) -> Result<Sent, Denial> {
    let uri: Uri = target.parse().unwrap();
    let mut headers = Fields::new();
    for (name, value) in lines {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(value.as_str()).unwrap());
    }
    let called = called(&uri, Version::HTTP_11)?;
    let named = called.and_then(|c| snapshot.directory.find(c.name));
    let rest = called.map_or("", |c| c.rest);
    let filled = Filled { headers: &headers, query: uri.query(), rest };
    let claims = identify(filled, listener, &snapshot.directory)?;
    let identity = match &listener.door {
        Door::Outbound(door) => door.identity.filter(|_| claims.tokens.is_empty()),
        Door::Inbound => None,
    };
    let known: Result<(Authenticated<'_>, Option<&Presented<'_>>), Denial> = match identity {
        Some(key) => stood_for(snapshot, key, 0).map(|caller| (caller, None)).map_err(|r| r.denial),
        None => {
            let first = claims.tokens.iter().find_map(|t| authenticate(snapshot, t, 0).ok().map(|c| (c, Some(t))));
            first.ok_or(if claims.tokens.is_empty() { Denial::MissingKey } else { Denial::KeyExpired })
        }
    };
    let (caller, token) = known?;
    let origin = Origin { address: "127.0.0.1".parse().unwrap(), certificate: None };
    let permit = authorise(snapshot, &caller, &origin, &Call { method: &Method::GET, named, rest }, &headers, 0)?;
    if let Some(token) = token {
        claims.settle(token.token(), filled, &permit.connection().injection)?;
    }
    let open = claims.open(listener);
    let target = rewrite::target(&called.unwrap(), uri.query(), &permit, listener, open).unwrap();
    let mut after = headers.clone();
    rewrite::fields(&mut after, &permit, listener, open, HeaderValue::from_static("id"));
    let lines = after.iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes()))).collect();
    Ok((target.to_string(), lines))
}

fn crm() -> String {
    fixture::token("crm", Slot::Primary).to_string()
}

fn root() -> String {
    fixture::token("root", Slot::Primary).to_string()
}

#[test]
fn c4_an_sdk_that_holds_the_token_for_its_key_works_unchanged() {
    use base64::Engine as _;
    let basic = |pair: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let twilio = [InjectRule::Basic { username: "AC1".into(), password: "{secret}".into() }];
    let t = crm();
    type Case<'a> = (&'a [InjectRule], String, Vec<(&'a str, String)>);
    let cases: [Case<'_>; 9] = [
        (&bearer(), "/c/engine-0/v1/x".into(), vec![("authorization", format!("Bearer {t}"))]),
        (&bearer(), "/c/engine-0/v1/x".into(), vec![("authorization", basic(format!("{t}:")))]),
        (&header("x-api-key"), "/c/engine-0/v1/x".into(), vec![("x-api-key", t.clone())]),
        (&header("x-goog-api-key"), "/c/engine-0/v1/x".into(), vec![("x-goog-api-key", t.clone())]),
        (&query(), format!("/c/engine-0/v1/x?key={t}"), vec![]),
        (&twilio, "/c/engine-0/v1/x".into(), vec![("authorization", basic(format!("AC1:{t}")))]),
        (&path(), format!("/c/engine-0/bot{t}/v1/x"), vec![]),
        (&bearer(), format!("/c/engine-0/v1/x?auth-key={t}"), vec![]),
        (&query(), "/c/engine-0/v1/x?key=dummy".into(), vec![("keystile-key", t.clone())]),
    ];
    for (rules, target, lines) in cases {
        let snapshot = world(rules, &[]);
        let (target, fields) = send(&snapshot, &listener(None), &target, &lines).unwrap();
        let whole = format!("{target}\n{}", fields.join("\n"));
        assert!(!whole.contains(&t) && !whole.contains("dummy"), "{whole}");
        assert!(whole.contains("s3cr3t") || whole.contains("Basic QUMxOnMzY3IzdA=="), "{whole}");
        assert!(target.starts_with("/base") && target.contains("/v1/x"), "{target}");
    }
}

#[test]
fn c4_accounts_of_one_provider_are_one_place_to_look_at() {
    let basic = |account: &str| [InjectRule::Basic { username: account.into(), password: "{secret}".into() }];
    assert_eq!(world(&basic("AC1"), &basic("AC2")).directory.slots().len(), 1);
    assert_eq!(world(&bearer(), &header("x-goog-api-key")).directory.slots().len(), 2);
}

#[test]
fn c4_decisive_places_make_all_others_payload() {
    let snapshot = world(&bearer(), &header("x-custom"));
    for (name, value) in [
        ("keystile-key", crm()),
        ("keystile-key", format!("Bearer {}", crm())),
        ("proxy-authorization", format!("Bearer {}", crm())),
    ] {
        let lines = [(name, value), ("authorization", "Bearer dummy".into()), ("x-api-key", "theirs".into())];
        let (_, fields) = send(&snapshot, &listener(None), "/c/engine-0/x?auth-key=theirs", &lines).unwrap();
        assert!(fields.contains(&"authorization: Bearer s3cr3t".to_owned()), "{fields:?}");
        assert!(fields.contains(&"x-api-key: theirs".to_owned()), "payload, as it is: {fields:?}");
        assert!(!fields.iter().any(|f| f.starts_with(name)), "{fields:?}");
    }
    let two = [("keystile-key", crm()), ("proxy-authorization", format!("Bearer {}", root()))];
    assert_eq!(send(&snapshot, &listener(None), "/c/engine-0/x", &two), Err("conflicting_credentials"));
    let wrong = [("keystile-key", "nobody".to_owned()), ("authorization", format!("Bearer {}", crm()))];
    assert!(send(&snapshot, &listener(None), "/c/engine-0/x", &wrong).is_err(), "decides alone, also when it is wrong");
}

#[test]
fn c4_with_an_identity_the_usual_places_are_payload() {
    let snapshot = world(&bearer(), &[]);
    let door = listener(Some(KeyId(0)));
    let dummy = [("authorization", "Bearer dummy".to_owned()), ("x-api-key", "theirs".to_owned())];
    let (_, fields) = send(&snapshot, &door, "/c/engine-0/x", &dummy).unwrap();
    assert!(fields.contains(&"authorization: Bearer s3cr3t".to_owned()));
    assert!(fields.contains(&"x-api-key: theirs".to_owned()));
    // A token of ours goes no further, wherever it stands.
    let ours = [("x-api-key", root())];
    let (target, fields) = send(&snapshot, &door, &format!("/c/engine-0/x?auth-key={}&a=1", root()), &ours).unwrap();
    assert!(!fields.concat().contains(&root()) && !target.contains(&root()), "{target} {fields:?}");
    // Keystile-Key is verified, and wins.
    let other = [("keystile-key", root())];
    assert_eq!(send(&snapshot, &door, "/c/engine-0/x", &other), Err("connection_not_found"), "root has no connections");
    assert!(send(&snapshot, &door, "/c/engine-0/x", &[("keystile-key", "wrong".into())]).is_err());
}

#[test]
fn c4_two_different_tokens_are_a_conflict_once_the_connection_is_the_callers() {
    let snapshot = world(&header("x-goog-api-key"), &[]);
    let both = [("authorization", format!("Bearer {}", crm())), ("x-goog-api-key", root())];
    assert_eq!(send(&snapshot, &listener(None), "/c/engine-0/x", &both), Err("conflicting_credentials"));
    let same = [("authorization", format!("Bearer {}", crm())), ("x-goog-api-key", crm())];
    assert!(send(&snapshot, &listener(None), "/c/engine-0/x", &same).is_ok());
    let elsewhere = world(&bearer(), &header("x-goog-api-key"));
    let misplaced = [("x-goog-api-key", crm())];
    assert_eq!(send(&elsewhere, &listener(None), "/c/engine-0/x", &misplaced), Err("missing_key"), "another's slot");
}

#[test]
fn hazard_4_a_provider_is_not_told_who_calls() {
    let snapshot = world(&bearer(), &[]);
    let lines = [
        ("keystile-key", crm()),
        ("keystile-connection", "x".into()),
        ("keystile-environment", "Production".into()),
        ("x-forwarded-for", "10.0.0.1".into()),
        ("forwarded", "for=10.0.0.1".into()),
        ("x-keystile-username", "root".into()),
        ("x_keystile_key_id", "root".into()),
        ("x-real-ip", "10.0.0.1".into()),
        ("range", "bytes=0-1".into()),
        ("accept-encoding", "br".into()),
        ("accept", "text/event-stream".into()),
    ];
    let (_, mut fields) = send(&snapshot, &listener(None), "/c/engine-0/x", &lines).unwrap();
    fields.sort();
    let left = [
        "accept-encoding: identity",
        "accept: text/event-stream",
        "authorization: Bearer s3cr3t",
        "host: 127.0.0.1:1",
        "x-request-id: id",
    ];
    assert_eq!(fields, left);
}

fn spelling() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec![
        "authorization",
        "x-api-key",
        "x_api_key",
        "x-goog-api-key",
        "x_goog_api_key",
        "keystile-key",
        "connection",
        "proxy-authorization",
        "x-custom",
        "x-keystile-username",
        "cookie",
        "accept",
    ]);
    let value = prop::sample::select(vec![
        "Bearer {t}",
        "{t}",
        "Key={t}",
        "key {t}",
        "Bearer {r}",
        "{r}",
        "theirs",
        "Bearer theirs",
        "authorization, x-goog-api-key",
        "close",
        "Basic OnQ=",
        "",
    ]);
    let fill = |text: &str| text.replace("{t}", &crm()).replace("{r}", &root());
    prop::collection::vec((name, value.prop_map(fill)), 0..5)
}

fn targets() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec!["engine-0", "engine-1", "nothing"]);
    let paths =
        prop::sample::select(vec!["", "/", "/v1/x", "/bot{t}/x", "/botx/y", "/%62ot{t}/x", "/../engine-1/x", "/a;b"]);
    let queries =
        prop::sample::select(vec!["", "?key={t}", "?%6Bey={t}&a=1", "?auth-key={t}", "?KEY=x&key=y", "?a=b&&c"]);
    (names, paths, queries).prop_map(|(n, p, q)| format!("/c/{n}{p}{q}").replace("{t}", &crm()))
}

fn rules() -> impl Strategy<Value = Vec<InjectRule>> {
    prop::sample::select(vec![bearer(), header("x-goog-api-key"), header("x-custom"), query(), path()])
}

proptest! {
    /// Hazards 1–3: what leaves holds no token, nothing of the caller's in the injected slot, and our secret once.
    #[test]
    fn what_is_sent_holds_our_secret_once_and_no_token(
        own in rules(), others in rules(), target in targets(), lines in spelling(), stands in any::<bool>(),
    ) {
        let snapshot = world(&own, &others);
        let door = listener(stands.then_some(KeyId(0)));
        if let Ok((target, fields)) = send(&snapshot, &door, &target, &lines) {
            let whole = format!("{target}\n{}", fields.join("\n"));
            prop_assert_eq!(whole.matches("s3cr3t").count(), 1, "{}", whole);
            prop_assert!(!crate::model::token::held_in(whole.as_bytes()), "{}", whole);
            prop_assert!(target.starts_with("/base"), "{}", target);
        }
    }

    /// C1, hazard 8: a connection that is not the caller's answers as one that does not exist, in every spelling.
    #[test]
    fn what_is_not_the_callers_does_not_exist(own in rules(), others in rules(), target in targets(), lines in spelling()) {
        let snapshot = world(&own, &others);
        let there = target.replace("/engine-0", "/engine-1").replace("/nothing", "/engine-1");
        let nowhere = target.replace("/engine-0", "/nothing").replace("/engine-1", "/nothing");
        prop_assume!(!target.contains(".."));
        let door = listener(None);
        prop_assert_eq!(send(&snapshot, &door, &there, &lines), send(&snapshot, &door, &nowhere, &lines));
    }
}
