//! The commands over the admin API: what each asks for, and what it prints of the answer. The gateway is a stand-in that
//! records.

use crate::support::command::{Desk, TOKEN, asked, json, tagged};
use crate::support::{digest, token};
use serde_json::{Value, json};

fn created() -> Value {
    json!({ "id": "0190a5e4-6a5c-7c3e-9f4b-0a1b2c3d4e5f", "name": "acme", "primary": token("a"), "secondary": token("b") })
}

#[test]
fn a_request_shows_the_token_and_goes_below_api_v1() {
    let desk = Desk::saying(json!({ "version": "1" }));
    assert_eq!(desk.asks(&["status"]), ("GET /status".to_owned(), Value::Null));
    let request = desk.api.last();
    assert_eq!(request.target(), "/api/v1/status");
    assert_eq!(request.header("authorization").unwrap(), format!("Bearer {TOKEN}"));
    assert_eq!(request.header("host").unwrap(), desk.api.address.to_string());
}

#[test]
fn keys_create_sends_the_configurations_fields() {
    let desk = Desk::saying(created());
    let plain = ["keys", "create", "acme", "--workflow", "a", "--workflow", "b", "--connection", "all"];
    let body = json!({ "name": "acme", "workflows": ["a", "b"], "connections": "all" });
    assert_eq!(desk.asks(&plain), ("POST /keys".to_owned(), body));
    let (_, body) = desk.asks(&[
        "keys",
        "create",
        "acme",
        "--environment",
        "Test",
        "--scope",
        "admin:read",
        "--expires",
        "2030-01-02",
        "--rate",
        "5/s",
        "--allow",
        "10.0.0.0/8",
        "--title",
        "T",
        "--description",
        "D",
        "--query-sunset",
        "2029-01-01T00:00:00Z",
        "--set",
        "require_client_cert.name=w.example",
    ]);
    let expected = json!({
        "name": "acme", "environment": "Test", "scopes": ["admin:read"], "expires_at": "2030-01-02T00:00:00Z",
        "rate_limit": "5/s", "allow_addresses": ["10.0.0.0/8"], "title": "T", "description": "D",
        "query_key_sunset": "2029-01-01T00:00:00Z", "require_client_cert": { "name": "w.example" },
    });
    assert_eq!(body, expected);
    desk.asks(&["keys", "create", "acme", "--idempotency-key", "once"]);
    assert_eq!(desk.api.last().header("idempotency-key").unwrap(), "once");
}

#[test]
fn k8_keys_create_prints_both_tokens_once() {
    let desk = Desk::saying(created());
    let done = desk.run(&["keys", "create", "acme", "-o", "json"]);
    assert_eq!(done.json(), created());
    let table = desk.run(&["keys", "create", "acme"]).stdout;
    for token in [token("a"), token("b")] {
        assert_eq!(table.matches(&token).count(), 1, "{table}");
    }
    let replayed = Desk::saying(json!({ "id": "1", "name": "acme", "tokens_already_shown": true }));
    assert!(replayed.run(&["keys", "create", "acme"]).stdout.contains("keys rotate acme"));
}

#[test]
fn k9_an_existing_token_is_imported_as_its_digest() {
    let desk = Desk::saying(created());
    let done = desk.fed(&["keys", "create", "acme", "--import-primary-from", "-"], &format!("{}\n", token("old")));
    assert_eq!(done.code, 0, "{}", done.stderr);
    let request = desk.api.last();
    assert_eq!(asked(&request).1["primary"], digest(&token("old")));
    assert!(!request.text().contains(&token("old")));
}

#[test]
fn keys_are_rotated_disabled_enabled_revoked_and_deleted() {
    let desk = Desk::saying(json!({ "name": "acme", "token": token("new") }));
    let rotate = ["keys", "rotate", "acme", "--slot", "primary"];
    assert_eq!(desk.run(&[&rotate[..], &["-o", "json"]].concat()).json(), json!({ "primary": token("new") }));
    let path = "POST /keys/acme/slots/primary/regenerate".to_owned();
    assert_eq!(desk.asks(&[&rotate[..], &["--grace", "1h"]].concat()), (path, json!({ "grace": "1h" })));
    for verb in ["disable", "enable"] {
        assert_eq!(desk.asks(&["keys", verb, "acme"]).0, format!("POST /keys/acme/{verb}"));
    }
    assert_eq!(desk.asks(&["keys", "revoke", "acme", "--yes"]).0, "POST /keys/acme/revoke");
    assert_eq!(desk.asks(&["keys", "delete", "acme", "--yes"]).0, "DELETE /keys/acme");
}

