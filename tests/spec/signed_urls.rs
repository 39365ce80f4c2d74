//! H7 with a configuration file alone: a URL that is signed calls what it was signed for, until it ends, and nothing else.

use crate::support::command::{Done, keystile};
use crate::support::{Ask, Builder, Directory, PATIENCE, World, digest, token};
use crate::upgrades;
use keystile::model::token::generate_master;
use std::process::Command;
use std::time::{Duration, Instant};

/// The master key of a name.
pub fn master(name: &str) -> String {
    let mut stream = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    let drawn = generate_master(|out| {
        stream.fill(out);
        Ok::<(), ()>(())
    });
    drawn.unwrap().to_string()
}

fn build() -> Builder {
    World::build().root("master_key: env:MASTER").env("MASTER", &master("ours"))
}

/// `keystile url sign` with the world's configuration.
fn command(world: &World, arguments: &[&str]) -> Done {
    let config = world.path("keystile.yaml").display().to_string();
    let all = [&["url", "sign", "--config", &config], arguments].concat();
    keystile(&Directory::new(), &all, "", &[("MASTER", &master("ours"))])
}

/// What it prints: from its path on, since the listener has any free port.
#[track_caller]
fn sign(world: &World, arguments: &[&str]) -> String {
    let done = command(world, arguments);
    assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
    assert_eq!(done.stdout.matches('\n').count(), 1, "the URL alone: {}", done.stdout);
    done.stdout.trim().to_owned()
}

/// `crm` runs get-customer, in Production, for an hour.
#[track_caller]
fn customer(world: &World) -> String {
    sign(world, &["--key", "crm", "--workflow", "get-customer", "--param", "id=7", "--expires", "1h"])
}

fn query(url: &str) -> &str {
    url.split_once('?').expect("a query").1
}

/// The values of auth-id and auth-sig: nobody else is to see them.
pub fn secrets(url: &str) -> Vec<String> {
    let value = |pair: &str| pair.split_once('=').unwrap().1.to_owned();
    query(url).split('&').filter(|p| p.starts_with("auth-id=") || p.starts_with("auth-sig=")).map(value).collect()
}

#[test]
fn h7_a_signed_url_calls_its_workflow_as_its_key_and_leaves_nothing_of_itself() {
    let world = build().start();
    let url = customer(&world);
    let reply = world.get(&url).send();
    assert_eq!(reply.verdict(), "200", "{}", reply.text());
    assert_eq!((reply.header("deprecation"), reply.header("sunset")), (None, None), "it stands there by design");
    let request = world.production.last();
    assert_eq!(request.target(), "/customers/7");
    assert_eq!(request.header("x-keystile-username").as_deref(), Some("Key: crm"));
    let record = world.record_of(&reply);
    assert_eq!((&record["key"], &record["slot"]), (&"crm".into(), &"primary".into()), "{record}");
    assert_eq!(record["credential_place"], "signed_url", "{record}");
    assert_ne!(record["credential_in_query"], true, "{record}");
    assert_eq!(world.ask("HEAD", &url).send().verdict(), "200", "GET's workflow answers HEAD");
    assert_eq!(world.get(&url.replacen("/7?", "/8?", 1)).send().verdict(), "200", "values are not signed");
    assert!(world.metrics().contains("keystile_credential_in_query_total 0"), "{}", world.metrics());
}

