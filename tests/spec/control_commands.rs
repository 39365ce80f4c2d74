//! The commands against a real gateway: what scripts rely on.

use crate::support::managed::text;
use crate::support::{Managed, PATIENCE};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

/// What a command prints with `-o json`.
#[track_caller]
fn printed(gateway: &Managed, arguments: &[&str]) -> Value {
    let done = gateway.cli(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
    done.json()
}

/// Expects this exit, and that `said` is said.
#[track_caller]
fn fails(gateway: &Managed, arguments: &[&str], code: i32, said: &str) {
    let done = gateway.cli(arguments);
    assert_eq!(done.code, code, "{arguments:?}: {}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains(said), "{arguments:?}: {}", done.stderr);
}

/// Connections and a workflow by commands alone.
fn orders(gateway: &Managed) {
    let (production, test) = (gateway.production.address.to_string(), gateway.test.address.to_string());
    for (name, environment, place) in [("engine", "Production", production), ("engine-test", "Test", test)] {
        let place = format!("http://{place}");
        let arguments = [
            "connections",
            "create",
            name,
            "--connector",
            "custom",
            "-e",
            environment,
            "--base-url",
            &place,
            "--inject",
            "header=X-Engine-Key",
            "--secret-file",
            "-",
            "-o",
            "json",
        ];
        let done = gateway.fed(&arguments, &format!("secret-of-{name}-123\n"));
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert_eq!((&done.json()["status"], &done.json()["secret_version"]), (&json!("unverified"), &json!(1)));
    }
    let template =
        ["--template", "GET /orders/{id}", "--upstream", "Production=engine", "--upstream", "Test=engine-test"];
    printed(gateway, &[&["workflows", "create", "get-order"], &template[..]].concat());
}

#[test]
fn a_key_is_created_called_with_rotated_disabled_and_ended() {
    let gateway = Managed::start();
    orders(&gateway);
    let made = printed(&gateway, &["keys", "create", "crm", "--workflow", "get-order", "--rate", "1000/s"]);
    for field in ["id", "name", "primary", "secondary"] {
        assert!(made[field].is_string(), "{field}: {made}");
    }
    let (primary, secondary) = (text(&made["primary"]), text(&made["secondary"]));
    assert_eq!(gateway.order(&primary), "200");
    assert_eq!(gateway.production.last().header("x-engine-key").as_deref(), Some("secret-of-engine-123"));

    let rotated = printed(&gateway, &["keys", "rotate", "crm", "--slot", "secondary"]);
    assert_eq!(rotated.as_object().unwrap().keys().collect::<Vec<_>>(), ["secondary"]);
    assert_eq!(gateway.order(&secondary), "401 invalid_key");
    assert_eq!(gateway.order(&text(&rotated["secondary"])), "200");
    let rotated = printed(&gateway, &["keys", "rotate", "crm", "--slot", "primary", "--grace", "1h"]);
    assert_eq!((gateway.order(&primary), gateway.order(&text(&rotated["primary"]))), ("200".into(), "200".into()));

    for (verb, status, verdict) in [("disable", "disabled", "401 key_disabled"), ("enable", "enabled", "200")] {
        assert_eq!(printed(&gateway, &["keys", verb, "crm"])["status"], status);
        assert_eq!(gateway.order(&primary), verdict);
    }
    assert_eq!(printed(&gateway, &["keys", "edit", "crm", "--set", "title=The CRM"])["title"], "The CRM");
    fails(&gateway, &["keys", "revoke", "crm"], 2, "--yes");
    assert_eq!(gateway.order(&primary), "200", "nobody said yes");
    assert_eq!(printed(&gateway, &["keys", "revoke", "crm", "--yes"])["status"], "revoked");
    assert_eq!(gateway.order(&primary), "401 key_revoked");
    fails(&gateway, &["keys", "enable", "crm"], 1, "revoked");
    fails(&gateway, &["keys", "delete", "crm"], 2, "--yes");
    assert_eq!(gateway.cli(&["keys", "delete", "crm", "--yes"]).code, 0);
    fails(&gateway, &["keys", "show", "crm"], 1, "there is no key");
    assert_eq!(gateway.order(&primary), "401 invalid_key");
}

#[test]
fn lists_and_shows_name_everything_but_tokens() {
    let gateway = Managed::start();
    orders(&gateway);
    let made = printed(&gateway, &["keys", "create", "crm", "--workflow", "get-order"]);
    assert_eq!(gateway.order(&text(&made["primary"])), "200");
    let deadline = Instant::now() + PATIENCE;
    let used = loop {
        let shown = printed(&gateway, &["keys", "show", "crm"]);
        if shown["slots"]["primary"]["last_used_at"].is_string() {
            break shown;
        }
        assert!(Instant::now() < deadline, "{shown}");
    };
    assert_eq!(used["slots"]["secondary"]["last_used_at"], Value::Null);
    for (kind, name) in
        [("keys", "crm"), ("connections", "engine"), ("workflows", "get-order"), ("environments", "Test")]
    {
        let list = printed(&gateway, &[kind, "list"]);
        let items = list["items"].as_array().or(list.as_array()).expect("items");
        assert!(items.iter().any(|item| item["name"] == name), "{kind}: {list}");
        assert_eq!(printed(&gateway, &[kind, "show", name])["name"], name);
        let mut said = list.to_string();
        for format in ["table", "yaml"] {
            for arguments in [vec![kind, "list"], vec![kind, "show", name]] {
                let done = gateway.cli(&[&arguments[..], &["-o", format]].concat());
                assert_eq!(done.code, 0, "{}", done.stderr);
                assert!(done.stdout.contains(name), "{arguments:?}: {}", done.stdout);
                said += &done.stdout;
            }
        }
        for hidden in [text(&made["primary"]), text(&made["secondary"]), "secret-of-engine".to_owned()] {
            assert!(!said.contains(&hidden), "{kind}");
        }
    }
}

#[test]
fn a_secret_comes_from_a_file_or_standard_input_and_never_from_an_argument() {
    let gateway = Managed::start();
    orders(&gateway);
    let token = text(&printed(&gateway, &["keys", "create", "crm", "--workflow", "all"])["primary"]);
    let credential = || {
        assert_eq!(gateway.order(&token), "200");
        gateway.production.last().header("x-engine-key").unwrap()
    };
    for arguments in [
        &["connections", "set-secret", "engine", "in-an-argument"][..],
        &["connections", "set-secret", "engine", "--secret", "in-an-argument"],
        &["connections", "create", "new", "--base-url", "https://a.example", "--secret", "in-an-argument"],
    ] {
        let done = gateway.cli(arguments);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(!(done.stdout + &done.stderr).contains("in-an-argument"));
    }
    assert_eq!(credential(), "secret-of-engine-123");
    let done =
        gateway.fed(&["connections", "set-secret", "engine", "--secret-file", "-", "-o", "json"], "from-input-123\n");
    assert_eq!((done.code, done.json()["secret_version"].as_u64()), (0, Some(2)), "{}", done.stderr);
    assert_eq!(credential(), "from-input-123");
    gateway.write("new.secret", "from-a-file-123");
    let file = gateway.path("new.secret").display().to_string();
    assert_eq!(gateway.cli(&["connections", "set-secret", "engine", "--secret-file", &file]).code, 0);
    assert_eq!(credential(), "from-a-file-123");
    assert_eq!(printed(&gateway, &["connections", "rollback", "engine"])["secret_version"], 2);
    assert_eq!(credential(), "from-input-123");
    assert_eq!(
        printed(&gateway, &["connections", "purge", "engine", "--yes"])["purged"],
        2,
        "also what was rolled back"
    );
}

#[test]
fn delete_tells_what_depends_on_it_and_asks() {
    let gateway = Managed::start();
    orders(&gateway);
    let token = text(&printed(&gateway, &["keys", "create", "crm", "--workflow", "get-order"])["primary"]);
    let asked = gateway.cli(&["connections", "delete", "engine"]);
    assert_eq!(asked.code, 2, "there is nobody to ask");
    assert!(asked.stderr.contains("get-order") && asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(gateway.order(&token), "200");
    let done = gateway.cli(&["connections", "delete", "engine", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!((done.stdout + &done.stderr).contains("get-order"));
    assert_eq!(gateway.order(&token), "404 workflow_not_in_environment");
    let done = gateway.cli(&["workflows", "delete", "get-order", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(gateway.order(&token), "404 workflow_not_found");
}

#[test]
fn exits_say_whether_it_was_done_failed_or_was_used_wrongly() {
    let gateway = Managed::start();
    let code = |arguments: &[&str]| gateway.cli(arguments).code;
    assert_eq!(code(&["keys", "list"]), 0);
    for failed in [&["keys", "show", "nobody"][..], &["keys", "disable", "admin"], &["keys", "create", "admin"]] {
        assert_eq!(code(failed), 1, "{failed:?}");
    }
    for misused in
        [&["keys", "frobnicate"][..], &["keys", "rotate", "admin"], &["keys", "rotate", "admin", "--slot", "third"]]
    {
        assert_eq!(code(misused), 2, "{misused:?}");
    }
    let refused = gateway.at_home(
        &["keys", "list"],
        "",
        &[("KEYSTILE_URL", &gateway.url()), ("KEYSTILE_TOKEN", "wrong-token-0123456789")],
    );
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("not valid") && !refused.stderr.contains("wrong-token"), "{}", refused.stderr);
    let nowhere = gateway.at_home(&["keys", "list"], "", &[]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.contains("keystile login"), "{}", nowhere.stderr);
}

#[test]
fn login_keeps_a_profile_that_logout_takes_away() {
    let gateway = Managed::start();
    let home = |arguments: &[&str], input: &str| gateway.at_home(arguments, input, &[]);
    let done = home(&["login", "--url", &gateway.url()], &format!("{}\n", gateway.token));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(!(done.stdout + &done.stderr).contains(&gateway.token));
    let made = home(&["keys", "create", "crm", "-o", "json"], "");
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.json()["primary"].is_string());
    let profiles = gateway.home().path(".config/keystile/profiles.yaml");
    assert_eq!(std::fs::metadata(profiles).unwrap().permissions().mode() & 0o777, 0o600);
    let status = home(&["status", "-o", "json"], "");
    assert_eq!(status.code, 0, "{}", status.stderr);
    assert_eq!(home(&["logout"], "").code, 0);
    assert_eq!(home(&["keys", "list"], "").code, 1);
    let wrong = home(&["login", "--url", &gateway.url()], "a-token-of-nobody-12345\n");
    assert_eq!(wrong.code, 1);
    assert_eq!(home(&["keys", "list"], "").code, 1);
}
