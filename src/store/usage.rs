//! How an account's credits were used in a stretch of time: its entries added up, by day, by project and by type
//! of asset. Everything of one answer is read from one snapshot.

mod assets;
mod briefed;
mod clocks;
mod pages;
mod project;

use std::time::Duration;

pub use assets::AssetFigures;
pub use briefed::BriefedFigures;
pub use pages::{UsageEntry, UsageOrder};
pub use project::{ProjectEntriesFilter, ProjectEntry, ProjectInFull};

use sqlx::PgConnection;
use sqlx::error::DatabaseError;
use time::{Date, OffsetDateTime};

use super::history::{self, Stretch};
use super::load;
use super::rows::Table;
use super::{Snapshot, StoreError};
use crate::ledger::account::Account;
use crate::ledger::balance::Balance;
use crate::ledger::books::Shelf;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;

/// PostgreSQL's code for a parameter that it can't take: of a conversion of times, an unknown zone.
const INVALID_PARAMETER: &str = "22023";

/// A stretch of an account's entries, and the balances at both of its ends.
#[derive(Clone, Debug)]
pub struct UsageStretch {
    /// The account as it stands.
    pub account: Account,
    /// Its balance before the stretch.
    pub opening: Balance,
    /// Its balance at the end of the stretch.
    pub closing: Balance,
    /// The sequence of the last entry before the stretch; 0 where there is none.
    pub after: i64,
    /// The sequence of the stretch's last entry; the same as `after` where it has none.
    pub through: i64,
}

/// Entries that moved credits between the same two sides, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedFigures {
    /// What they are.
    pub kind: EntryKind,
    /// Where the credits came from.
    pub from: Side,
    /// Where they went.
    pub to: Side,
    /// Whether they are for projects.
    pub in_project: bool,
    /// How many entries.
    pub entries: i64,
    /// How many credits.
    pub credits: Credits,
}

/// A day on which an account's credits moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayFigures {
    /// Which.
    pub day: Date,
    /// How many entries it has.
    pub entries: i64,
    /// What entered `available`.
    pub credited: Credits,
    /// What left it.
    pub debited: Credits,
    /// The balance with the day's last entry.
    pub closing: Balance,
}

/// What a project moved on an account in a stretch, and how it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFigures {
    /// Which.
    pub project_id: ProjectId,
    /// What people call it now, while it is the account's; of a pool, its organization's.
    pub name: Option<String>,
    /// Its status now, in the upstream's vocabulary; likewise.
    pub status: Option<String>,
    /// How many entries.
    pub entries: i64,
    /// What entered `available`.
    pub credited: Credits,
    /// What left it.
    pub debited: Credits,
    /// What was used up, less what of that was undone.
    pub used: Credits,
    /// What it holds of the account's credits now.
    pub held: Credits,
}

impl Snapshot {
    /// When this snapshot was taken, by the database's clock; never before the ledger's last input.
    pub async fn taken_at(&mut self) -> Result<Timestamp, StoreError> {
        let last_at = self.last_at();
        let now = sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(self.connection()).await?;
        Ok(Timestamp::cut(now).max(last_at))
    }

    /// When these days begin in a time zone, in their order; `None` where PostgreSQL doesn't know the zone. After
    /// that the snapshot can't be read any more.
    pub async fn days_begin(
        &mut self,
        zone: &str,
        days: &[Date],
    ) -> Result<Option<Vec<Timestamp>>, StoreError> {
        unless_zone_unknown(days_begin(self.connection(), zone, days).await)
    }

    /// On which days of a time zone these times are, in their order; else as [`Snapshot::days_begin`].
    pub async fn days_of(
        &mut self,
        zone: &str,
        times: &[Timestamp],
    ) -> Result<Option<Vec<Date>>, StoreError> {
        unless_zone_unknown(days_of(self.connection(), zone, times).await)
    }

