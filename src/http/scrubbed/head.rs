//! Heads and trailers.

use crate::model::scrub::Needle;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::ext::ReasonPhrase;

/// Removes secrets from a reply's reason phrase and fields; says how many there were.
pub fn scrub_head<B>(needle: &Needle, reply: &mut Response<B>) -> u64 {
    let mut replaced = scrub_fields(needle, reply.headers_mut());
    let reason = reply.extensions().get::<ReasonPhrase>().and_then(|reason| needle.scrub(reason.as_bytes()));
    if let Some((clean, count)) = reason {
        replaced += count;
        match ReasonPhrase::try_from(clean) {
            Ok(reason) => drop(reply.extensions_mut().insert(reason)),
            Err(_) => drop(reply.extensions_mut().remove::<ReasonPhrase>()),
        }
    }
    replaced
}

/// Removes secrets from fields: of a head, of trailers, of an early hint. A field that holds one in its name goes.
pub fn scrub_fields(needle: &Needle, fields: &mut HeaderMap) -> u64 {
    let mut replaced = 0;
    for value in fields.values_mut() {
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
