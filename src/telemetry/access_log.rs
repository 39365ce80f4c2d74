//! One record per request (T3), without a request ever waiting for it.
//!
//! Each core formats into its own buffer and hands full ones to a single writer thread over a bounded channel. If the
//! disk or the reader of our standard output is too slow, the channel fills, and whole buffers are dropped and counted:
//! a gateway that stops because nobody reads its log is worse than a gap in the log that the metrics show.

mod line;
mod output;
mod record;
mod sink;

use std::cell::RefCell;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

pub use output::Destination;
pub use record::AccessRecord;
#[cfg(any(test, fuzzing))]
pub use record::example;
use sink::{Batch, Message, Sink};

/// A buffer is handed over once it holds this much: large enough that the hand-over costs little per record, small
/// enough to stay in the cache.
const FULL: usize = 128 * 1024;
/// A record with huge fields grows a buffer; beyond this it is given back to the allocator instead of kept.
const KEEP: usize = 2 * FULL;
/// Buffers of one core that can be on their way back.
const SPARE: usize = 4;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object per line.
    Json,
    /// `key=value`, separated by spaces.
    Text,
}

/// What became of the records. `Metrics` owns it and shows it.
#[derive(Debug, Default)]
pub struct AccessCounters {
    pub written: AtomicU64,
    /// Records lost: the channel was full, or writing failed.
    pub dropped: AtomicU64,
    /// Failed writes and failed reopenings.
    pub write_errors: AtomicU64,
}

/// The log of the process; each core takes a writer of its own from it.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    counters: Arc<AccessCounters>,
    /// None: switched off.
    sink: Option<Sink>,
}

impl AccessLog {
    /// Opens the destination, so that a path that cannot be written is told at the start, and starts the writer thread.
    pub fn start(destination: Destination, format: Format, counters: Arc<AccessCounters>) -> io::Result<AccessLog> {
        let sink = Sink::start(destination, Arc::clone(&counters))?;
        Ok(AccessLog { format, counters, sink })
    }

    /// A writer for one core. It may move to that core's thread, not be shared with others.
    pub fn writer(&self) -> AccessWriter {
        AccessWriter {
            format: self.format,
            channel: (self.sink.as_ref()).map(|sink| Channel::new(sink.sender(), Arc::clone(&self.counters))),
        }
    }

    /// Opens the file anew after it was rotated away. If that fails, the old one stays in use and the error is counted.
    pub fn reopen(&self) {
        if let Some(sink) = &self.sink {
            sink.reopen();
        }
    }

    /// Writes what the cores have handed over and ends the thread. The cores flush or drop their writers first. False:
    /// the destination took nothing for so long that waiting on would have held up the shutdown.
    pub fn close(&self) -> bool {
        self.sink.as_ref().is_none_or(Sink::close)
    }
}

/// One core's end of the access log.
#[derive(Debug)]
pub struct AccessWriter {
    format: Format,
    channel: Option<Channel>,
}

impl AccessWriter {
    /// Whether anything is written at all.
    pub fn is_on(&self) -> bool {
        self.channel.is_some()
    }

    /// Notes one request. Formats into memory; neither waits nor, once warm, allocates.
    pub fn record(&self, record: &AccessRecord<'_>) {
        let Some(channel) = &self.channel else {
            return;
        };
        let mut pending = channel.pending.borrow_mut();
        record::push(&mut pending.bytes, self.format, record);
        pending.records += 1;
        if pending.bytes.len() >= FULL {
            channel.hand_over(&mut pending);
        }
    }

    /// Hands over what has gathered. The core calls it every 50 ms, so that a quiet gateway's log is fresh.
    pub fn flush(&self) {
        if let Some(channel) = &self.channel {
            channel.hand_over(&mut channel.pending.borrow_mut());
        }
    }
}

impl Drop for AccessWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

#[derive(Debug)]
struct Channel {
    pending: RefCell<Pending>,
    sender: SyncSender<Message>,
    /// Where written buffers come back, so that they are allocated once.
    returned: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
    counters: Arc<AccessCounters>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    records: u64,
}

