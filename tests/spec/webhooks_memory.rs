//! H2: deliveries are taken in whole, within memory that all of them share, and for no longer than a request may take.

use crate::support::sender::{Delivery, SCHEMES, custom, hook, hooks, now, secret};
use crate::support::{Builder, Connection, PATIENCE, Reply, World, token};
use http_body_util::Full;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is held of deliveries, as the metrics say it within a second or two.
#[track_caller]
fn await_held(world: &World, bytes: u64) {
    let line = format!("keystile_delivery_buffer_bytes {bytes}");
    let deadline = Instant::now() + PATIENCE;
    while !world.metrics().lines().any(|seen| seen == line) {
        assert!(Instant::now() < deadline, "no {line} in\n{}", world.metrics());
        sleep(Duration::from_millis(50));
    }
}

fn github(build: Builder) -> Builder {
    hook(build, "github", "github", "")
}

fn large(bytes: usize) -> Delivery {
    Delivery::signed("github", &secret("github"), &vec![b'x'; bytes], now())
}

/// Sends so much of a delivery and no more; the rest is for later.
fn begun<'d>(world: &World, delivery: &'d Delivery, bytes: usize) -> (Connection, &'d [u8]) {
    let mut connection = world.connect();
    connection.write(&delivery.head(world).header("Content-Length", delivery.body.len().to_string()).bytes());
    let (first, rest) = delivery.body.split_at(bytes);
    connection.write(first);
    (connection, rest)
}

#[test]
fn h2_deliveries_share_a_budget_and_beyond_it_are_told_to_come_again() {
    let world = github(World::build().root("webhooks: { buffer: 256KiB }")).start();
    let slow = large(300_000 - 50_000);
    let (mut holding, rest) = begun(&world, &slow, 200_000);
    await_held(&world, 250_000);
    let refused = large(100_000).send(&world);
    assert_eq!(refused.verdict(), "503 overloaded");
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), Some("close")));
    let record = world.record_of(&refused);
    assert_eq!((record["cause"].as_str(), record["whose"].as_str()), (Some("webhook buffer"), Some("gateway")));
    assert!(record["bytes_in"].as_u64() > Some(0) && record["bytes_in"].as_u64() <= Some(100_000), "{record}");
    // What comes in one piece needs none of it.
    Delivery::of("github").is_taken(&world, "beside one who holds the budget");
    holding.write(rest);
    assert_eq!(holding.read(false).unwrap().verdict(), "200");
    assert_eq!(world.production.last().body, slow.body);
    await_held(&world, 0);
    large(100_000).is_taken(&world, "there is room again");
    // Who hangs up gives it back as well.
    let another = large(240_000);
    let (gone, _) = begun(&world, &another, 200_000);
    await_held(&world, 240_000);
    drop(gone);
    await_held(&world, 0);
    another.is_taken(&world, "after its sender had hung up");
}

#[test]
fn h2_the_budget_holds_over_http_2_and_in_chunks() {
    let ca = crate::tls::Authority::new();
    let (certificate, key) = ca.issue("gateway.test", |_| {});
    let build = World::build().file("0.pem", certificate).file("0.key", key).root("webhooks: { buffer: 64KiB }");
    let world = hooks(build.listener("tls: { certificate: 0.pem, key: 0.key }"), "").start();
    let status = |bytes: usize| {
        let delivery = large(bytes);
        let mut request = http::Request::builder().method("POST").uri("https://gateway.test/hooks/github");
        for (name, value) in &delivery.fields {
            request = request.header(name.to_lowercase(), value);
        }
        let body = Full::new(bytes::Bytes::from(delivery.body));
        crate::h2::status(world.address(), &ca, request.body(body).unwrap())
    };
    assert_eq!((status(60_000), status(70_000)), (200, 503));
    let world = hooks(World::build().root("webhooks: { buffer: 64KiB }"), "").start();
    let chunked = |bytes: usize| {
        let delivery = large(bytes);
        let pieces: Vec<&[u8]> = delivery.body.chunks(1000).collect();
        delivery.head(&world).chunks(&pieces).send().verdict()
    };
    assert_eq!((chunked(60_000), chunked(70_000)), ("200".to_owned(), "503 overloaded".to_owned()));
    assert_eq!(world.production.last().body.len(), 60_000);
    await_held(&world, 0);
}

#[test]
fn hazard_13_a_body_that_drips_is_waited_for_as_long_as_a_request_may_take() {
    let world = hooks(World::build().listener("timeouts: { request: 1s, body_idle: 20s }"), "").start();
    for scheme in SCHEMES {
        let delivery = Delivery::signed(scheme, &secret(scheme), &[b'x'; 100], now());
        let (mut connection, rest) = begun(&world, &delivery, 1);
        let begun = Instant::now();
        for byte in &rest[..8] {
            sleep(Duration::from_millis(100));
            connection.write(&[*byte]);
        }
        let reply = connection.read(false).unwrap();
        assert_eq!(reply.verdict(), "408 request_timeout", "{scheme}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{scheme}: {:?}", begun.elapsed());
        let record = world.record_of(&reply);
        assert_eq!(record["bytes_in"], 9, "{scheme}: {record}");
        assert_eq!(record["upstream_us"], serde_json::Value::Null, "{scheme}");
    }
    world.assert_untouched();
    await_held(&world, 0);
}

