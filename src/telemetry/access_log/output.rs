//! What the access log is written to, and what happens when that fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::AccessCounters;
use super::sink::Batch;

/// Where the access log goes: `stdout`, `stderr`, `off` or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    Stderr,
    File(PathBuf),
    Off,
}

pub(super) struct Output {
    target: Target,
    counters: Arc<AccessCounters>,
    /// The last write ended inside a record: the next begins on a line of its own.
    torn: bool,
    /// Told once when it begins and once when it ends, not once per batch.
    failing: bool,
}

impl Output {
    /// None: switched off.
    pub(super) fn open(destination: Destination, counters: Arc<AccessCounters>) -> io::Result<Option<Output>> {
        let target = match destination {
            Destination::Off => return Ok(None),
            Destination::Stdout => Target::Stdout,
            Destination::Stderr => Target::Stderr,
            Destination::File(path) => Target::File(append_to(&path)?, path),
        };
        Ok(Some(Output { target, counters, torn: false, failing: false }))
    }

    /// Writes what it can and counts each record as written or lost; never fails.
    pub(super) fn write(&mut self, batch: &Batch) {
        if self.torn && self.put(b"\n").1.is_ok() {
            self.torn = false;
        }
        let (length, result) = self.put(&batch.bytes);
        let taken = &batch.bytes[..length];
        let torn = taken.last().is_some_and(|&byte| byte != b'\n');
        let written = match length == batch.bytes.len() && !torn {
            true => batch.records,
            false => memchr::memchr_iter(b'\n', taken).count() as u64,
        };
        self.torn |= torn;
        (self.counters.written).fetch_add(written, Ordering::Relaxed);
        (self.counters.dropped).fetch_add(batch.records.saturating_sub(written), Ordering::Relaxed);
        self.report(result);
    }

    /// Writes all it can and tells how much that was, which `write_all` does not.
    fn put(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.target.write(&bytes[taken..]) {
                Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
                Ok(some) => taken += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (taken, Err(error)),
            }
        }
        (taken, self.target.flush())
    }

    pub(super) fn reopen(&mut self) {
        if let Target::File(file, path) = &mut self.target {
            let result = append_to(path).map(|new| *file = new);
            // A torn line stayed in the old file.
            self.torn &= result.is_err();
            self.report(result);
        }
    }

    fn report(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the access log is written again");
            }
            Ok(()) => {}
            Err(error) => {
                (self.counters.write_errors).fetch_add(1, Ordering::Relaxed);
                if !self.failing {
                    self.failing = true;
                    tracing::error!(%error, "the access log cannot be written; records are being lost");
                }
            }
        }
    }
}

enum Target {
    Stdout,
    Stderr,
    File(File, PathBuf),
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout => io::stdout().write(bytes),
            Target::Stderr => io::stderr().write(bytes),
            Target::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout => io::stdout().flush(),
            // Neither is buffered.
            Target::Stderr | Target::File(..) => Ok(()),
        }
    }
}

/// Names of keys and addresses of callers are nobody else's business: 0640 where there are modes.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        match text {
            "stdout" => Ok(Destination::Stdout),
            "stderr" => Ok(Destination::Stderr),
            "off" => Ok(Destination::Off),
            other => match other.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Ok(Destination::File(path.into())),
                _ => Err(format!("`{other}` is none of `stdout`, `stderr`, `off`, `file:PATH`")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(bytes: &[u8], records: u64) -> Batch {
        let (home, _) = std::sync::mpsc::sync_channel(1);
        Batch { bytes: bytes.to_vec(), records, home }
    }

    #[test]
    fn t3_a_destination_reads_as_it_is_written() {
        assert_eq!("stdout".parse(), Ok(Destination::Stdout));
        assert_eq!("off".parse(), Ok(Destination::Off));
        assert_eq!("file:/a b".parse(), Ok(Destination::File("/a b".into())));
        assert!("file:".parse::<Destination>().is_err());
        assert!("/a".parse::<Destination>().is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn hazard_25_a_full_disk_is_counted_and_kills_nothing() {
        let counters = Arc::new(AccessCounters::default());
        let full = Destination::File("/dev/full".into());
        let output = Output::open(full, Arc::clone(&counters)).expect("it opens");
        output.expect("it is on").write(&batch(b"{}\n{}\n", 2));
        assert_eq!(counters.written.load(Ordering::Relaxed), 0);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(counters.write_errors.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn hazard_25_after_a_torn_record_the_next_begins_on_its_own_line() {
        let path = std::env::temp_dir().join(format!("keystile-torn-{}", std::process::id()));
        let counters = Arc::new(AccessCounters::default());
        let opened = Output::open(Destination::File(path.clone()), Arc::clone(&counters));
        let mut output = opened.expect("it opens").expect("it is on");
        output.write(&batch(b"{}\n{\"to", 2));
        output.write(&batch(b"{}\n", 1));
        let text = std::fs::read_to_string(&path).expect("the log is there");
        assert_eq!(text, "{}\n{\"to\n{}\n");
        assert_eq!(counters.written.load(Ordering::Relaxed), 2);
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 1);
        std::fs::remove_file(path).expect("the log is ours");
    }
}
