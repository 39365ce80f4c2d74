//! The outbound door, rows C1–C15: calls by a connection's name, over real sockets.

use crate::support::upstream::Answer;
use crate::support::world::PRODUCTION_SECRET;
use crate::support::*;

/// A gateway with a listener for tokens, and one that stands for `worker`.
fn world() -> Builder {
    World::build()
        .outbound("")
        .outbound("identity: worker, hosts: [sidecar.internal]")
        .key("caller", "connections: [engine-production]")
        .key("tester", "environment: Test, connections: [engine-test]")
        .key("both", "connections: all")
        .key("worker", "connections: [engine-production]")
}

#[test]
fn c1_a_call_goes_to_the_connections_base_url_with_its_secret() {
    let world = world().start();
    let reply = world.call_out("GET", "/c/engine-production/v1/charges?limit=1").key(&token("caller")).send();
    assert_eq!(reply.verdict(), "200", "{}", reply.text());
    let sent = world.production.last();
    assert_eq!(sent.line(), "GET /v1/charges?limit=1 HTTP/1.1");
    assert_eq!(sent.header("x-engine-key").as_deref(), Some(PRODUCTION_SECRET));
    for untold in ["authorization", "x-keystile-username", "x-keystile-key-id", "x-forwarded-for", "forwarded"] {
        assert_eq!(sent.header(untold), None, "a provider is not told who calls");
    }
    let record = world.await_record(|r| r["listener"] == "outbound");
    assert_eq!(record["connection"], "engine-production");
    assert_eq!(record["key"], "caller");
    assert_eq!(record["path"], "/c/engine-production/v1/charges");
}

#[test]
fn c1_what_is_not_on_the_list_answers_as_what_does_not_exist() {
    let world = world().start();
    let ask = |name: &str, key: &str| world.call_out("GET", &format!("/c/{name}/x")).key(&token(key)).send();
    let nowhere = ask("nothing", "caller");
    assert_eq!(nowhere.verdict(), "404 connection_not_found");
    for (name, key) in [("engine-test", "caller"), ("engine-production", "tester"), ("engine-production", "crm")] {
        assert_eq!(ask(name, key).anonymous(), nowhere.anonymous(), "{name} {key}");
    }
    assert_eq!(world.call_out("GET", "/customers/1").key(&token("both")).send().verdict(), "404 connection_not_found");
    world.assert_untouched();
}

#[test]
fn k1_k2_without_a_good_token_every_call_answers_the_same_401() {
    let world = world().start();
    for name in ["engine-production", "nothing"] {
        let target = format!("/c/{name}/x");
        assert_eq!(world.call_out("GET", &target).send().verdict(), "401 missing_key");
        assert_eq!(world.call_out("GET", &target).key(&token("nobody")).send().verdict(), "401 invalid_key");
        let in_slot = world.call_out("GET", &target).header("X-Engine-Key", "guess").send();
        assert_eq!(in_slot.verdict(), "401 invalid_key");
    }
    assert_eq!(
        world.call_out("GET", "/c/engine-production/x").key(&token("disabled")).send().verdict(),
        "401 key_disabled"
    );
    world.assert_untouched();
}

#[test]
fn e5_c14_a_call_runs_in_one_environment() {
    let world = world().start();
    let ask = |name: &str, key: &str| world.call_out("GET", &format!("/c/{name}/x")).key(&token(key));
    assert_eq!(ask("engine-test", "tester").send().verdict(), "200");
    assert_eq!(ask("engine-test", "both").send().verdict(), "403 environment_mismatch");
    let test = |ask: Ask| ask.header("Keystile-Environment", "Test");
    assert_eq!(test(ask("engine-test", "both")).send().verdict(), "200");
    assert_eq!(test(ask("engine-production", "both")).send().verdict(), "403 environment_mismatch");
    assert_eq!(test(ask("engine-production", "caller")).send().verdict(), "403 environment_mismatch");
    assert_eq!(ask("engine-test", "both").query("_profile=Test").send().verdict(), "403 environment_mismatch");
    let nowhere = ask("engine-test", "both").header("Keystile-Environment", "test").send();
    assert_eq!(nowhere.verdict(), "400 unknown_environment");
    assert_eq!(test(test(ask("engine-test", "both"))).send().verdict(), "400 environment_repeated");
    assert_eq!(world.production.count(), 0);
}

