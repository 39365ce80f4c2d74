//! H1, S2, T1a over the API and the commands: the secrets that a workflow's senders sign with, several at once, each with a
//! number; and when each was used last.

use crate::support::managed::text;
use crate::support::sender::{Delivery, body, hex, hook, sha256};
use crate::support::{Ask, Managed, PATIENCE, Reply, World, token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const FIRST: &str = "github-signing-first-8Wq2";
const SECOND: &str = "github-signing-second-3Lm7";

/// A workflow `POST /hooks/github` with these secrets, made over the API.
fn hooks(gateway: &Managed, secrets: &[&str]) -> Value {
    gateway.connection("engine", "Production", "engine-secret-Zk3q8Wv");
    let webhook = json!({ "scheme": "github", "secrets": secrets });
    gateway.api().create("workflows", workflow(webhook))
}

fn workflow(webhook: Value) -> Value {
    json!({
        "name": "hooks", "template": "POST /hooks/github", "upstream": { "Production": "engine" }, "webhook": webhook,
    })
}

fn delivered(gateway: &Managed, secret: &str) -> Reply {
    let body = body();
    let signature = format!("sha256={}", hex(&sha256(secret.as_bytes(), &body)));
    gateway.ask("POST", "/hooks/github").header("X-Hub-Signature-256", signature).body(body).send()
}

/// Waits until `seen` says so: for what is written down a few seconds later.
#[track_caller]
fn await_that(what: &str, seen: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Of how many secrets the last use is written down.
fn uses(gateway: &Managed) -> i64 {
    let database = rusqlite::Connection::open(gateway.path("keystile.db")).unwrap();
    database.query_row("SELECT count(*) FROM secret_uses", [], |row| row.get(0)).unwrap()
}

fn numbers(shown: &Value) -> Vec<u64> {
    let secrets = shown["webhook"]["secrets"].as_array().unwrap();
    secrets.iter().map(|secret| secret["number"].as_u64().unwrap()).collect()
}

#[test]
fn h1_a_workflow_of_the_store_takes_what_is_signed_with_its_secrets() {
    let gateway = Managed::start();
    let made = hooks(&gateway, &[FIRST, SECOND]);
    assert_eq!((numbers(&made), &made["status"]), (vec![1, 2], &json!("active")));
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    assert_eq!(gateway.production.last().header("x-keystile-username"), Some("Webhook: hooks/github".to_owned()));
    assert_eq!(delivered(&gateway, "github-signing-of-a-stranger").verdict(), "401 signature_invalid");
    let gateway = gateway.restarted();
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200", "opened again");
    // A reload of the file beside them keeps them.
    assert!(gateway.reload(&gateway.yaml("key_checks: refuse\n")));
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
}

#[test]
fn h1_a_senders_secret_is_changed_without_a_gap() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    let added = api.create("workflows/hooks/secrets", json!({ "secret": format!(" {SECOND}\n") }));
    assert_eq!(
        (&added["number"], &added["created_by"], &added["last_used_at"]),
        (&json!(2), &json!("admin"), &Value::Null)
    );
    assert_eq!(added["notices"], json!(["white space around the secret was removed"]));
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200", "in force when it is answered");
    api.done("DELETE", "/workflows/hooks/secrets/1", Value::Null);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "401 signature_invalid", "in force when it is answered");
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    api.refused("DELETE", "/workflows/hooks/secrets/1", Value::Null, "404 secret_not_found");
    // A number is never given again.
    assert_eq!(api.create("workflows/hooks/secrets", json!({ "secret": FIRST }))["number"], 3);
    let gateway = gateway.restarted();
    assert_eq!(numbers(&gateway.api().get("/workflows/hooks")), [2, 3]);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
}

#[test]
fn h1_the_last_secret_goes_only_by_force_and_then_nobody_delivers() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    api.refused("DELETE", "/workflows/hooks/secrets/1", Value::Null, "409 last_secret");
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
    api.refused("PATCH", "/workflows/hooks", json!({ "webhook": { "secrets": [] } }), "422 invalid");
    api.done("DELETE", "/workflows/hooks/secrets/1?force=true", Value::Null);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "503 secret_unavailable");
    let shown = api.get("/workflows/hooks");
    assert_eq!((&shown["status"], &shown["webhook"]["secrets"]), (&json!("needs_secret"), &json!([])));
    assert_eq!(api.get("/workflows")["items"][0]["status"], "needs_secret");
    let gateway = gateway.restarted();
    assert_eq!(delivered(&gateway, FIRST).verdict(), "503 secret_unavailable");
    gateway.api().create("workflows/hooks/secrets", json!({ "secret": FIRST }));
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
}

