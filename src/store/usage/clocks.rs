//! When the clocks of a time zone are changed, as PostgreSQL knows it.

use sqlx::PgConnection;
use time::OffsetDateTime;
use time::macros::datetime;

use super::super::{Snapshot, StoreError};
use super::unless_zone_unknown;
use crate::clock::ClockChange;
use crate::ledger::moment::Timestamp;

/// Before it no ledger has entries, and after it what is told counts for little to the hour.
const FIRST: OffsetDateTime = datetime!(2000-01-01 00:00 UTC);
const LAST: OffsetDateTime = datetime!(2100-01-01 00:00 UTC);

impl Snapshot {
    /// How a zone's clocks are set from the year 2000 to 2100, and at which minutes they are changed; `None` where
    /// PostgreSQL doesn't know the zone. After that the snapshot can't be read any more.
    pub async fn clock_changes(&mut self, zone: &str) -> Result<Option<Vec<ClockChange>>, StoreError> {
        unless_zone_unknown(clock_changes(self.connection(), zone).await)
    }
}

/// PostgreSQL converts times, but has no list of changes: they are found day by day, then by the hour and the minute.
async fn clock_changes(connection: &mut PgConnection, zone: &str) -> Result<Vec<ClockChange>, StoreError> {
    let rows = sqlx::query!(
        r#"with days as (
               select at, extract(epoch from (at at time zone $1) - (at at time zone 'UTC'))::int as ahead
                 from generate_series($2::timestamptz, $3::timestamptz, interval '24 hours') named (at)),
           changed_days as (
               select at from (select at, ahead, lag(ahead) over (order by at) as before from days) compared
                where ahead <> before),
           hours as (
               select hour, extract(epoch from (hour at time zone $1) - (hour at time zone 'UTC'))::int as ahead
                 from changed_days, generate_series(at - interval '24 hours', at, interval '1 hour') named (hour)),
           changed_hours as (
               select hour from (select hour, ahead, lag(ahead) over (order by hour) as before from hours) compared
                where ahead <> before),
           minutes as (
               select minute, extract(epoch from (minute at time zone $1) - (minute at time zone 'UTC'))::int as ahead
                 from changed_hours,
                      generate_series(hour - interval '1 hour', hour, interval '1 minute') named (minute))
           select at as "at!", ahead as "ahead!" from days where at = $2
           union all
           select minute, ahead
             from (select minute, ahead, lag(ahead) over (order by minute) as before from minutes) compared
            where ahead <> before
           order by 1"#,
        zone,
        FIRST,
        LAST,
    )
    .fetch_all(connection)
    .await?;
    let change = |at, ahead| ClockChange { at: Timestamp::cut(at), ahead_s: i64::from(ahead) };
    Ok(rows.into_iter().map(|row| change(row.at, row.ahead)).collect())
}
