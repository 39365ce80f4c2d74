//! Conditions and repetition: `ETag`, `If-Match`, `If-None-Match`, `Idempotency-Key`.

use crate::support::managed::text;
use crate::support::{Managed, Reply};
use serde_json::{Value, json};
use std::collections::HashSet;

fn tag(reply: &Reply) -> String {
    reply.header("etag").expect("an ETag").to_owned()
}

#[test]
fn a_version_is_told_and_what_is_known_is_not_sent_again() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    for path in ["/keys/crm", "/connections/engine", "/workflows/get-order"] {
        let first = api.ask("GET", path).send();
        let (etag, known) = (tag(&first), |tag: &str| api.ask("GET", path).header("If-None-Match", tag).send());
        assert_eq!(etag, format!("\"{}\"", first.json()["version"]));
        let same = known(&etag);
        assert_eq!((same.status, same.body.len(), tag(&same)), (304, 0, etag.clone()));
        assert_eq!(known("\"99\"").status, 200);
        let changed = api.send("PATCH", path, &json!({ "title": "Another" }));
        assert_ne!(tag(&changed), etag);
        assert_eq!(known(&etag).status, 200);
        // What changes nothing is no new version.
        let unchanged = api.send("PATCH", path, &json!({ "title": "Another" }));
        assert_eq!(tag(&unchanged), tag(&changed), "{path}");
    }
    let environment = api.ask("GET", "/environments/Production").send();
    assert_eq!(environment.header("etag"), None, "what the file manages has no version");
}

#[test]
fn a_change_upon_what_was_changed_since_is_refused() {
    let gateway = Managed::start();
    let (api, crm) = (gateway.api(), gateway.orders());
    for path in ["/keys/crm", "/connections/engine", "/workflows/get-order"] {
        let read = tag(&api.ask("GET", path).send());
        let patch = |etag: &str, title: &str| {
            api.asking("PATCH", path, &json!({ "title": title })).header("If-Match", etag).send()
        };
        let first = patch(&read, "first");
        assert_eq!(first.verdict(), "200");
        assert_eq!(patch(&read, "second").verdict(), "412 precondition_failed");
        assert_eq!(api.get(path)["title"], "first");
        assert_eq!(api.ask("DELETE", path).header("If-Match", &read).send().verdict(), "412 precondition_failed");
        assert_eq!(patch(&format!("W/{}", tag(&first)), "weak").verdict(), "412 precondition_failed");
        assert_eq!(patch(&format!("\"98\", {}", tag(&first)), "third").verdict(), "200");
        assert_eq!(patch("*", "fourth").verdict(), "200");
    }
    let stale = "\"1\"";
    for (method, path, body) in [
        ("POST", "/keys/crm/disable", Value::Null),
        ("POST", "/keys/crm/revoke", Value::Null),
        ("POST", "/keys/crm/slots/primary/regenerate", json!({})),
        ("PUT", "/connections/engine/secret", json!({ "secret": "another-12345678" })),
        ("POST", "/connections/engine/rollback", json!({})),
    ] {
        let reply = api.asking(method, path, &body).header("If-Match", stale).send();
        assert_eq!(reply.verdict(), "412 precondition_failed", "{method} {path}");
    }
    assert_eq!(gateway.order(&text(&crm["primary"])), "200");
    assert_eq!(gateway.production.last().header("x-engine-key").as_deref(), Some(crate::support::managed::SECRET));
}

