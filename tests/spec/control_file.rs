//! T1b: the file and the store side by side, and a gateway that has a file alone.

use crate::support::managed::text;
use crate::support::{Ask, Managed, Setup, World, digest, token};
use serde_json::{Value, json};

const FILE: &str = "connections:
  - { name: file-engine, base_url: 'http://{production}', inject: { header: X-Engine-Key }, secret: 'file:file.secret' }
workflows:
  - { name: file-flow, template: 'GET /file/{id}', upstream: { Production: file-engine } }
";

fn files() -> [(&'static str, &'static str); 1] {
    [("file.secret", "secret-of-the-file")]
}

fn with_key(more: &str) -> String {
    format!("{FILE}{more}keys:\n  - {{ name: file-key, primary: '{}', workflows: all }}\n", digest(&token("file-key")))
}

#[test]
fn t1b_what_stands_in_the_file_is_shown_and_changed_there_alone() {
    let gateway = Managed::beside(&with_key(""), &files());
    let api = gateway.api();
    gateway.orders();
    let environment = json!({ "description": "x" });
    for (path, body) in [
        ("/keys/file-key", json!({ "title": "x" })),
        ("/connections/file-engine", json!({ "title": "x" })),
        ("/workflows/file-flow", json!({ "title": "x" })),
        ("/environments/Production", environment),
    ] {
        let shown = api.get(path);
        assert_eq!((&shown["origin"], &shown["version"]), (&json!("file"), &Value::Null), "{path}");
        api.refused("PATCH", path, body, "409 managed_by_file");
        api.refused("DELETE", path, Value::Null, "409 managed_by_file");
        let kind = path.split('/').nth(1).unwrap();
        let name = shown["name"].clone();
        let twin = if kind == "connections" {
            json!({ "name": name, "base_url": "https://a.example" })
        } else {
            json!({ "name": name })
        };
        api.refused("POST", &format!("/{kind}"), twin, "409 name_taken");
        let by_id = format!("/{kind}/{}", text(&shown["id"]));
        assert_eq!(api.get(&by_id)["name"], name);
        api.refused("DELETE", &by_id, Value::Null, "409 managed_by_file");
    }
    for verb in ["disable", "enable", "revoke", "slots/primary/regenerate"] {
        api.refused("POST", &format!("/keys/file-key/{verb}"), Value::Null, "409 managed_by_file");
    }
    let secret = json!({ "secret": "another-12345678" });
    api.refused("PUT", "/connections/file-engine/secret", secret, "409 managed_by_file");
    for verb in ["rollback", "verify", "purge"] {
        api.refused("POST", &format!("/connections/file-engine/{verb}"), Value::Null, "409 managed_by_file");
    }
    for path in ["/keys/crm", "/connections/engine", "/workflows/get-order"] {
        assert_eq!(api.get(path)["origin"], "store");
    }
    assert_eq!(gateway.get("/file/1").key(&token("file-key")).send().verdict(), "200");
    assert_eq!(gateway.order(&token("file-key")), "200", "all are all, wherever they stand");
}

#[test]
fn t1b_each_uses_what_the_other_has_and_a_reload_of_the_one_keeps_the_other() {
    let gateway = Managed::beside(FILE, &files());
    let (api, crm) = (gateway.api(), gateway.orders());
    let crm = text(&crm["primary"]);
    gateway.workflow("mixed", "GET /mixed/{id}", "file-engine");
    api.edit("/keys/crm", json!({ "workflows": ["get-order", "mixed", "file-flow"] }));
    let call = |gateway: &Managed, target: &str| {
        let verdict = gateway.get(target).key(&crm).send().verdict();
        (verdict, gateway.production.last().header("x-engine-key").unwrap())
    };
    let from_file = ("200".to_owned(), "secret-of-the-file".to_owned());
    let from_store = ("200".to_owned(), crate::support::managed::SECRET.to_owned());
    assert_eq!(call(&gateway, "/mixed/1"), from_file);
    assert_eq!(call(&gateway, "/file/1"), from_file);

    let more =
        format!("{FILE}  - {{ name: reverse, template: 'GET /reverse/{{id}}', upstream: {{ Production: engine }} }}\n");
    assert!(gateway.reload(&gateway.yaml(&more)), "{}", gateway.stderr.text());
    api.edit("/keys/crm", json!({ "workflows": "all" }));
    assert_eq!(call(&gateway, "/reverse/1"), from_store);
    assert_eq!(call(&gateway, "/orders/1"), from_store);
    assert_eq!(call(&gateway, "/mixed/1"), from_file);
    // What the file needs of the store does not go, nor change its name.
    let problem = api.refused("DELETE", "/connections/engine?force=true", Value::Null, "409 in_use");
    assert!(problem["dependants"]["workflows"].to_string().contains("reverse"), "{problem}");
    let problem = api.refused("PATCH", "/connections/engine", json!({ "name": "motor" }), "422 invalid");
    assert!(problem.to_string().contains("reverse"), "{problem}");
    // And what the store needs of the file neither.
    let without = "workflows: []\n";
    assert!(!gateway.reload(&gateway.yaml(without)));
    assert!(gateway.stderr.text().contains("mixed"), "it says who needs it");
    assert_eq!(call(&gateway, "/mixed/2"), from_file);
    assert!(gateway.reload(&gateway.yaml(&more)));
    let gateway = gateway.restarted();
    assert_eq!(call(&gateway, "/reverse/2"), from_store);
    assert_eq!(call(&gateway, "/mixed/3"), from_file);
}

