//! What the database's errors mean.

use tidings_domain::error::StoreError;

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The connection is gone, or nobody knows what state it is in.
    Connection,
    /// The server cannot do it now: no decision would have fared better alone.
    Everyone,
    /// Some decision or some row: the others must not suffer for it.
    Someone,
}

/// SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
mod code {
    /// Waited for a lock longer than `lock_timeout`.
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    /// Canceled, by `statement_timeout` in particular.
    pub(super) const QUERY_CANCELED: &str = "57014";
    /// The session was ended because it idled in a transaction.
    pub(super) const IDLE_IN_TRANSACTION: &str = "25P03";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const SERIALIZATION: &str = "40001";
    pub(super) const INVALID_PARAMETER: &str = "22023";
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// Whether a value in a row, or one to be written, is not what its column says.
const fn is_of_a_value(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::RowNotFound
    )
}

/// Whether a function of the server refused what it was given.
pub(crate) fn is_invalid_parameter(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code == code::INVALID_PARAMETER)
}

/// How far this failure reaches.
pub(crate) fn reach(error: &sqlx::Error) -> Reach {
    let Some(code) = sqlstate(error) else {
        return if is_of_a_value(error) { Reach::Someone } else { Reach::Connection };
    };
    match code.as_str() {
        // A batch that took too long one by one would take longer still.
        code::LOCK_NOT_AVAILABLE | code::QUERY_CANCELED => Reach::Everyone,
        // After a failover the address may lead to a primary again.
        code::IDLE_IN_TRANSACTION | code::READ_ONLY => Reach::Connection,
        // Connection, operator intervention (a shutdown), system.
        code if ["08", "57", "58"].iter().any(|class| code.starts_with(class)) => Reach::Connection,
        // Insufficient resources: a full disk, too many connections.
        code if code.starts_with("53") => Reach::Everyone,
        _ => Reach::Someone,
    }
}

/// What failed, for operators. The server's own text with its SQLSTATE: the library adds a line of the server's source.
pub(crate) fn text(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(of_server) => {
            let code = of_server.code().unwrap_or_default();
            format!("{} (SQLSTATE {code})", of_server.message())
        }
        None => error.to_string(),
    }
}

/// The same failure in the words of the port.
pub(crate) fn store_error(error: &sqlx::Error) -> StoreError {
    let passes = |code: &str| [code::DEADLOCK, code::SERIALIZATION].contains(&code);
    // Data corrupted, index corrupted.
    let is_damaged = |code: &str| ["XX001", "XX002"].contains(&code);
    let code = sqlstate(error);
    if is_of_a_value(error) || code.as_deref().is_some_and(is_damaged) {
        StoreError::Corrupt(text(error))
    } else if reach(error) != Reach::Someone || code.as_deref().is_some_and(passes) {
        StoreError::Unavailable(text(error))
    } else {
        StoreError::Internal(text(error))
    }
}
