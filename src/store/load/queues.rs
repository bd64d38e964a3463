//! Loading of queues, and of who holds an account's credits.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::super::StoreError;
use super::super::cache::Cache;
use super::super::rows::Table;
use super::{take_accounts, take_projects, texts};
use crate::ledger::account::Chain;
use crate::ledger::books::{HOLDERS_SHOWN, Holders, Shelf};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::notice::Holder;
use crate::ledger::project::Ticket;
use crate::ledger::queue::QueueHead;

/// Loads the first `page` claims of each queue, with their projects and the accounts of those, which may be in `cache`.
pub(in crate::store) async fn load_queues(
    connection: &mut PgConnection,
    owners: &[AccountId],
    page: usize,
    shelf: &mut Shelf,
    cache: &mut Cache,
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
    take_projects(connection, &projects, shelf, cache).await?;
    let waiting = projects.iter().filter_map(|id| shelf.projects.get(id)?.as_ref()?.chain.clone());
    let accounts: BTreeSet<_> = waiting.map(|chain| chain.account).collect();
    let missing = accounts.into_iter().filter(|id| !shelf.accounts.contains_key(id)).collect();
    take_accounts(connection, &missing, shelf, cache).await?;
    Ok(())
}

/// Counts what is ahead of every waiting project on the shelf, in one walk of each of their queues.
pub(super) async fn count_ahead(connection: &mut PgConnection, shelf: &mut Shelf) -> Result<(), StoreError> {
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
pub(super) async fn load_holders(
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
