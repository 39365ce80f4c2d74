//! What stands around a signed body is not signed: the URL, other fields, the connection. None of it may decide anything
//! (H5, H6, hazards 1, 2, 4, 5 and 6).

use crate::support::sender::{Delivery, SCHEMES, TIMED, custom, header_of, hook, hooks, now, secret};
use crate::support::world::{PRODUCTION_SECRET, TEST_SECRET};
use crate::support::{World, raw, token};

const MISSING: &str = "401 signature_missing";
const INVALID: &str = "401 signature_invalid";

/// Twilio signs the URL; what is added to it here, nobody signed.
fn unsigned_url() -> impl Iterator<Item = &'static str> {
    SCHEMES.into_iter().filter(|scheme| *scheme != "twilio")
}

#[test]
fn h5_the_url_cannot_choose_where_a_delivery_runs() {
    let world = hooks(World::build(), "").start();
    for scheme in unsigned_url() {
        let at = |query: &str| Delivery::of(scheme).to(format!("/hooks/{scheme}?{query}"));
        at("_profile=Production").is_taken(&world, "what it would be anyway");
        at("a=1&_profiles=Test").is_taken(&world, "another parameter");
        for (query, verdict) in [
            ("_profile=Test", "403 environment_mismatch"),
            ("%5fprofile=%54est", "403 environment_mismatch"),
            ("a=1&_profile=Test&b", "403 environment_mismatch"),
            ("_profile=", "403 environment_mismatch"),
            ("_profile", "403 environment_mismatch"),
            ("_profile=production", "403 environment_mismatch"),
            ("_profile=Nowhere", "403 environment_mismatch"),
            ("_profile=Test&_profile=Production", "400 environment_repeated"),
            ("_profile=Production&%5Fprofile=Production", "400 environment_repeated"),
        ] {
            at(query).is_refused(&world, query, verdict);
        }
        // Nobody learns of environments without a signature.
        at("_profile=Test").forged("").is_refused_with(&world, "unsigned", &[MISSING, INVALID]);
        let header = Delivery::of(scheme).and("Keystile-Environment", "Test").and("X-Keystile-Environment", "Test");
        let arrived = header.is_taken(&world, "in a header");
        assert_eq!(arrived.header("x-engine-key").as_deref(), Some(PRODUCTION_SECRET));
    }
    assert_eq!(world.test.count(), 0);
}

#[test]
fn h5_a_delivery_runs_in_the_environment_of_its_webhook() {
    let world = hooks(World::build(), "environment: Test").start();
    for scheme in unsigned_url() {
        let at = |query: &str| Delivery::of(scheme).to(format!("/hooks/{scheme}{query}"));
        for query in ["", "?_profile=Test", "?a=1"] {
            assert_eq!(at(query).send(&world).verdict(), "200", "{scheme} {query}");
            assert_eq!(world.test.last().header("x-engine-key").as_deref(), Some(TEST_SECRET));
        }
        for query in ["?_profile=Production", "?_profile=test", "?_profile="] {
            at(query).is_refused(&world, query, "403 environment_mismatch");
        }
    }
    world.production.assert_untouched();
}

#[test]
fn h6_who_called_is_said_by_us_alone() {
    let world = hooks(World::build(), "").start();
    for scheme in SCHEMES {
        let forged = Delivery::of(scheme)
            .and("X-Keystile-Username", "Key: admin")
            .and("x_keystile_username", "Key: admin")
            .and("X-Keystile-Replayed", "true")
            .and("X-Keystile-Environment", "Test")
            .and("X-Engine-Key", "guessed")
            .and("X-HTTP-Method-Override", "DELETE")
            .and("X-Method-Override", "DELETE")
            .and("X-Original-URL", "/admin")
            .and("X-Rewrite-URL", "/admin");
        let arrived = forged.is_taken(&world, "forged fields beside a right signature");
        assert_eq!(arrived.all("x-keystile-username"), [format!("Webhook: {scheme}/{scheme}")]);
        assert_eq!(arrived.all("x-engine-key"), [PRODUCTION_SECRET]);
        let text = arrived.text();
        for gone in ["admin", "guessed", "DELETE", "x-keystile-replayed"] {
            assert!(!text.to_lowercase().contains(&gone.to_lowercase()), "{scheme}: {gone} arrived: {text}");
        }
        assert_eq!(arrived.line(), format!("POST /hooks/{scheme} HTTP/1.1"));
    }
}

