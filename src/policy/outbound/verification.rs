//! C8: the one request without a caller. It is made of what a connector says and of nothing that anybody sends, so there
//! is nobody to authenticate; it goes to its connection's destination like every other.

use crate::model::Fields;
use crate::model::secret::MayOpen;
use crate::model::{Connection, Denial};
use crate::policy::headers::is_hop_by_hop;
use crate::policy::permit::Injects;
use crate::policy::query;
use crate::policy::rewrite::join;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Uri};

/// What is called, by the connector's word.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// With its query.
    pub path: &'a str,
    pub headers: &'a [(HeaderName, HeaderValue)],
}

/// The proof that a connection is being verified: it opens that connection's secret, and all that can be had from it is
/// the request of a [`Trial`]. `allow` (C11) does not apply: it says what callers may do.
#[derive(Debug, Clone, Copy)]
pub struct Verification<'s> {
    connection: &'s Connection,
}

impl MayOpen for Verification<'_> {}

impl<'s> Injects<'s> for Verification<'s> {
    fn connection(&self) -> &'s Connection {
        self.connection
    }
}

impl<'s> Verification<'s> {
    /// Refused if there is no secret to verify (hazard 24).
    pub fn of(connection: &'s Connection) -> Result<Verification<'s>, Denial> {
        match connection.secret_missing {
            true => Err(Denial::SecretUnavailable { connection: connection.name.clone() }),
            false => Ok(Verification { connection }),
        }
    }

    /// Target and fields of the request, the secret in its slots, each filled once. `None`: no valid target comes of it,
    /// which a checked connector excludes.
    pub fn request(&self, trial: &Trial<'_>) -> Option<(Uri, Fields)> {
        let (path, query) = match trial.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (trial.path, None),
        };
        let slots = &self.connection.injection.query;
        let kept = query.and_then(|q| query::without(q, |pair| slots.iter().any(|(name, _)| pair.folds_to(name))));
        Some((join(self, path, kept.as_deref())?, self.fields(trial)))
    }

    fn fields(&self, trial: &Trial<'_>) -> Fields {
        let mut map = Fields::new();
        map.insert(ACCEPT, HeaderValue::from_static("*/*"));
        map.insert(USER_AGENT, HeaderValue::from_static("keystile"));
        for extra in &self.connection.extra_headers {
            map.insert(&extra.name, extra.value.clone());
        }
        for (name, value) in trial.headers {
            map.insert(name, value.clone());
        }
        // How the message is framed, and where it goes, is not the connector's to say; the reply is to be read as it is.
        let doomed: Vec<HeaderName> = map.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
        doomed.iter().chain([&CONTENT_LENGTH]).for_each(|name| drop(map.remove(name)));
        map.insert(HOST, self.connection.destination.authority.clone());
        map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // Last, so that nothing above can replace it.
        for (name, value) in self.injected_headers() {
            map.insert(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::connection::{ExtraHeader, InjectRule, Injection};
    use crate::policy::fixture;

    fn requested(rules: &[InjectRule], path: &str, headers: &[(&'static str, &'static str)]) -> (String, Fields) {
        let mut snapshot = fixture::snapshot();
        let connection = &mut snapshot.connections[0];
        connection.injection = Injection::prepare(rules, &fixture::secret("s3/cr3t")).unwrap();
        connection.extra_headers =
            vec![ExtraHeader { name: "version".parse().unwrap(), value: HeaderValue::from_static("1"), always: false }];
        let headers: Vec<_> =
            headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let trial = Trial { path, headers: &headers };
        let (target, fields) = Verification::of(connection).unwrap().request(&trial).unwrap();
        (target.to_string(), fields)
    }

    #[test]
    fn c8_the_secret_stands_in_its_slot_once_and_the_rest_is_the_connectors() {
        let header = InjectRule::Header { name: "x-key".parse().unwrap(), value: "{secret}".into() };
        let said = [("x-key", "theirs"), ("version", "2"), ("connection", "x-key"), ("content-length", "9")];
        let (target, fields) = requested(&[header], "/v1/me?a=b", &said);
        assert_eq!(target, "/v1/me?a=b");
        let mut names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent", "version", "x-key"]);
        assert_eq!(fields["x-key"], "s3/cr3t");
        assert_eq!(fields["version"], "2");

        let query = InjectRule::Query { name: "key".into(), value: "{secret}".into() };
        assert_eq!(requested(&[query], "/me?%6Bey=a&b=c", &[]).0, "/me?b=c&key=s3%2Fcr3t");
        let path = InjectRule::Path { prefix: "/bot{secret}".into() };
        assert_eq!(requested(&[path], "/getMe", &[]).0, "/bots3%2Fcr3t/getMe");
    }

    #[test]
    fn hazard_24_without_a_secret_there_is_nothing_to_send() {
        let mut snapshot = fixture::snapshot();
        snapshot.connections[0].secret_missing = true;
        let refused = Verification::of(&snapshot.connections[0]).map(|_| ()).map_err(|denial| denial.code());
        assert_eq!(refused, Err("secret_unavailable"));
    }
}
