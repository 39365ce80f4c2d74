//! The outbound door, rows C1–C15: calls by a connection's name, over real sockets.

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
