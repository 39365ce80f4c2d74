//! H6: what senders want to hear before they deliver, the gateway says where it is told to, and nothing of it goes further.

use crate::signed_urls::master;
use crate::support::command::keystile;
use crate::support::sender::{Delivery, custom, now, secret};
use crate::support::{Ask, Builder, Directory, Reply, World, token};

const GITHUB: &str = "scheme: github, secrets: ['file:github.signing']";

fn with(build: Builder, name: &str, webhook: &str) -> Builder {
    custom(build.file("github.signing", secret("github")).file("slack.signing", secret("slack")), name, webhook)
}

/// A 200 that can be nothing but text, and was not forwarded.
#[track_caller]
fn says(world: &World, reply: &Reply, text: &str, workflow: &str) {
    assert_eq!(reply.verdict(), "200", "{}", reply.text());
    assert_eq!(reply.text(), text);
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let record = world.record_of(reply);
    assert_eq!((record["answered"].as_str(), record["workflow"].as_str()), (Some("handshake"), Some(workflow)));
}

#[test]
fn h6_slack_asks_with_a_signature_and_hears_its_challenge() {
    let webhook = "scheme: slack, secrets: ['file:slack.signing']";
    let build = with(World::build(), "slack", &format!("{webhook}, handshake: slack"));
    let world = with(build, "off", webhook).start();
    let question = br#"{"token":"old","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let asking = |body: &[u8]| Delivery::signed("slack", &secret("slack"), body, now());
    let reply = asking(question).send(&world);
    says(&world, &reply, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "slack");
    // It may ask as often as it likes: nothing was delivered.
    says(&world, &asking(question).send(&world), "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "slack");
    asking(question).saying("{}").is_refused(&world, "signed wrongly", "401 signature_invalid");
    let unsigned = asking(question).without("X-Slack-Signature");
    unsigned.is_refused(&world, "not signed", "401 signature_missing");
    let header = asking(br#"{"type":"url_verification","challenge":"a\r\nb"}"#);
    header.is_refused(&world, "control characters", "400 bad_request");
    let long = format!(r#"{{"type":"url_verification","challenge":"{}"}}"#, "a".repeat(5000));
    asking(long.as_bytes()).is_refused(&world, "too long", "400 bad_request");
    world.assert_untouched();
    asking(br#"{"type":"event_callback","challenge":"a"}"#).is_taken(&world, "an event");
    asking(question).to("/hooks/off").is_taken(&world, "where no handshake is switched on");
}

#[test]
fn h6_meta_asks_with_a_token_and_hears_its_challenge() {
    let build = with(
        World::build().file("verify", "our Xq7k"),
        "meta",
        &format!("{GITHUB}, handshake: meta, verify_token: file:verify"),
    );
    let world = with(build.listener("failed_auth_limit: 5/day"), "off", GITHUB).start();
    let get = |query: &str| world.get(&format!("/hooks/meta?{query}"));
    let right = "hub.mode=subscribe&hub.verify_token=our%20Xq7k&hub.challenge=1158201444";
    says(&world, &get(right).send(), "1158201444", "meta");
    assert_eq!(world.ask("HEAD", &format!("/hooks/meta?{right}")).send().status, 401, "as of any path");
    assert_eq!(get(right).body("{}").send().verdict(), "401 missing_key", "a handshake has no body");
    assert_eq!(get("").send().verdict(), "401 missing_key");
    assert_eq!(get("").key(&token("all")).send().verdict(), "405 method_not_allowed", "as ever");
    assert_eq!(world.get(&format!("/hooks/off?{right}")).send().verdict(), "401 missing_key", "not switched on");
    assert_eq!(get(&format!("{right}&hub.challenge=2")).send().verdict(), "400 bad_request");
    for guess in ["our+Xq7l", "", "x", "y", "z"] {
        let reply = get(&format!("hub.mode=subscribe&hub.verify_token={guess}&hub.challenge=1")).send();
        assert_eq!(reply.verdict(), "403 forbidden", "{guess}");
        assert!(!reply.text().contains("Xq7k"), "{}", reply.text());
    }
    // Each was a failed authentication of its address (L3): it is not listened to any longer.
    let sixth = "hub.mode=subscribe&hub.verify_token=w&hub.challenge=1";
    assert_eq!(get(sixth).send().verdict(), "403 forbidden", "the one that fills the limit");
    assert_eq!(get(right).send().verdict(), "429 rate_limited");
    world.assert_untouched();
    Delivery::of("github").to("/hooks/meta").is_taken(&world, "deliveries are not held up by it");
}

#[test]
fn h6_dropbox_and_microsoft_ask_by_a_url_and_hear_what_stands_in_it() {
    let build = with(World::build(), "dropbox", &format!("{GITHUB}, handshake: dropbox"));
    let build = with(build, "microsoft", &format!("{GITHUB}, handshake: microsoft"));
    let world = build.start();
    says(&world, &world.get("/hooks/dropbox?challenge=a-B_1%2B").send(), "a-B_1+", "dropbox");
    let post = |query: &str| world.ask("POST", &format!("/hooks/microsoft?{query}"));
    let token = "validationToken=Validation%3a+Testing+client+Request-Id%3a+c9eb";
    says(
        &world,
        &post(token).header("Content-Length", "0").send(),
        "Validation: Testing client Request-Id: c9eb",
        "microsoft",
    );
    says(&world, &post(token).send(), "Validation: Testing client Request-Id: c9eb", "microsoft");
    for (what, ask, verdict) in [
        ("markup is text", world.get("/hooks/dropbox?challenge=%3Cscript%3E"), "200"),
        ("a new line", world.get("/hooks/dropbox?challenge=a%0d%0aSet-Cookie:b"), "400 bad_request"),
        ("twice", world.get("/hooks/dropbox?challenge=a&challenge=a"), "400 bad_request"),
        ("nothing asked", world.get("/hooks/dropbox"), "401 missing_key"),
        ("another's", world.get("/hooks/dropbox?validationToken=a"), "401 missing_key"),
        ("a body", post(token).body("x"), "401 signature_missing"),
        ("twice", post(&format!("{token}&validationToken=b")), "400 bad_request"),
        ("by GET", world.get("/hooks/microsoft?validationToken=a"), "401 missing_key"),
    ] {
        assert_eq!(ask.send().verdict(), verdict, "{what}");
    }
    world.assert_untouched();
    let delivery = Delivery::of("github").to("/hooks/microsoft?validationToken=a");
    delivery.is_taken(&world, "a delivery is no handshake");
}

#[test]
fn h6_where_a_key_is_required_it_is_required_of_a_handshake_too() {
    let mut build = World::build();
    for (handshake, require) in [("microsoft", "both"), ("dropbox", "both"), ("dropbox", "either")] {
        let webhook = format!("{GITHUB}, handshake: {handshake}, require: {require}");
        build = with(build, &format!("{handshake}-{require}"), &webhook);
    }
    let world = with(build, "microsoft-key", "require: key, handshake: microsoft").start();
    let ask = |name: &str| match name.starts_with("dropbox") {
        true => world.get(&format!("/hooks/{name}?challenge=a")),
        false => world.ask("POST", &format!("/hooks/{name}?validationToken=a")),
    };
    let keyed = |ask: Ask, key: &str| ask.key(&token(key)).send().verdict();
    for name in ["microsoft-both", "microsoft-key", "dropbox-both"] {
        assert_eq!(ask(name).send().verdict(), "401 missing_key", "{name}");
        assert_eq!(keyed(ask(name), "stranger"), "401 invalid_key", "{name}");
        assert_eq!(keyed(ask(name), "disabled"), "401 key_disabled", "{name}");
        assert_eq!(keyed(ask(name), "crm"), "403 workflow_not_permitted", "{name}");
        assert_eq!(keyed(ask(name), "no-scope"), "403 scope_missing", "{name}");
        assert_eq!(keyed(ask(name), "elsewhere"), "403 address_not_allowed", "{name}");
        let reply = ask(name).key(&token("all")).send();
        says(&world, &reply, "a", name);
        assert_eq!(world.record_of(&reply)["key"], "all");
        says(&world, &ask(name).query(&format!("auth-key={}", token("all"))).send(), "a", name);
    }
    says(&world, &ask("dropbox-either").send(), "a", "dropbox-either");
    assert_eq!(keyed(ask("dropbox-either"), "stranger"), "401 invalid_key", "what is there has to be right");
    world.assert_untouched();
}

/// Microsoft Graph signs nothing and can be given a URL: its handshake comes to that URL.
#[test]
fn h6_h7_a_signed_url_is_the_key_that_a_handshake_needs() {
    let build = World::build().root("master_key: env:MASTER").env("MASTER", &master("ours"));
    let world = with(build, "graph", "require: key, handshake: microsoft").start();
    let config = world.path("keystile.yaml").display().to_string();
    let sign = ["url", "sign", "--config", &config, "--key", "all", "--workflow", "graph", "--expires", "1h"];
    let signed = keystile(&Directory::new(), &sign, "", &[("MASTER", &master("ours"))]);
    assert_eq!(signed.code, 0, "{}", signed.stderr);
    let url = signed.stdout.trim();
    let reply = world.ask("POST", url).query("validationToken=a").header("Content-Length", "0").send();
    says(&world, &reply, "a", "graph");
    assert_eq!(world.record_of(&reply)["credential_place"], "signed_url");
    let changed = url.replace("auth-exp=", "auth-exp=1");
    let reply = world.ask("POST", &changed).query("validationToken=a").send();
    assert_eq!(reply.verdict(), "401 signature_invalid");
    world.assert_untouched();
    assert_eq!(world.ask("POST", url).body("{}").send().verdict(), "200");
    assert_eq!(world.production.last().target(), "/hooks/graph");
}

#[test]
fn h6_handshakes_are_charged_to_their_address_workflow_and_listener() {
    let to = "template: 'POST /hooks/limited', upstream: { Production: engine-production }, rate_limit: 2/day";
    let dropbox = format!("{GITHUB}, handshake: dropbox");
    let limited = |build: Builder| build.file("github.signing", secret("github"));
    let build = limited(World::build()).workflow("limited", &format!("{to}, webhook: {{ {dropbox} }}"));
    for (world, scope) in [
        (build.start(), "workflow"),
        (with(World::build().listener("address_rate_limit: 2/day"), "limited", &dropbox).start(), "address"),
        (with(World::build().listener("rate_limit: 2/day"), "limited", &dropbox).start(), "listener"),
    ] {
        let ask = world.get("/hooks/limited?challenge=a");
        for verdict in ["200", "200", "429 rate_limited"] {
            assert_eq!(ask.send().verdict(), verdict, "{scope}");
        }
        assert_eq!(ask.send().json()["violated-policies"][0], scope);
        world.assert_untouched();
    }
}

#[test]
fn h6_a_handshake_that_another_workflow_would_answer_is_a_mistake_that_names_both() {
    let dropbox = format!("{GITHUB}, handshake: dropbox");
    for template in ["GET /hooks/asked", "GET /hooks/{name}", "GET /{rest...}"] {
        let other = format!("template: '{template}', upstream: {{ Production: engine-production }}");
        let said = with(World::build(), "asked", &dropbox).workflow("page", &other).refused();
        assert!(
            said.contains("asked for by GET") && said.contains("asked") && said.contains("page"),
            "{template}: {said}"
        );
    }
    let to = "template: 'PUT /hooks/asked', upstream: { Production: engine-production }";
    let twice = with(World::build(), "asked", &dropbox).workflow("other", &format!("{to}, webhook: {{ {dropbox} }}"));
    let said = twice.refused();
    assert!(said.contains("asked and other"), "{said}");
}
