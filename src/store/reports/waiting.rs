//! Whose credits are waited for, and what people call accounts: for who looks at all of the ledger.

use std::collections::HashMap;

use super::super::{Snapshot, StoreError};

/// As many of a pool's accounts are told beneath it.
const MEMBERS_MAX: i64 = 3;

/// Queues in which something waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingQueues {
    /// Those in which most credits are waited for first.
    pub queues: Vec<WaitingQueue>,
    /// How many there are in all.
    pub all: i64,
}

/// A queue in which something waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingQueue {
    /// Whose: an account, or a pool.
    pub account_id: String,
    /// How many projects wait in it.
    pub projects: i64,
    /// How many credits they want beyond what they hold.
    pub credits: i64,
    /// Of a pool: whose projects they are, the accounts first that want most.
    pub members: Vec<WaitingMember>,
    /// How many such accounts there are besides.
    pub members_more: i64,
}

/// An account whose projects wait in its pool's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingMember {
    /// Which.
    pub account_id: String,
    /// How many of its projects wait.
    pub projects: i64,
    /// How many credits they want beyond what they hold.
    pub credits: i64,
}

impl Snapshot {
    /// The queues in which most is waited for, `limit` of them, with a pool's members beneath it.
    pub async fn longest_queues(&mut self, limit: i64) -> Result<WaitingQueues, StoreError> {
        let rows = sqlx::query!(
            r#"select account_id, queued_projects as projects, queued_credits as credits, count(*) over () as "all!"
                 from account where queued_projects > 0 and kind <> 'integrated'
                order by queued_credits desc, account_id limit $1"#,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let mut found =
            WaitingQueues { all: rows.first().map_or(0, |row| row.all), ..WaitingQueues::default() };
        found.queues.extend(rows.into_iter().map(|row| WaitingQueue {
            account_id: row.account_id,
            projects: row.projects,
            credits: row.credits,
            members: Vec::new(),
            members_more: 0,
        }));
        let pools: Vec<_> = found.queues.iter().map(|queue| queue.account_id.clone()).collect();
        let members = sqlx::query!(
            r#"select pool as "pool!", account_id as "account_id!", projects as "projects!", credits as "credits!",
                      "all" as "all!"
                 from (select 'pool:' || organization_id as pool, account_id, queued_projects as projects,
                              queued_credits as credits,
                              row_number() over (partition by organization_id
                                                 order by queued_credits desc, account_id) as place,
                              count(*) over (partition by organization_id) as "all"
                         from account
                        where queued_projects > 0 and kind = 'integrated'
                          and 'pool:' || organization_id = any($1)) member
                where place <= $2 order by pool, place"#,
            &pools,
            MEMBERS_MAX,
        )
        .fetch_all(self.connection())
        .await?;
        for row in members {
            let Some(queue) = found.queues.iter_mut().find(|queue| queue.account_id == row.pool) else {
                continue;
            };
            queue.members_more = (row.all - MEMBERS_MAX).max(0);
            queue.members.push(WaitingMember {
                account_id: row.account_id,
                projects: row.projects,
                credits: row.credits,
            });
        }
        Ok(found)
    }

    /// What people call these accounts, a pool by its organization's name, as far as they call them anything.
    pub async fn names(&mut self, accounts: &[String]) -> Result<HashMap<String, String>, StoreError> {
        let rows = sqlx::query!(
            r#"select account.account_id as "account_id!", coalesce(account.name, organization.name) as "name!"
                 from account
                 left join organization
                        on account.kind = 'pool' and organization.organization_id = account.organization_id
                where account.account_id = any($1) and coalesce(account.name, organization.name) is not null"#,
            accounts,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(|row| (row.account_id, row.name)).collect())
    }
}
