//! Projects, counted: how many there are, and how many were briefed in a stretch of time.
//!
//! A project is briefed once it has left the first status of the table (such as `draft`), or has ever held credits
//! or waited for some. When that was is told by the first line of the log about it, so that it counts where its
//! credits do, else by when it came to the status that it is in.
//!
//! Two traps. A question to the log about one project is no `exists`, which could be planned as a walk through all
//! of it. And what a notice says of its project has the database's own collation, as its index has: compared with
//! an id's, which is "C", that index would never be used.

use sqlx::PgConnection;

use super::super::StoreError;
use super::super::history::Stretch;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::{AccountId, OrganizationId};
use crate::ledger::moment::Timestamp;

/// Projects, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BriefedFigures {
    /// How many projects the account has in all.
    pub projects: i64,
    /// How many were briefed in the stretch.
    pub briefed: i64,
}

/// Whose projects are counted: those of an account, and of all that belong to its organization where it is a pool.
struct Owner<'o> {
    account: &'o str,
    organization: Option<&'o str>,
}

/// A stretch of the log's entries, or of its notices: those after the one number and up to the other.
#[derive(Clone, Copy)]
struct Lines {
    after: i64,
    through: i64,
}

pub(super) async fn usage_briefed(
    connection: &mut PgConnection,
    id: &AccountId,
    stretch: Stretch,
    log_last: LogNumber,
) -> Result<BriefedFigures, StoreError> {
    let organization = id.pool_owner();
    let owner =
        Owner { account: id.as_str(), organization: organization.as_ref().map(OrganizationId::as_str) };
    if stretch == Stretch::default() {
        return ever_briefed(connection, &owner).await;
    }
    let projects = count(connection, &owner).await?;
    let entries = lines(connection, Table::Entry, stretch, log_last).await?;
    let notices = lines(connection, Table::Notice, stretch, log_last).await?;
    // Either way one question to the log for each: the fewer of both are asked about.
    let told = (entries.through - entries.after) + (notices.through - notices.after);
    let briefed = if told < projects {
        briefed_by_lines(connection, &owner, stretch, entries, notices).await?
    } else {
        briefed_by_projects(connection, &owner, stretch).await?
    };
    Ok(BriefedFigures { projects, briefed })
}

async fn count(connection: &mut PgConnection, owner: &Owner<'_>) -> Result<i64, StoreError> {
    let projects = sqlx::query_scalar!(
        r#"select count(*) as "projects!" from project
            where account_id = any(select $1::text
                                   union all
                                   select account_id from account
                                    where organization_id = $2 and kind <> 'standalone')"#,
        owner.account,
        owner.organization,
    );
    Ok(projects.fetch_one(connection).await?)
}

/// As the module says it, project by project.
async fn briefed_by_projects(
    connection: &mut PgConnection,
    owner: &Owner<'_>,
    stretch: Stretch,
) -> Result<i64, StoreError> {
    let briefed = sqlx::query_scalar!(
        r#"select count(*) as "briefed!"
             from (select coalesce(
                              least((select at from entry where entry.project_id = project.project_id
                                      order by log_number limit 1),
                                    (select at from notice
                                      where kind = 'hold'
                                        and body ->> 'project_id' = project.project_id collate "default"
                                      order by log_number limit 1)),
                              case when stage > 0 or effect <> 'none' then status_since end) as briefed_at
                     from project
                    where account_id = any(select $1::text
                                           union all
                                           select account_id from account
                                            where organization_id = $2 and kind <> 'standalone')
                    -- Else the log is asked again for each condition.
                   offset 0) told
            where briefed_at is not null and ($3::timestamptz is null or briefed_at >= $3)
              and ($4::timestamptz is null or briefed_at < $4)"#,
        owner.account,
        owner.organization,
        stretch.from.map(Timestamp::to_offset_date_time),
        stretch.before.map(Timestamp::to_offset_date_time),
    );
    Ok(briefed.fetch_one(connection).await?)
}

