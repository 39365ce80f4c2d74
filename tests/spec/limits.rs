//! L1, L2: rates, in which order they are charged, and how a refusal tells which it was. `/day` keeps the clock out of
//! the tests: nothing comes back while they run.

use crate::support::{Answer, Reply, World, token};

/// A list of `"name";key=1;other=2`, strictly as structured fields (RFC 9651) write it.
fn policies(text: &str) -> Vec<(String, Vec<(String, u64)>)> {
    let member = |member: &str| {
        let rest = member.strip_prefix('"').expect("a string first");
        let (name, rest) = rest.split_once('"').expect("a closed string");
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert!(rest.starts_with(';'), "{member}");
        let parameter = |p: &str| {
            let (key, value) = p.split_once('=').expect("key=value");
            assert!(key.bytes().all(|b| b.is_ascii_lowercase()) && !key.is_empty(), "{p}");
            assert!(value.bytes().all(|b| b.is_ascii_digit()) && (1..=15).contains(&value.len()), "{p}");
            (key.to_owned(), value.parse().unwrap())
        };
        (name.to_owned(), rest[1..].split(';').map(parameter).collect())
    };
    text.split(", ").map(member).collect()
}

/// The scope that refused, after everything about the refusal was checked.
#[track_caller]
fn refused_by(reply: &Reply) -> String {
    assert_eq!(reply.verdict(), "429 rate_limited");
    let policy = policies(reply.header("ratelimit-policy").expect("RateLimit-Policy"));
    let left = policies(reply.header("ratelimit").expect("RateLimit"));
    let get = |of: &[(String, u64)], key: &str| of.iter().find(|(k, _)| k == key).map(|(_, v)| *v);
    let [(name, quota)] = &policy[..] else { panic!("{policy:?}") };
    let [(same, now)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(name, same);
    assert!(get(quota, "q") > Some(0) && get(quota, "w") > Some(0));
    assert_eq!(get(now, "r"), Some(0));
    let retry: u64 = reply.header("retry-after").expect("Retry-After").parse().expect("seconds");
    let until = get(now, "t").expect("t");
    assert!(retry >= until && until > 0 && until <= get(quota, "w").unwrap(), "{retry} {until}");
    let problem = reply.json();
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["violated-policies"], serde_json::json!([name]));
    name.clone()
}

#[test]
fn l1_each_limit_counts_what_it_is_for() {
    let to = "template: 'GET /w', rate_limit: 2/day, upstream: { Production: engine-production }";
    let limited = "base_url: 'http://{production}', rate_limit: 2/day";
    for (scope, world, first, other) in [
        (
            "key",
            World::build().key("k", "rate_limit: 2/day, workflows: all"),
            ("k", "/customers/1"),
            ("all", "/customers/1"),
        ),
        ("workflow", World::build().workflow("w", to), ("all", "/w"), ("all", "/customers/1")),
        ("connection", World::build().route("c", limited), ("all", "/c/x"), ("all", "/customers/1")),
    ] {
        let world = world.start();
        let send = |(key, target): (&str, &str)| world.get(target).key(&token(key)).send();
        assert_eq!([send(first).verdict(), send(first).verdict()], ["200", "200"], "{scope}");
        let before = world.production.count();
        assert_eq!(refused_by(&send(first)), scope);
        assert_eq!(refused_by(&send(first)), scope);
        assert_eq!(world.production.count(), before, "nothing was sent");
        assert_eq!(send(other).verdict(), "200", "{scope}: what it is not for goes on");
        assert!(world.metrics().contains(&format!("keystile_rate_limited_total{{scope=\"{scope}\"}} 2")));
    }
}

