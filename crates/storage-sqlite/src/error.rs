//! What the database's errors mean.

use tidings_domain::error::StoreError;

/// Primary result codes of SQLite: <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const BUSY: i64 = 5;
    pub(super) const LOCKED: i64 = 6;
    pub(super) const READONLY: i64 = 8;
    pub(super) const IOERR: i64 = 10;
    pub(super) const CORRUPT: i64 = 11;
    pub(super) const FULL: i64 = 13;
    pub(super) const CANTOPEN: i64 = 14;
    pub(super) const NOTADB: i64 = 26;
}

fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let extended: i64 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// The result codes that say something of the file or the disk, not of the statement.
const OF_THE_FILE: [i64; 8] = [
    code::BUSY,
    code::LOCKED,
    code::READONLY,
    code::IOERR,
    code::CORRUPT,
    code::FULL,
    code::CANTOPEN,
    code::NOTADB,
];

/// Whether the failure is of the file or the connection, so that trying each decision alone would not help.
pub(crate) fn hits_everyone(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Database(_)) {
        return primary_code(error).is_some_and(|code| OF_THE_FILE.contains(&code));
    }
    !is_of_a_value(error)
}

/// Whether a value in a row, or one to be written, is not what its column says.
const fn is_of_a_value(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_))
}

/// The same failure in the words of the port.
pub(crate) fn store_error(error: &sqlx::Error) -> StoreError {
    let code = primary_code(error);
    let is_unreachable = matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed
    );
    if is_of_a_value(error) || matches!(code, Some(code::CORRUPT | code::NOTADB)) {
        StoreError::Corrupt(error.to_string())
    } else if is_unreachable || code.is_some_and(|code| OF_THE_FILE.contains(&code)) {
        StoreError::Unavailable(error.to_string())
    } else {
        StoreError::Internal(error.to_string())
    }
}
