//! T7: what `explain` says is what the wire does. Two readings of one decision are held together here.

use crate::support::{World, token};
use std::io::Write;
use std::process::{Command, Stdio};

/// The code `explain` answers with; empty if it would pass.
fn explained(world: &World, method: &str, target: &str, fields: &[(&str, String)]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keystile"))
        .args(["explain", "-o", "json", "-H", "@-", "--config"])
        .arg(world.path("keystile.yaml"))
        .args([method, target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {target}"));
    answer["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn t7_explain_and_the_wire_say_the_same_of_every_key_and_request() {
    let world = World::start();
    let keys = [
        "crm",
        "all",
        "none",
        "silent",
        "fixed-test",
        "fixed-production",
        "disabled",
        "expired",
        "elsewhere",
        "local",
        "no-scope",
        "sunset",
        "stranger",
    ];
    let requests = [
        ("GET", "/customers/1"),
        ("GET", "/customers/1?_profile=Test"),
        ("GET", "/customers/1?_profile=Nowhere"),
        ("POST", "/orders"),
        ("POST", "/orders?_profile=Test"),
        ("DELETE", "/customers/1"),
        ("GET", "/nowhere"),
        ("GET", "/Customers/1"),
        ("GET", "/files/../x"),
        ("HEAD", "/files/a"),
        ("GET", "/files/a?_profile=Test&_profile=Test"),
    ];
    let mut refusals = std::collections::BTreeSet::new();
    for key in keys {
        for (method, target) in requests {
            let fields = [("Authorization", format!("Key={}", token(key)))];
            let reply = world.ask(method, target).header("Authorization", fields[0].1.clone()).send();
            let wire = reply.header("x-keystile-error").unwrap_or_default().to_owned();
            assert_eq!(explained(&world, method, target, &fields), wire, "{key}: {method} {target}");
            refusals.insert(wire);
        }
    }
    assert!(refusals.len() >= 12, "the table is too narrow: {refusals:?}");
}

#[test]
fn t7_explain_and_the_wire_agree_on_where_credentials_stand() {
    let world = World::start();
    let (crm, all) = (token("crm"), token("all"));
    for (target, fields) in [
        ("/customers/1".to_owned(), vec![]),
        (format!("/customers/1?auth-key={crm}"), vec![]),
        (format!("/customers/1?auth-key={crm}&auth%2dkey={crm}"), vec![]),
        ("/customers/1".to_owned(), vec![("X-API-Key", crm.clone())]),
        ("/customers/1".to_owned(), vec![("X-API-Key", crm.clone()), ("Authorization", format!("Key={all}"))]),
        ("/customers/1".to_owned(), vec![("Authorization", "Basic dTpw".to_owned())]),
        ("/customers/1".to_owned(), vec![("Authorization", format!("Key={crm}")), ("Expect", "nonsense".to_owned())]),
        (format!("/customers/1?auth-key={}", token("sunset")), vec![]),
    ] {
        let ask = fields.iter().fold(world.get(&target), |ask, (name, value)| ask.header(name, value.clone()));
        let reply = ask.send();
        let wire = reply.header("x-keystile-error").unwrap_or_default();
        assert_eq!(explained(&world, "GET", &target, &fields), wire, "{target:.30} {:?}", fields.len());
    }
}

#[test]
fn t7_explain_and_the_wire_say_the_same_of_calls() {
    let to =
        |inject: &str| format!("base_url: 'http://{{production}}', inject: {inject}, secret: 'file:production.secret'");
    let world = World::build()
        .outbound("")
        .connection("bot", &to("{ path: '/bot{secret}' }"))
        .connection("key", &to("{ query: key }"))
        .connection(
            "listed",
            &format!("{}, allow: [{{ methods: [GET], path: /v1 }}]", to("{ header: X-Goog-Api-Key }")),
        )
        .connection("empty", "base_url: 'http://{production}', inject: { header: X-Key }")
        .connection("theirs", &to("{ header: X-Their-Key }"))
        .key("caller", "connections: [bot, key, listed, empty, engine-test]")
        .key("stranger", "connections: []")
        .key("old", "connections: all, query_key_sunset: 2020-01-01T00:00:00Z")
        .start();
    let mut seen = std::collections::BTreeSet::new();
    for key in ["caller", "stranger", "old"] {
        let t = token(key);
        for target in [
            "/c/key/x",
            "/c/key/x?key={t}",
            "/c/key/x?%6Bey={t}&key=other",
            "/c/bot/bot{t}/getMe",
            "/c/bot/%62ot{t}/getMe",
            "/c/bot/file/bot{t}/a",
            "/c/listed/v1/x",
            "/c/listed/v2/x",
            "/c/listed/v1/../v2",
            "/c/listed/v1/x?key={t}",
            "/c/listed/bot{t}/x",
            "/c/empty/x",
            "/c/theirs/x",
            "/c/engine-test/x",
            "/c/nowhere/x",
        ] {
            if key != "caller" && !target.starts_with("/c/key") {
                continue;
            }
            let target = target.replace("{t}", &t);
            for fields in [
                vec![],
                vec![("Keystile-Key", t.clone())],
                vec![("Authorization", format!("token {t}"))],
                vec![("Authorization", format!("Bearer {t}")), ("X-Goog-Api-Key", "other".to_owned())],
                vec![("X-Goog-Api-Key", t.clone())],
                vec![("Proxy-Authorization", format!("Bearer {t}")), ("Keystile-Environment", "Test".to_owned())],
            ] {
                let ask = world.call_out("GET", &target).header("Host", "localhost");
                let reply = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value.clone())).send();
                let wire = reply.header("x-keystile-error").unwrap_or_default();
                let told = explained(&world, "GET", &target, &fields);
                assert_eq!(told, wire, "{key}: {target} {fields:?}");
                seen.insert(wire.to_owned());
            }
        }
    }
    assert!(seen.len() >= 8, "the table is too narrow: {seen:?}");
}
