//! C8, C10: where a verification goes and where it does not, how commands end, and what else they tell of connections.

use crate::support::provider::{Provider, Say, reply};
use crate::support::{H2Answer, H2Upstream, Recorded, nobody};
use crate::tls::Authority;
use crate::verify::{Scene, said};
use serde_json::Value;

/// A provider that accepts every key but one that is called through `/bad`.
fn friendly(scene: &Scene) -> Provider {
    Provider::start(scene.certificate(), |request: &Recorded| {
        let (bad, busy) = (request.target().starts_with("/bad"), request.target().starts_with("/busy"));
        let status = if bad {
            401
        } else if busy {
            429
        } else {
            200
        };
        Say::Bytes(reply(status, &[], r#"{"ok":true}"#))
    })
}

fn base(provider: &Provider, path: &str) -> String {
    format!("https://{}{path}", provider.address)
}

#[test]
fn c8_exit_codes_say_whether_all_is_well() {
    let mut scene = Scene::new();
    let provider = friendly(&scene);
    scene.connection("good", "openai", &base(&provider, ""));
    scene.connection("better", "stripe", &base(&provider, ""));
    scene.connection("bad", "stripe", &base(&provider, "/bad"));
    scene.connection("busy", "stripe", &base(&provider, "/busy"));
    let code = |arguments: &[&str]| {
        let output = scene.keystile(&[&["connections", "verify"], arguments].concat());
        (output.status.code().unwrap(), said(&output))
    };
    assert_eq!(code(&["good", "better", "good"]).0, 0);
    assert_eq!(provider.requests().len(), 2, "each once");
    let (inconclusive, told) = code(&["good", "busy"]);
    assert_eq!(inconclusive, 0);
    assert!(told.contains("rate limit is used up") && told.contains("1 active, 0 in error, 1 inconclusive"), "{told}");
    assert_eq!(code(&["good", "busy", "--strict"]).0, 1);
    assert_eq!(code(&["good", "--strict"]).0, 0);
    assert_eq!(code(&["good", "bad"]).0, 1);
    let (unknown, told) = code(&["goood"]);
    assert!(unknown == 1 && told.contains("there is no connection \"goood\"; did you mean good?"), "{told}");
    for wrong in [&[][..], &["--all", "good"], &["good", "--timeout", "soon"]] {
        assert_eq!(code(wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn c8_check_verifies_what_is_sound_and_nothing_else() {
    let mut scene = Scene::new();
    let provider = friendly(&scene);
    scene.connection("good", "stripe", &base(&provider, ""));
    let plain: Value = serde_json::from_slice(&scene.keystile(&["check", "-o", "json"]).stdout).unwrap();
    assert!(plain.get("connections").is_none() && provider.requests().is_empty(), "only when asked");
    let output = scene.keystile(&["check", "--verify", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["connections"][0]["status"]), (&true.into(), &"active".into()));
    scene.connection("bad", "stripe", &base(&provider, "/bad"));
    let output = scene.keystile(&["check", "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("ok: 1 listener") && said(&output).contains("1 active, 1 in error"));
    let before = provider.requests().len();
    scene.line("name: good");
    let output = scene.keystile(&["check", "--verify"]);
    assert_eq!((output.status.code(), provider.requests().len()), (Some(1), before), "{}", said(&output));
}

#[test]
fn c8_without_a_secret_or_a_way_nothing_is_called() {
    let mut scene = Scene::new();
    let provider = friendly(&scene);
    let url = base(&provider, "");
    scene.line(&format!("name: empty, connector: stripe, base_url: '{url}', tls: {{ ca: ca.pem }}"));
    scene.directory.write("own.secret", "a-secret-of-our-own");
    let own = "secret: 'file:own.secret', tls: { ca: ca.pem, server_name: provider.test }";
    scene.line(&format!("name: own, base_url: '{url}', inject: {{ header: X-Own }}, {own}"));
    scene.line(&format!("name: none, base_url: '{url}', tls: {{ ca: ca.pem }}"));
    let verdicts = scene.verified(&[]);
    let brief: Vec<_> = verdicts.iter().map(|v| [&v["status"], &v["meaning"]].map(|t| t.as_str().unwrap())).collect();
    assert_eq!(brief, [["error", "needs_secret"], ["inconclusive", "inconclusive"], ["inconclusive", "inconclusive"]]);
    assert!(verdicts[1]["says"].as_str().unwrap().starts_with("No way to verify is known"));
    assert!(provider.requests().is_empty());
}

#[test]
fn c8_a_connector_of_ones_own_says_how_and_without_rules_the_status_counts() {
    let mut scene = Scene::new();
    let provider = friendly(&scene);
    std::fs::create_dir(scene.directory.path("connectors")).unwrap();
    scene.directory.write("own.secret", "a-secret-of-our-own");
    scene.directory.write(
        "acme.yaml",
        "name: acme\ntitle: Acme\ninject: [{ query: key }, { header: X-Acme }]\n\
         verify: { method: HEAD, path: '/me?a=b&%6bey=c', headers: [{ name: X-Acme, value: theirs }, { name: X-More, value: more }] }\n",
    );
    std::fs::rename(scene.directory.path("acme.yaml"), scene.directory.path("connectors/acme.yaml")).unwrap();
    for (name, path) in [("good", ""), ("bad", "/bad")] {
        let url = base(&provider, path);
        scene.line(&format!(
            "name: {name}, connector: acme, base_url: '{url}', secret: 'file:own.secret', \
             tls: {{ ca: ca.pem, server_name: provider.test }}, allow: [{{ methods: [POST], path: /nothing }}]"
        ));
    }
    let verdicts = scene.verified(&[]);
    assert_eq!((&verdicts[0]["meaning"], &verdicts[1]["meaning"]), (&"active".into(), &"bad_key".into()));
    let call = verdicts[0]["call"].as_str().unwrap();
    assert!(call.starts_with("HEAD https://127.0.0.1:") && call.ends_with("&key={secret}"), "{call}");
    let request = provider.requests().into_iter().find(|r| !r.target().starts_with("/bad")).unwrap();
    assert_eq!(request.line(), "HEAD /me?a=b&key=a-secret-of-our-own HTTP/1.1");
    assert_eq!(request.all("x-acme"), ["a-secret-of-our-own"]);
    assert_eq!(request.all("x-more"), ["more"]);
}

#[test]
fn c8_over_http_2_the_call_is_the_same() {
    let mut scene = Scene::new();
    let provider = H2Upstream::answering(|_, _| H2Answer::Body("invalid_payload"));
    let url = format!("http://{}", provider.address);
    scene.directory.write("url.secret", format!("{url}/services/T0123ABCD/B0123ABCD/Qz7Kx2Lm9WvTyPq5Rs3NQz7K"));
    scene.directory.write("bot.secret", format!("7182930456:{}", "Qz7Kx2L".repeat(5)));
    scene.line(&format!(
        "name: alerts, connector: slack-webhook, http: '2', base_url: '{url}', secret: 'file:url.secret'"
    ));
    scene.line(&format!("name: bot, connector: telegram, http: '2', base_url: '{url}', secret: 'file:bot.secret'"));
    let verdicts = scene.verified(&[]);
    assert!(verdicts.iter().all(|v| v["provider_status"] == 200), "{verdicts:#?}");
    let arrived = provider.requests();
    let post = arrived.iter().find(|r| r.head.method() == "POST").unwrap();
    assert_eq!(
        (&post.body[..], &post.head.headers()["content-type"]),
        (&b"not json"[..], &"application/json".parse().unwrap())
    );
    assert!(arrived.iter().any(|r| r.head.uri().path().starts_with("/bot7182930456:Qz7")), "{arrived:?}");
}

#[test]
fn c10_a_redirect_is_not_followed() {
    let mut scene = Scene::new();
    let elsewhere = friendly(&scene);
    let to = base(&elsewhere, "/v1/charges?limit=1");
    let provider = Provider::start(scene.certificate(), move |_| Say::Bytes(reply(307, &[("Location", &to)], "")));
    scene.connection("moved", "stripe", &base(&provider, ""));
    let verdict = &scene.verified(&[])[0];
    assert_eq!((&verdict["status"], &verdict["provider_status"]), (&"inconclusive".into(), &307.into()));
    assert!(verdict["says"].as_str().unwrap().contains("redirect"));
    assert_eq!((provider.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[test]
fn hazard_22_a_provider_who_does_not_prove_himself_gets_no_request() {
    let mut scene = Scene::new();
    let stranger =
        Provider::start(Authority::new().issue("provider.test", |_| {}), |_| Say::Bytes(reply(200, &[], "")));
    let other = Provider::start(scene.ca.issue("other.test", |_| {}), |_| Say::Bytes(reply(200, &[], "")));
    let closed = nobody();
    scene.connection("stranger", "stripe", &base(&stranger, ""));
    scene.connection("other", "stripe", &base(&other, ""));
    scene.connection("closed", "stripe", &format!("https://{closed}"));
    scene.connection("nowhere", "stripe", "https://nowhere.invalid");
    let verdicts = scene.verified(&["--timeout", "5s"]);
    for (verdict, code) in verdicts.iter().zip(["upstream_tls", "upstream_tls", "upstream_unreachable"]) {
        assert_eq!((&verdict["meaning"], &verdict["code"]), (&"unreachable".into(), &code.into()), "{verdict}");
    }
    assert!(verdicts.iter().all(|v| v["status"] == "inconclusive" && v["provider_status"].is_null()), "{verdicts:#?}");
    assert!(stranger.requests().is_empty() && other.requests().is_empty());
    let table = said(&scene.keystile(&["connections", "verify", "stranger"]));
    assert!(table.contains("the provider does not prove who it is (") && table.contains("tls.ca"), "{table}");
}

#[test]
fn connections_are_listed_and_shown_and_their_secrets_are_not() {
    let mut scene = Scene::new();
    scene.connection("pay", "stripe", "https://127.0.0.1:9");
    scene.connection("bot", "telegram", "https://127.0.0.1:9");
    scene.line(
        "name: empty, connector: openai, default: true, allow: [{ methods: [GET, POST], path: /v1/models }], \
         rate_limit: 600/min burst 50, concurrency: 4",
    );
    let list = scene.keystile(&["connections", "list"]);
    let text = said(&list);
    assert_eq!(list.status.code(), Some(0), "{text}");
    for part in
        ["NAME", "authorization: Bearer {secret}", "/bot{secret}", "openai (default)", "needs_secret", "unknown"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let list: Value = serde_json::from_slice(&scene.keystile(&["connections", "list", "-o", "json"]).stdout).unwrap();
    let statuses: Vec<&str> = list.as_array().unwrap().iter().map(|c| c["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["unknown", "unknown", "needs_secret"]);
    assert_eq!(list[1]["verify"], "GET https://127.0.0.1:9/bot{secret}/getMe");
    let shown = said(&scene.keystile(&["connections", "show", "empty"]));
    for part in
        ["https://api.openai.com", "GET, POST  /v1/models", "600/min burst 50", "GET https://api.openai.com/v1/models"]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    let one: Value =
        serde_json::from_slice(&scene.keystile(&["connections", "show", "empty", "-o", "json"]).stdout).unwrap();
    assert_eq!((&one["allow"][0]["methods"][1], &one["concurrency"]), (&"POST".into(), &4.into()));
    let none = scene.keystile(&["connections", "show", "pai"]);
    assert!(none.status.code() == Some(1) && said(&none).contains("did you mean pay?"), "{}", said(&none));
}