#[test]
fn h1_a_list_takes_the_place_of_all_and_without_one_they_stay() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    let after = api.edit("/workflows/hooks", json!({ "webhook": { "secrets": [SECOND] } }));
    assert_eq!(numbers(&after), [2]);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "401 signature_invalid");
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    // What is sent again is what it was, and no change at all.
    let again = api.edit("/workflows/hooks", json!({ "webhook": { "secrets": [SECOND] } }));
    assert_eq!((numbers(&again), &again["version"]), (vec![2], &after["version"]));
    api.edit("/workflows/hooks", json!({ "webhook": { "replays": { "answer": "conflict" } }, "title": "Of GitHub" }));
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    // Another name is no other workflow.
    api.edit("/workflows/hooks", json!({ "name": "renamed" }));
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    let gateway = gateway.restarted();
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    // Where no signature is verified any more, there is nothing to keep.
    let api = gateway.api();
    api.edit("/workflows/renamed", json!({ "webhook": { "scheme": null, "replays": null, "require": "key" } }));
    let back = api.edit("/workflows/renamed", json!({ "webhook": { "scheme": "github", "require": null } }));
    assert_eq!((&back["status"], &back["webhook"]["secrets"]), (&json!("needs_secret"), &json!([])));
    assert_eq!(delivered(&gateway, SECOND).verdict(), "503 secret_unavailable");
}

#[test]
fn h1_another_scheme_keeps_the_secrets_that_fit_it_and_names_the_one_that_does_not() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    assert_eq!(numbers(&api.edit("/workflows/hooks", json!({ "webhook": { "scheme": "shopify" } }))), [1]);
    let problem =
        api.refused("PATCH", "/workflows/hooks", json!({ "webhook": { "scheme": "standard" } }), "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "webhook.secrets[0]", "{problem}");
    assert!(text(&problem["detail"]).contains("secret 1"), "{problem}");
    assert_eq!(api.get("/workflows/hooks")["webhook"]["scheme"], "shopify");
    let wrong = json!({ "webhook": { "scheme": "standard", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] } });
    let problem = api.refused("PATCH", "/workflows/hooks", wrong, "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "webhook.secrets[1]", "{problem}");
    api.edit(
        "/workflows/hooks",
        json!({ "webhook": { "scheme": "standard", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] } }),
    );
    let problem = api.refused("POST", "/workflows/hooks/secrets", json!({ "secret": "whsec_!" }), "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "secret", "{problem}");
}

#[test]
fn h1_what_is_no_secret_for_it_is_refused_and_told_by_its_place() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    for (secret, said) in [
        ("env:GITHUB", "references stand in the configuration file alone"),
        ("file:/etc/passwd", "references stand in the configuration file alone"),
        ("vault:kv/github", "references stand in the configuration file alone"),
        ("one\u{7}two", "control characters"),
        ("  ", "empty"),
        (FIRST, "the same as secret 1"),
    ] {
        let problem = api.refused("POST", "/workflows/hooks/secrets", json!({ "secret": secret }), "422 invalid");
        assert_eq!(problem["errors"][0]["field"], "secret");
        assert!(text(&problem["errors"][0]["reason"]).contains(said), "{problem}");
        let both = json!({ "webhook": { "secrets": [SECOND, secret] } });
        if secret != FIRST {
            let problem = api.refused("PATCH", "/workflows/hooks", both, "422 invalid");
            assert_eq!(problem["errors"][0]["field"], "webhook.secrets[1]", "{problem}");
        }
        let new = json!({ "name": "new", "webhook": { "scheme": "github", "secrets": [secret, secret] } });
        let problem = api.refused("POST", "/workflows", new, "422 invalid");
        assert!(text(&problem["errors"][0]["field"]).starts_with("webhook.secrets["), "{problem}");
    }
    let useless = json!({ "name": "w", "template": "POST /w", "webhook": { "require": "key", "secrets": [FIRST] } });
    assert_eq!(api.refused("POST", "/workflows", useless, "422 invalid")["errors"][0]["field"], "webhook.secrets");
    gateway.workflow("plain", "GET /plain", "engine");
    api.refused("POST", "/workflows/plain/secrets", json!({ "secret": FIRST }), "409 no_webhook");
    api.refused("POST", "/workflows/nothing/secrets", json!({ "secret": FIRST }), "404 workflow_not_found");
    let shown = json!({ "webhook": { "secrets": [{ "number": 1 }] } });
    api.refused("PATCH", "/workflows/hooks", shown, "400 bad_body");
    assert_eq!(numbers(&api.get("/workflows/hooks")), [1], "nothing changed");
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
}

