//! Hazards 14, 17, 20–22 and 24, and the caps, at the outbound door: where a call ends, and what is sent when it must not.

use crate::support::h2_raw::{END_HEADERS, END_STREAM, H2, Outcome, frame, literals};
use crate::support::world::PRODUCTION_SECRET;
use crate::support::*;
use crate::tls::Authority;
use keystile::net::frames::HEADERS;

fn world() -> Builder {
    World::build().outbound("max_body: 1KiB, timeouts: { body_idle: 300ms }").key("caller", "connections: all")
}

fn ask(world: &World, method: &str, target: &str) -> Ask {
    world.call_out(method, target).header("Keystile-Key", token("caller"))
}

#[test]
fn hazard_17_a_redirect_is_passed_back_and_the_key_goes_nowhere_else() {
    let elsewhere = Upstream::start();
    let there = elsewhere.address;
    let world = world()
        .answering(move |request| {
            let status = request.target()[1..4].to_owned();
            let to = format!("http://{there}/{status}");
            Answer::reply(&format!("{status} Over There"), &[("Location", &to)], "over there")
        })
        .start();
    for status in ["301", "302", "303", "307", "308"] {
        for method in ["GET", "POST"] {
            let before = world.production.count();
            let reply = ask(&world, method, &format!("/c/engine-production/{status}")).body("x").send();
            assert_eq!(reply.verdict(), status);
            assert_eq!(reply.header("location"), Some(&*format!("http://{there}/{status}")));
            assert_eq!(world.production.count(), before + 1, "{status}: asked once");
        }
    }
    elsewhere.assert_untouched();
}

#[test]
fn hazard_17_from_https_to_http_neither() {
    let (ca, elsewhere) = (Authority::new(), Upstream::start());
    let location = format!("http://{}/x", elsewhere.address);
    let told = location.clone();
    let upstream = Upstream::answering(move |_| Answer::reply("307 Down", &[("Location", &location)], ""));
    let provider = Provider::start(&ca, &["api.example"], upstream);
    let world = secure(&ca, &provider, "").start();
    let reply = ask(&world, "GET", "/c/secure/x").send();
    assert_eq!((reply.status, reply.header("location")), (307, Some(&*told)));
    assert_eq!(provider.upstream.last().header("host").as_deref(), Some("api.example"));
    elsewhere.assert_untouched();
}

fn secure(ca: &Authority, provider: &Provider, more: &str) -> Builder {
    let fields = format!(
        "base_url: 'https://api.example', addresses: ['{}'], tls: {{ ca: ca.pem }}, retries: 2, \
         inject: {{ header: X-Engine-Key }}, secret: 'file:production.secret'{more}",
        provider.address
    );
    world().file("ca.pem", ca.pem()).connection("secure", &fields)
}

