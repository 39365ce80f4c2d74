//! C1, C11, C14, C15, E5: may this key make this call?

use super::allow::allowed;
use super::slots::behind_base;
use crate::model::Fields;
use crate::model::connection::ConnectionId;
use crate::model::directory::Named;
use crate::model::key::ScopeName;
use crate::model::{Connection, Denial, EnvironmentId, Key, Snapshot, token};
use crate::policy::authorise::{Origin, may_come_from};
use crate::policy::path::percent_decode;
use crate::policy::permit::{Permit, Principal};
use crate::policy::{Authenticated, environment};
use http::Method;

/// What is called.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub method: &'a Method,
    /// What the name in the path means, if anything.
    pub named: Option<&'a Named>,
    /// The path behind the name.
    pub rest: &'a str,
}

/// Decides in this order: address, client certificate, connection, scope, environment, method and path, secret. Nothing
/// beyond `connection_not_found` is told to a key that does not have the connection on its list.
pub fn authorise<'s>(
    snapshot: &'s Snapshot,
    caller: &Authenticated<'s>,
    origin: &Origin<'_>,
    call: &Call<'_>,
    headers: &Fields,
    now: i64,
) -> Result<Permit<'s>, Denial> {
    let key = caller.key();
    may_come_from(key, origin, now)?;
    let named =
        call.named.filter(|named| named.candidates().any(|id| key.connections.permit(snapshot.connection(id).uid)));
    let named = named.ok_or(Denial::ConnectionNotFound)?;
    if !key.scopes.has(ScopeName::ConnectionsUse) {
        return Err(Denial::ScopeMissing(ScopeName::ConnectionsUse));
    }
    let runs = environment::of_call(snapshot, key, headers)?;
    let connection = meant(snapshot, key, named, runs).ok_or(Denial::ConnectionNotFound)?;
    if connection.environment != runs {
        let name = |id| snapshot.environment(id).name.clone();
        return Err(Denial::ConnectionElsewhere { belongs: name(connection.environment), runs: name(runs) });
    }
    let path = behind_base(call.rest, connection);
    allowed(connection, call.method, path)?;
    if percent_decode(path.as_bytes()).is_none_or(|decoded| token::held_in(&decoded)) {
        // Where the connection has no place for one: the provider would be told it.
        return Err(Denial::ConflictingCredentials);
    }
    if connection.secret_missing {
        return Err(Denial::SecretUnavailable { connection: connection.name.clone() });
    }
    Ok(Permit::granted(Principal::Key(key, caller.slot()), snapshot.environment(runs), connection))
}

