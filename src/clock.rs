//! The time. The core never asks for it: each input carries its own.

use time::OffsetDateTime;

use crate::ledger::moment::Timestamp;

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::cut(OffsetDateTime::now_utc())
}
