//! HTTP/2 that only costs (hazard 12): every flood ends in an error, memory stays where it was, and others are served.

use crate::h2::{SHORT, world};
use crate::support::h2_raw::{
    END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, H2, NAME, Outcome, PADDED, frame, literals, remembered,
};
use crate::support::{Answer, World, token};
use crate::tls::Authority;
use keystile::net::frames::{CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE};

pub fn ok() -> Answer {
    Answer::reply("200 OK", &[], "ok")
}

/// The fields of a good request, with others in place or on top of them: a pseudo-header replaces its like.
pub fn fields<'a>(key: &'a str, others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", NAME),
        (":path", "/customers/1"),
        ("x-api-key", key),
    ];
    all.retain(|(name, _)| !name.starts_with(':') || others.iter().all(|(other, _)| other != name));
    let regular = all.iter().position(|(name, _)| !name.starts_with(':')).unwrap();
    let pseudo = others.iter().filter(|(name, _)| name.starts_with(':'));
    all.splice(regular..regular, pseudo.copied());
    all.extend(others.iter().filter(|(name, _)| !name.starts_with(':')));
    all
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &literals(&fields(&token("crm"), &[])))
}

/// A request whose body does not come.
fn unfinished() -> Vec<u8> {
    let post = [(":method", "POST"), (":path", "/orders")];
    frame(HEADERS, END_HEADERS, 1, &literals(&fields(&token("all"), &post)))
}

/// What no flood may change: another caller is served, and memory grows by no more than a few connections would.
struct Calm<'w> {
    world: &'w World,
    ca: &'w Authority,
    before: u64,
}

impl<'w> Calm<'w> {
    fn of(world: &'w World, ca: &'w Authority) -> Calm<'w> {
        let calm = Calm { world, ca, before: 0 };
        // What a first connection brings with it is no growth.
        (0..5).for_each(|_| calm.served());
        Calm { before: world.resident_bytes(), ..calm }
    }

    #[track_caller]
    fn served(&self) {
        let mut other = H2::tls(self.world.address(), self.ca);
        other.write(&get(1));
        assert_eq!(other.outcome(1), Outcome::Replied(200), "another caller");
    }

    #[track_caller]
    fn kept(&self, what: &str) {
        self.served();
        let grown = self.world.resident_bytes().saturating_sub(self.before);
        assert!(grown < 8 << 20, "{what}: {} KiB more", grown >> 10);
    }
}

/// Ends like this, or without a word because the words were overtaken by the reset of the socket.
#[track_caller]
fn assert_calmed(outcome: &Outcome, what: &str) {
    assert!(matches!(outcome, Outcome::Ended(Some(ENHANCE_YOUR_CALM) | None)), "{what}: {outcome:?}");
}

#[test]
fn hazard_12_floods_are_ended_counted_and_felt_by_nobody_else() {
    let (world, ca) = world(ok(), SHORT);
    let calm = Calm::of(&world, &ca);
    let initial_window = [0, 4, 0, 1, 0, 0];
    for (kind, bytes) in [
        ("settings", frame(SETTINGS, 0, 0, &initial_window)),
        ("settings", frame(SETTINGS, 0, 0, &initial_window.repeat(100))),
        ("ping", frame(PING, 0, 0, &[1; 8])),
        ("ping", frame(PING, 1, 0, &[1; 8])),
        ("priority", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 9])),
        ("window_update", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0x2a, 0, 0, b"what nobody has agreed on")),
        ("unknown", frame(GOAWAY, 0, 0, &[0; 8])),
    ] {
        let counted = format!("keystile_h2_floods_total{{frames=\"{kind}\"}} ");
        let count = |world: &World| -> u32 {
            let metrics = world.metrics();
            metrics.lines().find_map(|l| l.strip_prefix(&counted)).expect("the metric").parse().unwrap()
        };
        let before = count(&world);
        let mut h2 = H2::tls(world.address(), &ca);
        // Without a request under way, whoever says that he leaves is let go before he is too much.
        h2.write(&unfinished());
        h2.flood(20_000, &bytes);
        assert_calmed(&h2.outcome(1), kind);
        assert_eq!(count(&world), before + 1, "{kind}");
        calm.kept(kind);
    }
    assert_eq!(world.await_record(|r| r["key"] == "crm")["protocol"], "HTTP/2.0");
}