#[test]
fn hazard_1_a_token_beside_a_signature_does_nothing_and_stays_here() {
    let world = hooks(World::build(), "").start();
    let crm = token("crm");
    for scheme in SCHEMES {
        for (name, value) in [
            ("Authorization", format!("Key={crm}")),
            ("Authorization", format!("Bearer {crm}")),
            ("X-API-Key", crm.clone()),
            ("x_api_key", crm.clone()),
        ] {
            let arrived = Delivery::of(scheme).and(name, &value).is_taken(&world, name);
            assert!(!arrived.text().contains(&crm[8..28]), "{scheme}: {name}: {}", arrived.text());
            let username = format!("Webhook: {scheme}/{scheme}");
            assert_eq!(arrived.header("x-keystile-username"), Some(username), "the signature is what counts");
            // Nor does it stand in for one.
            let header = header_of(scheme);
            Delivery::of(scheme).without(header).and(name, &value).is_refused(&world, name, MISSING);
            let wrong = Delivery::of(scheme).saying("Canary=changed").and(name, &value);
            wrong.is_refused(&world, name, INVALID);
        }
        if scheme != "twilio" {
            for query in [format!("auth-key={crm}"), format!("a=1&auth%2Dkey={crm}&b")] {
                let arrived = Delivery::of(scheme).to(format!("/hooks/{scheme}?{query}")).is_taken(&world, &query);
                assert!(!arrived.text().contains(&crm[8..28]), "{scheme}: {}", arrived.text());
            }
        }
        // What is no token of ours is payload.
        let arrived =
            Delivery::of(scheme).and("Authorization", "Basic c2VuZGVyOnRoZWlycw==").is_taken(&world, "theirs");
        assert_eq!(arrived.header("authorization").as_deref(), Some("Basic c2VuZGVyOnRoZWlycw=="));
    }
}

#[test]
fn hazard_2_connection_cannot_name_the_signature_away_and_slip_through() {
    let world = hooks(World::build(), "").start();
    for scheme in SCHEMES {
        let header = header_of(scheme);
        for list in [header.to_owned(), format!("close, {}", header.to_lowercase()), format!("{header}, x-engine-key")]
        {
            let wrong = Delivery::of(scheme).saying("Canary=changed").and("Connection", &list);
            wrong.is_refused(&world, &list, INVALID);
            let unsigned = Delivery::of(scheme).without(header).and("Connection", &list);
            unsigned.is_refused(&world, &list, MISSING);
            // Ours are put in afterwards.
            let reply = Delivery::of(scheme).and("Connection", &list).send(&world);
            if reply.status == 200 {
                let arrived = world.production.last();
                assert_eq!(arrived.header("x-engine-key").as_deref(), Some(PRODUCTION_SECRET));
                assert_eq!(arrived.header("x-keystile-username"), Some(format!("Webhook: {scheme}/{scheme}")));
            } else {
                assert_eq!(reply.status, 401, "{scheme}: {list}: {}", reply.text());
            }
        }
        for name in ["webhook-id", "webhook-timestamp", "X-Slack-Request-Timestamp"] {
            let old = Delivery::signed(scheme, &secret(scheme), b"Canary=old", now() - 5000);
            if TIMED.contains(&scheme) && scheme != "stripe" && old.fields.iter().any(|(known, _)| known == name) {
                let named = old.and("Connection", name);
                named.is_refused_with(&world, name, &[INVALID, MISSING, "401 signature_expired"]);
            }
        }
    }
}

