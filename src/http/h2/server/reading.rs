//! What a caller says on an HTTP/2 connection: every frame, checked (RFC 9113, sections 5 and 6). What breaks a stream
//! resets it; what breaks the connection ends it.

use super::head::Heading;
use super::state::{Block, FRAME, Leaving, Over, Past, STREAM_WINDOW, STREAMS, State};
use super::stream::Stream;
use super::writing::{ARE_YOU_THERE, LAST_CALL};
use crate::http::h2::hpack::Fits;
use crate::model::RequestHead;
use crate::net::frames::{
    ACK, CONTINUATION, DATA, Frame, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITIES, PRIORITY, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use bytes::{Buf, BytesMut};
use h2::Reason;
use http::header::EXPECT;
use tokio::time::Instant;

/// Settings' names (section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// What is left of a body after its reply is thrown away up to here; beyond it the caller is told to stop.
const THROWN_AWAY: usize = 64 * 1024;

/// The largest window there is (section 6.9.1).
const MAX_WINDOW: i64 = (1 << 31) - 1;

/// A request whose head is whole.
pub struct Opened {
    pub stream: u32,
    pub head: RequestHead,
    pub has_body: bool,
}

impl State {
    /// Takes all whole frames from the inbox; `each` request is begun as it comes.
    pub fn read(&mut self, now: Instant, mut each: impl FnMut(Opened)) -> Result<(), Over> {
        self.heard_at = now;
        // No frame's payload is moved or kept: what lasts is copied out of it.
        let mut inbox = std::mem::take(&mut self.wire.inbox);
        let read = self.read_frames(&mut inbox, now, &mut each);
        self.head_since = match read {
            Ok(true) => Some(self.head_since.unwrap_or(now)),
            _ => None,
        };
        self.wire.inbox = inbox;
        read.map(drop)
    }

    /// True: a head is on its way, and not whole.
    fn read_frames(&mut self, inbox: &mut BytesMut, now: Instant, each: &mut impl FnMut(Opened)) -> Result<bool, Over> {
        if !self.preface {
            let some = inbox.len().min(PREFACE.len());
            if inbox[..some] != PREFACE[..some] {
                return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
            }
            if some < PREFACE.len() {
                return Ok(false);
            }
            inbox.advance(some);
            self.preface = true;
        }
        let age = now.duration_since(self.began);
        while let Some(head) = inbox.first_chunk() {
            let frame = Frame::read(*head);
            if frame.length as usize > FRAME {
                return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR));
            }
            let end = Frame::HEAD + frame.length as usize;
            if inbox.len() < end {
                return Ok(self.block.is_some() || matches!(frame.kind, HEADERS | CONTINUATION));
            }
            self.floods.received(frame, age).map_err(Over::Flood)?;
            if let Some(opened) = self.received(frame, &inbox[Frame::HEAD..end])? {
                each(opened);
            }
            inbox.advance(end);
        }
        Ok(self.block.is_some())
    }

    fn received(&mut self, frame: Frame, payload: &[u8]) -> Result<Option<Opened>, Over> {
        // Nothing comes before the settings, or between the pieces of a header block.
        let first = !std::mem::replace(&mut self.settled, true);
        if first && (frame.kind != SETTINGS || frame.flags & ACK != 0) {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        if self.block.as_ref().is_some_and(|block| frame.kind != CONTINUATION || frame.stream != block.stream) {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        match frame.kind {
            DATA => self.data(frame, payload)?,
            HEADERS => return self.headers(frame, payload),
            CONTINUATION => return self.continuation(frame, payload),
            PRIORITY => self.priority(frame, payload)?,
            RST_STREAM => self.given_up(frame)?,
            SETTINGS => self.settings(frame, payload)?,
            PING => self.ping(frame, payload)?,
            WINDOW_UPDATE => self.window(frame, payload)?,
            GOAWAY if frame.stream != 0 => return Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
            GOAWAY if frame.length < 8 => return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)),
            // He still gets the replies that he waits for.
            GOAWAY => self.leaving = Leaving::Now,
            PUSH_PROMISE => return Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
            // Types that nobody knows mean nothing (section 4.1).
            _ => {}
        }
        Ok(None)
    }

    fn data(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        let number = frame.stream;
        self.exists(number)?;
        if !self.inward.take(frame.length) {
            return Err(Over::Wrong(Reason::FLOW_CONTROL_ERROR));
        }
        let data = unpadded(frame, payload)?;
        if data.is_empty() && frame.length > 0 && !frame.ends_stream() {
            self.floods.padding_alone().map_err(Over::Flood)?;
        }
        let Some(stream) = self.streams.get(number) else {
            self.used_in_all(payload.len());
            if self.past(number) != Past::Cut {
                self.say_reset(number, Reason::STREAM_CLOSED);
            }
            return Ok(());
        };
        // What nobody will take is given back at once: padding, and what is thrown away.
        let kept = !stream.heard && !stream.unwanted;
        let mistake = match (&mut stream.expected, data.len() as u64) {
            _ if stream.heard => Some(Reason::STREAM_CLOSED),
            _ if !stream.inward.take(frame.length) => Some(Reason::FLOW_CONTROL_ERROR),
            (Some(left), came) if came > *left => Some(Reason::PROTOCOL_ERROR),
            (Some(left), came) if frame.ends_stream() && came < *left => Some(Reason::PROTOCOL_ERROR),
            (Some(left), came) => {
                *left -= came;
                None
            }
            (None, _) => None,
        };
        if let Some(reason) = mistake {
            self.used_in_all(payload.len());
            self.reset(number, reason);
            return self.wrong();
        }
        stream.heard = frame.ends_stream();
        if kept {
            stream.data.extend_from_slice(data);
        }
        stream.reader.wake();
        let unused = payload.len() - if kept { data.len() } else { 0 };
        if stream.replied.is_some() {
            self.unheard(number, unused);
        } else {
            self.used(number, unused);
        }
        Ok(())
    }

    /// What was sent of a request whose reply has gone: a little of it is thrown away, so that who does not look up before
    /// he has said everything is not told off.
    fn unheard(&mut self, number: u32, bytes: usize) {
        self.used_in_all(bytes);
        let Some(stream) = self.streams.get(number) else { return };
        stream.thrown_away += bytes;
        if stream.heard {
            self.forget(number, false);
        } else if stream.thrown_away > THROWN_AWAY {
            self.reset(number, Reason::NO_ERROR);
        }
    }

    fn headers(&mut self, frame: Frame, payload: &[u8]) -> Result<Option<Opened>, Over> {
        if frame.stream.is_multiple_of(2) {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        let mut block = unpadded(frame, payload)?;
        if frame.flags & PRIORITIES != 0 {
            let (priority, rest) = block.split_first_chunk().ok_or(Over::Wrong(Reason::FRAME_SIZE_ERROR))?;
            independent(frame.stream, *priority)?;
            block = rest;
        }
        if frame.ends_headers() {
            return self.head(frame.stream, frame.ends_stream(), block);
        }
        self.block = Some(Block { stream: frame.stream, ends: frame.ends_stream(), bytes: block.to_vec() });
        Ok(None)
    }

    fn continuation(&mut self, frame: Frame, payload: &[u8]) -> Result<Option<Opened>, Over> {
        let mut block = self.block.take().ok_or(Over::Wrong(Reason::PROTOCOL_ERROR))?;
        block.bytes.extend_from_slice(payload);
        if frame.ends_headers() {
            return self.head(block.stream, block.ends, &block.bytes);
        }
        self.block = Some(block);
        Ok(None)
    }

    /// A header block, whole. Whatever becomes of it, it is read: the caller's table and ours stay the same.
    fn head(&mut self, number: u32, ends: bool, block: &[u8]) -> Result<Option<Opened>, Over> {
        let mut heading = Heading::default();
        let fits = self.decoder.decode(block, self.rules.list as usize, &mut |line| heading.take(line));
        let fits = fits.map_err(|_| Over::Wrong(Reason::COMPRESSION_ERROR))?;
        if number > self.latest {
            return self.request(number, ends, heading, fits);
        }
        let Some(stream) = self.streams.get(number) else {
            return match self.past(number) {
                Past::Cut => Ok(None),
                Past::Closed => Err(Over::Wrong(Reason::STREAM_CLOSED)),
                Past::Unknown => Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
            };
        };
        let short = stream.expected.is_some_and(|left| left > 0);
        let trailers = if stream.heard { Err(Reason::STREAM_CLOSED) } else { Ok(heading.trailers(fits)) };
        match trailers {
            Ok(Some(trailers)) if ends && !short => {
                stream.heard = true;
                stream.trailers = Some(trailers).filter(|t| !t.is_empty() && !stream.unwanted);
                stream.reader.wake();
                if stream.replied.is_some() {
                    self.forget(number, false);
                }
                Ok(None)
            }
            wrong => {
                self.reset(number, wrong.err().unwrap_or(Reason::PROTOCOL_ERROR));
                self.wrong().map(|()| None)
            }
        }
    }

    /// A request begins.
    fn request(&mut self, number: u32, ends: bool, heading: Heading, fits: Fits) -> Result<Option<Opened>, Over> {
        self.latest = number;
        if self.leaving == Leaving::Now || self.streams.len() >= STREAMS {
            self.say_reset(number, Reason::REFUSED_STREAM);
            self.remember(number, true);
            return self.wrong().map(|()| None);
        }
        let (head, expected) = heading.finish(fits, ends);
        let mut stream = Stream::new(STREAM_WINDOW, self.first_window, expected);
        stream.heard = ends;
        stream.continue_wanted = !ends && head.headers.contains_key(EXPECT);
        stream.flawed = head.flaw.is_some();
        if stream.flawed {
            // Where such a body ends is not asked.
            stream.expected = None;
            self.wrong()?;
        }
        self.streams.insert(number, stream);
        Ok(Some(Opened { stream: number, head, has_body: !ends }))
    }

    /// What a caller says of urgency is not acted upon, but it must be said rightly.
    fn priority(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        match (frame.stream, <[u8; 5]>::try_from(payload)) {
            (0, _) => Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
            (number, Ok(priority)) => independent(number, priority),
            (number, Err(_)) if number > self.latest => Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)),
            (number, Err(_)) => {
                self.reset(number, Reason::FRAME_SIZE_ERROR);
                Ok(())
            }
        }
    }

    /// The caller wants no reply any more.
    fn given_up(&mut self, frame: Frame) -> Result<(), Over> {
        self.exists(frame.stream)?;
        if frame.length != 4 {
            return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR));
        }
        self.forget(frame.stream, false);
        Ok(())
    }

    fn settings(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        if frame.stream != 0 {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        let acknowledged = frame.flags & ACK != 0;
        let (all, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() || (acknowledged && !all.is_empty()) {
            return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR));
        }
        if acknowledged {
            return Ok(());
        }
        for [a, b, value @ ..] in all {
            self.setting(u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value)).map_err(Over::Wrong)?;
        }
        self.say(SETTINGS, ACK, 0, &[]);
        Ok(())
    }

    fn setting(&mut self, name: u16, value: u32) -> Result<(), Reason> {
        match (name, value) {
            (HEADER_TABLE_SIZE, most) => self.encoder.set_table(most),
            (ENABLE_PUSH, 2..) => return Err(Reason::PROTOCOL_ERROR),
            (MAX_FRAME_SIZE, size) if !(FRAME as u32..1 << 24).contains(&size) => return Err(Reason::PROTOCOL_ERROR),
            (INITIAL_WINDOW_SIZE, window) if i64::from(window) > MAX_WINDOW => return Err(Reason::FLOW_CONTROL_ERROR),
            (INITIAL_WINDOW_SIZE, window) => return self.first_window(i64::from(window)),
            _ => {}
        }
        Ok(())
    }

    /// The first window of every stream, those that are open as well (section 6.9.2).
    fn first_window(&mut self, window: i64) -> Result<(), Reason> {
        let more = window - std::mem::replace(&mut self.first_window, window);
        let mut go_on = Vec::new();
        for (number, stream) in self.streams.iter_mut() {
            stream.outward += more;
            if stream.outward > MAX_WINDOW {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            if stream.outward > 0 && !stream.part.is_empty() {
                go_on.push(number);
            }
        }
        go_on.into_iter().for_each(|number| self.stand_in_line(number));
        Ok(())
    }

    fn ping(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        if frame.stream != 0 {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        let Ok(said) = <[u8; 8]>::try_from(payload) else { return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)) };
        match (frame.flags & ACK != 0, said) {
            (false, _) => self.say(PING, ACK, 0, &said),
            (true, ARE_YOU_THERE) => self.pinged = None,
            (true, LAST_CALL) => self.leave_now(),
            (true, _) => {}
        }
        Ok(())
    }

    fn window(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        let Ok(more) = <[u8; 4]>::try_from(payload) else { return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)) };
        let more = i64::from(u32::from_be_bytes(more) & (u32::MAX >> 1));
        if frame.stream == 0 {
            self.outward += more;
            return match (more, self.outward) {
                (0, _) => Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
                (_, open) if open > MAX_WINDOW => Err(Over::Wrong(Reason::FLOW_CONTROL_ERROR)),
                _ => Ok(()),
            };
        }
        self.exists(frame.stream)?;
        let Some(stream) = self.streams.get(frame.stream) else { return Ok(()) };
        stream.outward += more;
        let mistake = match (more, stream.outward) {
            (0, _) => Some(Reason::PROTOCOL_ERROR),
            (_, open) if open > MAX_WINDOW => Some(Reason::FLOW_CONTROL_ERROR),
            _ => None,
        };
        if let Some(reason) = mistake {
            self.reset(frame.stream, reason);
            return self.wrong();
        }
        if stream.outward > 0 && !stream.part.is_empty() {
            self.stand_in_line(frame.stream);
        }
        Ok(())
    }

    /// Only a stream that was opened can be spoken of (section 5.1).
    fn exists(&self, number: u32) -> Result<(), Over> {
        let can = number % 2 == 1 && number <= self.latest;
        if can { Ok(()) } else { Err(Over::Wrong(Reason::PROTOCOL_ERROR)) }
    }
}

/// No stream depends on itself (RFC 7540, section 5.3.1).
fn independent(number: u32, [a, b, c, d, _]: [u8; 5]) -> Result<(), Over> {
    let on = u32::from_be_bytes([a & 0x7f, b, c, d]);
    if on == number { Err(Over::Wrong(Reason::PROTOCOL_ERROR)) } else { Ok(()) }
}

/// A payload without its padding (section 6.1).
fn unpadded(frame: Frame, payload: &[u8]) -> Result<&[u8], Over> {
    if frame.flags & PADDED == 0 {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(Over::Wrong(Reason::FRAME_SIZE_ERROR))?;
    let left = rest.len().checked_sub(usize::from(*padding)).ok_or(Over::Wrong(Reason::PROTOCOL_ERROR))?;
    Ok(&rest[..left])
}
