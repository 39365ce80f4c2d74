//! K13 over the whole of the API: every call of the document, by everybody who may not make it. Nothing changes by it.

use crate::support::stored::{Api, verdict};
use crate::support::{Ask, Founded, Stored};
use serde_json::{Map, Value, json};

/// A call of the document, with parameters and a body of its examples.
#[derive(Debug)]
struct Call {
    method: String,
    path: String,
    body: Value,
    /// What it asks for; none: everybody may.
    scope: Option<String>,
}

fn calls(api: &Api) -> Vec<Call> {
    let document = api.show("/openapi.json").json();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let of = |kind: &str| path.starts_with(&format!("/{kind}"));
            let name = if of("environments") { "Test" } else { "mine" };
            let content = operation["requestBody"]["content"].as_object().and_then(|c| c.values().next().cloned());
            calls.push(Call {
                method: method.to_uppercase(),
                path: path.replace("{name}", name).replace("{slot}", "primary").replace("{number}", "1"),
                body: content.map_or(Value::Null, |content| content["example"].clone()),
                scope: operation["security"][0]["token"][0].as_str().map(str::to_owned),
            });
        }
    }
    calls
}

/// Everything that there is, but for what was counted.
fn all(api: &Api) -> Value {
    let list = |path: &str| api.done("GET", path, &Value::Null);
    let mut keys = list("/keys");
    for key in keys["items"].as_array_mut().unwrap() {
        for slot in ["primary", "secondary"] {
            if let Some(fields) = key.pointer_mut(&format!("/slots/{slot}")).and_then(Value::as_object_mut) {
                fields.remove("last_used_at");
            }
        }
    }
    json!([
        keys,
        list("/connections"),
        list("/workflows"),
        list("/environments"),
        list("/export"),
        list("/audit/verify")
    ])
}

fn made(gateway: &Stored, name: &str, fields: Value) -> String {
    let mut body: Map<String, Value> = [("name".to_owned(), name.into())].into_iter().collect();
    body.extend(fields.as_object().unwrap().clone());
    let created = gateway.api.done("POST", "/keys", &body.into());
    created["primary"].as_str().unwrap().to_owned()
}

#[test]
fn k13_every_call_is_refused_to_everybody_who_may_not_make_it() {
    let founded = Founded::new();
    let gateway = founded.start();
    gateway.api.done("POST", "/connections", &founded.connection("mine", "a-secret-of-mine-4Jt"));
    let webhook = json!({ "scheme": "github", "secrets": ["a-signing-secret-of-mine-4Jt"] });
    let leads = json!({
        "name": "mine", "template": "POST /mine", "upstream": { "Production": "mine" }, "webhook": webhook,
    });
    gateway.api.done("POST", "/workflows", &leads);
    let both = json!(["admin:read", "admin:write"]);
    made(&gateway, "mine", json!({}));
    let everything = json!({ "workflows": "all", "connections": "all" });
    let callers = [
        ("", "401 missing_key", "401 missing_key", String::new()),
        ("invoke", "403 scope_missing", "403 scope_missing", made(&gateway, "invoke", everything)),
        ("write", "403 scope_missing", "", made(&gateway, "write", json!({ "scopes": ["admin:write"] }))),
        ("read", "", "403 scope_missing", made(&gateway, "read", json!({ "scopes": ["admin:read"] }))),
        ("none", "403 scope_missing", "403 scope_missing", made(&gateway, "none", json!({ "scopes": [] }))),
        ("off", "401 key_disabled", "401 key_disabled", made(&gateway, "off", json!({ "scopes": both }))),
        ("gone", "401 key_revoked", "401 key_revoked", made(&gateway, "gone", json!({ "scopes": both }))),
        ("deleted", "401 invalid_key", "401 invalid_key", made(&gateway, "deleted", json!({ "scopes": both }))),
        (
            "old",
            "401 key_expired",
            "401 key_expired",
            made(&gateway, "old", json!({ "scopes": both, "expires_at": "2020-01-01T00:00:00Z" })),
        ),
        (
            "elsewhere",
            "403 address_not_allowed",
            "403 address_not_allowed",
            made(&gateway, "elsewhere", json!({ "scopes": both, "allow_addresses": ["203.0.113.0/24"] })),
        ),
    ];
    gateway.api.done("POST", "/keys/off/disable", &Value::Null);
    gateway.api.done("POST", "/keys/gone/revoke", &Value::Null);
    gateway.api.done("DELETE", "/keys/deleted", &Value::Null);
    let (before, calls) = (all(&gateway.api), calls(&gateway.api));
    assert!(calls.len() > 35, "{}", calls.len());
    for (who, read, write, token) in &callers {
        for call in &calls {
            let wanted = match call.scope.as_deref() {
                Some("admin:read") => read,
                Some("admin:write") => write,
                Some(other) => panic!("{other} is a scope of administration?"),
                None => continue,
            };
            let asked = format!("{who:?} asks {} {}", call.method, call.path);
            if wanted.is_empty() {
                // He may, so it is not tried but where it changes nothing.
                if call.scope.as_deref() == Some("admin:read") {
                    let reply = gateway.api.with(token).call(&call.method, &call.path, &call.body);
                    assert!(!matches!(reply.status, 401 | 403), "{asked}: {}", reply.text());
                }
                continue;
            }
            let ask = gateway.api.with(token).asking(&call.method, &call.path, &call.body);
            let reply = if token.is_empty() { without_token(&gateway, call) } else { ask }.send();
            assert_eq!(verdict(&reply), *wanted, "{asked}: {}", reply.text());
        }
    }
    assert_eq!(all(&gateway.api), before, "something changed");
}

