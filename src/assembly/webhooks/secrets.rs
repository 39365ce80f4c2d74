//! H1: what a workflow's senders sign with, made ready: from where the file says, or from the store. What is wrong with one
//! is told without any part of it.

use crate::assembly::Site;
use crate::config::reference::Reference;
use crate::config::trail::Step;
use crate::config::{At, View};
use crate::model::Uid;
use crate::model::webhook::{Scheme, SecretEncoding, SigningKey, SigningSecret};

const COPY: &str = "copy it from the sender's settings, all of it";

/// Every secret of the workflow whose `webhook` is `view`.
pub fn assemble(site: &Site<'_>, view: &View<'_>, scheme: &Scheme, workflow: Uid) -> Vec<SigningSecret> {
    let written = view.text("secret_encoding").and_then(SecretEncoding::named);
    let written = written.unwrap_or(SecretEncoding::usual(scheme.algorithm));
    let key = |secret: &[u8]| SigningKey::of(scheme, secret, written);
    match site.is_stored(view) {
        true => of_store(site, view, workflow, key),
        false => of_file(site, view, workflow, key),
    }
}

/// The key that a secret is, or why it is none.
type Key = Result<SigningKey, &'static str>;

fn of_file(site: &Site<'_>, view: &View<'_>, workflow: Uid, key: impl Fn(&[u8]) -> Key) -> Vec<SigningSecret> {
    let mut list: Vec<SigningSecret> = Vec::new();
    for item in view.list("secrets") {
        let Some(reference) = item.text_here().and_then(|text| Reference::parse(text).ok()) else { continue };
        let Some(found) = site.found(item.here(), &reference) else { continue };
        if found.trimmed {
            site.warning(item.here(), "white space around the secret was removed", "write the secret without it");
        }
        let label = match reference {
            Reference::Literal(_) => (list.len() + 1).to_string(),
            place => place.to_string(),
        };
        match key(&found.secret) {
            Ok(key) => list.push(SigningSecret::new(workflow, &label, key)),
            Err(reason) => site.error(item.here(), reason, COPY),
        }
    }
    if list.is_empty() && view.list("secrets").next().is_none() {
        let remedy = "add: secrets: [env:NAME]";
        site.error(view.here(), "without a secret no signature is right", remedy);
    }
    list
}

/// One that the scheme cannot take, since it is another one now, is told by its number. There may be none: then every
/// delivery is refused.
fn of_store(site: &Site<'_>, view: &View<'_>, workflow: Uid, key: impl Fn(&[u8]) -> Key) -> Vec<SigningSecret> {
    let mut list = Vec::new();
    for (index, held) in site.signing(workflow).iter().enumerate() {
        match key(&held.value) {
            Ok(key) => list.push(SigningSecret::new(workflow, &held.number.to_string(), key)),
            Err(reason) => {
                let trail = view.at("secrets").trail.then(Step::Index(index));
                site.error(At { trail, ..view.here() }, format!("secret {}: {reason}", held.number), COPY);
            }
        }
    }
    list
}
