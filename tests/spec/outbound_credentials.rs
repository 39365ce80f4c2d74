//! Hazard 1 (T3) at the outbound door: tokens in every place that some connection takes them from, in every spelling, and
//! the connections' secrets, reach no provider (but the one secret its own), no log, no reply and no metric.

use crate::support::hunt::{Hunt, assert_absent};
use crate::support::world::{PRODUCTION_SECRET, TEST_SECRET};
use crate::support::*;

const CONNECTIONS: [&str; 6] = ["header", "query", "path", "basic", "bearer", "dead"];

/// What misbehaves repeats what it was sent.
fn misbehave(request: &Recorded) -> Answer {
    let sent = request.text().replace(['\r', '\n'], " ");
    match request.target().split(['?', '/']).find(|word| ENDS.contains(word)).unwrap_or_default() {
        "garbage" => Answer::Last(sent.into_bytes()),
        "bad-status" => Answer::Last(format!("HTTP/1.1 {sent}\r\n\r\n").into_bytes()),
        "bad-field" => Answer::Last(format!("HTTP/1.1 200 OK\r\n{sent}\0: {sent}\r\n\r\n").into_bytes()),
        "bad-length" => Answer::Last(format!("HTTP/1.1 200 OK\r\nContent-Length: {sent}\r\n\r\n").into_bytes()),
        "bad-chunk" => {
            Answer::Last(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{sent}\r\n").into_bytes())
        }
        "strange" => Answer::reply("200 OK", &[("Content-Encoding", "x-strange")], &sent),
        "hangs-up" => Answer::Last(Vec::new()),
        _ => Answer::reply("200 OK", &[], "ok"),
    }
}

const ENDS: [&str; 8] =
    ["fine", "garbage", "bad-status", "bad-field", "bad-length", "bad-chunk", "strange", "hangs-up"];

fn world() -> World {
    let to =
        |inject: &str| format!("base_url: 'http://{{production}}', inject: {inject}, secret: 'file:production.secret'");
    let dead = nobody();
    World::build()
        .answering(misbehave)
        .outbound("failed_auth_limit: 100000/s, max_body: 1KiB, timeouts: { head: 300ms, body_idle: 200ms }")
        .outbound("identity: caller")
        .root("log: { level: debug }")
        .connection("header", &to("{ header: X-Goog-Api-Key }"))
        .connection("query", &to("{ query: key }"))
        .connection("path", &to("{ path: '/bot{secret}' }"))
        .connection("basic", &to("{ basic: { username: api } }"))
        .connection("bearer", &to("{ header: Authorization, value: 'Bearer {secret}' }"))
        .connection("dead", &to("{ header: X-Dead }").replace("{production}", &dead.to_string()))
        .key("caller", "connections: all")
        .key("limited", "connections: all, rate_limit: 1/day")
        .key("empty", "connections: []")
        .start()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

fn basic(pair: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// A request with `token` in one place after the other; `rest` follows the connection's name.
fn requests(connection: &str, rest: &str, token: &str) -> Vec<String> {
    let call = |target: String, field: String| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n");
    let plain = format!("/c/{connection}{rest}");
    let mut all = Vec::new();
    for (name, value) in [
        ("Authorization", format!("Bearer {token}")),
        ("AUTHORIZATION", format!("kEy={token}")),
        ("Authorization", format!("token {token}")),
        ("Authorization", basic(&format!("{token}:"))),
        ("Authorization", basic(&format!("api:{token}"))),
        ("Keystile-Key", token.to_owned()),
        ("keystile-key", format!("Bearer {token}")),
        ("Proxy-Authorization", basic(&format!("x:{token}"))),
        ("X-API-Key", token.to_owned()),
        ("x_api_key", token.to_owned()),
        ("X-Goog-Api-Key", token.to_owned()),
        ("x_goog_api_key", token.to_owned()),
        ("X-Dead", token.to_owned()),
        ("Cookie", format!("a=1; session={token}")),
        ("Cookie", format!("session={}", percent(token))),
        ("Referer", format!("http://gateway/c/query?key={token}")),
        ("User-Agent", format!("agent/{token}")),
        ("Keystile-Connection", token.to_owned()),
        ("Keystile-Environment", token.to_owned()),
        ("X-Request-Id", token.to_owned()),
        ("X-Unheard-Of", basic(token)),
    ] {
        all.push(call(plain.clone(), format!("{name}: {value}")));
    }
    for spelled in [token.to_owned(), percent(token), token.replace('_', "%5F"), token.replacen('k', "%6B", 1)] {
        for query in ["key", "%6Bey", "KEY", "auth-key", "auth%2Dkey", "other", "key[]", "a;key", "a=1;other"] {
            all.push(call(format!("{plain}?a=b&{query}={spelled}"), "A: b".into()));
        }
        all.push(call(format!("{plain}?{spelled}"), "A: b".into()));
        for path in ["/bot", "/%62ot", "/file/bot", "/BOT", "/x/", "/", "/bot1"] {
            all.push(call(format!("/c/{connection}{path}{spelled}{rest}"), "A: b".into()));
        }
        all.push(call(format!("/c/{spelled}{rest}"), "A: b".into()));
    }
    all
}

/// Sends it, and beside a good token in each of the places that decide.
fn send_all(world: &World, hunt: &Hunt, connection: &str, rest: &str, token: &str) {
    let good = crate::support::token("caller");
    for request in requests(connection, rest, token) {
        let head = request.strip_suffix("\r\n").unwrap();
        hunt.send_to(world.outbound[0], &request);
        hunt.send_to(world.outbound[0], format!("{head}Keystile-Key: {good}\r\n\r\n"));
        hunt.send_to(world.outbound[0], format!("{head}Authorization: Bearer {good}\r\n\r\n"));
        hunt.send_to(world.outbound[1], &request);
    }
}

/// What arrived at the provider, without the secret where it belongs.
fn seen(world: &World) -> String {
    world.production.requests().iter().map(Recorded::text).collect()
}

#[test]
fn hazard_1_a_token_in_any_place_reaches_neither_provider_nor_log_nor_reply() {
    let (world, hunt) = (world(), Hunt::default());
    hunt.known(&[&token("caller"), &token("limited"), &token("empty"), PRODUCTION_SECRET, TEST_SECRET]);
    for connection in CONNECTIONS {
        send_all(&world, &hunt, connection, "/fine", &hunt.fresh());
        send_all(&world, &hunt, connection, "/fine", &token("caller"));
    }
    for key in ["limited", "empty"] {
        send_all(&world, &hunt, "query", "/fine", &token(key));
    }
    hunt.assert_clean(&world);
    assert!(world.production.count() > 500, "there was something to search: {}", world.production.count());
    let tokens: Vec<String> = hunt.canaries().into_iter().filter(|c| c.starts_with("kst_")).collect();
    assert_absent(&seen(&world), &tokens);
}

#[test]
fn hazard_1_no_failure_of_a_provider_writes_a_token_or_secret_down() {
    let (world, hunt) = (world(), Hunt::default());
    hunt.known(&[&token("caller"), PRODUCTION_SECRET, TEST_SECRET]);
    for connection in CONNECTIONS {
        for end in ENDS {
            for request in requests(connection, &format!("/{end}"), &token("caller")) {
                hunt.send_to(world.outbound[0], &request);
            }
        }
    }
    let head = format!("POST /c/query/fine?key={} HTTP/1.1\r\nHost: h\r\nContent-Length: ", token("caller"));
    for end in ["4096\r\n\r\n", "20\r\n\r\nshort", "20\r\nExpect: nonsense\r\n\r\n", "20\r\nA b: c\r\n\r\n"] {
        hunt.send_to(world.outbound[0], format!("{head}{end}"));
    }
    hunt.assert_clean(&world);
    let codes: Vec<String> = world.records().iter().filter_map(|r| r["code"].as_str().map(str::to_owned)).collect();
    for code in ["upstream_unreachable", "upstream_protocol", "body_too_large", "request_timeout", "bad_request"] {
        assert!(codes.iter().any(|c| c == code), "{code} was on the way");
    }
}

#[test]
fn hazard_1_a_bots_token_is_not_in_the_log_whoever_asks_and_wherever_it_stands() {
    let (world, hunt) = (world(), Hunt::default());
    let real = "4711:real-token-of-a-bot-Zq8";
    hunt.known(&["real-token-of-a-bot-Zq8"]);
    for key in ["caller", "empty", "nobody"] {
        for path in ["/bot", "/%62ot", "/file/bot", "/x/bot", "/fine/%62%6ft", "//bot", "/./bot", "/bot%00"] {
            for connection in ["path", "nowhere"] {
                let target = format!("/c/{connection}{path}{real}/getMe");
                // Also where the request is refused before its path is looked at.
                for fields in ["Host: h", "Host: a,b", "Host: h\r\nExpect: nonsense", "A: b"] {
                    let key = token(key);
                    hunt.send_to(
                        world.outbound[0],
                        format!("GET {target} HTTP/1.1\r\n{fields}\r\nKeystile-Key: {key}\r\n\r\n"),
                    );
                }
                hunt.send_to(world.outbound[1], format!("TRACE {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
                hunt.send_to(world.outbound[1], format!("GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
            }
        }
    }
    hunt.assert_clean(&world);
}

#[test]
fn k6_a_token_in_a_slot_of_the_url_is_flagged_and_has_its_sunset() {
    let world = world_with_sunset();
    let ask = |key: &str| world.call_out("GET", &format!("/c/query/x?key={}", token(key))).send();
    let reply = ask("caller");
    assert_eq!(reply.verdict(), "200");
    assert!(reply.header("deprecation").is_some());
    assert_eq!(world.record_of(&reply)["credential_in_query"], true);
    assert_eq!(ask("sunset-caller").verdict(), "401 query_key_sunset");
    assert_eq!(world.production.count(), 1);
}

fn world_with_sunset() -> World {
    World::build()
        .outbound("")
        .connection(
            "query",
            "base_url: 'http://{production}', inject: { query: key }, secret: 'file:production.secret'",
        )
        .key("caller", "connections: all")
        .key("sunset-caller", "connections: all, query_key_sunset: 2020-01-01T00:00:00Z")
        .start()
}
