//! T6: what the gateway itself answers: every code that can be reached, each with its status, its problem document, its
//! challenge, and whose fault the log says it was.

use crate::support::{Answer, Connection, Recorded, Reply, World, nobody, raw, token};

/// A world in which everything can go wrong.
fn world() -> World {
    let dead = nobody();
    let misbehave = |request: &Recorded| match request.target().split('/').nth(1) {
        Some("garbage") => Answer::Last(b"ICY 200 OK\r\n\r\n".to_vec()),
        Some("switching") => {
            Answer::Last(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_vec())
        }
        Some("hangs-up") => Answer::Last(Vec::new()),
        Some("half-a-head") => Answer::Last(b"HTTP/1.1 200 OK\r\nX-Half: ".to_vec()),
        Some("slow") => Answer::Silence,
        _ => Answer::reply("200 OK", &[], "ok"),
    };
    let here = "base_url: 'http://{production}'";
    World::build()
        .answering(misbehave)
        .listener("max_body: 100B")
        .listener("timeouts: { body_idle: 200ms }")
        .route("garbage", here)
        .route("switching", here)
        .route("hangs-up", here)
        .route("half-a-head", here)
        .route("slow", &format!("{here}, timeouts: {{ head: 200ms }}"))
        .route("dead", &format!("base_url: 'http://{dead}'"))
        .route("tls", "base_url: 'https://{production}'")
        .route("private", "base_url: 'http://10.1:80', allow_cleartext: true")
        .route("nameless", "base_url: 'https://no-such-host.invalid'")
        .key("once", "rate_limit: 1/day, workflows: all")
        .start()
}

/// Everything that holds for every refusal.
#[track_caller]
fn assert_problem(world: &World, reply: &Reply, verdict: &str, whose: &str) {
    assert_eq!(reply.verdict(), verdict, "{}", reply.text());
    let (status, code) = verdict.split_once(' ').unwrap();
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let problem = reply.json();
    assert_eq!(problem["status"].to_string(), status);
    assert_eq!(problem["code"], code);
    assert_eq!(problem["request_id"], reply.request_id());
    for member in ["type", "title", "detail", "hint", "instance"] {
        assert!(problem[member].as_str().is_some_and(|text| text.len() > 3), "{member} of {problem}");
    }
    let challenges = reply.all("www-authenticate");
    assert_eq!(challenges.len(), if status == "401" { 2 } else { 0 }, "{verdict}: {challenges:?}");
    assert_eq!(reply.header("allow").is_some(), status == "405" && reply.header("allow") != Some(""));
    let record = world.record_of(reply);
    assert_eq!((record["status"].to_string().as_str(), record["code"].as_str()), (status, Some(code)), "{record}");
    assert_eq!(record["whose"], whose, "{record}");
}

#[test]
fn t6_every_refusal_of_a_request_is_a_problem_document() {
    let world = world();
    let (all, sunset) = (token("all"), token("sunset"));
    assert_eq!(world.call("once").send().verdict(), "200");
    let key = |name: &str| format!("Host: h\r\nAuthorization: Key={}\r\n", token(name));
    for (verdict, line, fields) in [
        ("400 bad_request", "POST /orders", format!("{}Transfer-Encoding: gzip, chunked\r\n", key("all"))),
        ("400 invalid_host", "GET /customers/1", format!("X-API-Key: {all}\r\n")),
        ("400 invalid_host", "GET /customers/1", format!("Host: a, b\r\nX-API-Key: {all}\r\n")),
        ("400 invalid_host", "GET /customers/1", format!("Host: h\r\nHost: h\r\nX-API-Key: {all}\r\n")),
        ("400 ambiguous_path", "GET /customers//1", key("all")),
        ("400 conflicting_credentials", "GET /customers/1", format!("{}X-API-Key: {sunset}\r\n", key("all"))),
        ("400 credential_repeated", "GET /customers/1?auth-key=1&auth-key=1", key("all")),
        ("400 environment_repeated", "GET /customers/1?_profile=Test&_profile=Test", key("all")),
        ("400 unknown_environment", "GET /customers/1?_profile=Nowhere", key("all")),
        ("401 missing_key", "GET /customers/1", "Host: h\r\n".to_owned()),
        ("401 invalid_key", "GET /customers/1", key("stranger")),
        ("401 key_disabled", "GET /customers/1", key("disabled")),
        ("401 key_expired", "GET /customers/1", key("expired")),
        ("401 query_key_sunset", &format!("GET /customers/1?auth-key={sunset}"), "Host: h\r\n".to_owned()),
        ("403 workflow_not_permitted", "GET /customers/1", key("none")),
        ("403 environment_mismatch", "GET /customers/1", key("fixed-test")),
        ("403 scope_missing", "GET /customers/1", key("no-scope")),
        ("403 address_not_allowed", "GET /customers/1", key("elsewhere")),
        ("404 workflow_not_found", "GET /nowhere", key("all")),
        ("404 workflow_not_in_environment", "POST /orders?_profile=Test", key("all")),
        ("405 method_not_allowed", "DELETE /customers/1", key("all")),
        ("413 body_too_large", "POST /orders", format!("{}Content-Length: 101\r\n", key("all"))),
        ("414 uri_too_long", &format!("GET /files/{}", "a".repeat(8192)), key("all")),
        ("417 expectation_failed", "GET /customers/1", format!("{}Expect: 200-ok\r\n", key("all"))),
        ("429 rate_limited", "GET /customers/1", key("once")),
        ("431 head_too_large", "GET /customers/1", format!("{}X-Big: {}\r\n", key("all"), "b".repeat(16 * 1024))),
    ] {
        let reply = raw(world.address(), format!("{line} HTTP/1.1\r\n{fields}\r\n"));
        assert_problem(&world, &reply, verdict, "client");
    }
    assert_eq!(world.production.count(), 1, "only the one that used the limit up");
    world.test.assert_untouched();
}

