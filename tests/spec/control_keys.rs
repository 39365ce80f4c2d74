//! Keys through the API, and what callers meet at the very next request: K6, K8 to K12, K15.

use crate::support::hunt::assert_absent;
use crate::support::managed::text;
use crate::support::{Managed, PATIENCE, digest, token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Waits until `seen` says so: for what is written down a few seconds later.
#[track_caller]
fn await_that(what: &str, seen: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is shown of the key crm.
fn crm(gateway: &Managed) -> Value {
    gateway.api().get("/keys/crm")
}

#[test]
fn k8_a_token_is_shown_by_the_call_that_makes_it_and_by_nothing_else() {
    let gateway = Managed::start();
    let (api, made) = (gateway.api(), gateway.orders());
    let mut tokens = vec![text(&made["primary"]), text(&made["secondary"]), gateway.token.clone()];
    assert_eq!(gateway.order(&tokens[0]), "200");
    assert_eq!(gateway.order(&tokens[1]), "200");
    let fresh = api.done("POST", "/keys/crm/slots/secondary/regenerate", json!({ "grace": "1h" }));
    assert_eq!(fresh.as_object().unwrap().keys().collect::<Vec<_>>(), ["token"]);
    tokens.push(text(&fresh["token"]));
    assert!(tokens.iter().all(|token| token.starts_with("kst_")));
    let mut said = String::new();
    for path in ["/keys", "/keys/crm", "/keys/admin", "/export", "/audit", "/usage", "/status", "/audit/verify"] {
        said += &api.send("GET", path, &Value::Null).text();
    }
    for (method, path, body) in [
        ("PATCH", "/keys/crm", json!({ "title": "The CRM" })),
        ("POST", "/keys/crm/disable", Value::Null),
        ("POST", "/keys/crm/enable", Value::Null),
        ("POST", "/keys/crm/revoke", Value::Null),
        ("POST", "/keys", json!({ "name": "crm" })),
        ("POST", "/keys", json!({ "name": "again", "primary": tokens[0] })),
        ("DELETE", "/keys/crm", Value::Null),
    ] {
        said += &api.send(method, path, &body).text();
    }
    said += &gateway.admin("/metrics").text();
    said += &(gateway.stdout.text() + &gateway.stderr.text());
    assert!(said.contains("\"title\":\"The CRM\""), "{said}");
    assert_absent(&said, &tokens);
    // Nor is it in the database, of which the digest alone is kept.
    let database: Vec<u8> = ["keystile.db", "keystile.db-wal"]
        .iter()
        .flat_map(|f| std::fs::read(gateway.path(f)).unwrap_or_default())
        .collect();
    assert_absent(&String::from_utf8_lossy(&database), &tokens);
}

#[test]
fn k9_tokens_of_another_system_are_taken_over_as_values_or_digests() {
    let gateway = Managed::start();
    gateway.orders();
    let old = ["legacy-token-0123456789", "~another/old:token,with\"quotes\"~"];
    let body = json!({ "name": "old", "workflows": "all", "primary": old[0], "secondary": digest(old[1]) });
    let made = gateway.api().create("keys", body);
    assert!(made.get("primary").is_none() && made.get("secondary").is_none(), "its holder has it: {made}");
    for token in old {
        let reply = gateway.get("/orders/1").header("X-API-Key", token).send();
        assert_eq!(reply.verdict(), "200", "{token}");
    }
    let half = gateway.api().create("keys", json!({ "name": "half", "workflows": "all", "secondary": token("half") }));
    assert_eq!(gateway.order(&text(&half["primary"])), "200", "the slot that brought none has one drawn");
    assert_eq!(gateway.order(&token("half")), "200");
}

#[test]
fn k9_a_token_belongs_to_one_slot_of_one_key() {
    let file = format!("keys:\n  - {{ name: of-file, primary: '{}', workflows: all }}\n", digest(&token("of-file")));
    let gateway = Managed::beside(&file, &[]);
    let (api, made) = (gateway.api(), gateway.orders());
    let (primary, secondary) = (text(&made["primary"]), text(&made["secondary"]));
    api.done("POST", "/keys/crm/slots/primary/regenerate", json!({ "grace": "1h" }));
    for (what, taken) in [
        ("the file's", token("of-file")),
        ("one in its grace", primary),
        ("the other slot's", secondary.clone()),
        ("as a digest", digest(&secondary)),
        ("the administrator's", gateway.token.clone()),
    ] {
        for slot in ["primary", "secondary"] {
            let problem = api.refused("POST", "/keys", json!({ "name": "thief", slot: taken }), "409 token_taken");
            assert_absent(&problem.to_string(), std::slice::from_ref(&taken));
            assert!(!problem["detail"].as_str().unwrap().contains("crm"), "{what}: whose it is, is not told");
        }
    }
    let both = json!({ "name": "thief", "primary": token("same"), "secondary": digest(&token("same")) });
    api.refused("POST", "/keys", both, "409 token_taken");
    api.refused("GET", "/keys/thief", Value::Null, "404 key_not_found");
}

#[test]
fn k9_what_no_caller_could_send_is_refused_and_not_repeated() {
    let gateway = Managed::start();
    let long = "x".repeat(513);
    for bad in [
        "short",
        "nineteen-characters",
        &long,
        "with-a-\u{7f}-control-character",
        "blake3:12",
        "kst_wrongchecksum0000000000000000000000000000000000000",
    ] {
        let body = json!({ "name": "old", "primary": bad });
        let problem = gateway.api().refused("POST", "/keys", body, "422 invalid");
        assert_eq!(problem["errors"][0]["field"], "primary");
        assert!(!problem.to_string().contains(bad), "{problem}");
    }
}

#[test]
fn k10_each_slot_is_replaced_alone_and_its_old_token_may_have_a_grace() {
    let gateway = Managed::start();
    let made = gateway.orders();
    let (primary, secondary) = (text(&made["primary"]), text(&made["secondary"]));
    let regenerate = |slot: &str, body: Value| {
        let path = format!("/keys/crm/slots/{slot}/regenerate");
        text(&gateway.api().done("POST", &path, body)["token"])
    };
    let second = regenerate("secondary", Value::Null);
    assert_eq!(gateway.order(&secondary), "401 invalid_key", "without a grace it ends at once");
    assert_eq!(gateway.order(&second), "200");
    assert_eq!(gateway.order(&primary), "200", "the other slot is left alone");
    assert_eq!(crm(&gateway)["slots"]["primary"]["graced_until"], Value::Null);

    let begun = Instant::now();
    let fresh = regenerate("primary", json!({ "grace": "2s" }));
    assert_eq!(gateway.order(&fresh), "200");
    let still = gateway.order(&primary);
    assert!(begun.elapsed() > Duration::from_secs(2) || still == "200", "{still}");
    assert!(crm(&gateway)["slots"]["primary"]["graced_until"].is_string());
    await_that("the grace ends", || gateway.order(&primary) == "401 invalid_key");
    assert!(begun.elapsed() >= Duration::from_secs(2), "not before its time");
    assert_eq!(gateway.order(&fresh), "200");
    assert_eq!(crm(&gateway)["slots"]["primary"]["graced_until"], Value::Null);

    // One grace at a time: of two that are accepted beside the slot's own, nobody could say who still has which.
    let newer = regenerate("primary", json!({ "grace": "1h" }));
    let newest = regenerate("primary", json!({ "grace": "1h" }));
    assert_eq!(gateway.order(&fresh), "401 invalid_key");
    assert_eq!((gateway.order(&newer), gateway.order(&newest)), ("200".to_owned(), "200".to_owned()));
    let problem =
        gateway.api().refused("POST", "/keys/crm/slots/primary/regenerate", json!({ "grace": "soon" }), "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "grace");
}

#[test]
fn k10_when_a_slot_was_last_used_is_seen_within_seconds() {
    let gateway = Managed::start();
    let made = gateway.orders();
    let slots = crm(&gateway)["slots"].clone();
    assert_eq!(slots["primary"]["last_used_at"], Value::Null);
    assert_eq!(gateway.order(&text(&made["primary"])), "200");
    let begun = Instant::now();
    await_that("the use is seen", || crm(&gateway)["slots"]["primary"]["last_used_at"].is_string());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(crm(&gateway)["slots"]["secondary"]["last_used_at"], Value::Null, "safe to regenerate");
    let listed = gateway.api().get("/keys?q=crm");
    assert!(listed["items"][0]["slots"]["primary"]["last_used_at"].is_string(), "{listed}");
}

#[test]
fn k11_disabling_is_reversible_and_revoking_final() {
    let gateway = Managed::start();
    let (api, made) = (gateway.api(), gateway.orders());
    let token = text(&made["primary"]);
    assert_eq!(api.post("/keys/crm/disable")["status"], "disabled");
    assert_eq!(gateway.order(&token), "401 key_disabled");
    assert_eq!(api.post("/keys/crm/enable")["status"], "enabled");
    assert_eq!(gateway.order(&token), "200");
    assert_eq!(api.edit("/keys/crm", json!({ "enabled": false }))["status"], "disabled");
    assert_eq!(gateway.order(&token), "401 key_disabled");
    assert_eq!(api.edit("/keys/crm", json!({ "enabled": null }))["status"], "enabled", "the default");

    let past = api.edit("/keys/crm", json!({ "expires_at": "2020-01-01T00:00:00Z" }));
    assert_eq!(past["status"], "expired");
    assert_eq!(gateway.order(&token), "401 key_expired");
    api.edit("/keys/crm", json!({ "expires_at": null }));
    assert_eq!(gateway.order(&token), "200");

    let revoked = api.post("/keys/crm/revoke");
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(gateway.order(&token), "401 key_revoked");
    api.refused("POST", "/keys/crm/enable", Value::Null, "409 key_revoked");
    api.refused("POST", "/keys/crm/slots/primary/regenerate", Value::Null, "409 key_revoked");
    api.edit("/keys/crm", json!({ "enabled": true, "expires_at": "2100-01-01T00:00:00Z" }));
    assert_eq!(api.post("/keys/crm/revoke")["revoked_at"], revoked["revoked_at"], "it is revoked once");
    assert_eq!(gateway.order(&token), "401 key_revoked");
    let gateway = gateway.restarted();
    assert_eq!(gateway.order(&token), "401 key_revoked", "and after a restart");
    gateway.api().done("DELETE", "/keys/crm", Value::Null);
    assert_eq!(gateway.order(&token), "401 invalid_key");
}

#[test]
fn k12_a_change_counts_when_the_call_returns() {
    let gateway = Managed::start();
    let (api, made) = (gateway.api(), gateway.orders());
    let token = text(&made["primary"]);
    let request = gateway.get("/orders/1").key(&token).bytes();
    let (mut kept, mut idle) = (gateway.connect(), gateway.connect());
    assert_eq!(idle.send(&request).verdict(), "200");
    for round in 0..200 {
        assert_eq!(kept.send(&request).verdict(), "200", "{round}");
        api.post("/keys/crm/disable");
        assert_eq!(kept.send(&request).verdict(), "401 key_disabled", "{round}");
        if round % 20 == 0 {
            assert_eq!(idle.send(&request).verdict(), "401 key_disabled", "{round}");
            assert_eq!(gateway.order(&token), "401 key_disabled", "{round}");
        }
        api.post("/keys/crm/enable");
    }
    for _ in 0..20 {
        let old = text(&api.post("/keys/crm/slots/secondary/regenerate")["token"]);
        let request = gateway.get("/orders/1").key(&old).bytes();
        assert_eq!(kept.send(&request).verdict(), "200");
        api.post("/keys/crm/slots/secondary/regenerate");
        assert_eq!(kept.send(&request).verdict(), "401 invalid_key");
    }
    api.post("/keys/crm/revoke");
    assert_eq!(kept.send(&request).verdict(), "401 key_revoked");
}

#[test]
fn k15_renaming_keeps_the_id_and_tells_upstreams_the_new_name() {
    let gateway = Managed::start();
    let (api, made) = (gateway.api(), gateway.orders());
    let token = text(&made["primary"]);
    let renamed = api.edit("/keys/crm", json!({ "name": "acme-crm" }));
    assert_eq!((&renamed["id"], &renamed["name"]), (&made["id"], &json!("acme-crm")));
    assert_eq!(gateway.order(&token), "200");
    let arrived = gateway.production.last();
    assert_eq!(arrived.header("x-keystile-username").as_deref(), Some("Key: acme-crm"));
    assert_eq!(arrived.header("x-keystile-key-id"), made["id"].as_str().map(str::to_owned));
    api.refused("GET", "/keys/crm", Value::Null, "404 key_not_found");
    assert_eq!(api.get(&format!("/keys/{}", text(&made["id"])))["name"], "acme-crm", "by its id as well");
    assert_eq!(api.create("keys", json!({ "name": "crm" }))["workflows"], json!([]), "its old name is free");
}

#[test]
fn k15_a_name_is_taken_once_be_it_by_the_file_and_ids_are_not_given_by_callers() {
    let file = format!("keys:\n  - {{ name: of-file, primary: '{}' }}\n", digest(&token("of-file")));
    let gateway = Managed::beside(&file, &[]);
    let api = gateway.api();
    let made = api.create("keys", json!({ "name": "mine" }));
    api.create("keys", json!({ "name": "other" }));
    for name in ["of-file", "mine"] {
        let problem = api.refused("POST", "/keys", json!({ "name": name }), "409 name_taken");
        assert_eq!(problem["detail"], format!("the name {name} is taken"), "and no more is said");
        api.refused("PATCH", "/keys/other", json!({ "name": name }), "409 name_taken");
    }
    for name in ["", "-a", "a b", "é", &"n".repeat(64), "01890a5d-ac96-774b-bcce-b302099a8057"] {
        api.refused("POST", "/keys", json!({ "name": name }), "422 invalid");
        api.refused("PATCH", "/keys/other", json!({ "name": name }), "422 invalid");
    }
    let id = made["id"].clone();
    api.refused("POST", "/keys", json!({ "name": "same-id", "id": id }), "422 invalid");
    let problem = api.refused("PATCH", "/keys/other", json!({ "id": id }), "422 invalid");
    assert_eq!(problem["errors"][0]["field"], "id");
    assert_eq!(api.edit("/keys/mine", json!({ "id": id, "title": "as it was shown" }))["id"], id);
}

#[test]
fn k6_a_keys_sunset_in_urls_is_set_while_it_serves() {
    let gateway = Managed::start();
    let (api, made) = (gateway.api(), gateway.orders());
    let token = text(&made["primary"]);
    let in_url = || gateway.get(&format!("/orders/1?auth-key={token}")).send();
    assert_eq!(in_url().verdict(), "200");
    api.edit("/keys/crm", json!({ "query_key_sunset": "2100-01-01T00:00:00Z" }));
    let ahead = in_url();
    assert_eq!((ahead.verdict().as_str(), ahead.header("sunset")), ("200", Some("Fri, 01 Jan 2100 00:00:00 GMT")));
    api.edit("/keys/crm", json!({ "query_key_sunset": "2020-01-01T00:00:00Z" }));
    assert_eq!(in_url().verdict(), "401 query_key_sunset");
    assert_eq!(gateway.order(&token), "200", "in its header it goes on");
}

#[test]
fn hazard_30_what_was_answered_outlives_a_kill() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    let made: Vec<String> = (0..20)
        .map(|n| api.create("keys", json!({ "name": format!("k{n}"), "workflows": "all" })))
        .map(|made| text(&made["primary"]))
        .collect();
    let rotated = text(&api.post("/keys/crm/slots/primary/regenerate")["token"]);
    api.post("/keys/k0/disable");
    api.done("PUT", "/connections/engine/secret", json!({ "secret": "the-last-secret-123" }));
    let gateway = gateway.restarted_after("KILL");
    assert_eq!(gateway.order(&made[0]), "401 key_disabled");
    for token in &made[1..] {
        assert_eq!(gateway.order(token), "200");
    }
    assert_eq!(
        (gateway.order(&text(&crm["primary"])), gateway.order(&rotated)),
        ("401 invalid_key".into(), "200".into())
    );
    assert_eq!(gateway.production.last().header("x-engine-key").as_deref(), Some("the-last-secret-123"));
}
