//! Why a use case was not carried out, as API and CLI tell it (RFC 9457).

use crate::config::{Mistakes, Severity};
use crate::model::{Denial, Resource};
use crate::store::StoreError;
use crate::vault::VaultError;
use http::StatusCode;
use serde::Serialize;

pub type Done<T> = Result<T, Refusal>;

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
    pub dependants: Option<Box<serde_json::Value>>,
}

/// One mistake of a body.
#[derive(Debug, Clone, Serialize)]
pub struct Wrong {
    /// `rate_limit`, `inject[0].header`; empty for the body as a whole.
    pub field: String,
    pub reason: String,
    pub remedy: String,
}

impl Wrong {
    pub fn new(field: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Wrong {
        Wrong { field: field.to_owned(), reason: reason.into(), remedy: remedy.into() }
    }
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { code, status, detail: detail.into(), hint: hint.into(), errors: Vec::new(), dependants: None }
    }

    /// A body that cannot be carried out, with everything that is wrong with it.
    pub fn invalid(errors: Vec<Wrong>) -> Refusal {
        let detail = match errors.as_slice() {
            [one] if one.field.is_empty() => one.reason.clone(),
            [one] => format!("{}: {}", one.field, one.reason),
            many => format!("{} mistakes", many.len()),
        };
        let hint = errors.first().map(|wrong| wrong.remedy.clone()).unwrap_or_default();
        Refusal { errors, ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail, hint) }
    }

    /// The same, of mistakes that were found in `kind` `name` and around it.
    pub fn of_mistakes(mistakes: &Mistakes, kind: Resource, name: &str) -> Refusal {
        let own = format!("{}[{name}]", kind.plural());
        let errors = mistakes.iter().filter(|m| m.severity == Severity::Error).map(|mistake| {
            let field = mistake.path.strip_prefix(&own).map_or(&*mistake.path, |rest| rest.trim_start_matches('.'));
            Wrong::new(field, &*mistake.reason, &*mistake.remedy)
        });
        let refusal = Refusal::invalid(errors.collect());
        // What has a code of its own where it is told to callers, has it here.
        let coded = ["workflow_not_bound", "environment_mismatch"]
            .into_iter()
            .find(|code| refusal.errors.iter().all(|wrong| wrong.reason.contains(code)) && !refusal.errors.is_empty());
        Refusal { code: coded.unwrap_or(refusal.code), ..refusal }
    }

    pub fn of_denial(denial: &Denial) -> Refusal {
        let (code, status) = denial.code_and_status();
        Refusal::new(status, code, denial.detail(), denial.hint())
    }

    pub fn not_found(kind: Resource, name: &str) -> Refusal {
        let code = match kind {
            Resource::Environment => "environment_not_found",
            Resource::Connection => "connection_not_found",
            Resource::Workflow => "workflow_not_found",
            Resource::Key => "key_not_found",
        };
        let hint = format!("`keystile {} list` shows what there is", kind.plural());
        Refusal::new(StatusCode::NOT_FOUND, code, format!("there is no {kind} {name:?}"), hint)
    }

    pub fn name_taken(kind: Resource, name: &str) -> Refusal {
        let detail = format!("the name {name} is taken");
        Refusal::new(StatusCode::CONFLICT, "name_taken", detail, format!("choose another name for the {kind}"))
    }

    /// T1b.
    pub fn managed_by_file(kind: Resource, name: &str) -> Refusal {
        let detail = format!("the {kind} {name} stands in the configuration file, which alone changes it");
        Refusal::new(StatusCode::CONFLICT, "managed_by_file", detail, "change the file; it is read again by itself")
    }

    pub fn no_store() -> Refusal {
        let detail = "this gateway has no store: what it knows stands in its configuration file";
        let hint = "change the file, or give it a store: `keystile init`, or store: sqlite:PATH with master_key";
        Refusal::new(StatusCode::CONFLICT, "managed_by_file", detail, hint)
    }

    pub fn precondition_failed(kind: Resource, name: &str) -> Refusal {
        let detail = format!("the {kind} {name} was changed since it was read");
        Refusal::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail, "read it again, and decide anew")
    }

    pub fn internal(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail, "the gateway's log says more")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        let detail = error.to_string();
        let unavailable = |code, hint: &str| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, detail.clone(), hint);
        match &error {
            StoreError::NameTaken { kind, name } => Refusal::name_taken(*kind, name),
            StoreError::TokenTaken => {
                Refusal::new(StatusCode::CONFLICT, "token_taken", detail, "a token belongs to one slot of one key")
            }
            StoreError::Conflict => {
                Refusal::new(StatusCode::CONFLICT, "conflict", detail, "read it again, and repeat the change")
            }
            StoreError::Replayed => {
                let hint = "use a new key for a new request; repeat a request as it was";
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail, hint)
            }
            StoreError::Repeated { .. } => {
                Refusal::new(StatusCode::CONFLICT, "conflict", detail, "ask again: it was created")
            }
            StoreError::Full => {
                unavailable("store_full", "make room on the disk; traffic goes on, nothing was changed")
            }
            StoreError::ReadOnly => {
                unavailable("store_read_only", "make the database writable; traffic goes on, nothing was changed")
            }
            StoreError::Busy => unavailable("store_busy", "try again in a moment; nothing was changed"),
            StoreError::Corrupt(_) => {
                unavailable("store_unavailable", "restore a backup; traffic goes on from memory until the next start")
            }
            StoreError::Moved { .. } => unavailable(
                "store_unavailable",
                "move it back, or restart the gateway with what is there; traffic goes on, nothing was changed",
            ),
            StoreError::Unavailable(_) => unavailable(
                "store_unavailable",
                "look at the disk and the gateway's log; traffic goes on, nothing was changed",
            ),
        }
    }
}

impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "vault_unavailable", error.to_string(), error.remedy())
    }
}

/// What we wrote ourselves and cannot read.
pub fn broken(error: serde_json::Error) -> Refusal {
    tracing::error!(line = error.line(), column = error.column(), "a stored document cannot be read");
    Refusal::internal("a stored document cannot be read")
}
