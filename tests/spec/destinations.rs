//! C10, C13, hazards 17, 19 and 20: a connection's secret goes to its own host, port and scheme, and only to addresses
//! that somebody allowed.

use crate::support::{Answer, Setup, Upstream, World, digest, token};
use std::net::TcpListener;

/// A file with one connection, `fields` its destination.
fn setup(fields: &str) -> Setup {
    let yaml = format!(
        "listeners:\n  admin: {{ address: 127.0.0.1:0 }}\n  inbound: [{{ address: 127.0.0.1:0 }}]\nworkers: 1\n\
         connections:\n  - {{ name: engine, inject: {{ header: X-Engine-Key }}, secret: 'file:engine.secret', {fields} }}\n\
         workflows:\n  - {{ name: any, template: 'GET /{{rest...}}', upstream: {{ Production: engine }} }}\n\
         keys:\n  - {{ name: k, primary: '{}', workflows: all }}\n",
        digest(&token("k"))
    );
    Setup::new(&yaml).file("engine.secret", "for-one-place-only")
}

#[test]
fn c13_a_literal_address_that_is_not_public_must_be_allowed_by_name() {
    for (host, what, remedy) in [
        ("127.0.0.1", "loopback", "127.0.0.0/8"),
        ("localhost", "loopback", "127.0.0.0/8"),
        ("10.1.2.3", "private", "10.1.2.3/32"),
        ("169.254.169.254", "a metadata service", "169.254.169.254/32"),
        ("100.64.0.1", "carrier-grade NAT", "100.64.0.1/32"),
        ("[::1]", "loopback", "::1/128"),
        ("[fd00:ec2::254]", "a metadata service", "fd00:ec2::254/128"),
        ("[fe80::1]", "link-local", "fe80::1/128"),
        ("[64:ff9b::7f00:1]", "NAT64", "64:ff9b::7f00:1/128"),
        ("[::ffff:10.0.0.1]", "private", "10.0.0.1/32"),
    ] {
        let told = setup(&format!("base_url: 'https://{host}:8443'")).refused();
        for part in [what, "base_url", "allow_networks", remedy] {
            assert!(told.contains(part), "{host}: no {part:?} in:\n{told}");
        }
        setup(&format!("base_url: 'https://{host}:8443', allow_networks: ['{remedy}']")).start();
    }
    let told = setup("base_url: 'https://localhost:8443'").refused();
    assert!(told.contains(r#"["127.0.0.0/8", "::1/128"]"#), "either may be localhost:\n{told}");
    let wrong = setup("base_url: 'https://10.1.2.3', allow_networks: ['127.0.0.0/8']").refused();
    assert!(wrong.contains("private"), "another network's allowance is none:\n{wrong}");
}

#[test]
fn c10_no_secret_in_the_clear_unless_the_connection_says_so() {
    let told = setup("base_url: 'http://engine.example'").refused();
    assert!(told.contains("in the clear") && told.contains("allow_cleartext"), "{told}");
    setup("base_url: 'http://engine.example', allow_cleartext: true").start();
    setup("base_url: 'https://engine.example'").start();
    setup("base_url: 'http://127.0.0.1:9', allow_networks: ['127.0.0.0/8']").start();
}

/// Spellings that are no address to a parser, and loopback to the resolver.
#[test]
fn hazard_20_a_name_that_leads_to_loopback_is_found_out_when_it_is_resolved() {
    for spelling in ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let gateway = setup(&format!("base_url: 'http://{spelling}:{port}', allow_cleartext: true")).start();
        let reply = gateway.get("/x").key(&token("k")).send();
        assert_eq!(reply.verdict(), "403 destination_not_allowed", "{spelling}: {}", reply.text());
        assert!(!reply.text().contains("127.0.0.1"), "the caller is not told addresses: {}", reply.text());
        let record = gateway.record_of(&reply);
        assert!(record["cause"].as_str().is_some_and(|c| c.contains("127.0.0.1 is loopback")), "{record}");
        assert!(listener.accept().is_err(), "{spelling}: connected to");
    }
}

#[test]
fn hazard_19_whatever_the_caller_says_of_the_host_the_connections_own_is_called() {
    let world = World::start();
    let elsewhere = Upstream::start();
    let there = elsewhere.address.to_string();
    for ask in [
        world.call("crm").header("Host", there.clone()),
        world.call("crm").header("X-Forwarded-Host", there.clone()),
        world.call("crm").header("Forwarded", format!("host={there}")),
        world.call("crm").header("X-Original-URL", format!("http://{there}/")),
        world.call("crm").header("Proxy", format!("http://{there}/")),
        world.ask("GET", &format!("http://{there}/customers/1")).key(&token("crm")),
    ] {
        let seen = world.arrived(&ask);
        assert_eq!(seen.header("host"), Some(world.production.address.to_string()));
        assert_eq!(seen.line(), "GET /customers/1 HTTP/1.1");
        for name in ["x-original-url", "proxy", "forwarded"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
    elsewhere.assert_untouched();
}

#[test]
fn hazard_17_a_redirect_of_any_kind_is_passed_back_and_the_secret_goes_nowhere() {
    let elsewhere = Upstream::start();
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("http://{}/customers/2", elsewhere.address);
        let said = location.clone();
        let world =
            World::build().answering(move |_| Answer::reply(status, &[("Location", &location)], "over there")).start();
        let reply = world.call("crm").send();
        assert_eq!(format!("{} {}", reply.status, reply.text()), format!("{} over there", &status[..3]));
        assert_eq!(reply.header("location"), Some(said.as_str()));
        assert_eq!(world.production.count(), 1, "{status}: asked once");
    }
    elsewhere.assert_untouched();
}