#[test]
fn c4_a_sidecars_worker_holds_no_token() {
    let world = world().start();
    let ask = |host: &str| Ask::new(world.outbound[1], "GET", "/c/engine-production/x").header("Host", host);
    for near in ["localhost:8081", "127.0.0.1", "[::1]:80", "sidecar.internal"] {
        assert_eq!(ask(near).send().verdict(), "200", "{near}");
    }
    let before = world.production.count();
    for far in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
        assert_eq!(ask(far).send().verdict(), "403 forbidden", "{far}");
    }
    assert_eq!(ask("localhost").header("Origin", "http://localhost").send().verdict(), "403 forbidden");
    assert_eq!(ask("localhost").header("Sec-Fetch-Site", "cross-site").send().verdict(), "403 forbidden");
    assert_eq!(ask("localhost").header("Keystile-Key", token("nobody")).send().verdict(), "401 invalid_key");
    assert_eq!(ask("localhost").header("Keystile-Key", token("tester")).send().verdict(), "404 connection_not_found");
    assert_eq!(world.production.count(), before, "nothing was sent");
    let dummy = ask("localhost").header("Authorization", "Bearer dummy").header("X-Engine-Key", "theirs").send();
    assert_eq!(dummy.verdict(), "200");
    assert_eq!(world.production.last().all("x-engine-key"), [PRODUCTION_SECRET]);
    let record = world.await_record(|r| r["listener"] == "outbound" && r["status"] == 200);
    assert_eq!((&record["key"], record.get("slot")), (&"worker".into(), None));
}

#[test]
fn c4_an_identity_beyond_loopback_is_refused_when_loaded() {
    let said = World::build().outbound("").key("worker", "connections: all").root("# outbound elsewhere").yaml();
    let yaml = said.replace("{ address: '127.0.0.1:0',", "{ address: '0.0.0.0:0', identity: worker,");
    let said =
        Setup::new(&yaml).file("production.secret", "x".repeat(20)).file("test.secret", "y".repeat(20)).refused();
    assert!(said.contains("listeners.outbound[0].identity"), "{said}");
    assert!(said.contains("whoever reaches this address would be this key"), "{said}");
}

