//! The relay's row: who publishes the log, and up to where it is published. It stands outside the ledger's
//! lock, and goes by the database's clock.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

use super::{Store, StoreError};
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;

/// The right to publish, until it ends or another takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Rises with every owner; the cursor moves only for the epoch that is the row's own.
    pub epoch: i64,
    /// All of the log up to here is published.
    pub published: LogNumber,
}

/// Where the relay stands, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RelayStatus {
    /// Who publishes, or did so last and never gave the lease back.
    pub owner: Option<String>,
    /// Whether the owner's lease still lasts: a relay is at work.
    pub alive: bool,
    /// Until when the lease lasts, or lasted; `None` where nobody has it.
    pub lease_until: Option<Timestamp>,
    /// How often the lease changed hands.
    pub epoch: i64,
    /// All of the log up to here is published.
    pub published: LogNumber,
    /// The last number in the log.
    pub log_last: LogNumber,
    /// How many events wait to be published.
    pub lag_events: i64,
    /// For how long the oldest of them has been waiting, in milliseconds; 0 where none waits.
    pub lag_ms: i64,
    /// How many events no queue took.
    pub unroutable: i64,
}

pub(super) fn interval(time_to_live: Duration) -> PgInterval {
    let microseconds =
        i64::try_from(time_to_live.as_micros()).expect("a lease lasts seconds, and sweeps are hours apart");
    PgInterval { months: 0, days: 0, microseconds }
}

impl Store {
    /// Takes the lease if nobody has it. One that ends later than any can was given before the database's clock went back.
    pub async fn take_lease(&self, owner: &str, time_to_live: Duration) -> Result<Option<Lease>, StoreError> {
        let row = sqlx::query!(
            "update relay set owner = $1, epoch = epoch + 1, lease_until = now() + $2
              where lease_until < now() or lease_until > now() + $2::interval * 2 returning epoch, published",
            owner,
            interval(time_to_live),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Lease { epoch: row.epoch, published: LogNumber(row.published) }))
    }

    /// Lengthens the lease. Says whether it was still this epoch's.
    pub async fn renew_lease(&self, epoch: i64, time_to_live: Duration) -> Result<bool, StoreError> {
        let renewed = sqlx::query!(
            "update relay set lease_until = now() + $2 where epoch = $1 and owner is not null",
            epoch,
            interval(time_to_live),
        );
        Ok(renewed.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Moves the cursor and lengthens the lease. Says whether it was still this epoch's, and the log is as long; if not,
    /// nothing is moved. It is shorter where a standby was promoted that had not heard of the last of it.
    pub async fn advance(
        &self,
        epoch: i64,
        published: LogNumber,
        unroutable: i64,
        time_to_live: Duration,
    ) -> Result<bool, StoreError> {
        let moved = sqlx::query!(
            "update relay set published = $2, unroutable = unroutable + $3, lease_until = now() + $4
              where epoch = $1 and owner is not null and published <= $2
                and $2 <= (select log_last from ledger)",
            epoch,
            published.0,
            unroutable,
            interval(time_to_live),
        );
        Ok(moved.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub async fn release_lease(&self, epoch: i64) -> Result<(), StoreError> {
        sqlx::query!("update relay set owner = null, lease_until = '-infinity' where epoch = $1", epoch)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Where the relay stands.
    pub async fn relay_status(&self) -> Result<RelayStatus, StoreError> {
        let row = sqlx::query!(
            r#"select relay.owner, relay.epoch, relay.published, relay.unroutable, ledger.log_last,
                      relay.owner is not null and relay.lease_until >= now() as "alive!",
                      case when isfinite(relay.lease_until) then relay.lease_until end as lease_until,
                      extract(epoch from now() - coalesce(
                          (select at from entry where log_number = relay.published + 1),
                          (select at from notice where log_number = relay.published + 1)))::float8 as lag_s
                 from relay cross join ledger"#
        )
        .fetch_one(&self.pool)
        .await?;
        // The log's times are the daemons', whose clocks may be ahead of the database's.
        let lag = Duration::try_from_secs_f64(row.lag_s.unwrap_or(0.0).max(0.0)).unwrap_or_default();
        Ok(RelayStatus {
            owner: row.owner,
            alive: row.alive,
            lease_until: row.lease_until.map(Timestamp::cut),
            epoch: row.epoch,
            published: LogNumber(row.published),
            log_last: LogNumber(row.log_last),
            lag_events: row.log_last - row.published,
            lag_ms: i64::try_from(lag.as_millis()).unwrap_or(i64::MAX),
            unroutable: row.unroutable,
        })
    }
}
