//! K6 to K13: forms of tokens, states of keys, and what a key may do at all.

use crate::support::{World, digest, token};

#[test]
fn k6_a_key_in_the_url_is_flagged_counted_and_answered_with_deprecation() {
    let world = World::start();
    let in_header = world.call("crm").send();
    assert_eq!(in_header.header("deprecation"), None);
    assert!(world.record_of(&in_header).get("credential_in_query").is_none());
    let counted = || world.metrics().contains("keystile_credential_in_query_total 1");
    assert!(!counted());
    let reply = world.get("/customers/1").query(&format!("auth-key={}", token("crm"))).send();
    assert_eq!(reply.verdict(), "200");
    let since = reply.header("deprecation").and_then(|d| d.strip_prefix('@')).expect("RFC 9745: a date, @ and seconds");
    assert!(since.parse::<u64>().is_ok(), "{since}");
    assert_eq!(reply.header("sunset"), None);
    assert_eq!(world.record_of(&reply)["credential_in_query"], true);
    assert!(counted(), "{}", world.metrics());
}

#[test]
fn k6_a_sunset_is_announced_and_then_ends_keys_in_urls_alone() {
    let world = World::start();
    let in_query = |key: &str| world.get("/customers/1").query(&format!("auth-key={}", token(key))).send();
    let ahead = in_query("sunset-ahead");
    assert_eq!(ahead.verdict(), "200");
    assert_eq!(ahead.header("sunset"), Some("Fri, 01 Jan 2100 00:00:00 GMT"));
    let over = in_query("sunset");
    assert_eq!(over.verdict(), "401 query_key_sunset");
    assert_eq!(over.header("sunset"), Some("Wed, 01 Jan 2020 00:00:00 GMT"));
    assert_eq!(world.production.count(), 1);
    assert_eq!(world.call("sunset").send().verdict(), "200", "in a header it is as good as ever");
    let both = world.call("sunset").query(&format!("auth-key={}", token("sunset"))).send();
    assert_eq!(both.verdict(), "401 query_key_sunset", "also when it stands in a header as well");
}

#[test]
fn k7_a_wrong_checksum_is_refused_without_a_look_up_and_only_the_log_says_so() {
    let world = World::start();
    let good = token("crm");
    let cause = |wrong: &str| {
        let reply = world.get("/customers/1").key(wrong).send();
        assert_eq!(reply.verdict(), "401 invalid_key", "{wrong}");
        assert!(!reply.text().contains("checksum"));
        world.record_of(&reply)["cause"].as_str().unwrap_or_default().to_owned()
    };
    for at in [4, 20, 46, 47, 52] {
        let mut wrong = good.clone().into_bytes();
        wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
        assert!(cause(&String::from_utf8(wrong).unwrap()).contains("checksum"), "{at}");
    }
    assert!(cause(&good[..52]).contains("checksum"));
    assert!(cause(&format!("{good}0")).contains("checksum"));
    assert!(!cause(&token("nobody")).contains("checksum"), "well-formed, and looked up");
}

#[test]
fn k9_tokens_of_another_system_are_imported_as_digests_or_as_values() {
    let (by_value, by_digest) = ("legacy/~token#with!signs", "legacy-token-of-20-chars-or-more");
    let longest = "x".repeat(512);
    let world = World::build()
        .key("by-value", "secondary: 'file:legacy.token', workflows: all")
        .key("by-digest", &format!("secondary: '{}', workflows: all", digest(by_digest)))
        .key("longest", "secondary: 'file:longest.token', workflows: all")
        .key("shortest", "secondary: 'aaaaabbbbbcccccddddd', workflows: all")
        .file("legacy.token", format!(" {by_value}\n"))
        .file("longest.token", &longest)
        .start();
    for (token, name) in
        [(by_value, "by-value"), (by_digest, "by-digest"), (&longest, "longest"), ("aaaaabbbbbcccccddddd", "shortest")]
    {
        let reply = world.get("/customers/1").key(token).send();
        assert_eq!(reply.verdict(), "200", "{name}");
        assert_eq!(world.record_of(&reply)["key"], name);
    }
}

#[test]
fn k9_what_is_no_token_is_refused_when_loaded_and_never_repeated() {
    for (bad, content) in [
        ("19 characters", "NineteenCharacters!".to_owned()),
        ("513 characters", "Q".repeat(513)),
        ("a blank inside", "words with blanks inside them".to_owned()),
        ("not ASCII", "zwölfzwölfzwölfzwölf".to_owned()),
        ("a kst_ token with a wrong checksum", format!("{}!", &token("crm")[..52])),
    ] {
        let said = World::build()
            .key("bad", "secondary: 'file:bad.token', workflows: []")
            .file("bad.token", &content)
            .refused();
        assert!(said.contains("secondary"), "{bad}: {said}");
        assert!(!said.contains(&content), "{bad}: {said}");
    }
}

