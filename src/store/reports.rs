//! What people ask: accounts, organizations, projects, and what became of a message.
//! Read-only. Members are named as `--json` shows them.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::parked_desk::{ParkedColumns, ParkedSummary};
use super::rows::Table;
use super::{LogLine, Store, StoreError};
use crate::ledger::alert::Raised;
use crate::ledger::balance::Queued;
use crate::ledger::credits::Credits;
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;

/// No more than so many parked messages are told of one key.
const PARKED_MAX: i64 = 100;

/// An account as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct AccountRow {
    /// Its id.
    pub account_id: String,
    /// Where its credits come from.
    pub kind: String,
    /// Its organization, if it belongs to one.
    pub organization_id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// What finalizing does.
    pub mode: String,
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
    /// What waits for its credits.
    pub queued: Queued,
    /// The alert rules that are raised.
    pub alerts: Vec<Raised>,
}

/// An organization as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct OrganizationRow {
    /// Its id.
    pub organization_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its admin.
    pub contact: Option<String>,
    /// Its pool.
    pub pool: Option<AccountRow>,
    /// Its accounts, the pool apart.
    pub accounts: Vec<AccountRow>,
}

/// A project as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectRow {
    /// Its id.
    pub project_id: String,
    /// Whose it is.
    pub account_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its status, in the upstream's vocabulary.
    pub status: Option<String>,
    /// Its price in credits, where known.
    pub credits: Option<i64>,
    /// What it holds, in credits.
    pub held: i64,
    /// What it used up, in credits.
    pub consumed: i64,
    /// Where it stands: `none, unpriced, held, queued, rejected, released, captured`.
    pub state: String,
    /// What it wants held in all, in credits.
    pub wanted: i64,
    /// Since when it waits for credits, if it does.
    pub waiting_since: Option<Timestamp>,
}

