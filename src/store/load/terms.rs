//! Loading of what has a term or a price: grants, price lists, and the projects that wait for a price or are
//! stale.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::super::StoreError;
use super::super::cache::Cache;
use super::super::rows::{GrantRecord, PriceListRecord, Table};
use super::{Terms, load_accounts, load_organizations, load_projects, load_terms, texts};
use crate::ledger::books::Shelf;
use crate::ledger::grant::Grant;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::price::PriceList;

/// Loads the grants of `accounts` that are not over.
pub(super) async fn load_grants(
    connection: &mut PgConnection,
    accounts: &[AccountId],
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_as!(
        GrantRecord,
        "select log_number, account_id, credits, credits_left, expires_at, warned, closed
           from credit_grant where account_id = any($1) and not closed",
        &texts(accounts),
    )
    .fetch_all(connection)
    .await?;
    shelf.grants.extend(accounts.iter().map(|account| (account.clone(), Vec::new())));
    for row in rows {
        let grant = Grant::try_from(row)?;
        shelf.grants.entry(grant.account_id.clone()).or_default().push(grant);
    }
    Ok(())
}

/// Loads, for each owner of a list, the version that is in force at `last_at` and those that start later, or
/// whose start was not applied yet.
pub(super) async fn load_price_lists(
    connection: &mut PgConnection,
    owners: &[Option<OrganizationId>],
    last_at: Timestamp,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    // No organization has an empty id: that stands for the default list.
    let names = owners.iter().map(|owner| owner.as_ref().map_or_else(String::new, ToString::to_string));
    let rows = sqlx::query_as!(
        PriceListRecord,
        r#"select list.number as "number!", list.organization_id, list.arrived_at as "arrived_at!",
                  list.starts_at as "starts_at!", list.started as "started!", list.prices as "prices!",
                  list.cause_source as "cause_source!", list.cause_id as "cause_id!",
                  list.cause_type as "cause_type!", list.actor
             from unnest($1::text[]) owner
            cross join lateral (
                  (select * from price_list
                    where coalesce(organization_id, '') = owner and starts_at <= $2
                    order by starts_at desc, number desc limit 1)
                  union
                  (select * from price_list
                    where coalesce(organization_id, '') = owner and (starts_at > $2 or not started))) list"#,
        &names.collect::<Vec<_>>(),
        last_at.to_offset_date_time(),
    )
    .fetch_all(connection)
    .await?;
    shelf.price_lists.extend(owners.iter().map(|owner| (owner.clone(), Vec::new())));
    for row in rows {
        let list = PriceList::try_from(row)?;
        shelf.price_lists.entry(list.organization_id.clone()).or_default().push(list);
    }
    Ok(())
}

/// Loads the projects of `account` that hold credits or wait for some.
pub(super) async fn load_tied(
    connection: &mut PgConnection,
    account: &AccountId,
    shelf: &mut Shelf,
) -> Result<(), StoreError> {
    let ids = sqlx::query_scalar!(
        "select project_id from project where chain_account = $1 and (held > 0 or ticket is not null)",
        account.as_str(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let tied = add_projects(connection, ids, shelf).await?;
    shelf.tied.insert(account.clone(), tied);
    Ok(())
}

/// Loads the projects without a price in credits, with their accounts, the organizations of those, and what
/// moves with them: for one at a time, each would begin the batch again.
pub(super) async fn load_unpriced(
    connection: &mut PgConnection,
    last_at: Timestamp,
    shelf: &mut Shelf,
    cache: &mut Cache,
) -> Result<(), StoreError> {
    let ids = sqlx::query_scalar!("select project_id from project where unpriced_since is not null")
        .fetch_all(&mut *connection)
        .await?;
    let unpriced = add_projects(connection, ids, shelf).await?;
    let projects = unpriced.iter().filter_map(|id| shelf.projects.get(id)?.as_ref());
    let accounts: BTreeSet<_> = projects.filter_map(|project| project.account.get().clone()).collect();
    let missing = accounts.iter().filter(|id| !shelf.accounts.contains_key(id)).cloned().collect();
    load_accounts(connection, &missing, shelf).await?;
    let known = accounts.iter().filter_map(|id| shelf.accounts.get(id)?.as_ref());
    let organizations: BTreeSet<_> = known.filter_map(|account| account.organization().cloned()).collect();
    let pools = organizations.iter().map(AccountId::pool_of);
    let pools = pools.filter(|pool| !shelf.accounts.contains_key(pool)).collect();
    load_accounts(connection, &pools, shelf).await?;
    load_organizations(connection, &organizations, shelf).await?;
    let owners: Vec<_> =
        organizations.into_iter().map(Some).filter(|owner| !shelf.price_lists.contains_key(owner)).collect();
    load_price_lists(connection, &owners, last_at, shelf).await?;
    shelf.unpriced = Some(unpriced);
    load_terms(connection, Terms::of_accounts(shelf), last_at, shelf, cache).await
}

/// Loads the projects whose holds are stale.
pub(super) async fn load_stale(connection: &mut PgConnection, shelf: &mut Shelf) -> Result<(), StoreError> {
    let ids = sqlx::query_scalar!("select project_id from project where stale_since is not null")
        .fetch_all(&mut *connection)
        .await?;
    shelf.stale = Some(add_projects(connection, ids, shelf).await?);
    Ok(())
}

/// Puts projects on the shelf that aren't there yet.
async fn add_projects(
    connection: &mut PgConnection,
    ids: Vec<String>,
    shelf: &mut Shelf,
) -> Result<Vec<ProjectId>, StoreError> {
    let ids: Result<Vec<ProjectId>, _> =
        ids.into_iter().map(|id| Table("project").id("project_id", id)).collect();
    let ids = ids?;
    let missing = ids.iter().filter(|id| !shelf.projects.contains_key(id)).cloned().collect();
    load_projects(connection, &missing, shelf).await?;
    Ok(ids)
}
