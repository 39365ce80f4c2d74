//! E1 to E5: where a request runs, and that a Test key can never reach Production.

use crate::support::world::{PRODUCTION_SECRET, TEST_SECRET};
use crate::support::{World, token};

/// Sends `GET /customers/1?<query>` as `key`; where it ran, or the verdict.
fn runs(world: &World, key: &str, query: &str) -> String {
    let before = (world.production.count(), world.test.count());
    let question = if query.is_empty() { "" } else { "?" };
    let reply = world.get(&format!("/customers/1{question}{query}")).key(&token(key)).send();
    match (world.production.count() - before.0, world.test.count() - before.1) {
        (0, 0) => reply.verdict(),
        (1, 0) => format!("Production, {}", reply.status),
        (0, 1) => format!("Test, {}", reply.status),
        other => panic!("{other:?} requests arrived"),
    }
}

#[test]
fn e1_e2_a_fixed_key_runs_in_its_environment_or_not_at_all() {
    let world = World::start();
    for (key, query, outcome) in [
        ("fixed-production", "", "Production, 200"),
        ("fixed-production", "_profile=Production", "Production, 200"),
        ("fixed-production", "_profile=Test", "403 environment_mismatch"),
        ("fixed-production", "_profile=production", "403 environment_mismatch"),
        ("fixed-production", "_profile=", "403 environment_mismatch"),
        ("fixed-production", "_profile", "403 environment_mismatch"),
        ("fixed-test", "", "403 environment_mismatch"),
        ("fixed-test", "a=1", "403 environment_mismatch"),
        ("fixed-test", "_profile=Test", "Test, 200"),
        ("fixed-test", "a=1&_profile=Test&b", "Test, 200"),
        ("fixed-test", "%5fprofile=%54est", "Test, 200"),
        ("fixed-test", "_profile=Production", "403 environment_mismatch"),
        ("fixed-test", "_profile=test", "403 environment_mismatch"),
        ("fixed-test", "_profile=Test%20", "403 environment_mismatch"),
        ("fixed-test", "_profile=Nowhere", "403 environment_mismatch"),
        ("fixed-test", "_Profile=Test", "403 environment_mismatch"),
        ("fixed-test", "_profile=", "403 environment_mismatch"),
        ("fixed-test", "_profile=Test&_profile=Test", "400 environment_repeated"),
        ("fixed-test", "_profile=Test&_profile=Production", "400 environment_repeated"),
    ] {
        assert_eq!(runs(&world, key, query), outcome, "{key} ?{query}");
    }
}

#[test]
fn e3_an_unfixed_key_chooses_and_the_default_counts_where_it_does_not() {
    let world = World::start();
    for (query, outcome) in [
        ("", "Production, 200"),
        ("_profile=Production", "Production, 200"),
        ("_profile=Test", "Test, 200"),
        ("x&_profile=T%65st", "Test, 200"),
        ("%5Fprofile=Test", "Test, 200"),
        ("_PROFILE=Test", "Production, 200"),
        ("_profiles=Test", "Production, 200"),
        ("a=_profile=Test", "Production, 200"),
        ("_profile=test", "400 unknown_environment"),
        ("_profile=TEST", "400 unknown_environment"),
        ("_profile=Test+", "400 unknown_environment"),
        ("_profile=Test%00", "400 unknown_environment"),
        ("_profile=%FF", "400 unknown_environment"),
        ("_profile=", "400 unknown_environment"),
        ("_profile", "400 unknown_environment"),
        ("_profile=Nowhere", "400 unknown_environment"),
        ("_profile=Test&_profile=Test", "400 environment_repeated"),
        ("_profile=Production&%5fprofile=Test", "400 environment_repeated"),
        ("_profile&_profile=Test", "400 environment_repeated"),
    ] {
        assert_eq!(runs(&world, "all", query), outcome, "?{query}");
    }
}

#[test]
fn e3_a_workflow_without_an_upstream_in_the_chosen_environment_is_404() {
    let world = World::start();
    let order =
        |query: &str| world.ask("POST", &format!("/orders{query}")).key(&token("all")).body("{}").send().verdict();
    assert_eq!(order("?_profile=Test"), "404 workflow_not_in_environment");
    world.assert_untouched();
    assert_eq!(order(""), "200");
}

#[test]
fn e4_the_parameter_is_forwarded_unchanged_unless_it_is_to_be_stripped() {
    let world = World::start();
    let arrived = |world: &World, query: &str| {
        world.get(&format!("/customers/1?{query}")).key(&token("all")).send();
        world.test.last().target()
    };
    assert_eq!(arrived(&world, "a&%5fprofile=T%65st&b"), "/customers/1?a&%5fprofile=T%65st&b");
    let world = World::build().listener("environment_parameter: { strip: true }").start();
    assert_eq!(arrived(&world, "a=%41&%5fprofile=T%65st&b"), "/customers/1?a=%41&b");
    assert_eq!(arrived(&world, "_profile=Test"), "/customers/1");
}

#[test]
fn e4_the_parameter_has_a_configurable_name() {
    let world = World::build().listener("environment_parameter: { name: env, strip: true }").start();
    assert_eq!(runs(&world, "all", "env=Test"), "Test, 200");
    assert_eq!(runs(&world, "all", "_profile=Test"), "Production, 200");
    assert_eq!(runs(&world, "fixed-test", "_profile=Test"), "403 environment_mismatch");
    assert_eq!(world.production.last().target(), "/customers/1?_profile=Test", "it means nothing here");
}

#[test]
fn e5_each_environment_has_its_own_upstream_and_its_own_credential() {
    let world = World::start();
    for query in ["", "_profile=Test"] {
        runs(&world, "all", query);
    }
    runs(&world, "fixed-test", "_profile=Test");
    for arrived in world.test.requests() {
        assert_eq!(arrived.header("x-engine-key").as_deref(), Some(TEST_SECRET));
        assert_eq!(arrived.header("x-keystile-environment").as_deref(), Some("Test"));
        assert!(!arrived.text().contains(PRODUCTION_SECRET));
    }
    for arrived in world.production.requests() {
        assert_eq!(arrived.header("x-engine-key").as_deref(), Some(PRODUCTION_SECRET));
        assert!(!arrived.text().contains(TEST_SECRET));
    }
    assert_eq!((world.production.count(), world.test.count()), (1, 2));
}

#[test]
fn e5_a_connection_of_another_environment_is_refused_when_loaded() {
    for upstream in ["{ Test: engine-production }", "{ Production: engine-test }"] {
        let said = World::build().workflow("mixed", &format!("template: 'GET /mixed', upstream: {upstream}")).refused();
        assert!(said.contains("environment_mismatch") && said.contains("mixed"), "{upstream}: {said}");
    }
    // Without an environment it belongs to the default one.
    let unsaid = || World::build().connection("unsaid", "base_url: 'http://{production}'");
    unsaid().workflow("mixed", "template: 'GET /mixed', upstream: { Production: unsaid }").start();
    let said = unsaid().workflow("mixed", "template: 'GET /mixed', upstream: { Test: unsaid }").refused();
    assert!(said.contains("environment_mismatch"), "{said}");
}

#[test]
fn e5_an_unknown_environment_in_the_file_is_refused_with_the_nearest_name() {
    let said = World::build().key("lost", "environment: Tset, workflows: all").refused();
    assert!(said.contains("Tset") && said.contains("Test"), "{said}");
}
