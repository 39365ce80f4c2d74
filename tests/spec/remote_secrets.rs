//! Secrets of connections come from a prompt, standard input or a file, and never from an argument.

use crate::support::command::{Desk, asked, json};
use crate::support::token;
use serde_json::json;

const SECRET: &str = "sk_live_canary\"/+7";

#[test]
fn s2_a_connection_is_created_with_a_secret_from_a_file_or_standard_input() {
    let desk = Desk::saying(json!({ "name": "stripe", "status": "active", "notices": ["white space was removed"] }));
    desk.home.write("secret", format!("{SECRET}\n"));
    let create =
        ["connections", "create", "stripe", "--connector", "stripe", "--environment", "Test", "--field", "account=a"];
    let (path, body) = desk.asks(&[&create[..], &["--secret-file", "secret"]].concat());
    let expected = json!({ "name": "stripe", "connector": "stripe", "environment": "Test", "fields": { "account": "a" }, "secret": SECRET });
    assert_eq!((path.as_str(), body), ("POST /connections", expected));
    let done =
        desk.fed(&["connections", "set-secret", "stripe", "--secret-file", "-", "--force", "--no-verify"], SECRET);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let path = "PUT /connections/stripe/secret?force=true&verify=false".to_owned();
    assert_eq!(asked(&desk.api.last()), (path, json!({ "secret": SECRET })));
    assert!(done.stdout.contains("note: white space was removed"), "{}", done.stdout);
    desk.home.write("stripe.yaml", "{ name: stripe, connector: stripe, secret: in-the-file }");
    assert_eq!(desk.asks(&["connections", "create", "-f", "stripe.yaml"]).1["secret"], "in-the-file");
    desk.home.write("stripe.yaml", "{ name: stripe, connector: stripe, secret: 'env:STRIPE' }");
    assert!(desk.run(&["connections", "create", "-f", "stripe.yaml"]).stderr.contains("--secret-file"));
    let (_, body) = desk.asks(&[
        "connections",
        "create",
        "e",
        "--connector",
        "custom",
        "--base-url",
        "https://e.example",
        "--inject",
        "header=X-Key",
        "--allow-network",
        "10.0.0.0/8",
        "--no-secret",
    ]);
    let expected = json!({ "name": "e", "base_url": "https://e.example", "inject": { "header": "X-Key" }, "allow_networks": ["10.0.0.0/8"] });
    assert_eq!(body, expected);
}

#[test]
fn s2_a_secret_in_an_argument_is_refused_and_not_repeated() {
    let desk = Desk::saying(json!({}));
    for arguments in [
        vec!["connections", "set-secret", "stripe", "--secret", SECRET],
        vec!["connections", "set-secret", "stripe", SECRET],
        vec!["connections", "create", "stripe", "--connector", "stripe", "--secret", SECRET],
        vec!["connections", "create", "stripe", SECRET],
        vec!["connections", "edit", "stripe", "--set", "secret=sk_live_canary"],
    ] {
        let done = desk.run(&arguments);
        let told = done.stdout + &done.stderr;
        assert_eq!(done.code, 2, "{arguments:?}: {told}");
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains("--secret-file") || told.contains("set-secret"), "{told}");
    }
    let none = desk.run(&["connections", "set-secret", "stripe"]);
    assert!(none.code == 2 && none.stderr.contains("--secret-file"), "{}", none.stderr);
    assert_eq!(desk.api.count(), 0);
}

#[test]
fn t3_a_token_in_a_wrong_place_is_not_repeated() {
    let desk = Desk::saying(json!({}));
    let token = token("astray");
    for arguments in [["keys", "digest", &token], ["keys", "rotate", &token], ["status", "--nothing", &token]] {
        let done = desk.run(&arguments);
        assert_eq!(done.code, 2);
        assert!(!(done.stdout + &done.stderr).contains(&token[4..]));
    }
}

#[test]
fn r1_a_secret_is_rolled_back_and_earlier_versions_purged() {
    let desk = Desk::saying(json!({ "name": "stripe", "secret_version": 2, "purged": 1 }));
    assert_eq!(
        desk.asks(&["connections", "rollback", "stripe"]),
        ("POST /connections/stripe/rollback".to_owned(), json!({}))
    );
    assert_eq!(desk.asks(&["connections", "rollback", "stripe", "--version", "2"]).1, json!({ "version": 2 }));
    assert_eq!(desk.asks(&["connections", "purge", "stripe", "--yes"]).0, "POST /connections/stripe/purge");
}

#[test]
fn c8_verify_tells_each_verdict_and_fails_on_errors() {
    let desk = Desk::answering(|request| match request.target().contains("bad") {
        _ if request.method() == "GET" => {
            json(200, &json!({ "items": [{ "name": "good" }, { "name": "bad" }], "next": null }))
        }
        true => json(200, &json!({ "name": "bad", "status": "error", "verification": { "says": "the key is wrong" } })),
        false => json(200, &json!({ "name": "good", "status": "active", "verification": { "says": "accepted" } })),
    });
    assert_eq!(desk.run(&["connections", "verify", "good"]).code, 0);
    let done = desk.run(&["connections", "verify", "--all", "-o", "json"]);
    assert_eq!(done.code, 1);
    assert_eq!(done.json()[1]["says"], "the key is wrong");
}

#[test]
fn connections_are_read_from_a_file_where_one_is_named_or_no_gateway_is() {
    let desk = Desk::saying(json!({ "items": [{ "name": "from-the-gateway" }], "next": null }));
    desk.home.write("keystile.yaml", "listeners: { inbound: [{ address: 127.0.0.1:0 }] }\nconnections: [{ name: from-the-file, base_url: https://e.example }]\n");
    assert!(desk.run(&["connections", "list"]).stdout.contains("from-the-gateway"));
    for done in
        [desk.run(&["connections", "list", "--config", "keystile.yaml"]), desk.with(&["connections", "list"], "", &[])]
    {
        assert!(done.stdout.contains("from-the-file"), "{}{}", done.stdout, done.stderr);
    }
}
