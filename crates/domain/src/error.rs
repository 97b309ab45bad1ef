//! Errors say what they are; the edges say how they travel.

/// What sort of failure it is. Edges choose status, log level and retry by this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The input breaks a rule of form.
    Invalid,
    /// Nobody is known to be acting.
    Unauthenticated,
    /// Known, but may not.
    Forbidden,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// A named limit was reached.
    LimitExceeded,
    /// A part that is needed does not answer now.
    Unavailable,
    /// A mistake of ours.
    Internal,
}

/// How an error presents itself to the edges.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What sort of failure it is.
    fn kind(&self) -> ErrorKind;

    /// A stable kebab-case word for programs: never reused, never reworded.
    fn code(&self) -> &'static str;

    /// Whether the same call may succeed later, unchanged.
    fn retryable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::LimitExceeded)
    }
}

/// Why a store could not do its work. The texts are for operators and never leave the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or answers too slowly. Nothing was stored.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Its queue is full. Nothing was stored.
    #[error("the store's queue of {limit} decisions is full")]
    Busy {
        /// How many decisions may wait.
        limit: usize,
    },
    /// The commit was sent and its fate could not be learned. The same call with the same client key settles it.
    #[error("the fate of the commit is unknown: {0}")]
    Unknown(String),
    /// A row that cannot be: somebody wrote to the database past the store.
    #[error("the store holds a corrupt row: {0}")]
    Corrupt(String),
    /// A mistake of ours.
    #[error("internal store error: {0}")]
    Internal(String),
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) => ErrorKind::Unavailable,
            Self::Busy { .. } => ErrorKind::LimitExceeded,
            Self::Corrupt(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "store-unavailable",
            Self::Busy { .. } => "store-busy",
            Self::Unknown(_) => "outcome-unknown",
            Self::Corrupt(_) | Self::Internal(_) => "internal",
        }
    }
}