/// The same, line by line of the stretch: which projects they tell of, and whether one tells of them first. Those
/// that the log is silent about are found by their status. The candidates are materialized, else the log might be
/// asked about all of the account's projects before those are left out.
async fn briefed_by_lines(
    connection: &mut PgConnection,
    owner: &Owner<'_>,
    stretch: Stretch,
    entries: Lines,
    notices: Lines,
) -> Result<i64, StoreError> {
    let briefed = sqlx::query_scalar!(
        r#"with own as materialized (
               select project_id,
                      (stage > 0 or effect <> 'none') and ($3::timestamptz is null or status_since >= $3)
                          and ($4::timestamptz is null or status_since < $4) as by_status
                 from project
                where account_id = any(select $1::text
                                       union all
                                       select account_id from account
                                        where organization_id = $2 and kind <> 'standalone')),
           candidate as materialized (
               select project_id, by_status
                 from (select project_id from entry
                        where log_number > $5 and log_number <= $6 and project_id is not null
                       union
                       select body ->> 'project_id' from notice
                        where kind = 'hold' and log_number > $7 and log_number <= $8
                       union
                       select project_id from own where by_status) told
                 join own using (project_id))
           select count(*) as "briefed!"
             from (select project_id, by_status,
                          (select log_number from entry where entry.project_id = candidate.project_id
                            order by log_number limit 1) as entry,
                          (select log_number from notice
                            where kind = 'hold' and body ->> 'project_id' = candidate.project_id collate "default"
                            order by log_number limit 1) as notice
                     from candidate offset 0) first
            where (first.entry is null or first.entry > $5) and (first.notice is null or first.notice > $7)
              and (first.entry <= $6 or first.notice <= $8
                   or (first.entry is null and first.notice is null and by_status))"#,
        owner.account,
        owner.organization,
        stretch.from.map(Timestamp::to_offset_date_time),
        stretch.before.map(Timestamp::to_offset_date_time),
        entries.after,
        entries.through,
        notices.after,
        notices.through,
    );
    Ok(briefed.fetch_one(connection).await?)
}

/// As [`usage_briefed`], whenever it was: most projects tell it by their status, and the log is asked for the others
/// alone.
async fn ever_briefed(
    connection: &mut PgConnection,
    owner: &Owner<'_>,
) -> Result<BriefedFigures, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "projects!",
                  count(*) filter (
                      where stage > 0 or effect <> 'none'
                         or (select true from entry where entry.project_id = project.project_id limit 1) is true
                         or (select true from notice
                              where kind = 'hold'
                                and body ->> 'project_id' = project.project_id collate "default"
                              limit 1) is true) as "briefed!"
             from project
            where account_id = any(select $1::text
                                   union all
                                   select account_id from account
                                    where organization_id = $2 and kind <> 'standalone')"#,
        owner.account,
        owner.organization,
    )
    .fetch_one(connection)
    .await?;
    Ok(BriefedFigures { projects: row.projects, briefed: row.briefed })
}

/// Where lines of the log stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Entry,
    Notice,
}

/// The lines of one table in a stretch of time.
async fn lines(
    connection: &mut PgConnection,
    table: Table,
    stretch: Stretch,
    log_last: LogNumber,
) -> Result<Lines, StoreError> {
    let after = match stretch.from {
        Some(from) => last_before(connection, table, log_last, from).await?,
        None => 0,
    };
    let through = match stretch.before {
        Some(before) => last_before(connection, table, log_last, before).await?,
        None => log_last.0,
    };
    Ok(Lines { after, through: through.max(after) })
}

/// The last number of a table's lines before `at`, or 0. The log's time never goes back, so its place is found by
/// halving, as that of an account's entries is; the numbers between two lines are the other table's, or removed.
async fn last_before(
    connection: &mut PgConnection,
    table: Table,
    log_last: LogNumber,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let (mut before, mut after) = (0, log_last.0 + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let next_at = sqlx::query_scalar!(
            r#"(select at as "at!" from entry where $1 and log_number >= $2 order by log_number limit 1)
               union all
               (select at from notice where not $1 and log_number >= $2 order by log_number limit 1)"#,
            table == Table::Entry,
            middle,
        )
        .fetch_optional(&mut *connection)
        .await?;
        match next_at.is_some_and(|next_at| Timestamp::cut(next_at) < at) {
            true => before = middle,
            false => after = middle,
        }
    }
    Ok(before)
}
