//! What people read, for the command line and the HTTP port alike, so that both say the same: a moment of the
//! ledger, seen through the scope of who asks.

pub mod quote;
mod reading;

pub use crate::store::{
    AccountRow, GrantRow, InUse, OrganizationRow, PriceListRow, ProjectRow, QueueReport, RaisedRow,
    ReasonCount,
};
pub use reading::{Listed, OrganizationSummary, Page, Prices, ReadError, Reading, Reports};
