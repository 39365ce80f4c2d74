//! `scheme: custom`: senders that have a manner of their own, put together of the parts that it offers.

use crate::support::sender::{Delivery, base64, body, custom, hex, mac, now, sha256};
use crate::support::{Builder, World};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

const MISSING: &str = "401 signature_missing";
const INVALID: &str = "401 signature_invalid";
const EXPIRED: &str = "401 signature_expired";
const SECRET: &str = "canary-custom-signing-Wd8Hs2Kf";

/// A workflow `POST /hooks/custom` with this scheme; `SECRET` is in `custom.signing`.
fn hook(webhook: &str) -> Builder {
    let webhook = format!("scheme: custom, secrets: ['file:custom.signing'], {webhook}");
    custom(World::build().file("custom.signing", SECRET), "custom", &webhook)
}

fn delivery(body: &[u8], fields: &[(&str, &str)]) -> Delivery {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (scheme, target) = ("custom".to_owned(), "/hooks/custom".to_owned());
    Delivery { scheme, method: "POST".to_owned(), target, fields, body: body.to_vec() }
}

fn joined(text: &str, body: &[u8]) -> Vec<u8> {
    [text.as_bytes(), body].concat()
}

#[test]
fn h1_ed25519_as_discord_does_it() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let build = hook(
        "header: X-Signature-Ed25519, timestamp_header: X-Signature-Timestamp, template: '{timestamp}{body}', \
         algorithm: ed25519, encoding: hex",
    );
    let world = build.file("custom.signing", hex(key.public_key().as_ref())).start();
    let signed = |key: &Ed25519KeyPair, body: &[u8], at: i64| {
        let signature = hex(key.sign(&joined(&at.to_string(), body)).as_ref());
        delivery(body, &[("X-Signature-Ed25519", &signature), ("X-Signature-Timestamp", &at.to_string())])
    };
    signed(&key, &body(), now()).is_taken(&world, "right");
    signed(&other, &body(), now()).is_refused(&world, "another key", INVALID);
    signed(&key, &body(), now()).saying("changed").is_refused(&world, "changed", INVALID);
    signed(&key, &body(), now() - 400).is_refused(&world, "old", EXPIRED);
    signed(&key, &body(), now() + 400).is_refused(&world, "ahead", EXPIRED);
    let right = signed(&key, &body(), now());
    let signature = right.field("X-Signature-Ed25519").to_owned();
    for (what, other) in [
        ("truncated", signature[..126].to_owned()),
        ("empty", String::new()),
        ("zeros", "0".repeat(128)),
        ("the neutral element", format!("01{}", "0".repeat(126))),
        ("S beyond the order", malleable(&signature)),
        ("base64", base64(&[7; 64])),
        ("an HMAC with the public key", hex(&sha256(key.public_key().as_ref(), &right.body))),
        ("an HMAC with the key as it is written", hex(&sha256(hex(key.public_key().as_ref()).as_bytes(), &right.body))),
    ] {
        right.clone().with("X-Signature-Ed25519", other).is_refused_with(&world, what, &[INVALID, MISSING]);
    }
    // The digit between time and body may be read as either's: neither reading is of now.
    let at = now().to_string();
    let digits = [b"4".as_slice(), &body()].concat();
    let honest = signed(&key, &digits, now());
    let longer = honest.clone().with("X-Signature-Timestamp", format!("{at}4")).saying(&digits[1..]);
    longer.is_refused_with(&world, "a digit of the body in the time", &[INVALID, EXPIRED]);
    let shorter = honest.with("X-Signature-Timestamp", &at[..9]).saying([&at.as_bytes()[9..], &digits].concat());
    shorter.is_refused_with(&world, "a digit of the time in the body", &[INVALID, EXPIRED]);
}

/// The same signature with the group's order added to S: as true, and not what was signed.
fn malleable(signature: &str) -> String {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10_u16,
    ];
    let mut carry = 0;
    let added = (0..32).map(|at| {
        let byte = u16::from_str_radix(&signature[64 + 2 * at..66 + 2 * at], 16).unwrap();
        let sum = byte + order[at] + carry;
        carry = sum >> 8;
        (sum & 0xff) as u8
    });
    let added: Vec<u8> = added.collect();
    format!("{}{}", &signature[..64], hex(&added))
}

