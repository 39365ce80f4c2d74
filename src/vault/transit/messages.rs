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

pub(crate) fn encrypted(body: &[u8]) -> Option<String> {
    let answer: Answer<Encrypted> = serde_json::from_slice(body).ok()?;
    Some(answer.data.ciphertext).filter(|text| is_ciphertext(text.as_bytes()).is_some())
}

/// What can be the transit engine's: `vault:v1:…`. It is kept as it is.
pub(crate) fn is_ciphertext(bytes: &[u8]) -> Option<&str> {
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

/// An answer of `count` results. One that fails makes the whole a 400, or where Vault itself failed, a 500, which is no
/// answer and may pass.
pub(crate) fn decrypted(
    status: StatusCode,
    body: &[u8],
    count: usize,
) -> Option<Vec<Result<Zeroizing<Vec<u8>>, Shut>>> {
    // Vault before 1.10 refuses the whole for one, and with a 500.
    if let (1, Some(shut)) = (count, errors(body).iter().find_map(|error| shut(error))) {
        return Some(vec![Err(shut)]);
    }
    let answer: Answer<Decrypted> = serde_json::from_slice(body).ok()?;
    let opened = |one: &Opened| match one.error.as_str() {
        "" => Some(STANDARD.decode(one.plaintext.as_bytes()).map(Zeroizing::new).map_err(|_| Shut::Refused)),
        error if status.is_server_error() => shut(error).map(Err),
        error => Some(Err(shut(error).unwrap_or(Shut::Refused))),
    };
    let results: Vec<_> = answer.data.batch_results.iter().map(opened).collect::<Option<_>>()?;
    (results.len() == count).then_some(results)
}

/// What Vault says of a ciphertext; `None` if it speaks of something else.
fn shut(error: &str) -> Option<Shut> {
    if error.contains("too old") {
        return Some(Shut::TooOld);
    }
    let refused = ["message authentication failed", "invalid ciphertext", "unable to decrypt"];
    refused.iter().any(|words| error.contains(words)).then_some(Shut::Refused)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str, count: usize) -> Option<Vec<Result<Zeroizing<Vec<u8>>, Shut>>> {
        decrypted(StatusCode::from_u16(status).unwrap(), body.as_bytes(), count)
    }

    #[test]
    fn each_result_of_a_batch_is_judged_by_itself() {
        let body = r#"{"data":{"batch_results":[{"plaintext":"a2V5"},
            {"error":"cipher: message authentication failed"},
            {"error":"ciphertext or signature version is disallowed by policy (too old)"},{"plaintext":"?"}]}}"#;
        let opened = read(400, body, 4).unwrap();
        assert_eq!(opened[0].as_ref().unwrap()[..], *b"key");
        let shut = [Err(Shut::Refused), Err(Shut::TooOld), Err(Shut::Refused)];
        assert_eq!(opened[1..], shut);
        assert!(read(400, body, 3).is_none(), "an answer to something else");
    }

    #[test]
    fn a_failure_of_vault_itself_is_no_verdict_on_what_is_sealed() {
        let body = r#"{"data":{"batch_results":[{"error":"storage backend timed out"}]}}"#;
        assert!(read(500, body, 1).is_none());
        assert_eq!(read(400, body, 1).unwrap(), [Err(Shut::Refused)]);
        for body in ["", "<html>", "[]", r#"{"data":{}}"#, r#"{"errors":["1 error occurred"]}"#] {
            assert!(read(500, body, 1).is_none(), "{body}");
        }
    }

    #[test]
    fn old_versions_refuse_the_whole_for_one() {
        let body = r#"{"errors":["1 error occurred:\n\t* cipher: message authentication failed\n\n"]}"#;
        assert_eq!(read(500, body, 1).unwrap(), [Err(Shut::Refused)]);
        assert!(read(500, body, 2).is_none());
    }

    #[test]
    fn only_what_transit_writes_is_taken_for_a_ciphertext() {
        assert_eq!(encrypted(br#"{"data":{"ciphertext":"vault:v1:abc"}}"#).as_deref(), Some("vault:v1:abc"));
        assert_eq!(encrypted(br#"{"data":{"ciphertext":"plain"}}"#), None);
        assert!(is_ciphertext(b"vault:v1:a\nb").is_none());
    }
}
