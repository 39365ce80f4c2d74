//! H7, as decisions: what is signed is permitted, and nothing else.

use super::*;
use crate::model::Fields;
use crate::model::key::Grants;
use crate::model::listener::{Place, PlaceMask};
use crate::model::{Keys, Slot};
use crate::policy::authenticate::by_url;
use crate::policy::environment::asked;
use crate::policy::{
    Credential, Origin, Proven, authenticate, authorise, credential, fixture, identify, path, rewrite,
};
use http::{HeaderValue, Method, Uri};
use proptest::prelude::*;
use std::collections::BTreeMap;

const END: i64 = 2_000_000;

fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A URL of `crm` for `get`, as [`issue`] makes it.
fn url(snapshot: &Snapshot, environment: Option<&str>, slot: Slot) -> String {
    let parameters = parameters(&[("id", "7")]);
    let order = Order {
        key: &snapshot.keys[0],
        slot: Some(slot),
        workflow: "get",
        environment,
        expires_at: END,
        base: None,
        parameters: &parameters,
    };
    issue(snapshot, &order, 0).unwrap().url.to_string()
}

fn decide(s: &Snapshot, method: &str, uri: &str, now: i64) -> Result<(String, Option<Slot>), &'static str> {
    let uri: Uri = uri.parse().map_err(|_| "unparsable")?;
    let door = &s.listeners[0];
    let route = s.routes.find(&method.parse::<Method>().unwrap(), &path::segments(uri.path()).map_err(|d| d.code())?);
    let asked = asked(uri.query(), &door.environment_parameter);
    let headers = Fields::new();
    let shown = credential(&headers, uri.query(), &door.places, PlaceMask::ALL).map_err(|d| d.code())?;
    let Some(Credential::Url(url)) = shown else { return Err("missing_key") };
    let caller = by_url(s, url, &route, &asked, now).map_err(|rejected| rejected.denial.code())?;
    let origin = Origin { address: "127.0.0.1".parse().unwrap(), certificate: None };
    let run = authorise(s, &Proven::key(caller), &origin, &route, &asked, now).map_err(|d| d.code())?;
    Ok((run.environment().name.to_string(), caller.slot()))
}

#[test]
fn h7_what_is_signed_is_permitted_in_the_environment_it_was_signed_for() {
    let s = fixture::snapshot();
    let default = url(&s, None, Slot::Primary);
    assert!(default.starts_with("/customers/7?auth-id="), "{default}");
    assert_eq!(decide(&s, "GET", &default, 0), Ok(("Production".into(), Some(Slot::Primary))));
    assert_eq!(decide(&s, "HEAD", &default, 0), Ok(("Production".into(), Some(Slot::Primary))), "GET's workflow");
    let test = url(&s, Some("Test"), Slot::Secondary);
    assert!(test.starts_with("/customers/7?_profile=Test&auth-id="), "{test}");
    assert_eq!(decide(&s, "GET", &test, 0), Ok(("Test".into(), Some(Slot::Secondary))));
}

#[test]
fn h7_another_method_template_environment_workflow_or_master_key_is_the_same_refusal() {
    let s = fixture::snapshot();
    let default = url(&s, None, Slot::Primary);
    let query = default.split_once('?').unwrap().1.to_owned();
    for (method, uri) in [
        ("POST", default.clone()),
        ("GET", format!("/orders/7?{query}")),
        ("POST", format!("/orders/7?{query}")),
        ("GET", format!("/nowhere?{query}")),
        ("GET", format!("{default}&_profile=Test")),
        ("GET", format!("{default}&_profile=Nowhere")),
        ("GET", format!("{default}&_profile=Production&_profile=Production")),
    ] {
        assert_eq!(decide(&s, method, &uri, 0), Err("signature_invalid"), "{method} {uri}");
    }
    assert!(decide(&s, "GET", &format!("{default}&_profile=Production"), 0).is_ok(), "the same, said aloud");
    let changed = |change: fn(&mut Snapshot)| {
        let mut s = fixture::snapshot();
        change(&mut s);
        decide(&s, "GET", &default, 0).map(|_| ())
    };
    assert_eq!(
        changed(|s| s.workflows[0].template = Some(Template::parse("GET /customers/{no}").unwrap())),
        Err("signature_invalid")
    );
    assert_eq!(changed(|s| s.workflows[0].uid = Uid([1; 16])), Err("signature_invalid"));
    assert_eq!(changed(|s| s.default_environment = crate::model::EnvironmentId(1)), Err("signature_invalid"));
    assert_eq!(changed(|s| s.keys[0].uid = Uid([1; 16])), Err("signature_invalid"));
    assert_eq!(changed(|s| s.url_key = None), Err("signature_invalid"));
    let other =
        |s: &mut Snapshot| s.url_key = Some(std::sync::Arc::new(UrlKey::new(&zeroize::Zeroizing::new([8; 32]))));
    assert_eq!(changed(other), Err("signature_invalid"));
    assert_eq!(changed(|s| s.keys.forget_tokens()), Err("signature_invalid"));
    assert_eq!(changed(|_| {}), Ok(()));
}

