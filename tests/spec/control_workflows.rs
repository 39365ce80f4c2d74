//! Workflows and environments through the API: W2 to W4, E1, E5, and what follows when something is renamed (K15).

use crate::support::Managed;
use crate::support::managed::text;
use serde_json::{Value, json};

#[test]
fn w2_a_new_workflow_is_permitted_to_nobody_but_all() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let all = text(&api.create("keys", json!({ "name": "all", "workflows": "all" }))["primary"]);
    let none = text(&api.create("keys", json!({ "name": "none" }))["primary"]);
    gateway.workflow("get-customer", "GET /customers/{id}", "engine");
    let call = |token: &str| gateway.get("/customers/1").key(token).send().verdict();
    assert_eq!(call(&text(&crm["primary"])), "403 workflow_not_permitted");
    assert_eq!(call(&none), "403 workflow_not_permitted");
    assert_eq!(call(&all), "200");
    api.edit("/keys/none", json!({ "workflows": ["get-customer"] }));
    assert_eq!(call(&none), "200", "from the next request on");
    api.edit("/keys/none", json!({ "workflows": [] }));
    assert_eq!(call(&none), "403 workflow_not_permitted");
}

#[test]
fn w2_a_deleted_workflows_permission_is_not_its_successors() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let token = text(&crm["primary"]);
    let problem = api.refused("DELETE", "/workflows/get-order", Value::Null, "409 in_use");
    assert_eq!(problem["dependants"]["keys"], json!(["crm"]));
    api.done("DELETE", "/workflows/get-order?force=true", Value::Null);
    assert_eq!(gateway.order(&token), "404 workflow_not_found");
    gateway.workflow("get-order", "GET /orders/{id}", "engine");
    assert_eq!(gateway.order(&token), "403 workflow_not_permitted", "the name is the same, the workflow is not");
    assert_eq!(api.get("/keys/crm")["workflows"], json!([]));
}

#[test]
fn w3_only_what_has_a_template_can_be_permitted() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    api.create("workflows", json!({ "name": "someday" }));
    for (method, path, body) in [
        ("POST", "/keys", json!({ "name": "other", "workflows": ["get-order", "someday"] })),
        ("PATCH", "/keys/crm", json!({ "workflows": ["someday"] })),
    ] {
        let problem = api.refused(method, path, body, "422 workflow_not_bound");
        assert!(problem["detail"].as_str().unwrap().contains("someday"), "{problem}");
    }
    assert_eq!(api.get("/keys/crm")["workflows"], json!(["get-order"]));
    api.edit("/workflows/someday", json!({ "template": "GET /someday", "upstream": { "Production": "engine" } }));
    api.edit("/keys/crm", json!({ "workflows": ["someday"] }));
}

#[test]
fn w4_templates_of_which_neither_is_more_specific_are_refused_naming_both() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let twin = json!({ "name": "twin", "template": "GET /orders/{number}", "upstream": { "Production": "engine" } });
    let problem = api.refused("POST", "/workflows", twin, "422 invalid");
    let said = problem.to_string();
    assert!(said.contains("get-order") && said.contains("GET /orders/{number}"), "{said}");
    gateway.workflow("special", "GET /orders/special", "engine");
    gateway.workflow("create", "POST /orders/{id}", "engine");
    api.refused("PATCH", "/workflows/special", json!({ "template": "GET /orders/{x}" }), "422 invalid");
    assert_eq!(api.get("/workflows/special")["template"], "GET /orders/special");
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
}

#[test]
fn e5_a_workflow_leads_to_connections_of_the_environment_alone() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    let body = json!({ "name": "crossed", "template": "GET /crossed", "upstream": { "Production": "engine-test" } });
    api.refused("POST", "/workflows", body, "422 environment_mismatch");
    let crossed = json!({ "upstream": { "Test": "engine" } });
    api.refused("PATCH", "/workflows/get-order", crossed, "422 environment_mismatch");
    // Nor can the connection move away from under it.
    api.refused("PATCH", "/connections/engine", json!({ "environment": "Test" }), "422 environment_mismatch");
    assert_eq!(api.get("/workflows/get-order")["upstream"], json!({ "Production": "engine", "Test": "engine-test" }));
    assert_eq!(api.get("/connections/engine")["environment"], "Production");
    let missing = json!({ "name": "x", "template": "GET /x", "upstream": { "Production": "nothing" } });
    api.refused("POST", "/workflows", missing, "422 invalid");
}

