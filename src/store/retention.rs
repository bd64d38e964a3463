//! Retention: old rows that nobody needs any more are removed, a page at a time. Entries are never among them.
//!
//! Lock order: a page locks retention's own row, so that one is removed after the other whoever sweeps, and
//! then rows that nobody has locked. The ledger's lock is not taken, and whoever has that one never waits for
//! retention's row. Rows that somebody else is about to change are skipped; the next sweep finds them.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Finding, Store, StoreError, relay};
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;

/// What can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Removable {
    /// Inbox rows of project messages. What their effect was is guarded by the project's registers: the same
    /// message again is stale. All other messages stay known for ever, and so do those of the ledger itself,
    /// those that are parked, and those under whose key something else is parked.
    Inbox,
    /// Parked messages that were dealt with.
    ParkedDone,
    /// Alerts and hold events that are published, oldest first, so that none is left before one that is gone.
    Notices,
}

impl Removable {
    /// Everything that can be removed.
    pub const ALL: [Removable; 3] = [Removable::Inbox, Removable::ParkedDone, Removable::Notices];

    /// Its name, as the settings say it without `_days`.
    pub fn as_str(self) -> &'static str {
        match self {
            Removable::Inbox => "inbox",
            Removable::ParkedDone => "parked_done",
            Removable::Notices => "notices",
        }
    }
}

/// What retention has removed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Of the notices up to here none is left.
    pub notices_through: LogNumber,
    /// Inbox rows of project messages that came before this time are gone; `None` while all are there.
    pub inbox_before: Option<Timestamp>,
    /// Parked messages that were dealt with before this time are gone; `None` while all are there.
    pub parked_before: Option<Timestamp>,
}

impl Store {
    /// What retention has removed so far.
    pub async fn removed(&self) -> Result<Removed, StoreError> {
        let row = sqlx::query!(
            "select notices_removed_through, inbox_removed_before, parked_removed_before from retention"
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Removed {
            notices_through: LogNumber(row.notices_removed_through),
            inbox_before: row.inbox_removed_before.map(Timestamp::cut),
            parked_before: row.parked_removed_before.map(Timestamp::cut),
        })
    }

    /// Says whether a sweep is to be made now, which nobody else then makes: none began within `every`. By the
    /// database's clock.
    pub async fn claim_sweep(&self, every: Duration) -> Result<bool, StoreError> {
        let claimed = sqlx::query!(
            "update retention set swept_at = now()
              where swept_at is null or swept_at < now() - $1::interval or swept_at > now() + $1::interval",
            relay::interval(every),
        );
        Ok(claimed.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Removes what is older than `days` days by the database's clock, `limit` rows at most, and marks how far
    /// it has come in the same transaction. Says how many rows are gone.
    pub async fn remove_page(&self, what: Removable, days: u32, limit: i64) -> Result<u64, StoreError> {
        let mut transaction = match self.pool.begin().await {
            Ok(transaction) => transaction,
            Err(error) => return Err(self.unreachable(error).await),
        };
        let before = sqlx::query_scalar!(
            r#"select now() - make_interval(days => $1) as "before!" from retention for update"#,
            days_of(days),
        )
        .fetch_one(&mut *transaction)
        .await?;
        let gone = match what {
            Removable::Inbox => remove_inbox(&mut transaction, before, limit).await?,
            Removable::ParkedDone => remove_parked(&mut transaction, before, limit).await?,
            Removable::Notices => remove_notices(&mut transaction, before, limit).await?,
        };
        transaction.commit().await?;
        Ok(u64::try_from(gone).unwrap_or(0))
    }

    /// How many rows older than `days` days a sweep would remove now.
    pub async fn removable(&self, what: Removable, days: u32) -> Result<u64, StoreError> {
        let mut snapshot = self.snapshot().await?;
        // Counting may take longer than a statement of the daemon may.
        sqlx::query("set local statement_timeout = 0").execute(&mut *snapshot).await?;
        let days = days_of(days);
        let rows = match what {
            Removable::Inbox => {
                sqlx::query_scalar!(
                    r#"select count(*) as "count!" from inbox
                        where received_at < now() - make_interval(days => $1)
                          and type like 'project.%' and source not like 'creditd/%' and outcome <> 'parked'
                          and not exists (
                              select from entry
                               where entry.log_number between inbox.log_first and inbox.log_last
                                 and entry.at >= now() - make_interval(days => $1))
                          and not exists (
                              select from parked
                               where parked.source = inbox.source and parked.message_id = inbox.id
                                 and parked.done_at is null)"#,
                    days,
                )
                .fetch_one(&mut *snapshot)
                .await?
            }
            Removable::ParkedDone => {
                sqlx::query_scalar!(
                    r#"select count(*) as "count!" from parked
                        where done_at < now() - make_interval(days => $1)"#,
                    days,
                )
                .fetch_one(&mut *snapshot)
                .await?
            }
            Removable::Notices => {
                sqlx::query_scalar!(
                    r#"select count(*) as "count!" from notice
                        where log_number <= (select published from relay)
                          and at < now() - make_interval(days => $1)"#,
                    days,
                )
                .fetch_one(&mut *snapshot)
                .await?
            }
        };
        snapshot.rollback().await?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }
}

fn days_of(days: u32) -> i32 {
    i32::try_from(days).expect("the settings allow 100 years at most")
}

/// A message that waited parked may have taken effect long after it came: its row stays as long as an entry
/// that it wrote is younger, so that `verify` can tell by an entry's time whether its cause may be gone.
async fn remove_inbox(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"with gone as (
               delete from inbox where ctid = any (array(
                   select ctid from inbox
                    where received_at < $1
                      and type like 'project.%' and source not like 'creditd/%' and outcome <> 'parked'
                      and not exists (
                          select from entry
                           where entry.log_number between inbox.log_first and inbox.log_last
                             and entry.at >= $1)
                      and not exists (
                          select from parked
                           where parked.source = inbox.source and parked.message_id = inbox.id
                             and parked.done_at is null)
                    order by received_at limit $2 for update skip locked))
               returning 1)
           select count(*) as "count!" from gone"#,
        before,
        limit,
    )
    .fetch_one(&mut *connection)
    .await?;
    if rows > 0 {
        sqlx::query!(
            "update retention set inbox_removed_before = greatest(inbox_removed_before, $1),
                                  inbox_removed = inbox_removed + $2",
            before,
            rows,
        )
        .execute(connection)
        .await?;
    }
    Ok(rows)
}

