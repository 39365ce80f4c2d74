//! The invariants over random bytes that look like something, and over the corpora of `tests/fuzz`.

use proptest::prelude::*;
use std::path::Path;

type Invariant = fn(&[u8]);

/// By the names of the fuzzing targets, with the pieces that random inputs are put together from.
const ALL: &[(&str, Invariant, &[&str])] = &[
    ("head", super::head, &["GET / HTTP/1.1\r\n", "Host: h\r\n", "\r\n", "\n", "\r", "A:", " ", "http://h", "?a", "#"]),
    ("reply", super::reply, &["HTTP/1.1 200 OK\r\n", "HTTP/1.0 304\r\n", "A: b\r\n", "\r\n", "\n", " ", "\t", "2"]),
    ("body", super::body, &["3\r\nabc\r\n", "0\r\n\r\n", "0\r\n", "A: b\r\n", "\r\n", "a;b=c\r\n", "f", "\n", "0"]),
    (
        "credentials",
        super::credentials,
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
        &["/", "customers", "admin", "Admin", "%61dmin", "%2e", ".", ";", "%252f", "orders", "?", "%20", "files", "a"],
    ),
    (
        "rewriting",
        super::rewriting,
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
        "upstream",
        super::upstream,
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
        &["keys:\n", "  - ", "name: ", "a", ": ", "{", "}", "[", "]", "\n", "&a ", "*a", "listeners:", "'", "\t"],
    ),
    ("certificate", super::certificate, &["\x30\x03", "\x02\x01\x01", "\x30", "\x06\x03\x55\x04\x03", "\0"]),
];

fn invariant(name: &str) -> Invariant {
    ALL.iter().find(|(n, _, _)| *n == name).unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hold_for_whatever_looks_like_something(
        which in 0..ALL.len(),
        steering in any::<[u8; 4]>(),
        parts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..12), 0..14),
    ) {
        let (_, holds, words) = ALL[which];
        let mut bytes = steering.to_vec();
        for (word, byte, rare) in parts {
            bytes.extend_from_slice(word.get(words).as_bytes());
            if rare == 0 {
                bytes.push(byte);
            }
        }
        holds(&bytes);
    }

    #[test]
    fn hold_for_any_bytes(which in 0..ALL.len(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ALL[which].1(&bytes);
    }
}

/// What fuzzing has found worth keeping.
#[test]
fn hold_for_the_corpora() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, holds, _) in ALL {
        let inputs: Vec<_> = std::fs::read_dir(corpora.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")).collect();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            holds(&std::fs::read(input.unwrap().path()).unwrap());
        }
    }
}

/// An invariant that holds for everything would tell nothing: each is shown to see what it looks for by
/// the unit tests of what it looks at. Here: that there is a target for each.
#[test]
fn every_invariant_is_fuzzed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
    let mut found: Vec<String> = std::fs::read_dir(targets)
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut wanted: Vec<&str> = ALL.iter().map(|(name, _, _)| *name).collect();
    (found.sort(), wanted.sort_unstable());
    assert_eq!(found, wanted);
    invariant("head")(b"");
}
