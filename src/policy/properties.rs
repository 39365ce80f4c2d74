//! What holds for every request, whatever it is made of.

use super::environment::asked;
use super::forwarded::Side;
use super::rewrite::Caller;
use super::{Origin, Proven, authenticate, authorise, fixture, identify, path, rewrite};
use crate::model::Fields;
use crate::model::certificate::AcceptedCertificate;
use crate::model::environment::EnvironmentId;
use crate::model::key::{Grants, ScopeName, Scopes};
use crate::model::listener::PlaceMask;
use crate::model::token;
use crate::model::{ClientCertificate, Digest, Slot, Snapshot};
use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;

/// The whole decision over one request line and an `Authorization` token: where it runs, or the refusal's code.
fn decide(
    snapshot: &Snapshot,
    method: &str,
    uri: &str,
    token: &str,
    address: &str,
    now: i64,
) -> Result<(String, EnvironmentId), &'static str> {
    let uri: Uri = uri.parse().map_err(|_| "unparsable")?;
    let segments = path::segments(uri.path()).map_err(|d| d.code())?;
    let route = snapshot.routes.find(&method.parse::<Method>().unwrap(), &segments);
    let mut headers = Fields::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Key={token}")).map_err(|_| "unparsable")?);
    let door = &snapshot.listeners[0];
    let presented = identify(&headers, uri.query(), &door.places, PlaceMask::ALL).map_err(|d| d.code())?;
    let presented = presented.ok_or("missing_key")?;
    let caller = authenticate(snapshot, &presented, now).map_err(|r| r.denial.code())?;
    let asked = asked(uri.query(), &door.environment_parameter);
    let origin = Origin { address: address.parse().unwrap(), certificate: None };
    let permit = authorise(snapshot, &Proven::key(caller), &origin, &route, &asked, now).map_err(|d| d.code())?;
    assert_eq!(permit.connection().environment, permit.environment().id, "E5");
    Ok((permit.connection().name.to_string(), permit.environment().id))
}

/// A world in which everything that varies varies.
fn world() -> impl Strategy<Value = Snapshot> {
    let grants = prop_oneof![
        Just(Grants::All),
        proptest::sample::subsequence(vec!["get", "post"], 0..=2)
            .prop_map(|names| Grants::some(names.into_iter().map(fixture::workflow_uid).collect())),
    ];
    let scopes = (any::<bool>(), any::<bool>()).prop_map(|(a, b)| {
        let scopes = if a { Scopes::NONE.with(ScopeName::WorkflowsInvoke) } else { Scopes::NONE };
        if b { scopes.with(ScopeName::ConnectionsUse) } else { scopes }
    });
    let fixed = proptest::option::of(0usize..2);
    (
        grants,
        scopes,
        fixed,
        (any::<bool>(), proptest::bool::weighted(0.2)),
        proptest::option::of(0i64..2000),
        any::<bool>(),
    )
        .prop_map(|(grants, scopes, fixed, (enabled, revoked), expires_at, anywhere)| {
            let mut s = fixture::snapshot();
            let fixed = fixed.map(|at| s.environments[at].uid);
            let key = &mut s.keys[0];
            key.workflows = grants;
            key.scopes = scopes;
            key.environment = fixed;
            key.enabled = enabled;
            key.revoked = revoked;
            key.expires_at = expires_at;
            if !anywhere {
                key.more_mut().allow_addresses = Some(vec!["192.0.2.0/24".parse().unwrap()]);
            }
            s
        })
}

