//! One request of an HTTP/2 connection, as the connection keeps it; and all of them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use std::task::{Context, Waker};
use tokio::time::Instant;

/// What the peer may still send, and what of that was taken and not given back yet (RFC 9113, section 5.2).
#[derive(Debug)]
pub struct Window {
    whole: u32,
    left: u32,
    taken: u32,
}

impl Window {
    pub fn new(whole: u32) -> Window {
        Window { whole, left: whole, taken: 0 }
    }

    /// So much came. False: more than was allowed.
    pub fn take(&mut self, bytes: u32) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// So much of it is used up. Now and then the window is opened again: by how much.
    pub fn used(&mut self, bytes: u32) -> Option<u32> {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken < self.whole / 2 {
            return None;
        }
        self.left += self.taken;
        Some(std::mem::take(&mut self.taken))
    }
}

/// A task that waits for something. It is woken once for each time it waits.
#[derive(Debug, Default)]
pub struct Waiting {
    waker: Option<Waker>,
    waits: bool,
}

impl Waiting {
    pub fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
        self.waits = true;
    }

    /// It runs: whatever happens until it waits again, it sees by itself.
    pub fn runs(&mut self) {
        self.waits = false;
    }

    pub fn wake(&mut self) {
        if std::mem::take(&mut self.waits)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}

/// A stream whose request has begun and whose reply has not ended.
#[derive(Debug)]
pub struct Stream {
    /// What of the body has come and was not asked for yet: no more than its window.
    pub data: BytesMut,
    /// Boxed, as what is rare.
    pub trailers: Option<Box<HeaderMap>>,
    /// The caller has said everything.
    pub heard: bool,
    /// Bytes the body is still to hold, where its head said how many.
    pub expected: Option<u64>,
    /// Nobody asks for the body any more.
    pub unwanted: bool,
    /// The caller waits for 100 before he sends a body.
    pub continue_wanted: bool,
    pub inward: Window,
    /// What the caller lets us send. Settings may take it below nothing.
    pub outward: i64,
    /// The reply has begun: nothing is said before it any more.
    pub answered: bool,
    /// The part of the reply that is under way, and whether nothing comes after it.
    pub part: Bytes,
    pub last: bool,
    /// It stands in line.
    pub queued: bool,
    /// Since when the caller's windows hold up the part, and bytes of it that went all the same.
    pub stalled: Option<(Instant, u64)>,
    /// Its request makes no sense: what it is told is no success (section 8.1.1).
    pub flawed: bool,
    /// When the reply was over, though the caller is not through; and what he has sent since.
    pub replied: Option<Instant>,
    pub thrown_away: usize,
    /// Whoever answers.
    pub task: Waiting,
    /// Whoever reads the body.
    pub reader: Waiting,
}

impl Stream {
    /// `inward`, `outward`: bytes that either side may send at first.
    pub fn new(inward: u32, outward: i64, expected: Option<u64>) -> Stream {
        Stream {
            data: BytesMut::new(),
            trailers: None,
            heard: false,
            expected,
            unwanted: false,
            continue_wanted: false,
            inward: Window::new(inward),
            outward,
            answered: false,
            part: Bytes::new(),
            last: false,
            queued: false,
            stalled: None,
            flawed: false,
            replied: None,
            thrown_away: 0,
            task: Waiting::default(),
            reader: Waiting::default(),
        }
    }

    /// Part of what it has to send is held up by a window.
    pub fn stalls(&mut self, now: Instant) {
        self.stalled.get_or_insert((now, 0));
    }

    /// Tells everybody who waits to look again.
    pub fn wake(&mut self) {
        self.task.wake();
        self.reader.wake();
    }
}

/// A connection's streams. There are few, so that to walk their numbers is faster than to hash one. Each stays where it is from
/// its beginning to its end.
#[derive(Debug, Default)]
pub struct Streams {
    /// By place; [`FREE`] where there is none.
    numbers: Vec<u32>,
    streams: Vec<Option<Stream>>,
    open: usize,
    /// The place that was asked for last, as a rule several times in a row.
    last: usize,
}

/// No stream has this number: it stands for the connection.
const FREE: u32 = 0;

impl Streams {
    pub fn len(&self) -> usize {
        self.open
    }

    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    pub fn insert(&mut self, number: u32, stream: Stream) {
        let free = if self.open < self.numbers.len() { self.place(FREE) } else { None };
        self.open += 1;
        match free {
            Some(at) => (self.numbers[at], self.streams[at]) = (number, Some(stream)),
            None => {
                self.numbers.push(number);
                self.streams.push(Some(stream));
            }
        }
    }

    fn place(&mut self, number: u32) -> Option<usize> {
        if self.numbers.get(self.last) != Some(&number) {
            self.last = self.numbers.iter().position(|n| *n == number)?;
        }
        Some(self.last)
    }

    pub fn get(&mut self, number: u32) -> Option<&mut Stream> {
        let at = self.place(number)?;
        self.streams.get_mut(at)?.as_mut()
    }

    /// Ends a stream, of which `last` is asked what is still of interest.
    pub fn remove<R>(&mut self, number: u32, last: impl FnOnce(&mut Stream) -> R) -> Option<R> {
        let at = self.place(number)?;
        let told = self.streams[at].as_mut().map(last)?;
        (self.numbers[at], self.streams[at]) = (FREE, None);
        self.open -= 1;
        if self.open == 0 {
            self.numbers.clear();
            self.streams.clear();
        }
        Some(told)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream)> {
        self.numbers.iter().zip(&mut self.streams).filter_map(|(number, stream)| Some((*number, stream.as_mut()?)))
    }

    /// Takes all of them out.
    pub fn drain(&mut self) -> impl Iterator<Item = Stream> + '_ {
        self.numbers.clear();
        self.open = 0;
        self.streams.drain(..).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9113_5_2_a_window_holds_what_it_holds_and_opens_by_halves() {
        let mut window = Window::new(100);
        assert!(window.take(60));
        assert_eq!(window.used(49), None);
        assert_eq!(window.used(1), Some(50));
        assert!(window.take(90));
        assert!(!window.take(1), "what was not given back cannot be sent again");
        assert!(!Window::new(10).take(11));
    }

    #[test]
    fn a_stream_is_found_by_its_number_whatever_came_and_went() {
        let mut streams = Streams::default();
        for number in [1, 3, 5, 7] {
            streams.insert(number, Stream::new(1, i64::from(number), None));
        }
        let removed = |streams: &mut Streams, number| streams.remove(number, |stream| stream.outward);
        assert_eq!((removed(&mut streams, 3), removed(&mut streams, 3)), (Some(3), None));
        assert!(streams.get(3).is_none() && streams.get(FREE).is_none());
        let found = |streams: &mut Streams| [1, 5, 7, 9].map(|n| streams.get(n).map(|s| s.outward));
        assert_eq!(found(&mut streams), [Some(1), Some(5), Some(7), None]);
        streams.insert(9, Stream::new(1, 9, None));
        assert_eq!(found(&mut streams), [Some(1), Some(5), Some(7), Some(9)]);
        assert_eq!(
            (streams.numbers.len(), streams.iter_mut().count()),
            (4, 4),
            "in the place of the one that has gone"
        );
        assert_eq!((streams.len(), streams.drain().count(), streams.is_empty()), (4, 4, true));
        streams.insert(11, Stream::new(1, 11, None));
        assert_eq!((removed(&mut streams, 11), streams.numbers.len()), (Some(11), 0), "the last one leaves nothing");
    }
}
