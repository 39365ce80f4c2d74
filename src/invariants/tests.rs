//! The invariants over random bytes that look like something, and over the corpora of `tests/fuzz`.

use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

type Invariant = fn(&[u8]);

/// By the names of the fuzzing targets, with how many bytes steer them and what their inputs are put together from.
const ALL: &[(&str, Invariant, usize, &[&str])] = &[
    (
        "head",
        super::head,
        2,
        &["GET / HTTP/1.1\r\n", "Host: h\r\n", "\r\n", "\n", "\r", "A:", " ", "http://h", "?a", "#"],
    ),
    ("reply", super::reply, 2, &["HTTP/1.1 200 OK\r\n", "HTTP/1.0 304\r\n", "A: b\r\n", "\r\n", "\n", " ", "\t", "2"]),
    (
        "body",
        super::body,
        3,
        &["3\r\nabc\r\n", "3\r\nabc", "0\r\n\r\n", "0\r\n", "A: b\r\n", "\r\n", "a;b=c\r\n", "f", "\n", "0"],
    ),
    (
        "credentials",
        super::credentials,
        1,
        &[
            "authorization: ",
            "Key=",
            "Bearer ",
            "x-api-key: ",
            "auth-key=",
            "auth%2Dkey=",
            "AUTH-KEY",
            "&",
            "\n",
            "t",
            "=",
        ],
    ),
    (
        "routing",
        super::routing,
        0,
        &["/", "customers", "admin", "Admin", "%61dmin", "%2e", ".", ";", "%252f", "orders", "?", "%20", "files", "a"],
    ),
    (
        "rewriting",
        super::rewriting,
        1,
        &[
            "/customers/1",
            "?",
            "&",
            ";",
            "auth-key=",
            "auth%2dkey",
            "kst_",
            "\n",
            "x-engine-key: ",
            "x_engine_key: a",
            "connection: ",
            "authorization: ",
            "Basic a3N0Xw==",
            "te: trailers\n",
            "x-api-key: ",
            "b",
            "x-forwarded-for: ",
        ],
    ),
    (
        "calls",
        super::calls,
        1,
        &[
            "/v1/x",
            "/bot",
            "kst_",
            "/base",
            "?",
            "&",
            "key=a",
            "%6Bey=a",
            "api_key=",
            "\n",
            "authorization: Bearer a",
            "x_api_key: a",
            "x-goog-api-key: a",
            "connection: host",
            "host: evil",
            "accept-encoding: br",
            "%2e",
            "..",
            "/",
            ";",
            "s3cr3t-s3cr3t",
        ],
    ),
    (
        "upstream",
        super::upstream,
        3,
        &[
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "\r\n",
            "3\r\nabc\r\n",
            "0\r\n\r\n",
            "abc",
            "HTTP/1.0 204\r\n",
            "Connection: close\r\n",
        ],
    ),
    (
        "server",
        super::server,
        3,
        &[
            "GET / HTTP/1.1\r\n",
            "POST /a HTTP/1.1\r\n",
            "HEAD / HTTP/1.0\r\n",
            "Host: h\r\n",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Expect: 100-continue\r\n",
            "Connection: keep-alive\r\n",
            "\r\n",
            "abc",
            "3\r\nabc\r\n",
            "0\r\n\r\n",
        ],
    ),
    (
        "proxy_protocol",
        super::proxy_protocol,
        0,
        &[
            "PROXY ",
            "TCP4 ",
            "TCP6 ",
            "UNKNOWN",
            "192.0.2.1 ",
            "::1 ",
            "443",
            " ",
            "\r\n",
            "\r\n\r\n\0\r\nQUIT\n",
            "\x21\x11\0\x0c",
            "\x20",
        ],
    ),
    (
        "config",
        super::config,
        0,
        &["keys:\n", "  - ", "name: ", "a", ": ", "{", "}", "[", "]", "\n", "&a ", "*a", "listeners:", "'", "\t"],
    ),
    (
        "scrubbing",
        super::scrubbing,
        2,
        &[
            "sk/live+Key=0042\n",
            "sk/live+Key=0042",
            "sk%2Flive%2bKey%3D0042",
            "\\u0073k\\/live\\u002BK",
            "ey&#61;0042",
            "ey&#x3D;0042",
            "736b2f6C6976652B4b65793d30303432",
            "c2svbGl2ZStLZXk9MDA0Mg",
            "x4c2svbGl2ZS1LZXk9MDA0Mg==",
            "s",
            "%73",
            "k",
            "%25",
            "\\",
            "&amp;",
            "0042",
            "aaaaaaaaaaaa\n",
            "aaaaaa",
            "%25%25%25%25\n",
        ],
    ),
    (
        "decoding",
        super::decoding,
        3,
        &["\x1f", "\x08\0", "\0\0\0", "\x78\x5e", "\x03\0", "\x01\x01\0", "\x06", "(", "a"],
    ),
    (
        "webhooks",
        super::webhooks,
        3,
        &[
            "webhook-id: msg_1",
            "webhook-timestamp: 1614265330",
            "webhook-signature: v1,",
            "x-hub-signature-256: sha256=",
            "stripe-signature: t=1614265330,v1=",
            "x-slack-signature: v0=",
            "x-slack-request-timestamp: ",
            "x-twilio-signature:",
            "x-acme-timestamp: 2021-02-25T15:02:10Z",
            "content-type: application/x-www-form-urlencoded",
            "\n",
            "\n\n",
            ",",
            " ",
            "v1=",
            "v1a,",
            "AAAA",
            "00",
            "a=b",
            "&",
            "%41",
            "{}",
        ],
    ),
    (
        "forwarded",
        super::forwarded,
        1,
        &[
            "x-forwarded-for: ",
            "forwarded: ",
            "for=",
            "1.2.3.4",
            "10.0.0.2",
            "[::1]:1",
            ", ",
            ";",
            "\"",
            "\\",
            "host=\"",
            "\n",
            "x-forwarded-proto: https",
            "unknown",
        ],
    ),
    (
        "urls",
        super::urls,
        1,
        &[
            "/customers/7?",
            "/orders/7?",
            "@@",
            "auth-id=@1",
            "auth-exp=@2",
            "auth-sig=@3",
            "Auth%2Dsig=",
            "&",
            "_profile=Test",
            "_profile=Production",
            "hub.mode=subscribe",
            "hub.verify_token=to+ken",
            "hub.challenge=",
            "challenge=",
            "validationToken=",
            "a",
            "%0d",
            "\n",
            "{\"type\":\"url_verification\",\"challenge\":\"a\"}",
        ],
    ),
    (
        "http2",
        super::http2,
        3,
        &[
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\0\0\0\x04\0\0\0\0\0",
            "\0\0\x08\x06\0\0\0\0\0pingpong",
            "\0\0\x04\x01\x05\0\0\0\x01\x02\x06\x04\x41",
            "\0\0\x02\x01\x05\0\0\0\x01\x02\x06",
            "\0\0\x01\0\x01\0\0\0\x01a",
            "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
            "\0\0\x04\x08\0\0\0\0\0\0\0\0\x01",
            "\0",
            "\x01",
        ],
    ),
    (
        "upstream_http2",
        super::upstream_http2,
        3,
        &[
            "\0\0\x01\x01\x04\0\0\0\x01\u{8}",
            "\0\0\x04\x01\x04\0\0\0\x01\x08\x03\x31\x30",
            "\0\0\x02\0\x01\0\0\0\x01ab",
            "\0\0\x02\0\0\0\0\0\x01ab",
            "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07",
            "\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0",
            "\0\0\0\x04\x01\0\0\0\0",
            "\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\x01",
            "\0",
        ],
    ),
    (
        "admin",
        super::admin,
        1,
        &[
            "GET /api/v1/keys HTTP/1.1\r\n",
            "GET /api/v1/workflows/get?limit=1 HTTP/1.1\r\n",
            "POST /api/v1/explain HTTP/1.1\r\n",
            "PATCH /api/v1/keys/root HTTP/1.1\r\n",
            "GET /api/v1/openapi.json HTTP/1.1\r\n",
            "host: localhost\r\n",
            "if-none-match: \"1\"\r\n",
            "if-match: *\r\n",
            "content-type: application/json\r\n",
            "content-length: 2\r\n",
            "authorization: Bearer a-token-of-an-administrator\r\n",
            "origin: http://localhost\r\n",
            "\r\n",
            "{}",
            "a",
        ],
    ),
    (
        "documents",
        super::documents,
        0,
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"name\"",
            "\"secret\"",
            "\"webhook\"",
            "\"secrets\"",
            "\"patch\"",
            "\"a\"",
            "\"\\u0061\"",
            "\"\\ud800\"",
            "null",
            "{}",
            "1",
            "\"keys\"",
        ],
    ),
    (
        "assembly",
        super::assembly,
        0,
        &[
            "listeners: { inbound: [{ address: '127.0.0.1:0' }] }\n",
            "connections: [{ name: a, base_url: 'https://a.example', secret: 'env:A' }]\n",
            "workflows: [{ name: a, template: 'GET /a', upstream: { Production: a } }]\n",
            "keys: [{ name: a, primary: 'env:A', workflows: [a] }]\n",
            "environments: [{ name: Test, default: true }]\n",
            "a",
            ": ",
            "\n",
            "{",
            "}",
        ],
    ),
    (
        "keys",
        super::keys,
        0,
        &[
            "keys:\n",
            "  - name: a\n",
            "    primary: blake3:00\n",
            "    workflows: [a, \"b c\", d.3]\n",
            "- name: 'a'\n",
            "    title: |\n",
            "      two\n",
            "log: { access: off }\n",
            "\n",
            "# a\n",
            " ",
            "\"",
            "&a ",
            "*a",
            "~",
            ": ",
        ],
    ),
    (
        "openapi",
        super::openapi,
        0,
        &[
            "openapi: 3.0.0\n",
            "swagger: '2.0'\n",
            "info: { title: A }\n",
            "servers: [{ url: 'https://a.example' }]\n",
            "components: { securitySchemes: { k: { type: apiKey, in: header, name: X-Key } } }\n",
            "components: { securitySchemes: { k: { type: http, scheme: bearer } } }\n",
            "securityDefinitions: { \"k\\n\": { type: basic } }\n",
            "host: a.example\n",
            "\n",
            "a",
        ],
    ),
    (
        "sealed",
        super::sealed,
        2,
        &[
            "K\x01\x01",
            "\0\0\0\0",
            "\0\x3c",
            "{\"data\":{\"ciphertext\":\"vault:v1:a\"}}",
            "{\"data\":{\"batch_results\":[",
            "{\"plaintext\":\"a2V5\"}",
            "{\"error\":\"invalid ciphertext\"}",
            ",",
            "]}}",
            "{\"errors\":[\"unable to decrypt\"]}",
        ],
    ),
    (
        "answers",
        super::answers,
        3,
        &[
            "{\"ok\":true}",
            "{\"error\":{\"code\":7,\"list\":[\"region\"]}}",
            "invalid key",
            "{\"code\":\"a\",\"detail\":\"",
            "\\u001b",
            "\",\"hint\":\"",
            "\"}",
            "kst_abc",
            "%6bst_a",
            "\n",
            "\u{202e}",
            "\u{9b}",
            "\"",
        ],
    ),
    ("certificate", super::certificate, 0, &["\x30\x03", "\x02\x01\x01", "\x30", "\x06\x03\x55\x04\x03", "\0"]),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn hold_for_whatever_looks_like_something(
        which in 0..ALL.len(),
        steering in any::<[u8; 4]>(),
        parts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..12), 0..14),
    ) {
        let (_, holds, steered, words) = ALL[which];
        let mut bytes = steering[..steered].to_vec();
        for (word, byte, rare) in parts {
            bytes.extend_from_slice(word.get(words).as_bytes());
            if rare == 0 {
                bytes.push(byte);
            }
        }
        holds(&bytes);
    }

    #[test]
    fn hold_for_what_is_like_the_corpora(
        which in 0..ALL.len(),
        input in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut bytes = input.get(&corpora()[which]).clone();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 => bytes.insert(at, *b"\r\n \t:;,%&=0/".get(usize::from(byte) % 12).unwrap()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => if let Some(there) = bytes.get_mut(at) { *there = byte },
            }
        }
        ALL[which].1(&bytes);
    }

    #[test]
    fn hold_for_any_bytes(which in 0..ALL.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ALL[which].1(&bytes);
    }
}

/// What fuzzing has found worth keeping, by target.
fn corpora() -> &'static [Vec<Vec<u8>>] {
    static CORPORA: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    CORPORA.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let read = |name: &str| {
            let files = std::fs::read_dir(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut all: Vec<_> = files.map(|f| std::fs::read(f.unwrap().path()).unwrap()).collect();
            all.sort();
            all
        };
        ALL.iter().map(|(name, ..)| read(name)).collect()
    })
}

#[test]
fn hold_for_the_corpora() {
    for ((name, holds, ..), inputs) in ALL.iter().zip(corpora()) {
        assert!(!inputs.is_empty(), "{name} has no corpus");
        inputs.iter().for_each(|input| holds(input));
    }
}

#[test]
fn every_invariant_is_fuzzed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
    let mut found: Vec<String> = std::fs::read_dir(targets)
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut wanted: Vec<&str> = ALL.iter().map(|(name, ..)| *name).collect();
    found.sort();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
