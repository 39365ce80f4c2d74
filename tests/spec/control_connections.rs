//! Connections through the API, and what goes to their upstreams: C1, C7, C9, C16, R1, R2, S2, T1a.

use crate::support::hunt::assert_absent;
use crate::support::managed::{SECRET, text};
use crate::support::{Answer, Api, Gate, Managed, Upstream, token};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// A caller of everything.
fn caller(gateway: &Managed) -> String {
    let body = json!({ "name": "caller", "workflows": "all", "connections": "all" });
    text(&gateway.api().create("keys", body)["primary"])
}

fn call(gateway: &Managed, target: &str, token: &str) -> String {
    gateway.call_out("GET", target).key(token).send().verdict()
}

/// What the upstream got as its credential, last.
fn credential(upstream: &Upstream) -> String {
    upstream.last().header("x-engine-key").expect("a credential")
}

fn set_secret(api: &Api, name: &str, secret: &str) -> Value {
    api.done("PUT", &format!("/connections/{name}/secret"), json!({ "secret": secret }))
}

#[test]
fn c1_a_stored_connection_is_called_and_what_is_not_ones_own_does_not_exist() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    gateway.connection("somebody-elses", "Production", "elses-secret-123456");
    let own = json!({ "name": "worker", "connections": ["engine"], "workflows": [] });
    let worker = text(&api.create("keys", own)["primary"]);
    assert_eq!(call(&gateway, "/c/engine/v1/things?x=1", &worker), "200");
    let arrived = gateway.production.last();
    assert_eq!((arrived.target().as_str(), credential(&gateway.production).as_str()), ("/v1/things?x=1", SECRET));
    assert_absent(&arrived.text(), std::slice::from_ref(&worker));
    let before = gateway.production.count();
    let gone = text(&gateway.connection("gone", "Production", "gone-secret-12345678")["id"]);
    api.done("DELETE", "/connections/gone", Value::Null);
    let replies: Vec<String> = ["nobodys", "somebody-elses", "gone", &gone]
        .iter()
        .map(|name| gateway.call_out("GET", &format!("/c/{name}/v1/things")).key(&worker).send().anonymous())
        .collect();
    assert!(replies[0].contains("connection_not_found"), "{}", replies[0]);
    let alike = |reply: &String| reply.len() == replies[0].len() || *reply == replies[0];
    assert!(replies.iter().all(alike), "{replies:#?}");
    assert_eq!(gateway.production.count(), before);
    assert_eq!(call(&gateway, "/c/engine/v1", &text(&crm["primary"])), "404 connection_not_found");
    api.edit("/keys/worker", json!({ "connections": ["somebody-elses"] }));
    assert_eq!(call(&gateway, "/c/somebody-elses/v1", &worker), "200", "from the next request on");
    assert_eq!(call(&gateway, "/c/engine/v1", &worker), "404 connection_not_found");
}

#[test]
fn c7_what_a_connector_needs_besides_is_named() {
    let gateway = Managed::start();
    let api = gateway.api();
    for (connector, missing) in [("twilio", "account"), ("shopify", "store"), ("custom", "base_url")] {
        let mut body = json!({ "name": "needy", "connector": connector, "secret": "a7c3e1f9a7c3e1f9a7c3e1f9a7c3e1f9" });
        if connector == "custom" {
            body.as_object_mut().unwrap().remove("connector");
            body.as_object_mut().unwrap().insert("inject".into(), json!({ "header": "X-Key" }));
        }
        let problem = api.refused("POST", "/connections", body, "422 invalid");
        assert!(problem["errors"].to_string().contains(missing), "{problem}");
    }
    api.refused("GET", "/connections/needy", Value::Null, "404 connection_not_found");
}

#[test]
fn c9_white_space_is_trimmed_with_a_notice_and_control_characters_are_refused() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let shown = set_secret(&api, "engine", " \t pasted-secret-123\r\n");
    assert!(shown["notices"][0].as_str().unwrap().contains("white space"), "{shown}");
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    assert_eq!(credential(&gateway.production), "pasted-secret-123");
    assert_eq!(set_secret(&api, "engine", "clean-secret-123")["notices"], json!([]));
    for bad in ["in-\u{0}-side", "two\nlines-of-it", "a-\u{7f}-delete", "\u{1b}[31mred", "", "  \n "] {
        let body = json!({ "secret": bad });
        let problem = api.refused("PUT", "/connections/engine/secret", body, "422 invalid");
        assert_eq!(problem["errors"][0]["field"], "secret");
        let place = format!("http://{}", gateway.production.address);
        let body = json!({ "name": "new", "base_url": place, "inject": { "header": "X-K" }, "secret": bad });
        api.refused("POST", "/connections", body, "422 invalid");
    }
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    assert_eq!(credential(&gateway.production), "clean-secret-123");
}