#[test]
fn c12_a_reflected_secret_becomes_stars_and_that_is_told() {
    let world = world()
        .answering(|request| {
            let secret = request.header("x-engine-key").unwrap_or_default();
            let body = format!("you sent {secret}, in hex {}", hex(secret.as_bytes()));
            Answer::reply(
                "200 OK",
                &[
                    ("X-Echo", &secret),
                    ("X-Keystile-Scrub", "forged"),
                    ("X-Request-Id", "theirs"),
                    ("Alt-Svc", "h3=\":443\""),
                ],
                &body,
            )
        })
        .start();
    let reply =
        world.call_out("GET", "/c/engine-production/x").key(&token("caller")).header("Range", "bytes=0-9").send();
    assert_eq!(reply.verdict(), "200", "{}", reply.text());
    let stars = "*".repeat(PRODUCTION_SECRET.len());
    assert_eq!(reply.header("x-echo"), Some(&*stars));
    assert_eq!(reply.text(), format!("you sent {stars}, in hex {stars}{stars}"));
    assert_eq!(reply.header("x-keystile-scrub"), Some("on; replaced=1"));
    assert_ne!(reply.request_id(), "theirs");
    assert_eq!(reply.header("alt-svc"), None, "another way to the provider is none to the gateway");
    assert_eq!(reply.header("x-upstream-request-id"), Some("theirs"), "what the provider's support asks for");
    let sent = world.production.last();
    assert_eq!((sent.header("range"), sent.header("accept-encoding").as_deref()), (None, Some("identity")));
    assert_eq!(world.await_record(|r| r["listener"] == "outbound")["scrubbed"], 3);
    let metrics = world.metrics();
    assert!(
        metrics.contains(r#"keystile_upstream_secrets_scrubbed_total{connection="engine-production"} 3"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"keystile_calls_total{connection="engine-production",environment="Production","#));
}

#[test]
fn c12_what_cannot_be_looked_through_is_stopped_and_a_connection_can_do_without() {
    let world = world()
        .connection("open", "base_url: 'http://{production}', inject: { header: X-Engine-Key }, secret: 'file:production.secret', scrub: false")
        .answering(|request| {
            let secret = request.header("x-engine-key").unwrap_or_default();
            let coding = if request.target().ends_with("strange") { "x-strange" } else { "identity" };
            Answer::reply("200 OK", &[("Content-Encoding", coding)], &secret)
        })
        .start();
    let ask = |name: &str, path: &str| world.call_out("GET", &format!("/c/{name}/{path}")).key(&token("both")).send();
    assert_eq!(ask("engine-production", "strange").verdict(), "502 upstream_protocol");
    assert_eq!(ask("open", "strange").text(), PRODUCTION_SECRET);
    let plain = ask("open", "x");
    assert_eq!((plain.text().as_str(), plain.header("x-keystile-scrub")), (PRODUCTION_SECRET, None));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A connector's clients put the key elsewhere than the provider wants it; and they write the base path themselves.
#[test]
fn c4_c6_the_slots_of_a_connectors_clients_are_read_and_emptied() {
    let acme = "name: acme\ntitle: Acme\nbase_path_once: true\ninject: { header: x-api-key }\n\
                client_slots: [{ header: Authorization, value: 'Bearer {secret}' }, { query: key }]\n";
    let world = world()
        .root("connectors: [acme.yaml]")
        .file("acme.yaml", acme)
        .connection("acme-1", "connector: acme, base_url: 'http://{production}/v1', secret: 'file:production.secret'")
        .key("sdk", "connections: [acme-1]")
        .outbound("identity: sdk")
        .start();
    for (listener, held) in [(0, token("sdk")), (2, "dummy".to_owned())] {
        for path in ["/c/acme-1/v1/x", "/c/acme-1/x"] {
            let ask = Ask::new(world.outbound[listener], "GET", path).header("Host", "localhost");
            assert_eq!(ask.header("Authorization", format!("Bearer {held}")).send().verdict(), "200");
            let sent = world.production.last();
            assert_eq!(sent.line(), "GET /v1/x HTTP/1.1", "{path}");
            assert_eq!(sent.header("x-api-key").as_deref(), Some(PRODUCTION_SECRET));
            assert_eq!(sent.header("authorization"), None);
        }
        for (query, left) in [(format!("key={held}"), ""), (format!("a=1&%6bey={held}&b=key"), "?a=1&b=key")] {
            let ask = Ask::new(world.outbound[listener], "GET", &format!("/c/acme-1/x?{query}"));
            assert_eq!(ask.header("Host", "localhost").send().verdict(), "200");
            let sent = world.production.last();
            assert_eq!(sent.line(), format!("GET /v1/x{left} HTTP/1.1"));
            assert_eq!(sent.header("x-api-key").as_deref(), Some(PRODUCTION_SECRET));
        }
    }
}

/// Somebody's token may stand in a path: ours, in a connection's slot, or a provider's where a client is set up wrongly.
#[test]
fn t3_no_record_holds_the_part_of_a_path_where_a_secret_may_stand() {
    let world = world()
        .connection(
            "telegram-bot",
            "base_url: 'http://{production}', inject: { path: '/bot{secret}' }, secret: 'file:production.secret'",
        )
        .key("bot", "connections: [telegram-bot]")
        .outbound("identity: bot")
        .start();
    let pasted = "123456789:AAFf0reign-Provider-Token-x9";
    let paths =
        ["/c/telegram-bot/bot{}/getMe", "/c/nothing/bot{}/getMe", "/bot{}/getMe", "/c/telegram-bot/bot{}/%2e%2e/getMe"];
    for path in paths {
        let path = path.replace("{}", pasted);
        let ask = |listener: usize| Ask::new(world.outbound[listener], "GET", &path).header("Host", "localhost");
        for refused_or_not in
            [ask(0), ask(2), ask(2).header("Origin", "http://evil"), ask(2).header("Host", "evil,evil")]
        {
            world.record_of(&refused_or_not.send());
        }
    }
    world.await_record(|r| r["path"] == "/c/telegram-bot/bot{secret}/getMe" && r["status"] == 200);
    let log = format!("{}{}", world.stdout.text(), world.stderr.text());
    assert_eq!(log.lines().filter(|l| l.contains("\"path\"")).count(), 16, "{log}");
    assert!(!log.contains("AAFf0reign"), "{log}");
}
