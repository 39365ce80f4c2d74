//! Hazards 2–9 at the outbound door: what a caller writes to be somebody else, to reach something else, or to learn what
//! is not for him.

use crate::support::world::PRODUCTION_SECRET;
use crate::support::*;

/// Connections that inject in every way, `caller`'s, and `theirs`, which is another team's.
pub fn world() -> Builder {
    let to =
        |inject: &str| format!("base_url: 'http://{{production}}', inject: {inject}, secret: 'file:production.secret'");
    World::build()
        .outbound("failed_auth_limit: 10000/s")
        .key("caller", "connections: [header, query, path, bearer, both, listed, based]")
        .key("stranger", "connections: [theirs]")
        .connection("header", &to("{ header: X-Goog-Api-Key }"))
        .connection("query", &to("{ query: key }"))
        .connection("path", &to("{ path: '/bot{secret}' }"))
        .connection("bearer", &to("{ header: Authorization, value: 'Bearer {secret}' }"))
        .connection("both", &to("[{ header: X-Goog-Api-Key }, { query: key }]"))
        .connection("listed", &format!("{}, allow: [{{ methods: [GET], path: /v1/charges }}, {{ methods: [POST], path: /v1/refunds }}]", to("{ header: X-Engine-Key }")))
        .connection("based", "base_url: 'http://{production}/tenants/ours', inject: { header: X-Engine-Key }, secret: 'file:production.secret'")
        .connection("theirs", &to("{ header: X-Their-Key }"))
}

/// A call with `Keystile-Key`, so that everything else is payload.
pub fn ask(world: &World, target: &str) -> Ask {
    world.call_out("GET", target).header("Keystile-Key", token("caller"))
}

#[track_caller]
pub fn arrived(world: &World, ask: &Ask) -> Recorded {
    let before = world.production.count();
    let reply = ask.send();
    assert_eq!(reply.verdict(), "200", "{}\n{}", String::from_utf8_lossy(&ask.bytes()), reply.text());
    assert_eq!(world.production.count(), before + 1, "one call");
    world.production.last()
}

#[test]
fn hazard_2_no_connection_line_takes_the_injected_key_away() {
    let world = world().start();
    let lines = ["authorization, x-goog-api-key", "X-Goog-Api-Key", "close, AUTHORIZATION,, host, via, x-request-id"];
    for (connection, slot) in [("header", "x-goog-api-key"), ("bearer", "authorization")] {
        let ask =
            lines.iter().fold(ask(&world, &format!("/c/{connection}/x")), |ask, line| ask.header("Connection", *line));
        let seen = arrived(&world, &ask.header("Keep-Alive", "authorization"));
        assert!(seen.header(slot).unwrap().ends_with(PRODUCTION_SECRET));
        for kept in ["host", "via", "x-request-id"] {
            assert!(seen.header(kept).is_some(), "{kept}");
        }
    }
}

#[test]
fn hazard_3_the_injected_header_arrives_once_and_is_ours_in_every_spelling() {
    let world = world().start();
    for names in [
        &["X-Goog-Api-Key"][..],
        &["x-goog-api-key", "X-GOOG-API-KEY", "X-Goog-Api-Key"],
        &["x_goog_api_key", "X_Goog-Api_Key", "x.goog.api.key", "x-goog-api~key"],
    ] {
        let ask = names.iter().fold(ask(&world, "/c/header/x"), |ask, name| ask.header(name, "theirs"));
        let seen = arrived(&world, &ask);
        assert_eq!(seen.all("x-goog-api-key"), [PRODUCTION_SECRET]);
        assert!(!seen.text().contains("theirs"), "{}", seen.text());
    }
    let two =
        ask(&world, "/c/bearer/x").header("Authorization", "Bearer theirs").header("AUTHORIZATION", "Basic dGhlaXJz");
    assert_eq!(arrived(&world, &two).all("authorization"), [format!("Bearer {PRODUCTION_SECRET}")]);
}

#[test]
fn hazard_3_the_injected_parameter_arrives_once_and_is_ours_in_every_spelling() {
    let world = world().start();
    for query in [
        "key=theirs",
        "%6Bey=theirs&ke%79=theirs&KEY=theirs",
        "key=theirs;key=theirs",
        "a;key=theirs",
        "key[]=theirs&key[0]=theirs&key%5Bx%5D=theirs",
        "+key=theirs&%20key=theirs&key%00=theirs",
        "key=theirs&key",
    ] {
        let seen = arrived(&world, &ask(&world, &format!("/c/query/x?{query}&keep=1&monkey=2")));
        assert_eq!(seen.target(), "/x?keep=1&monkey=2&key=production-secret-Zk3%2F%2Bq8", "{query}");
    }
}