#[test]
fn h7_whatever_is_wrong_with_it_is_the_same_refusal_wherever_it_leads() {
    let world = build().start();
    let url = customer(&world);
    let own = query(&url);
    let files = sign(&world, &["--key", "all", "--workflow", "files", "--param", "rest=a/b", "--expires", "1h"]);
    let reference = world.get(&format!("/no/such/path?{own}")).send();
    assert_eq!(reference.verdict(), "401 signature_invalid");
    let [id, sig] = &secrets(&url)[..] else { panic!("{url}") };
    let expiry: i64 = own.split_once("auth-exp=").unwrap().1.split('&').next().unwrap().parse().unwrap();
    let later = (expiry + 1).to_string();
    let other = secrets(&files);
    for (method, target) in [
        ("GET", format!("/files/7?{own}")),
        ("POST", format!("/orders?{own}")),
        ("DELETE", format!("/customers/7?{own}")),
        ("GET", format!("/customers/7?{}", query(&files))),
        ("GET", format!("{url}&_profile=Test")),
        ("GET", format!("{url}&_profile=Nowhere")),
        ("GET", url.replace(&expiry.to_string(), &later)),
        ("GET", url.replace(&expiry.to_string(), "soon")),
        ("GET", url.replace(&expiry.to_string(), &format!("0{expiry}"))),
        ("GET", url.replace(id, &other[0])),
        ("GET", url.replace(sig, &other[1])),
        ("GET", url.replace(sig, &sig[..42])),
        ("GET", url.replace(sig, "")),
        ("GET", url.replace(id, "kst_")),
        ("GET", url.replace(&format!("auth-id={id}&"), "")),
        ("GET", format!("/customers/7?auth-sig={sig}")),
    ] {
        let reply = world.ask(method, &target).send();
        assert_eq!(reply.anonymous(), reference.anonymous(), "{method} {target}");
    }
    world.assert_untouched();
    assert_eq!(world.get(&url).send().verdict(), "200");
    assert_eq!(world.get(&files).send().verdict(), "200");
}

#[test]
fn h7_it_runs_in_the_environment_it_was_signed_for() {
    let world = build().start();
    let order = ["--key", "all", "--workflow", "get-customer", "--param", "id=7", "--expires", "1h"];
    let test = sign(&world, &[&order[..], &["--environment", "Test"]].concat());
    assert!(test.starts_with("/customers/7?_profile=Test&auth-id="), "{test}");
    assert_eq!(world.get(&test).send().verdict(), "200");
    assert_eq!((world.test.count(), world.production.count()), (1, 0));
    assert_eq!(world.test.last().target(), "/customers/7?_profile=Test");
    let elsewhere = test.replace("_profile=Test&", "");
    assert_eq!(world.get(&elsewhere).send().verdict(), "401 signature_invalid");
    let fixed = sign(&world, &[&["--key", "fixed-test"], &order[2..]].concat());
    assert!(fixed.contains("_profile=Test&"), "the key's own: {fixed}");
    assert_eq!(world.get(&fixed).send().verdict(), "200");
    assert_eq!(world.production.count(), 0);
}