    /// Where an account's entries in a stretch of time begin and end; `None` where there is no such account.
    pub async fn usage_stretch(
        &mut self,
        id: &AccountId,
        stretch: Stretch,
    ) -> Result<Option<UsageStretch>, StoreError> {
        usage_stretch(self.connection(), id, stretch).await
    }

    /// When the account's first entry was booked; `None` where it has none.
    pub async fn first_entry_at(&mut self, id: &AccountId) -> Result<Option<Timestamp>, StoreError> {
        first_entry_at(self.connection(), id).await
    }

    /// All that moved in a stretch, by kind and sides.
    pub async fn usage_moved(&mut self, stretch: &UsageStretch) -> Result<Vec<MovedFigures>, StoreError> {
        usage_moved(self.connection(), stretch).await
    }

    /// The days of a stretch on which something moved, in order.
    pub async fn usage_days(
        &mut self,
        stretch: &UsageStretch,
        zone: &str,
    ) -> Result<Vec<DayFigures>, StoreError> {
        usage_days(self.connection(), stretch, zone).await
    }

    /// The projects that moved credits in a stretch, at most `limit`, and how many they are in all.
    pub async fn usage_projects(
        &mut self,
        stretch: &UsageStretch,
        order: &UsageOrder,
        limit: i64,
    ) -> Result<(Vec<ProjectFigures>, i64), StoreError> {
        pages::usage_projects(self.connection(), stretch, order, limit).await
    }

    /// A page of a stretch's entries after the sequence `after`, with what they are for.
    pub async fn usage_entries(
        &mut self,
        stretch: &UsageStretch,
        after: i64,
        zone: &str,
    ) -> Result<Vec<UsageEntry>, StoreError> {
        pages::usage_entries(self.connection(), stretch, after, zone).await
    }

    /// Assets of an account in a stretch of time, by type; of a pool, those of all accounts that belonged to its
    /// organization when they were created.
    pub async fn usage_assets(
        &mut self,
        id: &AccountId,
        stretch: Stretch,
    ) -> Result<Vec<AssetFigures>, StoreError> {
        assets::usage_assets(self.connection(), id, stretch).await
    }

    /// Projects of an account, and how many of them were briefed in a stretch of time; of a pool, those of all
    /// accounts that belong to its organization now.
    pub async fn usage_briefed(
        &mut self,
        id: &AccountId,
        stretch: Stretch,
    ) -> Result<BriefedFigures, StoreError> {
        let log_last = self.log_last();
        briefed::usage_briefed(self.connection(), id, stretch, log_last).await
    }

