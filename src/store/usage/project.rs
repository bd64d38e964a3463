//! What a project moved, on whichever accounts: its entries page by page, and what was made in it.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::super::rows::Table;
use super::super::{Snapshot, StoreError, history, load};
use super::pages::{self, UsageEntry};
use super::{AssetFigures, assets};
use crate::ledger::books::Shelf;
use crate::ledger::credits::Credits;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Project;

/// Which of a project's entries are read.
#[derive(Clone, Copy, Debug)]
pub struct ProjectEntriesFilter<'f> {
    /// Only those on accounts of this organization, and on its pool.
    pub organization: Option<&'f str>,
    /// Only those on this account.
    pub account: Option<&'f str>,
    /// Only those after this one, in the order that they are read in.
    pub after: Option<LogNumber>,
    /// Whether the last one comes first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: i64,
}

/// An entry of a project, and what the project had on the entry's account with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectEntry {
    /// On which account.
    pub account_id: AccountId,
    /// The entry.
    pub entry: UsageEntry,
    /// What the project held there with it.
    pub held: Credits,
    /// What it had used up there with it.
    pub consumed: Credits,
}

/// A project with what only its history tells.
#[derive(Clone, Debug)]
pub struct ProjectInFull {
    /// The project.
    pub project: Project,
    /// When it began to hold what it holds: since when it never held nothing.
    pub held_since: Option<Timestamp>,
}

struct Place {
    account_id: AccountId,
    held: Credits,
    consumed: Credits,
}

impl Snapshot {
    /// A page of a project's entries, in the order of the log or against it.
    pub async fn project_entries(
        &mut self,
        project: &ProjectId,
        zone: &str,
        filter: &ProjectEntriesFilter<'_>,
    ) -> Result<Vec<ProjectEntry>, StoreError> {
        let mut places = places(self.connection(), project, filter).await?;
        let numbers: Vec<_> = places.keys().copied().collect();
        let mut entries = pages::entries_numbered(self.connection(), &numbers, zone).await?;
        if filter.newest_first {
            entries.reverse();
        }
        let with_place = |entry: UsageEntry| {
            let Place { account_id, held, consumed } = places.remove(&entry.number.0)?;
            Some(ProjectEntry { account_id, entry, held, consumed })
        };
        Ok(entries.into_iter().filter_map(with_place).collect())
    }

    /// A project with its registers; `None` where there is no such project.
    pub async fn project_in_full(&mut self, id: &ProjectId) -> Result<Option<ProjectInFull>, StoreError> {
        let mut shelf = Shelf::default();
        load::load_projects(self.connection(), &[id.clone()].into(), &mut shelf).await?;
        let Some(project) = shelf.projects.remove(id).flatten() else { return Ok(None) };
        let held_since = history::held_since(self.connection(), &project).await?;
        Ok(Some(ProjectInFull { project, held_since }))
    }

    /// What was made for an account in one project, by type.
    pub async fn project_assets(
        &mut self,
        account: &AccountId,
        project: &ProjectId,
    ) -> Result<Vec<AssetFigures>, StoreError> {
        assets::project_assets(self.connection(), account, project).await
    }
}

/// Where a page's entries are, by their numbers. What the project had with each is added up over all of them: a
/// project has few.
async fn places(
    connection: &mut PgConnection,
    project: &ProjectId,
    filter: &ProjectEntriesFilter<'_>,
) -> Result<HashMap<i64, Place>, StoreError> {
    let rows = sqlx::query!(
        r#"select log_number, account_id, held as "held!", consumed as "consumed!"
             from (select log_number, account_id,
                          sum(credits * ((to_side = 'held')::int - (from_side = 'held')::int))
                              over (partition by account_id order by log_number)::bigint as held,
                          sum(credits * ((to_side = 'consumed')::int - (from_side = 'consumed')::int))
                              over (partition by account_id order by log_number)::bigint as consumed
                     from entry
                    where project_id = $1 and ($2::text is null or account_id = $2)
                      and ($3::text is null or account_id in (select account.account_id from account
                                                               where account.organization_id = $3
                                                                 and account.kind <> 'standalone'))) moved
            where $4::bigint is null or case when $5 then log_number < $4 else log_number > $4 end
            order by case when $5 then -log_number else log_number end limit $6"#,
        project.as_str(),
        filter.account,
        filter.organization,
        filter.after.map(|after| after.0),
        filter.newest_first,
        filter.limit,
    )
    .fetch_all(connection)
    .await?;
    let table = Table("entry");
    let place = rows.into_iter().map(|row| {
        let account_id = table.id("account_id", row.account_id)?;
        Ok((row.log_number, Place { account_id, held: Credits(row.held), consumed: Credits(row.consumed) }))
    });
    place.collect()
}