#[test]
fn h7_it_ends_with_its_time_its_slot_and_its_key() {
    let s = fixture::snapshot();
    let signed = url(&s, None, Slot::Primary);
    assert!(decide(&s, "GET", &signed, END - 1).is_ok());
    assert_eq!(decide(&s, "GET", &signed, END), Err("signature_expired"));
    let with = |change: &dyn Fn(&mut Snapshot), now| {
        let mut s = fixture::snapshot();
        change(&mut s);
        decide(&s, "GET", &signed, now).map(|_| ())
    };
    assert_eq!(with(&|s| s.keys[0].enabled = false, 0), Err("key_disabled"));
    assert_eq!(with(&|s| s.keys[0].revoked = true, 0), Err("key_revoked"));
    assert_eq!(with(&|s| s.keys[0].expires_at = Some(5), 5), Err("key_expired"));
    assert_eq!(with(&|s| s.keys[0].workflows = Grants::nothing(), 0), Err("workflow_not_permitted"));
    assert_eq!(with(&|s| s.keys[0].more_mut().query_key_sunset = Some(0), 1), Ok(()), "it is no token in a URL");
    let token = Digest::of(fixture::token("crm", Slot::Primary).as_bytes());
    let graced = |s: &mut Snapshot| s.keys[0].more_mut().graced = vec![(token, 1000)];
    assert_eq!(with(&graced, 999), Ok(()), "within the grace of what was replaced");
    assert_eq!(with(&graced, 1000), Err("signature_invalid"));
}

#[test]
fn h7_k4_repeated_incomplete_and_beside_a_token() {
    let s = fixture::snapshot();
    let signed = url(&s, None, Slot::Primary);
    let (path, query) = signed.split_once('?').unwrap();
    let pairs: Vec<&str> = query.split('&').collect();
    for at in 0..3 {
        let twice = format!("{signed}&{}", pairs[at].replacen("auth-", "Auth%2D", 1));
        assert_eq!(decide(&s, "GET", &twice, 0), Err("credential_repeated"), "{twice}");
        let without: Vec<&str> = pairs.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, pair)| *pair).collect();
        let expected = if at == 2 { "missing_key" } else { "signature_invalid" };
        assert_eq!(decide(&s, "GET", &format!("{path}?{}", without.join("&")), 0), Err(expected));
    }
    let mixed = format!("{path}?a=1&{}&{}&b&{}", pairs[2].replace("auth-sig", "AUTH%2dSIG"), pairs[0], pairs[1]);
    assert!(decide(&s, "GET", &mixed, 0).is_ok(), "{mixed}");
    let door = &s.listeners[0];
    let headers: Fields = [(http::header::AUTHORIZATION, "Key=kst_x".parse().unwrap())].into_iter().collect();
    let shown = credential(&headers, Some(query), &door.places, PlaceMask::ALL);
    assert_eq!(shown.unwrap_err(), Denial::ConflictingCredentials);
    let off = PlaceMask::ALL.without(Place::SignedUrl);
    assert!(matches!(credential(&headers, Some(query), &door.places, off), Ok(Some(Credential::Token(_)))));
    assert!(matches!(credential(&Fields::new(), Some(query), &door.places, off), Ok(None)));
}

