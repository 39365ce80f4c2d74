//! Why the store did not do it, in words that hold nothing of what is stored.

use crate::model::resource::Resource;
use crate::model::uid::Uid;
use std::path::PathBuf;

/// Why the store did not do it. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the name {name} is taken")]
    NameTaken { kind: Resource, name: String },
    /// Imported or drawn twice: a token belongs to one slot of one key.
    #[error("the same token belongs to another key")]
    TokenTaken,
    #[error("it was changed by somebody else meanwhile")]
    Conflict,
    #[error("this idempotency key was used for another request")]
    Replayed,
    /// The same request with the same idempotency key was done meanwhile, and made this.
    #[error("this request was done before")]
    Repeated { created: Uid },
    #[error("the disk is full")]
    Full,
    #[error("the database is read-only")]
    ReadOnly,
    #[error("the database is busy")]
    Busy,
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// What is written to it is nobody's after the next start.
    #[error("{} is not the file that was opened: {reason}", path.display())]
    Moved { path: PathBuf, reason: &'static str },
    #[error("the database cannot be used: {0}")]
    Unavailable(String),
}

/// Why a database was not opened. It was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("{} is not there; check the path, or restore a backup; `keystile init` makes a new one", path.display())]
    Missing { path: PathBuf },
    #[error("{} exists and is not overwritten; remove it, or choose another path", path.display())]
    Exists { path: PathBuf },
    #[error("{} is not a database of Keystile; choose another path", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "{} was made by a newer Keystile (version {version} of the database; this one knows {known}); \
         run that one, or restore a backup from before",
        path.display()
    )]
    Newer { path: PathBuf, version: i64, known: i64 },
    #[error("{} is in use by another gateway; stop that one first", path.display())]
    Locked { path: PathBuf },
    #[error("{} is damaged ({reason}); restore a backup", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable { path: PathBuf, reason: String },
}
