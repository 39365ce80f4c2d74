//! What the transit engine is told and what it says, and what that means. Pure.

use super::error::Fault;
use super::reference::Reference;
use crate::vault::master::Shut;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: String,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    batch_input: Vec<Sealed<'a>>,
}

#[derive(Serialize)]
struct Sealed<'a> {
    ciphertext: &'a str,
    associated_data: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    batch_results: Vec<Opened>,
}

#[derive(Deserialize)]
struct Opened {
    #[serde(default, deserialize_with = "wiped")]
    plaintext: Zeroizing<String>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

fn wiped<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

pub(super) fn encrypt(plaintext: &[u8], context: &[u8]) -> Zeroizing<Vec<u8>> {
    let plaintext = Zeroizing::new(STANDARD.encode(plaintext));
    written(&Encrypt { plaintext: &plaintext, associated_data: STANDARD.encode(context) })
}

pub(super) fn encrypted(body: &[u8]) -> Option<String> {
    let answer: Answer<Encrypted> = serde_json::from_slice(body).ok()?;
    Some(answer.data.ciphertext).filter(|text| is_ciphertext(text.as_bytes()).is_some())
}

/// What can be the transit engine's: `vault:v1:…`. It is kept as it is.
pub(super) fn is_ciphertext(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.starts_with("vault:v") && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

pub(super) fn decrypt(batch: &[(&str, &[u8])]) -> Zeroizing<Vec<u8>> {
    let sealed = batch.iter().map(|(ciphertext, context)| {
        let associated_data = STANDARD.encode(context);
        Sealed { ciphertext, associated_data }
    });
    written(&Decrypt { batch_input: sealed.collect() })
}

/// An answer of `count` results, whatever its status: one that fails makes the whole a 400, or with some versions a 500.
pub(super) fn decrypted(body: &[u8], count: usize) -> Option<Vec<Result<Zeroizing<Vec<u8>>, Shut>>> {
    // Vault before 1.10 refuses the whole for one.
    if count == 1 && errors(body).iter().any(|error| error.contains("message authentication failed")) {
        return Some(vec![Err(Shut::Refused)]);
    }
    let answer: Answer<Decrypted> = serde_json::from_slice(body).ok()?;
    let opened = |one: &Opened| match one.error.as_str() {
        "" => STANDARD.decode(one.plaintext.as_bytes()).map(Zeroizing::new).map_err(|_| Shut::Refused),
        error => Err(shut(error)),
    };
    let results: Vec<_> = answer.data.batch_results.iter().map(opened).collect();
    (results.len() == count).then_some(results)
}

fn shut(error: &str) -> Shut {
    if error.contains("too old") { Shut::TooOld } else { Shut::Refused }
}

/// What a refusal of a whole request means. Of a 403 only another question can tell: `None`.
pub(super) fn fault(at: &Reference, status: StatusCode, body: &[u8]) -> Option<Fault> {
    let said = errors(body);
    let says = |words: &str| said.iter().any(|error| error.contains(words));
    Some(match status.as_u16() {
        403 => return None,
        503 if says("sealed") => Fault::Sealed,
        404 if says("no handler for route") => Fault::NoMount(at.mount.clone()),
        400 | 404 if says("key not found") || says("policy not found") => Fault::NoKey(at.path("keys")),
        400 if says("context") || says("non-AEAD") || says("not support") => Fault::WrongType(at.path("keys")),
        status @ 300..400 => Fault::Redirected(status),
        status @ (412 | 429 | 472 | 473 | 500..) => Fault::NotReady(status),
        status => Fault::Garbled(status),
    })
}

fn errors(body: &[u8]) -> Vec<String> {
    serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.errors).unwrap_or_default()
}

/// With room for it reserved at once, because a vector that grows leaves copies behind.
fn written(message: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut length = Counted(0);
    let _ = serde_json::to_writer(&mut length, message);
    let mut out = Zeroizing::new(Vec::with_capacity(length.0));
    let _ = serde_json::to_writer(&mut *out, message);
    out
}

/// Counts what is written to it.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
