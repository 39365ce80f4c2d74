//! The admin API at its door: what is asked for wrongly is refused before anything is done, and says how to do better.

use crate::support::{Ask, Connection, Reply, World, raw, token};
use std::net::SocketAddr;

/// A call of the API, as an operator beside the gateway makes it.
fn ask(world: &World, method: &str, path: &str) -> Ask {
    Ask::new(door(world), method, path).header("Host", "localhost:8082").header("Connection", "close")
}

fn door(world: &World) -> SocketAddr {
    world.admin.expect("an admin listener")
}

#[track_caller]
fn assert_problem(reply: &Reply, verdict: &str) {
    assert_eq!(reply.verdict(), verdict, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let body = reply.json();
    let code = verdict.split_once(' ').unwrap().1;
    assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(reply.status.into())));
    assert_eq!(body["type"], format!("urn:keystile:error:{code}"));
    assert_eq!(body["request_id"], reply.request_id());
    assert!(!body["detail"].as_str().unwrap().is_empty() && !body["hint"].as_str().unwrap().is_empty(), "{body}");
}

#[test]
fn without_a_token_every_call_is_401_with_a_challenge() {
    let world = World::start();
    for (method, path) in [
        ("GET", "/api/v1/keys"),
        ("POST", "/api/v1/keys"),
        ("GET", "/api/v1/keys/crm"),
        ("GET", "/api/v1/keys/nobody"),
        ("DELETE", "/api/v1/connections/engine-production"),
        ("PUT", "/api/v1/connections/engine-production/secret"),
        ("GET", "/api/v1/audit?no=such&parameter"),
        ("GET", "/api/v1/export"),
        ("GET", "/api/v1/status"),
    ] {
        let refused = ask(&world, method, path).send();
        assert_problem(&refused, "401 missing_key");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"keystile-admin\""), "{path}");
    }
    for other in ["Key=abcdefghijklmnopqrstuvwxyz", "Basic YTpi", "Bearer"] {
        let refused = ask(&world, "GET", "/api/v1/keys").header("Authorization", other).send();
        assert_problem(&refused, "401 missing_key");
    }
    let bearer = format!("Bearer {}", token("crm"));
    let twice = ask(&world, "GET", "/api/v1/keys").header("Authorization", &bearer).header("Authorization", &bearer);
    assert_problem(&twice.send(), "400 conflicting_credentials");
    // Only where the API says so: neither of the other places of K3 counts here.
    assert_problem(&ask(&world, "GET", "/api/v1/keys").header("X-API-Key", token("all")).send(), "401 missing_key");
    assert_problem(&ask(&world, "GET", &format!("/api/v1/keys?auth-key={}", token("all"))).send(), "401 missing_key");
}

#[test]
fn paths_and_methods_that_are_not_there_say_what_is() {
    let world = World::start();
    for path in ["/api/v1", "/api/v1/", "/api/v1/people", "/api/v1/keys/", "/api/v1/keys/a%2fb", "/api/v2/keys", "/api"]
    {
        assert_problem(&ask(&world, "GET", path).send(), "404 not_found");
    }
    let refused = ask(&world, "PUT", "/api/v1/keys/crm").body("{}").send();
    assert_problem(&refused, "405 method_not_allowed");
    assert_eq!(refused.header("allow"), Some("GET, HEAD, PATCH, DELETE"));
    let refused = ask(&world, "OPTIONS", "/api/v1/import").header("Host", "localhost").send();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "no cross-origin preflight passes");
    assert_eq!(world.admin("/apiary").verdict(), "404 not_found");
}

#[test]
fn l3_guesses_are_slowed_by_address_and_well_formed_tokens_are_still_judged() {
    let world = World::start();
    let guess =
        |token: &str| ask(&world, "GET", "/api/v1/keys").header("Authorization", format!("Bearer {token}")).send();
    let first = guess("kst_wrong");
    assert_problem(&first, "401 invalid_key");
    assert!(first.header("www-authenticate").is_some_and(|c| c.contains("error=\"invalid_token\"")));
    let refused = (0..120).map(|_| guess("kst_wrong")).find(|reply| reply.status == 429).expect("a limit");
    assert_problem(&refused, "429 rate_limited");
    assert!(refused.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait >= 1)));
    assert_ne!(guess(&token("whoever")).status, 429);
    assert_eq!(ask(&world, "GET", "/api/v1/docs").send().status, 200, "what needs no token goes on");
}

