//! RFC 7541 as it is spoken: what blocks may hold, and a table that outlives every request.

use crate::h2_conformance::Must::Pass;
use crate::h2_conformance::Stream::Idle;
use crate::h2_conformance::{COMPRESSION_ERROR, UNREADABLE, block, hold, world};
use crate::h2_messages::{POST, encoded, request};
use crate::support::h2_caller::Caller;
use crate::support::h2_raw::{END_HEADERS, END_STREAM, frame, literals, remembered};
use crate::support::token;
use keystile::net::frames::{CONTINUATION, HEADERS};

#[test]
fn rfc_7541_blocks_that_cannot_be_read_end_the_connection() {
    let good = block("/customers/1");
    let after = |bytes: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&good, bytes].concat());
    let whole = |bytes: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[bytes, &good].concat());
    let broken = UNREADABLE;
    hold(
        &world(),
        [
            ("6.1 index 0", Idle, after(&[0x80]), broken),
            ("6.1 an index beyond the tables", Idle, after(&[0x80 | 62]), broken),
            ("6.2 a name beyond the tables", Idle, after(&[0x40 | 62, 1, b'a']), broken),
            ("6.3 a size that is not said first", Idle, after(&[0x20]), broken),
            ("6.3 a size beyond ours", Idle, whole(&[0x3f, 0xe2, 0x1f]), broken),
            (
                "5.1 an integer without an end",
                Idle,
                after(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
                broken,
            ),
            ("5.2 Huffman's EOS", Idle, after(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xfc]), broken),
            ("5.2 padding of a byte", Idle, after(&[0, 1, b'x', 0x82, 0x1f, 0xff]), broken),
            ("5.2 padding of zeros", Idle, after(&[0, 1, b'x', 0x81, 0x18]), broken),
            ("6.3 two sizes", Idle, whole(&[0x20, 0x3f, 0xe1, 0x1f]), Pass),
            ("6.2.3 a literal that is never indexed", Idle, after(&[0x10, 1, b'x', 1, b'y']), Pass),
            ("6.2 a name of the table", Idle, after(&[0x0f, 0x04, 1, b'*']), Pass),
            (
                "5.2 Huffman's code",
                Idle,
                after(&[0, 1, b'x', 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f]),
                Pass,
            ),
            ("an empty value", Idle, after(&[0, 1, b'x', 0]), Pass),
        ],
    );
}

/// The block of a good request whose key is entry 62 of the table.
fn by_the_table() -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/customers/1")];
    [literals(&fields), vec![0x80 | 62]].concat()
}

#[test]
fn rfc_7541_2_3_the_table_is_kept_across_requests_whatever_became_of_them() {
    let world = world();
    let key = token("all");
    let entry = remembered("x-api-key", &key);
    let keyless = |fields: &[(&str, &str)]| -> Vec<u8> {
        let all = request(fields);
        let rest: Vec<(&str, &str)> =
            all.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(n, _)| *n != "x-api-key").collect();
        literals(&rest)
    };
    let filler = "f".repeat(8_000);
    let large: Vec<(&str, &str)> = (0..4).map(|_| ("x-filler", filler.as_str())).collect();
    for (what, first) in [
        ("a request", [keyless(&[]), entry.clone()].concat()),
        ("one that was refused", [keyless(&[(":path", "/nowhere")]), entry.clone()].concat()),
        ("one that is malformed", [keyless(&[("X-Upper", "1")]), entry.clone()].concat()),
        ("one that is malformed before it", [literals(&[("x-before", "1")]), keyless(&[]), entry.clone()].concat()),
        ("one that is too large", [keyless(&large), entry.clone()].concat()),
    ] {
        let mut caller = Caller::clear(world.address(), &[]);
        caller.expect(1);
        let pieces: Vec<&[u8]> = first.chunks(16_000).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let (kind, end) = (if n == 0 { HEADERS } else { CONTINUATION }, n + 1 == pieces.len());
            let flags = (u8::from(n == 0) * END_STREAM) | (u8::from(end) * END_HEADERS);
            caller.write(&frame(kind, flags, 1, piece));
        }
        caller.until(what, |c| c.streams[&1].is_over());
        caller.head(3, &by_the_table(), true);
        assert_eq!(caller.reply(3).status(), 200, "after {what}: {:?}", caller.streams[&1]);
    }
    let mut caller = Caller::clear(world.address(), &[]);
    caller.head(1, &encoded(&POST), false);
    caller.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &entry));
    caller.head(3, &by_the_table(), true);
    assert_eq!((caller.reply(1).status(), caller.reply(3).status()), (200, 200), "after trailers");
    caller.head(5, &[&[0x20, 0x3f, 0xe1, 0x1f], &by_the_table()[..]].concat(), true);
    caller.until("GOAWAY", |c| !c.goaways.is_empty());
    assert!(caller.goaways[0].1 == COMPRESSION_ERROR, "a table of 0 forgets: {:?}", caller.goaways);
}
