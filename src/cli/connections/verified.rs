//! Verdicts in words, for people and programs.

use super::super::output::Format;
use crate::assembly::Assembled;
use crate::connector::{State, Verdict};
use crate::egress::verify::{Subject, verify_all};
use crate::model::connection::ConnectionId;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

/// What came of one connection.
#[derive(Serialize)]
pub struct Verified {
    name: String,
    environment: String,
    connector: Option<String>,
    /// `active`, `error` or `inconclusive`.
    status: &'static str,
    meaning: &'static str,
    /// Of the provider's reply, if there was one.
    provider_status: Option<u16>,
    /// Why there was none.
    code: Option<&'static str>,
    says: String,
    remedy: Option<String>,
    /// What was called, with a template where the secret goes.
    call: Option<String>,
    #[serde(skip)]
    pub state: State,
}

/// Calls the providers, with a sign of life for people who wait.
pub fn verified(
    assembled: &Rc<Assembled>,
    ids: &[ConnectionId],
    time: Duration,
    format: Format,
) -> anyhow::Result<Vec<Verified>> {
    let sign = matches!(format, Format::Table) && std::io::stderr().is_terminal();
    // Nobody minds if it cannot be shown.
    let show = |text: &str| drop(write!(std::io::stderr(), "\r\x1b[K{text}"));
    let told = |done: usize| {
        if sign {
            show(&format!("asked {done} of {}", ids.len()));
        }
    };
    told(0);
    let verdicts = verify_all(assembled, ids, time, told)?;
    if sign {
        show("");
    }
    Ok(verdicts.into_iter().map(|(id, verdict)| in_words(assembled, id, verdict)).collect())
}

fn in_words(assembled: &Assembled, id: ConnectionId, verdict: Verdict) -> Verified {
    let connection = assembled.snapshot.connection(id);
    Verified {
        name: connection.name.to_string(),
        environment: assembled.snapshot.environment(connection.environment).name.to_string(),
        connector: connection.connector.as_ref().map(ToString::to_string),
        status: verdict.state.name(),
        meaning: verdict.meaning,
        provider_status: verdict.status.map(|s| s.as_u16()),
        code: verdict.code,
        says: verdict.says,
        remedy: verdict.remedy,
        call: Subject::of(assembled, id).shown(),
        state: verdict.state,
    }
}

/// A line for each, and one for what to do about it.
pub fn verified_table(found: &[Verified]) -> String {
    let width = found.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for v in found {
        let reason = if v.status == v.meaning { String::new() } else { format!("{}: ", v.meaning) };
        let status = v.provider_status.map_or("  -".to_owned(), |status| status.to_string());
        let _ = writeln!(out, "{:width$}  {:12}  {status}  {reason}{}", v.name, v.status, v.says);
        if let Some(remedy) = &v.remedy {
            let _ = writeln!(out, "{:width$}  {:12}       {remedy}", "", "");
        }
    }
    let count = |state: State| found.iter().filter(|v| v.state == state).count();
    let (active, errors, open) = (count(State::Active), count(State::Error), count(State::Inconclusive));
    out + &format!("{active} active, {errors} in error, {open} inconclusive\n")
}
