//! Heads and trailers.

use crate::model::scrub::Needle;
use crate::model::{Fields, Reason, Reply};
use http::{HeaderName, HeaderValue};

/// Removes secrets from a reply's reason phrase and fields; says how many there were.
pub fn scrub_head<B>(needle: &Needle, reply: &mut Reply<B>) -> u64 {
    let mut replaced = scrub_fields(needle, &mut reply.headers);
    let reason = reply.reason.as_ref().and_then(|reason| needle.scrub(reason.as_bytes()));
    if let Some((clean, count)) = reason {
        replaced += count;
        reply.reason = Reason::new(&clean);
    }
    replaced
}

/// Removes secrets from fields: of a head, of trailers, of an early hint. A field that holds one in its name goes.
pub fn scrub_fields(needle: &Needle, fields: &mut Fields) -> u64 {
    let mut replaced = 0;
    for (_, value) in fields.iter_mut() {
        let Some((clean, count)) = needle.scrub(value.as_bytes()) else { continue };
        replaced += count;
        let sensitive = value.is_sensitive();
        *value = HeaderValue::from_bytes(&clean).unwrap_or(HeaderValue::from_static("*"));
        value.set_sensitive(sensitive);
    }
    let named: Vec<HeaderName> = fields.keys().filter(|name| needle.is_in_name(name.as_str())).cloned().collect();
    for name in named {
        fields.remove(name);
        replaced += 1;
    }
    replaced
}
