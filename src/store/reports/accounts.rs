//! Accounts and organizations as they stand.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::super::rows::Table;
use super::super::{Snapshot, StoreError};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::Raised;
use crate::ledger::balance::Queued;
use crate::ledger::credits::Credits;
use crate::ledger::notice::ShownBalance;

/// An account as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Account")]
pub struct AccountRow {
    /// Its id.
    pub account_id: String,
    /// Where its credits come from.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// Its organization, if it belongs to one.
    pub organization_id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// Its account manager; of a pool, its organization's admin.
    pub contact: Option<String>,
    /// What finalizing does.
    #[schemars(with = "Mode")]
    pub mode: String,
    /// What becomes of a claim that doesn't fit: as said, else as follows from the mode.
    #[schemars(with = "OnInsufficient")]
    pub on_insufficient: String,
    /// How far below zero it may go where that is `overdraw`, in credits.
    pub overdraft_limit: i64,
    /// Whether it takes no new holds any more.
    pub closed: bool,
    /// A plan of its own, in credits; counts unless the account is integrated.
    pub capacity: i64,
    /// Its share of the pool, in credits; counts where the account is integrated.
    pub allocation: i64,
    /// How much of `total` is the plan: the one of both that counts, in credits.
    pub plan: i64,
    /// All that may be used at a time, in credits.
    pub total: i64,
    /// Tied up by projects, in credits.
    pub held: i64,
    /// Used up, in credits.
    pub consumed: i64,
    /// What is left, in credits; below zero the account is over limit.
    pub available: i64,
    /// Whether it is.
    pub over_limit: bool,
    /// What an integrated account may still use now, in credits: what its allocation and its pool both leave.
    pub max_usable: Option<i64>,
    /// What a pool's integrated accounts may use at a time together, in credits.
    pub promised: Option<i64>,
    /// Whether that is more than the pool has.
    pub overcommitted: Option<bool>,
    /// What waits for its credits.
    pub queued: Queued,
    /// How many of its grants with a term are not over.
    pub open_grants: i64,
    /// How many of its projects hold credits in a status for longer than that one's limit.
    pub stale_holds: i64,
    /// The alert rules that are raised.
    pub alerts: Vec<Raised>,
    /// The numbers last given to its events: where who follows them begins.
    pub sequences: SequencesRow,
}

/// The `sequence` that each kind of an account's events has come to; 0 where there was none.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Sequences")]
pub struct SequencesRow {
    /// Of `credits.balance_changed`: the number of its entries.
    pub balance_changed: i64,
    /// Of `credits.alert`.
    pub alert: i64,
    /// Of `credits.hold`.
    pub hold: i64,
    /// Of `credits.transfer_rejected`.
    pub transfer_rejected: i64,
}

/// Which accounts to list.
#[derive(Clone, Debug)]
pub struct AccountFilter {
    /// Only this one.
    pub only: Option<String>,
    /// Only those of these organizations, their pools among them.
    pub organizations: Option<Vec<String>>,
    /// Only those that belong to none.
    pub standalone: bool,
    /// Only pools.
    pub pools: bool,
    /// None of the pools.
    pub members: bool,
    /// Only those after this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: i64,
}

impl Default for AccountFilter {
    fn default() -> Self {
        Self {
            only: None,
            organizations: None,
            standalone: false,
            pools: false,
            members: false,
            after: None,
            limit: i64::MAX,
        }
    }
}

impl AccountRow {
    /// How low `available` may go by a hold or by a command, in credits.
    pub fn floor(&self) -> i64 {
        let may_overdraw = self.kind != "pool" && self.on_insufficient == "overdraw";
        if may_overdraw { -self.overdraft_limit } else { 0 }
    }

    /// Its credits.
    pub fn balance(&self) -> ShownBalance {
        let [total, held, consumed, available] =
            [self.total, self.held, self.consumed, self.available].map(Credits);
        ShownBalance { total, held, consumed, available }
    }

    /// Whether the pool leaves an integrated account less than its allocation does.
    pub fn pool_is_tighter(&self) -> bool {
        self.max_usable.is_some_and(|usable| usable < self.available.max(0))
    }
}

/// An organization as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Organization")]
pub struct OrganizationRow {
    /// Its id.
    pub organization_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its admin.
    pub contact: Option<String>,
    /// Its pool.
    pub pool: Option<AccountRow>,
    /// How many accounts it has, the pool apart.
    pub accounts_in_all: i64,
    /// The first of them, in the order of their ids.
    pub accounts: Vec<AccountRow>,
    /// The last of those, where more follow: `/v1/accounts?organization=` with it as `after` has the next ones, and
    /// the pool too where its id comes later.
    pub next: Option<String>,
}

/// An organization in short.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OrganizationSummary {
    /// Its id.
    pub organization_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its admin.
    pub contact: Option<String>,
    /// Its pool.
    pub pool: Option<AccountRow>,
    /// How many accounts it has, the pool apart.
    pub accounts: i64,
}

struct AccountColumns {
    account_id: String,
    kind: String,
    organization_id: Option<String>,
    name: Option<String>,
    contact: Option<String>,
    mode: String,
    on_insufficient: String,
    overdraft_limit: i64,
    closed: bool,
    capacity: i64,
    allocation: i64,
    plan: i64,
    total: i64,
    held: i64,
    consumed: i64,
    promised: i64,
    pool_available: Option<i64>,
    queued_projects: i64,
    queued_credits: i64,
    open_grants: i64,
    stale_holds: i64,
    raised: Value,
    entries: i64,
    alerts: i64,
    holds: i64,
    transfers_rejected: i64,
}

