//! What a caller reads about a refusal: title, detail and the hint of T6, which says what to check next.

use super::denial::{BadTime, Denial};
use std::borrow::Cow;

impl Denial {
    /// One line that is the same for every occurrence.
    pub fn title(&self) -> &'static str {
        match self {
            Denial::BadRequest(_) => "The request is not valid HTTP",
            Denial::InvalidHost(_) => "The Host is missing, repeated or not valid",
            Denial::AmbiguousPath(_) => "The path can be read in more than one way",
            Denial::ConflictingCredentials => "Different credentials were sent",
            Denial::CredentialRepeated => "The key stands more than once in the query",
            Denial::EnvironmentRepeated => "The environment is named more than once",
            Denial::UnknownEnvironment => "There is no such environment",
            Denial::RequestTimeout => "The request took too long to arrive",
            Denial::BodyTooLarge { .. } => "The body is too large",
            Denial::UriTooLong { .. } => "The URL is too long",
            Denial::ExpectationFailed => "The expectation cannot be met",
            Denial::HeadTooLarge(_) => "The head is too large",
            Denial::VersionNotSupported => "This HTTP version is not supported",
            Denial::MissingKey => "No key was sent",
            Denial::InvalidKey(_) => "The key is not valid",
            Denial::KeyDisabled => "The key is disabled",
            Denial::KeyRevoked => "The key was revoked",
            Denial::KeyExpired => "The key has expired",
            Denial::QueryKeySunset => "This key is no longer accepted in a URL",
            Denial::SignatureMissing { .. } => "No signature was sent",
            Denial::SignatureInvalid { .. } => "The signature is not valid",
            Denial::SignatureExpired(_) => "The signature is out of time",
            Denial::WrongVerifyToken => "The handshake's token is not the right one",
            Denial::AddressNotAllowed => "The key may not be used from this address",
            Denial::ClientCertificateRequired(_) => "The key may be used with its client certificate only",
            Denial::WorkflowNotFound => "There is no such workflow",
            Denial::MethodNotAllowed { .. } => "The workflow does not answer this method",
            Denial::WorkflowNotPermitted { .. } => "The key may not run this workflow",
            Denial::ScopeMissing(_) => "The key lacks a scope",
            Denial::EnvironmentMismatch { .. } => "The key belongs to another environment",
            Denial::WorkflowNotInEnvironment { .. } => "The workflow does not exist in this environment",
            Denial::DestinationNotAllowed { .. } => "The upstream's address is not allowed",
            Denial::ConnectionElsewhere { .. } => "The connection belongs to another environment",
            Denial::ConnectionNotFound => "There is no such connection",
            Denial::CallNotAllowed => "The connection may not be used for this call",
            Denial::Forbidden(_) => "The request may not come from a browser",
            Denial::SecretUnavailable { .. } => "The connection has no secret",
            Denial::Replayed { .. } => "The delivery came before",
            Denial::SigningSecretMissing { .. } => "The webhook has no secret",
            Denial::RateLimited(_) => "Too many requests",
            Denial::LoopDetected => "The request has been here before",
            Denial::Overloaded { .. } | Denial::Behind => "Too many requests at once",
            Denial::UpstreamUnreachable { .. } => "The upstream cannot be reached",
            Denial::UpstreamTls { .. } => "The upstream's TLS cannot be trusted",
            Denial::UpstreamProtocol { .. } => "The upstream's answer is not valid HTTP",
            Denial::UpstreamOpaque { .. } => "The upstream's answer cannot be looked through for the secret",
            Denial::UpstreamConnectTimeout { .. } => "The upstream took too long to connect",
            Denial::UpstreamTimeout { .. } => "The upstream took too long",
            Denial::Internal { .. } => "Something went wrong in the gateway",
        }
    }

    /// What happened this time.
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Denial::BadRequest(why)
            | Denial::InvalidHost(why)
            | Denial::AmbiguousPath(why)
            | Denial::Forbidden(why)
            | Denial::HeadTooLarge(why) => (*why).into(),
            Denial::BodyTooLarge { limit } => format!("at most {limit} bytes are taken").into(),
            Denial::UriTooLong { limit } => format!("at most {limit} bytes are taken").into(),
            Denial::WorkflowNotPermitted { workflow } => format!("workflow {workflow} is not on the key's list").into(),
            Denial::ScopeMissing(scope) => format!("the key does not have the scope {}", scope.name()).into(),
            Denial::EnvironmentMismatch { wants: Some(wants) } => {
                format!("the key runs in {wants} and nowhere else, and the request must say so").into()
            }
            Denial::EnvironmentMismatch { wants: None } => "the request asks for another environment".into(),
            Denial::WorkflowNotInEnvironment { workflow, environment } => {
                format!("workflow {workflow} has no upstream in {environment}").into()
            }
            Denial::MethodNotAllowed { allow } if !allow.is_empty() => {
                format!("this path answers {}", list(allow)).into()
            }
            Denial::ConnectionElsewhere { belongs, runs } => {
                format!("the connection belongs to {belongs}, and this call runs in {runs}").into()
            }
            Denial::SecretUnavailable { connection } => {
                format!("connection {connection} has no secret yet, so nothing was sent").into()
            }
            Denial::SignatureExpired(BadTime::TooOld) => "it was signed too long ago".into(),
            Denial::SignatureExpired(BadTime::TooFarAhead) => "it was signed in the future".into(),
            Denial::SignatureExpired(BadTime::UrlExpired) => "the URL was signed for a time that is over".into(),
            Denial::Replayed { in_flight: true } => "it is being delivered right now".into(),
            Denial::Replayed { in_flight: false } => "it was delivered and is not delivered again".into(),
            // Nobody has proved anything yet: names are for the log.
            Denial::SigningSecretMissing { .. } => {
                "there is no secret to verify signatures with, so nothing is accepted".into()
            }
            Denial::RateLimited(refusal) => {
                let q = &refusal.quota;
                format!("the limit per {} is {} in {} s", refusal.scope.name(), q.count, q.per.as_secs_f64()).into()
            }
            Denial::Overloaded { what } => format!("the {what} takes no more requests right now").into(),
            Denial::Behind => "more requests come than the gateway can carry".into(),
            Denial::UpstreamTimeout { phase } => (*phase).into(),
            _ => self.title().into(),
        }
    }

    /// What to check next.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Denial::SignatureMissing { header } => format!("sign the body, and send the signature in {header}").into(),
            Denial::SignatureInvalid { header: Some(header), .. } => format!(
                "check {header}: that sender and gateway have the same secret and scheme, and that nothing in between changes the body"
            )
            .into(),
            _ => self.fixed_hint().into(),
        }
    }

    fn fixed_hint(&self) -> &'static str {
        match self {
            Denial::BadRequest(_) => {
                "check the client or the proxy in front: the request is not what the standard allows"
            }
            Denial::InvalidHost(_) => "send exactly one Host with a host name and, if need be, a port",
            Denial::AmbiguousPath(_) => {
                "send the path without dot segments, double slashes, backslashes and encoded slashes, in the template's spelling"
            }
            Denial::ConflictingCredentials => "send one key in one place: `Authorization: Key=<token>`",
            Denial::CredentialRepeated => "send the parameter once, or better `Authorization: Key=<token>`",
            Denial::EnvironmentRepeated => {
                "name the environment once: in the query, or on outbound calls in Keystile-Environment"
            }
            Denial::UnknownEnvironment => "check the environment's spelling: names are case-sensitive",
            Denial::RequestTimeout => "send the whole request within the time-out, or raise the listener's timeouts",
            Denial::BodyTooLarge { .. } => "send less, or raise max_body of the workflow or the listener",
            Denial::UriTooLong { .. } => "put long values into the body",
            Denial::ExpectationFailed => "only `Expect: 100-continue` is understood",
            Denial::HeadTooLarge(_) => "send fewer or shorter header fields",
            Denial::VersionNotSupported => "use HTTP/1.0, HTTP/1.1 or HTTP/2",
            Denial::MissingKey => "send `Authorization: Key=<token>`",
            Denial::InvalidKey(_) => {
                "check that the whole token was copied, without white space or quotes, that it belongs to this gateway and that it was not regenerated"
            }
            Denial::KeyDisabled => "ask the key's owner to enable it",
            Denial::KeyRevoked => "it will not be accepted again: ask for another key",
            Denial::KeyExpired => "ask the key's owner for a new expiry or a new key",
            Denial::QueryKeySunset => "send it in the header instead: `Authorization: Key=<token>`",
            Denial::SignatureMissing { .. } => "sign the body",
            Denial::SignatureInvalid { .. } => {
                "use the URL as it was given, to its last character; a new one is made with `keystile url sign`"
            }
            Denial::SignatureExpired(BadTime::UrlExpired) => "ask for a new URL: `keystile url sign`",
            Denial::SignatureExpired(_) => {
                "check the clocks of sender and gateway; a delivery that is sent again is signed again"
            }
            Denial::WrongVerifyToken => "enter the workflow's verify_token at the sender, to its last character",
            Denial::AddressNotAllowed => {
                "call from an address on the key's allow_addresses; behind a proxy check trusted_proxies"
            }
            Denial::ClientCertificateRequired(_) => {
                "check that the client presents its certificate, that it is the one the key's owner named and that it has not expired; a proxy in between must pass TLS through"
            }
            Denial::WorkflowNotFound => "check method, path and trailing slash against the workflow's template",
            Denial::MethodNotAllowed { .. } => "use a method of the Allow field",
            Denial::WorkflowNotPermitted { .. } => "ask for the workflow to be added to the key",
            Denial::ScopeMissing(_) => "ask for the scope to be added to the key",
            Denial::EnvironmentMismatch { .. } => {
                "use the environment's own key and name the environment: `_profile=<environment>` in the query, or `Keystile-Environment` on outbound calls"
            }
            Denial::WorkflowNotInEnvironment { .. } => {
                "use another environment, or give the workflow an upstream there"
            }
            Denial::DestinationNotAllowed { .. } => {
                "an administrator can name the network in the connection's allow_networks"
            }
            Denial::ConnectionElsewhere { .. } => {
                "name the environment in the header Keystile-Environment, or use the connection that belongs to the key's"
            }
            Denial::ConnectionNotFound => {
                "check the name in /c/<connection>/<path>, and that the connection stands on the key's list"
            }
            Denial::CallNotAllowed => "ask for the method and path to be added to the connection's allow",
            Denial::Forbidden(_) => {
                "call from a program, by a loopback name or one of the listener's hosts; browsers and pages cannot use this listener"
            }
            Denial::SecretUnavailable { .. } => "an administrator can set the connection's secret",
            Denial::Replayed { in_flight: true } => "wait for the answer to the first, or as long as Retry-After says",
            Denial::Replayed { in_flight: false } => {
                "nothing needs to be done; what is new has another id or signature"
            }
            Denial::SigningSecretMissing { .. } => "an administrator can add one to the workflow's webhook.secrets",
            Denial::RateLimited(_) => "wait as long as Retry-After says",
            Denial::LoopDetected => "check base_url: it leads back to this gateway, perhaps through another one",
            Denial::Overloaded { .. } | Denial::Behind => "try again shortly",
            Denial::UpstreamUnreachable { .. } => {
                "check the connection's base_url and that the upstream runs; the gateway's log has the cause"
            }
            Denial::UpstreamTls { .. } => {
                "check the upstream's certificate, its name and the connection's tls.ca; the gateway's log has the cause"
            }
            Denial::UpstreamProtocol { .. } => {
                "check that base_url is an HTTP service of the version in the connection's http; the gateway's log has the cause"
            }
            Denial::UpstreamOpaque { .. } => {
                "ask for it unencoded and whole; `scrub: false` on the connection passes answers as they are, and with them what they reflect"
            }
            Denial::UpstreamConnectTimeout { .. } => {
                "check that the upstream's addresses answer, or raise the connection's timeouts.connect"
            }
            Denial::UpstreamTimeout { .. } => "check the upstream, or raise the connection's timeouts",
            Denial::Internal { .. } => "report the request id; the gateway's log has the cause",
        }
    }
}

fn list(methods: &[http::Method]) -> String {
    methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ")
}
