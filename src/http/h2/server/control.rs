//! What a caller says of an HTTP/2 connection, and of streams that he gives up (RFC 9113, sections 6.3 to 6.9).

use super::state::{FRAME, Leaving, Over, State};
use super::writing::LAST_CALL;
use crate::net::frames::{ACK, Frame, PING, SETTINGS};
use h2::Reason;

/// Settings' names (section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// The largest window there is (section 6.9.1).
const MAX_WINDOW: i64 = (1 << 31) - 1;

impl State {
    /// What a caller says of urgency is not acted upon, but it must be said rightly.
    pub(super) fn priority(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        match (frame.stream, <[u8; 5]>::try_from(payload)) {
            (0, _) => Err(Over::Wrong(Reason::PROTOCOL_ERROR)),
            (number, Ok(priority)) => independent(number, priority),
            // Only what is open can be reset (section 6.4).
            (number, Err(_)) if self.streams.get(number).is_none() => Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)),
            (number, Err(_)) => {
                self.reset(number, Reason::FRAME_SIZE_ERROR);
                self.wrong()
            }
        }
    }

    /// The caller wants no reply any more.
    pub(super) fn given_up(&mut self, frame: Frame) -> Result<(), Over> {
        self.exists(frame.stream)?;
        if frame.length != 4 {
            return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR));
        }
        self.forget(frame.stream, false);
        Ok(())
    }

    pub(super) fn settings(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
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
        let before = self.first_window;
        for [a, b, value @ ..] in all {
            self.setting(u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value)).map_err(Over::Wrong)?;
        }
        // However often one frame changes it, the streams are gone through once.
        if self.first_window != before {
            self.move_windows(self.first_window - before).map_err(Over::Wrong)?;
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
            (INITIAL_WINDOW_SIZE, window) => self.first_window = i64::from(window),
            _ => {}
        }
        Ok(())
    }

    /// The first window is that of the streams that are open as well (section 6.9.2).
    fn move_windows(&mut self, more: i64) -> Result<(), Reason> {
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

    pub(super) fn ping(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
        if frame.stream != 0 {
            return Err(Over::Wrong(Reason::PROTOCOL_ERROR));
        }
        let Ok(said) = <[u8; 8]>::try_from(payload) else { return Err(Over::Wrong(Reason::FRAME_SIZE_ERROR)) };
        match (frame.flags & ACK != 0, said) {
            (false, _) => self.say(PING, ACK, 0, &said),
            (true, LAST_CALL) if self.leaving != Leaving::No => self.leave_now(),
            (true, _) => {}
        }
        Ok(())
    }

    pub(super) fn window(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Over> {
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
}

/// No stream depends on itself (RFC 7540, section 5.3.1).
pub fn independent(number: u32, [a, b, c, d, _]: [u8; 5]) -> Result<(), Over> {
    let on = u32::from_be_bytes([a & 0x7f, b, c, d]);
    if on == number { Err(Over::Wrong(Reason::PROTOCOL_ERROR)) } else { Ok(()) }
}
