//! A master key that stays in HashiCorp Vault or OpenBao: its transit engine seals and opens data keys for us.

mod error;
pub(crate) mod messages;
mod reference;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
mod wire;

pub use error::{Fault, TransitError};
pub use reference::Reference;

use super::key_file;
use super::master::Shut;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use rustls::ClientConfig;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wire::Reply;
use zeroize::Zeroizing;

/// Data keys that are opened with one request; its answer stays far below what is read of one.
const BATCH: usize = 64;

/// How long a request may take, and after what pauses it is made again.
#[derive(Debug, Clone, Copy)]
struct Patience {
    request: Duration,
    pauses: &'static [Duration],
}

const PATIENCE: Patience = Patience {
    request: Duration::from_secs(5),
    pauses: &[Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)],
};

/// A key in Vault, and what is needed to use it.
pub(super) struct Client {
    at: Reference,
    token: Token,
    namespace: Option<HeaderValue>,
    tls: Option<Arc<ClientConfig>>,
    patience: Patience,
}

enum Token {
    /// `VAULT_TOKEN`
    Given(HeaderValue),
    /// `VAULT_TOKEN_FILE`, read for every request: an agent renews it.
    File(PathBuf),
}

impl Client {
    /// With the variables that Vault's own tools read; nobody is asked yet.
    pub(super) fn new(at: Reference, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Client, TransitError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let failed = |fault| TransitError::new(&at, fault);
        let token = match (set("VAULT_TOKEN"), set("VAULT_TOKEN_FILE")) {
            (Some(_), Some(_)) => return Err(failed(Fault::TwoTokens)),
            (None, None) => return Err(failed(Fault::NoToken)),
            (None, Some(file)) => Token::File(file.into()),
            (Some(token), None) => {
                let token = Zeroizing::new(token.into_encoded_bytes());
                Token::Given(sensitive(&token).ok_or_else(|| failed(Fault::NotAHeader("VAULT_TOKEN")))?)
            }
        };
        let namespace = match set("VAULT_NAMESPACE") {
            Some(name) => {
                let header = HeaderValue::from_bytes(name.as_encoded_bytes());
                Some(header.map_err(|_| failed(Fault::NotAHeader("VAULT_NAMESPACE")))?)
            }
            None => None,
        };
        let authorities = set("VAULT_CACERT").map(PathBuf::from);
        let tls = at.tls.then(|| wire::trust(authorities.as_deref())).transpose().map_err(failed)?;
        Ok(Client { at, token, namespace, tls, patience: PATIENCE })
    }

    /// The key's name among those of its server, which may move to another address.
    pub(super) fn identity(&self) -> String {
        self.at.path("keys")
    }

    /// `vault:v1:…`
    pub(super) async fn encrypt(&self, plaintext: &[u8], context: &[u8]) -> Result<String, TransitError> {
        let reply = self.persist("encrypt", &messages::encrypt(plaintext, context), |_| false).await?;
        let garbled = || self.failed(Fault::Garbled(reply.status.as_u16()));
        messages::encrypted(&reply.body).ok_or_else(garbled)
    }

    /// Each ciphertext opened with its context, in their order.
    pub(super) async fn decrypt(
        &self,
        sealed: &[(&[u8], &[u8])],
    ) -> Result<Vec<Result<Zeroizing<Vec<u8>>, Shut>>, TransitError> {
        let mut opened = Vec::with_capacity(sealed.len());
        for batch in sealed.chunks(BATCH) {
            // What cannot be a ciphertext is not asked about.
            let asked: Vec<Option<&str>> = batch.iter().map(|(text, _)| messages::is_ciphertext(text)).collect();
            let questions: Vec<_> =
                batch.iter().zip(&asked).filter_map(|((_, context), text)| Some(((*text)?, *context))).collect();
            let mut answers = self.decrypt_batch(&questions).await?.into_iter();
            let answer = |text: Option<&str>| text.and_then(|_| answers.next()).unwrap_or(Err(Shut::Refused));
            opened.extend(asked.into_iter().map(answer));
        }
        Ok(opened)
    }

