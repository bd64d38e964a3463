//! What is counted beside balances: what pools have promised, stale holds, grants with a term, charges.

use sqlx::PgConnection;

use super::{FINDINGS_MAX, Finding};
use crate::store::StoreError;

/// What else is counted on an account is there to be counted: what a pool has promised, stale holds, and
/// grants with a term.
pub(super) async fn check_tallies(
    connection: &mut PgConnection,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let wrong = sqlx::query!(
        r#"with promised as (
               select 'pool:' || organization_id as account_id, sum(total)::bigint as credits
                 from account where kind = 'integrated' group by organization_id),
           stale as (
               select chain_account as account_id, count(*) as holds from project
                where stale_since is not null group by chain_account),
           granted as (
               select account_id, count(*) as open, count(*) filter (where warned) as expiring
                 from credit_grant where not closed group by account_id)
           select account.account_id, account.promised, account.stale_holds, account.open_grants,
                  account.expiring_grants, coalesce(promised.credits, 0) as "members_total!",
                  coalesce(stale.holds, 0) as "stale!", coalesce(granted.open, 0) as "open!",
                  coalesce(granted.expiring, 0) as "expiring!"
             from account left join promised using (account_id) left join stale using (account_id)
             left join granted using (account_id)
            where account.promised <> coalesce(promised.credits, 0)
               or account.stale_holds <> coalesce(stale.holds, 0)
               or account.open_grants <> coalesce(granted.open, 0)
               or account.expiring_grants <> coalesce(granted.expiring, 0)
            order by 1 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    for row in wrong {
        let pairs = [
            ("what the pool has promised", row.promised, row.members_total, "its accounts' totals"),
            ("the number of stale holds", row.stale_holds, row.stale, "its projects"),
            ("the number of open grants", row.open_grants, row.open, "its grants"),
            ("the number of expiring grants", row.expiring_grants, row.expiring, "its grants"),
        ];
        for (what, found, counted, who) in pairs.into_iter().filter(|(_, found, counted, _)| found != counted)
        {
            let what = format!("{what} is {found}, {who} say {counted} ({:+})", found - counted);
            findings.push(Finding::about_account(&row.account_id, what));
        }
    }
    Ok(())
}

/// Every grant with a term and every charged asset is one with the entry that it names, and every charge has
/// an asset.
pub(super) async fn check_terms(
    connection: &mut PgConnection,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let wrong = sqlx::query!(
        r#"select named.what as "what!", named.log_number as "log_number!", named.account_id as "account_id!"
             from (select 'grant' as what, log_number, account_id, credits from credit_grant
                   union all
                   select 'charge', log_number, account_id, credits from asset where log_number is not null) named
             left join entry on entry.log_number = named.log_number and entry.account_id = named.account_id
                            and entry.credits = named.credits and entry.kind = named.what
            where entry.log_number is null
            union all
           select 'asset of the charge', entry.log_number, entry.account_id
             from entry left join asset on asset.source = entry.cause_source and asset.id = entry.cause_id
            where entry.kind = 'charge' and asset.id is null
            order by 2 limit $1"#,
        FINDINGS_MAX,
    )
    .fetch_all(connection)
    .await?;
    findings.extend(wrong.into_iter().map(|row| {
        let what = match row.what.as_str() {
            "asset of the charge" => format!("the asset of charge {} is missing", row.log_number),
            what => format!("its {what} {} differs from the entry of that number", row.log_number),
        };
        Finding::about_account(&row.account_id, what)
    }));
    Ok(())
}
