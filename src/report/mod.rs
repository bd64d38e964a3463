//! What people read, for the command line and the HTTP port alike, so that both say the same: a moment of the
//! ledger, seen through the scope of who asks.

pub mod quote;
mod reading;

pub use crate::store::{
    AccountRow, ClaimRow, GrantRow, InUse, OrganizationRow, OverLimit, PriceListRow, ProjectRow, QueueReport,
    RaisedRow, ReasonCount, Standing, UnblockingRow, Waiting,
};
pub use reading::{Listed, OrganizationSummary, Page, Prices, ReadError, Reading, Reports};