#[test]
fn t1a_only_the_digest_of_a_handshakes_token_is_kept() {
    let gateway = Managed::start();
    gateway.connection("engine", "Production", "engine-secret-Zk3q8Wv");
    let api = gateway.api();
    let webhook =
        |token: &str| json!({ "scheme": "github", "secrets": [FIRST], "handshake": "meta", "verify_token": token });
    for bad in ["env:META", "file:/etc/passwd", "blake3:12"] {
        let problem = api.refused("POST", "/workflows", workflow(webhook(bad)), "422 invalid");
        assert_eq!(problem["errors"][0]["field"], "webhook.verify_token", "{problem}");
    }
    let made = api.create("workflows", workflow(webhook("sesame-of-meta-5Rt")));
    assert!(text(&made["webhook"]["verify_token"]).starts_with("blake3:"), "{made}");
    let asked = |token: &str| {
        let query = format!("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
        gateway.get(&format!("/hooks/github?{query}")).send()
    };
    assert_eq!(asked("sesame-of-meta-5Rt").text(), "1158201444");
    assert_ne!(asked("another-5Rt").status, 200);
}

#[test]
fn t5_when_a_secret_was_last_used_is_known_after_changes_and_restarts() {
    let gateway = Managed::beside(
        "\
connections: [{ name: filed, base_url: 'http://{production}' }]
workflows:
  - name: filed
    template: POST /filed
    upstream: { Production: filed }
    webhook: { scheme: github, secrets: ['file:filed.secret', 'file:next.secret'] }
",
        &[("filed.secret", "filed-secret-2Vb"), ("next.secret", "next-secret-2Vb")],
    );
    let api = gateway.api();
    hooks(&gateway, &[FIRST, SECOND]);
    let used = |gateway: &Managed, workflow: &str| -> Vec<bool> {
        let shown = gateway.api().get(&format!("/workflows/{workflow}"));
        let secrets = shown["webhook"]["secrets"].as_array().unwrap().clone();
        secrets.iter().map(|secret| secret["last_used_at"].is_string()).collect()
    };
    let to_filed = |gateway: &Managed| {
        let body = body();
        let signature = format!("sha256={}", hex(&sha256(b"filed-secret-2Vb", &body)));
        gateway.ask("POST", "/filed").header("X-Hub-Signature-256", signature).body(body).send().verdict()
    };
    assert_eq!((used(&gateway, "hooks"), used(&gateway, "filed")), (vec![false, false], vec![false, false]));
    assert_eq!(delivered(&gateway, "a-strangers").verdict(), "401 signature_invalid");
    assert_eq!(used(&gateway, "hooks"), [false, false]);
    assert_eq!((delivered(&gateway, SECOND).verdict(), to_filed(&gateway)), ("200".to_owned(), "200".to_owned()));
    assert_eq!((used(&gateway, "hooks"), used(&gateway, "filed")), (vec![false, true], vec![true, false]));
    let filed = api.get("/workflows/filed");
    assert_eq!(filed["webhook"]["secrets"][1], json!({ "reference": "file:next.secret", "last_used_at": null }));

    let name = "keystile_webhook_secret_last_used_timestamp_seconds";
    let metrics = gateway.metrics();
    assert!(metrics.contains(&format!("{name}{{workflow=\"hooks\",secret=\"2\"}} ")), "{metrics}");
    assert!(metrics.contains(&format!("{name}{{workflow=\"filed\",secret=\"file:filed.secret\"}} ")), "{metrics}");
    assert!(!metrics.contains(&format!("{name}{{workflow=\"hooks\",secret=\"1\"}}")), "never used");

    // Changes, an import and a reload make everything anew.
    let before = api.get("/workflows/hooks")["webhook"]["secrets"][1]["last_used_at"].clone();
    api.edit("/workflows/hooks", json!({ "title": "Of GitHub" }));
    let mut exported = api.get("/export");
    exported["workflows"][0]["title"] = "Imported".into();
    api.done("POST", "/import", exported);
    let file = std::fs::read_to_string(gateway.path("keystile.yaml")).unwrap();
    assert!(gateway.reload(&file.replace("name: filed\n", "name: filed\n    title: Of the file\n")));
    assert_eq!(api.get("/workflows/hooks")["title"], "Imported");
    assert_eq!(api.get("/workflows/hooks")["webhook"]["secrets"][1]["last_used_at"], before);
    assert_eq!(used(&gateway, "filed"), [true, false]);

    let gateway = gateway.restarted();
    assert_eq!(gateway.api().get("/workflows/hooks")["webhook"]["secrets"][1]["last_used_at"], before, "kept");
    assert_eq!((used(&gateway, "hooks"), used(&gateway, "filed")), (vec![false, true], vec![true, false]));
    // It is no resource of its own.
    let usage = gateway.api().get("/usage");
    let mut kinds: Vec<String> = usage["items"].as_array().unwrap().iter().map(|item| text(&item["kind"])).collect();
    kinds.dedup();
    assert_eq!(kinds, ["connection", "workflow"], "{usage}");
    // What is removed takes its last use along.
    gateway.api().done("DELETE", "/workflows/hooks/secrets/2", Value::Null);
    let gateway = gateway.restarted();
    assert_eq!(uses(&gateway), 1, "the file's");
}

#[test]
fn t5_without_a_store_last_use_is_known_since_the_start() {
    let world = hook(World::build(), "github", "github", "").key("boss", "scopes: [admin:read]").start();
    let shown = || {
        let ask = Ask::new(world.admin.unwrap(), "GET", "/api/v1/workflows/github").header("Host", "localhost");
        let ask = ask.header("Authorization", format!("Bearer {}", token("boss"))).header("Connection", "close");
        ask.send().json()["webhook"]["secrets"].clone()
    };
    assert_eq!(shown(), json!([{ "reference": "file:github.signing", "last_used_at": null }]));
    Delivery::of("github").is_taken(&world, "right");
    assert!(shown()[0]["last_used_at"].is_string());
}

#[test]
fn t5_what_was_used_is_written_down_while_the_gateway_runs() {
    let gateway = Managed::start();
    hooks(&gateway, &[FIRST]);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
    await_that("the use is written down", || uses(&gateway) == 1);
    let before = gateway.api().get("/workflows/hooks")["webhook"]["secrets"].clone();
    let gateway = gateway.restarted_after("KILL");
    assert_eq!(gateway.api().get("/workflows/hooks")["webhook"]["secrets"], before);
}

#[test]
fn s2_nobody_reads_a_secret_back_and_the_audit_tells_who_did_what() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    api.create("workflows/hooks/secrets", json!({ "secret": SECOND }));
    api.done("DELETE", "/workflows/hooks/secrets/1", Value::Null);
    let audit = api.get("/audit?subject=hooks");
    let actions: Vec<String> = audit["items"].as_array().unwrap().iter().map(|row| text(&row["action"])).collect();
    assert_eq!(actions, ["workflow.remove_secret", "workflow.add_secret", "workflow.create"]);
    assert_eq!((numbers(&audit["items"][0]["before"]), numbers(&audit["items"][0]["after"])), (vec![1, 2], vec![2]));
    for path in ["/workflows", "/workflows/hooks", "/export", "/audit?limit=100", "/usage", "/status"] {
        let said = api.get(path).to_string();
        assert!(!said.contains(FIRST) && !said.contains(SECOND), "{path}: {said}");
    }
    assert_eq!(api.get("/audit/verify")["ok"], true);
    let exported = &api.get("/export")["workflows"][0]["webhook"];
    assert_eq!(*exported, json!({ "scheme": "github" }), "T2: without secrets");
}