fn without_token(gateway: &Stored, call: &Call) -> Ask {
    let ask = Ask::new(gateway.api.address, &call.method, &format!("/api/v1{}", call.path)).header("Host", "localhost");
    let ask = ask.header("Connection", "close").header("Content-Type", "application/json");
    if call.body.is_null() { ask } else { ask.body(call.body.to_string()) }
}

/// What an administrator of one environment may not: the rest.
#[test]
fn k13_who_administers_one_environment_changes_nothing_in_another() {
    let founded = Founded::new();
    let gateway = founded.start();
    gateway.api.done("POST", "/connections", &founded.connection("mine", "a-secret-of-mine-4Jt"));
    let webhook = json!({ "scheme": "github", "secrets": ["a-signing-secret-of-mine-4Jt"] });
    let hooks = json!({
        "name": "hooks", "template": "POST /hooks", "upstream": { "Production": "mine" }, "webhook": webhook,
    });
    gateway.api.done("POST", "/workflows", &hooks);
    gateway.api.key("everywhere");
    let scopes = json!(["admin:read", "admin:write", "workflows:invoke"]);
    let token = made(&gateway, "tester", json!({ "environment": "Test", "scopes": scopes, "workflows": "all" }));
    let tester = gateway.api.with(&token);
    let before = all(&gateway.api);
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": "new" })),
        ("POST", "/keys", json!({ "name": "new", "environment": "Production" })),
        ("POST", "/keys", json!({ "name": "new", "environment": "Test", "connections": "all" })),
        ("POST", "/keys", json!({ "name": "new", "environment": "Test", "scopes": ["connections:use"] })),
        ("PATCH", "/keys/tester", json!({ "environment": null })),
        ("PATCH", "/keys/tester", json!({ "connections": "all" })),
        ("PATCH", "/keys/everywhere", json!({ "environment": "Test" })),
        ("POST", "/keys/everywhere/disable", Value::Null),
        ("POST", "/keys/everywhere/revoke", Value::Null),
        ("POST", "/keys/admin/slots/primary/regenerate", Value::Null),
        ("POST", "/keys/admin/slots/secondary/regenerate", Value::Null),
        ("DELETE", "/keys/everywhere", Value::Null),
        ("POST", "/connections", founded.connection("new", "another-secret-4Jt")),
        ("PATCH", "/connections/mine", json!({ "base_url": "https://elsewhere.example" })),
        ("PATCH", "/connections/mine", json!({ "environment": "Test" })),
        ("PUT", "/connections/mine/secret", json!({ "secret": "another-secret-4Jt" })),
        ("POST", "/connections/mine/rollback", Value::Null),
        ("POST", "/connections/mine/purge", Value::Null),
        ("POST", "/connections/mine/verify", Value::Null),
        ("DELETE", "/connections/mine", Value::Null),
        ("DELETE", "/connections/mine?force=true", Value::Null),
        ("POST", "/environments", json!({ "name": "New" })),
        ("PATCH", "/environments/Test", json!({ "name": "Renamed" })),
        ("DELETE", "/environments/Test?force=true", Value::Null),
        ("POST", "/workflows", json!({ "name": "new", "template": "GET /new", "upstream": { "Production": "mine" } })),
        ("PATCH", "/workflows/hooks", json!({ "webhook": { "secrets": ["another-secret-4Jt"] } })),
        ("POST", "/workflows/hooks/secrets", json!({ "secret": "another-secret-4Jt" })),
        ("DELETE", "/workflows/hooks/secrets/1?force=true", Value::Null),
        ("POST", "/import", json!({ "keys": [{ "name": "new", "scopes": ["admin:write"] }] })),
        ("POST", "/import", json!({ "connections": [{ "name": "mine", "base_url": "https://elsewhere.example" }] })),
        ("POST", "/import", json!({ "environments": [{ "name": "New" }] })),
    ] {
        let reply = tester.call(method, path, &body);
        assert!(matches!(reply.status, 403 | 409 | 422), "{method} {path} {body}: {} {}", reply.status, reply.text());
    }
    assert_eq!(all(&gateway.api), before, "something changed");
}

