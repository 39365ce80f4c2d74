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
