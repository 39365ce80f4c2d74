//! What a request's fields say of its signature: not yet believed.

use super::fields::{self, Fields};
use super::form::Unsigned;
use super::message::{Made, Pieces, Signable};
use super::verified::{DeliveryId, Verified};
use crate::model::denial::BadSignature;
use crate::model::webhook::{Form, Part, Require, Signature, SigningSecret};
use crate::model::{self, Denial, RequestHead, Workflow};
use http::header::CONTENT_TYPE;
use http::{Method, Uri};
use smallvec::SmallVec;
use std::fmt;

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
pub struct Claim<'s, 'r> {
    workflow: &'s Workflow,
    signature: &'s Signature,
    fields: Fields<'r>,
}

impl fmt::Debug for Claim<'_, '_> {
    /// Without the signatures: a right one is what we would expect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.workflow.name)
    }
}

/// A signature that is right, and the secret that made it.
struct Match<'s, 'c> {
    secret: &'s SigningSecret,
    given: &'c [u8],
}

impl<'s, 'r> Claim<'s, 'r> {
    /// What the fields claim where `workflow` wants a signature; `None` where it wants none, or takes the key that was
    /// presented in its stead. Errors: `signature_missing`; `signature_invalid` for what cannot be read;
    /// `signature_expired` for a timestamp out of bounds, so that no body is waited for in vain.
    pub fn read(
        workflow: &'s Workflow,
        headers: &'r model::Fields,
        with_key: bool,
        now: i64,
    ) -> Result<Option<Claim<'s, 'r>>, Denial> {
        let Some(webhook) = &workflow.webhook else { return Ok(None) };
        let Some(signature) = webhook.signature.as_ref().filter(|_| webhook.require.takes_signatures()) else {
            return Ok(None);
        };
        let header = &signature.scheme.header;
        let written = fields::only(headers, header)?;
        if written.is_none() && with_key && webhook.require == Require::Either {
            return Ok(None);
        }
        if signature.secrets.is_empty() {
            return Err(Denial::SigningSecretMissing { workflow: workflow.name.clone() });
        }
        let written = written.ok_or_else(|| Denial::SignatureMissing { header: header.clone() })?;
        let fields = fields::read(signature, written, headers, now)?;
        Ok(Some(Claim { workflow, signature, fields }))
    }

    pub fn workflow(&self) -> &'s Workflow {
        self.workflow
    }

    /// Holds the claim against the whole body, as it came.
    pub fn verify(&self, parts: &RequestHead, addressed: &Addressed<'_>, body: &[u8]) -> Result<Verified<'s>, Denial> {
        let signable = Signable {
            addressed,
            public_url: self.signature.public_url.as_deref(),
            timestamp: self.fields.timestamp,
            id: self.fields.id,
            content_type: parts.headers.get(CONTENT_TYPE),
            body,
        };
        let scheme = &self.signature.scheme;
        if scheme.signed.contains(&Part::SortedForm) && parts.headers.get_all(CONTENT_TYPE).nth(1).is_some() {
            // Which of them says what the body is, the upstream might see differently.
            return Err(self.invalid(BadSignature::Malformed("Content-Type is repeated, and says what is signed")));
        }
        let made = Made::of(scheme, &signable).map_err(|unsigned| self.unsigned(unsigned))?;
        let messages: SmallVec<[Pieces<'_>; 2]> = made.messages(scheme, &signable).collect();
        let right = self.judged(&messages).ok_or_else(|| self.invalid(BadSignature::NotOurs))?;
        let id = self.identity(right.given, &messages);
        Ok(Verified { workflow: self.workflow, secret: right.secret, id })
    }

    /// Every secret against every signature, to the end, whichever of them is right.
    fn judged(&self, messages: &[Pieces<'_>]) -> Option<Match<'s, '_>> {
        let mut right = None;
        for secret in &self.signature.secrets {
            // An HMAC's own work is worth its while only where there is one to be held against it.
            let is_hmac = secret.key.is_hmac();
            if self.fields.given.iter().all(|given| given.is_hmac != is_hmac) {
                continue;
            }
            for pieces in messages {
                let judge = secret.key.judge(pieces);
                for given in self.fields.given.iter().filter(|given| given.is_hmac == is_hmac) {
                    if judge.accepts(&given.bytes) {
                        right = right.or(Some(Match { secret, given: &given.bytes }));
                    }
                }
            }
        }
        right
    }

    /// H4: by the signed id, where it has an end; else by the signature. Where several signatures may stand, one of them could
    /// be left out when the delivery is sent again, and which of ours is the first changes with every rotation: there it is by
    /// what they are of.
    fn identity(&self, right: &[u8], messages: &[Pieces<'_>]) -> DeliveryId {
        let scheme = &self.signature.scheme;
        match (self.fields.id.filter(|_| scheme.identifies()), &scheme.form, messages) {
            (Some(id), ..) => DeliveryId::by_id(self.workflow, id),
            (None, Form::Versions | Form::Pairs { .. }, [message]) => DeliveryId::by_message(self.workflow, message),
            _ => DeliveryId::by_signature(self.workflow, right),
        }
    }

    fn unsigned(&self, unsigned: Unsigned) -> Denial {
        self.invalid(match unsigned {
            Unsigned::Unnamed => BadSignature::Malformed("its body is no form, and bodySHA256 is not in the URL"),
            Unsigned::TooManyFields => BadSignature::Malformed("its form has more fields than anybody looks at"),
            Unsigned::Other => BadSignature::NotOurs,
        })
    }

    fn invalid(&self, bad: BadSignature) -> Denial {
        Denial::SignatureInvalid { header: Some(self.signature.scheme.header.clone()), bad }
    }
}
