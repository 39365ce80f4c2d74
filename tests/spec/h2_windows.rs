//! RFC 9113, sections 4.2, 5.2, 6.5.3 and 6.9: windows and limits, held to the byte in both directions. The caller judges
//! every frame: one byte beyond a window, or a frame beyond its limit, fails whichever test it comes in.

use crate::h2_conformance::{FLOW_CONTROL_ERROR, block};
use crate::h2_floods::fields;
use crate::support::h2_caller::{Caller, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE};
use crate::support::h2_raw::{PADDED, frame};
use crate::support::{Answer, Gate, World, token};
use keystile::net::frames::{DATA, PING};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const LONG: usize = 100_000;
const CANCEL: u32 = 8;

/// Every reply is [`LONG`], but for one with a head of 40 kB; uploads are answered with their length.
fn world() -> World {
    World::build()
        .listener("h2c: true")
        .answering(|request| match request.target().as_str() {
            "/customers/head" => {
                let value = "v".repeat(4_000);
                let names: Vec<String> = (0..10).map(|n| format!("x-field-{n}")).collect();
                let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
                Answer::reply("200 OK", &fields, "ok")
            }
            "/orders" => Answer::reply("200 OK", &[], &request.body.len().to_string()),
            _ => Answer::reply("200 OK", &[], &"x".repeat(LONG)),
        })
        .start()
}

/// Waits until `stream` has had `bytes` of its body, and sees that it gets no more.
#[track_caller]
fn stops_at(caller: &mut Caller, stream: u32, bytes: usize) {
    caller.until("a part of the body", |c| c.streams[&stream].body.len() >= bytes);
    caller.settle();
    assert_eq!(caller.streams[&stream].body.len(), bytes, "of stream {stream}");
}

#[test]
fn rfc_9113_6_9_1_a_reply_fills_its_streams_window_to_the_byte_and_goes_on_as_it_is_raised() {
    let world = world();
    for window in [0, 1, 10, 16_384, 16_385, 65_535] {
        let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, window)]);
        caller.raise(0, 1 << 20);
        caller.head(1, &block("/customers/1"), true);
        caller.until("a head", |c| c.streams[&1].head.is_some());
        let window = window as usize;
        stops_at(&mut caller, 1, window);
        caller.raise(1, 1);
        stops_at(&mut caller, 1, window + 1);
        caller.raise(1, 20_000);
        stops_at(&mut caller, 1, window + 20_001);
        caller.raise(1, (LONG - window - 20_001) as u32);
        assert_eq!(caller.reply(1).body.len(), LONG, "a window of {window}");
    }
}

#[test]
fn rfc_9113_6_9_1_the_connections_window_is_shared_by_its_streams() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 1 << 20)]);
    caller.head(1, &block("/customers/1"), true);
    stops_at(&mut caller, 1, 65_535);
    caller.head(3, &block("/customers/1"), true);
    caller.head(5, &block("/orders"), false);
    caller.data(5, b"abc", true);
    caller.until("a head", |c| c.streams[&3].head.is_some() && c.streams[&5].head.is_some());
    caller.settle();
    let got = |c: &Caller| c.streams.values().map(|stream| stream.body.len()).sum::<usize>();
    assert_eq!(got(&caller), 65_535, "heads pass, bodies wait");
    caller.raise(0, 1);
    caller.until("a byte", |c| got(c) == 65_536);
    caller.raise(0, 1 << 20);
    for (stream, body) in [(1, LONG), (3, LONG), (5, 1)] {
        assert_eq!(caller.reply(stream).body.len(), body, "stream {stream}");
    }
    // What a stream that was given up had of the window is the caller's to give back, and he did: nothing is lost.
    caller.head(7, &block("/customers/1"), true);
    assert_eq!(caller.reply(7).body.len(), LONG);
}

#[test]
fn rfc_9113_6_9_2_settings_move_the_windows_of_open_streams_even_below_zero() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 40_000)]);
    caller.raise(0, 1 << 20);
    caller.head(1, &block("/customers/1"), true);
    stops_at(&mut caller, 1, 40_000);
    // 30,000 below zero.
    caller.announce(&[(INITIAL_WINDOW_SIZE, 10_000)]);
    caller.raise(1, 30_000);
    stops_at(&mut caller, 1, 40_000);
    caller.raise(1, 1);
    stops_at(&mut caller, 1, 40_001);
    caller.head(3, &block("/customers/1"), true);
    stops_at(&mut caller, 3, 10_000);
    caller.announce(&[(INITIAL_WINDOW_SIZE, 10_005)]);
    stops_at(&mut caller, 1, 40_006);
    stops_at(&mut caller, 3, 10_005);
    // Several values in one frame: the last one counts (section 6.5.3).
    caller.announce(&[(INITIAL_WINDOW_SIZE, 20), (INITIAL_WINDOW_SIZE, 1 << 20)]);
    assert_eq!(caller.reply(1).body.len(), LONG);
    assert_eq!(caller.reply(3).body.len(), LONG);
}