#[test]
fn hazard_12_a_flood_is_told_why_it_ended() {
    let (world, ca) = world(ok(), SHORT);
    let mut h2 = H2::tls(world.address(), &ca);
    h2.write(&get(1));
    assert_eq!(h2.outcome(1), Outcome::Replied(200));
    // Acknowledgements are not answered, so that nothing of ours is under way when the limit is reached; and in one TLS record
    // they are read at once: what is unread turns a close into a reset, which may overtake the words.
    h2.write(&frame(PING, 1, 0, &[0; 8]).repeat(200));
    assert_eq!(h2.outcome(1), Outcome::Ended(Some(ENHANCE_YOUR_CALM)));
}

#[test]
fn hazard_12_requests_that_are_given_up_at_once_end_the_connection() {
    let (world, ca) = world(Answer::Silence, SHORT);
    let mut rapid = H2::tls(world.address(), &ca);
    let mut requests = 0;
    for stream in (1..40_001).step_by(2) {
        let cancelled = [get(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
        if !rapid.write(&cancelled) {
            break;
        }
        requests += 1;
    }
    assert_calmed(&rapid.outcome(0), "rapid reset");
    assert!(requests < 20_000, "all of them were taken");
    assert!(world.production.count() < 2_000, "{} reached the upstream", world.production.count());
}

#[test]
fn hazard_12_header_blocks_without_an_end_are_bounded() {
    let (world, ca) = world(ok(), SHORT);
    let calm = Calm::of(&world, &ca);
    let begin = literals(&fields(&token("crm"), &[]));
    for (what, piece) in [("empty", Vec::new()), ("large", literals(&[("x-filler", &"x".repeat(16_000))]))] {
        let mut h2 = H2::tls(world.address(), &ca);
        h2.frame(HEADERS, END_STREAM, 1, &begin);
        h2.flood(20_000, &frame(CONTINUATION, 0, 1, &piece));
        assert!(matches!(h2.outcome(1), Outcome::Ended(_)), "{what}");
        calm.kept(what);
    }
}

#[test]
fn hazard_12_a_small_block_that_unfolds_into_much_is_refused() {
    let (world, ca) = world(ok(), SHORT);
    let calm = Calm::of(&world, &ca);
    // One entry of 3,900 bytes, then a reference of one byte to it, 12,000 times: 47 MB.
    let mut bomb = literals(&fields(&token("crm"), &[]));
    bomb.extend(remembered("x-bomb", &"x".repeat(3_900)));
    bomb.extend([0x80 | 62; 12_000]);
    let mut h2 = H2::tls(world.address(), &ca);
    h2.frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb);
    let outcome = h2.outcome(1);
    assert!(matches!(outcome, Outcome::Replied(431) | Outcome::Reset(_) | Outcome::Ended(Some(_))), "{outcome:?}");
    calm.kept("bomb");
    assert!(world.production.count() <= 6, "the bomb was not forwarded");
}

#[test]
fn hazard_12_empty_data_and_windows_that_stay_shut_hold_nothing() {
    let (world, ca) = world(Answer::reply("200 OK", &[], &"x".repeat(200_000)), SHORT);
    let calm = Calm::of(&world, &ca);
    let mut empty = H2::tls(world.address(), &ca);
    let key = token("all");
    let post = literals(&fields(&key, &[(":method", "POST"), (":path", "/orders")]));
    empty.frame(HEADERS, END_HEADERS, 1, &post);
    empty.flood(20_000, &frame(DATA, 0, 1, &[]));
    assert_calmed(&empty.outcome(1), "empty data");
    let mut padding = H2::tls(world.address(), &ca);
    padding.frame(HEADERS, END_HEADERS, 1, &post);
    padding.flood(20_000, &frame(DATA, PADDED, 1, &[2, 0, 0]));
    assert_calmed(&padding.outcome(1), "nothing but padding");
    let mut shut = H2::tls(world.address(), &ca);
    shut.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    for stream in (1..200).step_by(2) {
        shut.write(&get(stream));
    }
    assert_eq!(shut.outcome(199), Outcome::Replied(200));
    calm.served();
    let grown = world.resident_bytes().saturating_sub(calm.before);
    assert!(grown < 24 << 20, "100 replies of 200 KB wait for a window in {} KiB", grown >> 10);
    assert!(matches!(shut.outcome(1), Outcome::Reset(_) | Outcome::Ended(_)), "they are not waited for");
}

#[test]
fn hazard_12_a_thousand_requests_at_once_are_no_more_than_128() {
    let (world, ca) = world(Answer::Silence, "timeouts: { head: 5s, body_idle: 5s, request: 5s, idle: 60s }");
    let mut h2 = H2::tls(world.address(), &ca);
    let first_too_many = 1 + 2 * 128;
    (1..=first_too_many).step_by(2).for_each(|stream| assert!(h2.write(&get(stream))));
    assert_eq!(h2.outcome(first_too_many), Outcome::Reset(7), "REFUSED_STREAM: the caller may try again");
    (first_too_many + 2..2_256).step_by(2).all(|stream| h2.write(&get(stream)));
    assert_calmed(&h2.outcome(0), "too many that are too many");
    assert!(world.production.count() <= 128, "{}", world.production.count());
}

#[test]
fn hazard_12_what_an_honest_heavy_caller_does_is_no_flood() {
    let body = "x".repeat(100_000);
    let (world, ca) = world(Answer::reply("200 OK", &[], &body), SHORT);
    let mut h2 = H2::tls(world.address(), &ca);
    h2.frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    for stream in (1..400).step_by(2) {
        h2.write(&get(stream));
        h2.frame(WINDOW_UPDATE, 0, stream, &(1_u32 << 20).to_be_bytes());
        h2.frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]);
        let mut received = 0;
        while received < body.len() {
            let (frame, payload) = h2.next().unwrap().expect("it stays open");
            if frame.kind == DATA {
                received += payload.len();
                // As those do who acknowledge every KiB they read, to both windows.
                for _ in 0..payload.len() / 1024 {
                    h2.frame(WINDOW_UPDATE, 0, 0, &1024_u32.to_be_bytes());
                }
                h2.frame(PING, 0, 0, &[7; 8]);
            }
        }
        h2.frame(RST_STREAM, 0, stream, &[0, 0, 0, 0]);
    }
    assert_eq!(world.production.count(), 200);
}