impl TryFrom<AccountColumns> for AccountRow {
    type Error = StoreError;
    fn try_from(row: AccountColumns) -> Result<Self, StoreError> {
        let available = row.total - row.held - row.consumed;
        let is_pool = row.kind == "pool";
        Ok(Self {
            // A standalone account belongs to nobody, whatever was named for it.
            organization_id: row.organization_id.filter(|_| row.kind != "standalone"),
            account_id: row.account_id,
            kind: row.kind,
            name: row.name,
            contact: row.contact,
            mode: row.mode,
            on_insufficient: row.on_insufficient,
            overdraft_limit: row.overdraft_limit,
            closed: row.closed,
            capacity: row.capacity,
            allocation: row.allocation,
            plan: row.plan,
            total: row.total,
            held: row.held,
            consumed: row.consumed,
            available,
            over_limit: available < 0,
            max_usable: row.pool_available.map(|pool| available.min(pool).max(0)),
            promised: is_pool.then_some(row.promised),
            overcommitted: is_pool.then_some(row.promised > row.total.max(0)),
            queued: Queued { projects: row.queued_projects, credits: Credits(row.queued_credits) },
            open_grants: row.open_grants,
            stale_holds: row.stale_holds,
            alerts: Table("account").json("raised", row.raised)?,
            sequences: SequencesRow {
                balance_changed: row.entries,
                alert: row.alerts,
                hold: row.holds,
                transfer_rejected: row.transfers_rejected,
            },
        })
    }
}

impl Snapshot {
    /// Accounts, in the order of their ids.
    pub async fn accounts(&mut self, filter: &AccountFilter) -> Result<Vec<AccountRow>, StoreError> {
        let rows = sqlx::query_as!(
            AccountColumns,
            r#"select account.account_id, account.kind, account.organization_id, account.name,
                      case when account.kind = 'pool' then organization.contact else account.contact end
                          as contact,
                      account.mode,
                      coalesce(account.on_insufficient,
                               case account.mode when 'recycle' then 'queue' else 'reject' end)
                          as "on_insufficient!",
                      account.overdraft_limit, account.closed, account.capacity, account.allocation,
                      account.plan, account.total, account.held, account.consumed, account.promised,
                      pool.total - pool.held - pool.consumed as pool_available,
                      account.queued_projects, account.queued_credits, account.open_grants,
                      account.stale_holds, account.raised, account.entries, account.alerts, account.holds,
                      account.transfers_rejected
                 from account
                 left join account pool on account.kind = 'integrated'
                                       and pool.account_id = 'pool:' || account.organization_id
                 left join organization on account.kind = 'pool'
                                       and organization.organization_id = account.organization_id
                where ($1::text is null or account.account_id = $1)
                  and ($2::text[] is null or (account.organization_id = any($2) and account.kind <> 'standalone'))
                  and (not $3::boolean or account.kind = 'standalone')
                  and (not $4::boolean or account.kind = 'pool')
                  and (not $5::boolean or account.kind <> 'pool')
                  and ($6::text is null or account.account_id > $6)
                order by account.account_id limit $7"#,
            filter.only,
            filter.organizations.as_deref(),
            filter.standalone,
            filter.pools,
            filter.members,
            filter.after,
            filter.limit,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// One account.
    pub async fn account(&mut self, id: &str) -> Result<Option<AccountRow>, StoreError> {
        let only = AccountFilter { only: Some(id.to_owned()), ..AccountFilter::default() };
        Ok(self.accounts(&only).await?.pop())
    }

    /// One organization with the first `limit` of its accounts.
    pub async fn organization(
        &mut self,
        id: &str,
        limit: i64,
    ) -> Result<Option<OrganizationRow>, StoreError> {
        let Some(found) = self.organization_summaries(Some(id), None, 1).await?.pop() else {
            return Ok(None);
        };
        let members = AccountFilter {
            organizations: Some(vec![id.to_owned()]),
            members: true,
            limit,
            ..AccountFilter::default()
        };
        let accounts = self.accounts(&members).await?;
        let more_follow = i64::try_from(accounts.len()).is_ok_and(|told| told < found.accounts);
        let OrganizationSummary { organization_id, name, contact, pool, accounts: accounts_in_all } = found;
        let next = accounts.last().filter(|_| more_follow).map(|account| account.account_id.clone());
        Ok(Some(OrganizationRow { organization_id, name, contact, pool, accounts_in_all, accounts, next }))
    }

    /// Organizations in short, in the order of their ids: `limit` at most, those after `after`; or one. Accounts are
    /// counted and not read, however many there are.
    pub async fn organization_summaries(
        &mut self,
        only: Option<&str>,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<OrganizationSummary>, StoreError> {
        let rows = sqlx::query!(
            r#"select organization_id, name, contact,
                      (select count(*) from account
                        where account.organization_id = organization.organization_id
                          and kind not in ('standalone', 'pool')) as "accounts!"
                 from organization
                where ($1::text is null or organization_id = $1) and ($2::text is null or organization_id > $2)
                order by organization_id limit $3"#,
            only,
            after,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let ids = rows.iter().map(|row| row.organization_id.clone()).collect();
        let their_pools = AccountFilter { organizations: Some(ids), pools: true, ..AccountFilter::default() };
        let mut pools = self.accounts(&their_pools).await?;
        let summaries = rows.into_iter().map(|row| {
            let is_its = |pool: &AccountRow| pool.organization_id.as_ref() == Some(&row.organization_id);
            let pool = pools.iter().position(is_its).map(|place| pools.swap_remove(place));
            let (organization_id, name, contact) = (row.organization_id, row.name, row.contact);
            OrganizationSummary { organization_id, name, contact, pool, accounts: row.accounts }
        });
        Ok(summaries.collect())
    }
}
