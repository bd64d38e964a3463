//! What is read page by page: the entries of a stretch, and the projects that moved credits in it.

use sqlx::PgConnection;
use time::{Date, OffsetDateTime};

use super::super::StoreError;
use super::super::rows::Table;
use super::{ProjectFigures, UsageStretch};
use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, LogNumber, Side};
use crate::ledger::ids::{OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;

/// How many entries are read at a time: some hundred kilobytes.
const PAGE: i64 = 1_000;

/// In which order projects are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageOrder {
    /// By their ids, those after this one.
    ById(Option<ProjectId>),
    /// Those that most credits left `available` for first.
    Largest,
}

/// An entry, with what it is for as that is called and stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// Its place in the ledger's order.
    pub number: LogNumber,
    /// Its place among the account's entries.
    pub sequence: i64,
    /// When it was booked.
    pub at: Timestamp,
    /// On which day of the time zone that was.
    pub day: Date,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// What it is.
    pub kind: EntryKind,
    /// Where the credits came from.
    pub from: Side,
    /// Where they went.
    pub to: Side,
    /// How many; more than zero.
    pub credits: Credits,
    /// The account's balance with it.
    pub balance: Balance,
    /// The project that it is for.
    pub project_id: Option<ProjectId>,
    /// What people call that now; of a project that is still the account's, or of a pool its organization's.
    pub project_name: Option<String>,
    /// Its status now, in the upstream's vocabulary; likewise.
    pub project_status: Option<String>,
    /// Of a charge: the type of what was created.
    pub asset_type: Option<String>,
    /// Of a charge: how many pieces.
    pub quantity: Option<i64>,
    /// Why, in a person's words.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// The message that brought it about: its source,
    pub message_source: String,
    /// its id,
    pub message_id: String,
    /// and its type.
    pub message_type: String,
}

struct EntryColumns {
    log_number: i64,
    sequence: i64,
    at: OffsetDateTime,
    day: Date,
    organization_id: Option<String>,
    kind: String,
    from_side: String,
    to_side: String,
    credits: i64,
    total: i64,
    held: i64,
    consumed: i64,
    project_id: Option<String>,
    project_name: Option<String>,
    project_status: Option<String>,
    asset_type: Option<String>,
    quantity: Option<i64>,
    reason: Option<String>,
    actor: Option<String>,
    cause_source: String,
    cause_id: String,
    cause_type: String,
}

impl TryFrom<EntryColumns> for UsageEntry {
    type Error = StoreError;

    fn try_from(row: EntryColumns) -> Result<Self, StoreError> {
        let table = Table("entry");
        let [total, held, consumed] = [row.total, row.held, row.consumed].map(Credits);
        Ok(Self {
            number: LogNumber(row.log_number),
            sequence: row.sequence,
            at: Timestamp::cut(row.at),
            day: row.day,
            organization_id: row.organization_id.map(|id| table.id("organization_id", id)).transpose()?,
            kind: table.name("kind", &row.kind)?,
            from: table.name("from_side", &row.from_side)?,
            to: table.name("to_side", &row.to_side)?,
            credits: Credits(row.credits),
            balance: Balance { total, held, consumed },
            project_id: row.project_id.map(|id| table.id("project_id", id)).transpose()?,
            project_name: row.project_name,
            project_status: row.project_status,
            asset_type: row.asset_type,
            quantity: row.quantity,
            reason: row.reason,
            actor: row.actor,
            message_source: row.cause_source,
            message_id: row.cause_id,
            message_type: row.cause_type,
        })
    }
}