#[test]
fn hazard_22_a_provider_that_cannot_prove_who_it_is_is_sent_not_a_byte() {
    let (ca, stranger) = (Authority::new(), Authority::new());
    let dated = |from: i32, to: i32| {
        move |p: &mut rcgen::CertificateParams| {
            (p.not_before, p.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
        }
    };
    let own = rcgen::generate_simple_self_signed(vec!["api.example".to_owned()]).unwrap();
    for (what, shown) in [
        ("expired", ca.issue("api.example", dated(2020, 2021))),
        ("not yet", ca.issue("api.example", dated(2090, 2099))),
        ("another name", ca.issue("api.example.evil.test", |_| {})),
        ("a name below", ca.issue("www.api.example", |_| {})),
        ("its address", ca.issue("127.0.0.1", |_| {})),
        ("another authority", stranger.issue("api.example", |_| {})),
        ("self-signed", (own.cert.pem(), own.signing_key.serialize_pem())),
    ] {
        let provider = Provider::showing(shown, Upstream::start());
        let world = secure(&ca, &provider, "").start();
        for method in ["GET", "POST"] {
            let reply = ask(&world, method, "/c/secure/x").body("never").send();
            assert_eq!(reply.verdict(), "502 upstream_tls", "{what}: {}", reply.text());
            assert!(!reply.text().contains("api.example"), "{what}: {}", reply.text());
        }
        assert_eq!((provider.bytes(), provider.upstream.count()), (0, 0), "{what}");
    }
}

#[test]
fn hazard_21_the_gateway_as_its_own_provider_is_a_loop() {
    let of = |name: &str, to: &str, header: &str| {
        (name.to_owned(), format!("base_url: 'http://{to}', inject: {header}, secret: 'file:{name}.secret'"))
    };
    let (out, within) = ("127.0.0.1:1/c/self", "127.0.0.1:2/customers");
    let mut build = world().file("self.secret", token("caller")).file("inside.secret", token("crm"));
    for (name, fields) in [
        of("self", out, "{ header: Keystile-Key }"),
        of("inside", within, "{ header: Authorization, value: 'Key={secret}' }"),
    ] {
        build = build.connection(&name, &fields);
    }
    let yaml = build.yaml();
    let world = build.start();
    let (outbound, inbound) = (world.outbound[0].to_string(), world.address().to_string());
    assert!(world.reload(
        &yaml.replace("127.0.0.1:1/", &format!("{outbound}/")).replace("127.0.0.1:2/", &format!("{inbound}/"))
    ));
    for target in ["/c/self/x", "/c/inside/1"] {
        let reply = ask(&world, "GET", target).header("Connection", "via").send();
        assert_eq!((reply.status, reply.json()["code"].as_str()), (508, Some("loop_detected")), "{target}");
        assert!(!String::from_utf8_lossy(&reply.raw).contains("kst_"), "{target}");
    }
    world.assert_untouched();
}

#[test]
fn hazard_24_without_its_secret_nothing_is_sent() {
    for (secret, file) in
        [("", None), (", secret: 'env:NOBODY_HAS_SET_THIS'", None), (", secret: 'file:empty.secret'", Some(""))]
    {
        let fields = format!("base_url: 'http://{{production}}', inject: {{ header: X-Key }}{secret}");
        let build = world().connection("empty", &fields);
        let build = file.iter().fold(build, |build, content| build.file("empty.secret", content));
        let setup = build.setup();
        // A configuration that is refused sends nothing either.
        if secret.is_empty() {
            let world = build.start_as(setup);
            let reply = ask(&world, "POST", "/c/empty/x").header("X-Key", "theirs").body("x").send();
            assert_eq!(reply.verdict(), "503 secret_unavailable");
            world.assert_untouched();
        } else {
            assert!(setup.refused().contains("secret"), "{secret}");
        }
    }
}

#[test]
fn hazard_20_addresses_that_are_not_public_are_refused_in_every_form() {
    for host in [
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[2002:7f00:1::]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "169.254.169.254",
        "100.100.100.200",
        "192.168.0.1",
        "172.31.255.255",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
        "[fd00::1]",
        "192.0.0.192",
        "198.18.0.1",
        "localhost",
    ] {
        let fields =
            format!("base_url: 'https://{host}', secret: 'file:production.secret', inject: {{ header: X-Key }}");
        let yaml = world().connection("inside", &fields).yaml().replace("allow_networks: [127.0.0.0/8]\n", "");
        let yaml = yaml.replace("base_url: 'http://", "allow_networks: [127.0.0.0/8], base_url: 'http://");
        let said =
            Setup::new(&yaml).file("production.secret", "x".repeat(20)).file("test.secret", "y".repeat(20)).refused();
        assert!(said.contains("connections[inside].base_url"), "{host}: {said}");
    }
}

/// Spellings that are addresses to the resolver alone.
#[test]
fn hazard_20_a_name_that_leads_inside_is_found_out_when_it_is_called() {
    for host in ["2130706433", "0x7f.1", "017700000001", "127.1", "0"] {
        let upstream = Upstream::start();
        let port = upstream.address.port();
        let yaml = format!(
            "listeners: {{ outbound: [{{ address: '127.0.0.1:0' }}] }}\nworkers: 1\n\
             connections: [{{ name: inside, base_url: 'http://{host}:{port}', allow_cleartext: true, \
             inject: {{ header: X-Key }}, secret: 'file:production.secret' }}]\n\
             keys: [{{ name: caller, primary: '{}', connections: all }}]\n",
            digest(&token("caller"))
        );
        let gateway = Setup::new(&yaml).file("production.secret", PRODUCTION_SECRET).start();
        let reply = gateway.call_out("GET", "/c/inside/x").key(&token("caller")).send();
        assert_eq!(reply.verdict(), "403 destination_not_allowed", "{host}: {}", reply.text());
        assert!(!reply.text().contains("127.0.0.1"), "the caller is not told addresses: {}", reply.text());
        upstream.assert_untouched();
    }
}

#[test]
fn hazard_14_expectations_uploads_and_cut_off_bodies() {
    let world = world().start();
    let head = |fields: &str| {
        format!("POST /c/engine-production/x HTTP/1.1\r\nHost: h\r\nKeystile-Key: {}\r\n{fields}\r\n", token("caller"))
    };
    // Nobody is asked for a body that is refused, and the provider hears nothing of it.
    for refused in ["Content-Length: 4096\r\nExpect: 100-continue\r\n", "Content-Length: 99999999999999\r\n"] {
        let reply = raw(world.outbound[0], head(refused));
        assert_eq!(reply.verdict(), "413 body_too_large");
        assert!(!reply.raw.starts_with(b"HTTP/1.1 100"), "{refused}");
    }
    let stranger = head("Content-Length: 4\r\nExpect: 100-continue\r\n").replace(&token("caller"), &token("nobody"));
    assert!(raw(world.outbound[0], stranger).raw.starts_with(b"HTTP/1.1 401 "));
    world.assert_untouched();
    let mut caller = Connection::open(world.outbound[0]);
    caller.write(head("Content-Length: 4\r\nExpect: 100-continue\r\n").as_bytes());
    assert_eq!(caller.exactly(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    caller.write(b"body");
    assert_eq!(caller.read(false).unwrap().verdict(), "200");
    let seen = world.production.last();
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"body"[..], None));
    // What is cut off never arrives whole.
    let mut cut = Connection::open(world.outbound[0]);
    cut.write(head("Content-Length: 10\r\n").as_bytes());
    cut.write(b"half");
    cut.finish();
    let record = world.await_record(|r| r["code"] == "bad_request");
    assert_eq!((&record["cause"], &record["bytes_in"]), (&"the body broke off".into(), &4.into()));
    let grown = ask(&world, "POST", "/c/engine-production/x").chunks(&[&[b'x'; 2000]]).send();
    assert_eq!(grown.verdict(), "413 body_too_large");
    assert_eq!(world.production.count(), 1);
}

#[test]
fn hazard_14_head_has_no_body_and_http_2_callers_are_judged_alike() {
    let world = world().outbound("h2c: true").start();
    let reply = ask(&world, "HEAD", "/c/engine-production/x").send();
    assert_eq!((reply.verdict().as_str(), reply.header("content-length"), reply.body.len()), ("200", Some("2"), 0));
    assert_eq!(world.production.last().method(), "HEAD");
    let key = token("caller");
    let call = |stream: u32, path: &str, slot: &str| {
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "evil.example"),
            (":path", path),
            ("keystile-key", &*key),
            ("x-engine-key", slot),
        ];
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &literals(&fields))
    };
    let mut h2 = H2::clear(world.outbound[1]);
    for (stream, path, status) in
        [(1, "/c/engine-production/x", 200), (3, "/c/engine-test/../x", 400), (5, "/c/nowhere/x", 404)]
    {
        h2.write(&call(stream, path, "theirs"));
        assert_eq!(h2.outcome(stream), Outcome::Replied(status), "{path}");
    }
    let seen = world.production.last();
    assert_eq!(seen.all("x-engine-key"), [PRODUCTION_SECRET]);
    assert_eq!(seen.header("host"), Some(world.production.address.to_string()));
    assert!(!seen.text().contains("kst_") && !seen.text().contains("evil"), "{}", seen.text());
}

