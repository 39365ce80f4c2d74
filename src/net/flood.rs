//! How much a caller may send on one HTTP/2 connection that brings nobody anything (hazard 12).
//!
//! Every kind has a budget that is full at first and refills with time. What honest callers owe to what they were given
//! is earned on top: updates of a window by the data we sent, resets by the replies we finished, priorities by requests.

use super::frames::{ACK, CONTINUATION, DATA, Frame, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use crate::model::flood::Flood;
use std::time::Duration;

/// A kind's budget: what may come at once, and what comes back each second.
struct Budget(Flood, u32, u32);

/// Honest callers stay far below: browsers give up a page's hundred requests at once, gRPC pings for every round trip while
/// data flows, nghttp2 begins with five PRIORITY frames, curl raises every stream's window.
const BUDGETS: [Budget; 8] = [
    Budget(Flood::Settings, 32, 1),
    Budget(Flood::Ping, 100, 10),
    Budget(Flood::Reset, 512, 64),
    Budget(Flood::Priority, 256, 16),
    Budget(Flood::EmptyData, 100, 10),
    Budget(Flood::WindowUpdate, 512, 64),
    Budget(Flood::Unknown, 100, 10),
    Budget(Flood::Total, 1_000, 100),
];

/// What a request earns: a window of its own, a priority and its update, an extension or two.
const BY_REQUEST: [(Flood, u64); 3] = [(Flood::WindowUpdate, 2), (Flood::Priority, 2), (Flood::Unknown, 4)];

/// CONTINUATION frames of a header block, beyond those that its size needs.
const CONTINUATIONS: u64 = 16;
/// The smallest limit a peer may set for a frame's payload, and the one that we leave standing.
const FRAME_PAYLOAD: u64 = 16_384;

/// The budgets of one connection.
#[derive(Debug)]
pub struct Floods {
    left: [u64; Flood::ALL.len()],
    /// Whole seconds that have been refilled.
    refilled: u64,
    max_block: u64,
    /// Frames and bytes of the header block that is under way.
    block: (u64, u64),
}

impl Floods {
    /// `max_block`: bytes of a header block as it comes, compressed.
    pub fn new(max_block: u64) -> Floods {
        let mut left = [0; Flood::ALL.len()];
        for Budget(flood, burst, _) in BUDGETS {
            left[flood as usize] = u64::from(burst);
        }
        Floods { left, refilled: 0, max_block, block: (0, 0) }
    }

    /// A frame of the caller's, `age` after the connection began.
    pub fn received(&mut self, frame: Frame, age: Duration) -> Result<(), Flood> {
        self.refill(age.as_secs());
        match frame.kind {
            HEADERS => {
                BY_REQUEST.iter().for_each(|(flood, count)| self.earn(*flood, *count));
                self.block(frame, true)
            }
            CONTINUATION => self.block(frame, false),
            DATA if frame.length == 0 && !frame.ends_stream() => self.spend(Flood::EmptyData),
            DATA => Ok(()),
            SETTINGS => self.spend(Flood::Settings),
            PING => self.spend(Flood::Ping),
            RST_STREAM => self.spend(Flood::Reset),
            PRIORITY => self.spend(Flood::Priority),
            WINDOW_UPDATE => self.spend(Flood::WindowUpdate),
            _ => self.spend(Flood::Unknown),
        }
    }

    /// The DATA frame that was received last held padding and nothing else.
    pub fn padding_alone(&mut self) -> Result<(), Flood> {
        self.spend(Flood::EmptyData)
    }

    /// A frame of ours, which gives the caller something to answer.
    pub fn sent(&mut self, frame: Frame) {
        match frame.kind {
            DATA => {
                // Some callers update both windows for each piece they read, and read pieces of a KiB.
                self.earn(Flood::WindowUpdate, 2 + 2 * u64::from(frame.length / 1024));
                self.earn(Flood::Ping, 1);
            }
            HEADERS => self.earn(Flood::Ping, 1),
            // An answer is nothing to answer.
            SETTINGS if frame.flags & ACK == 0 => self.earn(Flood::Settings, 1),
            PING if frame.flags & ACK == 0 => self.earn(Flood::Ping, 1),
            _ => {}
        }
        if frame.ends_stream() {
            self.earn(Flood::Reset, 1);
        }
    }

    /// The size of a header block, whatever it decompresses to.
    fn block(&mut self, frame: Frame, first: bool) -> Result<(), Flood> {
        let (frames, bytes) = if first { (0, 0) } else { self.block };
        self.block = (frames + 1, bytes + u64::from(frame.length));
        if self.block.1 > self.max_block {
            return Err(Flood::HeaderBlock);
        }
        if self.block.0 > CONTINUATIONS + self.max_block / FRAME_PAYLOAD {
            return Err(Flood::Continuation);
        }
        Ok(())
    }

    fn spend(&mut self, flood: Flood) -> Result<(), Flood> {
        for flood in [flood, Flood::Total] {
            let left = &mut self.left[flood as usize];
            *left = left.checked_sub(1).ok_or(flood)?;
        }
        Ok(())
    }

    fn earn(&mut self, flood: Flood, count: u64) {
        for flood in [flood, Flood::Total] {
            let left = &mut self.left[flood as usize];
            *left = left.saturating_add(count);
        }
    }

    fn refill(&mut self, second: u64) {
        let passed = second.saturating_sub(self.refilled);
        if passed == 0 {
            return;
        }
        self.refilled = second;
        for Budget(flood, burst, rate) in BUDGETS {
            let left = &mut self.left[flood as usize];
            // What was earned stands above the burst, and stays.
            let full = (*left).max(u64::from(burst));
            *left = left.saturating_add(passed.saturating_mul(u64::from(rate))).min(full);
        }
    }
}

#[cfg(test)]
mod tests;
