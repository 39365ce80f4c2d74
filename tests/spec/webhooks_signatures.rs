//! H1 to H3, as those send it who have no secret: a signature that is missing, broken, doubled, somebody else's, or of another
//! time, and whatever can be done to the fields around it. Nothing of a refused delivery arrives anywhere.

use crate::support::sender::{
    Delivery, SCHEMES, TIMED, base64, body, custom, header_of, hex, hook, hooks, now, prefix_of, secret, sha256,
};
use crate::support::{World, raw};

const MISSING: &str = "401 signature_missing";
const INVALID: &str = "401 signature_invalid";
const EXPIRED: &str = "401 signature_expired";

fn world() -> World {
    hooks(World::build(), "").start()
}

#[test]
fn h1_a_signed_delivery_arrives_to_the_byte_and_says_whose_it_is() {
    let world = world();
    for scheme in SCHEMES {
        let arrived = Delivery::of(scheme).is_taken(&world, "right");
        assert_eq!(arrived.header("x-keystile-username"), Some(format!("Webhook: {scheme}/{scheme}")));
        assert_eq!(arrived.method(), "POST");
    }
}

#[test]
fn h3_without_a_signature_the_header_that_was_looked_for_is_named_and_nothing_else() {
    let world = world();
    for scheme in SCHEMES {
        let header = header_of(scheme);
        let unsigned = Delivery::of(scheme).without(header);
        unsigned.is_refused(&world, "no signature", MISSING);
        let reply = unsigned.send(&world);
        assert!(reply.text().to_lowercase().contains(&header.to_lowercase()), "{}", reply.text());
        // A key is no signature, and not looked for: a wrong one is no other answer.
        unsigned.and("Authorization", "Key=kst_nonsense").is_refused(&world, "a key instead", MISSING);
    }
    world.assert_untouched();
}

