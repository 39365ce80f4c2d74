//! Every way a request is refused, and what is said about it.
//!
//! Two texts: `detail` and `hint` for the caller, brief and without anything he did not know; `cause` for the log. The
//! mapping from reason to status is one exhaustive match with no catch-all arm, so a new reason cannot forget it.

use super::key::ScopeName;
use super::quota::Refusal;
use http::{HeaderName, Method, StatusCode};
use std::borrow::Cow;
use std::sync::Arc;

/// What has no room, where many deliveries are taken in at once.
pub const WEBHOOK_BUFFER: &str = "webhook buffer";

/// Whose doing a failure was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Client,
    Gateway,
    Upstream,
}

impl Whose {
    pub fn name(self) -> &'static str {
        match self {
            Whose::Client => "client",
            Whose::Gateway => "gateway",
            Whose::Upstream => "upstream",
        }
    }
}

/// What was wrong with a presented token; for the log, never for the caller (K2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    Unknown,
    Checksum,
    Malformed,
}

/// What was wrong with a caller's certificate; for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCertificate {
    Absent,
    NotAccepted,
    Expired,
}

/// What was wrong with a signature; for the log, never for the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSignature {
    /// It cannot be read: repeated, truncated, no encoding of anything.
    Malformed(&'static str),
    /// None of the secrets made it.
    NotOurs,
    /// A signed URL whose key is unknown, or which was signed for something else.
    NotThisUrl,
    /// Nobody can have signed a URL: there is no master key.
    NoMasterKey,
}

/// Which way a timestamp is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTime {
    TooOld,
    TooFarAhead,
    /// A signed URL whose time is over.
    UrlExpired,
}

