//! What was loaded of the ledger, and what is still needed of it.

use super::super::account::{Account, Organization};
use super::super::grant::Grant;
use super::super::ids::{AccountId, OrganizationId, ProjectId};
use super::super::map::Map;
use super::super::notice::Holder;
use super::super::price::PriceList;
use super::super::project::Project;
use super::super::queue::QueueHead;

/// How many projects an alert names as the largest holds, and as those closest to being settled.
pub const HOLDERS_SHOWN: usize = 5;

/// What was loaded of the ledger. `None` says that there is no such thing; what isn't there at all wasn't
/// asked for.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Accounts.
    pub accounts: Map<AccountId, Option<Account>>,
    /// Organizations.
    pub organizations: Map<OrganizationId, Option<Organization>>,
    /// Projects.
    pub projects: Map<ProjectId, Option<Project>>,
    /// The heads of queues, by the account whose queue it is. Their projects are loaded too.
    pub queues: Map<AccountId, QueueHead>,
    /// How many claims are ahead of a waiting project in its queue.
    pub ahead: Map<ProjectId, i64>,
    /// Holders of an account's credits.
    pub holders: Map<AccountId, Holders>,
    /// The accounts of an organization.
    pub members: Map<OrganizationId, Vec<AccountId>>,
    /// The ids of all accounts.
    pub everyone: Option<Vec<AccountId>>,
    /// The open grants of an account.
    pub grants: Map<AccountId, Vec<Grant>>,
    /// A price list's versions by owner: the one in force at the time of the ledger's last input, and those
    /// that start later.
    pub price_lists: Map<Option<OrganizationId>, Vec<PriceList>>,
    /// The projects of an account that hold credits or wait for some. They are on the shelf too.
    pub tied: Map<AccountId, Vec<ProjectId>>,
    /// The projects whose price was said and is not known in credits. They are on the shelf too.
    pub unpriced: Option<Vec<ProjectId>>,
    /// The projects whose holds are stale. They are on the shelf too.
    pub stale: Option<Vec<ProjectId>>,
}

/// The projects that an alert about an account would name, of those that are not on the shelf themselves:
/// the [`HOLDERS_SHOWN`] that hold most, and as many that are closest to being settled.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    /// Both together, in any order.
    pub projects: Vec<Holder>,
}

/// What has to be on the shelf for a batch to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// An account, or the knowledge that there is none.
    Account(AccountId),
    /// An organization, or the knowledge that there is none.
    Organization(OrganizationId),
    /// A project, or the knowledge that there is none.
    Project(ProjectId),
    /// More of the queue of this account.
    Queue(AccountId),
    /// How many claims are ahead of this project.
    Ahead(ProjectId),
    /// The holders of these accounts' credits.
    Holders(Vec<AccountId>),
    /// The accounts of this organization, themselves too.
    Members(OrganizationId),
    /// All accounts, and their organizations.
    Everyone,
    /// The open grants of this account.
    Grants(AccountId),
    /// The price list of this organization, or the default one.
    Prices(Option<OrganizationId>),
    /// The projects of this account that hold credits or wait for some, themselves too.
    Tied(AccountId),
    /// The projects whose price is not known in credits, and the accounts that they are of.
    Unpriced,
    /// The projects whose holds are stale, themselves too.
    Stale,
}
