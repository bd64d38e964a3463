//! What is due by the clock: price lists that start, grants that expire or are about to, stale holds.

use std::collections::BTreeMap;

use sqlx::postgres::types::PgInterval;

use super::rows::{GrantRecord, PriceListRecord, ProjectRecord};
use super::{Store, StoreError};
use crate::ledger::grant::Grant;
use crate::ledger::ids::AccountId;
use crate::ledger::moment::Timestamp;
use crate::ledger::own::Own;
use crate::ledger::project::Project;
use crate::ledger::settings::Settings;

/// As many looks at holds are put off at a time; more at the next.
const CHECKS_PUT_OFF_AT_ONCE: i64 = 1_000;

impl Store {
    /// What is due at `now` by `settings`, in the order in which it is to be applied; no more than `limit` of
    /// each kind.
    pub async fn due(&self, settings: &Settings, now: Timestamp, limit: i64) -> Result<Vec<Own>, StoreError> {
        let mut due: Vec<Own> = self.lists_to_start(now, limit).await?.into_iter().collect();
        for grant in self.grants_to_end(now, now + settings.grant_warning, limit).await? {
            due.push(match grant.is_due(now) {
                true => Own::GrantExpired(grant),
                false => Own::GrantWarned(grant),
            });
        }
        due.extend(self.stale_holds(settings, now, limit).await?);
        Ok(due)
    }

    async fn lists_to_start(&self, now: Timestamp, limit: i64) -> Result<Vec<Own>, StoreError> {
        let rows = sqlx::query_as!(
            PriceListRecord,
            "select number, organization_id, arrived_at, starts_at, started, prices, cause_source, cause_id,
                    cause_type, actor
               from price_list where not started and starts_at <= $1 order by starts_at, number limit $2",
            now.to_offset_date_time(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(Own::PricesStarted(row.try_into()?))).collect()
    }

    /// Grants that end until `warned_until` and that something is to be done about: those that are over, and
    /// those that nobody was warned of.
    async fn grants_to_end(
        &self,
        now: Timestamp,
        warned_until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Grant>, StoreError> {
        let rows = sqlx::query_as!(
            GrantRecord,
            r#"select log_number as "log_number!", account_id as "account_id!", credits as "credits!",
                      credits_left as "credits_left!", expires_at as "expires_at!", warned as "warned!",
                      closed as "closed!"
                 from ((select * from credit_grant
                         where not closed and expires_at <= $2 order by expires_at, log_number limit $3)
                       union all
                       (select * from credit_grant
                         where not closed and not warned and expires_at > $2 and expires_at <= $1
                         order by expires_at, log_number limit $3)) due
                order by expires_at, log_number limit $3"#,
            warned_until.to_offset_date_time(),
            now.to_offset_date_time(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Grant::try_from).collect()
    }

    /// Projects that hold credits in a status for longer than its limit, by account.
    async fn stale_holds(
        &self,
        settings: &Settings,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Own>, StoreError> {
        let limited = settings.statuses.iter().filter_map(|rule| {
            let after = settings.stale_after(&rule.status)?;
            Some((rule.status.to_string(), PgInterval { months: 0, days: 0, microseconds: after.0 }))
        });
        let (statuses, after): (Vec<_>, Vec<_>) = limited.unzip();
        self.put_off_checks(&statuses, &after, now).await?;
        let rows = sqlx::query_as!(
            ProjectRecord,
            "select project_id, account_id, project.status, effect, stage, price_said, price_credits,
                    final_credits, name, versions, mode, chain_account, chain_pool, held, consumed, ticket,
                    waiting_since, aside, refused, status_since, stale_since, released_from, unpriced_since
               from project
               join unnest($1::text[], $2::interval[]) limits (status, after)
                    on project.status = limits.status and status_since + limits.after <= $3
              where stale_check_at <= $3 and stale_since is null and held > 0
              order by status_since, project_id limit $4",
            &statuses,
            &after as &[PgInterval],
            now.to_offset_date_time(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut by_account: BTreeMap<AccountId, Vec<Project>> = BTreeMap::new();
        for row in rows {
            let project = Project::try_from(row)?;
            let chain = project.chain.clone().expect("a project that is stored has a chain");
            by_account.entry(chain.account).or_default().push(project);
        }
        Ok(by_account.into_values().map(Own::HoldsStale).collect())
    }
    /// Puts off the look at holds that are not stale yet though it is time to look: their status changed meanwhile,
    /// or has no limit.
    async fn put_off_checks(
        &self,
        statuses: &[String],
        after: &[PgInterval],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Rows that a batch is changing are left to the next look: neither may wait for the other.
        sqlx::query!(
            "update project set stale_check_at = looked_at.again
               from (select project_id, status_since + limits.after as again
                       from project
                       left join unnest($1::text[], $2::interval[]) limits (status, after)
                            on project.status = limits.status
                      where stale_check_at <= $3 and stale_since is null
                        and (status_since + limits.after <= $3) is not true
                      limit $4 for update of project skip locked) looked_at
              where project.project_id = looked_at.project_id",
            statuses,
            after as &[PgInterval],
            now.to_offset_date_time(),
            CHECKS_PUT_OFF_AT_ONCE,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