fn request() -> impl Strategy<Value = (String, String, String)> {
    let method = prop_oneof!["GET", "POST", "HEAD", "DELETE"];
    let path = prop_oneof!["/customers/[a-z0-9]{1,3}", "/orders/[a-z]{0,3}", "/%63ustomers/1", "/[a-z/]{0,6}"];
    let query = prop_oneof!["", "\\?_profile=(Test|Production|test|X)", "\\?a=1&_profile=Test&_profile=Test"];
    let address = prop_oneof![Just("192.0.2.7"), Just("198.51.100.9"), Just("::1")];
    (method, path, query, address).prop_map(|(m, p, q, a)| (m, format!("{p}{q}"), a.to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn removing_a_grant_never_turns_no_into_yes(s in world(), (method, uri, address) in request(), now in 0i64..2000) {
        let token = fixture::token("crm", Slot::Primary);
        let before = decide(&s, &method, &uri, &token, &address, now);
        let mut fewer = s;
        fewer.keys[0].workflows = match &fewer.keys[0].workflows {
            Grants::All => Grants::some(vec![fixture::workflow_uid("get")]),
            Grants::Some(list) => Grants::some(list.iter().skip(1).copied().collect()),
        };
        let after = decide(&fewer, &method, &uri, &token, &address, now);
        prop_assert!(before.is_ok() || after.is_err(), "{before:?} became {after:?}");
    }

    #[test]
    fn disabled_revoked_expired_and_unknown_are_never_permitted(s in world(), (method, uri, address) in request(), now in 0i64..2000) {
        let token = fixture::token("crm", Slot::Secondary);
        let dead = !s.keys[0].enabled || s.keys[0].revoked || s.keys[0].expires_at.is_some_and(|t| t <= now);
        let verdict = decide(&s, &method, &uri, &token, &address, now);
        prop_assert!(!dead || verdict.is_err());
        let stranger = fixture::token("stranger", Slot::Primary);
        prop_assert!(decide(&s, &method, &uri, &stranger, &address, now).is_err());
    }

    #[test]
    fn e5_a_permit_runs_in_the_keys_environment_and_only_with_scope_grant_and_address(s in world(), (method, uri, address) in request(), now in 0i64..2000) {
        let token = fixture::token("crm", Slot::Primary);
        if let Ok((_, environment)) = decide(&s, &method, &uri, &token, &address, now) {
            let key = &s.keys[0];
            prop_assert!(key.environment.is_none_or(|uid| uid == s.environment(environment).uid));
            prop_assert!(key.scopes.has(ScopeName::WorkflowsInvoke));
            prop_assert!(key.more().allow_addresses.is_none() || address == "192.0.2.7");
            prop_assert_ne!(&key.workflows, &Grants::some(vec![]));
        }
    }

    /// K13: with everything else in order, a bound key is permitted exactly with a certificate that it accepts and that
    /// has not expired; one that is not bound, with or without.
    #[test]
    fn k13_a_key_that_is_bound_to_a_certificate_needs_it(
        accepted in proptest::option::of(proptest::collection::vec("[ab]", 0..3)),
        shown in proptest::option::of(("[abc]", 0i64..2000)),
        now in 0i64..2000,
    ) {
        let mut s = fixture::snapshot();
        let names = accepted.clone();
        s.keys[1].more_mut().client_certificates =
            names.map(|names| names.into_iter().map(AcceptedCertificate::Name).collect());
        let certificate = shown.clone().map(|(name, not_after)| ClientCertificate {
            fingerprint: [0; 32], dns_names: vec![name], names: vec![], not_after,
        });
        let origin = Origin { address: "::1".parse().unwrap(), certificate: certificate.as_ref() };
        let bearer = HeaderValue::from_str(&format!("Key={}", &*fixture::token("root", Slot::Primary))).unwrap();
        let headers: Fields = [(http::header::AUTHORIZATION, bearer)].into_iter().collect();
        let presented = identify(&headers, None, &s.listeners[0].places, PlaceMask::ALL).unwrap().unwrap();
        let caller = authenticate(&s, &presented, now).unwrap();
        let route = s.routes.find(&Method::GET, &path::segments("/customers/1").unwrap());
        let asked = asked(None, &s.listeners[0].environment_parameter);
        let verdict = authorise(&s, &Proven::key(caller), &origin, &route, &asked, now).map(drop).map_err(|d| d.code());
        let fits = match (&accepted, &shown) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(accepted), Some((name, not_after))) => accepted.contains(name) && now < *not_after,
        };
        prop_assert_eq!(verdict, if fits { Ok(()) } else { Err("client_certificate_required") });
    }

    #[test]
    fn w1_without_a_valid_credential_every_path_answers_the_same((method, uri, address) in request(), token in "[a-zA-Z0-9_]{0,60}") {
        let s = fixture::snapshot();
        prop_assume!(!uri.contains("//"));
        prop_assert_eq!(decide(&s, &method, &uri, &token, &address, 0), Err("invalid_key"));
    }

    /// K5, hazards 1–4: nothing that was presented, in any place and spelling, and nothing hop-by-hop survives; ours
    /// arrives exactly once; doing it twice changes nothing.
    #[test]
    fn rewriting_leaves_no_credential_and_is_idempotent(
        places in proptest::sample::subsequence(vec![0, 1, 2, 3, 4, 5], 0..6),
        open in (any::<bool>(), any::<bool>(), any::<bool>()),
        query in "(a=[0-9%]{0,3}&?|b){0,3}",
    ) {
        use crate::model::listener::Place;
        let s = fixture::snapshot();
        let token = fixture::token("root", Slot::Primary);
        let mut mask = PlaceMask::ALL;
        for (on, place) in [(open.0, Place::Authorization), (open.1, Place::Header), (open.2, Place::Query)] {
            if !on { mask = mask.without(place); }
        }
        let mut headers = Fields::new();
        let mut uri = format!("/customers/1?{query}");
        for place in places {
            let (name, value) = match place {
                0 => ("authorization", format!("Key={}", &*token)),
                1 => ("x-api-key", token.to_string()),
                2 => ("x_api_key", token.to_string()),
                3 => ("X_Engine-Key", "mine".to_owned()),
                4 => ("connection", "x-engine-key, x-keystile-username".to_owned()),
                _ => { uri.push_str(&format!("&auth%2Dkey={}", &*token)); continue }
            };
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&value).unwrap());
        }
        let uri: Uri = match uri.parse() { Ok(u) => u, Err(_) => return Ok(()) };
        // The permit comes from an honest request; what is rewritten is the hostile one.
        let honest: Fields = [(http::header::AUTHORIZATION, HeaderValue::from_str(&format!("Key={}", &*token)).unwrap())].into_iter().collect();
        let presented = identify(&honest, None, &s.listeners[0].places, PlaceMask::ALL).unwrap().unwrap();
        let caller = authenticate(&s, &presented, 0).unwrap();
        let route = s.routes.find(&Method::GET, &path::segments("/customers/1").unwrap());
        let origin = Origin { address: "::1".parse().unwrap(), certificate: None };
        let permit = authorise(&s, &Proven::key(caller), &origin, &route, &asked(None, &s.listeners[0].environment_parameter), 0).unwrap();
        let who = || Caller {
            side: Side {
                peer: HeaderValue::from_static("::1"), scheme: HeaderValue::from_static("http"),
                host: Some(HeaderValue::from_static("h")),
            },
            trusted: false, request_id: HeaderValue::from_static("r"),
        };
        rewrite::fields(&mut headers, &permit, &s.listeners[0], mask, who());
        let target = rewrite::target(&uri, &permit, &s.listeners[0], mask).unwrap();
        prop_assert!(!token::mentioned_in(target.to_string().as_bytes()), "{target}");
        for (name, value) in &headers {
            prop_assert!(!token::mentioned_in(value.as_bytes()), "{name}");
        }
        prop_assert_eq!(headers.get_all("x-engine-key").map(|v| v.as_bytes().to_vec()).collect::<Vec<_>>(), [b"s3cr3t".to_vec()]);
        prop_assert_eq!(headers.get_all("x-keystile-username").collect::<Vec<_>>(), ["Key: root"]);
        prop_assert!(!headers.contains_key("connection") && !headers.contains_key("x_engine-key"));
        let (once, first) = (headers.clone(), target.clone());
        rewrite::fields(&mut headers, &permit, &s.listeners[0], mask, who());
        prop_assert_eq!(once, headers);
        prop_assert_eq!(rewrite::target(&first, &permit, &s.listeners[0], mask).unwrap(), first);
    }

    #[test]
    fn k8_digests_decide_not_prefixes(cut in 20usize..53) {
        let token = fixture::token("crm", Slot::Primary);
        prop_assert!(fixture::snapshot().keys.find(&Digest::of(&token.as_bytes()[..cut.min(52)])).is_none());
    }
}