#[test]
fn c9_a_doubtful_key_is_told_whether_it_is_tried_or_not() {
    let gateway = Managed::start();
    let api = gateway.api();
    let body = json!({ "name": "stripe-production", "connector": "stripe", "base_url": "https://127.0.0.1:9" });
    api.create("connections", body);
    let doubt = |query: &str, secret: &str| {
        let path = format!("/connections/stripe-production/secret{query}");
        api.done("PUT", &path, json!({ "secret": secret }))["notices"].to_string()
    };
    for query in ["", "?verify=false"] {
        let test = doubt(query, &format!("sk_test_{}", "Qz7Kx2Lm9W".repeat(3)));
        assert!(test.contains("test key"), "{query}: {test}");
        let other = doubt(query, "this-is-no-key-of-theirs");
        assert!(other.len() > 2 && !other.contains("this-is-no-key"), "{query}: {other}");
        assert_eq!(doubt(query, &format!("sk_live_{}", "Qz7Kx2Lm9W".repeat(3))), "[]", "{query}");
    }
}

#[test]
fn c16_a_secret_does_not_follow_its_connection_to_another_destination() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let token = text(&crm["primary"]);
    assert_eq!(gateway.order(&token), "200");
    api.edit("/connections/engine", json!({ "title": "The engine", "rate_limit": "1000/s" }));
    assert_eq!(gateway.order(&token), "200", "that is no other destination");

    let (here, there) = (format!("http://{}", gateway.production.address), format!("http://{}", gateway.test.address));
    for (patch, back) in [
        (json!({ "base_url": there }), json!({ "base_url": here })),
        (json!({ "inject": { "header": "X-Other" } }), json!({ "inject": { "header": "X-Engine-Key" } })),
    ] {
        let moved = api.edit("/connections/engine", patch);
        assert_eq!((&moved["status"], &moved["secret_version"]), (&json!("needs_secret"), &Value::Null));
        assert_eq!(gateway.order(&token), "503 secret_unavailable");
        api.refused("POST", "/connections/engine/rollback", Value::Null, "409 destination_changed");
        api.refused("POST", "/connections/engine/rollback", json!({ "version": 1 }), "409 destination_changed");
        assert_eq!(api.post("/connections/engine/verify")["status"], "needs_secret");
        assert_eq!(gateway.order(&token), "503 secret_unavailable");
        // Back where it was given for, it can be taken up again; not by itself.
        assert_eq!(api.edit("/connections/engine", back)["status"], "needs_secret");
        assert_eq!(gateway.order(&token), "503 secret_unavailable");
        assert_eq!(api.done("POST", "/connections/engine/rollback", json!({ "version": 1 }))["secret_version"], 1);
        assert_eq!(gateway.order(&token), "200");
        assert_eq!(credential(&gateway.production), SECRET);
    }
    gateway.test.assert_untouched();

    api.edit("/connections/engine", json!({ "base_url": there }));
    let gateway = gateway.restarted();
    let api = gateway.api();
    assert_eq!(gateway.order(&token), "503 secret_unavailable", "nor after a restart");
    gateway.test.assert_untouched();
    set_secret(&api, "engine", "given-for-the-new-place");
    assert_eq!(gateway.order(&token), "200");
    assert_eq!(credential(&gateway.test), "given-for-the-new-place");
    api.refused("POST", "/connections/engine/rollback", json!({ "version": 1 }), "409 destination_changed");
}

