//! How things stand after much was changed at once: what is parked and why, who is over limit, what waits.

use serde::Serialize;
use sqlx::PgConnection;

use super::{Snapshot, Store, StoreError};
use crate::contract::line::IMPORT_ROUTING_KEY;

/// The most rows that each list has; the others are only counted.
const ROWS_MAX: i64 = 100;

/// How things stand. Members are named as `--json` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// How many messages are parked.
    pub parked: i64,
    /// How many of them were imported.
    pub parked_imported: i64,
    /// Why they are parked: the most frequent reasons first.
    pub parked_for: Vec<ParkedGroup>,
    /// How many accounts are over limit.
    pub over_limit: i64,
    /// Which: those furthest over it first.
    pub over_limit_accounts: Vec<OverLimit>,
    /// How many projects wait for credits.
    pub waiting: i64,
    /// Whose: those that most credits are wanted of first.
    pub waiting_accounts: Vec<Waiting>,
}

/// Messages that are parked for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParkedGroup {
    /// The reason.
    pub reason: String,
    /// What would let them be applied, such as `account:acme`.
    pub waits_for: Option<String>,
    /// How many they are.
    pub messages: i64,
    /// The reason for people, of one of them.
    pub detail: String,
}

/// An account that has more in use than it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverLimit {
    /// Which.
    pub account_id: String,
    /// All that it may use at a time, in credits.
    pub total: i64,
    /// Tied up, in credits.
    pub held: i64,
    /// Used up, in credits.
    pub consumed: i64,
    /// What is left, in credits: below zero.
    pub available: i64,
}

/// An account, or a pool, whose credits are waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Which.
    pub account_id: String,
    /// By how many projects.
    pub projects: i64,
    /// How many credits they want beyond what they hold.
    pub credits: i64,
    /// What is left, in credits.
    pub available: i64,
}

pub(super) async fn standing(connection: &mut PgConnection) -> Result<Standing, StoreError> {
    let counts = sqlx::query!(
        r#"select (select count(*) from parked where done_at is null) as "parked!",
                  (select count(*) from parked
                    where done_at is null and envelope->>'routing_key' = $1) as "parked_imported!",
                  (select count(*) from account where total - held - consumed < 0) as "over_limit!",
                  (select count(*) from project where ticket is not null) as "waiting!""#,
        IMPORT_ROUTING_KEY,
    )
    .fetch_one(&mut *connection)
    .await?;
    let parked_for = sqlx::query_as!(
        ParkedGroup,
        r#"select reason, waits_for, count(*) as "messages!", min(detail) as "detail!"
             from parked where done_at is null
            group by reason, waits_for order by count(*) desc, reason, waits_for limit $1"#,
        ROWS_MAX,
    )
    .fetch_all(&mut *connection)
    .await?;
    let over_limit_accounts = sqlx::query_as!(
        OverLimit,
        r#"select account_id, total, held, consumed, total - held - consumed as "available!"
             from account where total - held - consumed < 0
            order by total - held - consumed, account_id limit $1"#,
        ROWS_MAX,
    )
    .fetch_all(&mut *connection)
    .await?;
    let waiting_accounts = sqlx::query_as!(
        Waiting,
        r#"select account_id, queued_projects as projects, queued_credits as credits,
                  total - held - consumed as "available!"
             from account where queued_projects > 0 order by queued_credits desc, account_id limit $1"#,
        ROWS_MAX,
    )
    .fetch_all(connection)
    .await?;
    Ok(Standing {
        parked: counts.parked,
        parked_imported: counts.parked_imported,
        parked_for,
        over_limit: counts.over_limit,
        over_limit_accounts,
        waiting: counts.waiting,
        waiting_accounts,
    })
}

impl Snapshot {
    /// How things stand.
    pub async fn standing(&mut self) -> Result<Standing, StoreError> {
        standing(self.connection()).await
    }
}

impl Store {
    /// How things stand.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let standing = standing(&mut snapshot).await?;
        snapshot.rollback().await?;
        Ok(standing)
    }
}
