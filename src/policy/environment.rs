//! E1–E3: where a request runs.

use super::query;
use crate::model::Fields;
use crate::model::listener::EnvironmentParameter;
use crate::model::{Denial, EnvironmentId, Key, Snapshot};
use http::header::HeaderName;
use std::borrow::Cow;

/// What the query says of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<'a> {
    Nothing,
    Named(Cow<'a, [u8]>),
    Repeated,
}

/// Reads the parameter, also when its name is percent-encoded.
pub fn asked<'a>(query: Option<&'a str>, parameter: &EnvironmentParameter) -> Asked<'a> {
    let mut values = query.into_iter().flat_map(query::pairs).filter(|p| p.is(&parameter.name));
    match (values.next(), values.next()) {
        (None, _) => Asked::Nothing,
        (Some(pair), None) => Asked::Named(pair.decoded_value()),
        (Some(_), Some(_)) => Asked::Repeated,
    }
}

/// The environment in which `key` runs a request that asked for `asked`.
///
/// A key fixed to an environment runs there or not at all (E1); fixed to one that is not the default, it must be named
/// as well (E2). An unfixed key runs where it asks to, or in the default one (E3).
pub fn select(snapshot: &Snapshot, key: &Key, asked: &Asked<'_>) -> Result<EnvironmentId, Denial> {
    let named = match asked {
        Asked::Repeated => return Err(Denial::EnvironmentRepeated),
        Asked::Nothing => None,
        Asked::Named(name) => Some(std::str::from_utf8(name).ok().and_then(|n| snapshot.environment_named(n))),
    };
    let Some(fixed) = fixed(snapshot, key)? else {
        return match named {
            None => Ok(snapshot.default_environment),
            Some(Some(environment)) => Ok(environment),
            Some(None) => Err(Denial::UnknownEnvironment),
        };
    };
    let agrees = match named {
        None => fixed == snapshot.default_environment,
        Some(environment) => environment == Some(fixed),
    };
    if agrees {
        Ok(fixed)
    } else {
        Err(Denial::EnvironmentMismatch { wants: Some(snapshot.environment(fixed).name.clone()) })
    }
}

/// H5: a delivery runs in its webhook's environment. Its signature does not cover the URL, so the URL may repeat that one and
/// choose no other.
pub fn of_delivery(snapshot: &Snapshot, own: EnvironmentId, asked: &Asked<'_>) -> Result<EnvironmentId, Denial> {
    match asked {
        Asked::Nothing => Ok(own),
        Asked::Repeated => Err(Denial::EnvironmentRepeated),
        Asked::Named(name) if snapshot.environment(own).name.as_bytes() == &**name => Ok(own),
        Asked::Named(_) => Err(Denial::EnvironmentMismatch { wants: None }),
    }
}

/// E1: the one environment that the key is good for, if it is fixed to one. One that is gone is none it could run in.
fn fixed(snapshot: &Snapshot, key: &Key) -> Result<Option<EnvironmentId>, Denial> {
    match key.environment {
        None => Ok(None),
        Some(uid) => match snapshot.environment_of(uid) {
            Some(environment) => Ok(Some(environment.id)),
            None => Err(Denial::EnvironmentMismatch { wants: None }),
        },
    }
}

/// Where outbound calls name an environment.
pub const HEADER: HeaderName = HeaderName::from_static("keystile-environment");

/// E5: the environment of an outbound call: the key's, else the header's, else the default one.
pub fn of_call(snapshot: &Snapshot, key: &Key, headers: &Fields) -> Result<EnvironmentId, Denial> {
    let mut lines = headers.get_all(HEADER);
    let line = lines.next();
    if lines.next().is_some() {
        return Err(Denial::EnvironmentRepeated);
    }
    let named = line.map(|line| line.to_str().ok().and_then(|name| snapshot.environment_named(name.trim())));
    match (fixed(snapshot, key)?, named) {
        (None, None) => Ok(snapshot.default_environment),
        (None, Some(None)) => Err(Denial::UnknownEnvironment),
        (None, Some(Some(environment))) => Ok(environment),
        (Some(fixed), None) => Ok(fixed),
        (Some(fixed), Some(named)) if named == Some(fixed) => Ok(fixed),
        (Some(fixed), Some(_)) => {
            Err(Denial::EnvironmentMismatch { wants: Some(snapshot.environment(fixed).name.clone()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// (the key's environment, what the query says) → where it runs, or the refusal.
    fn runs(fixed: Option<u16>, query: &str) -> Result<String, &'static str> {
        let mut snapshot = fixture::snapshot();
        let uids = [snapshot.environments[0].uid, snapshot.environments[1].uid];
        snapshot.keys[0].environment = fixed.map(|at| uids[at as usize]);
        let parameter = EnvironmentParameter { name: "_profile".into(), strip: false };
        select(&snapshot, &snapshot.keys[0], &asked(Some(query), &parameter))
            .map(|e| snapshot.environment(e).name.to_string())
            .map_err(|d| d.code())
    }

    #[test]
    fn e1_e2_a_fixed_key_runs_there_or_not_at_all() {
        assert_eq!(runs(Some(0), ""), Ok("Production".into()));
        assert_eq!(runs(Some(0), "_profile=Production"), Ok("Production".into()));
        assert_eq!(runs(Some(0), "_profile=Test"), Err("environment_mismatch"));
        assert_eq!(runs(Some(0), "_profile=Nowhere"), Err("environment_mismatch"));
        assert_eq!(runs(Some(1), ""), Err("environment_mismatch"), "never falls through to the default");
        assert_eq!(runs(Some(1), "_profile=Test"), Ok("Test".into()));
        assert_eq!(runs(Some(1), "_profile=Production"), Err("environment_mismatch"));
        assert_eq!(runs(Some(1), "_profile="), Err("environment_mismatch"));
        assert_eq!(runs(Some(1), "_profile=Test&_profile=Test"), Err("environment_repeated"));
    }

    #[test]
    fn e3_an_unfixed_key_selects() {
        assert_eq!(runs(None, ""), Ok("Production".into()));
        assert_eq!(runs(None, "a=1&_profile=Test"), Ok("Test".into()));
        assert_eq!(runs(None, "%5Fprofile=T%65st"), Ok("Test".into()));
        assert_eq!(runs(None, "_profile=test"), Err("unknown_environment"), "names are case-sensitive");
        assert_eq!(runs(None, "_profile="), Err("unknown_environment"));
        assert_eq!(runs(None, "_Profile=Test"), Ok("Production".into()), "another parameter");
        assert_eq!(runs(None, "_profile=Test&%5fprofile=Test"), Err("environment_repeated"));
        assert_eq!(runs(None, "_profile=%FF"), Err("unknown_environment"));
    }
}
