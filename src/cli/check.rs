//! `keystile check`.

use super::connections::{self, Verified, verified, verified_table};
use super::output::{Format, print};
use crate::assembly::{self, Assembled};
use crate::config::{Mistake, Mistakes, Severity};
use crate::telemetry::redact::redact;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

#[derive(Serialize)]
struct Report {
    ok: bool,
    errors: usize,
    warnings: usize,
    mistakes: Vec<Mistake>,
    /// What the providers say of the connections' secrets, with `--verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<Verified>>,
    #[serde(skip)]
    summary: String,
}

pub fn run(path: &Path, strict: bool, verify: bool, format: Format) -> anyhow::Result<ExitCode> {
    let report = match assembly::from_file(path) {
        Ok(assembled) => {
            let mut report = report(assembled.warnings.clone(), summary(&assembled));
            if verify {
                let ids: Vec<_> = connections::ids(&assembled).collect();
                report.connections = Some(verified(&Rc::new(assembled), &ids, connections::TIME, format)?);
            }
            report
        }
        Err(rejected) => report(rejected.mistakes, String::new()),
    };
    let refused = report.connections.as_ref().is_some_and(|found| connections::failed(found, strict));
    let failed = !report.ok || refused || (strict && report.warnings > 0);
    print(&report, format, |r| table(r, path))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(assembled: &Assembled) -> String {
    let s = &assembled.snapshot;
    let parts = [
        plural(s.listeners.len(), "listener"),
        plural(s.environments.len(), "environment"),
        plural(s.connections.len(), "connection"),
        plural(s.workflows.len(), "workflow"),
        plural(s.keys.len(), "key"),
    ];
    parts.join(", ")
}

fn report(mistakes: Mistakes, summary: String) -> Report {
    let mut mistakes = mistakes.into_sorted();
    // A mistake quotes what was written, and that may be a token in the wrong place (T3).
    for mistake in &mut mistakes {
        for text in [&mut mistake.path, &mut mistake.reason, &mut mistake.remedy] {
            *text = redact(text).into_owned();
        }
    }
    let errors = mistakes.iter().filter(|m| m.severity == Severity::Error).count();
    Report { ok: errors == 0, errors, warnings: mistakes.len() - errors, mistakes, connections: None, summary }
}

fn table(report: &Report, path: &Path) -> String {
    let mut out: String = report.mistakes.iter().map(|m| format!("{m}\n")).collect();
    if report.ok {
        out += &format!("{}: ok: {}", path.display(), report.summary);
    } else {
        out += &format!("{}: {} to mend", path.display(), plural(report.errors, "error"));
    }
    if report.warnings > 0 {
        out += &format!("; {}", plural(report.warnings, "warning"));
    }
    out.push('\n');
    if let Some(found) = &report.connections {
        out += &format!("\n{}", verified_table(found));
    }
    out
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