#[test]
fn hazard_6_a_signature_opens_its_own_path_and_method_and_no_other() {
    let public = "template: 'GET /hooks/github', upstream: { Production: engine-production }";
    let world = hooks(World::build(), "").workflow("by-key", public).start();
    for scheme in SCHEMES {
        let own = format!("/hooks/{scheme}");
        for (target, statuses) in [
            (format!("{own}/"), vec![400, 401, 404]),
            (format!("/{own}"), vec![400]),
            (format!("/hooks/../hooks/{scheme}"), vec![400]),
            (format!("/hooks/%2e%2e{own}"), vec![400, 401, 404]),
            (format!("/hooks%2f{scheme}"), vec![400, 401, 404]),
            (own.to_uppercase(), vec![401, 404]),
            (format!("{own};x"), vec![400, 401, 404]),
            (format!("{own}%00"), vec![400, 401, 404]),
            (format!("{own}%20"), vec![400, 401, 404]),
            ("/orders".to_owned(), vec![401]),
            ("/customers/1".to_owned(), vec![401, 404, 405]),
        ] {
            let reply = Delivery::of(scheme).to(&target).send(&world);
            assert!(statuses.contains(&reply.status), "{scheme}: {target}: {}", reply.verdict());
        }
        for method in ["GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let mut delivery = Delivery::of(scheme);
            delivery.method = method.to_owned();
            let mut connection = world.connect();
            connection.write(&delivery.ask(&world).bytes());
            let status = connection.read(method == "HEAD").unwrap().status;
            assert!(matches!(status, 401 | 404 | 405), "{scheme}: {method}: {status}");
        }
    }
    world.assert_untouched();
}

#[test]
fn hazard_10_a_head_that_is_none_is_none_with_a_signature_too() {
    let world = hooks(World::build(), "").start();
    for scheme in SCHEMES {
        let (header, delivery) = (header_of(scheme), Delivery::of(scheme));
        let bytes = delivery.ask(&world).bytes();
        let text = String::from_utf8(bytes).unwrap();
        let value = delivery.signature();
        for (what, changed) in [
            ("folded", text.replace(&value, &format!("{}\r\n {}", &value[..9], &value[9..]))),
            ("folded in front", text.replace(&format!("{header}: "), &format!("{header}:\r\n "))),
            ("a nought", text.replace(&value, &format!("{value}\0"))),
            ("a nought within", text.replace(&value, &format!("{}\0{}", &value[..9], &value[9..]))),
            ("a bare CR", text.replace(&value, &format!("{value}\rX: y"))),
            ("a bare LF", text.replace(&format!("{header}: "), &format!("X: y\n{header}: "))),
            ("DEL", text.replace(&value, &format!("{value}\x7f"))),
            ("no colon", text.replace(&format!("{header}: "), &format!("{header} "))),
        ] {
            let status = raw(world.address(), &changed).status;
            assert_eq!(status, 400, "{scheme}: {what}");
        }
    }
    world.assert_untouched();
}