#[test]
fn h1_method_and_url_as_hubspot_does_it() {
    let fields = "header: X-HubSpot-Signature-v3, timestamp_header: X-HubSpot-Request-Timestamp, timestamp_format: unix_ms, \
                  template: '{method}{url}{body}{timestamp}', algorithm: hmac-sha256, encoding: base64";
    let signed = |base: &str, target: &str, body: &[u8], at: i64| {
        let message = [joined(&format!("POST{base}{target}"), body), at.to_string().into_bytes()].concat();
        let signature = base64(&sha256(SECRET.as_bytes(), &message));
        let stamp = at.to_string();
        delivery(body, &[("X-HubSpot-Signature-v3", &signature), ("X-HubSpot-Request-Timestamp", &stamp)]).to(target)
    };
    let at = || now() * 1000 + 7;
    let world = hook(&format!("{fields}, public_url: 'https://hooks.example.com'")).start();
    let public = "https://hooks.example.com";
    signed(public, "/hooks/custom", &body(), at()).is_taken(&world, "behind a proxy");
    let query = "/hooks/custom?a=b%20c&d=%3D&e";
    signed(public, query, &body(), at()).is_taken(&world, "with a query, as it is written");
    signed(public, query, &body(), at()).to("/hooks/custom?a=b+c&d=%3D&e").is_refused(&world, "respelt", INVALID);
    signed(public, query, &body(), at()).to("/hooks/custom").is_refused(&world, "without its query", INVALID);
    signed(public, "/hooks/custom", &body(), at()).to(query).is_refused(&world, "with a query", INVALID);
    signed("http://gateway.test", "/hooks/custom", &body(), at()).is_refused(&world, "by another name", INVALID);
    signed(public, "/hooks/custom", &body(), now()).is_refused(&world, "seconds for milliseconds", EXPIRED);
    signed(public, "/hooks/custom", &body(), at() - 400_000).is_refused(&world, "old", EXPIRED);
    let own = hook(fields).start();
    signed("http://gateway.test", "/hooks/custom", &body(), at()).is_taken(&own, "as it was called");
    let elsewhere = signed("http://elsewhere.test", "/hooks/custom", &body(), at());
    elsewhere.clone().is_refused(&own, "Host says otherwise", INVALID);
    // Who may not speak for others does not say how we were called.
    let told = elsewhere.and("X-Forwarded-Host", "elsewhere.test").and("Forwarded", "host=elsewhere.test");
    told.is_refused(&own, "a host that nobody trusted forwards", INVALID);
    let https = signed("https://gateway.test", "/hooks/custom", &body(), at()).and("X-Forwarded-Proto", "https");
    https.is_refused(&own, "a scheme that nobody trusted forwards", INVALID);
}

#[test]
fn h1_plain_hex_as_dropbox_does_it() {
    let world = hook("header: X-Dropbox-Signature, template: '{body}', algorithm: hmac-sha256, encoding: hex").start();
    let sent = body();
    let right = delivery(&sent, &[("X-Dropbox-Signature", &hex(&sha256(SECRET.as_bytes(), &sent)))]);
    let arrived = right.is_taken(&world, "right");
    assert_eq!(arrived.header("x-keystile-username").as_deref(), Some("Webhook: custom/custom"));
    right.clone().saying("changed").is_refused(&world, "changed", INVALID);
    right.clone().without("X-Dropbox-Signature").is_refused(&world, "unsigned", MISSING);
    let prefixed = format!("sha256={}", right.field("X-Dropbox-Signature"));
    right.with("X-Dropbox-Signature", prefixed).is_refused(&world, "a prefix that nobody wrote", INVALID);
}

#[test]
fn h1_the_url_before_the_body_as_square_does_it() {
    let public = "https://hooks.example.com";
    let fields =
        "header: X-Square-HmacSha256-Signature, template: '{url}{body}', algorithm: hmac-sha256, encoding: base64";
    let world = hook(&format!("{fields}, public_url: '{public}'")).start();
    let sent = body();
    let signature = base64(&sha256(SECRET.as_bytes(), &joined(&format!("{public}/hooks/custom"), &sent)));
    let right = delivery(&sent, &[("X-Square-HmacSha256-Signature", &signature)]);
    right.is_taken(&world, "right");
    right.to("/hooks/custom?a=1").is_refused(&world, "another URL", INVALID);
}

