//! RFC 9113, section 6: every frame's lengths, streams and flags (hazard 12).

use crate::h2_conformance::Must::{Any, Connection, Pass};
use crate::h2_conformance::Stream::{HalfClosed, Idle, Open};
use crate::h2_conformance::{FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Must, PROTOCOL_ERROR, block, get, hold, world};
use crate::support::h2_raw::{END_HEADERS, END_STREAM, PADDED, frame};
use keystile::net::frames::{CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE};

const PUSH_PROMISE: u8 = 5;
const PRIORITY_FLAG: u8 = 0x20;

/// A frame of the wrong size.
const SIZE: Must = Connection(FRAME_SIZE_ERROR);
/// The same of a frame that concerns one stream alone.
const STREAM_SIZE: Must = Any(&[Must::Stream(FRAME_SIZE_ERROR), Connection(FRAME_SIZE_ERROR)]);
/// One whose fields do not fit in it, which is either mistake.
const CUT: Must = Any(&[Connection(FRAME_SIZE_ERROR), Connection(PROTOCOL_ERROR)]);
/// A window that cannot be.
const WINDOW: Must = Connection(FLOW_CONTROL_ERROR);

#[test]
fn rfc_9113_6_1_to_6_4_data_headers_priority_and_rst_stream() {
    let weighted = |head: &[u8]| [head, &block("/customers/1")].concat();
    let flags = END_HEADERS | END_STREAM;
    hold(
        &world(),
        [
            ("6.1 DATA on stream 0", Open, frame(DATA, END_STREAM, 0, b"a"), Connection(PROTOCOL_ERROR)),
            ("6.1 DATA with padding", Open, frame(DATA, END_STREAM | PADDED, 1, &[2, b'a', 0, 0]), Pass),
            ("6.1 nothing but padding", Open, frame(DATA, END_STREAM | PADDED, 1, &[2, 0, 0]), Pass),
            (
                "6.1 padding as long as its frame",
                Open,
                frame(DATA, PADDED, 1, &[4, 0, 0, 0]),
                Connection(PROTOCOL_ERROR),
            ),
            ("6.1 padding without a length", Open, frame(DATA, PADDED, 1, &[]), CUT),
            ("6.2 HEADERS on stream 0", Idle, get(0), Connection(PROTOCOL_ERROR)),
            (
                "6.2 with padding",
                Idle,
                frame(HEADERS, flags | PADDED, 1, &[&[3][..], &block("/customers/1"), &[0; 3]].concat()),
                Pass,
            ),
            ("6.2 with a priority", Idle, frame(HEADERS, flags | PRIORITY_FLAG, 1, &weighted(&[0, 0, 0, 0, 9])), Pass),
            (
                "6.2 with both",
                Idle,
                frame(HEADERS, flags | PRIORITY_FLAG | PADDED, 1, &[weighted(&[1, 0, 0, 0, 0, 9]), vec![0]].concat()),
                Pass,
            ),
            (
                "6.2 padding over the block",
                Idle,
                frame(HEADERS, flags | PADDED, 1, &[9, 1, 2]),
                Connection(PROTOCOL_ERROR),
            ),
            ("6.2 a priority that is cut", Idle, frame(HEADERS, flags | PRIORITY_FLAG, 1, &[0; 4]), CUT),
            (
                "5.3 a stream that depends on itself",
                Idle,
                frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]),
                Any(&[Pass, Must::Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)]),
            ),
            ("6.3 PRIORITY on stream 0", Idle, frame(PRIORITY, 0, 0, &[0; 5]), Connection(PROTOCOL_ERROR)),
            ("6.3 PRIORITY of four bytes", Open, frame(PRIORITY, 0, 1, &[0; 4]), STREAM_SIZE),
            ("6.3 PRIORITY of six bytes", Open, frame(PRIORITY, 0, 1, &[0; 6]), STREAM_SIZE),
            ("6.4 RST_STREAM on stream 0", Open, frame(RST_STREAM, 0, 0, &[0; 4]), Connection(PROTOCOL_ERROR)),
            ("6.4 RST_STREAM of three bytes", Open, frame(RST_STREAM, 0, 1, &[0; 3]), SIZE),
            ("6.4 RST_STREAM of five bytes", Open, frame(RST_STREAM, 0, 1, &[0; 5]), SIZE),
            ("6.4 RST_STREAM with a code of nobody's", Open, frame(RST_STREAM, 0, 1, &[0xff; 4]), Pass),
        ],
    );
}

