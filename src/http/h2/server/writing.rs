//! What is said on an HTTP/2 connection: frames into its outbox, replies in turn, no more than the caller's windows allow.

use super::state::{FIRST_WINDOW, FRAME, Leaving, STREAM_WINDOW, STREAMS, State, WINDOW};
use crate::http::date;
use crate::model::{Fields, Reply};
use crate::net::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use bytes::{Buf, Bytes};
use h2::Reason;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

/// Settings' names (RFC 9113, section 6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What our PINGs say: one looks whether the caller is there, one when he has heard that we leave.
const ARE_YOU_THERE: [u8; 8] = *b"keystile";
pub const LAST_CALL: [u8; 8] = *b"farewell";

/// What became of a stream's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more of its part.
    More,
    /// It waits for its own window, or for its task, or is over.
    Over,
    /// All wait for the connection's window.
    Stuck,
}

impl State {
    /// The first words: settings, and a larger window for all.
    pub(super) fn greet(&mut self) {
        let list = u32::try_from(self.rules.list).unwrap_or(u32::MAX);
        let mut settings = Vec::with_capacity(18);
        let all = [(MAX_CONCURRENT_STREAMS, STREAMS as u32), (INITIAL_WINDOW_SIZE, STREAM_WINDOW)];
        for (name, value) in all.into_iter().chain([(MAX_HEADER_LIST_SIZE, list)]) {
            settings.extend(name.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        self.say(SETTINGS, 0, 0, &settings);
        self.open_window(0, WINDOW - FIRST_WINDOW);
    }

    /// A frame, whole.
    pub(super) fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let frame = Frame { length: payload.len() as u32, kind, flags, stream };
        self.floods.sent(frame);
        let out = self.wire.outbox.gather();
        out.extend_from_slice(&frame.bytes());
        out.extend_from_slice(payload);
        self.wake();
    }

    pub(super) fn open_window(&mut self, number: u32, more: u32) {
        self.say(WINDOW_UPDATE, 0, number, &more.to_be_bytes());
    }

    /// Ends a stream that the caller may think open.
    pub fn reset(&mut self, number: u32, reason: Reason) {
        self.say_reset(number, reason);
        self.forget(number, true);
    }

    pub(super) fn say_reset(&mut self, number: u32, reason: Reason) {
        self.say(RST_STREAM, 0, number, &u32::from(reason).to_be_bytes());
    }

    /// Says which streams were looked at, and why no more are.
    pub fn say_go_away(&mut self, latest: u32, reason: Reason) {
        let [a, b, c, d] = latest.to_be_bytes();
        let [e, f, g, h] = u32::from(reason).to_be_bytes();
        self.say(GOAWAY, 0, 0, &[a, b, c, d, e, f, g, h]);
    }

    /// The latest stream that anything was done for.
    pub fn latest(&self) -> u32 {
        self.latest
    }

    /// Begins to end the connection without losing a request that is on its way: first it is said that we leave, and when
    /// the caller has heard it, from which request on nothing is answered.
    pub fn leave(&mut self, now: Instant) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Soon(now);
            self.say_go_away(u32::MAX >> 1, Reason::NO_ERROR);
            self.say(PING, 0, 0, &LAST_CALL);
        }
    }

    /// From here on requests are refused.
    pub(super) fn leave_now(&mut self) {
        if self.leaving != Leaving::Now {
            self.leaving = Leaving::Now;
            self.say_go_away(self.latest, Reason::NO_ERROR);
        }
    }

    /// Asks whether the caller is there.
    pub(super) fn ask(&mut self, now: Instant) {
        self.pinged = Some(now);
        self.say(PING, 0, 0, &ARE_YOU_THERE);
    }

    /// `100 Continue`, if the caller waits for it.
    pub fn say_continue(&mut self, number: u32) {
        let Some(stream) = self.streams.get(number) else { return };
        let wanted = std::mem::take(&mut stream.continue_wanted);
        if wanted && !stream.heard && stream.data.is_empty() {
            self.informational(number, StatusCode::CONTINUE, &Fields::new());
        }
    }

    /// What is said before a reply. No body follows, whatever was said of one (RFC 9110, section 8.6).
    pub fn informational(&mut self, number: u32, status: StatusCode, fields: &Fields) {
        if self.streams.get(number).is_none_or(|stream| stream.answered) {
            return;
        }
        self.block(number, false, |state, out| {
            state.encoder.status(out, status);
            for (name, value) in fields.iter().filter(|(name, _)| !is_http_1_alone(name) && **name != CONTENT_LENGTH) {
                state.encoder.field(out, name, value);
            }
        });
    }

    /// Begins a reply; `ended`: there is no more of it. False: nobody waits for it.
    pub fn reply<B>(&mut self, number: u32, reply: &Reply<B>, exact: Option<u64>, ended: bool) -> bool {
        let Some(stream) = self.streams.get(number) else { return false };
        // Nothing comes between a reply's head and its body.
        stream.answered = true;
        let fields = &reply.headers;
        self.block(number, ended, |state, out| {
            state.encoder.status(out, reply.status);
            for (name, value) in fields.iter().filter(|(name, _)| !is_http_1_alone(name)) {
                state.encoder.field(out, name, value);
            }
            if let Some(bytes) = exact.filter(|_| !fields.contains_key(CONTENT_LENGTH)) {
                state.encoder.field(out, &CONTENT_LENGTH, &HeaderValue::from(bytes));
            }
            if !fields.contains_key(DATE) {
                state.encoder.field(out, &DATE, &date::now());
            }
        });
        if ended {
            self.ended(number);
        }
        true
    }

    /// Ends a reply with what comes after its body.
    pub fn trailers(&mut self, number: u32, trailers: &HeaderMap) {
        if self.streams.get(number).is_none() {
            return;
        }
        self.block(number, true, |state, out| {
            state.encoder.begin(out);
            for (name, value) in trailers.iter().filter(|(name, _)| !is_http_1_alone(name)) {
                state.encoder.field(out, name, value);
            }
        });
        self.ended(number);
    }

    /// Writes a header block, in as many frames as the caller's limit makes of it.
    fn block(&mut self, number: u32, ends: bool, write: impl FnOnce(&mut State, &mut Vec<u8>)) {
        let mut out = self.wire.outbox.lend();
        let start = out.len();
        out.extend_from_slice(&[0; Frame::HEAD]);
        write(self, &mut out);
        let begin = start + Frame::HEAD;
        let ends = if ends { END_STREAM } else { 0 };
        // Our blocks are small; the rare large one is taken apart.
        let rest = if out.len() - begin > FRAME { out.split_off(begin + FRAME) } else { Vec::new() };
        let whole = if rest.is_empty() { END_HEADERS } else { 0 };
        let length = (out.len() - begin) as u32;
        let head = Frame { length, kind: HEADERS, flags: ends | whole, stream: number };
        self.floods.sent(head);
        out[start..begin].copy_from_slice(&head.bytes());
        self.wire.outbox.returned(out);
        let mut pieces = rest.chunks(FRAME).peekable();
        while let Some(piece) = pieces.next() {
            self.say(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, number, piece);
        }
        self.wake();
    }

    /// Takes a part of a reply, to be sent as the windows allow. `last`: nothing comes after it. Only when the part before
    /// has gone.
    pub fn part(&mut self, number: u32, part: Bytes, last: bool) {
        let Some(stream) = self.streams.get(number) else { return };
        let in_line = !part.is_empty() && !self.line.is_empty();
        (stream.part, stream.last) = (part, last);
        if in_line {
            return self.stand_in_line(number);
        }
        loop {
            if !self.wire.outbox.has_room() {
                return self.stand_in_line(number);
            }
            match self.turn(number) {
                Turn::More => {}
                Turn::Over => return,
                Turn::Stuck => return self.stand_in_line(number),
            }
        }
    }

    /// A stream has something to send, and its own window is open.
    pub(super) fn stand_in_line(&mut self, number: u32) {
        if let Some(stream) = self.streams.get(number)
            && !std::mem::replace(&mut stream.queued, true)
        {
            if self.outward <= 0 && !stream.part.is_empty() {
                stream.stalls(Instant::now());
                self.stalls = true;
            }
            self.line.push_back(number);
            self.wake();
        }
    }

    /// The connection's window is shut: from now on it holds up everybody who stands in line, not the first one alone.
    fn all_stall(&mut self) {
        let now = Instant::now();
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.queued && !stream.part.is_empty()) {
            stream.stalls(now);
            self.stalls = true;
        }
    }

    /// Fills the outbox from those who stand in line, a frame from each in turn. True: something was put in.
    pub fn fill(&mut self) -> bool {
        let before = self.wire.outbox.len();
        while self.wire.outbox.has_room()
            && let Some(number) = self.line.pop_front()
        {
            if let Some(stream) = self.streams.get(number) {
                stream.queued = false;
            }
            match self.turn(number) {
                Turn::More => self.stand_in_line(number),
                Turn::Over => {}
                Turn::Stuck => {
                    if let Some(stream) = self.streams.get(number) {
                        stream.queued = true;
                        self.line.push_front(number);
                    }
                    break;
                }
            }
        }
        self.wire.outbox.len() > before
    }

    /// Sends one frame of a stream's part.
    fn turn(&mut self, number: u32) -> Turn {
        let Some(stream) = self.streams.get(number) else { return Turn::Over };
        let open = stream.outward.min(self.outward).clamp(0, FRAME as i64) as usize;
        let some = stream.part.len().min(open);
        if some == 0 && !stream.part.is_empty() {
            stream.stalls(Instant::now());
            self.stalls = true;
            return if stream.outward <= 0 { Turn::Over } else { Turn::Stuck };
        }
        let last = stream.last && some == stream.part.len();
        let flags = if last { END_STREAM } else { 0 };
        let frame = Frame { length: some as u32, kind: DATA, flags, stream: number };
        let out = self.wire.outbox.gather();
        out.extend_from_slice(&frame.bytes());
        out.extend_from_slice(&stream.part[..some]);
        stream.part.advance(some);
        stream.outward -= some as i64;
        self.outward -= some as i64;
        let more = !stream.part.is_empty();
        // Whom a whole frame was let through for is not held up.
        stream.stalled =
            stream.stalled.filter(|_| more && some < FRAME).map(|(since, sent)| (since, sent + some as u64));
        if !more {
            stream.part = Bytes::new();
            stream.task.wake();
        }
        self.floods.sent(frame);
        self.wake();
        if self.outward <= 0 {
            self.all_stall();
        }
        if last {
            self.ended(number);
        }
        if more { Turn::More } else { Turn::Over }
    }

    /// A reply is over. Whoever is still sending may go on for a while (section 8.1), and a request that made no sense is
    /// called by its name.
    fn ended(&mut self, number: u32) {
        let Some(stream) = self.streams.get(number) else { return };
        if stream.flawed {
            return self.reset(number, Reason::PROTOCOL_ERROR);
        }
        let heard = stream.heard;
        self.right();
        if heard {
            return self.forget(number, false);
        }
        let Some(stream) = self.streams.get(number) else { return };
        stream.replied = Some(Instant::now());
        stream.task.wake();
        self.lingers = true;
        self.unwanted(number);
    }
}

/// What only HTTP/1 knows (section 8.2.2).
fn is_http_1_alone(name: &HeaderName) -> bool {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION].contains(name)
}
