//! The thread that alone writes the access log.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::AccessCounters;
use super::output::{Destination, Output};

/// Batches that may wait. With 128 KiB each this bounds the memory a stuck destination can hold to about 4 MiB, which is
/// a tenth of a second of records at 100,000 requests a second.
const WAITING: usize = 32;
/// How long a shutdown waits for a destination that takes nothing.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) records: u64,
    pub(super) home: SyncSender<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum Message {
    Batch(Batch),
    /// Nothing to write: look at `rotated`.
    Wake,
    Close,
}

#[derive(Debug)]
pub(super) struct Sink {
    sender: SyncSender<Message>,
    /// A flag beside the channel: a rotation must get through when the channel is full.
    rotated: Arc<AtomicBool>,
    thread: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    /// Disconnects when the thread is done; joining alone knows no time limit.
    done: Receiver<()>,
}

impl Sink {
    pub(super) fn start(destination: Destination, counters: Arc<AccessCounters>) -> io::Result<Option<Sink>> {
        let Some(mut output) = Output::open(destination, counters)? else {
            return Ok(None);
        };
        let (sender, receiver) = sync_channel(WAITING);
        let (finished, done) = sync_channel(0);
        let rotated = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&rotated);
        let handle = thread::Builder::new().name("access-log".into()).spawn(move || {
            run(&mut output, &receiver, &flag);
            drop(finished);
        })?;
        let thread = Mutex::new(Some(Running { handle, done }));
        Ok(Some(Sink { sender, rotated, thread }))
    }

    pub(super) fn sender(&self) -> SyncSender<Message> {
        self.sender.clone()
    }

    pub(super) fn reopen(&self) {
        self.rotated.store(true, Ordering::Release);
        // If the channel is full, the thread is awake and will see the flag at its next batch.
        let _ = self.sender.try_send(Message::Wake);
    }

    pub(super) fn close(&self) -> bool {
        let running = (self.thread.lock()).unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { handle, done }) = running else {
            return true;
        };
        let deadline = Instant::now() + CLOSE_WITHIN;
        while let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Close) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = done.recv_timeout(left) == Err(RecvTimeoutError::Disconnected);
        ended && handle.join().is_ok()
    }
}

fn run(output: &mut Output, messages: &Receiver<Message>, rotated: &AtomicBool) {
    let mut closing = false;
    loop {
        // After `Close`, what other cores handed over meanwhile is still written.
        let next = match closing {
            true => messages.try_recv().ok(),
            false => messages.recv().ok(),
        };
        let Some(message) = next else { return };
        if rotated.swap(false, Ordering::Acquire) {
            output.reopen();
        }
        match message {
            Message::Batch(batch) => {
                output.write(&batch);
                batch.give_back();
            }
            Message::Wake => {}
            Message::Close => closing = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AccessLog, Format, record};
    use super::*;
    use std::path::{Path, PathBuf};

    fn start(destination: Destination) -> (AccessLog, Arc<AccessCounters>) {
        let counters = Arc::new(AccessCounters::default());
        let log = AccessLog::start(destination, Format::Json, Arc::clone(&counters));
        (log.expect("the destination opens"), counters)
    }

    fn scratch(name: &str) -> PathBuf {
        let name = format!("keystile-access-log-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn lines(path: &Path) -> usize {
        let text = std::fs::read_to_string(path).expect("the log is there");
        text.lines().count()
    }

    #[test]
    fn t3_closing_writes_every_record_that_was_handed_over() {
        let path = scratch("close");
        let (log, counters) = start(Destination::File(path.clone()));
        let cores = [log.writer(), log.writer()];
        thread::scope(|scope| {
            for core in cores {
                scope.spawn(move || (0..1_000).for_each(|_| core.record(&record::example())));
            }
        });
        assert!(log.close());
        assert!(log.close(), "closing twice is harmless");
        assert_eq!(lines(&path), 2_000);
        assert_eq!(counters.written.load(Ordering::Relaxed), 2_000);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).expect("the log is there").permissions().mode();
            assert_eq!(mode & 0o777 & !0o640, 0, "no more than 0640");
        }
        std::fs::remove_file(path).expect("the log is ours");
    }

    #[test]
    fn t3_after_a_rotation_records_go_to_the_new_file() {
        let (path, old) = (scratch("rotate"), scratch("rotate.1"));
        let (log, _) = start(Destination::File(path.clone()));
        let core = log.writer();
        core.record(&record::example());
        core.flush();
        while lines(&path) == 0 {
            thread::yield_now();
        }
        std::fs::rename(&path, &old).expect("the log is ours");
        log.reopen();
        core.record(&record::example());
        core.flush();
        assert!(log.close());
        assert_eq!((lines(&old), lines(&path)), (1, 1));
        for file in [old, path] {
            std::fs::remove_file(file).expect("the log is ours");
        }
    }

    #[test]
    fn a_record_after_the_close_is_counted_as_lost() {
        let path = scratch("late");
        let (log, counters) = start(Destination::File(path.clone()));
        let core = log.writer();
        assert!(log.close());
        core.record(&record::example());
        drop(core);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 1);
        std::fs::remove_file(path).expect("the log is ours");
    }

    #[test]
    fn switched_off_nothing_is_written_or_counted() {
        let (log, counters) = start(Destination::Off);
        let core = log.writer();
        core.record(&record::example());
        drop(core);
        assert!(log.close());
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 0);
    }
}
