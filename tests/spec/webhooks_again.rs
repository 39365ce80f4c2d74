//! H4, as those try it who have caught a delivery and no secret: whatever they change of what is not signed, it is the same
//! delivery, or none.

use crate::support::sender::{Delivery, SCHEMES, TIMED, custom, header_of, hook, hooks, now, secret};
use crate::support::{Answer, Reply, World};

fn world() -> World {
    hooks(World::build(), "").start()
}

/// How it was taken: as the same, or not at all.
#[track_caller]
fn assert_not_another(world: &World, what: &str, reply: &Reply, before: usize) {
    let same = reply.status == 200 && reply.header("x-keystile-replayed").is_some();
    let refused = matches!(reply.status, 400..=499);
    assert!(same || refused, "{what}: {} {}", reply.verdict(), reply.text());
    assert_eq!(world.production.count() + world.test.count(), before, "{what}: it was forwarded again");
}

#[test]
fn h4_no_change_of_what_is_not_signed_makes_another_delivery() {
    let world = world();
    for scheme in SCHEMES {
        let header = header_of(scheme);
        let first = Delivery::of(scheme);
        first.is_taken(&world, "first");
        let before = world.production.count();
        let again = first.send(&world);
        assert_eq!((again.status, again.header("x-keystile-replayed").is_some()), (200, true), "{scheme}");
        assert!(again.body.is_empty(), "{scheme}: {}", again.text());
        let signature = first.signature();
        let mut upper = first.clone();
        upper.fields.iter_mut().for_each(|(name, _)| *name = name.to_uppercase());
        let mut reversed = first.clone();
        reversed.fields.reverse();
        for (what, changed) in [
            ("another query", first.clone().to(format!("{}?a=1", first.target))),
            ("an empty query", first.clone().to(format!("{}?", first.target))),
            ("percent-encoded", first.clone().to(first.target.replace("/hooks", "/%68ooks"))),
            ("another delivery's number", first.clone().and("X-GitHub-Delivery", "another")),
            ("another webhook id", first.clone().and("X-Shopify-Webhook-Id", "another")),
            (
                "an idempotency key",
                first.clone().and("Idempotency-Key", "another").and("I-Twilio-Idempotency-Token", "x"),
            ),
            ("another retry", first.clone().and("X-Slack-Retry-Num", "1")),
            ("another content type", first.clone().with("Content-Type", "text/plain")),
            ("a charset", first.clone().with("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")),
            ("a coding", first.clone().and("Content-Encoding", "identity")),
            ("another host", first.clone().and("Host", "gateway.test:80")),
            ("another agent", first.clone().and("User-Agent", "curl")),
            ("names in upper case", upper),
            ("another order", reversed),
            ("digits in upper case", first.clone().forged(signature.to_uppercase())),
            ("blanks", first.clone().forged(format!(" {signature} \t"))),
            ("less padding", first.clone().forged(signature.trim_end_matches('='))),
            ("more padding", first.clone().forged(format!("{signature}="))),
            ("the other alphabet", first.clone().forged(signature.replace('+', "-").replace('/', "_"))),
            ("a comma", first.clone().forged(format!("{signature},"))),
            ("a blank and another version", first.clone().forged(format!("{signature} v1a,AAAA v2,AAAA"))),
            ("another scheme in the list", first.clone().forged(format!("{signature},v0=00,v2=00"))),
            ("itself twice in the list", first.clone().forged(format!("{signature} {signature}"))),
            ("a line end in the body", first.clone().saying([&first.body[..], b"\n"].concat())),
            ("an ampersand in the body", first.clone().saying([&first.body[..], b"&"].concat())),
            ("an empty pair in the body", first.clone().saying([&first.body[..], b"&="].concat())),
            (
                "spelt otherwise",
                first.clone().saying(String::from_utf8_lossy(&first.body).replace("Canary", "%43anary")),
            ),
            ("the same pair twice", first.clone().saying([&first.body[..], b"&", &first.body[..]].concat())),
            ("cut elsewhere", first.clone().saying(String::from_utf8_lossy(&first.body).replace("Canary=", "Canar=y"))),
            ("Connection names it", first.clone().and("Connection", header)),
        ] {
            assert_not_another(&world, &format!("{scheme}: {what}"), &changed.send(&world), before);
        }
        let pieces: Vec<&[u8]> = first.body.chunks(2).collect();
        let chunked = first.head(&world).chunks(&pieces).send();
        assert_not_another(&world, &format!("{scheme}: in chunks"), &chunked, before);
    }
}