#[test]
fn hazard_13_a_thousand_slow_senders_hold_what_they_sent_and_no_more() {
    let world = github(World::build()).start();
    let delivery = large(10 << 20);
    Delivery::of("github").is_taken(&world, "to begin with");
    let before = world.resident_bytes();
    let slow: Vec<_> = (0..1000).map(|_| begun(&world, &delivery, 1000).0).collect();
    await_held(&world, 1000 * 4096);
    let each = world.resident_bytes().saturating_sub(before) / 1000;
    assert!(each < 48 << 10, "{each} bytes each");
    Delivery::of("github").is_taken(&world, "beside a thousand slow ones");
    drop(slow);
    await_held(&world, 0);
}

#[test]
fn w6_what_is_refused_before_it_is_verified_looks_like_any_unknown_path() {
    let build = World::build().listener("conceal: true").listener("max_body: 64KiB");
    let build = build.listener("timeouts: { request: 1s }");
    let world = custom(github(build), "either", "scheme: github, secrets: ['file:github.signing'], require: either");
    let world = custom(
        world,
        "meta",
        "scheme: github, secrets: ['file:github.signing'], handshake: meta, verify_token: a-token-of-twenty-characters-and-more",
    );
    let world = world.start();
    let send = |delivery: &Delivery| delivery.send(&world);
    let chunked = |delivery: &Delivery| delivery.head(&world).chunks(&[&delivery.body]).send();
    let half = |delivery: &Delivery| {
        let (mut connection, _) = begun(&world, delivery, 5);
        connection.read(false).unwrap()
    };
    let broken = |delivery: &Delivery| {
        let mut bytes = delivery.head(&world).header("Transfer-Encoding", "chunked").bytes();
        bytes.extend_from_slice(b"nonsense\r\n");
        crate::support::raw(world.address(), bytes)
    };
    type Sent<'a> = &'a dyn Fn(&Delivery) -> Reply;
    let small = || Delivery::of("github");
    let cases: [(&str, Delivery, Sent<'_>, u16); 8] = [
        ("too large, declared", large((64 << 10) + 1), &send, 413),
        ("too large, in chunks", large((64 << 10) + 1), &chunked, 413),
        ("not signed", small().without("X-Hub-Signature-256"), &send, 401),
        ("signed wrongly", small().saying("changed"), &send, 401),
        ("never whole", small(), &half, 408),
        ("broken off", small(), &broken, 400),
        ("a wrong key beside", small().to("/hooks/either").and("X-API-Key", token("stranger")), &send, 401),
        ("in no environment", small().to("/hooks/github?_profile=Test"), &send, 403),
    ];
    for (what, delivery, sent, really) in cases {
        let reply = sent(&delivery);
        let elsewhere = sent(&delivery.clone().to("/nowhere"));
        assert_eq!(reply.verdict(), "404 workflow_not_found", "{what}");
        // That a body is read here, its sender can tell: elsewhere a broken one is not seen to be.
        let said = |reply: &Reply| reply.anonymous().replace("connection: close\r\n", "");
        assert_eq!(said(&reply), said(&elsewhere), "{what}");
        assert_eq!(world.record_of(&reply)["status"], really, "{what}: the log tells the truth");
    }
    let guess = world.get("/hooks/meta?hub.mode=subscribe&hub.verify_token=no&hub.challenge=1").send();
    assert_eq!(guess.anonymous(), world.get("/nowhere").send().anonymous());
    let twice = world.get("/hooks/meta?hub.mode=subscribe&hub.mode=subscribe").send();
    assert_eq!(twice.anonymous(), world.get("/nowhere").send().anonymous());
    world.assert_untouched();
    small().is_taken(&world, "who signs is heard");
    let world = github(World::build().listener("conceal: true").root("webhooks: { buffer: 32KiB }")).start();
    let reply = large(50_000).send(&world);
    assert_eq!(reply.anonymous(), large(50_000).to("/nowhere").send(&world).anonymous());
    assert_eq!(world.record_of(&reply)["status"], 503);
}

#[test]
fn l1_limits_apply_to_deliveries() {
    let webhook = "rate_limit: 2/day, webhook: { scheme: github, secrets: ['file:github.signing'] }";
    let to = "template: 'POST /hooks/github', upstream: { Production: engine-production }";
    let build = World::build().file("github.signing", secret("github"));
    let world = build.workflow("limited", &format!("{to}, {webhook}")).start();
    for verdict in ["200", "200", "429 rate_limited"] {
        assert_eq!(Delivery::of("github").send(&world).verdict(), verdict);
    }
    assert_eq!(world.production.count(), 2);
    let world = github(World::build().listener("address_rate_limit: 2/day")).start();
    for verdict in ["200", "200", "429 rate_limited"] {
        assert_eq!(Delivery::of("github").send(&world).verdict(), verdict);
    }
    // A delivery that is refused is not one that was delivered.
    let world = github(World::build().listener("address_rate_limit: 1/s")).start();
    let delivery = Delivery::of("github");
    Delivery::of("github").is_taken(&world, "the first");
    assert_eq!(delivery.send(&world).verdict(), "429 rate_limited");
    let deadline = Instant::now() + PATIENCE;
    while delivery.send(&world).status == 429 {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(50));
    }
    assert_eq!(world.production.count(), 2);
}
