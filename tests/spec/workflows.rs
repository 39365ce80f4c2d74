//! W1 to W4, W6: which workflow a request means, whether a key may run it, and in which order that is told.

use crate::support::{Ask, World, token};

#[test]
fn w1_the_order_of_reasons() {
    let world = World::build()
        .workflow("limited", "template: 'GET /limited', rate_limit: 1/day, upstream: { Production: engine-production }")
        .key("far", "allow_addresses: [], scopes: [], workflows: [], environment: Test")
        .key("near", "scopes: [], workflows: [], environment: Test")
        .key("granted", "scopes: [], workflows: all, environment: Test")
        .key("scoped", "workflows: all, environment: Test")
        .key("free", "workflows: all")
        .key("off", "enabled: false, allow_addresses: [], scopes: [], workflows: []")
        .start();
    assert_eq!(world.get("/limited").key(&token("free")).send().verdict(), "200", "uses the limit up");
    // From one line to the next, one fault fewer: each fault is told before all that come after it.
    for (verdict, method, target, key) in [
        ("400 ambiguous_path", "GET", "/limited//", None),
        ("401 missing_key", "GET", "/nowhere", None),
        ("401 invalid_key", "GET", "/nowhere", Some("stranger")),
        ("401 key_disabled", "GET", "/nowhere", Some("off")),
        ("403 address_not_allowed", "GET", "/nowhere", Some("far")),
        ("404 workflow_not_found", "GET", "/nowhere", Some("near")),
        ("405 method_not_allowed", "POST", "/limited", Some("near")),
        ("403 workflow_not_permitted", "GET", "/limited", Some("near")),
        ("403 scope_missing", "GET", "/limited", Some("granted")),
        ("403 environment_mismatch", "GET", "/limited", Some("scoped")),
        ("404 workflow_not_in_environment", "GET", "/limited?_profile=Test", Some("scoped")),
        ("429 rate_limited", "GET", "/limited", Some("free")),
    ] {
        let ask = world.ask(method, target);
        let ask = key.map_or(ask.clone(), |key| ask.key(&token(key)));
        assert_eq!(ask.send().verdict(), verdict, "{method} {target} as {key:?}");
    }
    assert_eq!(world.production.count(), 1);
    world.test.assert_untouched();
}

#[test]
fn w1_without_a_valid_credential_every_path_answers_the_same() {
    let world = World::start();
    for (key, verdict) in [(None, "401 missing_key"), (Some("stranger"), "401 invalid_key")] {
        let told: Vec<String> = [
            ("GET", "/customers/1"),
            ("GET", "/customers/1?_profile=Nowhere"),
            ("GET", "/nowhere"),
            ("DELETE", "/customers/1"),
            ("POST", "/orders"),
            ("BREW", "/"),
        ]
        .iter()
        .map(|(method, target)| {
            let ask = world.ask(method, target);
            let reply = key.map_or(ask.clone(), |key| ask.key(&token(key))).send();
            assert_eq!(reply.verdict(), verdict, "{method} {target}");
            reply.anonymous()
        })
        .collect();
        assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:#?}");
    }
    world.assert_untouched();
}

#[test]
fn w1_another_method_is_405_with_allow() {
    let world = World::build()
        .workflow("put", "template: 'PUT /customers/{number}', upstream: { Production: engine-production }")
        .start();
    let reply = world.ask("DELETE", "/customers/1").key(&token("all")).send();
    assert_eq!((reply.verdict().as_str(), reply.header("allow")), ("405 method_not_allowed", Some("GET, HEAD, PUT")));
    let reply = world.ask("GET", "/orders").key(&token("all")).send();
    assert_eq!((reply.verdict().as_str(), reply.header("allow")), ("405 method_not_allowed", Some("POST")));
    for method in ["get", "Get", "GETX", "TRACE", "TRACK"] {
        let reply = world.ask(method, "/customers/1").key(&token("all")).send();
        assert_eq!(reply.verdict(), "405 method_not_allowed", "{method}: methods are case-sensitive");
    }
    world.assert_untouched();
}

#[test]
fn w1_head_uses_gets_workflow_unless_one_is_declared() {
    let world = World::build()
        .workflow("probe", "template: 'HEAD /files/probe', upstream: { Production: engine-production }")
        .start();
    let workflow = |target: &str| {
        let reply = world.ask("HEAD", target).key(&token("all")).send();
        assert_eq!(reply.verdict(), "200");
        let arrived = world.production.last();
        assert_eq!(arrived.method(), "HEAD");
        arrived.header("x-keystile-workflow").unwrap()
    };
    assert_eq!(workflow("/customers/1"), "get-customer");
    assert_eq!(workflow("/files/probe"), "probe");
    assert_eq!(workflow("/files/other"), "files");
    let refused = world.ask("HEAD", "/files/probe").key(&token("crm")).send();
    assert_eq!((refused.verdict().as_str(), refused.body.len()), ("403 workflow_not_permitted", 0));
}

#[test]
fn w2_nothing_is_permitted_that_is_not_on_the_list() {
    let before = World::build();
    let yaml = before.yaml();
    let world = before.start();
    let verdict = |key: &str, target: &str| world.get(target).key(&token(key)).send().verdict();
    for key in ["none", "silent"] {
        assert_eq!(verdict(key, "/customers/1"), "403 workflow_not_permitted", "{key}");
    }
    assert_eq!(verdict("crm", "/files/a"), "403 workflow_not_permitted");
    world.assert_untouched();
    let added = "  - { name: new, template: 'GET /new', upstream: { Production: engine-production } }\nkeys:\n";
    assert!(world.reload(&yaml.replace("keys:\n", added)));
    assert_eq!(verdict("crm", "/new"), "403 workflow_not_permitted", "a new workflow is never permitted by itself");
    assert_eq!(verdict("all", "/new"), "200", "but to a key with the explicit word");
}