#[test]
fn hazard_3_the_callers_own_path_segment_is_replaced_in_every_spelling() {
    let world = world().start();
    let own = "1:theirs-who-knows";
    for (path, left) in [
        (format!("/bot{own}/getMe"), "/getMe"),
        (format!("/%62ot{own}/getMe"), "/getMe"),
        (format!("/%62%6F%74{}/getMe", own.replace(':', "%3A")), "/getMe"),
        (format!("/bot{own}"), ""),
        ("/getMe".to_owned(), "/getMe"),
    ] {
        let reply = ask(&world, &format!("/c/path{path}")).send();
        assert_eq!(reply.verdict(), "200");
        assert_eq!(world.production.last().target(), format!("/botproduction-secret-Zk3%2F%2Bq8{left}"), "{path}");
        let record = world.record_of(&reply);
        assert!(!record.to_string().contains("who-knows"), "a bot's token is not written down: {record}");
    }
    let file = ask(&world, &format!("/c/path/file/bot{own}/a.jpg")).send();
    assert_eq!(world.record_of(&file)["path"], "/c/path/file/bot…/a.jpg");
}

#[test]
fn hazard_4_no_provider_believes_who_calls() {
    let world = world().start();
    let forged = [
        "X-Keystile-Username",
        "X-Keystile-Key-Id",
        "X-Keystile-Workflow",
        "x_keystile_environment",
        "Keystile-Key-Id",
        "keystile_connection",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X_Forwarded_Proto",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "X-Client-Cert",
        "Client-Cert",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy",
    ];
    let forging = forged.iter().fold(ask(&world, "/c/header/x"), |ask, name| ask.header(name, "forged"));
    let seen = arrived(&world, &forging.header("X-Request-Id", "forged"));
    assert!(!seen.text().contains("forged"), "{}", seen.text());
}

#[test]
fn hazard_5_c11_the_method_that_was_judged_is_the_one_that_is_acted_upon() {
    let world = world().start();
    assert_eq!(ask(&world, "/c/listed/v1/refunds").send().verdict(), "403 call_not_allowed");
    let mut overriding = ask(&world, "/c/listed/v1/charges");
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override"] {
        overriding = overriding.header(name, "DELETE");
    }
    let seen = arrived(&world, &overriding);
    assert_eq!(seen.line(), "GET /v1/charges HTTP/1.1");
    assert!(!seen.text().contains("DELETE"), "{}", seen.text());
    for method in ["DELETE", "get", "Get", "PATCH", "OPTIONS"] {
        let reply = world.call_out(method, "/c/listed/v1/charges").header("Keystile-Key", token("caller")).send();
        assert_eq!(reply.verdict(), "403 call_not_allowed", "{method}");
    }
}

#[test]
fn hazard_6_no_path_leads_to_another_connection_or_out_of_a_base_path_or_a_list() {
    let world = world().start();
    let up = [
        "..",
        "%2e%2e",
        ".%2E",
        "%2e.",
        "..;",
        "..;x=1",
        "%2e%2e%3b",
        "..%2f",
        "..%5c",
        "..\\",
        "%252e%252e",
        "..%00",
        ".",
        "%c0%ae%c0%ae",
        "%",
        "",
    ];
    for up in up {
        for path in [
            format!("/c/header/{up}/theirs/x"),
            format!("/c/{up}/c/theirs/x"),
            format!("/{up}/c/header/x"),
            format!("/c/based/{up}/theirs"),
            format!("/c/listed/v1/charges/{up}/balance"),
            format!("/c/listed/v1/charges{up}/{up}/balance"),
        ] {
            let verdict = ask(&world, &path).send().verdict();
            assert!(["400 ambiguous_path", "404 connection_not_found"].contains(&&*verdict), "{path}: {verdict}");
        }
    }
    for path in
        ["/v1/Charges", "/v1/charges;x/1", "/v1/charges%3b", "/v1%20/charges", "/V1/charges", "/v1/charges.", "", "/"]
    {
        assert_eq!(ask(&world, &format!("/c/listed{path}")).send().verdict(), "403 call_not_allowed", "{path}");
    }
    world.assert_untouched();
    assert_eq!(arrived(&world, &ask(&world, "/c/based?a=/../b")).target(), "/tenants/ours?a=/../b");
    assert_eq!(arrived(&world, &ask(&world, "/c/based/")).target(), "/tenants/ours/");
}