#[test]
fn rfc_9113_6_5_to_6_8_settings_push_promise_ping_and_goaway() {
    let set = |id: u8, value: u32| frame(SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat());
    hold(
        &world(),
        [
            ("6.5 an acknowledgement with settings", Idle, frame(SETTINGS, 1, 0, &[0; 6]), SIZE),
            ("6.5 SETTINGS on a stream", Open, frame(SETTINGS, 0, 1, &[]), Connection(PROTOCOL_ERROR)),
            ("6.5 SETTINGS of three bytes", Idle, frame(SETTINGS, 0, 0, &[0; 3]), SIZE),
            ("6.5.2 ENABLE_PUSH 1", Idle, set(2, 1), Pass),
            ("6.5.2 ENABLE_PUSH 2", Idle, set(2, 2), Connection(PROTOCOL_ERROR)),
            ("6.5.2 INITIAL_WINDOW_SIZE 2^31 - 1", Idle, set(4, (1 << 31) - 1), Pass),
            ("6.5.2 INITIAL_WINDOW_SIZE 2^31", Idle, set(4, 1 << 31), WINDOW),
            ("6.5.2 MAX_FRAME_SIZE 2^14", Idle, set(5, 1 << 14), Pass),
            ("6.5.2 MAX_FRAME_SIZE 2^14 - 1", Idle, set(5, (1 << 14) - 1), Connection(PROTOCOL_ERROR)),
            ("6.5.2 MAX_FRAME_SIZE 2^24 - 1", Idle, set(5, (1 << 24) - 1), Pass),
            ("6.5.2 MAX_FRAME_SIZE 2^24", Idle, set(5, 1 << 24), Connection(PROTOCOL_ERROR)),
            ("6.5.2 MAX_CONCURRENT_STREAMS 0 concerns nobody", Idle, set(3, 0), Pass),
            ("6.5.2 a setting of nobody's", Idle, set(0xf0, u32::MAX), Pass),
            ("6.6 PUSH_PROMISE", Open, frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), Connection(PROTOCOL_ERROR)),
            ("6.7 PING on a stream", Open, frame(PING, 0, 1, &[0; 8]), Connection(PROTOCOL_ERROR)),
            ("6.7 PING of six bytes", Idle, frame(PING, 0, 0, &[0; 6]), SIZE),
            ("6.7 PING of nine bytes", Idle, frame(PING, 0, 0, &[0; 9]), SIZE),
            ("6.7 an acknowledgement of nothing", Idle, frame(PING, 1, 0, &[7; 8]), Pass),
            ("6.8 GOAWAY on a stream", Open, frame(GOAWAY, 0, 1, &[0; 8]), Connection(PROTOCOL_ERROR)),
            ("6.8 GOAWAY of seven bytes", Open, frame(GOAWAY, 0, 0, &[0; 7]), SIZE),
        ],
    );
}

#[test]
fn rfc_9113_6_9_and_6_10_window_update_and_continuation() {
    let by = |stream: u32, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let raised = |stream: u32| [by(stream, 1 << 30), by(stream, 1 << 30)].concat();
    let begun = frame(HEADERS, END_STREAM, 1, &block("/customers/1"));
    let beyond = [by(1, (1 << 31) - 1 - 65_535), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])].concat();
    hold(
        &world(),
        [
            ("6.9 a window of 0 more", Idle, by(0, 0), Connection(PROTOCOL_ERROR)),
            (
                "6.9 a stream's window of 0 more",
                Open,
                by(1, 0),
                Any(&[Must::Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)]),
            ),
            ("6.9 three bytes", Idle, frame(WINDOW_UPDATE, 0, 0, &[0; 3]), SIZE),
            ("6.9 five bytes", Open, frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1, 0]), SIZE),
            ("6.9 a reserved bit", Idle, by(0, 1 << 31 | 1), Pass),
            ("6.9.1 all that a window may be", Idle, by(0, (1 << 31) - 1 - 65_535), Pass),
            ("6.9.1 more than a window may be", Idle, raised(0), Connection(FLOW_CONTROL_ERROR)),
            ("6.9.1 more than a stream's may be", HalfClosed, raised(1), Must::Stream(FLOW_CONTROL_ERROR)),
            ("6.9.2 SETTINGS that make it more", HalfClosed, beyond, Connection(FLOW_CONTROL_ERROR)),
            (
                "6.10 CONTINUATION on stream 0",
                Idle,
                [begun.clone(), frame(CONTINUATION, END_HEADERS, 0, &[])].concat(),
                Connection(PROTOCOL_ERROR),
            ),
            (
                "6.10 CONTINUATION of another stream",
                Idle,
                [begun.clone(), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
                Connection(PROTOCOL_ERROR),
            ),
            (
                "6.10 CONTINUATION after END_HEADERS",
                Idle,
                [get(1), frame(CONTINUATION, END_HEADERS, 1, &[])].concat(),
                Connection(PROTOCOL_ERROR),
            ),
            (
                "6.10 CONTINUATION after a block's end",
                Idle,
                [begun, frame(CONTINUATION, END_HEADERS, 1, &[]).repeat(2)].concat(),
                Connection(PROTOCOL_ERROR),
            ),
            (
                "6.10 CONTINUATION after DATA",
                Open,
                [frame(DATA, 0, 1, b"a"), frame(CONTINUATION, END_HEADERS, 1, &[])].concat(),
                Connection(PROTOCOL_ERROR),
            ),
        ],
    );
}
