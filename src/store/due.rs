//! What is due by the clock: price lists that start, grants that expire or are about to, stale holds.

use std::collections::BTreeMap;

use super::rows::{GrantRecord, PriceListRecord, ProjectRecord};
use super::{Store, StoreError};
use crate::ledger::grant::Grant;
use crate::ledger::ids::AccountId;
use crate::ledger::moment::Timestamp;
use crate::ledger::own::Own;
use crate::ledger::project::Project;
use crate::ledger::settings::Settings;

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

    /// Projects that hold credits in a status for longer than its limit, by account. Asked every second:
    /// status by status, or the planner reads all that holds credits.
    async fn stale_holds(
        &self,
        settings: &Settings,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Own>, StoreError> {
        let limited = settings.statuses.iter().filter_map(|rule| {
            let before = now - settings.stale_after(&rule.status)?;
            Some((rule.status.to_string(), before.to_offset_date_time()))
        });
        let (statuses, before): (Vec<_>, Vec<_>) = limited.unzip();
        let rows = sqlx::query_as!(
            ProjectRecord,
            r#"select due.project_id as "project_id!", due.account_id as "account_id!", due.status, due.effect,
                      due.stage, due.price_said, due.price_credits, due.final_credits, due.name,
                      due.versions as "versions!", due.mode as "mode!", due.chain_account as "chain_account!",
                      due.chain_pool, due.held as "held!", due.consumed as "consumed!", due.ticket,
                      due.waiting_since, due.aside, due.refused, due.status_since, due.stale_since,
                      due.released_from, due.unpriced_since
                 from unnest($1::text[], $2::timestamptz[]) limits (status, before)
                cross join lateral (
                      select * from project
                       where project.status = limits.status and status_since <= limits.before
                         and held > 0 and stale_since is null
                       order by status_since limit $3) due
                order by due.status_since, due.project_id limit $3"#,
            &statuses,
            &before,
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
}
