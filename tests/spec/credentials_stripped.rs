//! K5, hazard 1: what a caller presents to the gateway goes no further, wherever and however it was written. Judged by
//! the bytes that an upstream was sent.

use crate::support::{Ask, Recorded, World, token};

/// Plain and in the encodings that could have been meant.
fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let percent = |upper: bool| -> String {
        secret.bytes().map(|b| if upper { format!("%{b:02X}") } else { format!("%{b:02x}") }).collect()
    };
    let engine = &base64::engine::general_purpose::STANDARD_NO_PAD;
    vec![secret.to_owned(), percent(true), percent(false), engine.encode(secret)]
}

#[track_caller]
fn assert_absent(arrived: &Recorded, secret: &str) {
    let text = arrived.text();
    for spelled in spellings(secret) {
        assert!(!text.contains(&spelled), "{spelled} arrived in\n{text}");
    }
    // Not even cut or in another case.
    assert!(!text.to_ascii_lowercase().contains("kst_"), "{text}");
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn k5_hazard_1_the_token_is_removed_from_every_accepted_place_and_spelling() {
    let world = World::start();
    let crm = token("crm");
    let get = || world.get("/customers/1");
    let in_headers = [
        ("Authorization", format!("Key={crm}")),
        ("authorization", format!("key {crm}")),
        ("AUTHORIZATION", format!("BEARER {crm}")),
        ("X-API-Key", crm.clone()),
        ("x-api-key", format!("  {crm}\t")),
        ("X-API-KEY", crm.clone()),
    ];
    for (name, value) in in_headers {
        let arrived = world.arrived(&get().header(name, value));
        assert_absent(&arrived, &crm);
        assert!(arrived.all("authorization").is_empty() && arrived.all("x-api-key").is_empty(), "{name}");
    }
    let encoded: String = crm.bytes().map(|b| format!("%{b:02x}")).collect();
    for name in ["auth-key", "auth%2Dkey", "auth%2dkey", "%61%75%74%68-key", "AUTH-KEY", "Auth%2DKey"] {
        for value in [&crm, &encoded, &crm.replace('_', "%5f"), &crm.replacen('k', "%6B", 1)] {
            let arrived = world.arrived(&get().query(&format!("a=1&{name}={value}&b=2")));
            assert_absent(&arrived, &crm);
            assert_eq!(arrived.target(), "/customers/1?a=1&b=2", "{name}={value}");
        }
    }
}

#[test]
fn k5_hazard_1_the_token_is_removed_from_aliases_that_some_upstreams_read_as_the_place() {
    let world = World::start();
    let crm = token("crm");
    for name in ["X_API_Key", "x_api_key", "X-API_KEY", "X.API.Key", "X-Api.Key"] {
        let arrived = world.arrived(&world.call("crm").header(name, &crm));
        assert_absent(&arrived, &crm);
        assert!(arrived.all(name).is_empty(), "{name}");
    }
    let arrived = world.arrived(&world.call("crm").query(&format!("auth_key={crm}&auth.key={crm}&x=1")));
    assert_absent(&arrived, &crm);
    assert_eq!(arrived.target(), "/customers/1?x=1");
}

#[test]
fn k5_a_query_loses_its_credential_and_not_one_other_byte() {
    let world = World::start();
    let crm = token("crm");
    for (sent, left) in [
        ("auth-key=T", "/customers/1"),
        ("?auth-key=T", "/customers/1??auth-key=T"),
        ("auth-key=T&", "/customers/1?"),
        ("&auth-key=T", "/customers/1?"),
        ("a=1&auth-key=T", "/customers/1?a=1"),
        ("auth-key=T&a=1", "/customers/1?a=1"),
        ("b=2&auth-key=T&a=1", "/customers/1?b=2&a=1"),
        ("b=%41%7a+%20&auth%2Dkey=T&&a&=&a=1&a=1", "/customers/1?b=%41%7a+%20&&a&=&a=1&a=1"),
        ("q=a?b/c:d@e!$'()*,;~[]{}|\\^`&auth-key=T", "/customers/1?q=a?b/c:d@e!$'()*,;~[]{}|\\^`"),
        ("q=%zz%&auth-key=T&r=%c3%28", "/customers/1?q=%zz%&r=%c3%28"),
        ("authkey=1&auth-key=T&auth-key2=2&xauth-key=3", "/customers/1?authkey=1&auth-key2=2&xauth-key=3"),
        ("a=auth-key=1&auth-key=T", "/customers/1?a=auth-key=1"),
    ] {
        let sent = sent.replace('T', &crm);
        // The one whose `?` is part of the name holds no credential: it is presented in a header then.
        if sent.starts_with('?') {
            assert_eq!(world.get(&format!("/customers/1?{sent}")).send().verdict(), "401 missing_key");
            continue;
        }
        let arrived = world.arrived(&world.get(&format!("/customers/1?{sent}")));
        assert_eq!(arrived.target(), left, "{sent}");
    }
}

#[test]
fn k5_without_a_credential_in_it_a_query_arrives_to_the_byte() {
    let world = World::start();
    for query in ["?", "?&", "?a", "?a=1&b=%zz&c=+&&", "?=", "?a=b=c;d=e?f", "?%61uth=1", "?{}|^`\\[]"] {
        let arrived = world.arrived(&world.get(&format!("/customers/1{query}")).key(&token("crm")));
        assert_eq!(arrived.target(), format!("/customers/1{query}"));
    }
}

#[test]
fn k5_tokens_of_ours_are_removed_from_switched_off_places_as_well() {
    let crm = token("crm");
    let basic = |pair: String| format!("Basic {}", base64(&pair));
    let off = World::build().listener("credentials: { authorization: false, query: false }").start();
    let in_header = || off.get("/customers/1").header("X-API-Key", &crm);
    let spare = token("all");
    for value in [
        format!("Bearer {spare}"),
        format!("Key={spare}"),
        format!("Token {spare}"),
        spare.clone(),
        format!("Custom a=1, key=\"{spare}\""),
        basic(format!("user:{spare}")),
        basic(format!("{spare}:")),
    ] {
        let arrived = off.arrived(&in_header().header("Authorization", &value));
        assert_absent(&arrived, &spare);
        assert!(arrived.all("authorization").is_empty(), "{value}");
    }
    for query in ["auth-key=S", "auth%2Dkey=S", "auth-key=%6bst_S", "auth-key=S&auth-key=S"] {
        let query = query.replace("%6bst_S", &spare.replacen('k', "%6b", 1)).replace('S', &spare);
        let arrived = off.arrived(&in_header().query(&query));
        assert_absent(&arrived, &spare);
        assert_eq!(arrived.target(), "/customers/1");
    }
    let off = World::build().listener("credentials: { header: false }").start();
    for name in ["X-API-Key", "x_api_key"] {
        let arrived = off.arrived(&off.call("crm").header(name, &spare));
        assert_absent(&arrived, &spare);
    }
}

#[test]
fn k5_what_is_not_ours_stays_in_switched_off_places() {
    let off = World::build().listener("credentials: { header: false, query: false }").start();
    let arrived = off.arrived(&off.call("crm").header("X-API-Key", "their-own").query("auth-key=their-own&a=1"));
    assert_eq!(arrived.header("x-api-key").as_deref(), Some("their-own"));
    assert_eq!(arrived.target(), "/customers/1?auth-key=their-own&a=1");
}

#[test]
fn k5_places_that_a_workflow_closes_are_emptied_of_our_tokens_too() {
    let template = "template: 'GET /strict', upstream: { Production: engine-production }";
    let world = World::build()
        .workflow("strict", &format!("{template}, credentials: {{ query: false, header: false }}"))
        .start();
    let all = token("all");
    let ask = world.get("/strict").key(&all).header("X-API-Key", &all).query(&format!("auth-key={all}&x=1"));
    let arrived = world.arrived(&ask);
    assert_absent(&arrived, &all);
    assert_eq!(arrived.target(), "/strict?x=1");
}

#[test]
fn k5_imported_tokens_are_removed_like_our_own() {
    let foreign = "legacy-token-4711-abcdefgh";
    let world = World::build().key("legacy", &format!("secondary: '{foreign}', workflows: all")).start();
    let get = || world.get("/customers/1");
    let mut every: Vec<Ask> = ["Authorization", "authorization"]
        .map(|name| get().header(name, format!("Bearer {foreign}")))
        .into_iter()
        .chain(["X-API-Key", "x-api-key"].map(|name| get().header(name, foreign)))
        .chain(["auth-key", "auth%2Dkey", "AUTH-KEY", "Auth%2dKey"].map(|n| get().query(&format!("x=1&{n}={foreign}"))))
        .collect();
    every.push(get().key(foreign).header("X_API_Key", foreign).header("x.api.key", foreign));
    for ask in every {
        assert_absent(&world.arrived(&ask), foreign);
    }
}

#[test]
fn k5_the_callers_body_is_its_own_and_arrives_to_the_byte() {
    let world = World::start();
    let all = token("all");
    let body: Vec<u8> = (0..=255).chain(all.bytes()).chain(*b"\r\n\r\n0\r\n").collect();
    for ask in [
        world.ask("POST", "/orders").key(&all).body(&body),
        world.ask("POST", "/orders").key(&all).chunks(&[&body[..7], &body[7..300], &body[300..]]),
    ] {
        let reply = ask.send();
        assert_eq!(reply.verdict(), "200");
        assert_eq!(world.production.last().body, body);
    }
}
