//! Hazard 15: a permission that lasts. What was permitted to a tunnel when it was opened is asked again while it is open,
//! of whatever configuration is in force by then.

use super::authenticate::{by_digest, by_url};
use super::authorise::{Invocation, Origin, Proven, authorise};
use super::environment;
use super::identify::Credential;
use super::path;
use super::signed_url::Reading;
use crate::model::RequestHead;
use crate::model::connection::Destination;
use crate::model::listener::{Assurance, EnvironmentParameter};
use crate::model::token::Digest;
use crate::model::{ClientCertificate, Denial, Snapshot};
use http::{HeaderValue, Method, Uri};
use std::net::IpAddr;
use std::sync::Arc;

/// What a tunnel was permitted for.
pub struct Standing {
    credential: Lasting,
    address: IpAddr,
    certificate: Option<ClientCertificate>,
    listener: Arc<str>,
    assurance: Assurance,
    method: Method,
    uri: Uri,
    environment_parameter: EnvironmentParameter,
    workflow: Arc<str>,
    environment: Arc<str>,
    connection: Arc<str>,
    place: Place,
    protocol: HeaderValue,
}

/// What is kept of a credential for as long as a tunnel is open.
#[derive(Clone, Copy)]
pub enum Lasting {
    Token { digest: Digest, in_query: bool },
    Url(Reading),
}

impl Lasting {
    pub fn of(shown: &Credential<'_>) -> Lasting {
        match shown {
            Credential::Token(token) => Lasting::Token { digest: Digest::of(token.token()), in_query: token.in_query },
            Credential::Url(url) => Lasting::Url(*url),
        }
    }
}

/// Where a connection leads, whatever addresses that has just now.
#[derive(PartialEq, Eq)]
struct Place {
    tls: bool,
    authority: HeaderValue,
    base_path: String,
}

impl Place {
    fn of(destination: &Destination) -> Place {
        let (authority, base_path) = (destination.authority.clone(), destination.base_path.clone());
        Place { tls: destination.tls.is_some(), authority, base_path }
    }
}

/// How the permitted request was made.
pub struct Asking<'a> {
    pub credential: Lasting,
    pub origin: Origin<'a>,
    pub listener: &'a Arc<str>,
    /// Its connection's.
    pub assurance: Assurance,
    pub environment_parameter: &'a EnvironmentParameter,
    pub protocol: HeaderValue,
}

impl Standing {
    /// `parts` as they came from the caller.
    pub fn new(parts: &RequestHead, permit: &Invocation<'_>, asking: Asking<'_>) -> Standing {
        Standing {
            credential: asking.credential,
            address: asking.origin.address,
            certificate: asking.origin.certificate.cloned(),
            listener: asking.listener.clone(),
            assurance: asking.assurance,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            environment_parameter: asking.environment_parameter.clone(),
            workflow: permit.workflow().name.clone(),
            environment: permit.environment().name.clone(),
            connection: permit.connection().name.clone(),
            place: Place::of(&permit.connection().destination),
            protocol: asking.protocol,
        }
    }

    /// The protocol that is spoken.
    pub fn protocol(&self) -> &HeaderValue {
        &self.protocol
    }