#[test]
fn hazard_7_two_credentials_are_one_verdict() {
    let world = world().start();
    let (good, other) = (token("caller"), token("stranger"));
    let call = |target: &str, fields: &[(&str, String)]| {
        let ask =
            fields.iter().fold(world.call_out("GET", target), |ask, (name, value)| ask.header(name, value.clone()));
        ask.send().verdict()
    };
    let bearer = |token: &str| ("Authorization", format!("Bearer {token}"));
    let keystile = |token: &str| ("Keystile-Key", token.to_owned());
    let slot = |token: &str| ("X-Goog-Api-Key", token.to_owned());
    for (target, fields) in [
        ("/c/header/x", vec![keystile(&good), keystile(&other)]),
        ("/c/header/x", vec![keystile(&good), ("Proxy-Authorization", format!("Bearer {other}"))]),
        ("/c/header/x", vec![bearer(&good), bearer(&other)]),
        ("/c/header/x", vec![bearer(&good), bearer(&good)]),
        ("/c/header/x", vec![bearer(&good), slot(&other)]),
        ("/c/header/x", vec![slot(&good), slot("dummy")]),
        ("/c/header/x", vec![slot(&good), slot(&other)]),
        ("/c/both/x?key=dummy", vec![slot(&good)]),
        (&format!("/c/both/x?key={good}&ke%79={other}"), vec![]),
        (&format!("/c/header/x?auth-key={other}"), vec![bearer(&good)]),
    ] {
        assert_eq!(call(target, &fields), "400 conflicting_credentials", "{target} {}", fields.len());
    }
    for wrong in [keystile("wrong"), keystile(""), ("Proxy-Authorization", "Basic Og==".into())] {
        assert_eq!(call("/c/header/x", &[wrong, bearer(&good)]), "401 invalid_key", "it decides alone");
    }
    let elsewhere = format!("/c/header/bot{good}/x");
    for fields in [vec![], vec![keystile(&good)]] {
        let verdict = call(&elsewhere, &fields);
        assert_eq!(verdict, "400 conflicting_credentials", "another connection's slot: nothing to this one's provider");
    }
    world.assert_untouched();
    assert_eq!(
        call(&format!("/c/both/x?key={good}"), &[slot(&good), bearer(&good)]),
        "200",
        "the same one thrice is one"
    );
}

#[test]
fn hazard_8_another_teams_connection_answers_as_none_however_it_is_asked_for() {
    let world =
        world().key("empty", "connections: []").key("no-scope-out", "connections: [header], scopes: []").start();
    let id = keystile::model::Uid::declared("connection", "theirs").to_string();
    for key in ["caller", "empty", "no-scope-out", "disabled", "expired", "nobody", ""] {
        for method in ["GET", "POST", "HEAD", "OPTIONS", "BREW"] {
            for rest in ["", "/", "/v1/x?key=1", "/bot1/x", "/../x", "/x?auth-key=1&auth-key=1"] {
                for fields in [
                    vec![],
                    vec![("Keystile-Environment", "Test")],
                    vec![("Keystile-Environment", "Nowhere")],
                    vec![("X-Their-Key", "theirs")],
                    vec![("Content-Length", "99999999999")],
                    vec![("Expect", "100-continue"), ("Upgrade", "websocket"), ("Connection", "upgrade")],
                ] {
                    // Some of these want more than one look, so one connection each.
                    let say = |name: &str| {
                        let ask = world.call_out(method, &format!("/c/{name}{rest}")).header("Connection", "close");
                        let ask = if key.is_empty() { ask } else { ask.key(&token(key)) };
                        fields.iter().fold(ask, |ask, (name, value)| ask.header(name, *value)).send().anonymous()
                    };
                    let nothing = say("nowhere");
                    assert!(!nothing.starts_with("HTTP/1.1 2"), "{nothing}");
                    assert_eq!(say("theirs"), nothing, "{key} {method} {rest} {fields:?}");
                    if method == "GET" {
                        assert_eq!(say(&id), nothing, "{key} {method} {rest} {fields:?}");
                    }
                }
            }
        }
    }
    world.assert_untouched();
}

#[test]
fn hazard_9_several_guesses_in_a_request_are_as_many_tries() {
    let to = |n: usize| {
        format!("base_url: 'http://{{production}}', inject: {{ header: X-Slot-{n} }}, secret: 'file:production.secret'")
    };
    let world = World::build()
        .outbound("failed_auth_limit: 6/day")
        .connection("one", &to(1))
        .connection("two", &to(2))
        .connection("three", &to(3))
        .key("legacy", "secondary: 'legacy-token-of-another-system', connections: all")
        .start();
    let guess = |n: usize| format!("a-guess-of-twenty-characters-{n}");
    let three = |n: usize| {
        (1..=3)
            .fold(world.call_out("GET", "/c/one/x"), |ask, slot| ask.header(&format!("X-Slot-{slot}"), guess(n + slot)))
    };
    assert_eq!(three(0).send().verdict(), "401 invalid_key");
    assert_eq!(three(3).send().verdict(), "401 invalid_key");
    assert_eq!(three(6).send().verdict(), "429 rate_limited", "six guesses were made");
    // A well-formed token beside it is judged, and buys no look-up.
    let beside = world.call_out("GET", "/c/one/x").header("X-Slot-1", "legacy-token-of-another-system");
    assert_eq!(beside.clone().send().verdict(), "429 rate_limited");
    assert_eq!(beside.header("X-Slot-2", token("nobody")).send().verdict(), "401 invalid_key");
    assert_eq!(world.call_out("GET", "/c/one/x").header("X-Slot-1", token("legacy")).send().verdict(), "200");
}
