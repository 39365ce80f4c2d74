//! A secret is a type, not a string: it has no `Display`, no `Serialize`, no `PartialEq`; `Debug` says nothing; its
//! memory is wiped when it goes. Its bytes come out only against a [`MayOpen`], which the permit and the verification
//! alone implement (`tests/layers.rs` holds that), or as another secret: one that is sent, or the needle that is looked
//! for in replies.

use bytes::Bytes;
use http::HeaderValue;
use std::fmt;
use zeroize::Zeroizing;

/// Proof that every check has passed for the connection a secret belongs to.
pub trait MayOpen {}

/// A value that nobody reads back.
pub struct Secret(Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Takes a value over; the caller's copy is its own business.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Secret {
        Secret(bytes)
    }

    /// `template` with every `{secret}` replaced by this value.
    pub fn fill(&self, template: &str) -> Secret {
        let mut out = Zeroizing::new(Vec::with_capacity(template.len() + self.0.len()));
        for (n, part) in template.split("{secret}").enumerate() {
            if n > 0 {
                out.extend_from_slice(&self.0);
            }
            out.extend_from_slice(part.as_bytes());
        }
        Secret(out)
    }

    /// `username:password` of HTTP Basic, in its base64 form with the scheme before it.
    pub fn basic(username: &Secret, password: &Secret) -> Secret {
        use base64::Engine as _;
        let pair = Zeroizing::new([&username.0[..], b":", &password.0[..]].concat());
        let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&pair[..]));
        Secret(Zeroizing::new([b"Basic ", encoded.as_bytes()].concat()))
    }

    /// `name=value`, both percent-encoded: a whole query pair.
    pub fn query_pair(&self, name: &str) -> Secret {
        let mut out = Zeroizing::new(Vec::with_capacity(name.len() + 1 + self.0.len() * 3));
        out.extend(percent_encoding::percent_encode(name.as_bytes(), VALUE).flat_map(str::bytes));
        out.push(b'=');
        out.extend(percent_encoding::percent_encode(&self.0, VALUE).flat_map(str::bytes));
        Secret(out)
    }

    /// Percent-encoded for one path segment, but `:`, which Telegram's tokens hold and every path allows.
    pub fn path_segment(&self) -> Secret {
        const SEGMENT: &percent_encoding::AsciiSet = &VALUE.remove(b':');
        let mut out = Zeroizing::new(Vec::with_capacity(self.0.len() * 3));
        out.extend(percent_encoding::percent_encode(&self.0, SEGMENT).flat_map(str::bytes));
        Secret(out)
    }

    /// As a header's value; `None` if it holds what no header may.
    pub fn into_header(self) -> Option<SecretHeader> {
        sensitive(self.0).map(SecretHeader)
    }

    /// The bytes, to make a needle of, which is as secret as this.
    pub(in crate::model) fn for_scrubbing(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, for somebody whose every check has passed.
    pub fn open(&self, _proof: &impl MayOpen) -> &[u8] {
        &self.0
    }
}

/// A header's value that lives in `owner`, so that it is wiped with it, when the last clone goes.
fn sensitive(owner: impl AsRef<[u8]> + Send + 'static) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(owner)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Everything but RFC 3986's unreserved characters.
const VALUE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret made ready as a header's value, marked sensitive (HPACK never indexes it). Wiped when it and the requests
/// that carry it are gone; what a connection has written of it is in that connection's buffers.
pub struct SecretHeader(HeaderValue);

impl fmt::Debug for SecretHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHeader(…)")
    }
}

impl SecretHeader {
    /// The value, for somebody whose every check has passed. Costs a reference count.
    pub fn open(&self, _proof: &impl MayOpen) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Everything;
    impl MayOpen for Everything {}

    fn secret(text: &str) -> Secret {
        Secret::new(Zeroizing::new(text.into()))
    }

    #[test]
    fn a_secret_says_nothing_about_itself() {
        assert_eq!(format!("{:?}", secret("hunter2")), "Secret(…)");
        assert_eq!(format!("{:?}", secret("hunter2").into_header().unwrap()), "SecretHeader(…)");
        assert_eq!(format!("{:?}", secret("hunter2").into_header().unwrap().open(&Everything)), "Sensitive");
    }

    #[test]
    fn a_secret_header_is_wiped_with_its_last_clone_and_was_never_copied() {
        use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
        static WIPED: AtomicBool = AtomicBool::new(false);
        struct Owner(Vec<u8>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        impl Drop for Owner {
            fn drop(&mut self) {
                WIPED.store(true, SeqCst);
            }
        }
        let owner = Owner(b"hunter2".to_vec());
        let place = owner.0.as_ptr();
        let header = SecretHeader(sensitive(owner).unwrap());
        let sent = header.open(&Everything);
        assert_eq!(sent.as_bytes().as_ptr(), place);
        drop(header);
        assert!(!WIPED.load(SeqCst), "a request still carries it");
        drop(sent);
        assert!(WIPED.load(SeqCst));
    }

    #[test]
    fn forms_a_secret_takes() {
        assert_eq!(secret("k").fill("Bearer {secret}").open(&Everything), b"Bearer k");
        assert_eq!(Secret::basic(&secret("api"), &secret("k")).open(&Everything), b"Basic YXBpOms=");
        assert_eq!(secret("a b&c=d/é").query_pair("api key").open(&Everything), b"api%20key=a%20b%26c%3Dd%2F%C3%A9");
        assert_eq!(secret("1:x/y?").path_segment().open(&Everything), b"1:x%2Fy%3F");
        assert!(secret("a\r\nb").into_header().is_none());
    }
}