/// What can be done to a signature, and how it is refused.
type Change = (&'static str, fn(&str) -> String);

#[test]
fn h3_no_broken_signature_is_taken() {
    let world = world();
    let changes: [Change; 17] = [
        ("empty", |_| String::new()),
        ("a character less", |s| s[..s.len() - 1].to_owned()),
        ("a character less in front", |s| s[1..].to_owned()),
        ("half of it", |s| s[..s.len() / 2].to_owned()),
        ("a character more", |s| format!("{s}0")),
        ("a byte more", |s| format!("{s}00")),
        ("a digit off", |s| turned(s, s.len() - 6)),
        ("the first digit off", |s| turned(s, first_digit(s))),
        ("a blank within", |s| format!("{} {}", &s[..s.len() - 8], &s[s.len() - 8..])),
        ("in quotes", |s| format!("\"{s}\"")),
        ("twice in one", |s| format!("{s}{s}")),
        ("percent-encoded", |s| s.replace('=', "%3D").replace(',', "%2C").replace('/', "%2F") + "%00"),
        ("with a nought", |s| format!("{s}\\0")),
        ("all of it zeros", |s| s.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect()),
        ("another's", |_| "sha256=,v0=,v1=,t=1".to_owned()),
        ("not ASCII", |s| format!("{s}é")),
        ("not in any script's digits but its own", |s| {
            s.replace(['0', '1', '2', '3', '4', '5', 'A', 'B', 'C', 'D'], "٣")
        }),
    ];
    for scheme in SCHEMES {
        for (what, change) in changes {
            if (scheme, what) == ("stripe", "twice in one") {
                continue; // A list, in which the second is right.
            }
            let right = Delivery::of(scheme);
            let changed = change(&right.signature());
            assert_ne!(changed, right.signature(), "{scheme}: {what}");
            right.forged(changed).is_refused_with(&world, what, &[INVALID, MISSING]);
        }
    }
    world.assert_untouched();
}

fn first_digit(signature: &str) -> usize {
    let prefixes = SCHEMES.map(prefix_of).into_iter().filter(|prefix| !prefix.is_empty());
    prefixes.filter_map(|prefix| Some(signature.find(prefix)? + prefix.len())).next().unwrap_or_default()
}

/// Another character of the same alphabet at `at`.
fn turned(signature: &str, at: usize) -> String {
    let other = if &signature[at..=at] == "a" { "b" } else { "a" };
    format!("{}{other}{}", &signature[..at], &signature[at + 1..])
}

#[test]
fn h3_a_prefix_is_its_own_and_in_its_own_case() {
    let world = world();
    for scheme in SCHEMES.into_iter().filter(|scheme| !prefix_of(scheme).is_empty()) {
        let prefix = prefix_of(scheme);
        for other in ["", &prefix.to_uppercase(), "sha1=", "v2,", "v2=", "=", ",", &format!("{prefix}{prefix}")] {
            let right = Delivery::of(scheme);
            let changed = right.signature().replace(prefix, other);
            right.forged(changed).is_refused_with(&world, other, &[INVALID, MISSING]);
        }
    }
    for scheme in ["shopify", "twilio"] {
        let right = Delivery::of(scheme);
        let prefixed = format!("sha256={}", right.signature());
        right.forged(prefixed).is_refused(&world, "a prefix where none belongs", INVALID);
    }
    world.assert_untouched();
}

#[test]
fn h3_a_header_that_comes_twice_is_refused_whatever_it_says() {
    let world = world();
    for scheme in SCHEMES {
        let header = header_of(scheme);
        let right = Delivery::of(scheme);
        let same = right.signature();
        right.clone().and(header, &same).is_refused(&world, "equal", INVALID);
        right.clone().and(header, turned(&same, same.len() - 6)).is_refused(&world, "right, wrong", INVALID);
        let wrong_first = right.clone().forged(turned(&same, same.len() - 6)).and(header, &same);
        wrong_first.is_refused(&world, "wrong, right", INVALID);
        right.clone().and(header, "").is_refused(&world, "right, empty", INVALID);
        right.clone().and(&header.to_uppercase(), &same).is_refused(&world, "in another case", INVALID);
        for name in ["webhook-id", "webhook-timestamp", "X-Slack-Request-Timestamp"] {
            if right.fields.iter().any(|(known, _)| known == name) {
                let value = right.field(name).to_owned();
                right.clone().and(name, value).is_refused(&world, name, INVALID);
                right.clone().and(name, "1").is_refused(&world, name, INVALID);
            }
        }
    }
    world.assert_untouched();
}

#[test]
fn h3_names_are_known_in_any_case_and_blanks_around_a_value_are_none_of_it() {
    let world = world();
    for scheme in SCHEMES {
        for change in [str::to_uppercase as fn(&str) -> String, str::to_lowercase] {
            let mut delivery = Delivery::of(scheme);
            delivery.fields.iter_mut().for_each(|(name, _)| *name = change(name));
            delivery.is_taken(&world, "another case");
        }
        let right = Delivery::of(scheme);
        let padded = format!(" \t {} \t ", right.signature());
        right.forged(padded).is_taken(&world, "blanks around");
    }
}

#[test]
fn h1_one_right_signature_in_a_list_is_enough_where_the_scheme_has_lists() {
    let world = world();
    let wrong = |delivery: &Delivery, scheme: &str| {
        let other = Delivery::signed(scheme, &other_secret(scheme), &delivery.body, now());
        let signature = other.signature();
        signature.rsplit_once(',').filter(|_| scheme == "stripe").map_or(signature.clone(), |(_, v1)| v1.to_owned())
    };
    for before in [true, false] {
        let right = Delivery::of("standard");
        let (one, other) = (right.signature(), wrong(&right, "standard"));
        let list = if before { format!("{other} {one}") } else { format!("{one} {other}") };
        right.forged(list).is_taken(&world, "a list");
        let right = Delivery::of("stripe");
        let (time, one) = right.signature().split_once(',').map(|(t, v)| (t.to_owned(), v.to_owned())).unwrap();
        let other = wrong(&right, "stripe");
        let list = if before { format!("{time},{other},{one}") } else { format!("{time},{one},{other},v0=00,x=") };
        right.forged(list).is_taken(&world, "a list");
    }
    for scheme in SCHEMES {
        let right = Delivery::of(scheme);
        let (one, other) = (right.signature(), wrong(&right, scheme));
        for mark in [",", ";", ", ", "  "] {
            // Where the scheme has no lists, a list is no signature; and no list in another's manner is one.
            if matches!((scheme, mark), ("standard", "  ") | ("stripe", "," | ", ")) {
                continue;
            }
            let list = format!("{one}{mark}{other}");
            right.clone().forged(list).is_refused(&world, mark, INVALID);
        }
    }
}

fn other_secret(scheme: &str) -> String {
    match scheme {
        "standard" => format!("whsec_{}", base64(b"another-key-that-nobody-here-has")),
        _ => format!("another than {}", secret(scheme)),
    }
}

#[test]
fn h1_secrets_are_valid_together_and_each_for_its_own_workflow() {
    let mut build = World::build();
    for scheme in SCHEMES {
        build = hook(build, scheme, scheme, "");
        build = custom(
            build.file(&format!("{scheme}.next"), other_secret(scheme)),
            &format!("{scheme}-rolled"),
            &format!("scheme: {scheme}, secrets: ['file:{scheme}.signing', 'file:{scheme}.next']"),
        );
    }
    let world = build.start();
    for scheme in SCHEMES {
        let with = |secret: &str| Delivery::signed(scheme, secret, &body(), now());
        let wrong = with(&other_secret(scheme));
        wrong.is_refused(&world, "another workflow's secret", INVALID);
        if scheme == "twilio" {
            continue; // It signs the URL.
        }
        let rolled = format!("/hooks/{scheme}-rolled");
        for secret in [secret(scheme), other_secret(scheme)] {
            with(&secret).to(&rolled).is_taken(&world, "one of two secrets");
        }
    }
}

#[test]
fn h3_a_signature_of_another_scheme_is_none_and_one_beside_it_changes_nothing() {
    let world = world();
    for scheme in SCHEMES {
        for other in SCHEMES.into_iter().filter(|other| *other != scheme) {
            // Signed rightly, but for the other door.
            let foreign = Delivery::of(other).to(format!("/hooks/{scheme}"));
            foreign.is_refused(&world, &format!("as {other}, at {scheme}'s"), MISSING);
            // The other's value under this one's name.
            let right = Delivery::of(scheme);
            let value = Delivery::signed(other, &secret(scheme_key(scheme, other)), &right.body, now()).signature();
            right.forged(value).is_refused(&world, &format!("{other}'s value"), INVALID);
        }
        // What else a sender says is its own business.
        let mut mixed = Delivery::of(scheme);
        for other in SCHEMES.into_iter().filter(|other| *other != scheme) {
            mixed = mixed.and(header_of(other), "t=1,v1=00");
        }
        mixed.is_taken(&world, "wrong signatures of other schemes beside it");
    }
}

/// The secret that would make `other`'s way of signing most like `scheme`'s.
fn scheme_key<'a>(scheme: &'a str, other: &'a str) -> &'a str {
    if other == "standard" { other } else { scheme }
}

#[test]
fn h3_a_time_is_a_number_of_seconds_in_plain_digits_whoever_signed_it() {
    let world = world();
    let at = now();
    let odd = [
        String::new(),
        "-1".to_owned(),
        format!("-{at}"),
        format!("+{at}"),
        format!("{at}.0"),
        format!("{at}e0"),
        format!("{at}s"),
        format!("0x{at:x}"),
        format!("{at}000"),
        format!("{},{}", &at.to_string()[..4], &at.to_string()[4..]),
        format!("{} {}", &at.to_string()[..4], &at.to_string()[4..]),
        format!("{}_{}", &at.to_string()[..4], &at.to_string()[4..]),
        "9223372036854775807".to_owned(),
        "9223372036854775808".to_owned(),
        "18446744073709551615".to_owned(),
        "18446744073709551616".to_owned(),
        (i128::from(at) + (1 << 64)).to_string(),
        "9".repeat(400),
        "NaN".to_owned(),
        "inf".to_owned(),
        "0".to_owned(),
        at.to_string().chars().map(|c| char::from_u32('\u{660}' as u32 + c as u32 - 48).unwrap()).collect(),
        at.to_string().chars().map(|c| char::from_u32('\u{ff10}' as u32 + c as u32 - 48).unwrap()).collect(),
        "2026-11-21T12:00:00Z".to_owned(),
    ];
    for scheme in TIMED {
        for time in &odd {
            Delivery::at_time(scheme, &secret(scheme), &body(), time).is_refused_with(
                &world,
                time,
                &[INVALID, EXPIRED],
            );
        }
    }
    world.assert_untouched();
}

#[test]
fn h3_out_of_time_is_out_of_time_either_way_and_only_if_it_is_signed() {
    let world = hooks(World::build(), "").start();
    for scheme in TIMED {
        let at = |seconds: i64| Delivery::signed(scheme, &secret(scheme), &body(), now() + seconds);
        for seconds in [-295, -1, 1, 295] {
            at(seconds).is_taken(&world, &format!("{seconds} s"));
        }
        for seconds in [-302, 305, -86_400, 86_400, -now()] {
            at(seconds).is_refused(&world, &format!("{seconds} s"), EXPIRED);
        }
    }
    let narrow = "tolerance: 30s";
    let world = TIMED.iter().fold(World::build(), |build, scheme| hook(build, scheme, scheme, narrow)).start();
    for scheme in TIMED {
        let at = |seconds: i64| Delivery::signed(scheme, &secret(scheme), &body(), now() + seconds);
        at(-25).is_taken(&world, "within 30 s");
        at(25).is_taken(&world, "within 30 s");
        at(-32).is_refused(&world, "beyond 30 s", EXPIRED);
        at(35).is_refused(&world, "beyond 30 s", EXPIRED);
    }
}

#[test]
fn h3_a_time_that_was_changed_is_not_the_signed_one() {
    let world = world();
    for scheme in TIMED {
        let (old, new) = (now() - 1000, now());
        let stale = Delivery::signed(scheme, &secret(scheme), &body(), old);
        let fresh = match scheme {
            "stripe" => stale.clone().forged(stale.signature().replace(&old.to_string(), &new.to_string())),
            "slack" => stale.clone().with("X-Slack-Request-Timestamp", new.to_string()),
            _ => stale.clone().with("webhook-timestamp", new.to_string()),
        };
        fresh.is_refused(&world, "a stale delivery with the time of now", INVALID);
    }
    // The first `t` counts for one reader and the last for another: two are none.
    let (old, new) = (now() - 1000, now());
    let stale = Delivery::signed("stripe", &secret("stripe"), &body(), old);
    let signature = stale.signature();
    let v1 = signature.split_once(',').unwrap().1;
    for list in [
        format!("t={new},t={old},{v1}"),
        format!("t={old},t={new},{v1}"),
        format!("t={new},{v1},t={old}"),
        format!("{v1},t={old},t={new}"),
        format!("t=,t={new},{v1}"),
        format!("T={new},{v1}"),
        format!("t={new}\t,{v1}"),
        v1.to_owned(),
        format!("t={new}"),
        format!("t={new},v1"),
        format!("t={new},v1="),
    ] {
        stale.clone().forged(&list).is_refused_with(&world, &list, &[INVALID, EXPIRED]);
    }
    // Missing altogether.
    Delivery::of("slack").without("X-Slack-Request-Timestamp").is_refused_with(&world, "no time", &[INVALID, MISSING]);
    Delivery::of("standard").without("webhook-timestamp").is_refused_with(&world, "no time", &[INVALID, MISSING]);
    world.assert_untouched();
}

#[test]
fn h3_an_id_is_signed_and_cannot_be_cut_elsewhere() {
    let world = world();
    let right = Delivery::of("standard");
    right.clone().with("webhook-id", "msg_other").is_refused(&world, "another id", INVALID);
    right.clone().without("webhook-id").is_refused_with(&world, "no id", &[INVALID, MISSING]);
    right.clone().with("webhook-id", "").is_refused(&world, "an empty id", INVALID);
    // Signed: `msg.<then>.<now>.rest`. What was the end of the id or the beginning of the body might be read as a time.
    let (then, new) = (now() - 100_000, now());
    let split = |id: &str, at: &str, body: &str| {
        let signed = sha256(b"canary-standard-key-7Hq2Lm9Xw4Zt", format!("{id}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", base64(&signed));
        let fields = [("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", &signature)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Delivery { fields, ..Delivery::of("standard").saying(body) }
    };
    let honest = split("msg", &then.to_string(), &format!("{new}.rest"));
    honest.is_refused(&world, "stale", EXPIRED);
    let cut = split(&format!("msg.{then}"), &new.to_string(), "rest");
    assert_eq!(cut.signature(), honest.signature());
    cut.is_refused(&world, "the same bytes, cut elsewhere", INVALID);
    world.assert_untouched();
}

#[test]
fn h3_hexadecimal_digits_and_base64_are_read_in_one_way_only() {
    let world = world();
    for scheme in ["github", "stripe", "slack"] {
        let right = Delivery::of(scheme);
        let (head, digits) = right.signature().rsplit_once('=').map(|(h, d)| (h.to_owned(), d.to_owned())).unwrap();
        for (what, digits) in [
            ("0x", format!("0x{digits}")),
            (
                "base64",
                base64(
                    &(0..64)
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                        .collect::<Vec<_>>(),
                ),
            ),
            ("hex of hex", hex(digits.as_bytes())),
            ("a colon between bytes", digits.replacen("", ":", 3)),
        ] {
            right.clone().forged(format!("{head}={digits}")).is_refused(&world, what, INVALID);
        }
    }
    for scheme in ["standard", "shopify", "twilio"] {
        let right = Delivery::of(scheme);
        let signature = right.signature();
        let last = signature.trim_end_matches('=').chars().next_back().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let next = alphabet.chars().nth((alphabet.find(last).unwrap() + 1) % 64).unwrap();
        let trimmed = signature.trim_end_matches('=');
        for (what, changed) in [
            ("bits beyond the last byte", format!("{}{next}=", &trimmed[..trimmed.len() - 1])),
            ("too much padding", format!("{signature}=")),
            ("a line end within", format!("{}\\n{}", &signature[..10], &signature[10..])),
        ] {
            right.clone().forged(&changed).is_refused(&world, what, INVALID);
        }
    }
    world.assert_untouched();
}

#[test]
fn hazard_13_signatures_by_the_thousand_are_judged_within_bounds() {
    let world = world();
    let right = Delivery::of("standard");
    let wrong = format!("v1,{}", base64(&[7; 32]));
    for count in [3, 100, 300] {
        let list = vec![wrong.clone(); count].join(" ");
        right.clone().forged(list).is_refused(&world, "wrong ones only", INVALID);
    }
    for (scheme, one) in [("standard", format!("{wrong} ")), ("stripe", format!("v1={},", hex(&[7; 32])))] {
        let right = Delivery::of(scheme);
        let started = std::time::Instant::now();
        let many = right.clone().forged(one.repeat(1000) + &right.signature());
        many.is_refused(&world, "a thousand", "431 head_too_large");
        right.forged("v".repeat(100_000)).is_refused(&world, "100 KB", "431 head_too_large");
        assert!(started.elapsed().as_secs() < 5);
    }
    world.assert_untouched();
}

#[test]
fn h3_look_alikes_of_the_header_are_not_the_header() {
    let world = world();
    for scheme in SCHEMES {
        let right = Delivery::of(scheme);
        let (header, value) = (header_of(scheme), right.signature());
        for name in
            [header.replace('-', "_"), header.replace('-', "."), format!("{header}-Original"), format!("X-{header}")]
        {
            right.clone().without(header).and(&name, &value).is_refused(&world, &name, MISSING);
        }
        let in_query = format!("{}?{header}={value}", right.target);
        right.clone().without(header).to(in_query.replace('=', "%3D")).is_refused(&world, "in the query", MISSING);
        // A look-alike beside the right one does not stand in its place, nor beside it.
        let bytes = right.ask(&world).bytes();
        let text = String::from_utf8(bytes).unwrap();
        let spaced = text.replace(&format!("{header}:"), &format!("{header} :"));
        assert_eq!(raw(world.address(), spaced).status, 400, "{header} with a blank before the colon");
    }
    world.assert_untouched();
}
