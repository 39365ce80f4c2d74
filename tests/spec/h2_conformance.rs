//! RFC 9113, sections 3 to 5 (hazard 12): what a caller sends in which state of a stream, and what must
//! come of it. After an error of a stream its connection serves on; after an error of the connection it is closed.

use crate::h2_floods::fields;
use crate::support::h2_caller::{Caller, MAX_CONCURRENT_STREAMS};
use crate::support::h2_raw::{END_HEADERS, END_STREAM, H2, frame, literals};
use crate::support::{Answer, World, token};
use keystile::net::frames::{
    CONTINUATION, DATA, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const COMPRESSION_ERROR: u32 = 9;

/// How far stream 1 is when the case begins.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Idle,
    /// A request whose body has not come.
    Open,
    /// A request without an answer.
    HalfClosed,
    /// A request that was answered.
    Closed,
    /// A request that the caller gave up.
    Reset,
}
use Stream::{Closed, HalfClosed, Idle, Open, Reset};

/// What must come of it.
#[derive(Debug, Clone, Copy)]
pub enum Must {
    /// Nothing: requests are answered as before.
    Pass,
    /// RST_STREAM with this code on stream 1.
    Stream(u32),
    /// GOAWAY with this code, and the end.
    Connection(u32),
    /// Where the RFC leaves it open: one of these.
    Any(&'static [Must]),
}
use Must::{Any, Connection, Pass};

/// A header block that cannot be read.
pub const UNREADABLE: Must = Connection(COMPRESSION_ERROR);
/// Anything but the few frames that may come on a stream that its caller has ended.
const ENDED: Must = Any(&[Must::Stream(STREAM_CLOSED), Connection(STREAM_CLOSED)]);
/// The same of HEADERS, whose stream is also an old one (section 5.1.1).
const ENDED_OR_OLD: Must = Any(&[Must::Stream(STREAM_CLOSED), Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)]);

pub type Case = (&'static str, Stream, Vec<u8>, Must);

/// Answers everything but `/customers/silence`.
pub fn world() -> World {
    World::build()
        .listener("h2c: true")
        .answering(|request| match request.target().as_str() {
            "/customers/silence" => Answer::Silence,
            _ => Answer::reply("200 OK", &[], "ok"),
        })
        .start()
}

/// A request's header block. `path` is of `/customers/…`, or it is a POST.
pub fn block(path: &str) -> Vec<u8> {
    let (key, method) = (token("all"), if path == "/orders" { "POST" } else { "GET" });
    literals(&fields(&key, &[(":method", method), (":path", path), (":scheme", "http")]))
}

pub fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block("/customers/1"))
}

/// Plays every case on a connection of its own; tells of all that went otherwise.
#[track_caller]
pub fn hold(world: &World, cases: impl IntoIterator<Item = Case>) {
    let wrong: Vec<String> = cases.into_iter().filter_map(|case| play(world, case).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn play(world: &World, (what, state, bytes, must): Case) -> Result<(), String> {
    let mut caller = Caller::clear(world.address(), &[]);
    (1..10).for_each(|stream| caller.expect(stream));
    match state {
        Idle => {}
        Open => caller.head(1, &block("/orders"), false),
        HalfClosed | Reset => caller.head(1, &block("/customers/silence"), true),
        Closed => caller.head(1, &block("/customers/1"), true),
    }
    match state {
        Closed => drop(caller.reply(1)),
        Reset => caller.give_up(1),
        _ => {}
    }
    caller.write(&bytes);
    caller.head(101, &block("/customers/1"), true);
    caller.until(what, |c| !c.goaways.is_empty() || c.streams[&101].is_over());
    let (reset, goaways) = (caller.streams[&1].reset, caller.goaways.clone());
    let fits = |must: &Must| match must {
        Pass => goaways.is_empty() && reset.is_none(),
        Must::Stream(code) => goaways.is_empty() && reset == Some(*code),
        Connection(code) => goaways.last().is_some_and(|(_, said)| said == code),
        Any(_) => false,
    };
    let fits = match must {
        Any(several) => several.iter().any(fits),
        one => fits(&one),
    };
    if !fits {
        return Err(format!("{what}, {state:?}: {must:?}, but RST_STREAM {reset:?}, GOAWAY {goaways:?}"));
    }
    if goaways.is_empty() {
        assert_eq!(caller.streams[&101].status(), 200, "{what}: the connection serves on");
    } else {
        caller.end();
    }
    Ok(())
}

#[test]
fn rfc_9113_3_4_the_preface() {
    let (world, ca) = crate::h2::world(crate::h2_floods::ok(), crate::h2::SHORT);
    let mut caller = Caller::on(H2::tls(world.address(), &ca), &[]);
    caller.settle();
    assert!(caller.settings.contains(&(MAX_CONCURRENT_STREAMS, 128)), "{:?}", caller.settings);
    for preface in [&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let mut wrong = H2::tls_saying(world.address(), &ca, preface);
        let outcome = wrong.outcome(1);
        assert!(matches!(outcome, crate::support::h2_raw::Outcome::Ended(Some(PROTOCOL_ERROR) | None)), "{outcome:?}");
    }
    world.assert_untouched();
    let mut impatient = H2::tls_saying(world.address(), &ca, &[PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(1)].concat());
    assert_eq!(impatient.outcome(1), crate::support::h2_raw::Outcome::Replied(200), "SETTINGS are not waited for");
}

#[test]
fn rfc_9113_4_frames() {
    let whole = block("/customers/1");
    let (begin, rest) = whole.split_at(20);
    let begun = frame(HEADERS, END_STREAM, 1, begin);
    let within = |other: Vec<u8>| [begun.clone(), other, frame(CONTINUATION, END_HEADERS, 1, rest)].concat();
    let long =
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[whole.clone(), literals(&[("x", &"x".repeat(16_384))])].concat());
    hold(
        &world(),
        [
            ("4.1 an unknown frame", Idle, frame(0x16, 0xff, 0, &[0; 8]), Pass),
            ("4.1 an unknown frame on an idle stream", Idle, frame(0x16, 0xff, 1, &[]), Pass),
            ("4.1 an unknown frame on an open stream", Open, frame(0x16, 0xff, 1, &[0; 300]), Pass),
            ("4.1 an unknown frame on a closed stream", Closed, frame(0x16, 0xff, 1, &[0; 300]), Pass),
            ("4.1 unknown flags", Idle, frame(PING, 0xfe, 0, &[0; 8]), Pass),
            ("4.1 unknown flags of DATA", Open, frame(DATA, 0xf6 | END_STREAM, 1, b"a"), Pass),
            ("4.1 a reserved bit", Idle, frame(PING, 0, 1 << 31, &[0; 8]), Pass),
            ("4.1 a reserved bit of HEADERS", Idle, get(1 << 31 | 1), Pass),
            ("4.2 DATA of 2^14 bytes", Open, frame(DATA, END_STREAM, 1, &[0; 16_384]), Pass),
            (
                "4.2 DATA of more",
                Open,
                frame(DATA, END_STREAM, 1, &[0; 16_385]),
                Any(&[Must::Stream(FRAME_SIZE_ERROR), Connection(FRAME_SIZE_ERROR)]),
            ),
            ("4.2 HEADERS of more", Idle, long, Connection(FRAME_SIZE_ERROR)),
            (
                "4.2 an unknown frame of more",
                Idle,
                frame(0x16, 0, 0, &[0; 16_385]),
                Any(&[Pass, Connection(FRAME_SIZE_ERROR)]),
            ),
            ("4.3 a block in two", Idle, within(Vec::new()), Pass),
            (
                "4.3 a block in five, some of them empty",
                Idle,
                within([frame(CONTINUATION, 0, 1, &[]).repeat(2), frame(CONTINUATION, 0, 1, &[])].concat()),
                Pass,
            ),
            (
                "4.3 a block that cannot be read",
                Idle,
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x40, 1]),
                UNREADABLE,
            ),
            ("4.3 PRIORITY within a block", Idle, within(frame(PRIORITY, 0, 1, &[0; 5])), Connection(PROTOCOL_ERROR)),
            ("4.3 PING within a block", Idle, within(frame(PING, 0, 0, &[0; 8])), Connection(PROTOCOL_ERROR)),
            ("4.3 DATA within a block", Idle, within(frame(DATA, 0, 1, b"a")), Connection(PROTOCOL_ERROR)),
            ("4.3 HEADERS within a block", Idle, within(get(3)), Connection(PROTOCOL_ERROR)),
            (
                "5.5 an unknown frame within a block",
                Idle,
                within(frame(0x16, 0, 1, &[0; 8])),
                Connection(PROTOCOL_ERROR),
            ),
        ],
    );
}

