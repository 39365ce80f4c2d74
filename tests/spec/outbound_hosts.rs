//! Hazards 16 and 19 at the outbound door: methods, targets and hosts that are meant to lead a call elsewhere.

use crate::outbound_hostile::{arrived, ask, world};
use crate::support::*;
use crate::tls::Authority;

#[test]
fn hazard_16_methods_and_targets_that_are_no_calls() {
    let world = world().start();
    for method in ["TRACE", "TRACK", "CONNECT"] {
        for target in ["/c/header/x", "api.stripe.com:443"] {
            let verdict = world.call_out(method, target).header("Keystile-Key", token("caller")).send().verdict();
            assert!(["405 method_not_allowed", "400 bad_request"].contains(&&*verdict), "{method} {target}: {verdict}");
        }
    }
    assert_eq!(ask(&world, "*").send().verdict(), "405 method_not_allowed");
    for target in
        ["http://evil.example/c/header/x", "https://gateway.test/c/header/x", "HTTP://gateway.test:80/c/header"]
    {
        let reply = ask(&world, target).send();
        assert_eq!(reply.verdict(), "404 connection_not_found", "a proxy's caller means another server: {target}");
        assert_eq!(world.record_of(&reply)["path"], "/…");
        assert_eq!(world.call_out("GET", target).send().verdict(), "401 missing_key", "{target}");
    }
    world.assert_untouched();
}

#[test]
fn hazard_19_whatever_host_is_said_the_call_goes_to_the_connections_own() {
    let elsewhere = Upstream::start();
    let world = world().start();
    let there = elsewhere.address.to_string();
    for host in
        [&*there, "evil.example", "EVIL.example.", "api.stripe.com.evil.example", "xn--strpe-6ua.com", "h:65535"]
    {
        let seen =
            arrived(&world, &ask(&world, "/c/header/x").header("Host", host).header("X-Forwarded-Host", there.clone()));
        assert_eq!(seen.header("host"), Some(world.production.address.to_string()), "{host}");
    }
    for host in ["api.stripe.com@evil.example", "a,b", "h/..", "", "[::1"] {
        assert_eq!(ask(&world, "/c/header/x").header("Host", host).send().verdict(), "400 invalid_host", "{host}");
    }
    for name in ["header@evil.example", "header:80", "HEADER", "header.", "%68eader", "//evil.example"] {
        let verdict = ask(&world, &format!("/c/{name}/x")).send().verdict();
        assert!(["404 connection_not_found", "400 ambiguous_path"].contains(&&*verdict), "{name}: {verdict}");
    }
    elsewhere.assert_untouched();
}

#[test]
fn hazard_19_a_base_url_that_could_be_read_as_another_place_is_refused_when_loaded() {
    for url in [
        "http://api.stripe.com",
        "https://api.stripe.com@evil.example",
        "https://key:secret@api.stripe.com",
        "https://api.stripe.com?x=1",
        "https://api.stripe.com#x",
        "https://api.stripe.com/../x",
        "https://api.stripe.com\\@evil.example",
        "https://strípe.com",
        "https://",
        "ftp://api.stripe.com",
        "//api.stripe.com",
        "https://api.stripe.com:0",
        "https://api stripe.com",
    ] {
        let fields = format!("base_url: '{url}', secret: 'file:production.secret', inject: {{ header: X-Key }}");
        let said = World::build().outbound("").connection("odd", &fields).refused();
        assert!(said.contains("base_url"), "{url}: {said}");
        assert!(!said.contains("key:secret"), "{said}");
    }
    // What differs in spelling alone is one place: the Host that is sent is the certificate's name.
    let ca = Authority::new();
    let provider = Provider::start(&ca, &["api.stripe.com"], Upstream::start());
    for url in ["https://API.Stripe.com", "https://api.stripe.com:443", "https://api.stripe.com."] {
        let fields = format!("base_url: '{url}', tls: {{ ca: ca.pem }}, addresses: ['{}']", provider.address);
        let build = World::build().outbound("").file("ca.pem", ca.pem()).key("caller", "connections: all");
        let world = build.connection("odd", &fields).start();
        assert_eq!(ask(&world, "/c/odd/x").send().verdict(), "200", "{url}");
        let host = provider.upstream.last().header("host").unwrap().to_ascii_lowercase();
        assert!(["api.stripe.com", "api.stripe.com.", "api.stripe.com:443"].contains(&&*host), "{url}: {host}");
    }
}
