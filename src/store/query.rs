//! What is asked of the store, and what is answered that is no row.

use crate::model::uid::Uid;

use super::rows::Access;

/// What a list asks for. Rows come by name.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Found in the name, title or description, in any case.
    pub q: Option<String>,
    pub connector: Option<String>,
    /// By name for resources, by id for keys.
    pub environment: Option<String>,
    pub environment_id: Option<Uid>,
    pub access: Option<Access>,
    pub owner: Option<String>,
    /// A key's: `enabled` (and neither revoked nor expired), `disabled`, `expired` (neither of them revoked), `revoked`.
    pub state: Option<String>,
    /// Names behind this one.
    pub after: Option<String>,
    /// At most so many rows.
    pub limit: usize,
    /// Unix milliseconds, for `expired`.
    pub now: i64,
}

/// What of the audit is asked for. Rows come from the newest.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// A name or an id.
    pub actor: Option<String>,
    pub action: Option<String>,
    pub kind: Option<String>,
    /// A name or an id.
    pub subject: Option<String>,
    /// Unix milliseconds, both inclusive.
    pub since: Option<i64>,
    pub until: Option<i64>,
    /// Rows before this one, by number.
    pub before: Option<u64>,
    /// At most so many rows.
    pub limit: usize,
}

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Counts changes of this database.
    pub revision: u64,
    /// The number of the change's last audit row, if it has any.
    pub audit_seq: Option<u64>,
}

/// How the audit ends. Noted elsewhere, it shows later whether the end was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    pub count: u64,
    /// Lower-case hex; of an empty audit all zeros.
    pub hash: String,
}

/// What a walk over the audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditVerdict {
    pub ok: bool,
    /// Rows that are as they were written, from the first.
    pub count: u64,
    /// The hash of the last of them.
    pub head: String,
    /// The number of the first row that is missing or not as it was written.
    pub broken_at: Option<u64>,
    pub reason: Option<String>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub environments: u64,
    pub connections: u64,
    pub workflows: u64,
    pub keys: u64,
    pub secrets: u64,
    pub audit: u64,
    pub revision: u64,
}
