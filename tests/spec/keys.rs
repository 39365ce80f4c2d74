//! K1 to K4, K14: where a key is looked for, what is said when it is not there, and what the upstream is told.

use crate::support::{Ask, World, token};

#[test]
fn k1_no_credential_is_401_missing_key_with_both_challenges() {
    let world = World::start();
    for ask in [
        world.get("/customers/1"),
        world.get("/customers/1?auth_key=x&authkey=y&key=z"),
        world.get("/customers/1").header("X-Api-Keys", token("crm")).header("Cookie", "auth-key=1"),
        world.get("/no/such/path"),
        world.ask("DELETE", "/customers/1"),
    ] {
        let reply = ask.send();
        assert_eq!(reply.verdict(), "401 missing_key");
        assert_eq!(reply.all("www-authenticate"), ["Key realm=\"keystile\"", "Bearer realm=\"keystile\""]);
        assert_eq!(world.record_of(&reply)["code"], "missing_key");
    }
    world.assert_untouched();
}

#[test]
fn k2_unknown_and_malformed_tokens_are_401_and_told_apart_by_nobody() {
    let world = World::start();
    let (known, unknown) = (token("crm"), token("nobody"));
    let tampered = [&known[..52], if known.ends_with('0') { "1" } else { "0" }].concat();
    let malformed =
        [&known[..52], &known[..10], "kst_", "k", "short", &"a".repeat(600), &known[4..], &format!("\"{known}\"")];
    let reference = world.call("nobody").send();
    assert_eq!(reference.verdict(), "401 invalid_key");
    for wrong in malformed.into_iter().chain([tampered.as_str(), &unknown.to_uppercase()]) {
        let reply = world.get("/customers/1").key(wrong).send();
        assert_eq!(reply.anonymous(), reference.anonymous(), "{wrong}");
    }
    world.assert_untouched();
}

#[test]
fn k2_bearer_adds_invalid_token_to_its_challenge_only_if_one_was_sent() {
    let world = World::start();
    let bearer = |value: &str| {
        let reply = world.get("/customers/1").header("Authorization", value).send();
        assert_eq!(reply.verdict(), "401 invalid_key", "{value}");
        reply.all("www-authenticate")[1].to_owned()
    };
    assert_eq!(bearer("Bearer nonsense"), "Bearer realm=\"keystile\", error=\"invalid_token\"");
    assert_eq!(bearer("Key nonsense"), "Bearer realm=\"keystile\"");
}

/// Every accepted place with one token in it, in every spelling.
fn places(world: &World, token: &str) -> Vec<(Ask, &'static str)> {
    let get = || world.get("/customers/1");
    let encoded: String = token.bytes().map(|b| format!("%{b:02X}")).collect();
    let mut all = Vec::new();
    for scheme in ["Key=", "key=", "KEY=", "Key= ", "Key ", "kEy ", "Key   ", "Key\t", "Bearer ", "bearer ", "BEARER  "]
    {
        all.push((get().header("Authorization", format!("{scheme}{token}")), "authorization"));
    }
    all.push((get().header("aUTHORIZATION", format!("  Key={token}  ")), "authorization"));
    for name in ["X-API-Key", "x-api-key", "X-Api-KEY"] {
        all.push((get().header(name, token), "header"));
    }
    for name in ["auth-key", "auth%2Dkey", "auth%2dkey", "%61uth-key", "Auth-Key", "AUTH%2DKEY"] {
        all.push((get().query(&format!("a=1&{name}={token}&b=2")), "query"));
    }
    all.push((get().query(&format!("auth-key={encoded}")), "query"));
    all
}

#[test]
fn k3_a_token_is_accepted_in_every_place_and_spelling() {
    let world = World::start();
    for (ask, place) in places(&world, &token("crm")) {
        let reply = ask.send();
        let shown = String::from_utf8_lossy(&ask.bytes()).into_owned();
        assert_eq!(reply.verdict(), "200", "{shown}");
        let record = world.record_of(&reply);
        assert_eq!(
            (record["credential_place"].as_str(), record["key"].as_str()),
            (Some(place), Some("crm")),
            "{shown}"
        );
    }
}