#[test]
fn what_cannot_be_taken_back_is_asked_for_and_off_a_terminal_refused() {
    let desk = Desk::saying(json!({}));
    for arguments in [["keys", "revoke", "acme"], ["keys", "delete", "acme"], ["connections", "purge", "stripe"]] {
        let done = desk.run(&arguments);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(done.stderr.contains("--yes"), "{}", done.stderr);
    }
    assert_eq!(desk.api.count(), 0);
    let done = desk.run(&["keys", "edit", "acme"]);
    assert!(done.code == 2 && done.stderr.contains("--set"), "{}", done.stderr);
}

#[test]
fn lists_follow_their_pages_and_pass_their_filters_on() {
    let desk = Desk::answering(|request| {
        let (from, next) = match request.target().contains("cursor=two%20x") {
            false => (0, json!("two x")),
            true => (2, Value::Null),
        };
        let key = |n: i32| json!({ "name": format!("key-{n}"), "status": "enabled", "title": "\u{1b}[31m" });
        json(200, &json!({ "items": [key(from), key(from + 1)], "next": next }))
    });
    let done = desk.run(&["keys", "list", "--state", "enabled", "--environment", "Test", "-q", "a&b", "-o", "json"]);
    assert_eq!(done.json().as_array().unwrap().len(), 4, "{}", done.stderr);
    assert!(desk.api.last().target().starts_with("/api/v1/keys?status=enabled&environment=Test&q=a%26b&limit="));

    let done = desk.run(&["keys", "list", "--limit", "1"]);
    assert_eq!(done.stdout.lines().count(), 2, "{}", done.stdout);
    assert!(done.stderr.contains("--all"), "{}", done.stderr);
    let done = desk.run(&["keys", "list", "--all"]);
    assert!(done.stdout.contains("key-3") && !done.stdout.contains('\u{1b}'), "{}", done.stdout);
}

#[test]
fn edits_are_merge_patches_and_a_file_is_sent_against_its_version() {
    let desk = Desk::answering(|_| {
        let shown = json!({ "id": "7", "name": "acme", "title": "old", "rate_limit": "1/s", "origin": "store" });
        tagged(200, &shown, Some(5))
    });
    let set = ["keys", "edit", "acme", "--set", "title=new", "--set", "rate_limit=null"];
    assert_eq!(desk.asks(&set), ("PATCH /keys/acme".to_owned(), json!({ "title": "new", "rate_limit": null })));
    assert_eq!(desk.api.last().header("if-match"), None);
    desk.asks(&[&set[..], &["--if-match", "3"]].concat());
    assert_eq!(desk.api.last().header("if-match").unwrap(), "\"3\"");

    // What `show -o yaml` prints is sent back: only what differs goes out.
    let done = desk.fed(&["keys", "edit", "acme", "-f", "-"], "{ id: '7', name: acme, title: new, origin: store }");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let request = desk.api.last();
    assert_eq!(asked(&request), ("PATCH /keys/acme".to_owned(), json!({ "title": "new" })));
    assert_eq!(request.header("if-match").unwrap(), "\"5\"");

    let slip = desk.run(&["keys", "edit", "acme", "--set", "ratelimit=1/s"]);
    assert!(slip.code == 2 && slip.stderr.contains("rate_limit"), "{}", slip.stderr);
}

#[test]
fn workflows_and_environments_are_created_shown_and_listed() {
    let desk = Desk::answering(|request| match request.target().contains('?') {
        true => json(200, &json!({ "items": [{ "name": "get" }], "next": null })),
        false => tagged(200, &json!({ "id": "7", "name": "get", "template": "GET /x/{id}" }), Some(3)),
    });
    let create = [
        "workflows",
        "create",
        "get",
        "--template",
        "GET /x/{id}",
        "--upstream",
        "Production=e",
        "--upstream",
        "Test=t",
    ];
    let body = json!({ "name": "get", "template": "GET /x/{id}", "upstream": { "Production": "e", "Test": "t" } });
    assert_eq!(desk.asks(&create), ("POST /workflows".to_owned(), body));
    let done = desk.fed(&["workflows", "create", "-f", "-"], "name: get\ntemplate: GET /x\n");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(asked(&desk.api.last()).1, json!({ "name": "get", "template": "GET /x" }));
    let body = json!({ "name": "Staging", "title": "S" });
    assert_eq!(
        desk.asks(&["environments", "create", "Staging", "--title", "S"]),
        ("POST /environments".to_owned(), body)
    );
    let shown = desk.run(&["workflows", "show", "get"]).stdout;
    assert!(shown.contains("GET /x/{id}") && shown.contains("version             3"), "{shown}");
    assert!(desk.run(&["environments", "list"]).stdout.contains("get"));
    assert_eq!(desk.run(&["workflows", "create"]).code, 2);
}