/// Which projects to list.
#[derive(Clone, Debug, Default)]
pub struct ProjectFilter {
    /// Of this account.
    pub account: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Only those that wait for credits.
    pub waiting: bool,
    /// At most so many.
    pub limit: i64,
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct MessageFate {
    /// Its type, where that could be read.
    pub message_type: Option<String>,
    /// `applied`, `stale`, `rejected` or `parked`.
    pub outcome: String,
    /// Why, for programs.
    pub reason: Option<String>,
    /// Why, for people.
    pub detail: Option<String>,
    /// When it came first.
    pub received_at: Timestamp,
    /// How often it came.
    pub deliveries: i64,
    /// How often other data came under its key.
    pub conflicts: i64,
    /// What it brought about: entries and notices, in order, as far as they are left.
    pub log: Vec<LogLine>,
    /// Where it is or was parked, and what else came under its key and is; oldest first.
    pub parked: Vec<ParkedSummary>,
    /// How many notices of it retention has removed.
    pub notices_removed: i64,
}

struct AccountColumns {
    account_id: String,
    kind: String,
    organization_id: Option<String>,
    name: Option<String>,
    mode: String,
    total: i64,
    held: i64,
    consumed: i64,
    queued_projects: i64,
    queued_credits: i64,
    raised: Value,
}

impl TryFrom<AccountColumns> for AccountRow {
    type Error = StoreError;
    fn try_from(row: AccountColumns) -> Result<Self, StoreError> {
        let available = row.total - row.held - row.consumed;
        Ok(Self {
            // A standalone account belongs to nobody, whatever was named for it.
            organization_id: row.organization_id.filter(|_| row.kind != "standalone"),
            account_id: row.account_id,
            kind: row.kind,
            name: row.name,
            mode: row.mode,
            total: row.total,
            held: row.held,
            consumed: row.consumed,
            available,
            over_limit: available < 0,
            queued: Queued { projects: row.queued_projects, credits: Credits(row.queued_credits) },
            alerts: Table("account").json("raised", row.raised)?,
        })
    }
}

struct ProjectColumns {
    project_id: String,
    account_id: String,
    name: Option<String>,
    status: Option<String>,
    price_credits: Option<i64>,
    held: i64,
    consumed: i64,
    state: String,
    wanted: i64,
    waiting_since: Option<OffsetDateTime>,
}

impl From<ProjectColumns> for ProjectRow {
    fn from(row: ProjectColumns) -> Self {
        Self {
            project_id: row.project_id,
            account_id: row.account_id,
            name: row.name,
            status: row.status,
            credits: row.price_credits,
            held: row.held,
            consumed: row.consumed,
            state: row.state,
            wanted: row.wanted,
            waiting_since: row.waiting_since.map(Timestamp::cut),
        }
    }
}

impl Store {
    /// All accounts, or one, in the order of their ids.
    pub async fn accounts(&self, only: Option<&str>) -> Result<Vec<AccountRow>, StoreError> {
        let rows = sqlx::query_as!(
            AccountColumns,
            "select account_id, kind, organization_id, name, mode, total, held, consumed, queued_projects,
                    queued_credits, raised
               from account where $1::text is null or account_id = $1 order by account_id",
            only,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// All organizations with their accounts, or one, in the order of their ids.
    pub async fn organizations(&self, only: Option<&str>) -> Result<Vec<OrganizationRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let organizations = sqlx::query!(
            "select organization_id, name, contact from organization
              where $1::text is null or organization_id = $1 order by organization_id",
            only,
        )
        .fetch_all(&mut *snapshot)
        .await?;
        let accounts = sqlx::query_as!(
            AccountColumns,
            "select account_id, kind, organization_id, name, mode, total, held, consumed, queued_projects,
                    queued_credits, raised
               from account
              where kind <> 'standalone' and organization_id is not null
                and ($1::text is null or organization_id = $1)
              order by account_id",
            only,
        )
        .fetch_all(&mut *snapshot)
        .await?;
        snapshot.rollback().await?;
        let mut rows: Vec<_> = organizations
            .into_iter()
            .map(|row| OrganizationRow {
                organization_id: row.organization_id,
                name: row.name,
                contact: row.contact,
                pool: None,
                accounts: Vec::new(),
            })
            .collect();
        for account in accounts {
            let account = AccountRow::try_from(account)?;
            let place = rows.binary_search_by(|row| {
                Some(row.organization_id.as_str()).cmp(&account.organization_id.as_deref())
            });
            // An account may name an organization that is not known yet.
            let Ok(place) = place else { continue };
            match account.kind.as_str() {
                "pool" => rows[place].pool = Some(account),
                _ => rows[place].accounts.push(account),
            }
        }
        Ok(rows)
    }

    /// Projects: those that wait first, by their place, then by id.
    pub async fn projects(&self, filter: &ProjectFilter) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = sqlx::query_as!(
            ProjectColumns,
            "select project_id, account_id, name, status, price_credits, held, consumed, state, wanted,
                    waiting_since
               from project
              where ($1::text is null or account_id = $1) and ($2::text is null or state = $2)
                and (not $3::boolean or ticket is not null)
              order by ticket nulls last, project_id limit $4",
            filter.account,
            filter.state,
            filter.waiting,
            filter.limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// One project.
    pub async fn project(&self, id: &str) -> Result<Option<ProjectRow>, StoreError> {
        let row = sqlx::query_as!(
            ProjectColumns,
            "select project_id, account_id, name, status, price_credits, held, consumed, state, wanted,
                    waiting_since
               from project where project_id = $1",
            id,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Into::into))
    }

    /// What became of the message `id` of `source`; `None` where nothing is known of it.
    pub async fn message_fate(&self, source: &str, id: &str) -> Result<Option<MessageFate>, StoreError> {
        let row = sqlx::query!(
            "select type, outcome, reason, detail, received_at, deliveries, conflicts, log_first, log_last
               from inbox where source = $1 and id = $2",
            source,
            id,
        )
        .fetch_optional(&self.pool)
        .await?;
        let parked = self.parked_under(source, id).await?;
        let Some(row) = row else { return Ok(undecoded_fate(parked)) };
        let (log, numbers) = match (row.log_first, row.log_last) {
            (Some(first), Some(last)) => {
                (self.log_between(LogNumber(first), LogNumber(last)).await?, last - first + 1)
            }
            _ => (Vec::new(), 0),
        };
        let lines = i64::try_from(log.len()).unwrap_or(i64::MAX);
        Ok(Some(MessageFate {
            message_type: Some(row.r#type),
            outcome: row.outcome,
            reason: row.reason,
            detail: row.detail,
            received_at: Timestamp::cut(row.received_at),
            deliveries: row.deliveries,
            conflicts: row.conflicts,
            log,
            parked,
            notices_removed: numbers - lines,
        }))
    }

    /// What is or was parked under a message's key.
    async fn parked_under(&self, source: &str, id: &str) -> Result<Vec<ParkedSummary>, StoreError> {
        let rows = sqlx::query_as!(
            ParkedColumns,
            "select parked_id, reason, detail, source, message_id, type, waits_for, due, deliveries, received_at,
                    done_at, done_outcome, discarded_at, actor, note
               from parked where source = $1 and message_id = $2 order by parked_id limit $3",
            source,
            id,
            PARKED_MAX,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

/// A message that could not be decoded has no inbox row, but its key may have been readable.
fn undecoded_fate(parked: Vec<ParkedSummary>) -> Option<MessageFate> {
    let first = parked.first()?;
    Some(MessageFate {
        notices_removed: 0,
        message_type: first.message_type.clone(),
        outcome: "parked".to_owned(),
        reason: Some(first.reason.clone()),
        detail: Some(first.detail.clone()),
        received_at: first.received_at,
        deliveries: parked.iter().map(|row| row.deliveries).sum(),
        conflicts: 0,
        log: Vec::new(),
        parked,
    })
}