#[test]
fn r1_no_request_fails_by_a_rotation_and_the_next_one_has_the_new_secret() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let (token, over) = (text(&crm["primary"]), AtomicBool::new(false));
    let rotations = 40;
    let sent: usize = std::thread::scope(|scope| {
        let traffic: Vec<_> = (0..3)
            .map(|thread| {
                let (gateway, token, over) = (&gateway, &token, &over);
                scope.spawn(move || {
                    let (mut connection, mut sent) = (gateway.connect(), 0);
                    let request = gateway.get(&format!("/orders/traffic-{thread}")).key(token).bytes();
                    while !over.load(Ordering::SeqCst) {
                        assert_eq!(connection.send(&request).verdict(), "200");
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        for n in 0..rotations {
            let secret = format!("rotated-secret-{n:04}");
            set_secret(&api, "engine", &secret);
            let path = format!("/orders/probe-{n}");
            assert_eq!(gateway.get(&path).key(&token).send().verdict(), "200");
            let probe = gateway.production.requests().into_iter().find(|r| r.target() == path).unwrap();
            assert_eq!(probe.header("x-engine-key"), Some(secret), "the next request has the new one");
        }
        over.store(true, Ordering::SeqCst);
        traffic.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(gateway.production.count(), sent + rotations);
    assert_eq!(api.get("/connections/engine")["secret_version"], rotations + 1);
}

#[test]
fn r1_what_runs_finishes_with_the_old_secret() {
    let gate = Gate::default();
    let held = gate.clone();
    let slow = Upstream::answering(move |_| {
        Answer::Halves(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha".to_vec(), held.clone(), b"lf".to_vec())
    });
    let gateway = Managed::start();
    let (api, caller) = (gateway.api(), caller(&gateway));
    let place = format!("http://{}", slow.address);
    let body = json!({ "name": "slow", "base_url": place, "inject": { "header": "X-Engine-Key" }, "secret": SECRET });
    api.create("connections", body);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| gateway.call_out("GET", "/c/slow/x").key(&caller).send());
        slow.await_requests(1);
        set_secret(&api, "slow", "the-new-secret-123");
        let next = scope.spawn(|| gateway.call_out("GET", "/c/slow/y").key(&caller).send());
        slow.await_requests(2);
        gate.open();
        for reply in [running.join().unwrap(), next.join().unwrap()] {
            assert_eq!((reply.verdict().as_str(), reply.text().as_str()), ("200", "half"));
        }
    });
    let credentials: Vec<_> = slow.requests().iter().map(|r| r.header("x-engine-key").unwrap()).collect();
    assert_eq!(credentials, [SECRET, "the-new-secret-123"]);
}

#[test]
fn r1_earlier_secrets_can_be_taken_up_again_until_they_are_purged() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let token = text(&crm["primary"]);
    let in_force = || {
        assert_eq!(gateway.order(&token), "200");
        credential(&gateway.production)
    };
    for secret in ["the-second-secret", "the-third-secret"] {
        set_secret(&api, "engine", secret);
        assert_eq!(in_force(), secret);
    }
    assert_eq!(api.post("/connections/engine/rollback")["secret_version"], 2);
    assert_eq!(in_force(), "the-second-secret");
    assert_eq!(api.done("POST", "/connections/engine/rollback", json!({ "version": 1 }))["secret_version"], 1);
    assert_eq!(in_force(), SECRET);
    api.refused("POST", "/connections/engine/rollback", Value::Null, "404 version_not_found");
    api.refused("POST", "/connections/engine/rollback", json!({ "version": 9 }), "404 version_not_found");
    assert_eq!(api.done("POST", "/connections/engine/rollback", json!({ "version": 3 }))["secret_version"], 3);
    assert_eq!(api.post("/connections/engine/purge"), json!({ "purged": 2 }));
    api.refused("POST", "/connections/engine/rollback", json!({ "version": 1 }), "404 version_not_found");
    assert_eq!(in_force(), "the-third-secret");
    assert_eq!(set_secret(&api, "engine", "the-fourth-secret")["secret_version"], 4);
    let gateway = gateway.restarted();
    assert_eq!(gateway.order(&token), "200");
    assert_eq!(credential(&gateway.production), "the-fourth-secret");
}

#[test]
fn r2_what_depends_on_it_is_told_before_it_goes() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    api.create("keys", json!({ "name": "worker", "connections": ["engine"] }));
    gateway.workflow("sole", "GET /sole", "engine");
    let depending = api.get("/connections/engine/dependants");
    assert_eq!((&depending["workflows"], &depending["keys"]), (&json!(["get-order", "sole"]), &json!(["worker"])));
    let problem = api.refused("DELETE", "/connections/engine", Value::Null, "409 in_use");
    assert_eq!(problem["dependants"]["workflows"], json!(["get-order", "sole"]));
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    api.done("DELETE", "/connections/engine?force=true", Value::Null);
    assert_eq!(gateway.order(&text(&crm["primary"])), "404 workflow_not_in_environment");
    assert_eq!(api.get("/workflows/get-order")["upstream"], json!({ "Test": "engine-test" }));
    assert_eq!(api.get("/workflows/sole")["upstream"], json!({}), "it stays, and leads nowhere");
    assert_eq!(api.get("/keys/worker")["connections"], json!([]));
    gateway.connection("engine", "Production", SECRET);
    assert_eq!(api.get("/keys/worker")["connections"], json!([]), "its successor is another");
    assert_eq!(gateway.order(&text(&crm["primary"])), "404 workflow_not_in_environment");
}

#[test]
fn s2_nothing_gives_a_secret_back() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let secrets = ["Zx9-first-canary-secret/+=", "Zx9-second-canary-secret"].map(str::to_owned);
    let mut said = String::new();
    for secret in &secrets {
        let body = json!({ "secret": secret });
        said += &api.send("PUT", "/connections/engine/secret", &body).text();
        assert_eq!(gateway.order(&text(&crm["primary"])), "200");
        assert_eq!(&credential(&gateway.production), secret);
    }
    let body = json!({ "name": "engine", "base_url": "https://a.example", "inject": 7, "secret": secrets[0] });
    for (method, path, body) in [
        ("GET", "/connections", Value::Null),
        ("GET", "/connections/engine", Value::Null),
        ("GET", "/connections/engine/dependants", Value::Null),
        ("GET", "/export", Value::Null),
        ("GET", "/audit", Value::Null),
        ("GET", "/usage", Value::Null),
        ("GET", "/status", Value::Null),
        ("POST", "/connections/engine/verify", Value::Null),
        ("POST", "/connections/engine/rollback", Value::Null),
        ("POST", "/connections", body.clone()),
        ("PATCH", "/connections/engine", json!({ "secret": secrets[0] })),
        ("PUT", "/connections/engine/secret", json!({ "secret": secrets[0], "more": secrets[1] })),
        ("PUT", "/connections/nobody/secret", json!({ "secret": secrets[0] })),
        ("POST", "/import", json!({ "connections": [body] })),
        ("DELETE", "/connections/engine?force=true", Value::Null),
    ] {
        said += &api.send(method, path, &body).text();
    }
    said += &gateway.admin("/metrics").text();
    said += &(gateway.stdout.text() + &gateway.stderr.text());
    assert!(said.contains("\"engine\""), "{said}");
    assert_absent(&said, &secrets);
    for file in ["keystile.db", "keystile.db-wal"] {
        let bytes = std::fs::read(gateway.path(file)).unwrap_or_default();
        assert_absent(&String::from_utf8_lossy(&bytes), &secrets);
    }
}

#[test]
fn t1a_a_reference_is_no_secret_and_no_token() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    gateway.write("a.secret", "what-the-reference-stands-for");
    let place = format!("http://{}", gateway.production.address);
    let master = format!("file:{}", gateway.path("master.key").display());
    for reference in ["env:PATH", "file:a.secret", "vault:kv/data/engine#key", " env:PATH ", &master] {
        let body = json!({ "secret": reference });
        api.refused("PUT", "/connections/engine/secret", body, "422 invalid");
        let body = json!({ "name": "new", "base_url": place, "inject": { "header": "X-K" }, "secret": reference });
        api.refused("POST", "/connections", body, "422 invalid");
        let padded = format!("{}{}", reference.trim(), "x".repeat(20));
        for slot in ["primary", "secondary"] {
            api.refused("POST", "/keys", json!({ "name": "new", slot: padded }), "422 invalid");
        }
    }
    for (field, value) in [("secret_from", json!("env:PATH")), ("secret", json!({ "from": "env:PATH" }))] {
        let body = json!({ "name": "new", "base_url": place, "inject": { "header": "X-K" }, field: value });
        assert!([400, 422].contains(&api.send("POST", "/connections", &body).status), "{field}");
    }
    api.refused("PATCH", "/keys/crm", json!({ "primary": token("mine") }), "422 invalid");
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    assert_eq!(credential(&gateway.production), SECRET);
}

#[test]
fn c16_a_connection_that_injects_nothing_any_more_misses_no_secret() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let token = text(&crm["primary"]);
    api.edit("/connections/engine", json!({ "inject": null }));
    assert_eq!(gateway.order(&token), "200");
    assert_eq!(gateway.production.last().header("x-engine-key"), None);
    // What it had is still for where it was given for, and for nothing else.
    let moved = api.edit("/connections/engine", json!({ "inject": { "header": "X-Other" } }));
    assert_eq!(moved["status"], "needs_secret");
    assert_eq!(gateway.order(&token), "503 secret_unavailable");
    assert_eq!(gateway.production.count(), 1);
}