#[test]
fn rfc_9113_5_states_of_streams() {
    let data = frame(DATA, END_STREAM, 1, b"abc");
    let window = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100]);
    let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]);
    let more = frame(CONTINUATION, END_HEADERS, 1, &block("/customers/1"));
    hold(
        &world(),
        [
            ("5.1 DATA", Idle, data.clone(), Connection(PROTOCOL_ERROR)),
            ("5.1 RST_STREAM", Idle, reset.clone(), Connection(PROTOCOL_ERROR)),
            ("5.1 WINDOW_UPDATE", Idle, window.clone(), Connection(PROTOCOL_ERROR)),
            ("5.1 CONTINUATION", Idle, more.clone(), Connection(PROTOCOL_ERROR)),
            ("5.1 PRIORITY", Idle, priority.clone(), Pass),
            ("5.1 WINDOW_UPDATE", Open, window.clone(), Pass),
            ("5.1 RST_STREAM", Open, reset.clone(), Pass),
            ("5.1 PRIORITY", Open, priority.clone(), Pass),
            ("5.1 DATA", HalfClosed, data.clone(), ENDED),
            ("5.1 HEADERS", HalfClosed, get(1), ENDED_OR_OLD),
            (
                "5.1 CONTINUATION",
                HalfClosed,
                more.clone(),
                Any(&[Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)]),
            ),
            ("5.1 WINDOW_UPDATE", HalfClosed, window.clone(), Pass),
            ("5.1 RST_STREAM", HalfClosed, reset.clone(), Pass),
            ("5.1 PRIORITY", HalfClosed, priority.clone(), Pass),
            ("5.1 DATA", Closed, data.clone(), ENDED),
            ("5.1 HEADERS", Closed, get(1), ENDED_OR_OLD),
            ("5.1 CONTINUATION", Closed, more, Any(&[Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)])),
            ("5.1 WINDOW_UPDATE", Closed, window.clone(), Pass),
            ("5.1 RST_STREAM", Closed, reset.clone(), Pass),
            ("5.1 PRIORITY", Closed, priority.clone(), Pass),
            ("5.1 DATA", Reset, data.clone(), ENDED),
            ("5.1 HEADERS", Reset, get(1), ENDED_OR_OLD),
            ("5.1 PRIORITY", Reset, priority, Pass),
            ("5.1.1 an even stream", Idle, get(2), Connection(PROTOCOL_ERROR)),
            ("5.1.1 a stream that goes back", Idle, [get(5), get(3)].concat(), Connection(PROTOCOL_ERROR)),
            (
                "5.1.1 a stream that was passed over is closed",
                Idle,
                [get(5), data].concat(),
                Any(&[Must::Stream(STREAM_CLOSED), Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)]),
            ),
        ],
    );
}