#[test]
fn t1b_one_name_in_both_is_refused_when_the_file_is_read() {
    let gateway = Managed::beside("", &[]);
    let (api, crm) = (gateway.api(), gateway.orders());
    let crm = text(&crm["primary"]);
    api.create("environments", json!({ "name": "Staging" }));
    let key = |name: &str, token: &str| format!("keys:\n  - {{ name: {name}, primary: '{}' }}\n", digest(token));
    for (more, said) in [
        ("connections:\n  - { name: engine, base_url: 'http://{production}' }\n".to_owned(), "connection engine"),
        (
            "workflows:\n  - { name: get-order, template: 'GET /x', upstream: { Production: engine } }\n".to_owned(),
            "workflow get-order",
        ),
        (key("crm", &token("other")), "key crm"),
        (key("other", &crm), "the same token is the primary one of crm"),
    ] {
        let from = gateway.stderr.lines().len();
        assert!(!gateway.reload(&gateway.yaml(&more)), "{more}");
        let told = gateway.stderr.lines()[from..].join("\n");
        assert!(told.contains("\"1 mistakes in"), "what is only odd is no mistake: {told}");
        assert!(told.contains(said) && (told.contains("store has") || told.contains("keys[other]")), "{said}: {told}");
        assert_eq!(gateway.order(&crm), "200", "what served before goes on");
        assert_eq!(api.get("/keys/crm")["origin"], "store");
    }
    let clash = "connections:\n  - { name: engine, base_url: 'http://{production}' }\n";
    let setup = Setup::of(gateway.another().directory());
    gateway.write("keystile.yaml", gateway.yaml(clash));
    drop(gateway);
    let said = setup.refused();
    assert!(said.contains("connection engine") && said.contains("store"), "{said}");
}

#[test]
fn t1b_without_a_store_the_api_reads_and_does_not_write() {
    let world =
        World::build().key("boss", "scopes: [admin:read, admin:write], workflows: all, connections: all").start();
    let ask = |method: &str, path: &str, body: Value| {
        let ask = Ask::new(world.admin.unwrap(), method, &format!("/api/v1{path}")).header("Host", "localhost");
        let ask = ask.header("Authorization", format!("Bearer {}", token("boss"))).header("Connection", "close");
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        if body.is_null() { ask.send() } else { ask.header("Content-Type", kind).body(body.to_string()).send() }
    };
    for path in ["/keys", "/keys/crm", "/connections", "/connections/engine-production", "/workflows/get-customer"] {
        assert_eq!(ask("GET", path, Value::Null).verdict(), "200", "{path}");
    }
    assert_eq!(ask("GET", "/connections/engine-production/dependants", Value::Null).verdict(), "200");
    assert_eq!(ask("GET", "/keys/nobody", Value::Null).verdict(), "404 key_not_found");
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": "new" })),
        ("PATCH", "/keys/crm", json!({ "title": "x" })),
        ("DELETE", "/keys/crm", Value::Null),
        ("POST", "/keys/crm/disable", Value::Null),
        ("POST", "/keys/crm/slots/primary/regenerate", Value::Null),
        ("POST", "/connections", json!({ "name": "new", "base_url": "https://a.example" })),
        ("PATCH", "/connections/engine-test", json!({ "title": "x" })),
        ("PUT", "/connections/engine-test/secret", json!({ "secret": "another-12345678" })),
        ("POST", "/connections/engine-test/verify", Value::Null),
        ("POST", "/connections/engine-test/rollback", Value::Null),
        ("POST", "/connections/engine-test/purge", Value::Null),
        ("DELETE", "/workflows/get-customer?force=true", Value::Null),
        ("POST", "/workflows/get-customer/secrets", json!({ "secret": "another-12345678" })),
        ("DELETE", "/workflows/get-customer/secrets/1", Value::Null),
        ("POST", "/environments", json!({ "name": "new" })),
        ("DELETE", "/environments/Test", Value::Null),
    ] {
        let reply = ask(method, path, body);
        assert_eq!(reply.verdict(), "409 managed_by_file", "{method} {path}: {}", reply.text());
    }
}

#[test]
fn hazard_31_with_another_master_key_nothing_starts_and_nothing_is_changed() {
    let (gateway, other) = (Managed::start(), Managed::start());
    gateway.orders();
    let setup = Setup::of(gateway.another().directory());
    let stopped = gateway.path("keystile.db");
    gateway.signal("TERM");
    let Managed { gateway: mut process, token, .. } = gateway;
    process.wait();
    let before = std::fs::read(&stopped).unwrap();
    let own = std::fs::read_to_string(process.path("master.key")).unwrap();
    let foreign = std::fs::read_to_string(other.path("master.key")).unwrap();
    for wrong in [foreign.as_str(), "not a master key", ""] {
        process.write("master.key", wrong);
        let said = Setup::of(setup.directory()).refused();
        assert!(said.contains("master key") || said.contains("master_key"), "{said}");
        for secret in [&own, &foreign, &token] {
            assert!(!said.contains(secret.trim()), "it tells nothing of any key");
        }
    }
    std::fs::remove_file(process.path("master.key")).unwrap();
    let said = Setup::of(setup.directory()).refused();
    assert!(said.contains("master.key"), "{said}");
    assert!(std::fs::read(&stopped).unwrap() == before, "nothing was written");
    // With its own it starts; the file was written anew with the rights of any file, which it says.
    process.write("master.key", &own);
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(process.path("master.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    setup.start();
}