#[test]
fn no_page_of_another_site_and_no_foreign_name_reaches_it() {
    let world = World::start();
    let docs = || ask(&world, "GET", "/api/v1/docs");
    for host in ["evil.example", "localhost.evil.example:8082", "10.0.0.1"] {
        assert_problem(&docs().header("Host", host).send(), "403 invalid_host");
    }
    for host in ["localhost:9999", "127.0.0.1", "[::1]:8082"] {
        assert_eq!(docs().header("Host", host).send().status, 200, "{host}: a forwarded port");
    }
    for origin in ["https://evil.example", "null", "http://localhost:9999"] {
        assert_problem(&docs().header("Origin", origin).send(), "403 forbidden_origin");
    }
    assert_eq!(docs().header("Origin", "http://localhost:8082").send().status, 200);
    let write = |site: &str| ask(&world, "POST", "/api/v1/keys").header("Sec-Fetch-Site", site).body("{}").send();
    assert_problem(&write("cross-site"), "403 forbidden_origin");
    assert_problem(&write("same-origin"), "401 missing_key");
    let none = raw(door(&world), "GET /api/v1/docs HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_problem(&none, "400 invalid_host");
}

#[test]
fn the_document_and_its_documentation_are_there_for_everybody() {
    let world = World::start();
    let document = ask(&world, "GET", "/api/v1/openapi.json").send();
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let json = document.json();
    assert_eq!(
        (json["openapi"].as_str(), json["info"]["version"].as_str()),
        (Some("3.1.0"), Some(env!("CARGO_PKG_VERSION")))
    );
    assert!(json["paths"]["/keys/{name}/slots/{slot}/regenerate"]["post"].is_object());
    let docs = ask(&world, "GET", "/api/v1/docs").send();
    assert_eq!((docs.status, docs.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = docs.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert!(docs.text().contains("Replace one of a key&#39;s tokens"));
    let misspelt = ask(&world, "GET", "/api/v1/docs?print=true").send();
    assert_problem(&misspelt, "400 unknown_parameter");
    let head = ask(&world, "HEAD", "/api/v1/openapi.json").send();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*document.body.len().to_string()));
}

#[test]
fn t3_a_call_is_one_line_of_the_log_without_what_was_sent() {
    let world = World::start();
    let wrong = token("somebody-else");
    let reply =
        ask(&world, "POST", "/api/v1/keys/crm/revoke").header("Authorization", format!("Bearer {wrong}")).send();
    let line = world.await_event(0, |e| e["request_id"] == reply.request_id());
    assert_eq!((&line["target"], &line["message"]), (&"admin".into(), &"admin call".into()), "{line}");
    assert_eq!((&line["method"], &line["path"]), (&"POST".into(), &"/api/v1/keys/crm/revoke".into()));
    assert_eq!(line["status"], reply.status);
    assert!(line["duration_ms"].is_u64());
    let secret = "hunter2-in-a-path-and-a-query";
    let lost = ask(&world, "GET", &format!("/api/v1/keys/a/{secret}?{secret}={secret}")).send();
    let line = world.await_event(0, |e| e["request_id"] == lost.request_id());
    assert_eq!((&line["path"], &line["code"]), (&"-".into(), &"not_found".into()), "{line}");
    let told = world.stderr.text();
    assert!(!told.contains(secret) && !told.contains(&wrong), "{told}");
}

#[test]
fn a_refusal_reaches_a_caller_who_is_still_sending() {
    let world = World::start();
    let megabytes = vec![b' '; 2 << 20];
    assert_problem(&ask(&world, "POST", "/api/v1/import").body(&megabytes).send(), "401 missing_key");
    assert_problem(&ask(&world, "POST", "/api/v1/nowhere").chunks(&[&megabytes]).send(), "404 not_found");
}

#[test]
fn nobody_holds_the_control_plane_by_holding_connections() {
    let world = World::start();
    let held: Vec<Connection> = (0..512).map(|_| Connection::open(door(&world))).collect();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(Connection::is_turned_away(door(&world), request), "there are enough");
    drop(held);
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while Connection::is_turned_away(
        door(&world),
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ) {
        assert!(std::time::Instant::now() < deadline, "their places are free again");
    }
}