#[test]
fn h1_require_says_what_has_to_be_proved() {
    let mut build = World::build();
    for require in ["signature", "either", "both"] {
        let webhook = format!("scheme: github, secrets: ['file:github.signing'], require: {require}");
        build = custom(build.file("github.signing", secret("github")), require, &webhook);
    }
    let world = custom(build, "key", "require: key").start();
    let (crm, all) = (format!("Key={}", token("crm")), format!("Key={}", token("all")));
    let (wrong, other) = (format!("Key={}", token("stranger")), "Basic dTpw".to_owned());
    let header = header_of("github");
    // What is sent: the signature (right, wrong, none), the key; and how each of signature, key, either, both takes it.
    let cases: [(&str, Option<&String>, [&str; 4]); 12] = [
        ("right", None, ["webhook", "401 missing_key", "webhook", "401 missing_key"]),
        ("right", Some(&all), ["webhook", "key", "key", "key"]),
        (
            "right",
            Some(&crm),
            ["webhook", "403 workflow_not_permitted", "403 workflow_not_permitted", "403 workflow_not_permitted"],
        ),
        ("right", Some(&wrong), ["webhook", "401 invalid_key", "401 invalid_key", "401 invalid_key"]),
        ("right", Some(&other), ["webhook", "401 missing_key", "webhook", "401 missing_key"]),
        ("wrong", None, [INVALID, "401 missing_key", INVALID, "401"]),
        ("wrong", Some(&all), [INVALID, "key", INVALID, INVALID]),
        ("wrong", Some(&wrong), [INVALID, "401 invalid_key", "401", "401"]),
        ("none", None, [MISSING, "401 missing_key", "401", "401"]),
        ("none", Some(&all), [MISSING, "key", "key", MISSING]),
        ("none", Some(&wrong), [MISSING, "401 invalid_key", "401 invalid_key", "401"]),
        ("none", Some(&crm), [MISSING, "403 workflow_not_permitted", "403 workflow_not_permitted", MISSING]),
    ];
    let mut taken = 0;
    for (signature, key, wanted) in cases {
        for (require, wanted) in ["signature", "key", "either", "both"].into_iter().zip(wanted) {
            let delivery = Delivery::of("github").to(format!("/hooks/{require}"));
            let delivery = match signature {
                "right" => delivery,
                "wrong" => delivery.saying("changed"),
                _ => delivery.without(header),
            };
            let delivery = key.map_or(delivery.clone(), |key| delivery.and("Authorization", key));
            let what = format!("{signature} signature, {key:?}, require: {require}");
            let username = match wanted {
                "webhook" => format!("Webhook: {require}/github"),
                "key" => "Key: all".to_owned(),
                _ => {
                    let reply = delivery.send(&world);
                    assert!(reply.verdict().starts_with(wanted), "{what}: {} instead of {wanted}", reply.verdict());
                    continue;
                }
            };
            let arrived = delivery.is_taken(&world, &what);
            assert_eq!(arrived.header("x-keystile-username"), Some(username), "{what}");
            taken += 1;
        }
    }
    assert_eq!(world.production.count(), taken, "nothing arrived of what was refused");
}

#[test]
fn h3_wrong_signatures_lock_nobody_out() {
    let build = World::build().listener("failed_auth_limit: 5/min");
    let world = hook(hooks(build, ""), "again", "github", "").start();
    for _ in 0..40 {
        Delivery::of("github").saying("changed").is_refused(&world, "wrong", INVALID);
    }
    // Of the same address, by a right signature: as many as it likes.
    for _ in 0..10 {
        Delivery::of("github").is_taken(&world, "after 40 wrong ones");
    }
    // Whoever guesses keys from there is slowed by then.
    let guess = world.get("/customers/1").key("a-guess-of-twenty-characters").send();
    assert_eq!(guess.status, 429, "{}", guess.verdict());
}

#[test]
fn h3_where_refusals_are_concealed_a_webhook_is_no_different_from_nothing() {
    let world = hooks(World::build().listener("conceal: true"), "").start();
    let nothing = |delivery: &Delivery| delivery.clone().to("/hooks/nowhere").send(&world).anonymous();
    for scheme in SCHEMES {
        let right = Delivery::of(scheme);
        let old = Delivery::signed(scheme, &secret(scheme), b"Canary=old", now() - 100_000).saying("Canary=new");
        for (what, delivery) in [
            ("unsigned", right.clone().without(header_of(scheme))),
            ("wrong", right.clone().saying("Canary=changed")),
            ("broken", right.clone().forged("v1=")),
            ("old", old),
        ] {
            assert_eq!(delivery.send(&world).anonymous(), nothing(&delivery), "{scheme}: {what}");
        }
        right.is_taken(&world, "right");
    }
}

#[test]
fn h1_over_http_1_0_a_delivery_is_a_delivery() {
    let world = hooks(World::build(), "").start();
    for scheme in SCHEMES {
        let right = Delivery::of(scheme);
        let text = String::from_utf8(right.ask(&world).bytes()).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
        assert_eq!(raw(world.address(), text).verdict(), "200", "{scheme}");
        assert_eq!(world.production.last().body, right.body, "{scheme}");
        let wrong = Delivery::of(scheme).saying("Canary=changed");
        let text = String::from_utf8(wrong.ask(&world).bytes()).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
        assert_eq!(raw(world.address(), text).verdict(), INVALID, "{scheme}");
    }
    assert_eq!(world.production.count(), SCHEMES.len());
}
