//! HTTP/2 without TLS (h2c by prior knowledge, RFC 9113, section 3.3): who speaks it begins with the preface.

use super::accepted::Accepted;
use super::frames::PREFACE;
use std::time::Duration;

/// Whether the connection begins with the preface of HTTP/2, as far as it takes to tell; nothing is taken off it. `None`
/// if it ended or failed before it said.
pub async fn begins_http2(stream: &Accepted) -> Option<bool> {
    let mut first = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(1);
    loop {
        let seen = stream.peek(&mut first).await.ok().filter(|seen| *seen > 0)?;
        if first[..seen] != PREFACE[..seen] {
            return Some(false);
        }
        if seen == PREFACE.len() {
            return Some(true);
        }
        // What was peeked at stays readable, so nothing wakes us for more. A preface in pieces is rare.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}
