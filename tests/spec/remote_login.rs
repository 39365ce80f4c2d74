//! Which gateway a command talks to, and as whom: profiles, environment, arguments; and what is never sent anywhere.

use crate::support::command::{Desk, TOKEN, json};
use crate::support::{Answer, Provider, Upstream};
use crate::tls::Authority;
use serde_json::json;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

const PROFILES: &str = ".config/keystile/profiles.yaml";

fn bearer(desk: &Desk) -> String {
    desk.api.last().header("authorization").unwrap()
}

#[test]
fn login_asks_the_gateway_before_it_writes_a_profile_for_its_owner_alone() {
    let desk = Desk::saying(json!({}));
    let done = desk.with(&["login", "--url", &desk.url(), "-o", "json"], &format!("{TOKEN}\n"), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["profile"], "default");
    assert!(!(done.stdout + &done.stderr).contains(TOKEN));
    let mode = std::fs::metadata(desk.home.path(PROFILES)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(desk.with(&["status"], "", &[]).code, 0);
    assert_eq!(bearer(&desk), format!("Bearer {TOKEN}"));
    assert_eq!(desk.with(&["logout"], "", &[]).code, 0);
    let out = desk.with(&["status", "--url", &desk.url()], "", &[]);
    assert!(out.code == 1 && out.stderr.contains("keystile login"), "{}", out.stderr);
}

#[test]
fn a_token_that_the_gateway_refuses_makes_no_profile() {
    let desk = Desk::answering(|_| json(401, &json!({ "code": "invalid_key", "detail": "no such key", "hint": "h" })));
    let done = desk.with(&["login", "--url", &desk.url()], TOKEN, &[]);
    assert!(done.code == 1 && done.stderr.contains("no such key"), "{}", done.stderr);
    assert!(!desk.home.path(PROFILES).exists());
}

#[test]
fn profiles_that_others_may_read_are_refused() {
    let desk = Desk::saying(json!({}));
    assert_eq!(desk.with(&["login", "--url", &desk.url()], TOKEN, &[]).code, 0);
    std::fs::set_permissions(desk.home.path(PROFILES), std::fs::Permissions::from_mode(0o644)).unwrap();
    let before = desk.api.count();
    let done = desk.with(&["status"], "", &[]);
    assert!(done.code == 1 && done.stderr.contains("chmod 600"), "{}", done.stderr);
    assert_eq!(desk.api.count(), before);
}

#[test]
fn a_profiles_token_goes_to_its_own_gateway_alone() {
    let (desk, other) = (Desk::saying(json!({})), Desk::saying(json!({})));
    assert_eq!(desk.with(&["login", "--url", &desk.url(), "--name", "one"], TOKEN, &[]).code, 0);
    let done = desk.with(&["status", "--url", &other.url(), "--profile", "one"], "", &[]);
    assert_eq!((done.code, other.api.count()), (1, 0), "{}", done.stderr);
    let elsewhere = [("KEYSTILE_URL", other.url()), ("KEYSTILE_TOKEN", "a-token-for-elsewhere".to_owned())];
    let elsewhere: Vec<(&str, &str)> = elsewhere.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(desk.with(&["status"], "", &elsewhere).code, 0);
    assert_eq!(bearer(&other), "Bearer a-token-for-elsewhere");
    assert_eq!(desk.with(&["status", "--profile", "one"], "", &elsewhere).code, 0);
    assert_eq!(bearer(&desk), format!("Bearer {TOKEN}"));
}

#[test]
fn a_token_is_not_sent_in_the_clear_beyond_this_machine() {
    let desk = Desk::saying(json!({}));
    let done = desk.run(&["status", "--url", "http://gateway.example:8082"]);
    assert!(done.code == 1 && done.stderr.contains("https://") && done.stderr.contains("ssh -L"), "{}", done.stderr);
}

#[test]
fn a_redirect_is_not_followed() {
    let desk = Desk::answering(|_| {
        Answer::reply("307 Temporary Redirect", &[("Location", "http://127.0.0.1:1/api/v1/status")], "")
    });
    let done = desk.run(&["status"]);
    assert!(done.code == 1 && done.stderr.contains("--url"), "{}", done.stderr);
    assert_eq!(desk.api.count(), 1);
}

#[test]
fn what_is_not_reached_is_named_with_what_to_check() {
    let desk = Desk::saying(json!({}));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = desk.run(&["status", "--url", &format!("http://{free}")]);
    assert_eq!(done.code, 1);
    for needle in [&free.to_string(), "keystile serve", "listeners.admin", "KEYSTILE_URL"] {
        assert!(done.stderr.contains(needle), "{needle}: {}", done.stderr);
    }
}

#[test]
fn init_touches_no_directory_that_holds_a_gateway() {
    let desk = Desk::saying(json!({}));
    desk.home.write("master.key", "mine");
    let done = desk.with(&["init", "--data", "."], "", &[]);
    assert!(done.code == 1 && done.stderr.contains("master.key"), "{}", done.stderr);
    assert!(!desk.home.path("keystile.yaml").exists());
}

#[test]
fn over_tls_the_gateways_certificate_is_verified_before_a_token_is_sent() {
    let authority = Authority::new();
    let gateway = Provider::start(&authority, &["127.0.0.1"], Upstream::answering(|_| json(200, &json!({}))));
    let desk = Desk::saying(json!({}));
    desk.home.write("ca.pem", authority.pem());
    let url = format!("https://{}", gateway.address);
    let stranger = desk.run(&["status", "--url", &url]);
    assert!(stranger.code == 1 && stranger.stderr.contains("--ca FILE"), "{}", stranger.stderr);
    assert_eq!(gateway.bytes(), 0);
    let done = desk.run(&["status", "--url", &url, "--ca", "ca.pem"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(gateway.upstream.last().header("authorization").unwrap(), format!("Bearer {TOKEN}"));
}