/// The one connection that `named` means to `key` in `environment`: by name that one, wherever it belongs; by connector
/// the one that the key is bound to, else the default.
fn meant<'s>(snapshot: &'s Snapshot, key: &Key, named: &Named, environment: EnvironmentId) -> Option<&'s Connection> {
    let there = |id: &ConnectionId| snapshot.connection(*id).environment == environment;
    let id = match named {
        Named::Connection(id) => *id,
        Named::Connector(connector) => {
            let bindings = key.more().bindings.iter().filter(|(name, _)| *name == connector.name);
            let bound = bindings.filter_map(|(_, uid)| connector.made(snapshot, *uid)).find(there);
            bound.or_else(|| connector.defaults.iter().find(|(e, _)| *e == environment).map(|(_, id)| *id))?
        }
    };
    Some(snapshot.connection(id)).filter(|connection| key.connections.permit(connection.uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Uid;
    use crate::model::connection::CallRule;
    use crate::model::directory::Directory;
    use crate::model::key::{Grants, KeyId, Scopes};
    use crate::policy::authenticate::stood_for;
    use crate::policy::fixture;
    use crate::policy::fixture::uid_of;
    use http::HeaderValue;

    const PRODUCTION: EnvironmentId = EnvironmentId(0);

    /// Calls `GET /v1/x` by `name` with the first key; the connection that is meant, or the refusal.
    fn called(
        change: impl FnOnce(&mut Snapshot),
        name: &str,
        environment: &[&'static str],
    ) -> Result<String, &'static str> {
        let mut snapshot = fixture::snapshot();
        change(&mut snapshot);
        snapshot.directory = Directory::of(&snapshot.connections);
        let headers: Fields = environment.iter().map(|e| (environment::HEADER, HeaderValue::from_static(e))).collect();
        let caller = stood_for(&snapshot, KeyId(0), 0).unwrap();
        let origin = Origin { address: "127.0.0.1".parse().unwrap(), certificate: None };
        let call = Call { method: &Method::GET, named: snapshot.directory.find(name), rest: "/v1/x" };
        let permit = authorise(&snapshot, &caller, &origin, &call, &headers, 0).map_err(|d| d.code())?;
        assert_eq!(permit.environment().id, permit.connection().environment, "E5");
        Ok(permit.connection().name.to_string())
    }

    fn both(s: &mut Snapshot) {
        s.keys[0].connections = Grants::All;
    }

    #[test]
    fn c1_what_is_not_on_the_list_does_not_exist() {
        assert_eq!(called(|_| {}, "engine-0", &[]), Ok("engine-0".into()));
        let id = crate::model::Uid::declared("connection", "engine-0").to_string();
        assert_eq!(called(|_| {}, &id, &[]), Ok("engine-0".into()));
        assert_eq!(called(|_| {}, &id.to_ascii_uppercase(), &[]), Ok("engine-0".into()));
        for name in ["engine-1", "nothing", "", "Engine-0"] {
            assert_eq!(called(|_| {}, name, &[]), Err("connection_not_found"), "{name}");
        }
        assert_eq!(
            called(|s| s.keys[0].connections = Grants::some(vec![]), "engine-0", &[]),
            Err("connection_not_found")
        );
        // Nothing else is told of it, whatever else would be wrong.
        let everything_wrong = |s: &mut Snapshot| {
            s.keys[0].connections = Grants::some(vec![]);
            s.keys[0].scopes = Scopes::NONE;
            s.connections[0].secret_missing = true;
        };
        assert_eq!(called(everything_wrong, "engine-0", &["Nowhere"]), Err("connection_not_found"));
    }

    #[test]
    fn e5_c14_the_environment_of_the_call_and_of_the_connection_are_one() {
        assert_eq!(called(both, "engine-1", &[]), Err("environment_mismatch"), "the default is Production");
        assert_eq!(called(both, "engine-1", &["Test"]), Ok("engine-1".into()));
        assert_eq!(called(both, "engine-0", &["Test"]), Err("environment_mismatch"));
        assert_eq!(called(both, "engine-0", &["test"]), Err("unknown_environment"));
        assert_eq!(called(both, "engine-0", &["Test", "Test"]), Err("environment_repeated"));
        let fixed = |s: &mut Snapshot| {
            both(s);
            s.keys[0].environment = Some(Uid::declared("environment", "Test"));
        };
        assert_eq!(called(fixed, "engine-1", &[]), Ok("engine-1".into()), "the key says it");
        assert_eq!(called(fixed, "engine-1", &["Test"]), Ok("engine-1".into()));
        assert_eq!(called(fixed, "engine-0", &[]), Err("environment_mismatch"));
        assert_eq!(called(fixed, "engine-1", &["Production"]), Err("environment_mismatch"));
        assert_eq!(called(fixed, "engine-0", &["Production"]), Err("environment_mismatch"));
    }

    #[test]
    fn c15_a_connector_means_its_default_or_what_the_key_is_bound_to() {
        let stripe = |s: &mut Snapshot| {
            both(s);
            for connection in &mut s.connections {
                connection.connector = Some("stripe".into());
                connection.default = true;
            }
        };
        assert_eq!(called(stripe, "stripe", &[]), Ok("engine-0".into()));
        assert_eq!(called(stripe, "stripe", &["Test"]), Ok("engine-1".into()));
        assert_eq!(called(both, "stripe", &[]), Err("connection_not_found"));
        let not_permitted = |s: &mut Snapshot| {
            stripe(s);
            s.keys[0].connections = Grants::some(vec![uid_of("engine-1")]);
        };
        assert_eq!(called(not_permitted, "stripe", &[]), Err("connection_not_found"));
        assert_eq!(called(not_permitted, "stripe", &["Test"]), Ok("engine-1".into()));
        let bound = |s: &mut Snapshot| {
            stripe(s);
            s.connections[1].environment = PRODUCTION;
            s.connections[1].default = false;
            s.keys[0].more_mut().bindings = vec![("stripe".into(), uid_of("engine-1"))];
        };
        assert_eq!(called(bound, "stripe", &[]), Ok("engine-1".into()));
        assert_eq!(called(bound, "stripe", &["Test"]), Err("connection_not_found"), "nothing stands for it there");
    }

    #[test]
    fn k13_c11_hazard_24_scope_calls_and_secrets() {
        assert_eq!(called(|s| s.keys[0].scopes = Scopes::NONE, "engine-0", &[]), Err("scope_missing"));
        let rule = CallRule { methods: [Method::POST].into(), path: [].into() };
        assert_eq!(called(|s| s.connections[0].allow = [rule].into(), "engine-0", &[]), Err("call_not_allowed"));
        assert_eq!(called(|s| s.connections[0].secret_missing = true, "engine-0", &[]), Err("secret_unavailable"));
        assert_eq!(
            called(|s| s.keys[0].more_mut().allow_addresses = Some(vec![]), "engine-0", &[]),
            Err("address_not_allowed")
        );
    }
}
