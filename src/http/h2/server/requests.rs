//! Requests as their frames come: heads, bodies, trailers (RFC 9113, sections 6.1, 6.2 and 8.1).

use super::control::independent;
use super::head::Heading;
use super::state::{Block, Leaving, Over, Past, STREAM_WINDOW, STREAMS, State};
use super::stream::Stream;
use crate::http::h2::hpack::Fits;
use crate::model::RequestHead;
use crate::net::frames::{Frame, PADDED, PRIORITIES};
use h2::Reason;
use http::header::EXPECT;

/// A request whose head is whole.
pub struct Opened {
    pub stream: u32,
    /// Boxed: it goes from hand to hand.
    pub head: Box<RequestHead>,
    pub has_body: bool,
}

/// What is left of a body after its reply is thrown away up to here; beyond it the caller is told to stop.
const THROWN_AWAY: usize = 64 * 1024;

impl State {
    pub(super) fn data(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
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

    pub(super) fn headers(&mut self, frame: Frame, payload: &[u8]) -> Result<Option<Opened>, Over> {
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

    pub(super) fn continuation(&mut self, frame: Frame, payload: &[u8]) -> Result<Option<Opened>, Over> {
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
        self.head_since = None;
        let mut heading = Heading::default();
        let fits = self.decoder.decode(block, self.rules.list as usize, &mut |line| heading.take(line));
        let fits = fits.map_err(|_| Over::Wrong(Reason::COMPRESSION_ERROR))?;
        if number > self.latest {
            return self.request(number, ends, &mut heading, fits);
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
                let wanted = !trailers.is_empty() && !stream.unwanted;
                stream.trailers = wanted.then(|| Box::new(trailers));
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
    fn request(&mut self, number: u32, ends: bool, heading: &mut Heading, fits: Fits) -> Result<Option<Opened>, Over> {
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
