//! What is kept at rest and comes back: sealed values, and what Vault says of their keys.

use super::steer;
use super::wires::finish;
use crate::model::Uid;
use crate::vault::transit::messages;
use crate::vault::{Binding, MasterKey, MasterKeySource, Vault};
use http::StatusCode;
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;

const VALUE: &[u8] = b"s3cr3t-s3cr3t";

fn binding() -> Binding {
    Binding { record: Uid([7; 16]), version: 3, destination: [9; 32] }
}

fn vault() -> &'static Vault {
    static VAULT: OnceLock<Vault> = OnceLock::new();
    VAULT.get_or_init(|| {
        let key = MasterKey::generate().expect("a key");
        let source = MasterKeySource::parse("env:MASTER", Path::new("/")).expect("a source");
        let master = MasterKey::load_with(&source, &|_| Some(key.as_str().into())).expect("a master key");
        finish(Vault::create(master)).expect("a vault").0
    })
}

/// What was sealed, changed at some places (how, where) and then cut or lengthened: it opens if it is what was sealed.
fn opened(bytes: &[u8]) {
    let sealed = finish(vault().seal(VALUE, &binding())).expect("sealed");
    let mut changed = sealed.clone();
    let (edits, rest) = bytes.split_at(bytes.len().min(8));
    for edit in edits.chunks_exact(2) {
        let at = usize::from(edit[1]) % changed.len();
        changed[at] ^= edit[0];
    }
    changed.extend_from_slice(rest);
    if rest.is_empty() && bytes.len() % 2 == 1 {
        changed.truncate(usize::from(bytes[bytes.len() - 1]));
    }
    match finish(vault().open(&changed, &binding())) {
        Ok(value) => assert!(changed == sealed && value[..] == *VALUE, "something else was opened"),
        Err(error) => assert!(changed != sealed, "{error}"),
    }
}

/// What Vault answers: as many results as were asked for, each of them what stands there, or none at all.
fn answered(status: u16, count: usize, body: &[u8]) {
    let status = StatusCode::from_u16(status).expect("a status");
    if let Some(ciphertext) = messages::encrypted(body) {
        assert!(messages::is_ciphertext(ciphertext.as_bytes()).is_some());
        let there = String::from_utf8_lossy(body);
        assert!(there.contains('\\') || there.contains(&ciphertext), "it does not stand there");
    }
    let Some(results) = messages::decrypted(status, body, count) else { return };
    assert_eq!(results.len(), count);
    // What is passed over may hold what no text can.
    let Ok(said) = serde_json::from_slice::<Value>(body) else { return };
    for (at, _) in results.iter().enumerate().filter(|(_, result)| result.is_ok()) {
        let error = said["data"]["batch_results"][at]["error"].as_str();
        assert!(error.is_none_or(str::is_empty), "opened, although Vault says no");
    }
}

/// Bytes from the store, and answers of Vault's.
pub fn sealed(bytes: &[u8]) {
    let ([kind, count], bytes) = steer(bytes);
    match kind % 4 {
        0 => opened(bytes),
        1 => drop(finish(vault().open(bytes, &binding())).expect_err("nobody sealed it")),
        _ => answered([200, 400, 500, 403][usize::from(kind >> 2) % 4], usize::from(count) % 4, bytes),
    }
}
