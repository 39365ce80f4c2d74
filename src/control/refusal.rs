//! Why a use case was not carried out, as API and CLI tell it (RFC 9457).

use http::StatusCode;
use serde::Serialize;

/// Nothing was changed.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Stable, for programs: `name_taken`.
    pub code: &'static str,
    pub status: StatusCode,
    /// What is wrong, with the thing's name.
    pub detail: String,
    /// What to do next.
    pub hint: String,
    /// Every mistake of a body.
    pub errors: Vec<Wrong>,
    /// R2: what still needs it.
    pub dependants: Option<serde_json::Value>,
}

/// One mistake of a body.
#[derive(Debug, Clone, Serialize)]
pub struct Wrong {
    /// `rate_limit`, `inject[0].header`; empty for the body as a whole.
    pub field: String,
    pub reason: String,
    pub remedy: String,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { code, status, detail: detail.into(), hint: hint.into(), errors: Vec::new(), dependants: None }
    }
}