async fn remove_parked(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"with gone as (
               delete from parked where ctid = any (array(
                   select ctid from parked where done_at < $1
                    order by done_at limit $2 for update skip locked))
               returning 1)
           select count(*) as "count!" from gone"#,
        before,
        limit,
    )
    .fetch_one(&mut *connection)
    .await?;
    if rows > 0 {
        sqlx::query!(
            "update retention set parked_removed_before = greatest(parked_removed_before, $1),
                                  parked_removed = parked_removed + $2",
            before,
            rows,
        )
        .execute(connection)
        .await?;
    }
    Ok(rows)
}

/// The log's times never go back: looking at the oldest notices that are left tells whether any is old enough.
async fn remove_notices(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, StoreError> {
    let gone = sqlx::query!(
        r#"with gone as (
               delete from notice where log_number = any (array(
                   select log_number from (
                       select log_number, at from notice
                        where log_number > (select notices_removed_through from retention)
                          and log_number <= (select published from relay)
                        order by log_number limit $2) oldest
                    where at < $1))
               returning log_number)
           select count(*) as "count!", max(log_number) as last from gone"#,
        before,
        limit,
    )
    .fetch_one(&mut *connection)
    .await?;
    if let Some(last) = gone.last {
        sqlx::query!(
            "update retention set notices_removed_through = $1, notices_removed = notices_removed + $2",
            last,
            gone.count,
        )
        .execute(connection)
        .await?;
    }
    Ok(gone.count)
}

/// Retention removed no more than it says: up to where it has come there are all entries, no notice, and as
/// many numbers missing as it counts; and it removed nothing that is not published.
pub(super) async fn check(connection: &mut PgConnection) -> Result<Vec<Finding>, StoreError> {
    let row = sqlx::query!(
        r#"select notices_removed_through as through, notices_removed as removed,
                  (select published from relay) as "published!",
                  (select count(*) from entry where log_number <= notices_removed_through) as "entries!",
                  (select count(*) from notice where log_number <= notices_removed_through) as "left!",
                  (select count(*) from notice) as "notices!",
                  (select coalesce(sum(alerts + holds + transfers_rejected), 0)::bigint from account) as "counted!"
             from retention"#
    )
    .fetch_one(connection)
    .await?;
    let (through, removed) = (row.through, row.removed);
    let mut wrong = Vec::new();
    if row.entries + removed != through || row.left > 0 {
        wrong.push(format!(
            "retention removed {removed} notices, all up to number {through}; up to there are {} entries and \
             {} notices",
            row.entries, row.left
        ));
    }
    // Where nothing was removed, each account's own are counted.
    if removed > 0 && row.notices + removed != row.counted {
        wrong.push(format!(
            "accounts count {} notices; there are {}, and retention removed {removed}",
            row.counted, row.notices
        ));
    }
    if through > row.published {
        wrong.push(format!("retention removed up to number {through}, and {} is published", row.published));
    }
    Ok(wrong.into_iter().map(|what| Finding { place: "log".to_owned(), what }).collect())
}