#[test]
fn l1_a_listeners_limit_counts_all_callers_and_an_addresss_one_each_address() {
    let world = World::build().listener("rate_limit: 2/day").start();
    assert_eq!([world.call("crm").send().verdict(), world.call("all").send().verdict()], ["200", "200"]);
    assert_eq!(refused_by(&world.call("local").send()), "listener");

    let world =
        World::build().listener("address_rate_limit: 1/day").listener("trusted_proxies: [127.0.0.1/32]").start();
    let from = |address: &str| world.call("crm").header("X-Forwarded-For", address).send();
    for (used, same, other) in [
        ("203.0.113.1", "203.0.113.1", "203.0.113.2"),
        ("198.51.100.7", "::ffff:198.51.100.7", "198.51.100.8"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
    ] {
        assert_eq!(from(used).verdict(), "200");
        assert_eq!(refused_by(&from(same)), "address", "{same}");
        assert_eq!(from(other).verdict(), "200", "{other}");
    }
}

#[test]
fn l1_charged_from_the_narrowest_to_the_widest_and_what_was_charged_stays_charged() {
    let narrow_to_wide = ["key", "address", "workflow", "connection", "listener"];
    // The limit at each place in turn is the smaller one; those before it are charged by its refusals until they are
    // used up themselves, and then it is they who refuse.
    for (at, tight) in narrow_to_wide.iter().enumerate() {
        let rate = |scope: &str| match narrow_to_wide.iter().position(|s| *s == scope) {
            Some(n) if n == at => "1/day",
            Some(n) if n < at => "3/day",
            _ => "1/day",
        };
        let world = World::build()
            .listener(&format!("rate_limit: {}", rate("listener")))
            .listener(&format!("address_rate_limit: {}", rate("address")))
            .connection("c", &format!("base_url: 'http://{{production}}', rate_limit: {}", rate("connection")))
            .workflow(
                "w",
                &format!("template: 'GET /w', rate_limit: {}, upstream: {{ Production: c }}", rate("workflow")),
            )
            .key("k", &format!("rate_limit: {}, workflows: all", rate("key")))
            .start();
        let send = || world.get("/w").key(&token("k")).send();
        assert_eq!(send().verdict(), "200");
        assert_eq!(refused_by(&send()), *tight, "the narrowest that is used up says no");
        assert_eq!(refused_by(&send()), *tight);
        assert_eq!(refused_by(&send()), narrow_to_wide[0], "charged by every refusal since: 3 are gone ({tight})");
        assert_eq!(world.production.count(), 1);
    }
}

#[test]
fn l1_a_burst_is_what_passes_at_once() {
    let world = World::build()
        .key("burst", "rate_limit: 1/day burst 4, workflows: all")
        .key("plain", "rate_limit: 3/day, workflows: all")
        .start();
    let passes = |key: &str| (0..6).filter(|_| world.call(key).send().verdict() == "200").count();
    assert_eq!((passes("burst"), passes("plain")), (4, 3), "without one it is the count");
}

#[test]
fn l1_what_is_refused_before_the_limits_is_not_charged() {
    let world = World::build().key("k", "rate_limit: 1/day, workflows: [get-customer]").start();
    let verdict = |target: &str| world.get(target).key(&token("k")).send().verdict();
    for target in ["/nowhere", "/files/a", "/customers/1?_profile=Nowhere", "/customers/../1"] {
        assert!(verdict(target).starts_with('4'));
    }
    assert_eq!((verdict("/customers/1"), verdict("/customers/1")), ("200".into(), "429 rate_limited".into()));
}

#[test]
fn l1_a_reload_refills_nothing_that_did_not_change() {
    let build = World::build().key("k", "rate_limit: 1/day, workflows: all");
    let yaml = build.yaml();
    let world = build.start();
    assert_eq!(world.call("k").send().verdict(), "200");
    assert!(world.reload(&format!("# touched\n{yaml}")));
    assert_eq!(refused_by(&world.call("k").send()), "key");
    assert!(world.reload(&yaml.replace("rate_limit: 1/day", "rate_limit: 2/day")));
    assert_eq!(world.call("k").send().verdict(), "200", "another limit counts anew");
}

#[test]
fn l2_passed_replies_carry_the_fields_only_where_they_are_switched_on() {
    let limits = |build: crate::support::Builder| {
        build.key("k", "rate_limit: 5/min burst 3, workflows: all").listener("rate_limit: 100/s")
    };
    let world = limits(World::build()).start();
    let reply = world.call("k").send();
    assert_eq!((reply.header("ratelimit"), reply.header("ratelimit-policy")), (None, None));
    let world = limits(World::build().listener("limit_headers: true")).start();
    let reply = world.call("k").send();
    let names = |list: Vec<(String, Vec<(String, u64)>)>| list.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let policy = reply.header("ratelimit-policy").unwrap();
    assert!(policy.starts_with("\"key\";q=5;w=60"), "{policy}");
    assert!(policy.ends_with("\"listener\";q=100;w=1"), "{policy}");
    assert_eq!(names(policies(policy)), ["key", "listener"]);
    let left = policies(reply.header("ratelimit").unwrap());
    assert_eq!((left[0].0.as_str(), left[0].1[0].clone()), ("key", ("r".to_owned(), 2)));
    let unlimited = World::build().listener("limit_headers: true").start();
    assert_eq!(unlimited.call("crm").send().header("ratelimit"), None, "there is no limit to tell of");
}

#[test]
fn l2_a_429_of_the_upstream_passes_unchanged_and_is_told_apart() {
    let fields = [("Retry-After", "7"), ("RateLimit", "\"theirs\";r=0;t=7"), ("Content-Type", "text/plain")];
    let world = World::build()
        .answering(move |_| Answer::reply("429 Slow Down", &fields, "theirs"))
        .key("k", "rate_limit: 1/day, workflows: all")
        .start();
    let theirs = world.call("k").send();
    assert_eq!((theirs.verdict().as_str(), theirs.text().as_str()), ("429", "theirs"));
    for (name, value) in fields {
        assert_eq!(theirs.header(name), Some(value));
    }
    assert_eq!(theirs.header("ratelimit-policy"), None);
    let record = world.record_of(&theirs);
    assert!(record["status"] == 429 && record.get("code").is_none(), "{record}");
    let ours = world.call("k").send();
    assert_eq!(refused_by(&ours), "key");
    let record = world.record_of(&ours);
    assert_eq!((record["code"].as_str(), record["cause"].as_str()), (Some("rate_limited"), Some("key")));
}
