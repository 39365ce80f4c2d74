//! `keystile webhook send`: what it signs, a gateway of the same configuration takes; and what it says when one does not.

use crate::support::command::{Done, keystile};
use crate::support::gateway::Directory;
use crate::support::sender::{SCHEMES, custom, hooks, secret};
use crate::support::{World, token};

const ACME: &str = "scheme: custom, secrets: ['file:acme.signing'], header: X-Acme-Signature, prefix: 'acme=', \
                    template: '{id}.{timestamp}.{method} {path} {body}', algorithm: hmac-sha512, encoding: base64url, \
                    timestamp_header: X-Acme-Timestamp, timestamp_format: rfc3339, id_header: X-Acme-Id";

fn world() -> World {
    custom(hooks(World::build(), "").file("acme.signing", "acme-signing-secret"), "acme", ACME).start()
}

/// A sender with the secret of `scheme` in a file.
fn home(scheme: &str) -> Directory {
    let home = Directory::new();
    home.write(
        "secret",
        format!("{}\n", if scheme == "acme" { "acme-signing-secret".to_owned() } else { secret(scheme) }),
    );
    home
}

/// Sends to `/hooks/<name>`.
fn send(world: &World, home: &Directory, name: &str, arguments: &[&str]) -> Done {
    let url = format!("http://{}/hooks/{name}", world.address());
    let all = [&["webhook", "send", "--secret-file", "secret", "--url", &url], arguments].concat();
    keystile(home, &all, "", &[])
}

#[test]
fn h1_what_is_sent_arrives_whatever_the_scheme() {
    let world = world();
    for scheme in SCHEMES {
        let home = home(scheme);
        home.write("event.json", r#"{"n": 1, "text": "é"}"#);
        let done = send(&world, &home, scheme, &["--scheme", scheme, "--data", "@event.json"]);
        assert_eq!(done.code, 0, "{scheme}: {}{}", done.stdout, done.stderr);
        assert!(done.stdout.starts_with("200 OK\n"), "{}", done.stdout);
        let arrived = world.production.last();
        assert_eq!(arrived.body, r#"{"n": 1, "text": "é"}"#.as_bytes(), "{scheme}");
        assert_eq!(arrived.header("content-type").unwrap(), "application/json", "{scheme}");
        assert_eq!(arrived.header("x-keystile-username"), Some(format!("Webhook: {scheme}/{scheme}")));
    }
    let form = send(&world, &home("twilio"), "twilio", &["--scheme", "twilio", "--data", "b=%41+c&a=1"]);
    assert_eq!(form.code, 0, "{}", form.stdout);
    assert_eq!(world.production.last().header("content-type").unwrap(), "application/x-www-form-urlencoded");
}

#[test]
fn h1_a_scheme_of_ones_own_by_arguments_and_by_the_configuration() {
    let world = world();
    let described = [
        "--scheme=custom",
        "--signature-header=X-Acme-Signature",
        "--prefix=acme=",
        "--template={id}.{timestamp}.{method} {path} {body}",
        "--algorithm=hmac-sha512",
        "--encoding=base64url",
        "--timestamp-header=X-Acme-Timestamp",
        "--timestamp-format=rfc3339",
        "--id-header=X-Acme-Id",
        "--data={}",
    ];
    let done = send(&world, &home("acme"), "acme", &described);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let file = world.path("keystile.yaml").display().to_string();
    let done = send(&world, &home("acme"), "acme", &["--workflow", "acme", "--config", &file, "--data", "{}"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let done = send(&world, &home("acme"), "acme", &["--workflow", "amce", "--config", &file]);
    assert!(done.code == 1 && done.stderr.contains("did you mean acme?"), "{}", done.stderr);
}

#[test]
fn h3_a_refusal_is_told_with_its_code_and_hint() {
    let world = world();
    let github = home("github");
    github.write("secret", "not the secret");
    let done = send(&world, &github, "github", &["--scheme", "github", "--data", "{}"]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.starts_with("401 Unauthorized  signature_invalid\n  "), "{}", done.stdout);
    assert!(done.stdout.to_lowercase().contains("x-hub-signature-256"), "{}", done.stdout);
    let late = ["--scheme", "stripe", "--timestamp", "2026-01-01T00:00:00Z", "-o", "json"];
    let done = send(&world, &home("stripe"), "stripe", &late);
    assert_eq!((done.code, done.json()["status"].as_u64()), (1, Some(401)));
    assert_eq!(done.json()["code"], "signature_expired");
    assert!(done.json()["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
    world.assert_untouched();
}

#[test]
fn h4_a_delivery_that_is_sent_again_is_said_to_be() {
    let world = world();
    let (home, again) = (home("standard"), ["--scheme", "standard", "--id", "msg_once", "--data", "{}"]);
    assert_eq!(send(&world, &home, "standard", &again).code, 0);
    let done = send(&world, &home, "standard", &again);
    assert!(done.code == 0 && done.stdout.contains("delivered before"), "{}", done.stdout);
    assert_eq!(world.production.count(), 1);
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let world = world();
    let run = |more: &[&str]| {
        let github = ["--scheme", "github", "--dry-run", "--data", "Hello, World!", "-H", "X-GitHub-Event: ping"];
        let home = home("github");
        home.write("secret", "It's a Secret to Everybody");
        send(&world, &home, "github", &[&github, more].concat())
    };
    let shown = run(&[]).stdout;
    let signature = "x-hub-signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\n";
    assert!(shown.starts_with("POST http://127.0.0.1:") && shown.contains(signature), "{shown}");
    assert!(shown.contains("x-github-event: ping\n"), "{shown}");
    let fields = run(&["-o", "json"]).json();
    assert!(fields["headers"].as_array().unwrap().iter().any(|field| field["name"] == "x-hub-signature-256"));
    world.assert_untouched();
}

#[test]
fn a_secret_stands_in_no_argument_and_in_no_message() {
    let world = world();
    let home = home("github");
    let url = format!("http://{}/hooks/github", world.address());
    for wrong in [&["--secret", "hunter2"][..], &["hunter2"]] {
        let all = [&["webhook", "send", "--scheme", "github", "--url", &url], wrong].concat();
        let done = keystile(&home, &all, "", &[]);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(done.stderr.contains("--secret-file") && !done.stderr.contains("hunter2"), "{}", done.stderr);
    }
    home.write("secret", "whsec_hunter2");
    let done = send(&world, &home, "standard", &["--scheme", "standard"]);
    assert!(done.code == 1 && !done.stderr.contains("hunter2"), "{}", done.stderr);
    assert!(done.stderr.contains("the secret cannot be used: it is not base64"), "{}", done.stderr);
    let token = token("root");
    let both = ["--scheme", "github", "--dry-run", "-H", "@-"];
    let fed = keystile(
        &home,
        &[&["webhook", "send", "--secret-file", "secret", "--url", &url], &both[..]].concat(),
        &format!("Authorization: Key={token}\n"),
        &[],
    );
    assert!(fed.stdout.contains("authorization: Key=") && !fed.stdout.contains(&token), "{}", fed.stdout);
    world.assert_untouched();
}

#[test]
fn what_a_scheme_has_no_place_for_is_refused() {
    let world = world();
    for (scheme, idle) in [("github", ["--timestamp", "1"]), ("stripe", ["--id", "x"])] {
        let done = send(&world, &home(scheme), scheme, &[&["--scheme", scheme][..], &idle].concat());
        assert!(done.code == 2 && done.stderr.contains(idle[0]), "{}", done.stderr);
    }
    world.assert_untouched();
}
