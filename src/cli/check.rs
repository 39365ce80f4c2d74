//! `keystile check`.

use super::output::{Format, print};
use crate::assembly;
use crate::config::{Mistake, Mistakes, Severity};
use crate::telemetry::redact::redact;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    ok: bool,
    errors: usize,
    warnings: usize,
    mistakes: Vec<Mistake>,
    #[serde(skip)]
    summary: String,
}

pub fn run(path: &Path, strict: bool, format: Format) -> anyhow::Result<ExitCode> {
    let report = match assembly::from_file(path) {
        Ok(assembled) => {
            let s = &assembled.snapshot;
            let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let parts = [
                count(s.listeners.len(), "listener"),
                count(s.environments.len(), "environment"),
                count(s.connections.len(), "connection"),
                count(s.workflows.len(), "workflow"),
                count(s.keys.len(), "key"),
            ];
            report(assembled.warnings, parts.join(", "))
        }
        Err(rejected) => report(rejected.mistakes, String::new()),
    };
    let failed = !report.ok || (strict && report.warnings > 0);
    print(&report, format, |r| table(r, path))?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
    Report { ok: errors == 0, errors, warnings: mistakes.len() - errors, mistakes, summary }
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
    out + "\n"
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
