//! C8 through the API, with a provider over real TLS: what it says of a secret decides whether the secret counts.

use crate::support::managed::text;
use crate::support::provider::{Provider, Say, reply};
use crate::support::{Managed, nobody};
use crate::tls::Authority;
use serde_json::{Value, json};

/// A provider that says what a secret's own word asks for, and a connection with a good one.
struct Scene {
    gateway: Managed,
    provider: Provider,
    worker: String,
}

/// `Good`, `Bad`, `Down`, `Odd`
fn secret(word: &str) -> String {
    format!("sk_test_{word}Qz7Kx2Lm9Wv4")
}

fn scene() -> Scene {
    let ca = Authority::new();
    let provider = Provider::start(ca.issue("provider.test", |_| {}), |request| {
        let bearer = request.header("authorization").unwrap_or_default();
        let status = [("Bad", 401), ("Down", 503), ("Odd", 404)].into_iter().find(|(word, _)| bearer.contains(word));
        Say::Bytes(reply(status.map_or(200, |(_, status)| status), &[("Content-Type", "application/json")], "{}"))
    });
    let gateway = Managed::beside("", &[("ca.pem", &ca.pem())]);
    let body = json!({
        "name": "stripe-test", "connector": "stripe", "environment": "Test",
        "base_url": format!("https://{}", provider.address),
        "tls": { "ca": "ca.pem", "server_name": "provider.test" }, "secret": secret("Good"),
    });
    let made = gateway.api().create("connections", body);
    assert_eq!((&made["status"], &made["secret_version"]), (&json!("active"), &json!(1)));
    assert_eq!(made["verification"]["provider_status"], 200);
    let worker = json!({ "name": "worker", "environment": "Test", "connections": ["stripe-test"] });
    let worker = text(&gateway.api().create("keys", worker)["primary"]);
    Scene { gateway, provider, worker }
}

impl Scene {
    /// The secret that a call arrives with now.
    fn in_force(&self) -> String {
        let reply = self.gateway.call_out("POST", "/c/stripe-test/v1/refunds").key(&self.worker).body("{}").send();
        assert_eq!(reply.header("x-keystile-error"), None, "{}", reply.text());
        let requests = self.provider.requests();
        let arrived = requests.iter().rfind(|request| request.method() == "POST").unwrap();
        arrived.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    }

    /// How often it was asked about a secret.
    fn asked(&self) -> usize {
        self.provider.requests().iter().filter(|r| r.target() == "/v1/charges?limit=1").count()
    }

    fn set(&self, word: &str, query: &str) -> Value {
        let path = format!("/connections/stripe-test/secret{query}");
        self.gateway.api().done("PUT", &path, json!({ "secret": secret(word) }))
    }

    fn shown(&self) -> Value {
        self.gateway.api().get("/connections/stripe-test")
    }
}

#[test]
fn c8_what_the_provider_accepts_is_active_and_in_force() {
    let scene = scene();
    assert_eq!(scene.in_force(), secret("Good"));
    let asked = scene.asked();
    let shown = scene.set("GoodToo", "");
    assert_eq!((&shown["status"], &shown["secret_version"]), (&json!("active"), &json!(2)));
    assert_eq!(scene.asked(), asked + 1);
    assert_eq!(scene.in_force(), secret("GoodToo"));
    let again = scene.gateway.api().post("/connections/stripe-test/verify");
    assert_eq!((again["status"].as_str(), scene.asked()), (Some("active"), asked + 2));
}

#[test]
fn c8_a_clear_no_keeps_the_old_secret_in_force() {
    let scene = scene();
    let api = scene.gateway.api();
    let before = scene.shown();
    let body = json!({ "secret": secret("Bad") });
    let problem = api.refused("PUT", "/connections/stripe-test/secret", body, "422 secret_rejected");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("force=true"), "{hint}");
    assert_eq!(scene.shown(), before);
    assert_eq!(scene.in_force(), secret("Good"));
    api.refused("POST", "/connections/stripe-test/rollback", json!({ "version": 2 }), "404 version_not_found");

    let forced = scene.set("Bad", "?force=true");
    assert_eq!((&forced["status"], &forced["secret_version"]), (&json!("error"), &json!(2)));
    assert_eq!(forced["verification"]["provider_status"], 401);
    assert_eq!(forced["verification"]["meaning"], "bad_key");
    assert_eq!(scene.in_force(), secret("Bad"));
    api.post("/connections/stripe-test/rollback");
    assert_eq!(scene.in_force(), secret("Good"));
}

#[test]
fn c8_a_connection_is_not_created_with_a_secret_that_is_refused() {
    let scene = scene();
    let api = scene.gateway.api();
    let body = json!({
        "name": "second", "connector": "stripe", "environment": "Test",
        "base_url": format!("https://{}", scene.provider.address),
        "tls": { "ca": "ca.pem", "server_name": "provider.test" }, "secret": secret("Bad"),
    });
    api.refused("POST", "/connections", body.clone(), "422 secret_rejected");
    api.refused("GET", "/connections/second", Value::Null, "404 connection_not_found");
    let forced = api.done("POST", "/connections?force=true", body);
    assert_eq!((forced["status"].as_str(), forced["name"].as_str()), (Some("error"), Some("second")));
}

#[test]
fn c8_what_says_nothing_of_the_secret_does_not_stand_in_its_way() {
    let scene = scene();
    let down = scene.set("Down", "");
    assert_eq!((&down["status"], &down["verification"]["meaning"]), (&json!("error"), &json!("provider_down")));
    assert_eq!(scene.in_force(), secret("Down"));
    assert_eq!(scene.set("Odd", "")["status"], "inconclusive");
    assert_eq!(scene.in_force(), secret("Odd"));
    let asked = scene.asked();
    assert_eq!(scene.set("Bad", "?verify=false")["status"], "unverified");
    assert_eq!(scene.asked(), asked, "nobody was asked");
    assert_eq!(scene.in_force(), secret("Bad"));
    assert_eq!(scene.gateway.api().post("/connections/stripe-test/verify")["status"], "error");
    assert_eq!(scene.in_force(), secret("Bad"), "verifying takes nothing away");

    let nowhere = nobody();
    let body = json!({
        "name": "unreachable", "connector": "stripe", "environment": "Test",
        "base_url": format!("https://{nowhere}"), "secret": secret("Good"),
    });
    let made = scene.gateway.api().create("connections", body);
    assert_eq!((&made["status"], &made["secret_version"]), (&json!("inconclusive"), &json!(1)));
}

#[test]
fn c16_a_new_trust_is_a_new_destination() {
    let scene = scene();
    let (api, other) = (scene.gateway.api(), Authority::new());
    scene.gateway.write("other.pem", other.pem());
    let calls = scene.provider.requests().len();
    let moved = api.edit("/connections/stripe-test", json!({ "tls": { "ca": "other.pem" } }));
    assert_eq!(moved["status"], "needs_secret");
    let reply = scene.gateway.call_out("GET", "/c/stripe-test/v1/x").key(&scene.worker).send();
    assert_eq!(reply.verdict(), "503 secret_unavailable");
    assert_eq!(scene.provider.requests().len(), calls);
}
