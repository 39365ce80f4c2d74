//! What SQLite says, in words of ours: its own texts may quote a statement, and never pass.

use crate::store::StoreError;
use rusqlite::{Error, ErrorCode};

/// Why a change was not done, and whether the others of its group can be.
pub(super) enum Failure {
    /// This change's own fault.
    Change(StoreError),
    /// The database's: the whole group is rolled back.
    Group(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match constraint(&error) {
            Some(text) if text.contains("tokens.digest") || text.contains("graced.digest") => {
                Failure::Change(StoreError::TokenTaken)
            }
            Some(text) if text.starts_with("UNIQUE") || text.starts_with("FOREIGN KEY") => {
                Failure::Change(StoreError::Conflict)
            }
            Some(_) => Failure::Change(StoreError::Unavailable("a row breaks the database's own rules".into())),
            None => Failure::Group(fault(error)),
        }
    }
}

/// Whether a unique name was there already.
pub(super) fn is_name_taken(error: &Error) -> bool {
    constraint(error).is_some_and(|text| text.starts_with("UNIQUE") && text.contains(".name"))
}

/// The text of a broken constraint, which names columns and holds no values.
fn constraint(error: &Error) -> Option<&str> {
    match error {
        Error::SqliteFailure(e, text) if e.code == ErrorCode::ConstraintViolation => {
            Some(text.as_deref().unwrap_or_default())
        }
        _ => None,
    }
}

pub(super) fn fault(error: Error) -> StoreError {
    let Error::SqliteFailure(code, _) = &error else {
        return match error {
            Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..) => {
                StoreError::Corrupt("a row cannot be read".into())
            }
            _ => StoreError::Unavailable("the database gave an answer that was not expected".into()),
        };
    };
    match code.code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::ReadOnly => StoreError::ReadOnly,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
        // The code's own description, the same for every database.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(code.to_string()),
        _ => StoreError::Unavailable(code.to_string()),
    }
}

/// What a closed store answers.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}