/// A request that ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    // The request itself
    BadRequest(&'static str),
    InvalidHost(&'static str),
    AmbiguousPath(&'static str),
    ConflictingCredentials,
    CredentialRepeated,
    EnvironmentRepeated,
    UnknownEnvironment,
    RequestTimeout,
    BodyTooLarge {
        limit: u64,
    },
    UriTooLong {
        limit: u64,
    },
    ExpectationFailed,
    HeadTooLarge(&'static str),
    VersionNotSupported,
    // Who
    MissingKey,
    InvalidKey(BadToken),
    KeyDisabled,
    KeyRevoked,
    KeyExpired,
    QueryKeySunset,
    /// H3: `header` is where it was looked for.
    SignatureMissing {
        header: HeaderName,
    },
    SignatureInvalid {
        /// None: of a signed URL.
        header: Option<HeaderName>,
        bad: BadSignature,
    },
    SignatureExpired(BadTime),
    /// H6: a handshake with another token than the one that was agreed.
    WrongVerifyToken,
    // May
    AddressNotAllowed,
    ClientCertificateRequired(BadCertificate),
    WorkflowNotFound,
    MethodNotAllowed {
        allow: Vec<Method>,
    },
    WorkflowNotPermitted {
        workflow: Arc<str>,
    },
    ScopeMissing(ScopeName),
    EnvironmentMismatch {
        wants: Option<Arc<str>>,
    },
    WorkflowNotInEnvironment {
        workflow: Arc<str>,
        environment: Arc<str>,
    },
    DestinationNotAllowed {
        cause: String,
    },
    /// A call whose connection is of another environment (C14).
    ConnectionElsewhere {
        belongs: Arc<str>,
        runs: Arc<str>,
    },
    /// C1: unknown, or not for this caller.
    ConnectionNotFound,
    /// C11.
    CallNotAllowed,
    Forbidden(&'static str),
    /// H4: a delivery that was there before, or is being forwarded right now.
    Replayed {
        in_flight: bool,
    },
    /// H1: a webhook without a secret accepts nobody.
    SigningSecretMissing {
        workflow: Arc<str>,
    },
    // Limits
    RateLimited(Refusal),
    /// Hazard 21.
    LoopDetected,
    Overloaded {
        what: &'static str,
    },
    /// More comes than this core can carry; refused unseen.
    Behind,
    // Upstream, and ourselves
    /// Hazard 24.
    SecretUnavailable {
        connection: Arc<str>,
    },
    UpstreamUnreachable {
        cause: String,
    },
    UpstreamTls {
        cause: String,
    },
    UpstreamProtocol {
        cause: String,
    },
    /// C12: a reply in which the secret could stand unseen.
    UpstreamOpaque {
        cause: &'static str,
    },
    UpstreamConnectTimeout {
        cause: String,
    },
    UpstreamTimeout {
        phase: &'static str,
    },
    Internal {
        cause: String,
    },
}

impl Denial {
    /// The stable machine code, and the status it is answered with.
    pub fn code_and_status(&self) -> (&'static str, StatusCode) {
        use StatusCode as S;
        match self {
            Denial::BadRequest(_) => ("bad_request", S::BAD_REQUEST),
            Denial::InvalidHost(_) => ("invalid_host", S::BAD_REQUEST),
            Denial::AmbiguousPath(_) => ("ambiguous_path", S::BAD_REQUEST),
            Denial::ConflictingCredentials => ("conflicting_credentials", S::BAD_REQUEST),
            Denial::CredentialRepeated => ("credential_repeated", S::BAD_REQUEST),
            Denial::EnvironmentRepeated => ("environment_repeated", S::BAD_REQUEST),
            Denial::UnknownEnvironment => ("unknown_environment", S::BAD_REQUEST),
            Denial::RequestTimeout => ("request_timeout", S::REQUEST_TIMEOUT),
            Denial::BodyTooLarge { .. } => ("body_too_large", S::PAYLOAD_TOO_LARGE),
            Denial::UriTooLong { .. } => ("uri_too_long", S::URI_TOO_LONG),
            Denial::ExpectationFailed => ("expectation_failed", S::EXPECTATION_FAILED),
            Denial::HeadTooLarge(_) => ("head_too_large", S::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Denial::VersionNotSupported => ("version_not_supported", S::HTTP_VERSION_NOT_SUPPORTED),
            Denial::MissingKey => ("missing_key", S::UNAUTHORIZED),
            Denial::InvalidKey(_) => ("invalid_key", S::UNAUTHORIZED),
            Denial::KeyDisabled => ("key_disabled", S::UNAUTHORIZED),
            Denial::KeyRevoked => ("key_revoked", S::UNAUTHORIZED),
            Denial::KeyExpired => ("key_expired", S::UNAUTHORIZED),
            Denial::QueryKeySunset => ("query_key_sunset", S::UNAUTHORIZED),
            Denial::SignatureMissing { .. } => ("signature_missing", S::UNAUTHORIZED),
            Denial::SignatureInvalid { .. } => ("signature_invalid", S::UNAUTHORIZED),
            Denial::SignatureExpired(_) => ("signature_expired", S::UNAUTHORIZED),
            Denial::WrongVerifyToken => ("forbidden", S::FORBIDDEN),
            Denial::AddressNotAllowed => ("address_not_allowed", S::FORBIDDEN),
            Denial::ClientCertificateRequired(_) => ("client_certificate_required", S::FORBIDDEN),
            Denial::WorkflowNotFound => ("workflow_not_found", S::NOT_FOUND),
            Denial::MethodNotAllowed { .. } => ("method_not_allowed", S::METHOD_NOT_ALLOWED),
            Denial::WorkflowNotPermitted { .. } => ("workflow_not_permitted", S::FORBIDDEN),
            Denial::ScopeMissing(_) => ("scope_missing", S::FORBIDDEN),
            Denial::EnvironmentMismatch { .. } => ("environment_mismatch", S::FORBIDDEN),
            Denial::WorkflowNotInEnvironment { .. } => ("workflow_not_in_environment", S::NOT_FOUND),
            Denial::DestinationNotAllowed { .. } => ("destination_not_allowed", S::FORBIDDEN),
            Denial::ConnectionElsewhere { .. } => ("environment_mismatch", S::FORBIDDEN),
            Denial::ConnectionNotFound => ("connection_not_found", S::NOT_FOUND),
            Denial::CallNotAllowed => ("call_not_allowed", S::FORBIDDEN),
            Denial::Forbidden(_) => ("forbidden", S::FORBIDDEN),
            Denial::Replayed { .. } => ("replayed", S::CONFLICT),
            Denial::SigningSecretMissing { .. } => ("secret_unavailable", S::SERVICE_UNAVAILABLE),
            Denial::RateLimited(_) => ("rate_limited", S::TOO_MANY_REQUESTS),
            Denial::LoopDetected => ("loop_detected", S::LOOP_DETECTED),
            Denial::Overloaded { .. } | Denial::Behind => ("overloaded", S::SERVICE_UNAVAILABLE),
            Denial::SecretUnavailable { .. } => ("secret_unavailable", S::SERVICE_UNAVAILABLE),
            Denial::UpstreamUnreachable { .. } => ("upstream_unreachable", S::BAD_GATEWAY),
            Denial::UpstreamTls { .. } => ("upstream_tls", S::BAD_GATEWAY),
            Denial::UpstreamProtocol { .. } => ("upstream_protocol", S::BAD_GATEWAY),
            Denial::UpstreamOpaque { .. } => ("upstream_protocol", S::BAD_GATEWAY),
            Denial::UpstreamConnectTimeout { .. } => ("upstream_connect_timeout", S::GATEWAY_TIMEOUT),
            Denial::UpstreamTimeout { .. } => ("upstream_timeout", S::GATEWAY_TIMEOUT),
            Denial::Internal { .. } => ("internal", S::INTERNAL_SERVER_ERROR),
        }
    }

    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        self.code_and_status().0
    }

    pub fn status(&self) -> StatusCode {
        self.code_and_status().1
    }

    /// Whose doing it was, by what answered.
    pub fn whose(&self) -> Whose {
        match self {
            Denial::Internal { .. }
            | Denial::Overloaded { .. }
            | Denial::Behind
            | Denial::LoopDetected
            | Denial::SecretUnavailable { .. }
            | Denial::SigningSecretMissing { .. }
            | Denial::DestinationNotAllowed { .. } => Whose::Gateway,
            Denial::UpstreamUnreachable { .. }
            | Denial::UpstreamTls { .. }
            | Denial::UpstreamProtocol { .. }
            | Denial::UpstreamOpaque { .. }
            | Denial::UpstreamConnectTimeout { .. }
            | Denial::UpstreamTimeout { .. } => Whose::Upstream,
            _ => Whose::Client,
        }
    }

    /// W6: whether a concealing listener hides it behind `workflow_not_found`.
    pub fn is_concealed(&self) -> bool {
        matches!(self.status().as_u16(), 401 | 403 | 404 | 405)
    }

    /// The full cause, for the log. Holds no value a caller sent and no secret.
    pub fn cause(&self) -> Option<Cow<'static, str>> {
        match self {
            Denial::BadRequest(why)
            | Denial::InvalidHost(why)
            | Denial::AmbiguousPath(why)
            | Denial::Forbidden(why)
            | Denial::HeadTooLarge(why) => Some((*why).into()),
            Denial::InvalidKey(BadToken::Unknown) => Some("no key has this token".into()),
            Denial::InvalidKey(BadToken::Checksum) => Some("kst_ token with a wrong length or checksum".into()),
            Denial::InvalidKey(BadToken::Malformed) => Some("not the form of any token".into()),
            Denial::SignatureInvalid { bad, .. } => Some(match bad {
                BadSignature::Malformed(why) => (*why).into(),
                BadSignature::NotOurs => "none of the workflow's secrets made this signature".into(),
                BadSignature::NotThisUrl => "no key signed this URL for this workflow, method and environment".into(),
                BadSignature::NoMasterKey => "without a master key there are no signed URLs".into(),
            }),
            Denial::SignatureExpired(bad) => Some(match bad {
                BadTime::TooOld => "its timestamp is older than the tolerance".into(),
                BadTime::TooFarAhead => "its timestamp is further ahead than the tolerance".into(),
                BadTime::UrlExpired => "the signed URL has expired".into(),
            }),
            Denial::SigningSecretMissing { workflow } => {
                Some(format!("workflow {workflow} has no webhook secret").into())
            }
            Denial::Replayed { in_flight: true } => Some("the same delivery is being forwarded".into()),
            Denial::Replayed { in_flight: false } => Some("the same delivery was forwarded before".into()),
            Denial::ClientCertificateRequired(BadCertificate::Absent) => {
                Some("no client certificate was presented".into())
            }
            Denial::ClientCertificateRequired(BadCertificate::NotAccepted) => {
                Some("the client certificate is not one that the key accepts".into())
            }
            Denial::ClientCertificateRequired(BadCertificate::Expired) => {
                Some("the client certificate has expired since the connection began".into())
            }
            Denial::DestinationNotAllowed { cause }
            | Denial::UpstreamUnreachable { cause }
            | Denial::UpstreamTls { cause }
            | Denial::UpstreamProtocol { cause }
            | Denial::UpstreamConnectTimeout { cause }
            | Denial::Internal { cause } => Some(cause.clone().into()),
            Denial::UpstreamOpaque { cause } => Some((*cause).into()),
            Denial::UpstreamTimeout { phase } => Some((*phase).into()),
            Denial::RateLimited(r) => Some(r.scope.name().into()),
            Denial::Overloaded { what } => Some((*what).into()),
            Denial::Behind => Some("behind".into()),
            _ => None,
        }
    }
}
