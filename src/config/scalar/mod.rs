//! Text to typed values: one function per kind of value, each saying what to write when it refuses.
//!
//! All of them are total and bounded, refuse what could be read in two ways, and treat zero as a slip wherever zero
//! would mean "never" to one reader and "without limit" to another.

mod connector;
mod place;
mod quantity;
mod word;

pub use connector::{Statuses, field_name, pattern, status, url_template};
pub use place::{
    LogTarget, address, call_path, cidr, header_name, inject_path, log_target, master_key, method, mode, path,
    query_name, site, store, template, url,
};
pub use quantity::{Rate, duration, integer, rate, show_duration, show_size, size};
pub use word::{certificate_name, digest, env_glob, fingerprint, flag, injected, name, text, timestamp, uuid};

/// Why a text is refused, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub remedy: String,
}

impl Wrong {
    /// For values that may be shown.
    fn is_not(text: &str, what: &str, remedy: &str) -> Wrong {
        Wrong::new(format!("{} is not {what}", quoted(text)), remedy)
    }

    /// For the others, or when there is more to say.
    pub fn new(reason: impl Into<String>, remedy: &str) -> Wrong {
        Wrong { reason: reason.into(), remedy: format!("write: {remedy}") }
    }
}

/// A user's text for a message: escaped, and cut before it fills the screen.
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().nth(LONGEST).is_none() {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{:?}", start + "…")
}

/// Whole numbers as people write them: digits, nothing else (no sign, no space, no `1e3`).
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
