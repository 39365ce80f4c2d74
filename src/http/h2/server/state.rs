//! An HTTP/2 connection as its streams share it: what is open, how much either side may send, what stands in line.

use super::Rules;
use super::stream::{Streams, Waiting, Window};
use crate::http::h2::hpack::{Decoder, Encoder};
use crate::http::wire::Wire;
use crate::model::flood::Flood;
use crate::net::flood::Floods;
use h2::Reason;
use std::collections::VecDeque;
use std::task::Context;
use tokio::time::Instant;

/// Requests one connection may have under way.
pub const STREAMS: usize = 128;
/// Requests of a connection that may be wrong or too many, beyond those that went well.
const WRONG: usize = 256;
/// What a caller may send of one request, and of all of them, before somebody takes it.
pub const STREAM_WINDOW: u32 = 512 * 1024;
pub const WINDOW: u32 = 1024 * 1024;
/// What the other side may send at first (RFC 9113, section 6.9.2).
pub const FIRST_WINDOW: u32 = 65_535;
/// Bytes of a frame's payload: what we leave standing for the caller, and what every caller must take (section 4.2).
pub const FRAME: usize = 16_384;
/// Streams that ended lately, of which something may still be on its way.
const ENDED: usize = 64;

/// How a connection comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The caller has broken the rules: he is told which.
    Wrong(Reason),
    /// Too much of what brings nobody anything.
    Flood(Flood),
    /// There is nothing more to say.
    Done,
    /// The caller is gone, or was waited for long enough.
    Lost,
}

/// What came of a stream that is no longer open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Ended by us before the caller was through: what he sent since is no mistake.
    Cut,
    Closed,
    /// Not known any more, or never opened though a later one was.
    Unknown,
}

/// How far a connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    No,
    /// It was said that no more is wanted; what is on its way is still taken (section 6.8).
    Soon(Instant),
    /// What comes now is refused.
    Now,
}

/// A header block that takes several frames.
#[derive(Debug)]
pub struct Block {
    pub stream: u32,
    pub ends: bool,
    pub bytes: Vec<u8>,
}

/// One connection's state.
pub struct State {
    pub wire: Wire,
    pub streams: Streams,
    pub(super) rules: Rules,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) floods: Floods,
    pub(super) began: Instant,
    pub(super) preface: bool,
    pub(super) settled: bool,
    /// The latest stream that the caller opened.
    pub(super) latest: u32,
    pub(super) block: Option<Block>,
    /// Since when a head is on its way and not whole.
    pub(super) head_since: Option<Instant>,
    /// What the caller may send in all.
    pub(super) inward: Window,
    /// What he lets us send: in all, and of each new stream.
    pub(super) outward: i64,
    pub(super) first_window: i64,
    /// Streams with something to send that wait for their turn.
    pub(super) line: VecDeque<u32>,
    pub(super) leaving: Leaving,
    wrong: usize,
    /// Those that the caller knows to be over, and those that were cut: what still comes of these is no mistake, whatever
    /// else has ended since.
    ended: [[u32; ENDED]; 2],
    next_ended: [usize; 2],
    /// When something came last, and since when an answer to our PING is waited for.
    pub(super) heard_at: Instant,
    pub(super) pinged: Option<Instant>,
    /// Since when there has been no stream.
    pub(super) idle_since: Instant,
    /// Some reply may wait for its caller's window.
    pub(super) stalls: bool,
    /// Some caller may still send what nobody waits for.
    pub(super) lingers: bool,
    /// Since when nothing more could be written, and what had been written by then.
    pub(super) unwritten: Option<(Instant, u64)>,
    task: Waiting,
}

impl State {
    pub fn new(wire: Wire, rules: Rules) -> State {
        let now = Instant::now();
        let mut state = State {
            wire,
            streams: Streams::default(),
            rules,
            decoder: Decoder::new(),
            encoder: Encoder::new(),
            floods: Floods::new(rules.block),
            began: now,
            preface: false,
            settled: false,
            latest: 0,
            block: None,
            head_since: None,
            inward: Window::new(WINDOW),
            outward: i64::from(FIRST_WINDOW),
            first_window: i64::from(FIRST_WINDOW),
            line: VecDeque::new(),
            leaving: Leaving::No,
            wrong: 0,
            ended: [[0; ENDED]; 2],
            next_ended: [0; 2],
            heard_at: now,
            pinged: None,
            idle_since: now,
            stalls: false,
            lingers: false,
            unwritten: None,
            task: Waiting::default(),
        };
        state.greet();
        state
    }

    /// The connection's own task waits.
    pub fn wait(&mut self, cx: &Context<'_>) {
        self.task.wait(cx);
    }

    /// There is something to write.
    pub(super) fn wake(&mut self) {
        self.task.wake();
    }

    /// A stream is over, in both directions. `cut`: the caller may not know it yet.
    pub(super) fn forget(&mut self, number: u32, cut: bool) {
        let ended = self.streams.remove(number, |stream| {
            stream.wake();
            (stream.queued, stream.data.len())
        });
        let Some((queued, unread)) = ended else { return };
        if queued {
            self.line.retain(|n| *n != number);
        }
        self.used_in_all(unread);
        self.remember(number, cut);
        if self.streams.is_empty() {
            self.idle_since = Instant::now();
        }
    }

    pub(super) fn remember(&mut self, number: u32, cut: bool) {
        let next = &mut self.next_ended[usize::from(cut)];
        self.ended[usize::from(cut)][*next] = number;
        *next = (*next + 1) % ENDED;
    }

    /// Of a stream that is not open, and is not above all that were.
    pub(super) fn past(&self, number: u32) -> Past {
        match self.ended.each_ref().map(|ended| ended.contains(&number)) {
            [_, true] => Past::Cut,
            [true, false] => Past::Closed,
            [false, false] => Past::Unknown,
        }
    }

    /// Counts a request that is wrong, or one too many.
    pub(super) fn wrong(&mut self) -> Result<(), Over> {
        self.wrong += 1;
        if self.wrong > WRONG { Err(Over::Flood(Flood::Mistakes)) } else { Ok(()) }
    }

    /// A reply went its whole way: a caller who is mostly right makes a mistake now and then.
    pub(super) fn right(&mut self) {
        self.wrong = self.wrong.saturating_sub(1);
    }

    /// So much of a body was taken: the caller may send more, of it and in all.
    pub fn used(&mut self, number: u32, bytes: usize) {
        if let Some(stream) = self.streams.get(number).filter(|s| !s.heard)
            && let Some(more) = stream.inward.used(bytes as u32)
        {
            self.open_window(number, more);
        }
        self.used_in_all(bytes);
    }

    pub(super) fn used_in_all(&mut self, bytes: usize) {
        if let Some(more) = self.inward.used(bytes as u32) {
            self.open_window(0, more);
        }
    }

    /// Nobody asks for a body any more. What is there is thrown away, and so is what comes.
    pub fn unwanted(&mut self, number: u32) {
        let Some(stream) = self.streams.get(number) else { return };
        stream.unwanted = true;
        stream.trailers = None;
        let unread = std::mem::take(&mut stream.data).len();
        self.used_in_all(unread);
    }

    /// Every stream is over: the connection is.
    pub fn abandon(&mut self) {
        for mut stream in self.streams.drain() {
            stream.wake();
        }
    }

    /// Whether all was said that ever will be.
    pub fn is_done(&self) -> bool {
        self.leaving == Leaving::Now && self.streams.is_empty()
    }
}