#[test]
fn k3_places_have_configurable_names() {
    let world = World::build().listener("credentials: { header: X-Partner-Token, query: partner }").start();
    let (get, crm) = (|| world.get("/customers/1"), token("crm"));
    assert_eq!(get().header("x-partner-token", &crm).send().verdict(), "200");
    assert_eq!(get().query(&format!("partner={crm}")).send().verdict(), "200");
    assert_eq!(get().header("X-API-Key", &crm).send().verdict(), "401 missing_key");
    assert_eq!(get().query(&format!("auth-key={crm}")).send().verdict(), "401 missing_key");
}

#[test]
fn k3_places_can_be_switched_off_for_a_listener() {
    let closed = [
        ("credentials: { authorization: false }", "authorization"),
        ("credentials: { header: false }", "header"),
        ("credentials: { query: false }", "query"),
    ];
    for (field, off) in closed {
        let world = World::build().listener(field).start();
        for (ask, place) in places(&world, &token("crm")) {
            let expected = if place == off { "401 missing_key" } else { "200" };
            assert_eq!(ask.send().verdict(), expected, "{field}: {}", String::from_utf8_lossy(&ask.bytes()));
        }
    }
}

#[test]
fn k3_places_can_be_switched_off_for_a_workflow_and_only_there() {
    let strict = "template: 'GET /strict', upstream: { Production: engine-production }";
    let world =
        World::build().workflow("strict", &format!("{strict}, credentials: {{ query: false, header: false }}")).start();
    let all = token("all");
    let verdict = |ask: Ask| ask.send().verdict();
    assert_eq!(verdict(world.get("/strict").key(&all)), "200");
    assert_eq!(verdict(world.get("/strict").query(&format!("auth-key={all}"))), "401 missing_key");
    assert_eq!(verdict(world.get("/strict").header("X-API-Key", &all)), "401 missing_key");
    assert_eq!(verdict(world.get("/customers/1").query(&format!("auth-key={all}"))), "200");
    assert_eq!(verdict(world.get("/customers/1").header("X-API-Key", &all)), "200");
}

#[test]
fn k4_the_same_token_in_several_places_is_fine() {
    let world = World::start();
    let crm = token("crm");
    let ask = world.call("crm").header("X-API-Key", &crm).header("X-API-Key", &crm).query(&format!("auth-key={crm}"));
    let arrived = world.arrived(&ask);
    assert!(!arrived.text().contains(&crm));
}

#[test]
fn k4_two_different_credentials_are_400_whichever_of_them_is_good() {
    let world = World::start();
    let (crm, all) = (token("crm"), token("all"));
    let get = || world.get("/customers/1");
    for (what, ask) in [
        ("two good ones", get().key(&crm).header("X-API-Key", &all)),
        ("a bad one before a good one", get().key("nonsense").header("X-API-Key", &all)),
        ("a good one in the query beside a bad header", get().key("nonsense").query(&format!("auth-key={crm}"))),
        (
            "a foreign Bearer beside a good header",
            get().header("Authorization", "Bearer j.w.t").header("X-API-Key", &crm),
        ),
        ("both slots of one key", get().key(&crm).header("X-API-Key", token("crm.secondary"))),
        ("two header lines", get().header("X-API-Key", &crm).header("x-api-key", &all)),
        ("an empty one beside a good one", get().key(&crm).header("X-API-Key", "")),
        ("an empty query beside a good one", get().key(&crm).query("auth-key")),
        ("two Authorization lines, equal", get().key(&crm).key(&crm)),
        ("two Authorization lines, one foreign", get().header("Authorization", "Basic dTpw").key(&crm)),
        ("two foreign Authorization lines", get().header("Authorization", "Basic dTpw").header("authorization", "A b")),
        ("two in one line", get().header("X-API-Key", format!("{crm}, {all}")).key(&crm)),
    ] {
        assert_eq!(ask.send().verdict(), "400 conflicting_credentials", "{what}");
    }
    world.assert_untouched();
}