#[test]
fn h1_every_algorithm_and_every_spelling() {
    let key = SECRET.as_bytes();
    let url_safe = |bytes: &[u8]| base64(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned();
    for (name, algorithm) in [
        ("hmac-sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        ("hmac-sha256", hmac::HMAC_SHA256),
        ("hmac-sha512", hmac::HMAC_SHA512),
    ] {
        for (encoding, written) in
            [("hex", &hex as &dyn Fn(&[u8]) -> String), ("base64", &base64), ("base64url", &url_safe)]
        {
            let world = hook(&format!(
                "header: X-Acme, prefix: 'acme v2 ', template: 'a:{{path}}:{{body}}:z', algorithm: {name}, encoding: {encoding}"
            ))
            .start();
            let sent = body();
            let message = [joined("a:/hooks/custom?q=1:", &sent), b":z".to_vec()].concat();
            let signature = format!("acme v2 {}", written(&mac(algorithm, key, &message)));
            let right = delivery(&sent, &[("X-Acme", &signature)]).to("/hooks/custom?q=1");
            right.is_taken(&world, &format!("{name}, {encoding}"));
            right.clone().to("/hooks/custom").is_refused(&world, "another path", INVALID);
            let short = &mac(algorithm, key, &message)[..10];
            right.with("X-Acme", format!("acme v2 {}", written(short))).is_refused(&world, "a shorter MAC", INVALID);
        }
    }
}

#[test]
fn h1_secrets_may_be_written_in_hex_or_base64() {
    let key: Vec<u8> = (0..=255).collect();
    for (how, written) in [("hex", hex(&key)), ("base64", base64(&key))] {
        let fields = format!(
            "header: X-Acme, template: '{{body}}', algorithm: hmac-sha256, encoding: hex, secret_encoding: {how}"
        );
        let world = hook(&fields).file("custom.signing", format!("{written}\n")).start();
        let sent = body();
        delivery(&sent, &[("X-Acme", &hex(&sha256(&key, &sent)))]).is_taken(&world, how);
        let as_text = hex(&sha256(written.as_bytes(), &sent));
        delivery(&sent, &[("X-Acme", &as_text)]).is_refused(&world, "the text is not the key", INVALID);
    }
}

#[test]
fn h1_an_id_is_one_with_its_delivery() {
    let world = hook(
        "header: X-Acme, id_header: X-Acme-Id, timestamp_header: X-Acme-Time, template: '{id}.{timestamp}.{body}', \
         algorithm: hmac-sha256, encoding: hex",
    )
    .start();
    let signed = |id: &str, body: &[u8]| {
        let at = now().to_string();
        let signature = hex(&sha256(SECRET.as_bytes(), &joined(&format!("{id}.{at}."), body)));
        delivery(body, &[("X-Acme", &signature), ("X-Acme-Id", id), ("X-Acme-Time", &at)])
    };
    signed("one", &body()).is_taken(&world, "right");
    signed("two", &body()).with("X-Acme-Id", "three").is_refused(&world, "another id", INVALID);
    signed("two", &body()).without("X-Acme-Id").is_refused_with(&world, "no id", &[INVALID, MISSING]);
    signed("two", &body()).and("X-Acme-Id", "two").is_refused(&world, "twice", INVALID);
}

#[test]
fn h3_rfc_3339_with_any_offset_wherever_the_gateway_stands() {
    for zone in ["UTC", "Asia/Kathmandu", "America/St_Johns", "nonsense"] {
        let world = hook(
            "header: X-Acme, timestamp_header: X-Acme-Time, timestamp_format: rfc3339, template: '{timestamp}|{body}', \
             algorithm: hmac-sha256, encoding: hex",
        )
        .env("TZ", zone)
        .start();
        let signed = |at: &str| {
            let sent = body();
            let signature = hex(&sha256(SECRET.as_bytes(), &joined(&format!("{at}|"), &sent)));
            delivery(&sent, &[("X-Acme", &signature), ("X-Acme-Time", at)])
        };
        let utc = |at: i64| jiff::Timestamp::from_second(at).unwrap().to_string();
        let local = |at: i64, hours: i32, minutes: i32| {
            let seconds = (hours * 60 + minutes) * 60;
            let wall = jiff::Timestamp::from_second(at + i64::from(seconds)).unwrap().to_string();
            let sign = if seconds < 0 { '-' } else { '+' };
            wall.replace('Z', &format!("{sign}{:02}:{:02}", hours.abs(), minutes.abs()))
        };
        for at in [utc(now()), local(now(), 5, 45), local(now(), -3, -30), local(now(), 14, 0), local(now(), 0, 0)] {
            signed(&at).is_taken(&world, &format!("{zone}: {at}"));
        }
        signed(&utc(now()).replace('Z', ".123456Z")).is_taken(&world, "a fraction");
        for at in [utc(now() - 400), local(now() + 400, 5, 45)] {
            signed(&at).is_refused(&world, &format!("{zone}: {at}"), EXPIRED);
        }
        for at in [
            utc(now()).replace('Z', ""),
            utc(now()).replace('Z', "+99:99"),
            utc(now()).replace("2026", "12026"),
            now().to_string(),
            "2026-02-30T00:00:00Z".to_owned(),
            "now".to_owned(),
            String::new(),
        ] {
            signed(&at).is_refused_with(&world, &format!("{zone}: {at}"), &[INVALID, EXPIRED]);
        }
    }
}

#[test]
fn h3_seconds_are_unix_seconds_wherever_the_gateway_stands() {
    for zone in ["Asia/Kathmandu", "Pacific/Kiritimati"] {
        let world = crate::support::sender::hooks(World::build(), "").env("TZ", zone).start();
        for scheme in crate::support::sender::TIMED {
            Delivery::of(scheme).is_taken(&world, zone);
            let key = crate::support::sender::secret(scheme);
            for hours in [-14 * 3600, -20_700, 20_700, 14 * 3600] {
                let other = Delivery::signed(scheme, &key, &body(), now() + hours);
                other.is_refused(&world, zone, EXPIRED);
            }
        }
    }
}