#[test]
fn w3_only_workflows_with_a_template_can_be_permitted() {
    let said = World::build().key("eager", "workflows: [unbound]").refused();
    assert!(said.contains("workflow_not_bound") && said.contains("unbound"), "{said}");
}

#[test]
fn w4_templates_of_which_neither_is_more_specific_are_refused_naming_both() {
    for (template, other) in [
        ("GET /customers/{number}", "get-customer"),
        ("GET /files/{anything...}", "files"),
        ("POST /orders", "create-order"),
    ] {
        let fields = format!("template: '{template}', upstream: {{ Production: engine-production }}");
        let said = World::build().workflow("twin", &fields).refused();
        assert!(said.contains("twin") && said.contains(other), "{template}: {said}");
    }
}

#[test]
fn w4_a_literal_goes_before_a_variable_and_a_variable_before_the_rest() {
    let to = "upstream: { Production: engine-production }";
    let world = World::build()
        .workflow("vip", &format!("template: 'GET /customers/vip', {to}"))
        .workflow("orders-of", &format!("template: 'GET /customers/{{id}}/orders', {to}"))
        .workflow("deep", &format!("template: 'GET /customers/{{rest...}}', {to}"))
        .workflow("list", &format!("template: 'GET /customers/', {to}"))
        .workflow("one-file", &format!("template: 'GET /files/{{name}}', {to}"))
        .start();
    for (target, workflow) in [
        ("/customers/vip", "vip"),
        ("/customers/%76ip", "vip"),
        ("/customers/1", "get-customer"),
        ("/customers/1/orders", "orders-of"),
        ("/customers/vip/orders", "orders-of"),
        ("/customers/1/orders/2", "deep"),
        ("/customers/", "list"),
        ("/files/a", "one-file"),
        ("/files/a/b", "files"),
        ("/files/", "files"),
    ] {
        let arrived = world.arrived(&world.get(target).key(&token("all")));
        assert_eq!(arrived.header("x-keystile-workflow").as_deref(), Some(workflow), "{target}");
        assert_eq!(arrived.target(), target);
    }
    // Many upstreams read it as get-customer's path; a key for `deep` alone must not get there.
    let slash = world.get("/customers/1/").key(&token("all")).send();
    assert_eq!(slash.verdict(), "400 ambiguous_path");
}

#[test]
fn w4_a_variable_is_exactly_one_segment_that_is_not_empty() {
    let world = World::start();
    for target in ["/customers", "/customers/", "/customers/1/", "/customers/1/2", "/Customers/1", "/customers1", "/"] {
        let reply = world.get(target).key(&token("all")).send();
        assert_eq!(reply.verdict(), "404 workflow_not_found", "{target}");
    }
    world.assert_untouched();
}

#[test]
fn w6_concealed_refusals_are_byte_equal_whatever_the_reason() {
    let world =
        World::build().listener("conceal: true").key("fixed", "environment: Production, workflows: all").start();
    let get = |key: &str, target: &str| world.get(target).key(&token(key));
    let crm = token("crm");
    let hidden: Vec<(&str, Ask, u16)> = vec![
        ("unknown path", get("all", "/nowhere"), 404),
        ("no key", world.get("/customers/1"), 401),
        ("unknown key", get("stranger", "/customers/1"), 401),
        ("bearer", world.get("/customers/1").header("Authorization", "Bearer nonsense"), 401),
        ("disabled", get("disabled", "/customers/1"), 401),
        ("expired", get("expired", "/customers/1"), 401),
        ("sunset", world.get(&format!("/customers/1?auth-key={}", token("sunset"))), 401),
        ("address", get("elsewhere", "/customers/1"), 403),
        ("method", world.ask("DELETE", "/customers/1").key(&crm), 405),
        ("TRACE", world.ask("TRACE", "/customers/1").key(&crm), 405),
        ("not permitted", get("crm", "/files/x"), 403),
        ("scope", get("no-scope", "/customers/1"), 403),
        ("environment", get("fixed", "/customers/1?_profile=Test"), 403),
        ("not in environment", world.ask("POST", "/orders?_profile=Test").key(&token("all")), 404),
    ];
    let reference = hidden[0].1.send();
    assert_eq!(reference.verdict(), "404 workflow_not_found");
    assert_eq!((reference.header("www-authenticate"), reference.header("allow")), (None, None));
    for (what, ask, really) in &hidden {
        let reply = ask.send();
        assert_eq!(reply.anonymous(), reference.anonymous(), "{what}");
        let record = world.record_of(&reply);
        assert!(!record["code"].is_null(), "{what}: the log tells the truth: {record}");
        assert_eq!(record["status"], *really, "{what}: as what it was refused");
    }
    world.assert_untouched();
    assert_eq!(get("crm", "/customers/1").send().verdict(), "200");
}

#[test]
fn w6_an_upstreams_own_404_is_not_touched() {
    let world = World::build()
        .listener("conceal: true")
        .answering(|_| crate::support::Answer::reply("403 Forbidden", &[("WWW-Authenticate", "Basic")], "theirs"))
        .start();
    let reply = world.call("crm").send();
    assert_eq!((reply.verdict().as_str(), reply.text().as_str()), ("403", "theirs"));
    assert_eq!(reply.header("www-authenticate"), Some("Basic"));
}