    /// Lets whoever reads this snapshot page by page take up to `pause` between two pages, before the server ends
    /// it: it keeps the database from cleaning up after itself.
    pub async fn allow_pauses(&mut self, pause: Duration) -> Result<(), StoreError> {
        sqlx::query("select set_config('idle_in_transaction_session_timeout', $1, true)")
            .bind(pause.as_millis().to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

/// An unknown zone is a mistake of whoever named it, not of the database.
fn unless_zone_unknown<T>(asked: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::Database(error)) if is_invalid_parameter(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_invalid_parameter(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some(INVALID_PARAMETER)
}

/// The first moment of each day. Where the clocks are put forward over midnight, that is when they have been, which
/// PostgreSQL knows; where they are put back over it, the first of the two midnights, of which it takes the second.
async fn days_begin(
    connection: &mut PgConnection,
    zone: &str,
    days: &[Date],
) -> Result<Vec<Timestamp>, StoreError> {
    let begins = sqlx::query_scalar!(
        r#"select case when (midnight - interval '1 hour') at time zone $2 >= day::timestamp
                       then midnight - interval '1 hour' else midnight end as "begins!"
             from (select day, place, day::timestamp at time zone $2 as midnight
                     from unnest($1::date[]) with ordinality as named (day, place)) days
            order by place"#,
        days,
        zone,
    )
    .fetch_all(connection)
    .await?;
    Ok(begins.into_iter().map(Timestamp::cut).collect())
}

async fn days_of(
    connection: &mut PgConnection,
    zone: &str,
    times: &[Timestamp],
) -> Result<Vec<Date>, StoreError> {
    let times: Vec<OffsetDateTime> = times.iter().map(|time| time.to_offset_date_time()).collect();
    let days = sqlx::query_scalar!(
        r#"select (at at time zone $2)::date as "day!"
             from unnest($1::timestamptz[]) with ordinality as named (at, place) order by place"#,
        &times,
        zone,
    );
    Ok(days.fetch_all(connection).await?)
}

async fn usage_stretch(
    connection: &mut PgConnection,
    id: &AccountId,
    stretch: Stretch,
) -> Result<Option<UsageStretch>, StoreError> {
    let mut shelf = Shelf::default();
    load::load_accounts(connection, &[id.clone()].into(), &mut shelf).await?;
    let Some(account) = shelf.accounts.remove(id).flatten() else { return Ok(None) };
    let (after, through) = history::places(connection, &account, stretch).await?;
    let opening = history::balance_with(connection, id, after).await?;
    let closing = history::balance_with(connection, id, through).await?;
    Ok(Some(UsageStretch { account, opening, closing, after, through }))
}

async fn first_entry_at(
    connection: &mut PgConnection,
    id: &AccountId,
) -> Result<Option<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!("select at from entry where account_id = $1 and sequence = 1", id.as_str());
    Ok(at.fetch_optional(connection).await?.map(Timestamp::cut))
}

async fn usage_moved(
    connection: &mut PgConnection,
    stretch: &UsageStretch,
) -> Result<Vec<MovedFigures>, StoreError> {
    let rows = sqlx::query!(
        r#"select kind, from_side, to_side, project_id is not null as "in_project!", count(*) as "entries!",
                  sum(credits)::bigint as "credits!"
             from entry where account_id = $1 and sequence > $2 and sequence <= $3
            group by 1, 2, 3, 4"#,
        stretch.account.id.as_str(),
        stretch.after,
        stretch.through,
    )
    .fetch_all(connection)
    .await?;
    let table = Table("entry");
    let figures = rows.into_iter().map(|row| {
        Ok(MovedFigures {
            kind: table.name("kind", &row.kind)?,
            from: table.name("from_side", &row.from_side)?,
            to: table.name("to_side", &row.to_side)?,
            in_project: row.in_project,
            entries: row.entries,
            credits: Credits(row.credits),
        })
    });
    figures.collect()
}

async fn usage_days(
    connection: &mut PgConnection,
    stretch: &UsageStretch,
    zone: &str,
) -> Result<Vec<DayFigures>, StoreError> {
    let rows = sqlx::query!(
        r#"select days.day as "day!", days.entries as "entries!", days.credited as "credited!",
                  days.debited as "debited!", last.total, last.held, last.consumed
             from (select (at at time zone $4)::date as day, count(*) as entries, max(sequence) as last_sequence,
                          coalesce(sum(credits) filter (where to_side = 'available'), 0)::bigint as credited,
                          coalesce(sum(credits) filter (where from_side = 'available'), 0)::bigint as debited
                     from entry where account_id = $1 and sequence > $2 and sequence <= $3
                    group by 1) days
             join lateral (select total, held, consumed from entry
                            where account_id = $1 and sequence = days.last_sequence) last on true
            order by days.last_sequence"#,
        stretch.account.id.as_str(),
        stretch.after,
        stretch.through,
        zone,
    )
    .fetch_all(connection)
    .await?;
    let day = rows.into_iter().map(|row| {
        let [credited, debited, total, held, consumed] =
            [row.credited, row.debited, row.total, row.held, row.consumed].map(Credits);
        let closing = Balance { total, held, consumed };
        DayFigures { day: row.day, entries: row.entries, credited, debited, closing }
    });
    Ok(day.collect())
}