#[test]
fn hazard_12_who_makes_us_reset_his_streams_is_ended_like_one_who_resets_them() {
    let (world, ca) = world(Answer::Silence, "timeouts: { head: 5s, body_idle: 5s, request: 5s, idle: 60s }");
    let mut h2 = H2::tls(world.address(), &ca);
    // A priority of the wrong size is an error of its stream, and each request earns two priorities.
    let made = |stream: u32| [get(stream), frame(PRIORITY, 0, stream, &[0; 4])].concat();
    (1..2_000).step_by(2).all(|stream| h2.write(&made(stream)));
    assert_calmed(&h2.outcome(0), "streams that are made to be reset");
    let metrics = world.metrics();
    assert!(metrics.contains("keystile_h2_floods_total{frames=\"mistakes\"} 1"), "{metrics}");
}

#[test]
fn hazard_12_mistakes_among_many_good_requests_do_not_add_up() {
    let (world, ca) = world(ok(), SHORT);
    let mut h2 = H2::tls(world.address(), &ca);
    h2.frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    let (key, mut stream) = (token("crm"), 1);
    let flawed = literals(&fields(&key, &[("connection", "close")]));
    for n in 0..300 {
        h2.frame(HEADERS, END_HEADERS | END_STREAM, stream, &flawed);
        assert_eq!(h2.outcome(stream), Outcome::Replied(400), "mistake {n}");
        h2.write(&get(stream + 2));
        assert_eq!(h2.outcome(stream + 2), Outcome::Replied(200), "request {n}");
        stream += 4;
    }
}