#[test]
fn h7_two_urls_of_one_slot_have_nothing_in_common_and_no_digest_in_them() {
    let s = fixture::snapshot();
    let (one, other) = (url(&s, None, Slot::Primary), url(&s, Some("Test"), Slot::Primary));
    let id = |url: &str| query::pairs(url.split_once('?').unwrap().1).find(|p| p.is(ID)).unwrap().value.to_owned();
    let digest = URL_SAFE_NO_PAD.encode(Digest::of(fixture::token("crm", Slot::Primary).as_bytes()).0);
    assert!(id(&one) != id(&other) && id(&one) != digest && id(&other) != digest);
    let Ok(Some(Ok(read))) = SignedUrl::read(one.split_once('?').unwrap().1) else { panic!("{one}") };
    assert_eq!(format!("{read:?}"), "SignedUrl { expires_at: 2000, .. }");
}

#[test]
fn h7_k5_it_is_stripped_and_every_other_byte_stays() {
    let s = fixture::snapshot();
    let signed = url(&s, None, Slot::Primary);
    let query = signed.split_once('?').unwrap().1;
    let run = permit(&s);
    let sent = |query: &str, open: PlaceMask| {
        let uri: Uri = format!("/customers/7?{query}").parse().unwrap();
        let target = rewrite::target(&uri, &run(&s), &s.listeners[0], open).unwrap();
        target.to_string().replace("/customers/7", "")
    };
    assert_eq!(sent(query, PlaceMask::ALL), "");
    assert_eq!(sent(&format!("a=%41%zz&&{}&b+c", query.replace("auth-", "AUTH%2d")), PlaceMask::ALL), "?a=%41%zz&&b+c");
    assert_eq!(sent("auth-id=3&auth-exp=soon&x", PlaceMask::ALL), "?auth-id=3&auth-exp=soon&x", "somebody else's");
    assert_eq!(sent("auth-id=3&auth-sig=&x", PlaceMask::ALL), "?x");
    let off = PlaceMask::ALL.without(Place::SignedUrl);
    assert_eq!(sent(&format!("a&{query}"), off), "?a", "one of ours, where none is looked for");
    assert_eq!(sent(&format!("{query}&{query}&a"), off), "?a");
    assert_eq!(sent("auth-sig=theirs&x", off), "?auth-sig=theirs&x", "switched off, so that it passes");
}

fn permit(_: &Snapshot) -> impl for<'s> Fn(&'s Snapshot) -> crate::policy::Invocation<'s> {
    |s| {
        let token = HeaderValue::from_str(&format!("Key={}", &*fixture::token("crm", Slot::Primary))).unwrap();
        let headers: Fields = [(http::header::AUTHORIZATION, token)].into_iter().collect();
        let presented = identify(&headers, None, &s.listeners[0].places, PlaceMask::ALL).unwrap().unwrap();
        let caller = authenticate(s, &presented, 0).unwrap();
        let route = s.routes.find(&Method::GET, &path::segments("/customers/7").unwrap());
        let origin = Origin { address: "::1".parse().unwrap(), certificate: None };
        authorise(s, &Proven::key(caller), &origin, &route, &Asked::Nothing, 0).unwrap()
    }
}

