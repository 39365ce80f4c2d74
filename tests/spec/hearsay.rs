//! Hazards 4 and 5: what a caller says about itself, or about another method than its own, is not passed on as true.

use crate::support::{World, token};

#[test]
fn hazard_4_forwarding_fields_of_an_untrusted_peer_are_replaced() {
    let world = World::start();
    let mut ask = world.call("crm");
    for name in [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X_Forwarded_For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
    ] {
        ask = ask.header(name, "6.6.6.6");
    }
    let arrived = world.arrived(&ask);
    assert!(!arrived.text().contains("6.6.6.6"), "{}", arrived.text());
    assert_eq!(arrived.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(arrived.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(arrived.header("x-forwarded-host").as_deref(), Some("gateway.test"));
}

#[test]
fn hazard_4_those_of_a_trusted_peer_are_extended() {
    let world = World::build().listener("trusted_proxies: [127.0.0.0/8]").start();
    let ask = world
        .call("crm")
        .header("X-Forwarded-For", "203.0.113.9")
        .header("X-Forwarded-For", "203.0.113.10, 203.0.113.11")
        .header("X_Forwarded_For", "6.6.6.6")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "shop.test");
    let arrived = world.arrived(&ask);
    let chain = arrived.header("x-forwarded-for").unwrap();
    assert_eq!(chain, "203.0.113.9, 203.0.113.10, 203.0.113.11, 127.0.0.1");
    assert_eq!(arrived.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(arrived.header("x-forwarded-host").as_deref(), Some("shop.test"));
    assert!(!arrived.text().contains("6.6.6.6"), "an alias is never the proxy's own");
}

#[test]
fn hazard_5_fields_that_would_make_the_upstream_act_on_something_else_are_dropped() {
    let world = World::start();
    for name in [
        "X-HTTP-Method-Override",
        "x-http-method-override",
        "X_HTTP_Method_Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X.Method.Override",
        "X-Original-URL",
        "X_Original_URL",
        "X-Rewrite-URL",
    ] {
        let arrived = world.arrived(&world.call("crm").header(name, "DELETE").header(name, "/admin"));
        assert!(arrived.all(name).is_empty(), "{name}");
        assert!(!arrived.text().contains("DELETE") && !arrived.text().contains("/admin"), "{}", arrived.text());
        assert_eq!(arrived.line(), "GET /customers/1 HTTP/1.1");
    }
}

#[test]
fn hazard_5_the_policy_is_applied_to_the_method_that_is_sent() {
    let world = World::start();
    // A key for GET alone cannot borrow POST's workflow, nor the other way round.
    let ask = world.ask("GET", "/orders").key(&token("all")).header("X-HTTP-Method-Override", "POST");
    assert_eq!(ask.send().verdict(), "405 method_not_allowed");
    world.assert_untouched();
}

#[test]
fn everything_else_in_a_head_arrives_as_it_was_sent() {
    let world = World::start();
    let fields = [
        ("Accept", "text/html;q=0.9, */*"),
        ("Cookie", "a=1; b=\"2\""),
        ("User-Agent", "test/1 (x; y)"),
        ("X-Empty", ""),
        ("X-Odd!#$%&'*+.^_`|~", "odd name"),
        ("X-Inside", "two  blanks\tand a tab"),
        ("Accept-Encoding", "gzip, br"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"x\", W/\"y\""),
        ("Origin", "https://example.test"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let ask = fields.iter().fold(world.call("crm"), |ask, (name, value)| ask.header(name, *value));
    let arrived = world.arrived(&ask.header("X-Twice", "1").header("X-Twice", "2"));
    for (name, value) in fields {
        assert_eq!(arrived.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(arrived.all("x-twice"), ["1", "2"], "in order");
}

#[test]
fn hazard_21_a_gateway_that_is_its_own_upstream_refuses_the_second_round() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fields = format!("base_url: 'http://{address}', inject: {{ header: X-API-Key }}, secret: 'file:again.secret'");
    let world = World::build()
        .at(address)
        .file("again.secret", token("round"))
        .route("round", &fields)
        .key("round", "workflows: [round]")
        .start();
    let reply = world.get("/round/1").key(&token("round")).send();
    // Passed back by the first round as its upstream's answer.
    assert_eq!((reply.status, reply.json()["code"].as_str()), (508, Some("loop_detected")));
    let record = world.await_record(|r| r["code"] == "loop_detected");
    assert_eq!((record["whose"].as_str(), record["key"].as_str()), (Some("gateway"), Some("round")));
}

#[test]
fn requests_say_which_way_they_came() {
    let world = World::start();
    let seen = world.arrived(&world.call("crm").header("Via", "1.0 fred"));
    let all = seen.all("via");
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all[0], "1.0 fred");
    assert!(all[1].starts_with("1.1 keystile-"), "{all:?}");
}

#[test]
fn hazard_4_forwarded_is_believed_and_extended_where_the_proxies_write_it() {
    let world = World::build()
        .listener("trusted_proxies: [127.0.0.0/8]")
        .listener("forwarded_field: forwarded")
        .key("far", "workflows: all, allow_addresses: [203.0.113.0/24]")
        .start();
    let ask = world
        .call("far")
        .header("Forwarded", "for=6.6.6.6, for=203.0.113.9;proto=https")
        .header("X-Forwarded-For", "6.6.6.6");
    let arrived = world.arrived(&ask);
    let lines = arrived.all("forwarded");
    assert_eq!(lines, ["for=6.6.6.6, for=203.0.113.9;proto=https", "for=127.0.0.1;proto=http;host=\"gateway.test\""]);
    assert_eq!(arrived.header("x-forwarded-for").as_deref(), Some("127.0.0.1"), "not what these proxies write");
    let hearsay = world.call("far").header("X-Forwarded-For", "203.0.113.9").send();
    assert_eq!(hearsay.verdict(), "403 address_not_allowed");
}
