//! The figures that are scraped: a few sums over the whole ledger, as of one moment. They are read every few
//! seconds for as long as the daemon lives, so none may touch what grows without end: they read accounts, and
//! through an index the projects that wait and the messages that are parked.

use sqlx::PgConnection;

use super::{Store, StoreError};
use crate::vitals::metrics::{
    ConnectionFigures, CreditsFigures, LedgerFigures, NO_ORGANIZATION, ORGANIZATIONS_MAX, OTHER_ORGANIZATIONS,
};

impl Store {
    /// What the ledger comes to now.
    pub async fn figures(&self) -> Result<LedgerFigures, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let (credits, accounts) = credits(&mut snapshot).await?;
        let parked = sqlx::query!(
            r#"select reason, count(*) as "messages!" from parked where done_at is null group by reason"#
        );
        let parked = parked.fetch_all(&mut *snapshot).await?;
        let alerts = sqlx::query!(
            r#"select rule->>'severity' as "severity!", count(*) as "raised!"
                 from account cross join jsonb_array_elements(raised) as rule
                where raised <> '[]' group by 1"#
        );
        let alerts = alerts.fetch_all(&mut *snapshot).await?;
        let waiting =
            sqlx::query_scalar!(r#"select count(*) as "waiting!" from project where ticket is not null"#);
        let projects_waiting = waiting.fetch_one(&mut *snapshot).await?;
        let relay = sqlx::query!(
            r#"select ledger.log_last - relay.published as "unpublished!",
                      extract(epoch from now() - coalesce(
                          (select at from entry where log_number = relay.published + 1),
                          (select at from notice where log_number = relay.published + 1)))::float8 as oldest_s
                 from relay cross join ledger"#
        );
        let relay = relay.fetch_one(&mut *snapshot).await?;
        snapshot.rollback().await?;
        Ok(LedgerFigures {
            parked: parked.into_iter().map(|row| (row.reason, row.messages)).collect(),
            alerts: alerts.into_iter().map(|row| (row.severity, row.raised)).collect(),
            credits,
            accounts,
            projects_waiting,
            events_unpublished: relay.unpublished,
            // The log's times are the daemons', whose clocks may be ahead of the database's.
            oldest_unpublished_s: relay.oldest_s.unwrap_or(0.0).max(0.0),
        })
    }

    /// The connections that this process has, as its pool knows them.
    pub fn connections(&self) -> ConnectionFigures {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        // The two are not counted at one moment.
        let in_use = self.pool.size().saturating_sub(idle);
        ConnectionFigures { in_use, idle, max: self.pool.options().get_max_connections() }
    }
}

/// The credits by organization and kind, the smaller organizations together, and how many accounts of each kind
/// there are. Integrated accounts draw on their pool, so their credits are the pool's.
async fn credits(
    snapshot: &mut PgConnection,
) -> Result<(Vec<CreditsFigures>, Vec<(String, i64)>), StoreError> {
    let rows = sqlx::query!(
        r#"with owned as (
               select case when kind <> 'standalone' then organization_id end as organization_id, kind,
                      sum(total) as total, sum(held) as held, sum(consumed) as consumed, count(*) as accounts
                 from account group by 1, 2),
           largest as (
               select organization_id from owned where organization_id is not null and kind <> 'integrated'
                group by 1 order by sum(total) desc, 1 limit $1)
           select kind as "kind!",
                  case when owned.organization_id is null then $2
                       when largest.organization_id is null then $3
                       else owned.organization_id end as "organization!",
                  sum(held)::float8 as "held!", sum(consumed)::float8 as "consumed!",
                  sum(total - held - consumed)::float8 as "available!", sum(accounts)::bigint as "accounts!"
             from owned left join largest using (organization_id)
            group by 1, 2"#,
        ORGANIZATIONS_MAX,
        NO_ORGANIZATION,
        OTHER_ORGANIZATIONS,
    )
    .fetch_all(snapshot)
    .await?;
    let mut credits = Vec::with_capacity(rows.len());
    let mut accounts: Vec<(String, i64)> = Vec::new();
    for row in rows {
        match accounts.iter_mut().find(|(kind, _)| *kind == row.kind) {
            Some((_, count)) => *count += row.accounts,
            None => accounts.push((row.kind.clone(), row.accounts)),
        }
        if row.kind != "integrated" {
            let (held, consumed, available) = (row.held, row.consumed, row.available);
            credits.push(CreditsFigures {
                organization: row.organization,
                kind: row.kind,
                held,
                consumed,
                available,
            });
        }
    }
    Ok((credits, accounts))
}
