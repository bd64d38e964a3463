//! What people ask: accounts, organizations, projects, prices, grants, alerts, and what became of a
//! message. Read-only. Members are named as `--json` shows them.

mod accounts;
mod alerts;
mod grants;
mod holds;
mod prices;
mod waiting;

pub use accounts::{AccountFilter, AccountRow, OrganizationRow, OrganizationSummary};
pub use alerts::{AlertCounts, RaisedFilter, RaisedRow, RulesOf, RulesRow};
pub use grants::GrantRow;
pub use holds::InUse;
pub use prices::PriceListRow;
pub use waiting::{WaitingMember, WaitingQueue, WaitingQueues};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::parked_desk::{ParkedColumns, ParkedSummary};
use super::{LogLine, Snapshot, Store, StoreError};
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;
use crate::ledger::project::State;

/// No more than so many parked messages are told of one key.
const PARKED_MAX: i64 = 100;

/// A project as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Project")]
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
    #[schemars(with = "State")]
    pub state: String,
    /// What it wants held in all, in credits.
    pub wanted: i64,
    /// Since when it waits for credits, if it does.
    pub waiting_since: Option<Timestamp>,
    /// Since when it is in its status.
    pub status_since: Option<Timestamp>,
    /// Since when it holds credits in its status for longer than that one's limit, if it does.
    pub stale_since: Option<Timestamp>,
}

/// Which projects to list.
#[derive(Clone, Debug, Default)]
pub struct ProjectFilter {
    /// Of this account.
    pub account: Option<String>,
    /// Of this organization's accounts.
    pub organization: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Only those that wait for credits.
    pub waiting: bool,
    /// Only those after this id.
    pub after: Option<String>,
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
    /// What it said, where it is a command or one of the ledger's own.
    pub fact: Option<Value>,
    /// Who gave the command, if it is one.
    pub actor: Option<String>,
    /// Why, where that was said.
    pub note: Option<String>,
    /// What it brought about: entries and notices, in order, as far as they are left.
    pub log: Vec<LogLine>,
    /// Where it is or was parked, and what else came under its key and is; oldest first.
    pub parked: Vec<ParkedSummary>,
    /// How many notices of it retention has removed.
    pub notices_removed: i64,
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
    status_since: Option<OffsetDateTime>,
    stale_since: Option<OffsetDateTime>,
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
            status_since: row.status_since.map(Timestamp::cut),
            stale_since: row.stale_since.map(Timestamp::cut),
        }
    }
}

/// Reads projects that meet a condition.
macro_rules! projects {
    ($condition:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ProjectColumns,
            "select project_id, account_id, name, status, price_credits, held, consumed, state, wanted,
                    waiting_since, status_since, stale_since
               from project " + $condition
            $(, $argument)*
        )
    };
}
use projects;

impl Snapshot {
    /// Projects: those that wait first, by their place, then by id.
    pub async fn projects(&mut self, filter: &ProjectFilter) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = projects!(
            "where ($1::text is null or account_id = $1) and ($2::text is null or state = $2)
                and (not $3::boolean or ticket is not null)
              order by ticket nulls last, project_id limit $4",
            filter.account,
            filter.state,
            filter.waiting,
            filter.limit,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// A page of projects, in the order of their ids.
    pub async fn projects_by_id(&mut self, filter: &ProjectFilter) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = projects!(
            "where ($1::text is null or account_id = $1) and ($2::text is null or state = $2)
                and (not $3::boolean or ticket is not null)
                and ($4::text is null or account_id in (select account.account_id from account
                                                         where account.organization_id = $4
                                                           and account.kind <> 'standalone'))
                and ($5::text is null or project_id > $5)
              order by project_id limit $6",
            filter.account,
            filter.state,
            filter.waiting,
            filter.organization,
            filter.after,
            filter.limit,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// One project.
    pub async fn project(&mut self, id: &str) -> Result<Option<ProjectRow>, StoreError> {
        let row = projects!("where project_id = $1", id,).fetch_optional(self.connection()).await?;
        Ok(row.map(Into::into))
    }
}

impl Store {
    /// What became of the message `id` of `source`; `None` where nothing is known of it.
    pub async fn message_fate(&self, source: &str, id: &str) -> Result<Option<MessageFate>, StoreError> {
        let row = sqlx::query!(
            "select type, outcome, reason, detail, received_at, deliveries, conflicts, log_first, log_last, fact,
                    actor, note
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
            fact: row.fact,
            actor: row.actor,
            note: row.note,
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
        fact: None,
        actor: None,
        note: None,
        log: Vec::new(),
        parked,
    })
}
