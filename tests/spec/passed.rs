//! T6: what an upstream says passes unchanged, whatever it is.

use crate::support::{Answer, World, token};

/// An upstream that answers every request with these bytes.
fn saying(reply: impl Into<Vec<u8>>) -> World {
    let reply = reply.into();
    World::build().answering(move |_| Answer::Bytes(reply.clone())).start()
}

#[test]
fn t6_every_status_of_an_upstream_passes_with_its_fields_and_its_body() {
    for status in [
        200, 201, 202, 203, 206, 226, 299, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 407, 409, 413,
        417, 418, 421, 426, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 508, 511, 599,
    ] {
        let fields = "WWW-Authenticate: Basic realm=\"theirs\"\r\nwww-authenticate: Digest x=1\r\nAllow: PATCH\r\n\
            Retry-After: 3\r\nLocation: http://elsewhere.test/../a?b#c\r\nContent-Type: application/problem+json\r\n\
            Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nServer: theirs/1\r\nX-Odd: \"\t  x\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        let world = saying(format!("HTTP/1.1 {status} Theirs\r\n{fields}Content-Length: 9\r\n\r\n{{\"a\":\"b\"}}"));
        let reply = world.call("crm").send();
        assert_eq!(reply.verdict(), status.to_string());
        assert_eq!(reply.body, b"{\"a\":\"b\"}");
        for line in fields.trim_end().split("\r\n") {
            let (name, value) = line.split_once(':').unwrap();
            assert!(reply.all(name).contains(&value.trim()), "{status}: {line} in {:?}", reply.headers);
        }
        let record = world.record_of(&reply);
        assert!(
            record["status"] == status && record.get("code").is_none() && record.get("whose").is_none(),
            "{record}"
        );
    }
}

#[test]
fn t6_nothing_is_added_but_the_request_id() {
    let world =
        saying("HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok");
    let mut names: Vec<String> =
        world.call("crm").send().headers.into_iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "date", "x-a", "x-request-id"]);
}

#[test]
fn t6_a_redirect_is_passed_back_and_not_followed() {
    let world =
        World::build().answering(|_| Answer::reply("302 Found", &[("Location", "/files/elsewhere")], "")).start();
    let reply = world.call("crm").send();
    assert_eq!((reply.verdict().as_str(), reply.header("location")), ("302", Some("/files/elsewhere")));
    assert_eq!(world.production.count(), 1);
}

#[test]
fn t6_an_upstream_cannot_speak_for_the_gateway() {
    let forged = "X-Keystile-Error: invalid_key\r\nx-keystile-error: again\r\nX-Request-Id: forged\r\n\
                  X-Keystile-Replayed: true\r\n";
    let world = saying(format!("HTTP/1.1 401 Theirs\r\n{forged}Content-Length: 2\r\n\r\nno"));
    let reply = world.call("crm").send();
    assert_eq!((reply.verdict().as_str(), reply.text().as_str()), ("401", "no"));
    assert!(reply.all("x-keystile-error").is_empty() && reply.all("x-keystile-replayed").is_empty());
    assert_ne!(reply.request_id(), "forged");
    assert_eq!(world.production.last().header("x-request-id").as_deref(), Some(reply.request_id()));
}

#[test]
fn t6_what_is_between_us_and_the_upstream_stays_there() {
    let hops = "Connection: X-Hop, close\r\nconnection: x-hop-too\r\nX-Hop: 1\r\nX-Hop-Too: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nTrailer: x\r\n";
    let world = saying(format!("HTTP/1.1 200 OK\r\n{hops}X-Stays: 1\r\nContent-Length: 2\r\n\r\nok"));
    let reply = world.call("crm").send();
    assert_eq!(reply.header("x-stays"), Some("1"));
    for name in ["x-hop", "x-hop-too", "keep-alive", "proxy-authenticate", "proxy-connection", "upgrade", "trailer"] {
        assert!(reply.all(name).is_empty(), "{name}");
    }
}

#[test]
fn t6_a_body_arrives_to_the_byte_however_it_is_framed() {
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let chunked: Vec<u8> = body
        .chunks(7001)
        .flat_map(|chunk| [format!("{:X};ext=1\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .chain(*b"0\r\nX-Trailer: 1\r\n\r\n")
        .collect();
    let framed: [(&str, Vec<u8>, bool); 3] = [
        (
            "with its length",
            [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat(),
            false,
        ),
        ("in chunks", [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunked].concat(), false),
        ("until the end", [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &body].concat(), true),
    ];
    for (how, bytes, last) in framed {
        let answer = move |_: &crate::support::Recorded| {
            if last { Answer::Last(bytes.clone()) } else { Answer::Bytes(bytes.clone()) }
        };
        let world = World::build().answering(answer).start();
        let reply = world.call("crm").send();
        assert!(reply.body == body, "{how}: {} bytes", reply.body.len());
        let record = world.record_of(&reply);
        assert_eq!((record["bytes_out"].as_u64(), record["end"].as_str()), (Some(100_000), Some("complete")), "{how}");
    }
}

#[test]
fn t6_head_204_and_304_have_no_body_and_keep_their_fields() {
    let world = saying("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n");
    let reply = world.ask("HEAD", "/customers/1").key(&token("crm")).send();
    assert_eq!(
        (reply.verdict().as_str(), reply.header("content-length"), reply.header("etag")),
        ("200", Some("1234"), Some("\"x\""))
    );
    for status in ["204 No Content", "304 Not Modified"] {
        let world = saying(format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n"));
        let mut connection = world.connect();
        for _ in 0..2 {
            let reply = connection.send(&world.call("crm").bytes());
            assert_eq!((reply.status.to_string().as_str(), reply.header("etag")), (&status[..3], Some("\"x\"")));
        }
    }
}