#[test]
fn t6_every_failure_of_an_upstream_says_that_it_was_the_upstreams() {
    let world = world();
    for (verdict, name, whose) in [
        ("502 upstream_unreachable", "dead", "upstream"),
        ("502 upstream_unreachable", "nameless", "upstream"),
        ("502 upstream_unreachable", "hangs-up", "upstream"),
        ("502 upstream_unreachable", "half-a-head", "upstream"),
        ("502 upstream_tls", "tls", "upstream"),
        ("502 upstream_protocol", "garbage", "upstream"),
        ("502 upstream_protocol", "switching", "upstream"),
        ("504 upstream_timeout", "slow", "upstream"),
        ("403 destination_not_allowed", "private", "gateway"),
    ] {
        let reply = world.get(&format!("/{name}/x")).key(&token("all")).send();
        assert_problem(&world, &reply, verdict, whose);
        assert_eq!(world.call("all").send().verdict(), "200", "{name}: the next request never notices");
    }
}

#[test]
fn t6_a_caller_that_stops_in_the_middle_of_its_body_is_408() {
    let world = world();
    let head =
        format!("POST /orders HTTP/1.1\r\nHost: h\r\nX-API-Key: {}\r\nContent-Length: 10\r\n\r\nabc", token("all"));
    let mut connection = world.connect();
    let reply = connection.send(head.as_bytes());
    assert_problem(&world, &reply, "408 request_timeout", "client");
    assert!(connection.is_closed(), "what is left of such a request is nobody's next one");
    assert_eq!(world.production.count(), 0, "it never arrived whole");
}

#[test]
fn t6_a_refusal_leaves_its_connection_usable_where_no_body_is_left_over() {
    let world = world();
    let mut connection: Connection = world.connect();
    for (ask, verdict) in [
        (world.get("/customers/1"), "401 missing_key"),
        (world.get("/nowhere").key(&token("all")), "404 workflow_not_found"),
        (world.ask("HEAD", "/nowhere").key(&token("all")), "404 workflow_not_found"),
        (world.get("/customers/1").key(&token("all")), "200"),
        (world.get("/dead/x").key(&token("all")), "502 upstream_unreachable"),
        (world.get("/customers/1").key(&token("all")), "200"),
    ] {
        assert_eq!(connection.send(&ask.bytes()).verdict(), verdict);
    }
}

#[test]
fn t6_the_brief_text_is_for_the_caller_and_the_cause_for_the_log() {
    let world = world();
    for (name, inner) in
        [("private", "10.0.0.1"), ("tls", "127.0.0.1"), ("dead", "127.0.0.1"), ("nameless", "no-such-host")]
    {
        let reply = world.get(&format!("/{name}/x")).key(&token("all")).send();
        assert!(!reply.text().contains(inner), "{}", reply.text());
        let record = world.record_of(&reply);
        assert!(record["cause"].as_str().is_some_and(|cause| cause.contains(inner)), "{record}");
    }
}

/// What is no HTTP at all is answered and recorded like every other refusal.
#[test]
fn t6_hazard_10_a_head_that_cannot_be_read_is_explained_recorded_and_closed() {
    let world = world();
    let key = format!("Host: h\r\nAuthorization: Key={}\r\n", token("all"));
    for (verdict, request, method) in [
        ("431 head_too_large", format!("GET /customers/1 HTTP/1.1\r\n{key}X: {}\r\n\r\n", "b".repeat(200_000)), "-"),
        ("414 uri_too_long", format!("GET /{} HTTP/1.1\r\n{key}\r\n", "b".repeat(200_000)), "-"),
        ("400 bad_request", format!("GET /files/<a> HTTP/1.1\r\n{key}\r\n"), "GET"),
        ("400 bad_request", format!("GET /files/a HTTP/1.1\r\n{key}broken line\r\n\r\n"), "GET"),
        ("400 bad_request", format!("GET /files/a HTTP/1.1\n{}\n", key.replace('\r', "")), "-"),
        ("400 bad_request", "\u{16}\u{3}\u{1}\u{2}hello\r\n\r\n".to_owned(), "-"),
        ("505 version_not_supported", format!("GET /files/a HTTP/2.0\r\n{key}\r\n"), "GET"),
        ("505 version_not_supported", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "PRI"),
    ] {
        let mut connection = world.connect();
        let reply = connection.send(request.as_bytes());
        assert_eq!(reply.verdict(), verdict, "{request:.80}");
        assert_eq!(reply.json()["request_id"], reply.request_id(), "{request:.80}");
        assert!(connection.is_closed(), "{request:.80}");
        let record = world.await_record(|r| r["request_id"] == reply.request_id());
        assert_eq!((record["method"].as_str(), record["status"].as_u64()), (Some(method), Some(reply.status.into())));
    }
    world.production.assert_untouched();
}
