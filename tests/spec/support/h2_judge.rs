//! What [`Caller`] makes of the gateway's frames: each breaks no rule of RFC 9113's, or the test fails.

use super::h2_caller::{Caller, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, value};
use super::h2_raw::{END_HEADERS, END_STREAM};
use keystile::net::frames::{CONTINUATION, DATA, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};

const ACK: u8 = 1;

impl Caller {
    /// Notes what came; fails where it may not have.
    pub(super) fn judge(&mut self, frame: Frame, payload: &[u8]) {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().unwrap());
        assert!(frame.length <= self.max_frame, "a frame of {} bytes", frame.length);
        assert!(
            !self.settings.is_empty() || (frame.kind, frame.flags) == (SETTINGS, 0),
            "SETTINGS come first: {frame:?}"
        );
        let in_block = self.block.as_ref().map(|(stream, ..)| (CONTINUATION, *stream));
        assert_eq!(frame.kind == CONTINUATION, in_block.is_some(), "{frame:?}");
        assert!(in_block.is_none_or(|expected| expected == (frame.kind, frame.stream)), "{frame:?}");
        match (frame.kind, frame.stream) {
            (DATA, 1..) => self.judge_data(frame, payload),
            (HEADERS, 1..) => {
                assert_eq!(frame.flags & !(END_STREAM | END_HEADERS), 0, "{frame:?}");
                self.block = Some((frame.stream, frame.ends_stream(), Vec::new(), Vec::new()));
                self.judge_block(frame, payload);
            }
            (CONTINUATION, 1..) => self.judge_block(frame, payload),
            (RST_STREAM, 1..) => {
                assert_eq!(payload.len(), 4);
                self.streams.get_mut(&frame.stream).expect("a stream of ours").reset = Some(number(payload));
            }
            (SETTINGS, 0) => self.judge_settings(frame, payload),
            (PING, 0) if frame.flags & ACK != 0 => self.pongs.push(payload.to_vec()),
            (PING, 0) => {
                assert_eq!(payload.len(), 8);
                self.h2.frame(PING, ACK, 0, payload);
            }
            (GOAWAY, 0) => {
                let last = number(payload) & 0x7fff_ffff;
                assert!(self.goaways.last().is_none_or(|(before, _)| *before >= last), "the last stream goes up");
                self.goaways.push((last, number(&payload[4..])));
            }
            (WINDOW_UPDATE, stream) => {
                let by = i64::from(number(payload));
                let of_stream = self.streams.get_mut(&stream).map(|s| &mut s.budget);
                let budget = if stream == 0 { &mut self.budget } else { of_stream.expect("a stream of ours") };
                *budget += by;
                assert!(by > 0 && *budget < 1 << 31, "{by} to {budget}");
            }
            _ => panic!("{frame:?}"),
        }
    }

    fn judge_data(&mut self, frame: Frame, payload: &[u8]) {
        let stream = self.streams.get_mut(&frame.stream).expect("a stream of ours");
        assert_eq!(frame.flags & !END_STREAM, 0, "{frame:?}");
        assert!(stream.head.is_some() && !stream.is_over() && stream.trailers.is_none(), "{frame:?}");
        self.window -= i64::from(frame.length);
        stream.window -= i64::from(frame.length);
        let fits = stream.given_up || frame.length == 0 || stream.window >= 0 && self.window >= 0;
        assert!(fits, "{frame:?} leaves windows of {} and {}", stream.window, self.window);
        stream.body.extend_from_slice(payload);
        stream.ended = frame.ends_stream();
    }

    fn judge_block(&mut self, frame: Frame, payload: &[u8]) {
        let (_, _, block, frames) = self.block.as_mut().unwrap();
        block.extend_from_slice(payload);
        frames.push(payload.len());
        if !frame.ends_headers() {
            return;
        }
        let (number, ends, block, frames) = self.block.take().unwrap();
        let fields = self.decoder.decode(&block);
        let stream = self.streams.get_mut(&number).expect("a stream of ours");
        assert!(!stream.is_over() && stream.trailers.is_none(), "more on stream {number}: {fields:?}");
        for (n, (name, _)) in fields.iter().enumerate() {
            assert_eq!(name.starts_with(':'), n == 0 && stream.head.is_none(), "{fields:?}");
            assert!(!name.contains(|c: char| c.is_ascii_uppercase()), "{name}");
            assert!(!["connection", "keep-alive", "transfer-encoding", "upgrade"].contains(&name.as_str()), "{name}");
        }
        stream.ended = ends;
        if stream.head.is_some() {
            assert!(ends, "trailers are the end");
            stream.trailers = Some(fields);
            return;
        }
        let status: u16 = value(&fields, ":status").expect("a status").parse().unwrap();
        if status < 200 {
            assert!(!ends, "{status} is not the end");
            return stream.interim.push(status);
        }
        (stream.head, stream.head_frames) = (Some(fields), frames);
    }

    fn judge_settings(&mut self, frame: Frame, payload: &[u8]) {
        if frame.flags & ACK != 0 {
            assert!(payload.is_empty());
            let settings = self.announced.pop_front().expect("something to acknowledge");
            self.acknowledged += 1;
            self.apply(&settings, |now, then| then < now);
            for (_, size) in settings.iter().filter(|(id, _)| *id == HEADER_TABLE_SIZE) {
                self.decoder.permit(*size as usize);
            }
            return;
        }
        assert_eq!(payload.len() % 6, 0);
        for setting in payload.chunks(6) {
            let (id, value) = (u16::from_be_bytes([setting[0], setting[1]]), &setting[2..]);
            let value = u32::from_be_bytes(value.try_into().unwrap());
            if id == INITIAL_WINDOW_SIZE {
                let change = i64::from(value) - self.initial_budget;
                self.initial_budget += change;
                self.streams.values_mut().for_each(|stream| stream.budget += change);
            }
            self.settings.push((id, value));
        }
        self.h2.frame(SETTINGS, ACK, 0, &[]);
    }
}
