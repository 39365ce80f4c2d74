//! What a process writes, line by line, while it runs.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// Lines written so far; whoever waits for one is woken.
#[derive(Default)]
pub struct Captured {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Captured {
    /// Reads `from` to its end in a thread of its own.
    pub fn of(from: impl Read + Send + 'static) -> Arc<Captured> {
        let captured = Arc::new(Captured::default());
        let filling = captured.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                filling.push(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
                line.clear();
            }
            filling.lines.lock().unwrap().1 = true;
            filling.changed.notify_all();
        });
        captured
    }

    fn push(&self, line: String) {
        self.lines.lock().unwrap().0.push(line);
        self.changed.notify_all();
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap().0.join("\n")
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().0.clone()
    }

    /// Waits until `wanted` finds something in a line, from the line `from` on, and returns it.
    pub fn find<T>(&self, from: usize, wanted: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        let mut seen = from;
        loop {
            while seen < lines.0.len() {
                if let Some(found) = wanted(&lines.0[seen]) {
                    return Ok(found);
                }
                seen += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                return Err(lines.0.join("\n"));
            }
            lines = self.changed.wait_timeout(lines, left).unwrap().0;
        }
    }
}
