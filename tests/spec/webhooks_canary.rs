//! T3 for webhooks: what senders sign with, and what would be the right signature, is written down nowhere.

use crate::support::command::keystile;
use crate::support::hunt::{Hunt, assert_absent};
use crate::support::sender::{Delivery, SCHEMES, body, custom, header_of, hooks, now, secret};
use crate::support::{Directory, World};

const VERIFY_TOKEN: &str = "canary-verify-token-Jq6Wn8Bz";
const CUSTOM: &str = "canary-custom-secret-Pv2Lx9Dk";
const IN_ENV: &str = "canary-secret-in-the-environment-Hs4Tc7";

fn world() -> World {
    let build =
        hooks(World::build(), "").file("c.signing", CUSTOM).env("HOOK_SECRET", IN_ENV).root("log: { level: debug }");
    let meta = "scheme: github, secrets: [env:HOOK_SECRET], handshake: meta, verify_token: 'file:verify.token'";
    let build = custom(build.file("verify.token", VERIFY_TOKEN), "meta", meta);
    let fields = "header: X-Acme, template: '{body}', algorithm: hmac-sha256, encoding: hex, secret_encoding: text";
    custom(build, "custom", &format!("scheme: custom, secrets: ['file:c.signing'], {fields}")).start()
}

fn secrets() -> Vec<String> {
    let all = SCHEMES.iter().map(|scheme| secret(scheme).trim_start_matches("whsec_").to_owned());
    // The key of `standard` itself, besides how it is written.
    let more = ["canary-standard-key-7Hq2Lm9Xw4Zt", VERIFY_TOKEN, CUSTOM, IN_ENV].map(str::to_owned);
    all.chain(more).collect()
}

#[test]
fn t3_no_secret_and_no_right_signature_is_told_to_anybody() {
    let (world, hunt) = (world(), Hunt::default());
    let secrets = secrets();
    hunt.known(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    for scheme in SCHEMES {
        let header = header_of(scheme);
        // What would be right for a body that comes unsigned, or wrongly signed, is what an attacker wants to hear.
        for change in ["unsigned", "wrong", "broken", "old", "doubled", "large"] {
            let sent = body();
            let right = Delivery::signed(scheme, &secret(scheme), &sent, now());
            let (mut expected, other) =
                (right.signature(), Delivery::signed(scheme, &secret(scheme), b"Canary=x", now()));
            if let Some((_, signature)) = expected.rsplit_once(['=', ',']).filter(|(_, s)| s.len() > 20) {
                expected = signature.to_owned();
            }
            let delivery = match change {
                "unsigned" => right.without(header),
                "wrong" => other.saying(&sent),
                "broken" => right.forged("t=1,v1=zz"),
                "old" => Delivery::signed(scheme, &secret(scheme), &sent, now() - 10_000).saying("Canary=y"),
                "doubled" => right.without(header).and(header, other.signature()).and(header, other.signature()),
                _ => right.without(header).saying(vec![b'x'; 100_000]),
            };
            hunt.known(&[expected.trim_end_matches('=')]);
            hunt.send(&world, delivery.ask(&world).bytes());
        }
        // Nor is a right one kept that was accepted.
        let right = Delivery::of(scheme);
        let signature = right.signature();
        hunt.known(&[&signature[signature.len() - 24..signature.len() - 2]]);
        right.is_taken(&world, "right");
    }
    for target in [
        format!("/hooks/meta?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=17"),
        format!("/hooks/meta?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}x&hub.challenge=17"),
        format!("/hooks/github?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=17"),
    ] {
        hunt.send(&world, world.get(&target).bytes());
    }
    hunt.assert_clean(&world);
}

#[test]
fn t3_commands_show_a_webhook_without_its_secrets() {
    let world = world();
    let home = Directory::new();
    let file = world.path("keystile.yaml").display().to_string();
    let environment = [("HOOK_SECRET", IN_ENV)];
    let delivery = Delivery::of("github");
    let signature = format!("{}: {}", header_of("github"), delivery.signature());
    let mut said = String::new();
    for arguments in [
        vec!["check", "--config", &file],
        vec!["check", "--config", &file, "-o", "json"],
        vec!["config", "show", "--config", &file],
        vec!["config", "show", "--config", &file, "-o", "json"],
        vec!["config", "show", "--config", &file, "-o", "yaml"],
        vec!["explain", "POST", "/hooks/github", "--config", &file],
        vec!["explain", "POST", "/hooks/stripe", "-H", "Stripe-Signature: t=1,v1=00", "--config", &file, "-o", "json"],
        vec!["explain", "POST", "/hooks/github", "-H", &signature, "--config", &file],
    ] {
        let done = keystile(&home, &arguments, "", &environment);
        assert!(!done.stdout.is_empty(), "{arguments:?}: {}", done.stderr);
        said += &(done.stdout + &done.stderr);
    }
    assert!(said.contains("github"), "{said}");
    assert_absent(&said, &secrets());
}

#[test]
fn t3_a_secret_written_into_the_file_is_shown_to_nobody() {
    let literal = "canary-literal-secret-Xe3Rb5Vn";
    let webhook = format!("scheme: github, secrets: ['{literal}']");
    let world = custom(World::build(), "literal", &webhook).start();
    let home = Directory::new();
    let file = world.path("keystile.yaml").display().to_string();
    for format in ["table", "json", "yaml"] {
        for command in [vec!["config", "show"], vec!["check"]] {
            let arguments = [command, vec!["--config", &file, "-o", format]].concat();
            let done = keystile(&home, &arguments, "", &[]);
            assert_absent(&(done.stdout + &done.stderr), &[literal.to_owned()]);
        }
    }
    let hunt = Hunt::default();
    hunt.known(&[literal]);
    hunt.send(&world, Delivery::of("github").to("/hooks/literal").ask(&world).bytes());
    hunt.assert_clean(&world);
}
