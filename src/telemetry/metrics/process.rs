//! What the kernel knows about this process. Read from `/proc` when scraped, so Linux only; elsewhere the metrics are
//! absent rather than zero.

use std::fs;

/// Each is `None` where it cannot be read.
#[derive(Debug, Default)]
pub(super) struct ProcessFacts {
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
}

pub(super) fn read() -> ProcessFacts {
    if !cfg!(target_os = "linux") {
        return ProcessFacts::default();
    }
    ProcessFacts {
        open_fds: open_fds(),
        max_fds: (fs::read_to_string("/proc/self/limits").ok())
            .and_then(|limits| number_after(&limits, "Max open files")),
        resident_bytes: (fs::read_to_string("/proc/self/status").ok())
            .and_then(|status| number_after(&status, "VmRSS:"))
            .map(|kib| kib * 1024),
    }
}

fn open_fds() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    // One of them is the directory itself, open for the counting.
    Some(entries.saturating_sub(1))
}

/// The first number on the line that begins with `label`; `unlimited` is none.
fn number_after(text: &str, label: &str) -> Option<u64> {
    (text.lines()).find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_status_are_read_by_label() {
        let limits = "Limit   Soft   Hard   Units\nMax open files   1024   4096   files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1_024));
        assert_eq!(number_after("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number_after("Max open files unlimited", "Max open files"), None);
        assert_eq!(number_after("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_files_and_memory() {
        let facts = read();
        assert!(facts.open_fds.is_some_and(|open| open >= 3));
        assert!(facts.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
    }
}
