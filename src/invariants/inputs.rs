//! What reaches us before or beside HTTP.

use crate::config::{self, Mistakes, schema, show};
use crate::net::certificate as certificates;
use crate::net::proxy_protocol::{Verdict, parse};
use rustls::pki_types::CertificateDer;

/// More bytes never change a verdict, and a header is never longer than what was seen of it.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = parse(bytes);
    if let Verdict::Header { length, .. } = whole {
        assert!(length <= bytes.len());
    }
    for end in 0..bytes.len() {
        let verdict = parse(&bytes[..end]);
        let expected = match whole {
            Verdict::Header { length, .. } if end < length => Verdict::Incomplete,
            Verdict::Incomplete => Verdict::Incomplete,
            _ if verdict == Verdict::Incomplete => verdict,
            _ => whole,
        };
        assert_eq!(verdict, expected, "after {end} bytes");
    }
}

/// Whatever a file holds, it is read, or its mistakes are told; what has none can be shown.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut mistakes = Mistakes::new("keystile.yaml");
    let root = config::load(text, &mut mistakes);
    if let Some(root) = &root {
        let _ = show::table(&show::effective(root, &schema::ROOT, "keystile.yaml"));
    }
    assert!(root.is_some() || mistakes.has_errors());
    for mistake in mistakes.into_sorted() {
        assert!(!mistake.to_string().is_empty());
    }
}

/// A certificate is read, or is none.
pub fn certificate(bytes: &[u8]) {
    let _ = certificates::read(&CertificateDer::from(bytes));
}