#[test]
fn k4_a_repeated_query_credential_is_400_in_every_spelling() {
    let world = World::start();
    let crm = token("crm");
    for query in [
        format!("auth-key={crm}&auth-key={crm}"),
        format!("auth-key={crm}&a=1&auth%2Dkey={crm}"),
        format!("%61uth-key={crm}&AUTH-KEY=x"),
        format!("auth-key&auth-key={crm}"),
    ] {
        assert_eq!(world.get("/customers/1").query(&query).send().verdict(), "400 credential_repeated", "{query}");
        assert_eq!(world.call("crm").query(&query).send().verdict(), "400 credential_repeated", "{query}");
    }
    world.assert_untouched();
}

#[test]
fn k4_a_foreign_scheme_is_no_credential_and_arrives_unchanged() {
    let world = World::start();
    for foreign in
        ["HMAC-SHA256 Credential=a/b, Signature=c=", "Basic dTpw", "Token abc", "Bearer=x", "AWS4  x", "Keyed=1"]
    {
        let alone = world.get("/customers/1").header("Authorization", foreign);
        assert_eq!(alone.send().verdict(), "401 missing_key", "{foreign}");
        let arrived = world.arrived(&alone.header("X-API-Key", token("crm")));
        assert_eq!(arrived.header("authorization").as_deref(), Some(foreign));
    }
}

#[test]
fn k4_a_foreign_bearer_passes_where_the_place_is_switched_off() {
    let world = World::build().listener("credentials: { authorization: false }").start();
    let ask = world.get("/customers/1").header("Authorization", "Bearer j.w.t").header("X-API-Key", token("crm"));
    assert_eq!(world.arrived(&ask).header("authorization").as_deref(), Some("Bearer j.w.t"));
}

#[test]
fn k4_a_foreign_scheme_is_replaced_where_authorization_is_injected() {
    let fields = "base_url: 'http://{production}', inject: { header: Authorization, value: 'Bearer {secret}' }, secret: 'file:production.secret'";
    let world = World::build().route("bearer", fields).start();
    let ask = world.get("/bearer/x").header("Authorization", "HMAC abc").header("X-API-Key", token("all"));
    let expected = format!("Bearer {}", crate::support::world::PRODUCTION_SECRET);
    assert_eq!(world.arrived(&ask).header("authorization"), Some(expected));
}

#[test]
fn k14_the_upstream_learns_who_called_and_forged_copies_are_gone() {
    let world = World::start();
    let mut ask = world.call("crm");
    for name in ["Username", "Key-Id", "Workflow", "Environment", "Scopes", "Error"] {
        for spelling in [format!("X-Keystile-{name}"), format!("x_keystile_{name}"), format!("X.Keystile-{name}")] {
            ask = ask.header(&spelling, "forged");
        }
    }
    let ask =
        ask.header("X-Request-Id", "forged").header("x_request_id", "forged").header("X-Keystile-Username", "Key: all");
    let reply = ask.send();
    assert_eq!(reply.verdict(), "200");
    let arrived = world.production.last();
    assert_eq!(arrived.header("x-keystile-username").as_deref(), Some("Key: crm"));
    assert_eq!(arrived.header("x-keystile-workflow").as_deref(), Some("get-customer"));
    assert_eq!(arrived.header("x-keystile-environment").as_deref(), Some("Production"));
    assert_eq!(arrived.header("x-request-id").as_deref(), Some(reply.request_id()));
    let record = world.record_of(&reply);
    assert_eq!(arrived.header("x-keystile-key-id").as_deref(), record["key_id"].as_str());
    assert!(!arrived.text().contains("forged"), "{}", arrived.text());
    let ours = arrived.headers().iter().filter(|(n, _)| n.to_ascii_lowercase().starts_with("x-keystile")).count();
    assert_eq!(ours, 4);
}