#[test]
fn hazard_9_guessing_at_the_admin_door_is_slowed_by_address() {
    let gateway = Founded::new().start();
    let guess = |token: &str| gateway.api.with(token).show("/keys");
    assert_eq!(verdict(&guess("kst_guessed")), "401 invalid_key");
    let slowed =
        (0..200).map(|n| guess(&format!("kst_guessed{n}"))).find(|reply| reply.status == 429).expect("a limit");
    assert!(slowed.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s > 0)));
    assert_eq!(gateway.api.show("/keys").status, 200, "who has a token is not kept out by others");
}

#[test]
fn hazard_33_nothing_an_administrator_sends_writes_a_line_of_its_own() {
    let founded = Founded::new();
    let gateway = founded.start();
    let api = &gateway.api;
    let evil = "evil\n{\"message\":\"forged\"}\r\n\u{1b}[2Jforged\u{2028}\u{85}\u{202e}\0";
    let mut said = Vec::new();
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": evil })),
        ("POST", "/keys", json!({ "name": "titled", "title": evil, "description": evil })),
        ("PATCH", "/keys/admin", json!({ "title": evil })),
        ("POST", "/environments", json!({ "name": "Other", "title": evil })),
        ("POST", "/connections", founded.connection("noted", evil)),
        ("POST", "/workflows", json!({ "name": "w", "template": evil, "upstream": { evil: evil } })),
        ("POST", "/keys", json!({ evil: evil })),
        ("POST", "/import", json!({ "keys": [{ "name": evil, evil: evil }] })),
        ("POST", "/explain", json!({ "method": "GET", "url": evil, "headers": { "x": evil } })),
    ] {
        let ask = api.asking(method, path, &body).header("User-Agent", "evil\t{\"message\":\"forged\"} \u{85}\u{202e}");
        let reply = ask.header("Idempotency-Key", "a{\"message\":\"forged\"}").send();
        assert!(reply.status < 500, "{method} {path}: {}", reply.text());
        said.push(reply.request_id().to_owned());
    }
    for path in ["/keys/%0a%7b%22message%22:%22forged%22%7d", "/keys?q=%0aforged%1b", "/keys?cursor=%0aforged%1b"] {
        said.push(api.show(path).request_id().to_owned());
    }
    for id in &said {
        gateway.await_event(0, |event| event["request_id"] == id.as_str());
    }
    for line in gateway.stderr.text().split('\n').filter(|line| !line.is_empty()) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}"));
        assert_ne!(event["message"], "forged", "{line}");
        assert!(!line.chars().any(|c| c.is_control() || ['\u{2028}', '\u{202e}'].contains(&c)), "{line:?}");
    }
}