    /// Whether the same request would lead to the same place now.
    pub fn holds(&self, snapshot: &Snapshot, now: i64) -> bool {
        // What a caller's certificate said counts for as long as those count who vouched for it.
        let door = snapshot.listeners.iter().find(|door| door.address == self.listener);
        if door.is_none_or(|door| door.assurance() != self.assurance) {
            return false;
        }
        self.permit(snapshot, now).is_ok_and(|permit| {
            let workflow = permit.workflow();
            workflow.name == self.workflow
                && permit.environment().name == self.environment
                && permit.connection().name == self.connection
                && Place::of(&permit.connection().destination) == self.place
                && workflow.upgrades.iter().any(|p| p.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes()))
        })
    }

    fn permit<'s>(&self, snapshot: &'s Snapshot, now: i64) -> Result<Invocation<'s>, Denial> {
        let route = snapshot.routes.find(&self.method, &path::segments(self.uri.path())?);
        let asked = environment::asked(self.uri.query(), &self.environment_parameter);
        let caller = match &self.credential {
            Lasting::Token { digest, in_query } => by_digest(snapshot, digest, *in_query, now),
            Lasting::Url(url) => by_url(snapshot, *url, &route, &asked, now),
        };
        let caller = caller.map_err(|rejected| rejected.denial)?;
        let origin = Origin { address: self.address, certificate: self.certificate.as_ref() };
        authorise(snapshot, &Proven::key(caller), &origin, &route, &asked, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::model::Slot;
    use crate::model::key::Grants;
    use crate::model::listener::CallerAuthorities;
    use http::Request;

    fn snapshot() -> Snapshot {
        let mut snapshot = fixture::snapshot();
        snapshot.workflows[0].upgrades = vec!["websocket".into()];
        snapshot
    }

    /// Whether a tunnel that was opened before still stands after `change`.
    fn stands(change: impl FnOnce(&mut Snapshot), now: i64) -> bool {
        let mut snapshot = snapshot();
        let digest = Digest::of(fixture::token("crm", Slot::Primary).as_bytes());
        let parts = RequestHead::from(Request::builder().uri("/customers/1").body(()).unwrap().into_parts().0);
        let standing = {
            let caller = by_digest(&snapshot, &digest, false, 0).unwrap();
            let route = snapshot.routes.find(&parts.method, &path::segments(parts.uri.path()).unwrap());
            let origin = Origin { address: "127.0.0.1".parse().unwrap(), certificate: None };
            let permit =
                authorise(&snapshot, &Proven::key(caller), &origin, &route, &environment::Asked::Nothing, 0).unwrap();
            let door = &snapshot.listeners[0];
            let asking = Asking {
                credential: Lasting::Token { digest, in_query: false },
                origin,
                listener: &door.address,
                assurance: door.assurance(),
                environment_parameter: &door.environment_parameter,
                protocol: HeaderValue::from_static("websocket"),
            };
            Standing::new(&parts, &permit, asking)
        };
        change(&mut snapshot);
        standing.holds(&snapshot, now)
    }

    #[test]
    fn hazard_15_a_tunnel_stands_as_long_as_its_permission() {
        assert!(stands(|_| {}, 0));
        assert!(!stands(|s| s.keys[0].enabled = false, 0));
        assert!(!stands(|s| s.keys.forget_tokens(), 0));
        assert!(!stands(|s| s.keys[0].expires_at = Some(5), 5));
        assert!(stands(|s| s.keys[0].expires_at = Some(5), 4));
        assert!(!stands(|s| s.keys[0].workflows = Grants::some(vec![]), 0));
        assert!(!stands(|s| s.keys[0].more_mut().allow_addresses = Some(vec!["10.0.0.0/8".parse().unwrap()]), 0));
        assert!(!stands(|s| s.workflows[0].upgrades.clear(), 0));
        assert!(!stands(|s| s.workflows[0].name = "another".into(), 0));
        assert!(!stands(|s| s.routes = Default::default(), 0));
    }

    #[test]
    fn hazard_15_a_tunnel_leads_where_its_connection_leads_and_from_a_listener_that_knows_its_caller() {
        assert!(!stands(|s| s.connections[0].destination.authority = HeaderValue::from_static("elsewhere"), 0));
        assert!(!stands(|s| s.connections[0].destination.base_path = "/v2".into(), 0));
        assert!(!stands(|s| s.connections[0].destination.tls = Some(Default::default()), 0));
        assert!(stands(|s| s.connections[0].destination.addresses = [].into(), 0), "one of them may have come or gone");
        let others = CallerAuthorities { digest: [7; 32], required: true };
        assert!(!stands(|s| s.listeners[0].callers = Some(others), 0));
        assert!(!stands(|s| s.listeners[0].tls = true, 0));
        assert!(!stands(|s| s.listeners.clear(), 0));
    }
}