impl Channel {
    fn new(sender: SyncSender<Message>, counters: Arc<AccessCounters>) -> Channel {
        let (home, returned) = sync_channel(SPARE);
        Channel { pending: RefCell::default(), sender, returned, home, counters }
    }

    fn hand_over(&self, pending: &mut Pending) {
        if pending.records == 0 {
            return;
        }
        let empty = self.returned.try_recv().unwrap_or_default();
        let batch = Batch {
            bytes: std::mem::replace(&mut pending.bytes, empty),
            records: std::mem::take(&mut pending.records),
            home: self.home.clone(),
        };
        if let Err(refused) = self.sender.try_send(Message::Batch(batch)) {
            let (TrySendError::Full(message) | TrySendError::Disconnected(message)) = refused;
            if let Message::Batch(batch) = message {
                (self.counters.dropped).fetch_add(batch.records, Ordering::Relaxed);
                batch.give_back();
            }
        }
    }
}

impl Batch {
    /// The buffer goes home emptied. If nobody is there, or enough wait there already, it is freed.
    fn give_back(mut self) {
        if self.bytes.capacity() <= KEEP {
            self.bytes.clear();
            let _ = self.home.try_send(self.bytes);
        }
    }
}

/// A record's line by itself.
#[cfg(any(test, fuzzing))]
pub fn line_of(format: Format, record: &AccessRecord<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    record::push(&mut line, format, record);
    line
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "json" => Ok(Format::Json),
            "text" => Ok(Format::Text),
            other => Err(format!("`{other}` is neither `json` nor `text`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer_into(capacity: usize) -> (AccessWriter, Receiver<Message>, Arc<AccessCounters>) {
        let (sender, receiver) = sync_channel(capacity);
        let counters = Arc::new(AccessCounters::default());
        let writer = AccessWriter { format: Format::Json, channel: Some(Channel::new(sender, Arc::clone(&counters))) };
        (writer, receiver, counters)
    }

    fn batch(receiver: &Receiver<Message>) -> Batch {
        match receiver.try_recv() {
            Ok(Message::Batch(batch)) => batch,
            other => panic!("no batch but {other:?}"),
        }
    }

    #[test]
    fn records_gather_until_128_kib_or_a_flush() {
        let (writer, receiver, _) = writer_into(4);
        writer.record(&record::example());
        assert!(receiver.try_recv().is_err(), "nothing is sent per record");
        writer.flush();
        assert_eq!(batch(&receiver).records, 1);
        writer.flush();
        assert!(receiver.try_recv().is_err(), "an empty flush sends nothing");

        let long = "x".repeat(FULL);
        let mut record = record::example();
        record.path = &long;
        writer.record(&record);
        assert!(batch(&receiver).bytes.len() > FULL);
    }

    #[test]
    fn a_full_channel_drops_the_batch_and_counts_its_records() {
        let (writer, receiver, counters) = writer_into(1);
        for records in [2, 3] {
            (0..records).for_each(|_| writer.record(&record::example()));
            writer.flush();
        }
        assert_eq!(batch(&receiver).records, 2);
        assert!(receiver.try_recv().is_err());
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn buffers_are_used_again() {
        let (writer, receiver, _) = writer_into(1);
        writer.record(&record::example());
        writer.flush();
        let first = batch(&receiver);
        let address = first.bytes.as_ptr();
        first.give_back();
        // The second record gathers in another buffer; the third finds the first one's again.
        let mut seen = Vec::new();
        for _ in 0..2 {
            writer.record(&record::example());
            writer.flush();
            seen.push(batch(&receiver).bytes.as_ptr());
        }
        assert_eq!(seen[1], address);
    }

    #[test]
    fn a_dropped_writer_hands_over_its_last_records() {
        let (writer, receiver, _) = writer_into(1);
        writer.record(&record::example());
        drop(writer);
        assert_eq!(batch(&receiver).records, 1);
    }
}
