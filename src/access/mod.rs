//! Who may see what.
use crate::ledger::ids::{AccountId, OrganizationId};
/// What a token lets see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// An organization, its pool and its accounts.
    Organization(OrganizationId),
    /// One account.
    Account(AccountId),
}
