//! C5, hazards 2 and 3: the connection's secret arrives exactly once, where it belongs, whatever the caller wrote there.

use crate::support::world::PRODUCTION_SECRET as SECRET;
use crate::support::{Ask, Builder, Recorded, World, token};

/// A world with the workflow `to`, whose connection injects so.
fn injecting(inject: &str) -> World {
    with(World::build(), inject).start()
}

fn with(build: Builder, inject: &str) -> Builder {
    let fields = format!("base_url: 'http://{{production}}', inject: {inject}, secret: 'file:production.secret'");
    build.route("to", &fields)
}

/// `GET /to/x`, the key in a place that nothing is injected into.
fn call(world: &World, target: &str) -> Ask {
    world.get(target).key(&token("all"))
}

/// The secret arrived once in all of the request, in this spelling.
#[track_caller]
fn assert_once(arrived: &Recorded, spelled: &str) {
    assert_eq!(arrived.text().matches(spelled).count(), 1, "{spelled} in\n{}", arrived.text());
}

fn percent(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn c5_a_header_with_and_without_a_template() {
    for (inject, name, value) in [
        ("{ header: X-Engine-Key }", "x-engine-key", "{}"),
        ("{ header: Authorization, value: 'Bearer {secret}' }", "authorization", "Bearer {}"),
        (
            "{ header: authorization, value: 'Token token=\"{secret}\", v=1' }",
            "authorization",
            "Token token=\"{}\", v=1",
        ),
        ("{ header: X-API-Key }", "x-api-key", "{}"),
        ("{ header: Cookie, value: 'session={secret}' }", "cookie", "session={}"),
    ] {
        let world = injecting(inject);
        let arrived = world.arrived(&call(&world, "/to/x"));
        assert_eq!(arrived.header(name), Some(value.replace("{}", SECRET)), "{inject}");
        assert_once(&arrived, SECRET);
    }
}

#[test]
fn c5_basic_with_the_secret_as_user_as_password_or_inside_one() {
    for (inject, pair) in [
        ("{ basic: { username: api } }", format!("api:{SECRET}")),
        ("{ basic: { username: '{secret}', password: '' } }", format!("{SECRET}:")),
        ("{ basic: { username: 'u@x', password: 'key-{secret}' } }", format!("u@x:key-{SECRET}")),
    ] {
        let world = injecting(inject);
        let arrived = world.arrived(&call(&world, "/to/x"));
        assert_eq!(arrived.header("authorization"), Some(format!("Basic {}", base64(&pair))), "{inject}");
        assert!(!arrived.text().contains(SECRET), "in its base64 form alone");
    }
}

#[test]
fn c5_a_query_parameter_is_appended_encoded_and_the_callers_query_stays_to_the_byte() {
    let world = injecting("{ query: api_key }");
    let pair = format!("api_key={}", percent(SECRET));
    for (sent, arrives) in [
        ("/to/x", format!("/to/x?{pair}")),
        ("/to/x?", format!("/to/x?&{pair}")),
        ("/to/x?a=%41&b=+&&c", format!("/to/x?a=%41&b=+&&c&{pair}")),
    ] {
        assert_eq!(world.arrived(&call(&world, sent)).target(), arrives);
    }
    let in_query = world.get(&format!("/to/x?auth-key={}&a=1", token("all")));
    assert_eq!(world.arrived(&in_query).target(), format!("/to/x?a=1&{pair}"));
    let world = injecting("{ query: token, value: 'v1 {secret}' }");
    assert_eq!(world.arrived(&call(&world, "/to/x")).target(), format!("/to/x?token=v1%20{}", percent(SECRET)));
}

#[test]
fn c5_a_path_segment_stands_before_the_calls_path_and_after_the_base_url() {
    let fields = "base_url: 'http://{production}/api', inject: { path: '/bot{secret}' }, secret: 'file:bot.secret'";
    let world = World::build().route("to", fields).file("bot.secret", "12345:AA-b_c/../d?e#f").start();
    let arrived = world.arrived(&call(&world, "/to/x?a=1"));
    assert_eq!(arrived.target(), "/api/bot12345:AA-b_c%2F..%2Fd%3Fe%23f/to/x?a=1", "no byte of it leaves its segment");
}

#[test]
fn c5_several_at_once() {
    let world = injecting(
        "[{ header: X-Engine-Key }, { query: api_key }, { basic: { username: api } }, { path: '/k{secret}' }]",
    );
    let ask = call(&world, "/to/x?api_key=mine&a=1").header("X-Engine-Key", "mine").header("X-API-Key", token("all"));
    let arrived = world.arrived(&ask);
    assert_eq!(arrived.header("x-engine-key").as_deref(), Some(SECRET));
    assert_eq!(arrived.header("authorization"), Some(format!("Basic {}", base64(&format!("api:{SECRET}")))));
    assert_eq!(arrived.target(), format!("/k{0}/to/x?a=1&api_key={0}", percent(SECRET)));
    assert!(!arrived.text().contains("mine"));
}

#[test]
fn c5_two_values_for_one_place_are_refused_when_loaded() {
    for inject in [
        "[{ header: X-Engine-Key }, { header: x_engine_key }]",
        "[{ basic: { username: a } }, { header: authorization }]",
        "[{ query: api_key }, { query: api-key }]",
        "[{ path: '/a{secret}' }, { path: '/b{secret}' }]",
    ] {
        let said = with(World::build(), inject).refused();
        assert!(said.contains("same place"), "{inject}: {said}");
        assert!(!said.contains(SECRET));
    }
}

#[test]
fn c5_a_secret_that_fits_no_header_is_refused_when_loaded_and_never_repeated() {
    for secret in ["line\nbreak-0815", "carriage\rreturn-0815", "nul\0byte-0815", "tab\tinside-0815"] {
        let said = with(World::build(), "{ header: X-Engine-Key }").file("production.secret", secret).refused();
        assert!(said.contains("secret") && !said.contains("0815"), "{secret:?}: {said}");
    }
}

#[test]
fn hazard_3_the_callers_own_value_in_an_injected_header_is_replaced_in_every_spelling() {
    let world = injecting("{ header: X-Engine-Key }");
    for name in
        ["X-Engine-Key", "x-engine-key", "X-ENGINE-KEY", "X_Engine_Key", "x-engine_key", "X.Engine.Key", "x~engine|key"]
    {
        let ask =
            call(&world, "/to/x").header(name, "mine").header(name, "mine-too").header("X-Engine-Key", "mine-as-well");
        let arrived = world.arrived(&ask);
        assert_eq!(arrived.header("x-engine-key").as_deref(), Some(SECRET), "{name}");
        assert!(!arrived.text().contains("mine"), "{name}:\n{}", arrived.text());
    }
    for other in ["X-Engine-Keys", "X-Engine", "XEngineKey"] {
        let arrived = world.arrived(&call(&world, "/to/x").header(other, "mine"));
        assert_eq!(arrived.header(other).as_deref(), Some("mine"), "{other} is another field");
    }
}

#[test]
fn hazard_3_the_callers_own_value_in_an_injected_parameter_is_replaced_in_every_spelling() {
    let world = injecting("{ query: api_key }");
    let ours = format!("a=1&b=2&api_key={}", percent(SECRET));
    for name in [
        "api_key",
        "API_KEY",
        "Api_Key",
        "%61pi_key",
        "api%5Fkey",
        "api%5fkey",
        "api-key",
        "api.key",
        "api+key",
        "api%20key",
        "%41%50%49_key",
    ] {
        for own in [
            format!("{name}=mine"),
            name.to_owned(),
            format!("{name}=mine&{name}=mine"),
            format!("{name}=mine&api_key="),
            format!("c=3;{name}=mine"),
        ] {
            let arrived = world.arrived(&call(&world, &format!("/to/x?a=1&{own}&b=2")));
            assert_eq!(arrived.target(), format!("/to/x?{ours}"), "{own}");
        }
    }
    for other in ["apikey=mine", "api_keys=mine", "xapi_key=mine", "x=api_key=mine"] {
        let arrived = world.arrived(&call(&world, &format!("/to/x?{other}")));
        assert_eq!(arrived.target(), format!("/to/x?{other}&api_key={}", percent(SECRET)));
    }
}

#[test]
fn hazard_3_the_callers_own_authorization_is_replaced_where_basic_is_injected() {
    let world = injecting("{ basic: { username: api } }");
    let ours = format!("Basic {}", base64(&format!("api:{SECRET}")));
    for value in ["Basic bWluZTptaW5l", "HMAC mine", "Digest username=mine", "mine"] {
        let ask = world.get("/to/x").header("X-API-Key", token("all")).header("Authorization", value);
        assert_eq!(world.arrived(&ask).header("authorization").as_ref(), Some(&ours), "{value}");
    }
}

#[test]
fn hazard_2_no_connection_line_names_the_injected_field_or_ours_away() {
    for (inject, name) in [
        ("{ header: X-Engine-Key }", "x-engine-key"),
        ("{ header: Authorization, value: '{secret}' }", "authorization"),
        ("{ header: X-API-Key }", "x-api-key"),
    ] {
        let world = injecting(inject);
        let ours =
            "X-Keystile-Username, x-keystile-key-id, x-keystile-workflow, X-Keystile-Environment, x-request-id, host";
        let ask = call(&world, "/to/x")
            .header("Connection", "keep-alive, Authorization, X-API-Key")
            .header("connection", "x-engine-key")
            .header("CONNECTION", format!(" ,, {ours} , x-forwarded-for"));
        let arrived = world.arrived(&ask);
        assert_eq!(arrived.header(name).as_deref(), Some(SECRET));
        for field in ours.split(", ").chain(["x-forwarded-for"]) {
            assert!(arrived.header(field).is_some(), "{field} was named away");
        }
        assert_eq!(arrived.header("x-keystile-username").as_deref(), Some("Key: all"));
    }
}

#[test]
fn hazard_2_what_every_connection_line_names_goes_and_so_do_all_hop_by_hop_fields() {
    let world = World::start();
    let ask = world
        .call("crm")
        .header("Connection", "X-Hop-One")
        .header("connection", "close, x-hop-two,X-HOP-THREE")
        .header("X-Hop-One", "hop")
        .header("x-hop-two", "hop")
        .header("X-Hop-Three", "hop")
        .header("Keep-Alive", "hop")
        .header("Proxy-Authorization", "Basic hop")
        .header("Proxy-Authenticate", "hop")
        .header("Proxy-Connection", "hop")
        .header("TE", "trailers, hop")
        .header("Trailer", "hop")
        .header("Upgrade", "hop")
        .header("HTTP2-Settings", "hop")
        .header("X-Stays", "to the end");
    let arrived = world.arrived(&ask);
    assert!(!arrived.text().to_ascii_lowercase().contains("hop"), "{}", arrived.text());
    assert_eq!(arrived.header("x-stays").as_deref(), Some("to the end"));
}

#[test]
fn c5_without_injection_nothing_is_added_and_the_host_is_the_upstreams() {
    let world = World::build().route("open", "base_url: 'http://{production}'").start();
    let arrived = world.arrived(&call(&world, "/open/x").header("X-Engine-Key", "the caller's own"));
    assert_eq!(arrived.header("x-engine-key").as_deref(), Some("the caller's own"));
    assert_eq!(arrived.header("host"), Some(world.production.address.to_string()));
    assert!(!arrived.text().contains(SECRET));
}
