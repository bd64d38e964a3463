//! Loading what a batch touches onto the shelf.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::StoreError;
use super::rows::{AccountRecord, OrganizationRecord, ProjectRecord, Table};
use crate::ledger::account::{Account, Chain, Organization};
use crate::ledger::books::{HOLDERS_SHOWN, Holders, Need, Shelf};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::{Fact, Input};
use crate::ledger::notice::Holder;
use crate::ledger::project::{Project, Ticket};
use crate::ledger::queue::QueueHead;

/// How much of a queue's head is loaded at first. Most walks end at the first claim that doesn't fit.
const QUEUE_PAGE: usize = 32;

/// Loads what `inputs` will most likely need, in a few round trips for all of them together.
pub(super) async fn preload(
    connection: &mut PgConnection,
    inputs: &[Input],
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    let mut named = Named::default();
    for input in inputs {
        named.add(&input.fact);
    }
    load_projects(connection, &named.projects, shelf).await?;
    for project in shelf.projects.values().flatten() {
        named.accounts.extend(project.account.get().clone());
        named.accounts.extend(project.chain.iter().flat_map(|chain| chain.iter().cloned()));
    }
    load_accounts(connection, &named.accounts, shelf).await?;
    for account in shelf.accounts.values().flatten() {
        named.organizations.extend(account.organization().cloned());
    }
    let pools = named.organizations.iter().map(AccountId::pool_of);
    let pools: BTreeSet<_> = pools.filter(|pool| !shelf.accounts.contains_key(pool)).collect();
    load_accounts(connection, &pools, shelf).await?;
    load_organizations(connection, &named.organizations, shelf).await?;
    let has_queue = |account: &&Account| account.queued.projects > 0 && account.chain().pool.is_none();
    let queues: Vec<_> = shelf.accounts.values().flatten().filter(has_queue).map(|a| a.id.clone()).collect();
    load_queues(connection, &queues, QUEUE_PAGE, shelf).await
}