/// Projects and assets are looked up one by one, by `limit 1`: a join would be planned by statistics that may be
/// stale, and could read whole tables for each page. A project that has gone to another account since, maybe of
/// somebody else, is told by its id alone: its name and status are that account's matter now.
pub(super) async fn usage_entries(
    connection: &mut PgConnection,
    stretch: &UsageStretch,
    after: i64,
    zone: &str,
) -> Result<Vec<UsageEntry>, StoreError> {
    let rows = sqlx::query_as!(
        EntryColumns,
        r#"select log_number, sequence, at, (at at time zone $5)::date as "day!", organization_id, kind,
                  from_side, to_side, credits, total, held, consumed, project_id,
                  project.name as "project_name?", project.status as "project_status?",
                  asset.asset_type as "asset_type?", asset.quantity as "quantity?", reason, actor, cause_source,
                  cause_id, cause_type
             from (select * from entry where account_id = $1 and sequence > $2 and sequence <= $3
                    order by sequence limit $4) page
             left join lateral (select name, status from project
                                 where project.project_id = page.project_id
                                   and (account_id = $1
                                        or $1 = (select 'pool:' || member.organization_id from account member
                                                  where member.account_id = project.account_id
                                                    and member.kind <> 'standalone'))
                                 limit 1) project on true
             left join lateral (select asset_type, quantity from asset
                                 where page.kind = 'charge' and source = cause_source and id = cause_id
                                 limit 1) asset on true
            order by sequence"#,
        stretch.account.id.as_str(),
        after,
        stretch.through,
        PAGE,
        zone,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Entries by their numbers. The project is told by its name and status where it is still the account's, as in an
/// account's own entries.
pub(super) async fn entries_numbered(
    connection: &mut PgConnection,
    numbers: &[i64],
    zone: &str,
) -> Result<Vec<UsageEntry>, StoreError> {
    let rows = sqlx::query_as!(
        EntryColumns,
        r#"select log_number, sequence, at, (at at time zone $2)::date as "day!", organization_id, kind,
                  from_side, to_side, credits, total, held, consumed, project_id,
                  project.name as "project_name?", project.status as "project_status?",
                  null::text as "asset_type?", null::bigint as "quantity?", reason, actor, cause_source,
                  cause_id, cause_type
             from entry
             left join lateral (select name, status from project
                                 where project.project_id = entry.project_id
                                   and (account_id = entry.account_id
                                        or entry.account_id = (select 'pool:' || member.organization_id
                                                                 from account member
                                                                where member.account_id = project.account_id
                                                                  and member.kind <> 'standalone'))
                                 limit 1) project on true
            where log_number = any($1)
            order by log_number"#,
        numbers,
        zone,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Adds up the whole stretch for each page. An index that would spare that would be paid for by every booking.
pub(super) async fn usage_projects(
    connection: &mut PgConnection,
    stretch: &UsageStretch,
    order: &UsageOrder,
    limit: i64,
) -> Result<(Vec<ProjectFigures>, i64), StoreError> {
    let (after, largest_first) = match order {
        UsageOrder::ById(after) => (after.as_ref().map(ProjectId::as_str), false),
        UsageOrder::Largest => (None, true),
    };
    let rows = sqlx::query!(
        r#"with moved as materialized (
               select project_id, count(*) as entries,
                      coalesce(sum(credits) filter (where to_side = 'available'), 0)::bigint as credited,
                      coalesce(sum(credits) filter (where from_side = 'available'), 0)::bigint as debited,
                      sum(credits * ((to_side = 'consumed')::int - (from_side = 'consumed')::int))::bigint as used
                 from entry
                where account_id = $1 and sequence > $2 and sequence <= $3 and project_id is not null
                group by project_id),
           page as (
               select * from moved where $4::text is null or project_id > $4
                order by case when $5 then debited end desc, project_id limit $6)
           select counted.projects as "projects!", page.project_id as "project_id?", entries as "entries?",
                  credited as "credited?", debited as "debited?", used as "used?", name as "name?",
                  status as "status?", held as "held?"
             from (select count(*) as projects from moved) counted
             left join page on true
             left join lateral (select name, status,
                                       case when $1 in (chain_account, chain_pool) then held else 0 end as held
                                  from project
                                 where project.project_id = page.project_id
                                   and (account_id = $1
                                        or $1 = (select 'pool:' || member.organization_id from account member
                                                  where member.account_id = project.account_id
                                                    and member.kind <> 'standalone'))
                                 limit 1) project on true
            order by case when $5 then debited end desc, page.project_id"#,
        stretch.account.id.as_str(),
        stretch.after,
        stretch.through,
        after,
        largest_first,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let projects = rows.first().map_or(0, |row| row.projects);
    let table = Table("entry");
    let mut page = Vec::new();
    for row in rows {
        // The row that only says how many there are.
        let Some(project_id) = row.project_id else { continue };
        let [credited, debited, used, held] =
            [row.credited, row.debited, row.used, row.held].map(|credits| Credits(credits.unwrap_or(0)));
        page.push(ProjectFigures {
            project_id: table.id("project_id", project_id)?,
            name: row.name,
            status: row.status,
            entries: row.entries.unwrap_or(0),
            credited,
            debited,
            used,
            held,
        });
    }
    Ok((page, projects))
}
