//! Why something can't be read, for whoever asked.

use super::ReportError;
use super::quote::QuoteError;
use crate::store::{Remedy, StoreError};

/// Why something can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such thing, or not for who asks.
    #[error("no {what} {id:?} is known")]
    Unknown {
        /// What was asked for.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// It belongs to the whole ledger, and who asks sees a part of it.
    #[error("{0} belong to the whole ledger, which this token's scope doesn't reach")]
    OutOfScope(&'static str),
    /// It can't be said, and why.
    #[error("{0}")]
    Refused(String),
    /// A setting is wrong in a way that only the ledger could show; whoever runs this program has to mend it.
    #[error("{0}")]
    WrongSetting(String),
    /// The ledger can't be reached; asking again later may help.
    #[error("the ledger can't be reached at present: {0}")]
    Away(StoreError),
    /// It would have taken longer than a statement may.
    #[error("the ledger took too long to answer: {0}")]
    TooSlow(StoreError),
    /// A mistake of this program, or of what is in the ledger.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        match error.remedy() {
            Remedy::Wait => Self::Away(error),
            Remedy::Retry => Self::TooSlow(error),
            Remedy::Bisect | Remedy::Stop => Self::Failed(error.to_string()),
        }
    }
}

impl From<QuoteError> for ReadError {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::Store(error) => error.into(),
            QuoteError::Refused(why) => Self::Refused(why),
        }
    }
}

impl From<ReportError> for ReadError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::UnknownAccount(id) => unknown("account", id.as_str()),
            ReportError::NoTime { .. } | ReportError::TooManyDays { .. } => Self::Refused(error.to_string()),
            // Nothing that could be asked instead would be answered.
            ReportError::UnknownZone(_) => Self::WrongSetting(error.to_string()),
            ReportError::Flaw(_) => Self::Failed(error.to_string()),
        }
    }
}

/// There is no such thing, or not for who asks: both in the same words.
pub(super) fn unknown(what: &'static str, id: &str) -> ReadError {
    ReadError::Unknown { what, id: id.to_owned() }
}
