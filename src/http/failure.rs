//! Why an attempt at an upstream brought no reply, whichever protocol it was made over, and what follows from it.

use super::body::{RequestBody, Upload, UploadEnd};
use super::{h1, h2};
use crate::model::Denial;

/// An attempt without a reply.
pub enum Failure {
    /// The upstream has not acted on it and says so; with the body, if nothing was sent at all.
    Refused { cause: String, body: Option<RequestBody> },
    /// The connection was closed; `silent`: before a byte of a reply, so nobody knows whether the upstream acted.
    Closed { cause: String, silent: bool },
    /// What the upstream said is no reply.
    Protocol(String),
    /// The caller's body broke off; how is told by its upload.
    Upload,
    /// The upstream took nothing of the body for too long.
    NotTaken,
    /// Somebody's time was up.
    Late(Denial),
}

impl Failure {
    /// Whether it speaks against the address that was asked. `reused`: a kept connection that its upstream closes just
    /// then says nothing.
    pub fn is_upstreams(&self, reused: bool) -> bool {
        match self {
            Failure::Closed { silent, .. } => !(reused && *silent),
            Failure::Protocol(_) | Failure::NotTaken | Failure::Late(Denial::UpstreamTimeout { .. }) => true,
            Failure::Refused { .. } | Failure::Upload | Failure::Late(_) => false,
        }
    }

    /// What it means to the caller. His own part in it comes first.
    pub fn explain(self, upload: &Upload) -> Denial {
        match upload.end() {
            Some(UploadEnd::TooLarge) => return Denial::BodyTooLarge { limit: upload.limit },
            Some(UploadEnd::TimedOut) => return Denial::RequestTimeout,
            Some(UploadEnd::Broken) => return Denial::BadRequest("the body broke off"),
            Some(UploadEnd::Whole) | None => {}
        }
        match self {
            Failure::Refused { cause, .. } => {
                Denial::UpstreamUnreachable { cause: format!("the request was refused: {cause}") }
            }
            Failure::Closed { cause, .. } => {
                Denial::UpstreamUnreachable { cause: format!("the connection was closed: {cause}") }
            }
            Failure::Protocol(cause) => Denial::UpstreamProtocol { cause },
            Failure::Upload => Denial::BadRequest("the body is not what its length says"),
            Failure::NotTaken => Denial::UpstreamTimeout { phase: "taking the request" },
            Failure::Late(denial) => denial,
        }
    }
}

impl From<h1::client::Failure> for Failure {
    fn from(failure: h1::client::Failure) -> Failure {
        use h1::client::Failure as F;
        match failure {
            F::Closed { error, silent } => Failure::Closed { cause: error.to_string(), silent },
            F::Protocol(cause) => Failure::Protocol(cause.to_owned()),
            F::Upload => Failure::Upload,
            F::NotTaken => Failure::NotTaken,
        }
    }
}

impl From<h2::client::Failure> for Failure {
    fn from(failure: h2::client::Failure) -> Failure {
        use h2::client::{Failure as F, Stopped};
        match failure {
            F::Refused { cause, body } => Failure::Refused { cause, body },
            F::Closed(cause) => Failure::Closed { cause, silent: true },
            F::Protocol(cause) => Failure::Protocol(cause),
            F::Upload(Stopped::Upload) => Failure::Upload,
            F::Upload(Stopped::NotTaken) => Failure::NotTaken,
        }
    }
}