/// Loads what turned out to be needed besides.
pub(super) async fn meet(
    connection: &mut PgConnection,
    need: Need,
    shelf: &mut Shelf,
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
            load_queues(connection, &[owner], page, shelf).await?;
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
        Need::Holders(accounts) => load_holders(connection, &accounts, shelf).await?,
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
struct Named {
    projects: BTreeSet<ProjectId>,
    accounts: BTreeSet<AccountId>,
    organizations: BTreeSet<OrganizationId>,
}

impl Named {
    fn add(&mut self, fact: &Fact) {
        match fact {
            Fact::Project(fact) => {
                self.projects.insert(fact.project_id.clone());
                self.accounts.insert(fact.account_id.clone());
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
            Fact::Asset(_) | Fact::Transfer(_) | Fact::PriceList(_) | Fact::Settings(_) => {}
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
                aside, refused
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

pub(super) async fn load_accounts(
    connection: &mut PgConnection,
    ids: &BTreeSet<AccountId>,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_as!(
        AccountRecord,
        "select account_id, kind, organization_id, name, contact, capacity, allocation, mode,
                on_insufficient, overdraft_limit, alert_rules, versions, plan, total, held, consumed,
                queued_projects, queued_credits, entries, alerts, holds, digest, raised
           from account where account_id = any($1)",
        &texts(ids),
    )
    .fetch_all(connection)
    .await?;
    shelf.accounts.extend(ids.iter().map(|id| (id.clone(), None)));
    for row in rows {
        let account = Account::try_from(row)?;
        shelf.accounts.insert(account.id.clone(), Some(account));
    }
    Ok(())
}

/// All accounts.
pub(super) async fn all_accounts(connection: &mut PgConnection) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query_as!(
        AccountRecord,
        "select account_id, kind, organization_id, name, contact, capacity, allocation, mode,
                on_insufficient, overdraft_limit, alert_rules, versions, plan, total, held, consumed,
                queued_projects, queued_credits, entries, alerts, holds, digest, raised
           from account",
    )
    .fetch_all(connection)
    .await?;
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

/// Loads the first `page` claims of each queue, with their projects and the accounts of those.
async fn load_queues(
    connection: &mut PgConnection,
    owners: &[AccountId],
    page: usize,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if owners.is_empty() {
        return Ok(());
    }
    let limit = i64::try_from(page).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"select owner as "owner!", head.ticket as "ticket!", head.project_id as "project_id!"
             from unnest($1::text[]) owner
            cross join lateral (
                  select ticket, project_id from project
                   where coalesce(chain_pool, chain_account) = owner and ticket is not null
                   order by ticket limit $2) head
            order by owner, head.ticket"#,
        &texts(owners),
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let table = Table("project");
    let mut heads: Vec<QueueHead> = owners.iter().map(|_| QueueHead::default()).collect();
    let mut projects = BTreeSet::new();
    for row in rows {
        let place = owners.iter().position(|owner| owner.as_str() == row.owner);
        let head = &mut heads[place.expect("only the owners asked for come back")];
        let project: ProjectId = table.id("project_id", row.project_id)?;
        head.claims.push((Ticket(row.ticket), project.clone()));
        projects.insert(project);
    }
    for (owner, mut head) in owners.iter().zip(heads) {
        head.complete = head.claims.len() < page;
        shelf.queues.insert(owner.clone(), head);
    }
    projects.retain(|id| !shelf.projects.contains_key(id));
    load_projects(connection, &projects, shelf).await?;
    let waiting = projects.iter().filter_map(|id| shelf.projects.get(id)?.as_ref()?.chain.clone());
    let accounts: BTreeSet<_> = waiting.map(|chain| chain.account).collect();
    let missing = accounts.into_iter().filter(|id| !shelf.accounts.contains_key(id)).collect();
    load_accounts(connection, &missing, shelf).await
}

/// Counts what is ahead of every waiting project on the shelf, in one walk of each of their queues.
async fn count_ahead(connection: &mut PgConnection, shelf: &mut Shelf) -> Result<(), StoreError> {
    let waiting = shelf.projects.values().flatten().filter(|project| project.claim.is_some());
    let queues: BTreeSet<_> =
        waiting.clone().filter_map(|project| project.chain.as_ref().map(Chain::queue)).collect();
    let rows = sqlx::query!(
        r#"select project_id, ahead as "ahead!"
             from (select project_id, row_number() over (partition by coalesce(chain_pool, chain_account)
                                                         order by ticket) - 1 as ahead
                     from project
                    where ticket is not null and coalesce(chain_pool, chain_account) = any($1)) places
            where project_id = any($2)"#,
        &texts(queues),
        &texts(waiting.map(|project| &project.id)),
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        shelf.ahead.insert(Table("project").id("project_id", row.project_id)?, row.ahead);
    }
    Ok(())
}

/// Loads, for each account, the holders that an alert would name of those that are not on the shelf.
async fn load_holders(
    connection: &mut PgConnection,
    accounts: &[AccountId],
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    let on_shelf: Vec<_> = texts(shelf.projects.keys());
    let rows = sqlx::query!(
        r#"select owner as "owner!", holder.project_id as "project_id!", holder.chain_account as "account_id!",
                  holder.name, holder.status, holder.stage, holder.held as "held!"
             from unnest($1::text[]) owner
            cross join lateral (
                  (select project_id, chain_account, name, status, stage, held from project
                    where held > 0 and (chain_account = owner or chain_pool = owner)
                      and project_id <> all($2)
                    order by held desc, project_id limit $3)
                  union
                  (select project_id, chain_account, name, status, stage, held from project
                    where held > 0 and (chain_account = owner or chain_pool = owner)
                      and project_id <> all($2)
                    order by coalesce(stage, 0) desc, held desc, project_id limit $3)) holder"#,
        &texts(accounts),
        &on_shelf,
        i64::try_from(HOLDERS_SHOWN).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let table = Table("project");
    for account in accounts {
        shelf.holders.insert(account.clone(), Holders::default());
    }
    for row in rows {
        let owner: AccountId = table.id("chain_account", row.owner)?;
        let stage = u16::try_from(row.stage.unwrap_or(0));
        let holder = Holder {
            project_id: table.id("project_id", row.project_id)?,
            account_id: table.id("chain_account", row.account_id)?,
            name: row.name.map(Into::into),
            status: row.status.map(Into::into),
            stage: stage.map_err(|error| table.unreadable("stage", error))?,
            held: Credits(row.held),
        };
        shelf.holders.entry(owner).or_default().projects.push(holder);
    }
    Ok(())
}
