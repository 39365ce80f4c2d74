//! Hazard 18 (C12) on the wire: whatever a provider says back, in whatever part and coding of a reply and however it is cut,
//! holds no secret; and what flows goes on flowing.

use crate::support::world::PRODUCTION_SECRET;
use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn world(answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> World {
    World::build().answering(answer).outbound("").key("caller", "connections: all").start()
}

fn ask(world: &World) -> Ask {
    world.call_out("GET", "/c/engine-production/x").key(&token("caller"))
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

/// What stands for so many times the secret's length.
fn stars(times: usize) -> String {
    "*".repeat(PRODUCTION_SECRET.len() * times)
}

/// The secret in every form that is looked for, each between words that stay.
fn forms() -> Vec<String> {
    let secret = PRODUCTION_SECRET;
    let each = |how: fn(u8) -> String| secret.bytes().map(how).collect::<String>();
    let mut forms = vec![
        secret.to_owned(),
        hex(secret),
        hex(secret).to_uppercase(),
        each(|b| format!("%{b:02X}")),
        each(|b| format!("%{b:02x}")),
        each(|b| format!("\\u{b:04x}")),
        secret.replace('/', "\\/"),
        secret.replace('/', "%2F").replace('+', "%2b"),
        secret.replace('-', "&#45;"),
    ];
    for before in ["", "a", "ab"] {
        forms.push(STANDARD.encode(format!("{before}{secret}")));
        forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{secret}:and more")));
    }
    forms
}

/// No form of the secret, nor half of one, is left in `text`.
#[track_caller]
fn assert_clean(text: &str) {
    for form in forms() {
        let middle = &form[form.len() / 4..form.len() * 3 / 4];
        assert!(!text.contains(middle), "{middle} of {form} in\n{text}");
    }
}

fn body() -> String {
    forms().iter().map(|form| format!("<{form}>")).collect()
}

fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn hazard_18_in_the_reason_the_fields_the_location_and_early_hints() {
    let world = world(|_| {
        let mut reply =
            format!("HTTP/1.1 103 {PRODUCTION_SECRET}\r\nLink: <https://h/?key={PRODUCTION_SECRET}>\r\n\r\n");
        reply.push_str(&format!("HTTP/1.1 302 Moved to {PRODUCTION_SECRET}\r\nLocation: https://h/?k=1&key="));
        reply.push_str(&format!("{}\r\n", PRODUCTION_SECRET.replace('/', "%2F").replace('+', "%2B")));
        for (n, form) in forms().iter().enumerate() {
            reply.push_str(&format!("X-Form-{n}: a {form} b\r\nX-Form-{n}: again {form}\r\n"));
        }
        reply.push_str(&format!("X-{}: name\r\n", hex(PRODUCTION_SECRET)));
        reply.push_str("Set-Cookie: key=%70roduction-secret-Zk3/+q8; Path=/\r\nContent-Length: 0\r\n\r\n");
        Answer::Bytes(reply.into_bytes())
    });
    let reply = ask(&world).send();
    assert_eq!(reply.status, 302);
    let all = String::from_utf8_lossy(&reply.raw);
    assert_clean(&all);
    assert!(
        all.starts_with("HTTP/1.1 103 ") && all.contains("Link: <https://h/?key=**")
            || all.contains("link: <https://h/?key=**"),
        "{all}"
    );
    assert!(reply.header("location").unwrap().starts_with("https://h/?k=1&key=***"), "{all}");
    assert!(!all.contains(&hex(PRODUCTION_SECRET)), "{all}");
    assert_eq!(reply.header("set-cookie"), Some(&*format!("key={}; Path=/", "*".repeat(PRODUCTION_SECRET.len() + 2))));
}

#[test]
fn hazard_18_in_a_body_and_trailers_cut_at_every_byte() {
    let count = body().len();
    let world = world(move |request| {
        let at: usize = request.target().rsplit('=').next().unwrap().parse().unwrap();
        let body = body().into_bytes();
        let (first, second) = body.split_at(at);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum-Mine\r\n\r\n";
        let end = format!("0\r\nX-Checksum-Mine: {PRODUCTION_SECRET}\r\n\r\n");
        Answer::Bytes(
            [&head[..], &chunked(&[first, second].map(|p| p)[usize::from(first.is_empty())..]), end.as_bytes()]
                .concat(),
        )
    });
    let mut whole: Option<String> = None;
    let mut connection = Connection::open(world.outbound[0]);
    for at in (0..count).step_by(3) {
        let ask = world.call_out("GET", &format!("/c/engine-production/x?at={at}")).key(&token("caller"));
        let reply = connection.send(&ask.header("TE", "trailers").bytes());
        assert_eq!(reply.text().len(), count, "lengths stand");
        assert_clean(&String::from_utf8_lossy(&reply.raw));
        assert_eq!(whole.get_or_insert(reply.text()), &reply.text(), "the same stars, however it is cut");
    }
    assert!(whole.unwrap().contains(&format!("<{}>", stars(1))));
}

#[test]
fn hazard_18_in_tcp_segments_of_a_byte_and_a_body_that_ends_with_the_connection() {
    let segments = |text: &[u8]| text.iter().map(|b| vec![*b]).collect::<Vec<_>>();
    let world = world(move |request| {
        let body = format!("<{PRODUCTION_SECRET}> {}", hex(PRODUCTION_SECRET));
        match request.target().ends_with("close") {
            false => {
                let reply = format!(
                    "HTTP/1.1 200 OK\r\nX-A: {PRODUCTION_SECRET}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                Answer::Pieces(segments(reply.as_bytes()))
            }
            true => Answer::Last(format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes()),
        }
    });
    for end in ["segments", "close"] {
        let reply = world.call_out("GET", &format!("/c/engine-production/{end}")).key(&token("caller")).send();
        assert_eq!(reply.text(), format!("<{}> {}", stars(1), stars(2)), "{end}");
        assert_clean(&String::from_utf8_lossy(&reply.raw));
    }
}

/// Of a secret that is a whole URL, what the provider is sent is its path.
#[test]
fn hazard_18_a_secret_urls_path() {
    let world =
        World::build().answering(|request| Answer::reply("404 Not Here", &[], &format!("no {}!", request.target())));
    let url = format!("http://{}/{}/T000/B000/AbCdyyyyZZZZ", world.production.address, "services");
    let fields = "connector: slack-webhook, base_url: 'http://{production}', secret: 'file:url.secret'";
    let world =
        world.outbound("").file("url.secret", &url).connection("hook", fields).key("caller", "connections: all");
    let world = world.start();
    for rest in ["", "/", "/more"] {
        let reply = world.call_out("POST", &format!("/c/hook{rest}")).key(&token("caller")).body("{}").send();
        let left = if rest == "/more" { rest } else { "" };
        assert_eq!(reply.text(), format!("no {}{left}!", "*".repeat("/services/T000/B000/AbCdyyyyZZZZ".len())));
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(text.len())];
    let length = zstd_safe::compress(&mut out[..], text, 3).unwrap();
    out.truncate(length);
    out
}

/// One meta-block that holds up to 64 KiB as they are, and an empty last one (RFC 7932, section 9.2).
fn brotli(text: &[u8]) -> Vec<u8> {
    let bits = (((text.len() - 1) as u32) << 3 | 1 << 19) << 1;
    [&bits.to_le_bytes()[..3], text, &[3]].concat()
}

#[test]
fn hazard_18_within_content_codings_which_are_undone_or_stopped() {
    let world = world(|request| {
        let text = body().into_bytes();
        let coding = request.target().rsplit('/').next().unwrap().to_owned();
        let encoded = match &*coding {
            "gzip" => gzip(&text),
            "zstd" => zstd(&text),
            "br" => brotli(&text),
            "gzip,zstd" => zstd(&gzip(&text)),
            "cut" => gzip(&text)[..60].to_vec(),
            _ => text,
        };
        let named = if coding == "cut" { "gzip" } else { &coding };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {named}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let pieces: Vec<&[u8]> = encoded.chunks(7).collect();
        Answer::Bytes([head.as_bytes(), &chunked(&pieces), b"0\r\n\r\n"].concat())
    });
    let ask = |coding: &str| {
        let ask = world.call_out("GET", &format!("/c/engine-production/{coding}")).key(&token("caller"));
        ask.header("Accept-Encoding", "gzip, br, zstd")
    };
    for coding in ["gzip", "zstd", "br", "gzip,zstd"] {
        let reply = ask(coding).send();
        assert_eq!((reply.status, reply.text().len(), reply.header("content-encoding")), (200, body().len(), None));
        assert_clean(&reply.text());
    }
    for coding in ["compress", "gzip,gzip,gzip", "aes128gcm"] {
        assert_eq!(ask(coding).send().verdict(), "502 upstream_protocol", "{coding}");
    }
    let mut broken = Connection::open(world.outbound[0]);
    broken.write(&ask("cut").bytes());
    assert!(broken.read(false).is_err(), "what is cut off does not end cleanly");
}

#[test]
fn hazard_18_parts_are_not_asked_for_and_stopped_when_they_come() {
    let world = world(|request| {
        assert!(request.header("range").is_none() && request.header("if-range").is_none());
        let kind = match request.target().rsplit('/').next().unwrap() {
            "part" => ("206 Partial Content", "text/plain"),
            "delta" => ("226 IM Used", "text/plain"),
            _ => ("200 OK", "multipart/byteranges; boundary=x"),
        };
        Answer::reply(kind.0, &[("Content-Type", kind.1), ("Content-Range", "bytes 0-9/24")], &PRODUCTION_SECRET[..10])
    });
    for kind in ["part", "delta", "many"] {
        let ask = world.call_out("GET", &format!("/c/engine-production/{kind}")).key(&token("caller"));
        let reply = ask.header("Range", "bytes=0-9").header("If-Range", "\"x\"").header("A-IM", "feed").send();
        assert_eq!(reply.verdict(), "502 upstream_protocol", "{kind}");
        assert!(!String::from_utf8_lossy(&reply.raw).contains(&PRODUCTION_SECRET[..10]));
    }
}

#[test]
fn hazard_18_over_http_2_as_well() {
    let upstream = H2Upstream::answering(|_, _| {
        H2Answer::Echo(
            [("grpc-message", PRODUCTION_SECRET)]
                .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
                .into_iter()
                .collect(),
        )
    });
    let fields = format!(
        "base_url: 'http://{}', http: 2, inject: {{ header: X-Engine-Key }}, secret: 'file:production.secret'",
        upstream.address
    );
    let world = World::build().outbound("").connection("two", &fields).key("caller", "connections: all").start();
    let body = body();
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(50).collect();
    let ask = world.call_out("POST", "/c/two/x").key(&token("caller")).header("TE", "trailers").chunks(&pieces);
    let reply = ask.send();
    assert_eq!((reply.status, reply.text().len()), (200, body.len()));
    let all = String::from_utf8_lossy(&reply.raw);
    assert_clean(&all);
    assert!(all.to_lowercase().contains("grpc-message: ****"), "{all}");
    assert_eq!(upstream.requests()[0].head.headers()["x-engine-key"], PRODUCTION_SECRET);
}

#[test]
fn c12_an_event_is_delivered_before_the_next_is_sent_and_nothing_is_delayed() {
    let gate = Gate::default();
    let shut = gate.clone();
    // The first event ends as the secret begins, which is the most that can be held back.
    let event = format!("data: {}\n\n", &PRODUCTION_SECRET[..12]);
    let first = event.clone();
    let world = world(move |_| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let second = format!("data: {PRODUCTION_SECRET}\n\n");
        let rest = [&chunked(&[second.as_bytes()])[..], b"0\r\n\r\n"].concat();
        Answer::Halves([&head[..], &chunked(&[first.as_bytes()])].concat(), shut.clone(), rest)
    });
    let mut caller = Connection::open(world.outbound[0]);
    let began = Instant::now();
    caller.write(&ask(&world).bytes());
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(&event) {
        seen.extend(caller.exactly(1));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    gate.open();
    while !seen.ends_with(b"\r\n0\r\n\r\n") {
        seen.extend(caller.exactly(1));
    }
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains(&format!("data: {}\n\n", stars(1))), "{seen}");
}

#[test]
fn hazard_18_a_rotation_in_mid_stream_scrubs_the_old_secret_and_fails_no_request() {
    let gate = Gate::default();
    let shut = Mutex::new(Some(gate.clone()));
    let world = world(move |request| {
        let secret = request.header("x-engine-key").unwrap();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let first = [head.as_bytes(), &chunked(&[format!("<{}", &secret[..9]).as_bytes()])].concat();
        let second = [&chunked(&[format!("{}> {secret}", &secret[9..]).as_bytes()])[..], b"0\r\n\r\n"].concat();
        match shut.lock().unwrap().take() {
            Some(gate) => Answer::Halves(first, gate, second),
            None => Answer::Bytes([first, second].concat()),
        }
    });
    let mut streaming = Connection::open(world.outbound[0]);
    streaming.write(&ask(&world).bytes());
    world.production.await_requests(1);
    let from = world.stderr.lines().len();
    world.write("production.secret", "another-secret-after-rotation");
    world.signal("HUP");
    // Calls go on all the while.
    let deadline = Instant::now() + PATIENCE;
    while world.production.last().header("x-engine-key").as_deref() == Some(PRODUCTION_SECRET) {
        assert!(Instant::now() < deadline, "the new secret never came");
        let reply = ask(&world).send();
        assert_eq!(reply.verdict(), "200");
        assert!(!reply.text().contains("secret"), "{}", reply.text());
    }
    world.await_event(from, |e| e["message"] == "the configuration was reloaded");
    gate.open();
    let reply = streaming.read(false).unwrap();
    assert_eq!(reply.text(), format!("<{}> {}", stars(1), stars(1)), "what it was sent is what it could say");
}