#[test]
fn rfc_9113_6_5_3_every_settings_frame_is_acknowledged_and_pings_are_answered_while_a_reply_waits() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 100)]);
    caller.head(1, &block("/customers/1"), true);
    stops_at(&mut caller, 1, 100);
    for size in [4096, 0, 100, 65_536] {
        caller.announce(&[(HEADER_TABLE_SIZE, size), (MAX_FRAME_SIZE, 16_384 + size)]);
    }
    let before = caller.pongs.len();
    for ping in [*b"whatever", [0; 8], [0xff; 8]] {
        caller.write(&frame(PING, 0, 0, &ping));
    }
    caller.until("acknowledgements", |c| c.acknowledged == 6 && c.pongs.len() == before + 3);
    assert_eq!(caller.pongs[before..], [b"whatever".to_vec(), vec![0; 8], vec![0xff; 8]]);
    caller.raise(1, 1 << 20);
    caller.raise(0, 1 << 20);
    assert_eq!(caller.reply(1).body.len(), LONG);
}

#[test]
fn rfc_9113_4_2_no_frame_is_larger_than_the_caller_takes() {
    let world = world();
    for limit in [16_384, 16_385, 100_000] {
        let settings = [(MAX_FRAME_SIZE, limit), (INITIAL_WINDOW_SIZE, 1 << 20)];
        let mut caller = Caller::clear(world.address(), &settings);
        caller.raise(0, 1 << 20);
        caller.head(1, &block("/customers/1"), true);
        caller.head(3, &block("/customers/head"), true);
        assert_eq!(caller.reply(1).body.len(), LONG);
        let head = caller.reply(3);
        assert_eq!(head.field("x-field-9").map(str::len), Some(4_000));
        if limit <= 16_385 {
            assert!(head.head_frames.len() > 1, "CONTINUATION carries the rest: {:?}", head.head_frames);
        }
    }
}

#[test]
fn rfc_7541_4_2_a_table_that_the_caller_made_smaller_stays_so() {
    let world = world();
    for sizes in [&[0][..], &[100], &[65_536], &[0, 4_096]] {
        let mut caller = Caller::clear(world.address(), &[]);
        caller.raise(0, 1 << 24);
        for (n, size) in [4_096].iter().chain(sizes).enumerate() {
            caller.announce(&[(HEADER_TABLE_SIZE, *size)]);
            caller.settle();
            for stream in (1..7).step_by(2).map(|stream| 100 * n as u32 + stream) {
                caller.head(stream, &block("/customers/head"), true);
                assert_eq!(caller.reply(stream).field("x-field-0").map(str::len), Some(4_000), "{sizes:?}");
            }
        }
    }
}

#[test]
fn rfc_9113_6_9_uploads_of_many_windows_pass_and_padding_counts() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[]);
    let megabyte = vec![b'x'; 1 << 20];
    caller.head(1, &block("/orders"), false);
    caller.data(1, &megabyte, true);
    assert_eq!(caller.reply(1).text(), megabyte.len().to_string());
    // Padding is given back as bytes are, though nobody reads it.
    caller.head(3, &block("/orders"), false);
    let padded = [&[255][..], &[b'y'; 256], &[0; 255]].concat();
    for _ in 0..1_000 {
        caller.until("a window", |c| c.may_send(3) >= padded.len());
        caller.count_out(3, padded.len());
        caller.write(&frame(DATA, PADDED, 3, &padded));
    }
    caller.data(3, b"", true);
    assert_eq!(caller.reply(3).text(), "256000");
    assert!(world.production.last().body.iter().all(|byte| *byte == b'y'), "padding is nobody's body");
}

/// An upstream that reads a head, and what follows only once the gate is open; then it says how much it was.
fn reads_later(gate: &Gate) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, gate) = (listener.local_addr().unwrap(), gate.clone());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let gate = gate.clone();
            std::thread::spawn(move || {
                gate.pass();
                let (mut piece, mut tail) = (vec![0; 1 << 16], Vec::new());
                while !tail.ends_with(b"0\r\n\r\n") {
                    let read = stream.read(&mut piece).unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    tail.extend_from_slice(&piece[..read]);
                    tail.drain(..tail.len().saturating_sub(5));
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall");
            });
        }
    });
    address
}

fn world_before(address: SocketAddr) -> World {
    World::build()
        .listener("h2c: true")
        .listener("max_body: 1GiB")
        .connection("later", &format!("base_url: 'http://{address}'"))
        .workflow("later", "template: 'POST /later/{id}', upstream: { Production: later }")
        .start()
}

