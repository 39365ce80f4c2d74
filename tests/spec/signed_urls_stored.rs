//! H7 with a store: keys that people manage sign URLs through the admin API, and end them.

use crate::signed_urls::secrets;
use crate::support::managed::text;
use crate::support::{Managed, World, token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn order() -> Value {
    json!({ "workflow": "get-order", "expires_in": "1h", "parameters": { "id": "1" } })
}

/// From its path on: the listener has any free port.
#[track_caller]
fn signed(managed: &Managed, key: &str, more: &Value) -> String {
    let mut order = order();
    order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    text(&managed.api().done("POST", &format!("/keys/{key}/signed-urls"), order)["url"])
}

fn verdict(managed: &Managed, url: &str) -> String {
    managed.get(url).send().verdict()
}

#[test]
fn h7_a_url_is_signed_by_the_api_and_ends_with_its_slot_after_the_grace() {
    let managed = Managed::start();
    managed.orders();
    let api = managed.api();
    let reply = api.send("POST", "/keys/crm/signed-urls", &order());
    assert_eq!((reply.status, reply.header("cache-control")), (201, Some("no-store")), "{}", reply.text());
    let told = reply.json();
    assert_eq!((&told["key"], &told["slot"], &told["method"]), (&"crm".into(), &"primary".into(), &"GET".into()));
    assert_eq!((&told["workflow"], &told["environment"]), (&"get-order".into(), &"Production".into()));
    let primary = text(&told["url"]);
    let secondary = signed(&managed, "crm", &json!({ "slot": "secondary" }));
    assert_eq!([&primary, &secondary].map(|url| verdict(&managed, url)), ["200", "200"]);
    api.done("POST", "/keys/crm/slots/primary/regenerate", json!({ "grace": "2s" }));
    assert_eq!(verdict(&managed, &primary), "200", "as the token that signed it");
    let new = signed(&managed, "crm", &json!({}));
    let deadline = Instant::now() + Duration::from_secs(10);
    while verdict(&managed, &primary) == "200" {
        assert!(Instant::now() < deadline, "the grace goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    let all = [&primary, &secondary, &new];
    assert_eq!(all.map(|url| verdict(&managed, url)), ["401 signature_invalid", "200", "200"]);
    api.post("/keys/crm/disable");
    assert_eq!(verdict(&managed, &new), "401 key_disabled");
    api.post("/keys/crm/enable");
    assert_eq!(verdict(&managed, &new), "200");
    let managed = managed.restarted();
    assert_eq!(all.map(|url| verdict(&managed, url)), ["401 signature_invalid", "200", "200"], "kept by nobody");
    managed.api().edit("/keys/crm", json!({ "name": "renamed" }));
    managed.api().edit("/workflows/get-order", json!({ "name": "renamed" }));
    assert_eq!(verdict(&managed, &new), "200", "names are not signed");
    managed.api().edit("/workflows/renamed", json!({ "template": "GET /orders/{order}" }));
    assert_eq!(verdict(&managed, &new), "401 signature_invalid", "the template is");
    managed.api().edit("/workflows/renamed", json!({ "template": "GET /orders/{id}" }));
    managed.api().post("/keys/renamed/revoke");
    assert_eq!(verdict(&managed, &new), "401 key_revoked");
}

#[test]
fn h7_t4_that_it_was_signed_is_audited_and_the_url_is_not() {
    let managed = Managed::start();
    managed.orders();
    let url = signed(&managed, "crm", &json!({ "environment": "Test" }));
    assert!(url.contains("_profile=Test&"), "{url}");
    assert_eq!(verdict(&managed, &url), "200");
    assert_eq!(managed.test.count(), 1);
    let entry = managed.api().get("/audit?action=key.sign_url")["items"][0].clone();
    assert_eq!((&entry["subject"], &entry["actor"]), (&"crm".into(), &"admin".into()), "{entry}");
    let after = &entry["after"];
    assert_eq!((&after["workflow"], &after["environment"]), (&"get-order".into(), &"Test".into()), "{entry}");
    assert_eq!(managed.api().get("/audit/verify")["ok"], true);
    let everything = format!("{}{}{}", managed.stdout.text(), managed.stderr.text(), managed.api().get("/audit"));
    let database = std::fs::read(managed.path("keystile.db")).unwrap();
    for secret in secrets(&url) {
        assert!(!everything.contains(&secret));
        assert!(!database.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn h7_k13_whoever_may_not_have_a_keys_token_may_not_sign_for_it() {
    let managed = Managed::start();
    managed.orders();
    let scopes = json!(["admin:read", "admin:write"]);
    let few = managed.api().create("keys", json!({ "name": "few", "scopes": scopes }));
    let tester = json!({ "name": "tester", "scopes": ["admin:write", "workflows:invoke", "connections:use"], "workflows": "all", "environment": "Test" });
    let tester = managed.api().create("keys", tester);
    for actor in [few, tester] {
        let api = managed.api_of(&text(&actor["primary"]));
        api.refused("POST", "/keys/crm/signed-urls", order(), "403 grant_exceeds_own");
    }
    managed.api().refused("POST", "/keys/nobody/signed-urls", order(), "404 key_not_found");
    let api = managed.api();
    for (body, field) in [
        (json!({ "workflow": "get-order", "parameters": { "id": "1" } }), "expires_at"),
        (json!({ "expires_in": "1h" }), "workflow"),
        (json!({ "workflow": "get-order", "expires_in": "1h" }), "parameters"),
        (json!({ "workflow": "none", "expires_in": "1h" }), "workflow"),
        (json!({ "workflow": "get-order", "expires_in": "soon" }), "expires_in"),
        (json!({ "workflow": "get-order", "expires_in": "1h", "expires_at": "2030-01-01T00:00:00Z" }), "expires_in"),
        (json!({ "workflow": "get-order", "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "workflow": "get-order", "expires_at": "2099-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "workflow": "get-order", "expires_in": "1h", "slot": "third" }), "slot"),
        (json!({ "workflow": "get-order", "expires_in": "1h", "parameters": { "id": "1" }, "base": "here" }), "base"),
        (json!({ "workflow": "get-order", "expires_in": "1h", "key": "x" }), "key"),
    ] {
        let problem = api.refused("POST", "/keys/crm/signed-urls", body.clone(), "422 invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
    }
}

#[test]
fn h7_the_files_keys_sign_as_well_with_a_store_and_without_one() {
    let owner = format!(
        "connections:\n  - {{ name: engine, base_url: 'http://{{production}}', inject: {{ header: X-Engine-Key }}, secret: file:s }}\n\
         workflows:\n  - {{ name: hello, template: GET /hello, upstream: {{ Production: engine }} }}\n\
         keys:\n  - {{ name: filed, primary: '{}', workflows: [hello] }}\n",
        crate::support::digest(&token("filed"))
    );
    let managed = Managed::beside(&owner, &[("s", "engines-own-7Fk")]);
    let admin = managed.api();
    let hello = json!({ "workflow": "hello", "expires_in": "1h" });
    let few = admin.create("keys", json!({ "name": "few", "scopes": ["admin:write"] }));
    let api = managed.api_of(&text(&few["primary"]));
    api.refused("POST", "/keys/filed/signed-urls", hello.clone(), "403 grant_exceeds_own");
    let scopes = json!(["admin:read", "admin:write", "workflows:invoke", "connections:use"]);
    let all =
        admin.create("keys", json!({ "name": "all", "scopes": scopes, "workflows": "all", "connections": "all" }));
    let api = managed.api_of(&text(&all["primary"]));
    let url = text(&api.done("POST", "/keys/filed/signed-urls", hello.clone())["url"]);
    assert_eq!(verdict(&managed, &url), "200");
    let without = World::build()
        .root("master_key: env:MASTER")
        .env("MASTER", &crate::signed_urls::master("ours"))
        .key("boss", "workflows: all, connections: all, scopes: [workflows:invoke, connections:use, admin:write]")
        .start();
    let api = crate::support::stored::Api { address: without.admin.unwrap(), token: token("boss") };
    let order = json!({ "workflow": "get-customer", "expires_in": "1h", "parameters": { "id": "7" } });
    let url = text(&api.done("POST", "/keys/crm/signed-urls", &order)["url"]);
    assert_eq!(without.get(&url).send().verdict(), "200");
    let bare = World::build()
        .key("boss", "workflows: all, connections: all, scopes: [workflows:invoke, connections:use, admin:write]")
        .start();
    let api = crate::support::stored::Api { address: bare.admin.unwrap(), token: token("boss") };
    let reply = api.call("POST", "/keys/crm/signed-urls", &order);
    assert_eq!((reply.status, reply.json()["code"].as_str()), (409, Some("no_master_key")), "{}", reply.text());
}

#[test]
fn h7_the_command_asks_the_gateway_it_is_logged_in_to_and_says_so_of_a_file_with_a_store() {
    let managed = Managed::start();
    managed.orders();
    let order = ["url", "sign", "--key", "crm", "--workflow", "get-order", "--param", "id=1", "--expires", "90d"];
    let done = managed.cli(&order);
    assert_eq!((done.code, done.stdout.lines().count()), (0, 1), "{}{}", done.stdout, done.stderr);
    assert_eq!(verdict(&managed, done.stdout.trim()), "200");
    assert!(done.stderr.contains("whoever has this URL"), "{}", done.stderr);
    let shown = managed.cli(&[&order[..], &["-o", "json", "--base", "https://hooks.example.com"]].concat()).json();
    assert!(text(&shown["url"]).starts_with("https://hooks.example.com/orders/1?auth-id="), "{shown}");
    let config = managed.path("keystile.yaml").display().to_string();
    let done = managed.cli(&[&order[..], &["--config", &config]].concat());
    assert!(done.code == 1 && done.stderr.contains("keystile login"), "{}", done.stderr);
    let nowhere = managed.at_home(&order, "", &[]);
    assert!(nowhere.code == 1 && nowhere.stderr.contains("--config"), "{}", nowhere.stderr);
    let refused = managed.cli(&["url", "sign", "--key", "crm", "--workflow", "get-order", "--expires", "1h"]);
    assert!(refused.code == 1 && refused.stderr.contains("{id}"), "{}", refused.stderr);
}