/// The field that is wrong with an order.
fn refused(change: impl FnOnce(&mut Snapshot), order: impl FnOnce(&mut Order<'_>)) -> (&'static str, String) {
    let mut s = fixture::snapshot();
    change(&mut s);
    let parameters = parameters(&[("id", "7")]);
    let key = &s.keys[0];
    let mut asked = Order {
        key,
        slot: None,
        workflow: "get",
        environment: None,
        expires_at: END,
        base: None,
        parameters: &parameters,
    };
    order(&mut asked);
    let told = issue(&s, &asked, 1000).map(|issued| issued.url.to_string()).unwrap_err();
    assert!(!told.reason.is_empty() && !told.remedy.is_empty(), "{told:?}");
    (told.field, told.reason)
}

#[test]
fn h7_what_would_be_refused_is_not_signed_and_the_reason_is_told() {
    let field = |change: fn(&mut Snapshot)| refused(change, |_| {}).0;
    assert_eq!(field(|s| s.keys[0].revoked = true), "key");
    assert_eq!(field(|s| s.keys[0].expires_at = Some(1000)), "key");
    assert_eq!(field(|s| s.keys[0].workflows = Grants::nothing()), "workflow");
    assert_eq!(field(|s| s.keys[0].scopes = crate::model::key::Scopes::NONE), "workflow");
    assert_eq!(field(|s| s.workflows[0].template = None), "workflow");
    assert_eq!(field(|s| s.workflows[0].upstream.clear()), "environment");
    assert_eq!(field(|s| s.workflows[0].places = PlaceMask::ALL.without(Place::SignedUrl)), "workflow");
    assert_eq!(field(|s| s.listeners[0].places.open = PlaceMask::ALL.without(Place::SignedUrl)), "workflow");
    assert_eq!(field(|s| s.keys.forget_tokens()), "slot");
    assert_eq!(field(|s| s.keys[0].environment = Some(Uid([9; 16]))), "environment", "it is gone");
    let order = |order: fn(&mut Order<'_>)| refused(|_| {}, order).0;
    assert_eq!(order(|o| o.workflow = "post"), "workflow");
    assert_eq!(order(|o| o.workflow = "none"), "workflow");
    assert_eq!(order(|o| o.environment = Some("test")), "environment");
    assert_eq!(order(|o| o.expires_at = 1000), "expires_at");
    assert_eq!(order(|o| o.expires_at = 1001 + 3653 * 86_400_000), "expires_at");
    for base in
        ["hooks.example.com", "ftp://hooks", "https://a@b", "https://a?b", "https://a#b", "https://a/\"", "/x", ""]
    {
        assert_eq!(refused(|_| {}, |o| o.base = Some(base)).0, "base", "{base}");
    }
    for values in [vec![], vec![("id", "")], vec![("id", "a/b")], vec![("id", "..")], vec![("id", "1"), ("x", "2")]] {
        let values = parameters(&values);
        assert_eq!(refused_with(&values).0, "parameters", "{values:?}");
    }
    assert!(refused_with(&BTreeMap::new()).1.contains("{id}"));
}

fn refused_with(values: &BTreeMap<String, String>) -> (&'static str, String) {
    let s = fixture::snapshot();
    let key = &s.keys[0];
    let order =
        Order { key, slot: None, workflow: "get", environment: None, expires_at: END, base: None, parameters: values };
    issue(&s, &order, 0).map(|_| ()).map_err(|told| (told.field, told.reason)).unwrap_err()
}

#[test]
fn h7_a_url_has_its_placeholders_filled_in_and_its_base_before_it() {
    let mut s = fixture::snapshot();
    s.listeners[0].address = "0.0.0.0:8443".into();
    s.listeners[0].tls = true;
    let values = parameters(&[("rest", "ü/a b/?")]);
    let order = Order {
        key: &s.keys[1],
        slot: None,
        workflow: "post",
        environment: None,
        expires_at: END + 999,
        base: Some("https://hooks.example.com/in/"),
        parameters: &values,
    };
    let issued = issue(&s, &order, 0).unwrap();
    let beginning = "https://hooks.example.com/in/orders/%C3%BC/a%20b/%3F?auth-id=";
    assert!(issued.url.starts_with(beginning), "{}", *issued.url);
    assert_eq!((issued.expires_at, issued.slot, issued.template.method.as_str()), (END, Slot::Primary, "POST"));
    assert_eq!(issued.notices, [Notice::AnyValues]);
    let issued = issue(&s, &Order { base: None, ..order }, 0).unwrap();
    assert!(issued.url.starts_with("https://localhost:8443/orders/"), "{}", *issued.url);
    assert_eq!(issued.notices, [Notice::ListenersAddress, Notice::AnyValues]);
}

#[test]
fn h7_whoever_hands_it_out_is_told_what_stands_in_its_way() {
    let mut s = fixture::snapshot();
    s.keys[0].expires_at = Some(END - 1);
    s.keys[0].enabled = false;
    s.keys[0].more_mut().allow_addresses = Some(vec![]);
    let values = parameters(&[("id", "7")]);
    let order = Order {
        key: &s.keys[0],
        slot: None,
        workflow: "get",
        environment: None,
        expires_at: END,
        base: None,
        parameters: &values,
    };
    let told = issue(&s, &order, 0).unwrap().notices;
    let expected = [
        Notice::PathOnly,
        Notice::AnyValues,
        Notice::KeyEndsBefore(END - 1),
        Notice::KeyDisabled,
        Notice::FromItsAddresses,
    ];
    assert_eq!(told, expected);
}

#[test]
fn h7_a_slot_is_found_among_others_and_not_by_what_it_was() {
    let s = fixture::snapshot();
    let digest = |key: &str, slot| Some(Digest::of(fixture::token(key, slot).as_bytes()));
    let keys: &Keys = &s.keys;
    assert_eq!(keys.token_of(&keys[1], Slot::Secondary), digest("root", Slot::Secondary));
    let mut s = fixture::snapshot();
    s.keys[1].more_mut().graced = vec![(digest("root", Slot::Secondary).unwrap(), i64::MAX)];
    assert_eq!(s.keys.token_of(&s.keys[1], Slot::Secondary), None);
    assert_eq!(s.keys.token_of(&s.keys[1], Slot::Primary), digest("root", Slot::Primary));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever character of the three is another one, it is no longer what was signed.
    #[test]
    fn h7_any_changed_character_of_the_three_is_noticed(at in 0usize..200, to in "[A-Za-z0-9_=-]") {
        let s = fixture::snapshot();
        let signed = url(&s, None, Slot::Primary);
        let from = signed.find("auth-id").unwrap();
        let at = from + at % (signed.len() - from);
        prop_assume!(!signed[at..=at].eq_ignore_ascii_case(&to), "names count in any case");
        let mut changed = signed.clone();
        changed.replace_range(at..=at, &to);
        let verdict = decide(&s, "GET", &changed, 0);
        prop_assert!(matches!(verdict, Err("signature_invalid" | "missing_key" | "credential_repeated")), "{changed}: {verdict:?}");
    }

    /// Cases in values count: base64url knows both.
    #[test]
    fn h7_the_case_of_a_value_counts(at in 0usize..86) {
        let s = fixture::snapshot();
        let signed = url(&s, None, Slot::Primary);
        let values: Vec<usize> = signed.match_indices('=').map(|(at, _)| at + 1).collect();
        let at = if at < 43 { values[0] + at } else { values[2] + at - 43 };
        let flipped: String = signed[at..=at].chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        prop_assume!(signed[at..=at] != flipped);
        let mut changed = signed.clone();
        changed.replace_range(at..=at, &flipped);
        prop_assert_eq!(decide(&s, "GET", &changed, 0), Err("signature_invalid"));
    }

    #[test]
    fn h7_taking_a_grant_away_never_turns_no_into_yes(grants in proptest::sample::subsequence(vec!["get", "post"], 0..=2), method in "GET|POST|HEAD", uri in "/(customers|orders)/[a-z]{1,2}", now in 0i64..4_000_000) {
        let mut s = fixture::snapshot();
        let signed = url(&s, None, Slot::Primary);
        let query = signed.split_once('?').unwrap().1;
        let grants: Vec<Uid> = grants.into_iter().map(fixture::workflow_uid).collect();
        s.keys[0].workflows = Grants::some(grants.clone());
        let before = decide(&s, &method, &format!("{uri}?{query}"), now);
        s.keys[0].workflows = Grants::some(grants.into_iter().skip(1).collect());
        let after = decide(&s, &method, &format!("{uri}?{query}"), now);
        prop_assert!(before.is_ok() || after.is_err());
        prop_assert!(after.is_err() || method != "POST" && uri.starts_with("/customers") && now < END);
    }

    #[test]
    fn h7_reading_never_panics_and_what_is_read_is_stripped(query in "((auth-(id|exp|sig)|AUTH%2Dsig|a)=?[A-Za-z0-9%+=_-]{0,45}&?){0,6}") {
        let read = SignedUrl::read(&query);
        let stands = stands_in(&query, true);
        prop_assert_eq!(stands, !matches!(read, Ok(None)) );
        let left = query::without(&query, |pair| stands && is_part(pair));
        prop_assert!(left.is_none_or(|left| !stands_in(&left, true)));
    }
}
