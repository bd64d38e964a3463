//! Grants with a term.

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::super::{Snapshot, StoreError};
use crate::ledger::moment::Timestamp;

/// A grant with a term, as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
pub struct GrantRow {
    /// The log number of its entry.
    pub grant: i64,
    /// Whose credits.
    pub account_id: String,
    /// How many were granted.
    pub credits: i64,
    /// What of them was not used up.
    pub credits_left: i64,
    /// When they were granted.
    pub granted_at: Timestamp,
    /// When what is left expires, or did.
    pub expires_at: Timestamp,
    /// Whether it is about to expire, and that was told.
    pub expiring: bool,
    /// Whether it is over: used up, or expired.
    pub closed: bool,
    /// Why it was given.
    pub reason: Option<String>,
    /// By whom.
    pub actor: Option<String>,
}

struct GrantColumns {
    log_number: i64,
    account_id: String,
    credits: i64,
    credits_left: i64,
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
    warned: bool,
    closed: bool,
    reason: Option<String>,
    actor: Option<String>,
}

impl From<GrantColumns> for GrantRow {
    fn from(row: GrantColumns) -> Self {
        Self {
            grant: row.log_number,
            account_id: row.account_id,
            credits: row.credits,
            credits_left: row.credits_left,
            granted_at: Timestamp::cut(row.at),
            expires_at: Timestamp::cut(row.expires_at),
            expiring: row.warned && !row.closed,
            closed: row.closed,
            reason: row.reason,
            actor: row.actor,
        }
    }
}

impl Snapshot {
    /// Grants with a term, of all accounts or of one, soonest expiry first; those that are over only with
    /// `also_closed`. `limit` at most, those after the grant of the number `after`: none where that is none of these
    /// accounts', so that its place tells nobody when it expires.
    pub async fn grants(
        &mut self,
        account: Option<&str>,
        also_closed: bool,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Vec<GrantRow>, StoreError> {
        let rows = sqlx::query_as!(
            GrantColumns,
            "select credit_grant.log_number, credit_grant.account_id, credit_grant.credits, credits_left,
                    entry.at, expires_at, warned, closed, entry.reason, entry.actor
               from credit_grant join entry using (log_number)
              where ($1::text is null or credit_grant.account_id = $1) and ($2::boolean or not closed)
                and ($3::bigint is null
                     or (expires_at, credit_grant.log_number) >
                        (select last.expires_at, last.log_number from credit_grant last
                          where last.log_number = $3 and ($1::text is null or last.account_id = $1)))
              order by expires_at, credit_grant.log_number limit $4",
            account,
            also_closed,
            after,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Whether an account has or had a grant with a term of that number.
    pub async fn has_grant(&mut self, account: &str, grant: i64) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"select exists(select from credit_grant where log_number = $1 and account_id = $2) as "found!""#,
            grant,
            account,
        );
        Ok(found.fetch_one(self.connection()).await?)
    }
}
