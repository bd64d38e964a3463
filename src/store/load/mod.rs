//! Loading what a batch touches onto the shelf.

mod queues;
mod terms;

use std::collections::BTreeSet;

pub(super) use queues::load_queues;
use queues::{count_ahead, load_holders};
use sqlx::PgConnection;
use terms::{load_grants, load_price_lists, load_stale, load_tied, load_unpriced};

use super::StoreError;
use super::cache::Cache;
use super::rows::{AccountRecord, OrganizationRecord, ProjectRecord, Table};
use crate::ledger::account::{Account, Organization};
use crate::ledger::books::{Need, Shelf};
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::{Fact, HoldCommand, Input, Price, PriceListFact, PricesAmended};
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Project;

/// How much of a queue's head is loaded at first. Most walks end at the first claim that doesn't fit.
const QUEUE_PAGE: usize = 32;

/// Loads what `inputs` will most likely need and `cache` doesn't have, in a few round trips for all of them together.
pub(super) async fn preload(
    connection: &mut PgConnection,
    inputs: &[Input],
    last_at: Timestamp,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<(), StoreError> {
    let named = preload_named(connection, inputs, shelf, cache).await?;
    load_terms(connection, named.terms(shelf), last_at, shelf, cache).await
}

/// Loads of what `inputs` name, and of what that belongs to, what `cache` doesn't have.
pub(super) async fn preload_named(
    connection: &mut PgConnection,
    inputs: &[Input],
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<Named, StoreError> {
    let mut named = Named::default();
    for input in inputs {
        named.add(&input.fact);
    }
    named.has_asked |= take_projects(connection, &named.projects, shelf, cache).await?;
    for project in shelf.projects.values().flatten() {
        named.accounts.extend(project.account.get().clone());
        named.accounts.extend(project.chain.iter().flat_map(|chain| chain.iter().cloned()));
    }
    named.has_asked |= take_accounts(connection, &named.accounts, shelf, cache).await?;
    for account in shelf.accounts.values().flatten() {
        named.organizations.extend(account.organization().cloned());
    }
    let pools = named.organizations.iter().map(AccountId::pool_of);
    let pools = pools.filter(|pool| !shelf.accounts.contains_key(pool)).collect();
    named.has_asked |= take_accounts(connection, &pools, shelf, cache).await?;
    let missing = cache.organizations.shelve(&named.organizations, &mut shelf.organizations);
    named.has_asked |= !missing.is_empty();
    load_organizations(connection, &missing, shelf).await?;
    Ok(named)
}

/// Puts projects onto the shelf: from `cache`, and what that doesn't have from the server. Says whether that was asked.
///
/// Whatever may be in the cache is taken like this and no other way. The cache may be a batch ahead of the server, and
/// a row from there would take the place of one that has yet to be written.
async fn take_projects(
    connection: &mut PgConnection,
    ids: &BTreeSet<ProjectId>,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<bool, StoreError> {
    let missing = cache.projects.shelve(ids, &mut shelf.projects);
    load_projects(connection, &missing, shelf).await?;
    Ok(!missing.is_empty())
}

/// Puts accounts onto the shelf, as [`take_projects`] does.
async fn take_accounts(
    connection: &mut PgConnection,
    ids: &BTreeSet<AccountId>,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<bool, StoreError> {
    let missing = cache.accounts.shelve(ids, &mut shelf.accounts);
    load_accounts(connection, &missing, shelf).await?;
    Ok(!missing.is_empty())
}

/// What is drawn on, who is placed, and by which prices, as credits of the accounts on the shelf move.
pub(super) struct Terms {
    /// Accounts with open grants.
    pub(super) granted: Vec<AccountId>,
    /// Accounts at which projects wait.
    pub(super) queues: Vec<AccountId>,
    /// Whose price lists; the default one is nobody's.
    price_lists: Vec<Option<OrganizationId>>,
}

impl Terms {
    fn of_accounts(shelf: &Shelf) -> Self {
        let accounts = || shelf.accounts.values().flatten();
        let has_grants =
            |account: &&Account| account.tallies.open_grants > 0 && !shelf.grants.contains_key(&account.id);
        let has_queue = |account: &&Account| {
            let waits = account.queued.projects > 0 && account.chain().pool.is_none();
            waits && !shelf.queues.contains_key(&account.id)
        };
        Self {
            granted: accounts().filter(has_grants).map(|account| account.id.clone()).collect(),
            queues: accounts().filter(has_queue).map(|account| account.id.clone()).collect(),
            price_lists: Vec::new(),
        }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.queues.is_empty() && self.price_lists.is_empty()
    }
}

/// Loads them.
pub(super) async fn load_terms(
    connection: &mut PgConnection,
    terms: Terms,
    last_at: Timestamp,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<(), StoreError> {
    if !terms.price_lists.is_empty() {
        load_price_lists(connection, &terms.price_lists, last_at, shelf).await?;
    }
    load_grants(connection, &terms.granted, shelf).await?;
    load_queues(connection, &terms.queues, QUEUE_PAGE, shelf, cache).await
}

/// The ledger's version as it is now.
pub(super) async fn version(connection: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!("select version from ledger").fetch_one(connection).await?)
}

/// Loads what turned out to be needed besides. The server has all that `cache` has.
pub(super) async fn meet(
    connection: &mut PgConnection,
    need: Need,
    last_at: Timestamp,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<(), StoreError> {
    let projects_before = shelf.projects.len();
    match need {
        Need::Account(id) => load_accounts(connection, &[id].into(), shelf).await?,
        Need::Organization(id) => load_organizations(connection, &[id].into(), shelf).await?,
        Need::Project(id) => load_projects(connection, &[id].into(), shelf).await?,
        Need::Queue(owner) => {
            // Four times as much each time: a long walk needs few round trips.
            let page =
                shelf.queues.get(&owner).map_or(QUEUE_PAGE, |head| head.claims.len().max(QUEUE_PAGE) * 4);
            load_queues(connection, &[owner], page, shelf, cache).await?;
        }
        // For all that wait and are at hand: where one is needed, others will be.
        Need::Ahead(_) => count_ahead(connection, shelf).await?,
        Need::Members(organization) => {
            let members = load_members(connection, &organization).await?;
            let missing = members.iter().filter(|id| !shelf.accounts.contains_key(id)).cloned().collect();
            load_accounts(connection, &missing, shelf).await?;
            shelf.members.insert(organization, members);
        }
        Need::Everyone => {
            let everyone = load_everyone(connection, shelf).await?;
            shelf.everyone = Some(everyone);
        }
        Need::Holders(mut accounts) => {
            // With others that are at hand, more each time: where rules of many accounts are crossed in a batch,
            // each would begin it again.
            let others = shelf.accounts.iter().filter(|(id, account)| {
                account.is_some() && !shelf.holders.contains_key(id) && !accounts.contains(id)
            });
            accounts
                .extend(others.map(|(id, _)| id.clone()).take(shelf.holders.len() * 3).collect::<Vec<_>>());
            load_holders(connection, &accounts, shelf).await?;
        }
        Need::Grants(account) => load_grants(connection, &[account], shelf).await?,
        Need::Prices(owner) => load_price_lists(connection, &[owner], last_at, shelf).await?,
        Need::Tied(account) => load_tied(connection, &account, shelf).await?,
        Need::Unpriced => load_unpriced(connection, last_at, shelf, cache).await?,
        Need::Stale => load_stale(connection, shelf).await?,
    }
    if shelf.projects.len() > projects_before && !shelf.holders.is_empty() {
        // Stored holders are those that are not on the shelf themselves.
        let accounts: Vec<_> = shelf.holders.keys().cloned().collect();
        load_holders(connection, &accounts, shelf).await?;
    }
    Ok(())
}

/// The ids that a batch's messages name.
#[derive(Default)]
pub(super) struct Named {
    projects: BTreeSet<ProjectId>,
    accounts: BTreeSet<AccountId>,
    organizations: BTreeSet<OrganizationId>,
    /// Whether any names something that a price list prices.
    needs_prices: bool,
    /// Whether the server was asked for any of it.
    pub(super) has_asked: bool,
}

impl Named {
    /// What is to be loaded besides, now that all that is named is on the shelf.
    pub(super) fn terms(&self, shelf: &Shelf) -> Terms {
        let own = self.organizations.iter().cloned().map(Some);
        let price_lists = match self.needs_prices {
            true => own.chain(std::iter::once(None)).collect(),
            false => Vec::new(),
        };
        Terms { price_lists, ..Terms::of_accounts(shelf) }
    }

    fn add(&mut self, fact: &Fact) {
        match fact {
            Fact::Project(fact) => {
                self.projects.insert(fact.project_id.clone());
                self.accounts.insert(fact.account_id.clone());
                self.needs_prices |= matches!(fact.price, Some(Price::Deliverables(_)));
            }
            Fact::Asset(fact) => {
                self.accounts.insert(fact.account_id.clone());
                self.needs_prices |= fact.project_id.is_none() && fact.credits.is_none();
            }
            Fact::Account(fact) => {
                self.accounts.insert(fact.account_id.clone());
                self.organizations.extend(fact.organization_id.clone());
            }
            Fact::Organization(fact) => {
                self.organizations.insert(fact.organization_id.clone());
            }
            Fact::Grant(fact) => {
                self.accounts.insert(fact.account_id.clone());
            }
            Fact::Adjustment(fact) => {
                self.accounts.insert(fact.account_id.clone());
            }
            Fact::Transfer(fact) => {
                self.accounts.extend([fact.from_account_id.clone(), fact.to_account_id.clone()]);
            }
            Fact::PriceList(PriceListFact { organization_id, .. })
            | Fact::PricesAmended(PricesAmended { organization_id, .. }) => {
                self.organizations.extend(organization_id.clone());
                self.needs_prices = true;
            }
            Fact::HoldReleased(HoldCommand { project_id })
            | Fact::HoldRestored(HoldCommand { project_id })
            | Fact::HoldRetried(HoldCommand { project_id }) => {
                self.projects.insert(project_id.clone());
            }
            Fact::AlertTested(test) => {
                self.accounts.insert(test.account_id.clone());
            }
            Fact::GrantExpired(due) | Fact::GrantWarned(due) => {
                self.accounts.insert(due.account_id.clone());
            }
            Fact::HoldsStale(stale) => {
                self.accounts.insert(stale.account_id.clone());
                self.projects.extend(stale.projects.iter().cloned());
            }
            Fact::Settings(_) | Fact::PricesStarted(_) => {}
        }
    }
}

fn texts<'a, T: ToString + 'a>(ids: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    ids.into_iter().map(ToString::to_string).collect()
}

pub(super) async fn load_projects(
    connection: &mut PgConnection,
    ids: &BTreeSet<ProjectId>,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_as!(
        ProjectRecord,
        "select project_id, account_id, status, effect, stage, price_said, price_credits, final_credits,
                name, versions, mode, chain_account, chain_pool, held, consumed, ticket, waiting_since,
                aside, refused, status_since, stale_since, released_from, unpriced_since
           from project where project_id = any($1)",
        &texts(ids),
    )
    .fetch_all(connection)
    .await?;
    shelf.projects.extend(ids.iter().map(|id| (id.clone(), None)));
    for row in rows {
        let project = Project::try_from(row)?;
        shelf.projects.insert(project.id.clone(), Some(project));
    }
    Ok(())
}

/// One project; `None` where nobody has named it yet.
pub(super) async fn project(
    connection: &mut PgConnection,
    id: &ProjectId,
) -> Result<Option<Project>, StoreError> {
    let mut shelf = Shelf::default();
    load_projects(connection, &[id.clone()].into(), &mut shelf).await?;
    Ok(shelf.projects.remove(id).flatten())
}

/// Reads accounts: the columns stand here once, whatever the condition.
macro_rules! accounts {
    ($condition:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            AccountRecord,
            "select account_id, kind, organization_id, name, contact, capacity, allocation, mode,
                    on_insufficient, overdraft_limit, alert_rules, versions, plan, total, held, consumed,
                    queued_projects, queued_credits, entries, alerts, holds, digest, raised, closed, promised,
                    stale_holds, open_grants, expiring_grants, transfers_rejected
               from account " + $condition,
            $($argument),*
        )
    };
}

pub(super) async fn load_accounts(
    connection: &mut PgConnection,
    ids: &BTreeSet<AccountId>,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = accounts!("where account_id = any($1)", &texts(ids)).fetch_all(connection).await?;
    shelf.accounts.extend(ids.iter().map(|id| (id.clone(), None)));
    for row in rows {
        let account = Account::try_from(row)?;
        shelf.accounts.insert(account.id.clone(), Some(account));
    }
    Ok(())
}

/// All accounts.
pub(super) async fn all_accounts(connection: &mut PgConnection) -> Result<Vec<Account>, StoreError> {
    let rows = accounts!("").fetch_all(connection).await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// Every account and every organization, for settings that concern them all.
async fn load_everyone(
    connection: &mut PgConnection,
    shelf: &mut Shelf,
) -> Result<Vec<AccountId>, StoreError> {
    let accounts = all_accounts(connection).await?;
    let organizations = accounts.iter().filter_map(|account| account.organization().cloned()).collect();
    load_organizations(connection, &organizations, shelf).await?;
    let ids = accounts.iter().map(|account| account.id.clone()).collect();
    shelf.accounts.extend(accounts.into_iter().map(|account| (account.id.clone(), Some(account))));
    Ok(ids)
}

async fn load_members(
    connection: &mut PgConnection,
    organization: &OrganizationId,
) -> Result<Vec<AccountId>, StoreError> {
    let table = Table("account");
    let ids = sqlx::query_scalar!(
        "select account_id from account where organization_id = $1 and kind <> 'standalone'",
        organization.as_str(),
    )
    .fetch_all(connection)
    .await?;
    ids.into_iter().map(|id| table.id("account_id", id)).collect()
}

async fn load_organizations(
    connection: &mut PgConnection,
    ids: &BTreeSet<OrganizationId>,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_as!(
        OrganizationRecord,
        "select organization_id, name, contact, alert_rules, versions
           from organization where organization_id = any($1)",
        &texts(ids),
    )
    .fetch_all(connection)
    .await?;
    shelf.organizations.extend(ids.iter().map(|id| (id.clone(), None)));
    for row in rows {
        let organization = Organization::try_from(row)?;
        shelf.organizations.insert(organization.id.clone(), Some(organization));
    }
    Ok(())
}
