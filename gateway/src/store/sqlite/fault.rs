//! What goes wrong in the engine, and what a caller is told of it. SQLite's own messages stay
//! here: they may quote what was written, so only the name of the error's code leaves.

use desmigratif_core::ports::store::Error;
use rusqlite::ErrorCode;
use rusqlite::ffi::code_to_str;

/// Why something inside a transaction did not happen.
#[derive(Debug)]
pub(super) enum Failure {
    /// The store's rules refuse it.
    Refused(Error),
    /// The engine failed at it.
    Engine(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Engine(error) => told(&error),
        }
    }
}

/// What a caller is told of an engine's error.
pub(super) fn told(error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) if passes(failure.code) => {
            Error::Unavailable(code_to_str(failure.extended_code).to_owned())
        }
        rusqlite::Error::SqliteFailure(failure, _) => {
            Error::Corrupt(code_to_str(failure.extended_code).to_owned())
        }
        rusqlite::Error::FromSqlConversionFailure(column, ..)
        | rusqlite::Error::InvalidColumnType(column, ..)
        | rusqlite::Error::IntegralValueOutOfRange(column, _) => {
            Error::Corrupt(format!("column {column} holds what this store does not write"))
        }
        _ => Error::Corrupt("the engine was asked for what it does not have".to_owned()),
    }
}

/// Whether an error lies with the whole store, so that no commit could have succeeded, and not
/// with the one commit at which it showed.
pub(super) fn is_of_the_store(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code().is_some_and(|code| {
        passes(code) || matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    })
}

/// Whether the same may succeed later, when there is space, memory or quiet again.
const fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
    )
}