#[test]
fn t2_an_imported_webhook_waits_for_its_secret_and_keeps_the_one_it_has() {
    let (one, other) = (Managed::start(), Managed::start());
    hooks(&one, &[FIRST]);
    let exported = one.api().get("/export");
    let api = other.api();
    let dry = api.done("POST", "/import?dry_run=true", exported.clone());
    assert_eq!(dry["needs_signing_secret"], json!(["hooks"]));
    let done = api.done("POST", "/import", exported.clone());
    assert_eq!((&done["needs_signing_secret"], &done["needs_secret"]), (&json!(["hooks"]), &json!(["engine"])));
    assert_eq!(api.get("/workflows/hooks")["status"], "needs_secret");
    assert_eq!(delivered(&other, FIRST).verdict(), "503 secret_unavailable");
    api.done("PUT", "/connections/engine/secret?verify=false", json!({ "secret": "engine-secret-Zk3q8Wv" }));
    api.create("workflows/hooks/secrets", json!({ "secret": SECOND }));
    // The same document again takes nothing away, and neither does another one.
    let done = api.done("POST", "/import", exported.clone());
    assert_eq!(done["needs_signing_secret"], json!([]));
    let mut changed = exported.clone();
    changed["workflows"][0]["title"] = "Of GitHub".into();
    api.done("POST", "/import", changed);
    assert_eq!(numbers(&api.get("/workflows/hooks")), [1]);
    assert_eq!(delivered(&other, SECOND).verdict(), "200");
    let mut secret = exported.clone();
    secret["workflows"][0]["webhook"]["secrets"] = json!([FIRST]);
    let problem = api.refused("POST", "/import", secret, "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "workflows[hooks].webhook.secrets", "{problem}");
    let mut plain = exported;
    plain["workflows"][0].as_object_mut().unwrap().remove("webhook");
    api.done("POST", "/import", plain);
    let back = api.edit("/workflows/hooks", json!({ "webhook": { "scheme": "github" } }));
    assert_eq!(back["status"], "needs_secret", "what verifies nothing has no secrets");
}

#[test]
fn a_secret_is_added_once_and_to_the_version_that_was_read() {
    let gateway = Managed::start();
    let api = gateway.api();
    hooks(&gateway, &[FIRST]);
    let add = |key: &str, secret: &str| {
        api.asking("POST", "/workflows/hooks/secrets", &json!({ "secret": secret }))
            .header("Idempotency-Key", key)
            .send()
    };
    let first = add("once", SECOND);
    let again = add("once", SECOND);
    assert_eq!((first.status, again.status, first.json()["number"].clone()), (201, 201, json!(2)));
    assert_eq!(again.json()["number"], 2);
    assert_eq!(first.header("location"), Some("/api/v1/workflows/hooks"));
    assert_eq!(add("once", "another-secret-1Hk").verdict(), "422 idempotency_key_reused");
    assert_eq!(numbers(&api.get("/workflows/hooks")), [1, 2]);
    api.done("DELETE", "/workflows/hooks/secrets/2", Value::Null);
    assert_eq!(add("once", SECOND).verdict(), "409 deleted_since");
    let old = first.header("etag").unwrap().to_owned();
    let conditional = |method: &str, path: &str, body: &Value, tag: &str| {
        api.asking(method, path, body).header("If-Match", tag).send()
    };
    let path = "/workflows/hooks/secrets";
    let late = conditional("POST", path, &json!({ "secret": SECOND }), &old);
    assert_eq!(late.verdict(), "412 precondition_failed");
    assert_eq!(conditional("DELETE", &format!("{path}/1"), &Value::Null, &old).verdict(), "412 precondition_failed");
    let now = format!("\"{}\"", api.get("/workflows/hooks")["version"]);
    assert_eq!(conditional("POST", path, &json!({ "secret": SECOND }), &now).status, 201);
    let beside = json!({ "name": "readonly", "scopes": ["admin:read"] });
    let reader = gateway.api_of(&text(&api.create("keys", beside)["primary"]));
    reader.refused("POST", path, json!({ "secret": "another-secret-1Hk" }), "403 scope_missing");
    let elsewhere = json!({ "name": "tester", "environment": "Test", "scopes": ["admin:read", "admin:write"] });
    let tester = gateway.api_of(&text(&api.create("keys", elsewhere)["primary"]));
    tester.refused("POST", path, json!({ "secret": "another-secret-1Hk" }), "403 grant_exceeds_own");
    tester.refused("DELETE", &format!("{path}/1"), Value::Null, "403 grant_exceeds_own");
}

#[test]
fn k15_a_webhook_follows_its_environment_when_that_is_renamed() {
    let gateway = Managed::start();
    let api = gateway.api();
    api.create("environments", json!({ "name": "Staging" }));
    gateway.connection("engine", "Staging", "engine-secret-Zk3q8Wv");
    let webhook = json!({ "scheme": "github", "secrets": [FIRST], "environment": "Staging" });
    let fields = json!({ "upstream": { "Staging": "engine" }, "name": "hooks", "template": "POST /hooks/github" });
    let mut fields = fields.as_object().unwrap().clone();
    fields.insert("webhook".to_owned(), webhook);
    api.create("workflows", fields.into());
    api.edit("/environments/Staging", json!({ "name": "Acceptance" }));
    let shown = api.get("/workflows/hooks");
    assert_eq!(
        (&shown["webhook"]["environment"], &shown["upstream"]),
        (&json!("Acceptance"), &json!({ "Acceptance": "engine" }))
    );
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
}

#[test]
fn t1b_what_the_file_says_of_its_webhooks_is_changed_there() {
    let gateway = Managed::beside(
        "\
connections: [{ name: filed, base_url: 'http://{production}' }]
workflows:
  - { name: filed, template: POST /filed, upstream: { Production: filed }, webhook: { scheme: github, secrets: ['file:a.secret'] } }
",
        &[("a.secret", "filed-secret-2Vb")],
    );
    let api = gateway.api();
    api.refused("POST", "/workflows/filed/secrets", json!({ "secret": FIRST }), "409 managed_by_file");
    api.refused("DELETE", "/workflows/filed/secrets/1", Value::Null, "409 managed_by_file");
    assert_eq!(api.get("/workflows/filed")["webhook"]["secrets"][0]["reference"], "file:a.secret");
}

#[test]
fn s2_a_webhook_is_managed_by_commands_and_its_secrets_come_from_files() {
    let gateway = Managed::start();
    gateway.connection("engine", "Production", "engine-secret-Zk3q8Wv");
    gateway.home().write("first", format!("{FIRST}\n"));
    let create = [
        "workflows",
        "create",
        "hooks",
        "--template",
        "POST /hooks/github",
        "--upstream",
        "Production=engine",
        "--webhook",
        "github",
        "--set",
        "webhook.require=signature",
    ];
    let teaches = gateway.cli(&[&create[..], &["--webhook-secret", FIRST]].concat());
    assert!(teaches.code == 2 && teaches.stderr.contains("--webhook-secret-file"), "{}", teaches.stderr);
    assert!(!teaches.stderr.contains(FIRST));
    let nobody = gateway.cli(&create);
    assert!(nobody.code == 2 && nobody.stderr.contains("--webhook-secret-file"), "{}", nobody.stderr);
    let done = gateway.fed(
        &[&create[..], &["--webhook-secret-file", "first", "--webhook-secret-file", "-"]].concat(),
        "github-signing-third-5Dw",
    );
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("takes deliveries"), "{}", done.stdout);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "200");
    assert_eq!(delivered(&gateway, "github-signing-third-5Dw").verdict(), "200");

    let added = gateway.fed(&["workflows", "add-secret", "hooks", "--secret-file", "-"], SECOND);
    assert!(added.code == 0 && added.stdout.contains("added secret 3 of hooks"), "{}{}", added.stdout, added.stderr);
    assert_eq!(delivered(&gateway, SECOND).verdict(), "200");
    let listed = gateway.cli(&["workflows", "secrets", "hooks"]);
    assert!(listed.stdout.contains("LAST USED") && listed.stdout.lines().count() == 4, "{}", listed.stdout);
    assert!(gateway.cli(&["workflows", "show", "hooks"]).stdout.contains("number: 3"));
    for argument in [vec!["add-secret", "hooks", SECOND], vec!["add-secret", "hooks", "--secret", SECOND]] {
        let taught = gateway.cli(&[&["workflows"][..], &argument].concat());
        assert!(taught.code == 2 && !taught.stderr.contains(SECOND), "{}", taught.stderr);
    }
    let unsure = gateway.cli(&["workflows", "remove-secret", "hooks", "1"]);
    assert!(unsure.code == 2 && unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    assert_eq!(gateway.cli(&["workflows", "remove-secret", "hooks", "1", "--yes"]).code, 0);
    assert_eq!(delivered(&gateway, FIRST).verdict(), "401 signature_invalid");

    // What is shown is written to a file, changed and sent back: the secrets stay.
    let shown = gateway.cli(&["workflows", "show", "hooks", "-o", "yaml"]);
    gateway.home().write("hooks.yaml", shown.stdout.replace("require: signature", "require: either"));
    let edited = gateway.cli(&["workflows", "edit", "hooks", "-f", "hooks.yaml"]);
    assert!(edited.code == 0, "{}{}", edited.stdout, edited.stderr);
    assert_eq!(gateway.api().get("/workflows/hooks")["webhook"]["require"], "either");
    assert_eq!(numbers(&gateway.api().get("/workflows/hooks")), [2, 3]);
    gateway
        .home()
        .write("later.yaml", "{ name: later, upstream: { Production: engine }, webhook: { scheme: github } }");
    let later = gateway.cli(&["workflows", "create", "-f", "later.yaml", "--template", "POST /later"]);
    assert!(later.stdout.contains("keystile workflows add-secret later"), "{}{}", later.stdout, later.stderr);
}
