//! T7: what `explain` says is what the wire does. Two readings of one decision are held together here.

use crate::support::sender::{Delivery, SCHEMES, custom, header_of, hook, hooks, now, secret};
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

/// The code `explain` answers a delivery with.
fn explained_delivery(world: &World, delivery: &Delivery, more: &[&str]) -> serde_json::Value {
    world.write("event", &delivery.body);
    let data = format!("@{}", world.path("event").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystile"));
    command.args(["explain", "-o", "json", "--config"]).arg(world.path("keystile.yaml"));
    command.args(["-H", "Host: gateway.test", "--data", &data]).args(more);
    for (name, value) in &delivery.fields {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.args([&delivery.method, &delivery.target]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}"))
}

fn steps(explanation: &serde_json::Value) -> String {
    let steps = explanation["steps"].as_array().unwrap().iter();
    steps.map(|step| format!("{}: {}\n", step["step"].as_str().unwrap(), step["finding"].as_str().unwrap())).collect()
}

#[test]
fn t7_explain_and_the_wire_say_the_same_of_deliveries() {
    let mut build = hooks(World::build().listener("max_body: 64KiB"), "replays: { remember: false }");
    for require in ["key", "either", "both"] {
        let scheme = if require == "key" {
            ""
        } else {
            "scheme: github, secrets: ['file:github.signing'],  replays: { remember: false }, handshake: microsoft, "
        };
        build = custom(build, require, &format!("{scheme}require: {require}"));
    }
    let world =
        custom(build, "dropbox", "scheme: github, secrets: ['file:github.signing'], handshake: dropbox").start();
    let github = || Delivery::of("github");
    let key = |delivery: Delivery, name: &str| delivery.and("Authorization", format!("Key={}", token(name)));
    let get = |target: &str| Delivery {
        method: "GET".to_owned(),
        body: Vec::new(),
        fields: Vec::new(),
        ..github().to(target)
    };
    let asked = |target: &str| Delivery { body: Vec::new(), fields: Vec::new(), ..github().to(target) };
    let mut cases = vec![
        github().to("/hooks/github?_profile=Test"),
        github().to("/hooks/github?_profile=Production"),
        github().to("/hooks/github?_profile=Production&_profile=Production"),
        Delivery::signed("github", &secret("github"), &[b'x'; (64 << 10) + 1], now()),
        Delivery::signed("stripe", &secret("stripe"), b"{}", now() - 1000),
        Delivery::signed("slack", &secret("slack"), b"{}", now() + 1000),
        key(github(), "all"),
        get("/hooks/dropbox?challenge=a"),
        get("/hooks/dropbox?challenge=a&challenge=b"),
        get("/hooks/dropbox"),
        asked("/hooks/both?validationToken=a"),
        key(asked("/hooks/both?validationToken=a"), "all"),
        key(asked("/hooks/both?validationToken=a"), "crm"),
        asked("/hooks/either?validationToken=a"),
        get("/hooks/github"),
    ];
    cases.extend(SCHEMES.map(Delivery::of));
    let header = header_of("github");
    let twice = github().and(header, github().signature());
    cases.extend([github().saying("changed"), github().without(header), github().forged("nonsense"), twice]);
    for require in ["key", "either", "both"] {
        let right = github().to(format!("/hooks/{require}"));
        cases.extend(["crm", "stranger", "fixed-test"].map(|name| key(right.clone(), name)));
        for delivery in [right.clone().saying("changed"), right.clone().without(header), right] {
            cases.extend([key(delivery.clone(), "all"), delivery]);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for delivery in cases {
        let before = world.production.count();
        let reply = delivery.send(&world);
        let forwarded = world.production.count() > before;
        let told = explained_delivery(&world, &delivery, &[]);
        let what = format!("{} {} {:?}\n{}", delivery.method, delivery.target, delivery.fields, steps(&told));
        let wire = reply.header("x-keystile-error").unwrap_or_default();
        assert_eq!(told["code"].as_str().unwrap_or_default(), wire, "{what}");
        let verdict = match (reply.status, forwarded) {
            (200, true) => "permitted",
            (200, false) => "answered",
            _ => "refused",
        };
        assert_eq!(told["verdict"], verdict, "{what}");
        seen.insert(format!("{verdict} {wire}"));
    }
    assert!(seen.len() >= 12, "the table is too narrow: {seen:?}");
}

#[test]
fn t7_explain_says_why_a_delivery_was_refused() {
    let build = hook(World::build().file("next", "another secret"), "github", "github", "");
    let both = "scheme: stripe, secrets: ['file:next', 'file:stripe.signing']";
    let world = custom(build.file("stripe.signing", secret("stripe")), "stripe", both).start();
    let why = |delivery: &Delivery| steps(&explained_delivery(&world, delivery, &[]));
    let right = why(&Delivery::signed("stripe", &secret("stripe"), b"{}", now() - 10));
    for said in [
        "stripe-signature",
        " s behind ours; 300 s are tolerated\n",
        "file:stripe.signing",
        "the webhook's",
        "reserved",
    ] {
        assert!(right.contains(said), "{said}: {right}");
    }
    let late = why(&Delivery::signed("stripe", &secret("stripe"), b"{}", now() - 1000));
    assert!(late.contains(" s behind ours; 300 s are tolerated, 70"), "{late}");
    let early = why(&Delivery::signed("stripe", &secret("stripe"), b"{}", now() + 1000));
    assert!(early.contains("s ahead of ours; 300 s are tolerated, "), "{early}");
    let wrong = why(&Delivery::of("github").saying("changed"));
    assert!(wrong.contains("none of the workflow's secrets") && wrong.contains("7 bytes"), "{wrong}");
    let malformed = why(&Delivery::of("github").forged("sha256=zz"));
    assert!(malformed.contains("signature_invalid"), "{malformed}");
    // Without its body nothing can be said of a signature.
    let delivery = Delivery::of("github");
    let output = Command::new(env!("CARGO_BIN_EXE_keystile"))
        .args(["explain", "POST", "/hooks/github", "--config"])
        .arg(world.path("keystile.yaml"))
        .args(["-H", &format!("X-Hub-Signature-256: {}", delivery.signature())])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("--data") && told.contains("signature_invalid"), "{told}");
    assert!(!told.contains(&secret("github")) && !right.contains(&secret("stripe")));
    // A key that is named counts where keys do.
    let keyed = explained_delivery(&world, &Delivery::of("github"), &["--key", "crm"]);
    assert_eq!(keyed["verdict"], "permitted");
    assert!(steps(&keyed).contains("--key is not looked at"), "{}", steps(&keyed));
    world.assert_untouched();
}
