//! K13: who administers what. Whoever has less than all tries everything he must not, and nothing changes.

use crate::support::managed::text;
use crate::support::{Api, Managed};
use serde_json::{Value, json};

/// Everything that the API shows, but when it was used.
fn everything(api: &Api) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in ["keys", "connections", "workflows", "environments"] {
        let page = api.get(&format!("/{kind}"));
        for mut item in page["items"].as_array().unwrap().clone() {
            for slot in ["primary", "secondary"] {
                if let Some(fields) = item.pointer_mut(&format!("/slots/{slot}")).and_then(Value::as_object_mut) {
                    fields.remove("last_used_at");
                }
            }
            all.push(item);
        }
    }
    all
}

/// Orders in both environments; a key that may do more than the tester, and one that may do less.
fn scene() -> (Managed, Api) {
    let gateway = Managed::start();
    gateway.orders();
    let api = gateway.api();
    gateway.connection("other-test", "Test", "other-secret-123456");
    gateway.workflow("get-customer", "GET /customers/{id}", "engine");
    let strong = json!({
        "name": "strong", "environment": "Test", "workflows": "all", "enabled": false,
        "scopes": ["workflows:invoke", "connections:use"],
    });
    api.create("keys", strong);
    let weak = json!({
        "name": "weak", "environment": "Test", "workflows": ["get-order"], "scopes": ["workflows:invoke"],
    });
    api.create("keys", weak);
    let tester = json!({
        "name": "tester", "environment": "Test", "workflows": ["get-order"], "connections": ["engine-test"],
        "scopes": ["workflows:invoke", "admin:read", "admin:write"],
    });
    let token = text(&api.create("keys", tester)["primary"]);
    let tester = gateway.api_of(&token);
    (gateway, tester)
}

#[test]
fn k13_nobody_grants_more_than_their_own() {
    let (gateway, tester) = scene();
    let before = everything(&gateway.api());
    let invoke = json!(["workflows:invoke"]);
    let key = |fields: Value| {
        let mut body = json!({ "name": "new", "environment": "Test", "workflows": ["get-order"], "scopes": invoke });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ("POST".to_owned(), "/keys".to_owned(), body)
    };
    let more = [
        json!({ "workflows": "all" }),
        json!({ "workflows": ["get-order", "get-customer"] }),
        json!({ "connections": "all" }),
        json!({ "connections": ["engine"] }),
        json!({ "scopes": ["workflows:invoke", "connections:use"] }),
        json!({ "scopes": null }),
        json!({ "environment": "Production" }),
        json!({ "environment": null }),
    ];
    let mut attempts: Vec<(String, String, Value)> = Vec::new();
    for fields in more {
        let mut body = fields.clone();
        // In a create what is null is left out.
        let (method, path, mut whole) = key(body.take());
        whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        attempts.push((method, path, whole));
        for name in ["weak", "tester"] {
            attempts.push(("PATCH".to_owned(), format!("/keys/{name}"), fields.clone()));
        }
    }
    for name in ["strong", "admin", "crm"] {
        for verb in ["enable", "slots/primary/regenerate", "slots/secondary/regenerate"] {
            attempts.push(("POST".to_owned(), format!("/keys/{name}/{verb}"), Value::Null));
        }
        attempts.push(("PATCH".to_owned(), format!("/keys/{name}"), json!({ "title": "mine now" })));
    }
    for (method, path, body) in attempts {
        tester.refused(&method, &path, body, "403 grant_exceeds_own");
    }
    assert_eq!(everything(&gateway.api()), before, "nothing changed");
}

#[test]
fn k13_another_environment_is_somebody_elses() {
    let (gateway, tester) = scene();
    let before = everything(&gateway.api());
    let place = format!("http://{}", gateway.production.address);
    let workflow = |upstream: Value| json!({ "name": "new", "template": "GET /new", "upstream": upstream });
    for (method, path, body) in [
        ("POST", "/keys/admin/disable", Value::Null),
        ("POST", "/keys/crm/revoke", Value::Null),
        ("DELETE", "/keys/crm", Value::Null),
        ("POST", "/connections", json!({ "name": "new", "base_url": place })),
        ("POST", "/connections", json!({ "name": "new", "base_url": place, "environment": "Production" })),
        ("PATCH", "/connections/engine", json!({ "base_url": place })),
        ("PATCH", "/connections/other-test", json!({ "environment": "Production" })),
        ("PATCH", "/connections/other-test", json!({ "environment": null })),
        ("PUT", "/connections/engine/secret", json!({ "secret": "mine-now-1234567" })),
        ("POST", "/connections/engine/rollback", Value::Null),
        ("POST", "/connections/engine/verify", Value::Null),
        ("POST", "/connections/engine/purge", Value::Null),
        ("DELETE", "/connections/engine?force=true", Value::Null),
        ("POST", "/workflows", workflow(json!({ "Production": "engine" }))),
        ("POST", "/workflows", workflow(json!({}))),
        // His environment, and a connection that he may not use himself.
        ("POST", "/workflows", workflow(json!({ "Test": "other-test" }))),
        ("PATCH", "/workflows/get-order", json!({ "upstream": { "Test": "other-test" } })),
        ("PATCH", "/workflows/get-order", json!({ "upstream": { "Production": null } })),
        ("DELETE", "/workflows/get-customer?force=true", Value::Null),
        ("POST", "/environments", json!({ "name": "Mine" })),
    ] {
        tester.refused(method, path, body, "403 grant_exceeds_own");
    }
    assert_eq!(everything(&gateway.api()), before, "nothing changed");
}