#[test]
fn h4_of_a_list_of_signatures_each_is_of_the_same_delivery() {
    let mut build = World::build();
    for scheme in ["standard", "stripe"] {
        let other =
            if scheme == "standard" { "whsec_YW5vdGhlci1rZXktb2YtdGhpcnR5LXR3by1ieXRlcyE=" } else { "another-key" };
        build = build.file(&format!("{scheme}.signing"), secret(scheme)).file(&format!("{scheme}.next"), other);
        let webhook = format!("scheme: {scheme}, secrets: ['file:{scheme}.next', 'file:{scheme}.signing']");
        build = custom(build, scheme, &webhook);
    }
    let world = build.start();
    let at = now();
    let by = |secret: &str, body: &[u8]| {
        let signature = Delivery::signed("stripe", secret, body, at).signature();
        signature.split_once(',').unwrap().1.to_owned()
    };
    let first = Delivery::signed("stripe", &secret("stripe"), b"Canary=list", at);
    let (one, two) = (by(&secret("stripe"), &first.body), by("another-key", &first.body));
    first.clone().forged(format!("t={at},{one},{two}")).is_taken(&world, "both");
    let before = world.production.count();
    for list in [one.clone(), two.clone(), format!("{two},{one}"), format!("{one},{one}"), format!("v1=00,{two}")] {
        let again = first.clone().forged(format!("t={at},{list}")).send(&world);
        assert_not_another(&world, &list, &again, before);
        let turned = first.clone().forged(format!("{list},t={at}")).send(&world);
        assert_not_another(&world, &list, &turned, before);
        let zeros = first.clone().forged(format!("t=0{at},{list}")).send(&world);
        assert_not_another(&world, "a zero in front", &zeros, before);
    }
}

#[test]
fn h4_a_delivery_of_one_workflow_says_nothing_of_anothers() {
    let world = hook(hook(World::build(), "one", "github", ""), "two", "github", "").start();
    let delivery = Delivery::of("github");
    delivery.clone().to("/hooks/one").is_taken(&world, "at one");
    delivery.clone().to("/hooks/two").is_taken(&world, "at another");
    assert!(delivery.to("/hooks/two").send(&world).header("x-keystile-replayed").is_some());
}

#[test]
fn h4_what_its_upstream_did_not_take_may_come_again() {
    let build = World::build().answering(|request| match String::from_utf8_lossy(&request.body).contains("accept") {
        true => Answer::reply("202 Accepted", &[], "taken"),
        false => Answer::reply("503 Service Unavailable", &[], "later"),
    });
    let world = hooks(build, "").start();
    for scheme in SCHEMES {
        let failing = Delivery::of(scheme);
        for _ in 0..3 {
            let reply = failing.send(&world);
            assert_eq!((reply.status, reply.header("x-keystile-replayed")), (503, None), "{scheme}");
        }
        let accepted = Delivery::signed(scheme, &secret(scheme), format!("Canary=accept-{scheme}").as_bytes(), now());
        assert_eq!(accepted.send(&world).status, 202, "{scheme}");
        assert!(accepted.send(&world).header("x-keystile-replayed").is_some(), "{scheme}");
    }
    assert_eq!(world.production.count(), 4 * SCHEMES.len());
}

#[test]
fn h4_what_is_refused_is_not_remembered() {
    let build = World::build().listener("max_body: 1KiB");
    let world = hooks(build, "").start();
    for scheme in SCHEMES.into_iter().filter(|scheme| *scheme != "twilio") {
        let right = Delivery::of(scheme);
        let wrong = right.clone().saying("Canary=changed");
        wrong.is_refused(&world, "changed", "401 signature_invalid");
        let elsewhere = right.clone().to(format!("/hooks/{scheme}?_profile=Test"));
        elsewhere.is_refused(&world, "in another environment", "403 environment_mismatch");
        right.is_taken(&world, "the delivery itself, afterwards");
    }
}

#[test]
fn h3_h4_out_of_time_is_not_the_same_as_known() {
    let narrow = "tolerance: 2s";
    let world = TIMED.iter().fold(World::build(), |build, scheme| hook(build, scheme, scheme, narrow)).start();
    let deliveries = TIMED.map(Delivery::of);
    for delivery in &deliveries {
        delivery.is_taken(&world, "in time");
    }
    std::thread::sleep(std::time::Duration::from_millis(3100));
    for delivery in &deliveries {
        delivery.is_refused(&world, "later", "401 signature_expired");
    }
}

#[test]
fn h4_a_content_type_that_comes_twice_is_not_read_in_two_ways() {
    let world = world();
    let right = Delivery::of("twilio").and("Content-Type", "application/json");
    right.is_refused_with(
        &world,
        "a form for us and JSON for the upstream",
        &["401 signature_invalid", "400 bad_request"],
    );
    world.assert_untouched();
}
