use super::*;
use crate::net::frames::GOAWAY;
use proptest::prelude::*;

const NOW: Duration = Duration::from_millis(300);
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, length: u32, flags: u8) -> Frame {
    Frame { length, kind, flags, stream: 1 }
}

/// How many such frames come at once before it is called a flood, and which.
fn until_flood(floods: &mut Floods, age: Duration, of: Frame) -> (u32, Flood) {
    for count in 0..200_000 {
        if let Err(flood) = floods.received(of, age) {
            return (count, flood);
        }
    }
    panic!("never a flood: {of:?}");
}

#[test]
fn hazard_12_every_kind_of_frame_without_progress_has_an_end() {
    for (kind, flags, count, flood) in [
        (SETTINGS, 0, 32, Flood::Settings),
        (SETTINGS, 1, 32, Flood::Settings),
        (PING, 0, 100, Flood::Ping),
        (PING, 1, 100, Flood::Ping),
        (RST_STREAM, 0, 512, Flood::Reset),
        (PRIORITY, 0, 256, Flood::Priority),
        (DATA, 0, 100, Flood::EmptyData),
        (WINDOW_UPDATE, 0, 512, Flood::WindowUpdate),
        (GOAWAY, 0, 100, Flood::Unknown),
        (0x10, 0, 100, Flood::Unknown),
        (0xff, 0xff, 100, Flood::Unknown),
    ] {
        let seen = until_flood(&mut Floods::new(80_000), NOW, frame(kind, 0, flags));
        assert_eq!(seen, (count, flood), "{kind} {flags}");
    }
}

#[test]
fn hazard_12_kinds_together_have_less_than_their_sum() {
    let mut floods = Floods::new(80_000);
    let mut count = 0;
    let flood = 'flood: loop {
        for kind in [RST_STREAM, PRIORITY, WINDOW_UPDATE] {
            match floods.received(frame(kind, 4, 0), NOW) {
                Ok(()) => count += 1,
                Err(Flood::Priority) => {}
                Err(flood) => break 'flood flood,
            }
        }
    };
    assert_eq!((count, flood), (1_000, Flood::Total));
}

#[test]
fn hazard_12_a_header_block_is_bounded_in_pieces_and_in_bytes() {
    let mut floods = Floods::new(80_000);
    for _ in 0..1_000 {
        assert_eq!(floods.received(frame(HEADERS, 16_384, 0), NOW), Ok(()), "every block begins anew");
        assert_eq!(floods.received(frame(CONTINUATION, 16_384, END_HEADERS), NOW), Ok(()));
    }
    assert_eq!(floods.received(frame(HEADERS, 1, 0), NOW), Ok(()));
    assert_eq!(until_flood(&mut floods, NOW, frame(CONTINUATION, 0, 0)), (19, Flood::Continuation));
    let mut floods = Floods::new(80_000);
    assert_eq!(floods.received(frame(HEADERS, 16_384, 0), NOW), Ok(()));
    assert_eq!(until_flood(&mut floods, NOW, frame(CONTINUATION, 16_384, 0)), (3, Flood::HeaderBlock));
    assert_eq!(Floods::new(80_000).received(frame(HEADERS, 80_001, END_HEADERS), NOW), Err(Flood::HeaderBlock));
}

#[test]
fn budgets_come_back_with_time_and_do_not_pile_up() {
    let mut floods = Floods::new(80_000);
    let ping = frame(PING, 8, 0);
    assert_eq!(until_flood(&mut floods, NOW, ping).0, 100);
    assert_eq!(until_flood(&mut floods, Duration::from_secs(1), ping).0, 10);
    assert_eq!(until_flood(&mut floods, Duration::from_millis(1_999), ping).0, 0);
    assert_eq!(until_flood(&mut floods, Duration::from_secs(100_000), ping).0, 100);
    assert_eq!(until_flood(&mut floods, Duration::from_secs(5), ping).0, 0, "a clock that goes back gives nothing");
}

#[test]
fn windows_are_updated_as_often_as_data_was_sent() {
    let mut floods = Floods::new(80_000);
    // A download of 160 MiB, of which every 2 KiB are acknowledged to both windows.
    for _ in 0..10_240 {
        floods.sent(frame(DATA, 16_384, 0));
        for _ in 0..16 {
            assert_eq!(floods.received(frame(WINDOW_UPDATE, 4, 0), NOW), Ok(()));
        }
    }
    // Events of 50 bytes, each acknowledged to both windows and measured by a ping.
    for _ in 0..100_000 {
        floods.sent(frame(DATA, 50, 0));
        assert_eq!(floods.received(frame(WINDOW_UPDATE, 4, 0), NOW), Ok(()));
        assert_eq!(floods.received(frame(WINDOW_UPDATE, 4, 0), NOW), Ok(()));
        assert_eq!(floods.received(frame(PING, 8, 0), NOW), Ok(()));
    }
}

#[test]
fn requests_bring_windows_priorities_and_extensions_and_their_ends_a_reset() {
    let mut floods = Floods::new(80_000);
    for _ in 0..100_000 {
        for (kind, length, flags) in
            [(HEADERS, 40, END_HEADERS | END_STREAM), (WINDOW_UPDATE, 4, 0), (PRIORITY, 5, 0), (0x10, 10, 0)]
        {
            assert_eq!(floods.received(frame(kind, length, flags), NOW), Ok(()));
        }
        floods.sent(frame(HEADERS, 40, END_HEADERS));
        floods.sent(frame(DATA, 10, END_STREAM));
        assert_eq!(floods.received(frame(RST_STREAM, 4, 0), NOW), Ok(()));
    }
}

#[test]
fn uploads_and_keep_alives_are_free() {
    let mut floods = Floods::new(80_000);
    for second in 0..10_000 {
        for _ in 0..100 {
            assert_eq!(floods.received(frame(DATA, 16_384, 0), Duration::from_secs(second)), Ok(()));
        }
        assert_eq!(floods.received(frame(PING, 8, 0), Duration::from_secs(second)), Ok(()));
        assert_eq!(floods.received(frame(DATA, 0, END_STREAM), Duration::from_secs(second)), Ok(()));
    }
}

proptest! {
    #[test]
    fn hazard_12_a_caller_who_is_given_nothing_gets_no_further_than_burst_and_rate(
        kinds in prop::collection::vec(2_u8..16, 1..5_000),
        seconds in 0_u64..30,
    ) {
        let mut floods = Floods::new(80_000);
        let mut passed = 0;
        for (at, kind) in kinds.iter().enumerate() {
            let age = Duration::from_secs(seconds * at as u64 / kinds.len() as u64);
            passed += u64::from(*kind != CONTINUATION && floods.received(frame(*kind, 0, 0), age).is_ok());
        }
        prop_assert!(passed <= 1_000 + 100 * seconds, "{} in {} s", passed, seconds);
    }
}