#[test]
fn r2_a_delete_shows_what_depends_on_it_before_it_forces() {
    let desk = Desk::answering(|request| match request.target().ends_with("/dependants") {
        true => json(200, &json!({ "workflows": ["pay"], "keys": [], "last_used_at": "2020-01-01T00:00:00Z" })),
        false => json(200, &Value::Null),
    });
    let done = desk.run(&["connections", "delete", "stripe"]);
    assert!(
        done.code == 2 && done.stderr.contains("workflows: pay") && done.stderr.contains("years ago"),
        "{}",
        done.stderr
    );
    assert_eq!(desk.api.count(), 1, "nothing was deleted");
    let done = desk.run(&["connections", "delete", "stripe", "--yes", "-o", "json"]);
    assert_eq!(done.json(), json!({ "deleted": "stripe" }));
    assert!(done.stderr.contains("workflows: pay"), "{}", done.stderr);
    assert_eq!(asked(&desk.api.last()).0, "DELETE /connections/stripe?force=true");
    assert_eq!(desk.asks(&["connections", "delete", "stripe", "--force"]).0, "DELETE /connections/stripe?force=true");
}

#[test]
fn t4_the_audit_is_listed_exported_and_verified() {
    let desk = Desk::answering(|request| {
        if request.target().ends_with("/audit/verify") {
            return json(200, &json!({ "ok": false, "count": 9, "head": "ab", "broken_at": 4 }));
        }
        let last = request.target().contains("cursor=2");
        let row = |seq: u64| {
            json!({ "seq": seq, "at": 1_577_836_800_000_i64, "actor": "ann", "action": "key.edit",
            "subject": "acme", "before": { "title": "a" }, "after": { "title": "b" } })
        };
        let (items, next) = if last { (vec![row(1)], Value::Null) } else { (vec![row(3), row(2)], json!("2")) };
        json(200, &json!({ "items": items, "next": next }))
    });
    let export = desk.run(&["audit", "export"]).stdout;
    let seqs: Vec<Value> = export.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["seq"].clone()).collect();
    assert_eq!(seqs, [3, 2, 1]);
    let listed = desk.run(&["audit", "list", "--since", "2020-01-01", "--kind", "key"]);
    assert!(listed.stdout.contains("title: a → b") && listed.stdout.contains("years ago"), "{}", listed.stdout);
    assert!(desk.api.last().target().contains("kind=key&since=2020-01-01T00%3A00%3A00Z"));
    let broken = desk.run(&["audit", "verify"]);
    assert!(broken.code == 1 && broken.stdout.contains("entry 4"), "{}", broken.stdout);
}

#[test]
fn t2_resources_are_exported_and_imported() {
    let desk = Desk::answering(|request| match request.method().as_str() {
        "GET" => json(200, &json!({ "connections": [{ "name": "stripe" }] })),
        _ => json(200, &json!({ "created": ["stripe"], "updated": [], "unchanged": [], "needs_secret": ["stripe"] })),
    });
    let exported = desk.run(&["export"]).stdout;
    assert_eq!(exported, "connections:\n- name: stripe\n");
    assert_eq!(desk.run(&["export", "-o", "json"]).json()["connections"][0]["name"], "stripe");
    let done = desk.fed(&["import", "-f", "-", "--dry-run"], &exported);
    assert_eq!(
        asked(&desk.api.last()),
        ("POST /import?dry_run=true".to_owned(), json!({ "connections": [{ "name": "stripe" }] }))
    );
    assert!(done.stdout.contains("keystile connections set-secret stripe"), "{}", done.stdout);
    let target = desk.home.path("out.yaml").display().to_string();
    assert_eq!(desk.run(&["export", "--file", &target]).code, 0);
    assert_eq!(desk.run(&["export", "--file", &target]).code, 1, "nothing is overwritten");
}

#[test]
fn t5_usage_is_told_by_slot_with_its_refusals() {
    let desk = Desk::saying(json!({ "items": [{ "kind": "key", "name": "acme", "slot": "primary", "requests": 7,
        "refused": { "rate_limited": 2 }, "last_used_at": null }] }));
    let done = desk.run(&["usage", "acme"]);
    assert_eq!(asked(&desk.api.last()).0, "GET /usage?kind=key&name=acme");
    assert!(done.stdout.contains("rate_limited 2"), "{}", done.stdout);
}

#[test]
fn t6_a_refusal_is_told_with_its_mistakes_and_the_next_step() {
    let desk = Desk::answering(|_| {
        let errors = json!([{ "field": "rate_limit", "reason": "\"x\" is not a rate", "remedy": "write: 100/s" }]);
        json(
            422,
            &json!({ "code": "invalid_field", "detail": "one field is wrong\u{1b}[2J", "hint": "h", "errors": errors }),
        )
    });
    let done = desk.run(&["keys", "create", "acme", "--rate", "x"]);
    let expected = "keystile: one field is wrong\\u{1b}[2J\n  rate_limit: \"x\" is not a rate: write: 100/s\n  h\n";
    assert_eq!((done.code, done.stderr.as_str()), (1, expected));
    assert_eq!(done.stdout, "");
}
