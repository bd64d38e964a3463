//! Why the daemon ends by itself.

use crate::batch::settings::OrderDiffers;
use crate::config::ConfigError;
use crate::http::ServerError;
use crate::report::ReportError;
use crate::store::StoreError;

/// Why the daemon ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The settings can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger goes by another order.
    #[error(transparent)]
    Order(#[from] OrderDiffers),
    /// PostgreSQL knows no such time zone as `report.timezone`.
    #[error(transparent)]
    TimeZone(ReportError),
    /// The ledger can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP port can't be served.
    #[error(transparent)]
    Http(#[from] ServerError),
    /// The operating system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: std::io::Error,
    },
    /// A loop waits for something that doesn't come.
    #[error(
        "the {work} loop has not moved for {silent_s} s, and won't any more; ending, to be started again: what was in \
         hand comes again"
    )]
    Stuck {
        /// Which loop.
        work: &'static str,
        /// For how many seconds.
        silent_s: u64,
    },
    /// A loop ended that must not.
    #[error("the {0} loop ended unexpectedly; this is a bug, please report the lines above")]
    Ended(&'static str),
}