#[test]
fn l1_l5_limits_of_keys_and_connections_count_and_caps_send_nothing() {
    let gate = Gate::default();
    let shut = gate.clone();
    let to = "base_url: 'http://{production}', inject: { header: X-Key }, secret: 'file:production.secret'";
    let world = world()
        .answering(move |request| {
            if request.target() == "/slow" {
                shut.pass();
            }
            Answer::reply("200 OK", &[], "ok")
        })
        .connection("capped", &format!("{to}, concurrency: 1"))
        .connection("limited", &format!("{to}, rate_limit: 2/day"))
        .key("slow", "connections: all, rate_limit: 1/day")
        .start();
    let mut running = Connection::open(world.outbound[0]);
    running.write(&ask(&world, "GET", "/c/capped/slow").bytes());
    world.production.await_requests(1);
    assert_eq!(ask(&world, "GET", "/c/capped/x").send().verdict(), "503 overloaded");
    assert_eq!(world.production.count(), 1, "nothing more was sent");
    gate.open();
    assert_eq!(running.read(false).unwrap().verdict(), "200");
    let by = |key: &str| world.call_out("GET", "/c/limited/x").key(&token(key)).send().verdict();
    assert_eq!(
        [by("slow"), by("slow"), by("caller"), by("caller")],
        ["200", "429 rate_limited", "200", "429 rate_limited"]
    );
    assert_eq!(world.production.count(), 3);
}

#[test]
fn c11_only_what_changes_nothing_is_tried_again() {
    let fails = std::sync::atomic::AtomicUsize::new(0);
    let world = world()
        .answering(move |request| {
            // The first of each path is lost without a word.
            let first = fails.fetch_or(
                1 << request.target()[1..].parse::<usize>().unwrap_or(9),
                std::sync::atomic::Ordering::SeqCst,
            );
            let lost = first & 1 << request.target()[1..].parse::<usize>().unwrap_or(9) == 0;
            if lost { Answer::Last(Vec::new()) } else { Answer::reply("200 OK", &[], "ok") }
        })
        .connection(
            "again",
            "base_url: 'http://{production}', retries: 1, inject: { header: X-Key }, secret: 'file:production.secret'",
        )
        .start();
    assert_eq!(ask(&world, "GET", "/c/again/1").send().verdict(), "200");
    assert_eq!(ask(&world, "POST", "/c/again/2").send().status, 502);
    assert_eq!(ask(&world, "PUT", "/c/again/3").body("x").send().status, 502);
    assert_eq!(world.production.count(), 4);
}

#[test]
fn conceal_is_no_field_of_this_door() {
    let said = World::build().outbound("conceal: true").refused();
    assert!(said.contains("listeners.outbound[0]") && said.contains("conceal"), "{said}");
}