#[test]
fn k13_what_is_within_ones_own_can_be_managed() {
    let (gateway, tester) = scene();
    let body = json!({
        "name": "mine", "environment": "Test", "workflows": ["get-order"], "scopes": ["workflows:invoke"],
    });
    let mine = text(&tester.create("keys", body)["primary"]);
    let call = || gateway.get("/orders/1?_profile=Test").key(&mine).send().verdict();
    assert_eq!(call(), "200");
    assert_eq!(tester.edit("/keys/mine", json!({ "title": "Mine" }))["owner"], "tester");
    tester.post("/keys/mine/disable");
    assert_eq!(call(), "401 key_disabled");
    tester.post("/keys/mine/enable");
    tester.post("/keys/mine/slots/secondary/regenerate");
    // Taking away takes no more than the environment.
    tester.post("/keys/strong/revoke");
    tester.done("PUT", "/connections/engine-test/secret", json!({ "secret": "tested-secret-1234" }));
    assert_eq!(call(), "200");
    assert_eq!(gateway.test.last().header("x-engine-key").as_deref(), Some("tested-secret-1234"));
    let upstream = json!({ "Test": "engine-test" });
    tester.create("workflows", json!({ "name": "list", "template": "GET /orders", "upstream": upstream }));
    tester.done("DELETE", "/keys/mine", Value::Null);
}

#[test]
fn k13_reading_and_writing_take_a_scope_each() {
    let gateway = Managed::start();
    gateway.orders();
    let api = gateway.api();
    let with = |name: &str, scopes: Value| {
        let body = json!({ "name": name, "workflows": "all", "connections": "all", "scopes": scopes });
        gateway.api_of(&text(&api.create("keys", body)["primary"]))
    };
    let (reader, writer) = (with("reader", json!(["admin:read"])), with("writer", json!(["admin:write"])));
    let caller = with("caller", json!(["workflows:invoke", "connections:use"]));
    let before = everything(&api);
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": "new", "scopes": [] })),
        ("PATCH", "/keys/crm", json!({ "title": "x" })),
        ("DELETE", "/keys/crm", Value::Null),
        ("POST", "/keys/crm/disable", Value::Null),
        ("POST", "/keys/crm/slots/primary/regenerate", Value::Null),
        ("POST", "/connections", json!({ "name": "new", "base_url": "https://a.example" })),
        ("PUT", "/connections/engine/secret", json!({ "secret": "another-12345678" })),
        ("POST", "/connections/engine/verify", Value::Null),
        ("POST", "/connections/engine/rollback", Value::Null),
        ("POST", "/connections/engine/purge", Value::Null),
        ("PATCH", "/workflows/get-order", json!({ "title": "x" })),
        ("DELETE", "/workflows/get-order?force=true", Value::Null),
        ("POST", "/environments", json!({ "name": "new" })),
    ] {
        reader.refused(method, path, body.clone(), "403 scope_missing");
        caller.refused(method, path, body, "403 scope_missing");
    }
    assert_eq!(everything(&api), before, "nothing changed");
    assert_eq!(everything(&reader), before);
    for path in ["/keys", "/keys/crm", "/connections/engine", "/connections/engine/dependants", "/workflows"] {
        for other in [&writer, &caller] {
            other.refused("GET", path, Value::Null, "403 scope_missing");
        }
    }
    writer.create("keys", json!({ "name": "new", "scopes": [] }));
}

#[test]
fn k13_an_administrators_key_holds_where_it_may_come_from() {
    let gateway = Managed::start();
    let api = gateway.api();
    let scopes = json!(["admin:read", "admin:write"]);
    let body = json!({ "name": "office", "scopes": scopes, "allow_addresses": ["203.0.113.0/24"] });
    let office = gateway.api_of(&text(&api.create("keys", body)["primary"]));
    office.refused("GET", "/keys", Value::Null, "403 address_not_allowed");
    office.refused("POST", "/keys", json!({ "name": "x", "scopes": [] }), "403 address_not_allowed");
    api.edit("/keys/office", json!({ "allow_addresses": ["203.0.113.0/24", "127.0.0.0/8"] }));
    office.get("/keys");
    for (state, verdict) in [("disable", "401 key_disabled"), ("revoke", "401 key_revoked")] {
        api.post(&format!("/keys/office/{state}"));
        office.refused("GET", "/keys", Value::Null, verdict);
    }
}

#[test]
fn the_last_administrator_stays() {
    let gateway = Managed::start();
    let api = gateway.api();
    for (method, path, body) in [
        ("POST", "/keys/admin/disable", Value::Null),
        ("POST", "/keys/admin/revoke", Value::Null),
        ("DELETE", "/keys/admin", Value::Null),
        ("PATCH", "/keys/admin", json!({ "enabled": false })),
        ("PATCH", "/keys/admin", json!({ "scopes": ["admin:read"] })),
        ("PATCH", "/keys/admin", json!({ "scopes": null })),
        ("PATCH", "/keys/admin", json!({ "expires_at": "2020-01-01T00:00:00Z" })),
    ] {
        api.refused(method, path, body, "409 last_administrator");
    }
    // Whoever reads, or was disabled, is no other.
    api.create("keys", json!({ "name": "reader", "scopes": ["admin:read"] }));
    api.create("keys", json!({ "name": "second", "scopes": ["admin:read", "admin:write"], "enabled": false }));
    api.refused("POST", "/keys/admin/disable", Value::Null, "409 last_administrator");
    api.post("/keys/second/enable");
    api.post("/keys/admin/disable");
    api.refused("GET", "/keys", Value::Null, "401 key_disabled");
}