#[test]
fn e1_a_key_of_an_environment_that_is_gone_runs_nowhere_else() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    let staging = api.create("environments", json!({ "name": "Staging" }));
    let made = api.create("keys", json!({ "name": "fixed", "environment": "Staging", "workflows": "all" }));
    let token = text(&made["primary"]);
    assert_eq!(api.refused("DELETE", "/environments/Staging", Value::Null, "409 in_use")["dependants"]["key_count"], 1);
    api.done("DELETE", "/environments/Staging?force=true", Value::Null);
    let refused = || {
        for target in
            ["/orders/1", "/orders/1?_profile=Production", "/orders/1?_profile=Test", "/orders/1?_profile=Staging"]
        {
            let reply = gateway.get(target).key(&token).send();
            assert!(reply.status == 403 || reply.status == 400, "{target}: {}", reply.verdict());
        }
    };
    refused();
    assert_eq!(api.get("/keys/fixed")["environment"], staging["id"], "it is not shown as free");
    // An edit that does not speak of it does not lift it, nor does a new environment of its name take its place.
    assert_eq!(api.edit("/keys/fixed", json!({ "title": "Of Staging" }))["environment"], staging["id"]);
    refused();
    api.create("environments", json!({ "name": "Staging" }));
    refused();
    gateway.production.assert_untouched();
    gateway.test.assert_untouched();
    api.edit("/keys/fixed", json!({ "environment": "Production" }));
    assert_eq!(gateway.order(&token), "200", "whoever says so says where");
}

#[test]
fn k15_what_refers_to_a_renamed_connection_follows() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let caller = json!({ "name": "caller", "connections": ["engine"] });
    let caller = text(&api.create("keys", caller)["primary"]);
    let before = api.get("/connections/engine");
    let after = api.edit("/connections/engine", json!({ "name": "engine-2" }));
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["status"], before["status"], "its secret still goes where it went");
    assert_eq!(api.get("/workflows/get-order")["upstream"]["Production"], "engine-2");
    assert_eq!(api.get("/keys/caller")["connections"], json!(["engine-2"]));
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    let call = |name: &str| gateway.call_out("GET", &format!("/c/{name}/x")).key(&caller).send().verdict();
    assert_eq!((call("engine-2").as_str(), call("engine").as_str()), ("200", "404 connection_not_found"));
    assert_eq!(call(&text(&before["id"])), "200");
    // Somebody else of the old name is somebody else.
    gateway.connection("engine", "Production", "another-secret-12345");
    assert_eq!(call("engine"), "404 connection_not_found");
    let gateway = gateway.restarted();
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
}

#[test]
fn k15_what_belongs_to_a_renamed_environment_follows() {
    let gateway = Managed::start();
    let api = gateway.api();
    let staging = api.create("environments", json!({ "name": "Staging" }));
    gateway.connection("engine-staging", "Staging", "staging-secret-123456");
    let upstream = json!({ "Staging": "engine-staging" });
    api.create("workflows", json!({ "name": "get-order", "template": "GET /orders/{id}", "upstream": upstream }));
    let key = api.create("keys", json!({ "name": "fixed", "environment": "Staging", "workflows": "all" }));
    let call = |gateway: &Managed, profile: &str| {
        gateway.get(&format!("/orders/1?_profile={profile}")).key(&text(&key["primary"])).send().verdict()
    };
    assert_eq!(call(&gateway, "Staging"), "200");
    let renamed = api.edit("/environments/Staging", json!({ "name": "Acceptance" }));
    assert_eq!(renamed["id"], staging["id"]);
    assert_eq!(api.get("/keys/fixed")["environment"], "Acceptance");
    assert_eq!(api.get("/connections/engine-staging")["environment"], "Acceptance");
    assert_eq!(api.get("/workflows/get-order")["upstream"], json!({ "Acceptance": "engine-staging" }));
    assert_eq!(api.names("/connections?environment=Acceptance"), ["engine-staging"]);
    assert_eq!(api.names("/connections?environment=Staging"), [""; 0]);
    assert_eq!(call(&gateway, "Staging"), "403 environment_mismatch");
    assert_eq!(call(&gateway, "Acceptance"), "200");
    let gateway = gateway.restarted();
    assert_eq!(call(&gateway, "Acceptance"), "200");
}