#[test]
fn k10_both_slots_are_valid_and_each_can_be_replaced_alone() {
    let before = World::build();
    let yaml = before.yaml();
    let world = before.start();
    let verdict = |name: &str| {
        let reply = world.call(name).send();
        (reply.verdict(), world.record_of(&reply)["slot"].as_str().unwrap_or_default().to_owned())
    };
    let ok = |slot: &str| ("200".to_owned(), slot.to_owned());
    let invalid = || ("401 invalid_key".to_owned(), String::new());
    assert_eq!((verdict("crm"), verdict("crm.secondary")), (ok("primary"), ok("secondary")));
    let replaced = yaml.replace(&digest(&token("crm")), &digest(&token("crm.new")));
    assert!(world.reload(&replaced));
    assert_eq!(
        (verdict("crm"), verdict("crm.new"), verdict("crm.secondary")),
        (invalid(), ok("primary"), ok("secondary"))
    );
    assert!(world.reload(&replaced.replace(&digest(&token("crm.secondary")), &digest(&token("crm.newer")))));
    assert_eq!(
        (verdict("crm.new"), verdict("crm.secondary"), verdict("crm.newer")),
        (ok("primary"), invalid(), ok("secondary"))
    );
}

#[test]
fn k10_a_token_belongs_to_one_slot_of_one_key() {
    let said = World::build().key("twin", &format!("secondary: '{}', workflows: []", digest(&token("crm")))).refused();
    assert!(said.contains("crm"), "{said}");
    let twice = digest(&token("both"));
    let said = World::build().key("both", &format!("secondary: '{twice}', workflows: []")).refused();
    assert!(said.contains("same token"), "{said}");
}

#[test]
fn k11_states_are_told_to_whoever_holds_the_token_and_to_nobody_else() {
    let world = World::start();
    for (key, verdict) in [("disabled", "401 key_disabled"), ("expired", "401 key_expired")] {
        let reply = world.call(key).send();
        assert_eq!(reply.verdict(), verdict);
        assert_eq!(reply.all("www-authenticate").len(), 2);
        assert_eq!(world.record_of(&reply)["key"], key, "the log names it");
        let mut almost = token(key).into_bytes();
        almost[30] = if almost[30] == b'x' { b'y' } else { b'x' };
        let guess = world.get("/customers/1").key(&String::from_utf8(almost).unwrap()).send();
        assert_eq!(guess.verdict(), "401 invalid_key");
        assert!(world.record_of(&guess).get("key").is_none());
    }
    world.assert_untouched();
}

#[test]
fn k11_disabling_is_reversible_and_counts_from_the_next_request() {
    let build = World::build().key("switch", "enabled: true, workflows: all");
    let yaml = build.yaml();
    let world = build.start();
    let mut kept = world.connect();
    let ask = world.call("switch").bytes();
    assert_eq!(kept.send(&ask).verdict(), "200");
    assert!(world.reload(&yaml.replace("enabled: true", "enabled: false")));
    assert_eq!(kept.send(&ask).verdict(), "401 key_disabled", "on a connection that was open before");
    assert!(world.reload(&yaml));
    assert_eq!(kept.send(&ask).verdict(), "200");
}

#[test]
fn k13_invoking_needs_its_scope_and_no_other_one_will_do() {
    let world =
        World::build().key("admin", "scopes: ['admin:read', 'admin:write', 'connections:use'], workflows: all").start();
    for key in ["no-scope", "outbound-only", "admin"] {
        assert_eq!(world.call(key).send().verdict(), "403 scope_missing", "{key}");
    }
    world.assert_untouched();
    assert_eq!(world.call("crm").send().verdict(), "200", "absent means the first two");
}

#[test]
fn k13_the_address_must_be_on_the_list_if_there_is_one() {
    let world = World::start();
    assert_eq!(world.call("elsewhere").send().verdict(), "403 address_not_allowed");
    assert_eq!(world.call("nowhere").send().verdict(), "403 address_not_allowed", "an empty list: nowhere");
    let forged =
        world.call("elsewhere").header("X-Forwarded-For", "203.0.113.9").header("Forwarded", "for=203.0.113.9");
    assert_eq!(forged.send().verdict(), "403 address_not_allowed", "nobody is believed about himself");
    world.assert_untouched();
    assert_eq!(world.call("local").send().verdict(), "200");
}

#[test]
fn k13_behind_a_trusted_proxy_the_right_most_untrusted_hop_counts() {
    let world = World::build().listener("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]").start();
    let allowed = |hops: &[&str]| {
        let ask = hops.iter().fold(world.call("elsewhere"), |ask, line| ask.header("X-Forwarded-For", *line));
        let reply = ask.send();
        (reply.verdict() == "200", world.record_of(&reply)["address"].as_str().unwrap().to_owned())
    };
    for (hops, expected) in [
        (&["203.0.113.9"][..], (true, "203.0.113.9")),
        (&["203.0.113.9, 10.1.2.3"], (true, "203.0.113.9")),
        (&["203.0.113.9", "10.1.2.3"], (true, "203.0.113.9")),
        (&["2001:db8::7"], (true, "2001:db8::7")),
        (&["[2001:db8::7]:443"], (true, "2001:db8::7")),
        (&["::ffff:203.0.113.9"], (true, "203.0.113.9")),
        (&["203.0.113.9:1234"], (true, "203.0.113.9")),
        (&["203.0.113.9, 198.51.100.1"], (false, "198.51.100.1")),
        (&["203.0.113.9", "198.51.100.1"], (false, "198.51.100.1")),
        (&["203.0.113.9, nonsense"], (false, "127.0.0.1")),
        (&["203.0.113.9, "], (false, "127.0.0.1")),
        (&["2001:db9::7"], (false, "2001:db9::7")),
        (&[], (false, "127.0.0.1")),
    ] {
        assert_eq!(allowed(hops), (expected.0, expected.1.to_owned()), "{hops:?}");
    }
}
