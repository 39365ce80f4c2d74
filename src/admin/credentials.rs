//! Who asks: a Bearer token, and nothing else. Wrong ones are counted by address (L3).

use super::problem::Problem;
use crate::control::{Actor, Control};
use crate::limit::FailedAuth;
use crate::model::Quota;
use crate::model::quota::Refusal as Over;
use crate::model::token::{self, Shape};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// As listeners have it by default.
const FAILED: Quota = match NonZeroU32::new(100) {
    Some(count) => Quota { count, per: Duration::from_secs(60), burst: count },
    None => unreachable!(),
};

pub fn failed_auth() -> FailedAuth {
    FailedAuth::new(FAILED)
}

/// Authenticates: over the limit, what is no well-formed token of ours is refused without a look-up; well-formed ones are
/// still judged, so that a bad neighbour locks nobody out.
pub fn actor(
    control: &Control,
    failed: &FailedAuth,
    fields: &HeaderMap,
    peer: IpAddr,
    request_id: &str,
) -> Result<Actor, Problem> {
    let token = bearer(fields)?;
    let shape = token::shape(token);
    let is_guess = shape != Shape::WellFormed;
    let now = Instant::now();
    if is_guess {
        failed.check(peer, now).map_err(|over| too_many(&over))?;
    }
    let judged = if shape == Shape::Malformed {
        Err(unknown())
    } else {
        control.actor(token, peer, request_id).map_err(Problem::from)
    };
    judged.map_err(|problem| {
        let counts = problem.status() == StatusCode::UNAUTHORIZED && problem.code() == "invalid_key";
        let over = if counts { failed.failed(peer, now).err() } else { None };
        match over {
            Some(over) if is_guess => too_many(&over),
            _ => challenged(problem, true),
        }
    })
}

/// The token of the only `Authorization`.
fn bearer(fields: &HeaderMap) -> Result<&[u8], Problem> {
    let mut lines = fields.get_all(AUTHORIZATION).iter();
    let (Some(line), further) = (lines.next(), lines.next()) else { return Err(missing()) };
    if further.is_some() {
        let hint = "send Authorization once";
        return Err(Problem::bad_request("conflicting_credentials", "Authorization is there more than once", hint));
    }
    let line = line.as_bytes();
    let (scheme, rest) = line.split_at(line.iter().position(|b| *b == b' ').unwrap_or(line.len()));
    let token = rest.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() { Err(missing()) } else { Ok(token) }
}

fn missing() -> Problem {
    let hint = "send Authorization: Bearer <token>, with the token of a key that has a scope of administration";
    challenged(Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "there is no Bearer token", hint), false)
}

fn unknown() -> Problem {
    let hint = "check for a cut end, white space or another gateway's token";
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", "no key has this token", hint)
}

/// RFC 6750: every 401 says how to do better.
fn challenged(problem: Problem, presented: bool) -> Problem {
    if problem.status() != StatusCode::UNAUTHORIZED {
        return problem;
    }
    let challenge = if presented {
        "Bearer realm=\"keystile-admin\", error=\"invalid_token\""
    } else {
        "Bearer realm=\"keystile-admin\""
    };
    problem.with(WWW_AUTHENTICATE, challenge)
}

fn too_many(over: &Over) -> Problem {
    let wait = over.wait.as_millis().div_ceil(1000).max(1);
    let detail = "too many wrong tokens came from this address";
    let hint = format!("wait {wait} s, and check the token");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail, hint).with(RETRY_AFTER, wait.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<Vec<u8>, (u16, &'static str)> {
        let fields: HeaderMap = lines.iter().map(|line| (AUTHORIZATION, line.parse().unwrap())).collect();
        bearer(&fields).map(<[u8]>::to_vec).map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[test]
    fn one_line_with_one_bearer_token() {
        assert_eq!(read(&["Bearer abc"]), Ok(b"abc".to_vec()));
        assert_eq!(read(&["bEARER   abc "]), Ok(b"abc".to_vec()));
        for none in [&[][..], &["Key=abc"], &["Basic YTpi"], &["Bearer"], &["Bearer "], &["Bearerabc"], &[""]] {
            assert_eq!(read(none), Err((401, "missing_key")), "{none:?}");
        }
        assert_eq!(read(&["Bearer abc", "Bearer abc"]), Err((400, "conflicting_credentials")));
    }
}
