//! What a caller says on an HTTP/2 connection: every frame, checked (RFC 9113, sections 5 and 6). What breaks a stream
//! resets it; what breaks the connection ends it.

use super::requests::Opened;
use super::state::{FRAME, Leaving, Over, State};
use crate::net::frames::{
    ACK, CONTINUATION, DATA, Frame, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use bytes::{Buf, BytesMut};
use h2::Reason;
use tokio::time::Instant;

impl State {
    /// Takes all whole frames from the inbox; `each` request is begun as it comes.
    pub fn read(&mut self, now: Instant, mut each: impl FnMut(Opened)) -> Result<(), Over> {
        // Whatever he says, he is there.
        (self.heard_at, self.pinged) = (now, None);
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

    /// Only a stream that was opened can be spoken of (section 5.1).
    pub(super) fn exists(&self, number: u32) -> Result<(), Over> {
        let can = number % 2 == 1 && number <= self.latest;
        if can { Ok(()) } else { Err(Over::Wrong(Reason::PROTOCOL_ERROR)) }
    }
}