#[test]
fn of_two_who_read_the_same_one_may_write() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    for path in ["/keys/crm", "/connections/engine"] {
        for round in 0..10 {
            let read = tag(&api.ask("GET", path).send());
            let verdicts: Vec<String> = std::thread::scope(|scope| {
                let write = |title: String| {
                    let ask = api.asking("PATCH", path, &json!({ "title": title })).header("If-Match", &read);
                    scope.spawn(move || ask.send().verdict())
                };
                let writers: Vec<_> = (0..4).map(|n| write(format!("{round} {n}"))).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let done = verdicts.iter().filter(|verdict| *verdict == "200").count();
            assert_eq!(done, 1, "{path}: {verdicts:?}");
            assert!(verdicts.iter().all(|v| v == "200" || v == "412 precondition_failed"), "{path}: {verdicts:?}");
        }
    }
}

#[test]
fn a_repeated_create_answers_the_same_and_shows_no_token_twice() {
    let gateway = Managed::start();
    let (api, _) = (gateway.api(), gateway.orders());
    let create = |kind: &str, key: &str, body: &Value| {
        api.asking("POST", &format!("/{kind}"), body).header("Idempotency-Key", key).send()
    };
    let body = json!({ "name": "once", "workflows": ["get-order"] });
    let first = create("keys", "deploy-1", &body);
    let token = text(&first.json()["primary"]);
    let again = create("keys", "deploy-1", &body);
    assert_eq!((first.status, again.status), (201, 201));
    let (one, two) = (first.json(), again.json());
    assert_eq!((&one["id"], &one["name"], tag(&first)), (&two["id"], &two["name"], tag(&again)));
    assert_eq!(two["tokens_already_shown"], true);
    assert!(
        one.get("tokens_already_shown").is_none() && two.get("primary").is_none() && two.get("secondary").is_none()
    );
    assert_eq!(gateway.order(&token), "200", "the first one's token is the key's");

    let other = json!({ "name": "twice" });
    assert_eq!(create("keys", "deploy-1", &other).verdict(), "422 idempotency_key_reused");
    assert_eq!(create("workflows", "deploy-1", &body).verdict(), "422 idempotency_key_reused");
    api.refused("GET", "/keys/twice", Value::Null, "404 key_not_found");
    // Another's key is another key.
    let admin = json!({ "name": "second", "scopes": ["workflows:invoke", "connections:use", "admin:write"] });
    let second = gateway.api_of(&text(&api.create("keys", admin)["primary"]));
    let theirs =
        second.asking("POST", "/keys", &json!({ "name": "theirs" })).header("Idempotency-Key", "deploy-1").send();
    assert_eq!(theirs.verdict(), "201");

    let place = format!("http://{}", gateway.production.address);
    let body = json!({ "name": "c", "base_url": place, "inject": { "header": "X-K" }, "secret": "a-secret-123456" });
    let (first, again) = (create("connections", "c-1", &body), create("connections", "c-1", &body));
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());

    for (kind, name, key) in [("keys", "once", "deploy-1"), ("connections", "c", "c-1")] {
        api.done("DELETE", &format!("/{kind}/{name}"), Value::Null);
        let body = if kind == "keys" { json!({ "name": "once", "workflows": ["get-order"] }) } else { body.clone() };
        assert_eq!(create(kind, key, &body).verdict(), "409 deleted_since", "{kind}");
    }
    let gateway = gateway.restarted();
    let body = json!({ "name": "twice" });
    let reused = gateway.api().asking("POST", "/keys", &body).header("Idempotency-Key", "deploy-1").send();
    assert_eq!(reused.verdict(), "422 idempotency_key_reused", "it is remembered");
}

#[test]
fn creates_at_once_with_one_idempotency_key_make_one() {
    let gateway = Managed::start();
    let api = gateway.api();
    let place = format!("http://{}", gateway.production.address);
    for round in 0..5 {
        for kind in ["keys", "workflows", "connections"] {
            let name = format!("{kind}-{round}");
            let body = match kind {
                "connections" => json!({ "name": name, "base_url": place }),
                _ => json!({ "name": name }),
            };
            let ask = api.asking("POST", &format!("/{kind}"), &body).header("Idempotency-Key", &name);
            let replies: Vec<Reply> = std::thread::scope(|scope| {
                let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| ask.send())).collect();
                asking.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let verdicts: Vec<String> = replies.iter().map(Reply::verdict).collect();
            assert_eq!(verdicts, ["201"; 4], "{kind}: {}", replies.iter().map(Reply::text).collect::<String>());
            let ids: HashSet<String> = replies.iter().map(|reply| text(&reply.json()["id"])).collect();
            assert_eq!(ids.len(), 1);
            let shown = replies.iter().filter(|reply| reply.json().get("primary").is_some()).count();
            assert_eq!(shown, usize::from(kind == "keys"), "tokens are shown once");
        }
    }
}