    async fn decrypt_batch(
        &self,
        batch: &[(&str, &[u8])],
    ) -> Result<Vec<Result<Zeroizing<Vec<u8>>, Shut>>, TransitError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let results = |reply: &Reply| messages::decrypted(reply.status, &reply.body, batch.len());
        let reply = self.persist("decrypt", &messages::decrypt(batch), |reply| results(reply).is_some()).await?;
        results(&reply).ok_or_else(|| self.failed(Fault::Garbled(reply.status.as_u16())))
    }

    /// Asks until there is an answer, or a failure that waiting does not mend, or patience is at its end. `answers` knows
    /// an answer by its body where the status tells of a failure.
    async fn persist(
        &self,
        action: &str,
        body: &Zeroizing<Vec<u8>>,
        answers: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, TransitError> {
        let path = self.at.path(action);
        let mut pauses = self.patience.pauses.iter();
        loop {
            let outcome = match self.send(Method::POST, &path, body.clone()).await {
                Ok(reply) if reply.status == StatusCode::OK || answers(&reply) => return Ok(reply),
                Ok(reply) => match messages::fault(&self.at, reply.status, &reply.body) {
                    Some(fault) => self.failed(fault),
                    None => self.failed(self.why_forbidden(path.clone()).await),
                },
                Err(fault) => self.failed(fault),
            };
            match pauses.next() {
                Some(pause) if outcome.may_pass() => {
                    tracing::warn!(error = %outcome, "Vault is asked again");
                    sleep(*pause).await;
                }
                _ => return Err(outcome),
            }
        }
    }

    /// Vault says the same of a token that it does not know and of one that may not: every token may ask about itself.
    async fn why_forbidden(&self, path: String) -> Fault {
        let about_itself = self.send(Method::GET, "auth/token/lookup-self", Zeroizing::default()).await;
        match about_itself {
            Ok(reply) if reply.status == StatusCode::FORBIDDEN => Fault::TokenRejected,
            _ => Fault::Forbidden(path),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Zeroizing<Vec<u8>>) -> Result<Reply, Fault> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header("host", self.at.authority())
            .header("content-type", "application/json")
            .header("x-vault-request", "true")
            .header("x-vault-token", self.token.read()?);
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let request = request.body(Full::new(Bytes::from_owner(body))).map_err(|_| Fault::NotAHeader("the address"))?;
        let limit = self.patience.request;
        timeout(limit, wire::ask(&self.at, self.tls.as_ref(), request))
            .await
            .unwrap_or(Err(Fault::TimedOut(limit.as_secs().max(1))))
    }

    fn failed(&self, fault: Fault) -> TransitError {
        TransitError::new(&self.at, fault)
    }
}

impl Token {
    fn read(&self) -> Result<HeaderValue, Fault> {
        match self {
            Token::Given(token) => Ok(token.clone()),
            Token::File(path) => token_in(path),
        }
    }
}

fn token_in(path: &Path) -> Result<HeaderValue, Fault> {
    let unreadable = |reason: String| Fault::TokenUnreadable(format!("{}: {reason}", path.display()));
    // Its rights are its writer's business: agents in containers leave it open to all.
    let file = key_file::read(path).map_err(|e| unreadable(e.to_string()))?;
    sensitive(&file.text).ok_or_else(|| unreadable("it is empty, or no text".into()))
}

/// A token without the white space around it, wiped when the last clone goes.
fn sensitive(token: &[u8]) -> Option<HeaderValue> {
    let token = Zeroizing::new(token.trim_ascii().to_vec());
    if token.is_empty() {
        return None;
    }
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(token)).ok()?;
    header.set_sensitive(true);
    Some(header)
}
