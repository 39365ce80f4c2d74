use super::super::fixture;
use super::*;
use proptest::prelude::*;

fn map(lines: &[(&str, &str)]) -> Fields {
    let mut headers = Fields::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Names that are left, sorted.
fn left(lines: &[(&str, &str)], open: PlaceMask, trusted: bool) -> Vec<String> {
    let mut headers = map(lines);
    strip(&mut headers, &fixture::places(), open, &fixture::connection(0, 0), trusted);
    let mut names: Vec<String> = headers.keys().map(|n| n.to_string()).collect();
    names.sort();
    names
}

#[test]
fn k5_hazard_1_the_credential_is_removed_from_every_place() {
    let token = fixture::token("crm", crate::model::Slot::Primary);
    let basic = {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("u:{}", &*token)))
    };
    for (name, value) in [
        ("authorization", "Key=abc".to_owned()),
        ("authorization", format!("Bearer {}", &*token)),
        ("authorization", format!("Bearer={}", &*token)),
        ("authorization", basic),
        ("x-api-key", "abc".to_owned()),
        ("x_api_key", "abc".to_owned()),
        ("x.api_key", "abc".to_owned()),
    ] {
        assert!(left(&[(name, &value)], PlaceMask::ALL, false).is_empty(), "{name}: {value}");
    }
    let closed = PlaceMask::ALL.without(Place::Authorization).without(Place::Header);
    assert!(
        left(&[("authorization", &format!("Bearer {}", &*token)), ("x-api-key", &token)], closed, false).is_empty()
    );
    assert_eq!(
        left(&[("authorization", "Bearer jwt"), ("x-api-key", "x")], closed, false),
        ["authorization", "x-api-key"]
    );
    assert_eq!(
        left(&[("authorization", "HMAC abc")], PlaceMask::ALL, false),
        ["authorization"],
        "K4: a sender's own scheme"
    );
}

#[test]
fn hazard_2_fields_that_connection_names_go_and_so_do_all_hop_by_hop_ones() {
    let lines = [
        ("connection", "close, X-Drop"),
        ("connection", "x-other"),
        ("x-drop", "1"),
        ("x-other", "1"),
        ("keep-alive", "1"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "x"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("content-length", "3"),
        ("x-stays", "1"),
    ];
    assert_eq!(left(&lines, PlaceMask::ALL, false), ["content-length", "x-stays"]);
}

#[test]
fn hazard_3_the_injected_slot_is_emptied_in_every_spelling() {
    for name in ["x-engine-key", "X-ENGINE-KEY", "x_engine_key", "x-engine_key", "x.engine.key"] {
        assert!(left(&[(name, "mine"), (name, "again")], PlaceMask::ALL, false).is_empty(), "{name}");
    }
    assert_eq!(left(&[("x-engine-keys", "1")], PlaceMask::ALL, false), ["x-engine-keys"]);
}

#[test]
fn hazard_4_and_5_forged_identity_and_method_overrides() {
    for name in [
        "x-keystile-username",
        "x_keystile_username",
        "X-Keystile-Anything",
        "x-request-id",
        "x-http-method-override",
        "x_http_method_override",
        "x-method-override",
        "x-http-method",
        "x-original-url",
        "x-rewrite-url",
        "proxy",
        "x_original_uri",
        "content_length",
        "content.length",
        "transfer_encoding",
        "expect",
        "host",
    ] {
        assert!(left(&[(name, "1")], PlaceMask::ALL, true).is_empty(), "{name}");
    }
    for name in ["x-forwarded-for", "x-forwarded-proto", "x_forwarded_for", "forwarded", "x-real-ip", "true-client-ip"]
    {
        assert!(left(&[(name, "1")], PlaceMask::ALL, false).is_empty(), "{name}");
    }
    for name in [
        "x-client-cert",
        "X-Client-Certificate",
        "x-client-cert-fingerprint",
        "x-ssl-client-s-dn",
        "X_SSL_CLIENT_VERIFY",
        "ssl_client_cert",
        "ssl-client-verify",
        "x-forwarded-client-cert",
        "x_forwarded_client_cert",
        "client-cert",
        "client_cert_chain",
        "x-arr-clientcert",
    ] {
        assert!(left(&[(name, "1")], PlaceMask::ALL, false).is_empty(), "{name}");
    }
    assert_eq!(left(&[("ssl-client-verify", "1"), ("x-client-id", "1")], PlaceMask::ALL, true).len(), 2);
    assert_eq!(left(&[("x-client-id", "1")], PlaceMask::ALL, false), ["x-client-id"]);
    assert_eq!(left(&[("x-forwarded-for", "1"), ("x_forwarded_for", "1")], PlaceMask::ALL, true), ["x-forwarded-for"]);
}

#[test]
fn cookies_of_http_2_become_one_line() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
    strip(&mut headers, &fixture::places(), PlaceMask::ALL, &fixture::connection(0, 0), false);
    assert_eq!(headers.get_all("cookie").collect::<Vec<_>>(), ["a=1; b=2"]);
}

#[test]
fn an_upstream_cannot_speak_for_the_gateway() {
    let mut reply = map(&[
        ("x-keystile-error", "x"),
        ("x-keystile-replayed", "true"),
        ("x-request-id", "x"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("etag", "1"),
    ]);
    strip_reply(&mut reply);
    assert_eq!(reply.keys().collect::<Vec<_>>(), ["etag"]);
}

#[test]
fn hazard_2_of_however_many_names_a_connection_line_has_each_goes() {
    let names: Vec<String> = (0..40).rev().map(|n| format!("x-{n}")).collect();
    let mut headers = map(&[("connection", &names.join(", ")), ("x-stays", "1"), ("accept", "*/*")]);
    for name in &names {
        headers.append(&**name, HeaderValue::from_static("goes"));
    }
    strip(&mut headers, &fixture::places(), PlaceMask::ALL, &fixture::connection(0, 0), false);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-stays", "accept"]);
}

#[test]
fn what_is_passed_without_a_second_look_would_pass_it() {
    for name in &EVERYDAY {
        let name = name.as_str();
        assert!(!(is_hop_by_hop(name) || is_replaced(name) || is_hearsay(name) || is_ours_alone(name)), "{name}");
        assert!(!name.starts_with("x-keystile-") && !name.starts_with("keystile-"));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name} is its own folded form");
    }
}

proptest! {
    #[test]
    fn stripping_twice_is_stripping_once(names in proptest::collection::vec("(x[-_.]engine[-_.]key|connection|x-[a-z]{1,3}|x[-_]keystile-a|te|cookie|authorization)", 0..8), values in proptest::collection::vec("(Key=a|x-a, x-b|close|Basic a)", 8)) {
        let mut once = Fields::new();
        for (n, v) in names.iter().zip(&values) {
            once.append(HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_str(v).unwrap());
        }
        let connection = fixture::connection(0, 0);
        strip(&mut once, &fixture::places(), PlaceMask::ALL, &connection, false);
        prop_assert!(!once.keys().any(|n| is_hop_by_hop(n.as_str()) || injected(n.as_str(), &connection)));
        let mut twice = once.clone();
        strip(&mut twice, &fixture::places(), PlaceMask::ALL, &connection, false);
        prop_assert_eq!(once, twice);
    }
}