#[test]
fn h7_it_ends_when_its_time_is_over() {
    let world = build().start();
    let url = sign(&world, &["--key", "crm", "--workflow", "get-customer", "--param", "id=7", "--expires", "2s"]);
    let deadline = Instant::now() + PATIENCE;
    let reply = loop {
        let reply = world.get(&url).send();
        if reply.verdict() != "200" {
            break reply;
        }
        assert!(Instant::now() < deadline, "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(reply.verdict(), "401 signature_expired");
    assert_eq!(world.record_of(&reply)["key"], "crm", "whose it was is known");
    let forged = url.replacen("auth-exp=", "auth-exp=9", 1);
    assert_eq!(world.get(&forged).send().verdict(), "401 signature_invalid");
}

/// The file with other words in the line of `key`.
fn with_key(world: &World, key: &str, from: &str, to: &str) -> String {
    let file = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    let changed = |line: &str| match line.contains(&format!("name: {key},")) {
        true => line.replace(from, to),
        false => line.to_owned(),
    };
    file.lines().map(|line| changed(line) + "\n").collect()
}

#[test]
fn h7_what_is_true_of_its_key_is_true_of_it_and_a_new_token_in_its_slot_ends_it() {
    let world = build().start();
    let order = ["--key", "crm", "--workflow", "get-customer", "--param", "id=7", "--expires", "1h", "--slot"];
    let primary = sign(&world, &[&order[..], &["primary"]].concat());
    let secondary = sign(&world, &[&order[..], &["secondary"]].concat());
    let verdicts = || [&primary, &secondary].map(|url| world.get(url).send().verdict());
    let grants = "workflows: [get-customer]";
    let after = |to: &str| {
        let before = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
        assert!(world.reload(&with_key(&world, "crm", grants, to)), "{to}");
        let found = verdicts();
        assert!(world.reload(&before));
        found[0].clone()
    };
    assert_eq!(verdicts(), ["200", "200"]);
    assert_eq!(after("workflows: [get-customer], enabled: false"), "401 key_disabled");
    assert_eq!(after("workflows: [get-customer], expires_at: 2020-01-01T00:00:00Z"), "401 key_expired");
    assert_eq!(after("workflows: []"), "403 workflow_not_permitted");
    assert_eq!(after("workflows: [get-customer], scopes: [connections:use]"), "403 scope_missing");
    assert_eq!(after("workflows: [get-customer], allow_addresses: [203.0.113.0/24]"), "403 address_not_allowed");
    assert_eq!(after("workflows: [get-customer], environment: Test"), "403 environment_mismatch");
    assert_eq!(after("workflows: [get-customer], query_key_sunset: 2020-01-01T00:00:00Z"), "200", "it is no token");
    assert_eq!(verdicts(), ["200", "200"], "reloads leave it as it is");
    assert!(world.reload(&with_key(&world, "crm", &digest(&token("crm")), &digest(&token("another")))));
    assert_eq!(verdicts(), ["401 signature_invalid", "200"]);
}

#[test]
fn h7_k4_beside_a_token_and_repeated_it_is_refused_in_every_spelling() {
    let world = build().start();
    let url = customer(&world);
    let pairs: Vec<&str> = query(&url).split('&').collect();
    for ask in [
        world.get(&url).key(&token("crm")),
        world.get(&url).header("X-API-Key", token("crm")),
        world.get(&format!("{url}&auth-key={}", token("crm"))),
        world.get("/customers/7?auth-sig=x").key(&token("crm")),
    ] {
        assert_eq!(ask.send().verdict(), "400 conflicting_credentials");
    }
    for pair in &pairs {
        for twice in [pair.to_string(), pair.replace("auth-", "AUTH%2d"), "AUTH-".to_owned() + &pair[5..]] {
            let reply = world.get(&format!("{url}&{twice}")).send();
            assert_eq!(reply.verdict(), "400 credential_repeated", "{twice}");
        }
    }
    world.assert_untouched();
    let spelled = format!(
        "/customers/7?{}&x=%zz+&{}&&b;{}&c",
        pairs[2].replace("auth-sig", "Auth%2DSIG"),
        pairs[1].replace("auth-exp", "%61uth-exp"),
        "d",
    );
    let spelled = format!("{spelled}&{}", pairs[0].replace("auth-id", "AUTH-ID"));
    assert_eq!(world.arrived(&world.get(&spelled)).target(), "/customers/7?x=%zz+&&b;d&c");
}

#[test]
fn h7_k5_what_is_stripped_where_it_is_switched_off_and_what_is_somebody_elses() {
    let off = build().listener("credentials: { signed_url: false }").start();
    let on = build().start();
    let url = customer(&on);
    assert_eq!(off.get(&url).send().verdict(), "401 missing_key", "not looked for");
    let sent = |ask: Ask| off.arrived(&ask).target();
    let with = |query: &str| off.get(&format!("/customers/7?{query}")).key(&token("crm"));
    assert_eq!(sent(with(&format!("a=1&{}&b", query(&url)))), "/customers/7?a=1&b", "one of ours goes all the same");
    assert_eq!(sent(with("auth-sig=theirs&auth-id=7")), "/customers/7?auth-sig=theirs&auth-id=7");
    let with = |query: &str| on.get(&format!("/customers/7?{query}")).key(&token("crm"));
    assert_eq!(on.arrived(&with("auth-id=7&auth-exp=soon")).target(), "/customers/7?auth-id=7&auth-exp=soon");
    let told = command(&off, &["--key", "crm", "--workflow", "get-customer", "--param", "id=7", "--expires", "1h"]);
    assert!(told.code == 1 && told.stderr.contains("switched off"), "{}", told.stderr);
}

#[test]
fn h7_a_workflow_can_close_the_place_and_a_configuration_cannot_close_all_by_accident() {
    let narrow =
        "template: 'GET /narrow', upstream: { Production: engine-production }, credentials: { signed_url: false }";
    let world = build().workflow("narrow", narrow).start();
    let told = command(&world, &["--key", "all", "--workflow", "narrow", "--expires", "1h"]);
    assert!(told.code == 1 && told.stderr.contains("switched off"), "{}", told.stderr);
    let closed = "credentials: { authorization: false, header: false, query: false }";
    assert!(build().listener(closed).refused().contains("no place is left for a credential"));
    for taken in ["credentials: { query: Auth-Sig }", "environment_parameter: { name: auth-exp }"] {
        assert!(build().listener(taken).refused().contains("signed URLs have a parameter of this name"), "{taken}");
    }
    let urls_alone = "credentials: { authorization: false, header: false, query: false, signed_url: true }";
    let world = build().listener(urls_alone).start();
    assert_eq!(world.get(&customer(&world)).send().verdict(), "200");
    assert_eq!(world.call("crm").send().verdict(), "401 missing_key");
}

#[test]
fn h7_w6_behind_conceal_it_is_one_more_unknown_path() {
    let world = build().listener("conceal: true").start();
    let url = customer(&world);
    assert_eq!(world.get(&url).send().verdict(), "200");
    let nothing = world.get("/nothing").send();
    let wrong = world.get(&format!("/files/7?{}", query(&url))).send();
    assert_eq!(wrong.anonymous(), nothing.anonymous());
}

#[test]
fn h7_l3_wrong_ones_are_counted_and_over_the_limit_not_looked_at() {
    let world = build().listener("failed_auth_limit: 3/day").listener("trusted_proxies: [127.0.0.0/8]").start();
    let url = customer(&world);
    let from = |address: &str, target: &str| world.get(target).header("X-Forwarded-For", address).send().verdict();
    for wrong in [format!("{url}x"), url.replacen("customers", "files", 1), "/customers/7?auth-sig=x".to_owned()] {
        assert_eq!(from("203.0.113.1", &wrong), "401 signature_invalid", "{wrong}");
    }
    assert_eq!(from("203.0.113.1", &format!("{url}x")), "429 rate_limited");
    assert_eq!(from("203.0.113.1", &url), "429 rate_limited", "as other guesses");
    assert_eq!(from("203.0.113.2", &url), "200");
    let call = world.call("crm").header("X-Forwarded-For", "203.0.113.1");
    assert_eq!(call.send().verdict(), "200", "a token that cannot be guessed is judged");
}

#[test]
fn h7_it_outlives_reloads_and_restarts_and_ends_with_the_master_key() {
    let setup = World::build().root("master_key: file:master.key").setup();
    let directory = setup.directory();
    let make = |name: &str| {
        let file = directory.path(name).display().to_string();
        let done = keystile(&Directory::new(), &["url", "make-key", &file], "", &[]);
        assert!(done.code == 0 && done.stdout.is_empty() && !done.stderr.contains("kmk_"), "{}", done.stderr);
    };
    make("master.key");
    make("other.key");
    let again =
        keystile(&Directory::new(), &["url", "make-key", &directory.path("master.key").display().to_string()], "", &[]);
    assert_eq!(again.code, 1, "nothing is replaced");
    let world = World::build().root("master_key: file:master.key").start_as(setup);
    let url = customer(&world);
    // The upstreams are not those of the first builder, so its verdict is where it got to.
    let verdict = |gateway: &crate::support::Gateway| gateway.get(&url).send().verdict();
    assert_ne!(verdict(&world), "401 signature_invalid");
    let file = std::fs::read_to_string(world.path("keystile.yaml")).unwrap();
    assert!(world.reload(&(file + "# the same\n")));
    assert_ne!(verdict(&world), "401 signature_invalid");
    let successor = world.another().start();
    assert_ne!(verdict(&successor), "401 signature_invalid", "another process, the same file");
    let before = world.stderr.lines().len();
    std::fs::write(world.path("master.key"), "kmk_damaged").unwrap();
    let told = world.await_event(before, |e| e["field"] == "master_key");
    assert!(
        told["reason"].as_str().or(told["message"].as_str()).is_some_and(|why| why.contains("master key")),
        "{told}"
    );
    assert_ne!(verdict(&world), "401 signature_invalid", "the old configuration goes on");
    let before = world.stderr.lines().len();
    std::fs::rename(world.path("other.key"), world.path("master.key")).unwrap();
    world.await_event(before, |e| e["message"] == "the configuration was reloaded");
    assert_eq!(verdict(&world), "401 signature_invalid");
}

#[test]
fn h7_check_says_what_is_wrong_with_the_master_key_and_without_one_nothing_is_signed() {
    let check = |root: Option<&str>, environment: &[(&str, &str)]| {
        let builder = root.into_iter().fold(World::build(), Builder::root);
        let directory = builder.setup().directory();
        directory.write("open.key", master("open"));
        let config = directory.path("keystile.yaml").display().to_string();
        let checked = keystile(&Directory::new(), &["check", "--config", &config], "", environment);
        let order = ["--key", "crm", "--workflow", "get-customer", "--param", "id=7", "--expires", "1h"];
        let all = [&["url", "sign", "--config", &config], &order[..]].concat();
        (checked, keystile(&Directory::new(), &all, "", environment))
    };
    for (root, told) in [
        ("master_key: file:absent.key", "keystile url make-key"),
        ("master_key: file:open.key", "chmod 600"),
        ("master_key: env:MASTER", "checksum"),
        ("master_key: env:ABSENT", "not set"),
    ] {
        let damaged = master("ours").replace(&master("ours")[10..14], "0000");
        let (checked, _) = check(Some(root), &[("MASTER", &damaged)]);
        let all = format!("{}{}", checked.stdout, checked.stderr);
        assert!(checked.code == 1 && all.contains(told) && all.contains("master_key"), "{root}: {all}");
        assert!(!all.contains(&damaged), "{all}");
    }
    let (checked, signed) = check(None, &[]);
    assert_eq!((checked.code, signed.code), (0, 1), "{}", checked.stderr);
    assert!(signed.stderr.contains("url make-key"), "{}", signed.stderr);
    let (checked, signed) = check(Some("master_key: 'vault:https://vault.test:8200/transit/keys/keystile'"), &[]);
    assert_eq!((checked.code, signed.code), (0, 1), "{}", checked.stderr);
    assert!(signed.stderr.contains("never leaves it"), "{}", signed.stderr);
    let world = World::start();
    let url = customer(&build().start());
    assert_eq!(world.get(&url).send().verdict(), "401 signature_invalid", "without a master key");
}

#[test]
fn h7_url_sign_says_what_it_signed_and_refuses_what_would_be_refused() {
    let world = build().key("ending", "workflows: all, expires_at: 2030-01-01T00:00:00Z").start();
    let base = ["--key", "ending", "--workflow", "get-customer", "--param", "id=a b"];
    let order = [&base[..], &["--expires", "2031-01-01", "--base", "https://hooks.example.com"]].concat();
    let done = command(&world, &order);
    assert!(done.stdout.starts_with("https://hooks.example.com/customers/a%20b?auth-id="), "{}", done.stdout);
    for said in ["2031-01-01", "ending", "primary", "Production", "whoever has this URL", "2030-01-01"] {
        assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
    }
    let shown = command(&world, &[&order[..], &["-o", "json"]].concat()).json();
    for (field, value) in [
        ("expires_at", "2031-01-01T00:00:00.000Z"),
        ("key", "ending"),
        ("slot", "primary"),
        ("workflow", "get-customer"),
        ("environment", "Production"),
        ("method", "GET"),
    ] {
        assert_eq!(shown[field], value, "{shown}");
    }
    let hour = ["--expires", "1h"];
    for (arguments, said) in [
        (vec!["--key", "crm", "--workflow", "files", "--param", "rest=a"], "would be refused"),
        (vec!["--key", "no-scope", "--workflow", "files", "--param", "rest=a"], "workflows:invoke"),
        (vec!["--key", "expired", "--workflow", "files", "--param", "rest=a"], "would be refused"),
        (vec!["--key", "all", "--workflow", "create-order", "--environment", "Test"], "no upstream in Test"),
        (
            vec!["--key", "fixed-test", "--workflow", "files", "--param", "rest=a", "--environment", "Production"],
            "Test",
        ),
        (vec!["--key", "all", "--workflow", "get-customer"], "{id}"),
        (vec!["--key", "all", "--workflow", "get-customer", "--param", "id=../x"], "slash"),
        (vec!["--key", "all", "--workflow", "unbound"], "no template"),
        (vec!["--key", "crn", "--workflow", "get-customer"], "did you mean crm?"),
    ] {
        let done = command(&world, &[&arguments[..], &hour].concat());
        assert!(
            done.code == 1 && done.stdout.is_empty() && done.stderr.contains(said),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    for (expires, said) in [("2020-01-01", "past"), ("2099-01-01", "ten years")] {
        let done = command(&world, &[&base[..], &["--expires", expires]].concat());
        assert!(done.code == 1 && done.stderr.contains(said), "{expires}: {}", done.stderr);
    }
    assert_eq!(command(&world, &base).code, 2, "--expires is required");
}

#[test]
fn t3_the_url_of_a_caller_is_told_to_nobody() {
    let world = build().start();
    let url = customer(&world);
    let mut replies = Vec::new();
    for target in [
        url.clone(),
        url.replacen("customers", "orders", 1),
        url.replacen("/7?", "//?", 1),
        format!("{url}&{}", query(&url)),
    ] {
        replies.push(world.get(&target).send());
        replies.push(world.ask("POST", &target).send());
        replies.push(world.get(&target).key(&token("crm")).send());
    }
    replies.iter().for_each(|reply| drop(world.record_of(reply)));
    let mut said = vec![world.stdout.text(), world.stderr.text(), world.metrics()];
    said.extend(replies.iter().map(|reply| String::from_utf8_lossy(&reply.raw).into_owned()));
    said.extend(world.production.requests().iter().map(crate::support::Recorded::text));
    for secret in secrets(&url) {
        let found = said.iter().find(|text| text.contains(&secret));
        assert!(found.is_none(), "{}", found.unwrap());
    }
}

#[test]
fn hazard_15_a_tunnel_stands_as_long_as_its_url() {
    let (address, _) = upgrades::echo(upgrades::SWITCH);
    let world = upgrades::builder(address).root("master_key: env:MASTER").env("MASTER", &master("ours")).start();
    let open = |url: &str| {
        let mut connection = world.connect();
        let fields = "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
        assert_eq!(connection.send(format!("GET {url} HTTP/1.1\r\n{fields}").as_bytes()).verdict(), "101");
        connection
    };
    let order = ["--key", "chatter", "--workflow", "chat", "--param", "rest=1", "--expires"];
    let mut long = open(&sign(&world, &[&order[..], &["1h"]].concat()));
    assert!(upgrades::echoes(&mut long.stream(), b"hello"));
    let mut short = open(&sign(&world, &[&order[..], &["3s"]].concat()));
    let began = Instant::now();
    let (mut stream, mut other) = (short.stream(), long.stream());
    while upgrades::echoes(&mut stream, b"still here") {
        assert!(began.elapsed() < PATIENCE, "its time is over");
        // Or it would be closed for its silence.
        assert!(upgrades::echoes(&mut other, b"so is this"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(short.is_closed());
    assert!(upgrades::echoes(&mut long.stream(), b"goes on"));
    assert!(world.reload(&with_key(&world, "chatter", &digest(&token("chatter")), &digest(&token("another")))));
    let mut stream = long.stream();
    let began = Instant::now();
    while upgrades::echoes(&mut stream, b"still here") {
        assert!(began.elapsed() < PATIENCE, "its slot has another token");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(long.is_closed());
}

#[test]
fn t7_explain_says_of_a_signed_url_what_the_wire_does_and_why() {
    let world = build().start();
    let url = customer(&world);
    let explained = |target: &str| {
        let config = world.path("keystile.yaml");
        let output = Command::new(env!("CARGO_BIN_EXE_keystile"))
            .args(["explain", "-o", "json", "GET", target, "--config"])
            .arg(config)
            .env("MASTER", master("ours"))
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let step = |explanation: &serde_json::Value, name: &str| {
        let steps = explanation["steps"].as_array().unwrap();
        let found: Vec<&str> =
            steps.iter().filter(|s| s["step"] == name).filter_map(|s| s["finding"].as_str()).collect();
        found.join("; ")
    };
    let good = explained(&url);
    assert!(good["code"].is_null(), "{good}");
    assert!(step(&good, "credential").contains("signed_url, until 20"), "{good}");
    assert!(step(&good, "key").contains("crm") && step(&good, "key").contains("primary"), "{good}");
    for target in [
        url.replacen("customers", "files", 1),
        format!("{url}x"),
        "/customers/7?auth-sig=".to_owned(),
        format!("{url}&auth-sig="),
    ] {
        let wire = world.get(&target).send();
        let told = explained(&target);
        assert_eq!(Some(told["code"].as_str().unwrap()), wire.header("x-keystile-error"), "{target}: {told}");
        assert!(secrets(&url).iter().all(|secret| !told.to_string().contains(secret)), "{told}");
    }
}

#[test]
fn h7_what_providers_are_called_with_is_theirs() {
    let world = build()
        .outbound("limit_headers: false")
        .connection("provider", "base_url: 'http://{production}', inject: { header: X-Key }, secret: file:test.secret")
        .key("worker", "connections: [provider]")
        .start();
    let url = customer(&world);
    let target = format!("/c/provider/x?a=1&{}", query(&url));
    assert_eq!(world.call_out("GET", &target).key(&token("worker")).send().verdict(), "200");
    assert_eq!(world.production.last().target(), format!("/x?a=1&{}", query(&url)));
}

#[test]
fn h7_h1_a_webhook_that_takes_keys_takes_signed_urls_and_one_that_does_not_signs_none() {
    let webhook = |name: &str, require: &str| {
        let hook = format!("scheme: github, secrets: ['file:production.secret'], require: {require}");
        format!("template: 'POST /hooks/{name}', upstream: {{ Production: engine-production }}, webhook: {{ {hook} }}")
    };
    let world = build()
        .workflow("either", &webhook("either", "either"))
        .workflow("both", &webhook("both", "both"))
        .workflow("signature", &webhook("signature", "signature"))
        .start();
    let order = |workflow: &'static str| ["--key", "all", "--workflow", workflow, "--expires", "1h"];
    let url = sign(&world, &order("either"));
    let deliver = |url: &str| world.ask("POST", url).body("{}");
    assert_eq!(world.arrived(&deliver(&url)).header("x-keystile-username").as_deref(), Some("Key: all"));
    let wrong = deliver(&url).header("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)));
    assert_eq!(wrong.send().verdict(), "401 signature_invalid", "whatever is there must be right");
    assert_eq!(deliver(&sign(&world, &order("both"))).send().verdict(), "401 signature_missing");
    assert!(command(&world, &order("both")).stderr.contains("sign what he delivers"));
    let told = command(&world, &order("signature"));
    assert!(told.code == 1 && told.stderr.contains("takes signed deliveries and no keys"), "{}", told.stderr);
}