#[test]
fn hazard_13_an_upstream_that_does_not_read_stops_its_caller_and_nobody_else() {
    // What the kernel holds between the gateway and the upstream is not ours to bound.
    const KERNELS: usize = 24 << 20;
    let gate = Gate::default();
    let world = world_before(reads_later(&gate));
    let mut caller = Caller::clear(world.address(), &[]);
    let key = token("all");
    let post = fields(&key, &[(":method", "POST"), (":path", "/later/1"), (":scheme", "http")]);
    let before = world.resident_bytes();
    caller.request(1, &post, false);
    let (mut sent, mut quiet) = (0, 0);
    while quiet < 5 {
        let part = caller.may_send(1).min(16_384);
        if part > 0 {
            caller.data(1, &vec![b'x'; part], false);
            (sent, quiet) = (sent + part, 0);
            continue;
        }
        std::thread::sleep(Duration::from_millis(20));
        caller.settle();
        quiet += 1;
        assert!(sent < KERNELS, "{sent} bytes were taken for an upstream that reads none");
    }
    let grown = world.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{} KiB more", grown >> 10);
    caller.head(3, &block("/customers/1"), true);
    assert_eq!(caller.reply(3).status(), 200);
    caller.head(5, &block("/orders"), false);
    caller.data(5, b"abc", true);
    assert_eq!(caller.reply(5).text(), "ok", "an upload beside it has room in the connection's window");
    gate.open();
    caller.data(1, &vec![b'x'; 1 << 20], true);
    assert_eq!(caller.reply(1).text(), "all");
}

#[test]
fn rfc_9113_6_9_1_a_caller_who_exceeds_a_window_is_told() {
    let world = world_before(reads_later(&Gate::default()));
    let key = token("all");
    let post = fields(&key, &[(":method", "POST"), (":path", "/later/1"), (":scheme", "http")]);
    let mut caller = Caller::clear(world.address(), &[]);
    caller.request(1, &post, false);
    // Twenty MiB that are not asked for: more than any window of ours, given back or not.
    let piece = frame(DATA, 0, 1, &[b'x'; 16_384]);
    let _ = (0..1_280).all(|_| caller.h2.write(&piece));
    caller.until("an error", |c| !c.goaways.is_empty() || c.closed || c.streams[&1].is_over());
    let told = (caller.streams[&1].reset, caller.goaways.last().map(|(_, code)| *code));
    assert!(matches!(told, (Some(FLOW_CONTROL_ERROR), _) | (_, Some(FLOW_CONTROL_ERROR))), "{told:?}");
}

#[test]
fn rfc_9113_5_2_a_stream_that_is_given_up_gives_its_bytes_back_to_the_connection() {
    let world = world_before(reads_later(&Gate::default()));
    let key = token("all");
    let post = fields(&key, &[(":method", "POST"), (":path", "/later/1"), (":scheme", "http")]);
    let mut caller = Caller::clear(world.address(), &[]);
    // Each leaves bytes at the gateway that nobody will read: together more than its window is.
    for stream in (1..81).step_by(2) {
        caller.request(stream, &post, false);
        caller.until("a window", |c| c.may_send(stream) > 60_000);
        caller.data(stream, &[b'x'; 60_000], false);
        // It has been seen, or it would be a flood.
        caller.settle();
        caller.give_up(stream);
    }
    caller.head(101, &block("/orders"), false);
    caller.data(101, &[b'x'; 200_000], true);
    assert_eq!(caller.reply(101).status(), 200);
}

/// Every reply is [`LONG`], and callers are waited for half a second.
fn world_in_haste() -> World {
    World::build()
        .listener("h2c: true")
        .listener("timeouts: { head: 5s, body_idle: 500ms, request: 20s, idle: 60s }")
        .answering(|_| Answer::reply("200 OK", &[], &"x".repeat(LONG)))
        .start()
}

#[test]
fn hazard_13_replies_that_wait_for_the_connections_window_wait_side_by_side_not_one_after_the_other() {
    let world = world_in_haste();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 1 << 20)]);
    (1..21).step_by(2).for_each(|stream| caller.head(stream, &block("/customers/1"), true));
    caller.until("heads", |c| c.streams.values().all(|stream| stream.head.is_some()));
    let began = Instant::now();
    for stream in (1..21).step_by(2) {
        assert_eq!(caller.reply(stream).reset, Some(CANCEL));
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?} for ten", began.elapsed());
}

#[test]
fn hazard_13_who_takes_a_reply_byte_by_byte_is_not_waited_for() {
    let world = world_in_haste();
    let mut caller = Caller::clear(world.address(), &[(INITIAL_WINDOW_SIZE, 0)]);
    caller.head(1, &block("/customers/1"), true);
    caller.head(3, &block("/customers/1"), true);
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(50));
        if !caller.streams[&1].is_over() {
            caller.raise(1, 1);
        }
        caller.raise(3, 300);
        caller.settle();
    }
    assert_eq!(caller.streams[&1].reset, Some(CANCEL), "twenty bytes a second");
    assert_eq!(caller.streams[&3].reset, None, "six thousand bytes a second");
}
