//! What moved the credits of an account, or of a project, in order.
//!
//! One short snapshot says how things stand, and up to which line of the log. Lines are never changed, so they are
//! read page by page outside of it, however long somebody takes to read them: what is told is one state of the
//! ledger all the same, at constant memory and without a transaction that stays open.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::load;
use super::log::NoticeRecord;
use super::rows::{EntryRecord, Table};
use super::{LogLine, Store, StoreError};
use crate::contract::outbound::StoredNotice;
use crate::ledger::account::{Account, Chain};
use crate::ledger::balance::Balance;
use crate::ledger::books::Shelf;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{Entry, LogNumber};
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Project;

/// How many lines are read at a time.
const PAGE: i64 = 1_000;

/// A stretch of time: from its beginning, where it has one, and up to but not with its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The first point in time that belongs to it.
    pub from: Option<Timestamp>,
    /// The first one after it.
    pub before: Option<Timestamp>,
}

/// A stretch of an account's entries.
#[derive(Clone, Debug)]
pub struct AccountStretch {
    /// The account as it stands.
    pub account: Account,
    /// Its balance before the first entry of the stretch.
    pub opening: Balance,
    /// The sequence of the last entry before the stretch; 0 where there is none.
    pub after: i64,
    /// The sequence of the stretch's last entry; the same as `after` where it has none.
    pub through: i64,
}

/// A project as it stands, and what that follows from.
#[derive(Clone, Debug)]
pub struct ProjectStanding {
    /// The project.
    pub project: Project,
    /// The accounts of its chain, in the order of the chain.
    pub chain: Vec<Account>,
    /// Its place in the queue, from 1, where it waits.
    pub position: Option<i64>,
    /// When it began to hold what it holds, if not all at once: since when it never held nothing.
    pub held_since: Option<Timestamp>,
    /// The last time that it was told to have been refused, where that notice is still kept.
    pub refusal: Option<StoredNotice>,
    /// What became of the messages that its registers were set by, by source and id.
    pub writers: HashMap<(String, String), WriterFate>,
    /// The last line of the log when it stood so.
    pub log_last: LogNumber,
}

/// What became of a message that set a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterFate {
    /// Its type.
    pub message_type: String,
    /// `applied`, `stale`, `rejected` or `parked`.
    pub outcome: String,
    /// Whether it wrote entries or notices.
    pub wrote_log: bool,
}

impl Store {
    /// Where the entries of an account in a stretch of time begin and end; `None` where there is no such account.
    pub async fn account_stretch(
        &self,
        id: &AccountId,
        stretch: Stretch,
    ) -> Result<Option<AccountStretch>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut shelf = Shelf::default();
        load::load_accounts(&mut snapshot, &[id.clone()].into(), &mut shelf).await?;
        let Some(account) = shelf.accounts.remove(id).flatten() else { return Ok(None) };
        let (after, through) = places(&mut snapshot, &account, stretch).await?;
        let opening = balance_with(&mut snapshot, id, after).await?;
        snapshot.rollback().await?;
        Ok(Some(AccountStretch { account, opening, after, through }))
    }

    /// The entries of an account after the sequence `after` and up to `through`, in order: the first page of them.
    pub async fn account_entries(
        &self,
        id: &AccountId,
        after: i64,
        through: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRecord,
            "select log_number, account_id, organization_id, sequence, at, kind, from_side, to_side, credits,
                    project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent,
                    reason, actor, digest
               from entry where account_id = $1 and sequence > $2 and sequence <= $3
              order by sequence limit $4",
            id.as_str(),
            after,
            through,
            PAGE,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// What people call these projects, as far as they call them anything.
    pub async fn project_names(&self, ids: &[ProjectId]) -> Result<HashMap<ProjectId, String>, StoreError> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let rows = sqlx::query!(
            r#"select project_id, name as "name!" from project where project_id = any($1) and name is not null"#,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let table = Table("project");
        rows.into_iter().map(|row| Ok((table.id("project_id", row.project_id)?, row.name))).collect()
    }

    /// How a project stands; `None` where there is no such project.
    pub async fn project_standing(&self, id: &ProjectId) -> Result<Option<ProjectStanding>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut shelf = Shelf::default();
        load::load_projects(&mut snapshot, &[id.clone()].into(), &mut shelf).await?;
        let Some(project) = shelf.projects.remove(id).flatten() else { return Ok(None) };
        let ids: Vec<_> = project.chain.iter().flat_map(Chain::iter).cloned().collect();
        load::load_accounts(&mut snapshot, &ids.iter().cloned().collect(), &mut shelf).await?;
        let chain = ids.iter().filter_map(|id| shelf.accounts.remove(id).flatten()).collect();
        let position = position(&mut snapshot, &project).await?;
        let held_since = held_since(&mut snapshot, &project).await?;
        let refusal = refusal(&mut snapshot, id).await?;
        let writers = writers(&mut snapshot, &project).await?;
        let log_last = sqlx::query_scalar!("select log_last from ledger").fetch_one(&mut *snapshot).await?;
        snapshot.rollback().await?;
        let log_last = LogNumber(log_last);
        Ok(Some(ProjectStanding { project, chain, position, held_since, refusal, writers, log_last }))
    }

    /// The entries and hold notices of a project in a stretch of time, after `after` and up to `through`, in order:
    /// the first page of them.
    pub async fn project_log(
        &self,
        id: &ProjectId,
        stretch: Stretch,
        after: LogNumber,
        through: LogNumber,
    ) -> Result<Vec<LogLine>, StoreError> {
        let numbers = sqlx::query_scalar!(
            r#"(select log_number as "log_number!" from entry
                 where project_id = $1 and log_number > $2 and log_number <= $3
                   and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
                 order by log_number limit $6)
               union all
               (select log_number from notice
                 where kind = 'hold' and body ->> 'project_id' = $1 and log_number > $2 and log_number <= $3
                   and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
                 order by log_number limit $6)
               order by 1 limit $6"#,
            id.as_str(),
            after.0,
            through.0,
            stretch.from.map(Timestamp::to_offset_date_time),
            stretch.before.map(Timestamp::to_offset_date_time),
            PAGE,
        )
        .fetch_all(&self.pool)
        .await?;
        self.log_of(&numbers).await
    }
}

/// The sequence of the last of an account's entries before a stretch, and that of the last in it.
pub(super) async fn places(
    connection: &mut PgConnection,
    account: &Account,
    stretch: Stretch,
) -> Result<(i64, i64), StoreError> {
    let entries = account.sequences.entries;
    let after = match stretch.from {
        Some(from) => entries_before(connection, &account.id, entries, from).await?,
        None => 0,
    };
    let through = match stretch.before {
        Some(before) => entries_before(connection, &account.id, entries, before).await?,
        None => entries,
    };
    Ok((after, through.max(after)))
}

/// How many of an account's `entries` were booked before `at`. The time of an entry never goes back, so its place
/// is found by halving, without an index by time that each booking would have to pay for.
async fn entries_before(
    connection: &mut PgConnection,
    id: &AccountId,
    entries: i64,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let (mut before, mut after) = (0, entries + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let booked_at = sqlx::query_scalar!(
            "select at from entry where account_id = $1 and sequence = $2",
            id.as_str(),
            middle,
        )
        .fetch_one(&mut *connection)
        .await?;
        match Timestamp::cut(booked_at) < at {
            true => before = middle,
            false => after = middle,
        }
    }
    Ok(before)
}

/// An account's balance with the entry of this sequence; before the first there is nothing.
pub(super) async fn balance_with(
    connection: &mut PgConnection,
    id: &AccountId,
    sequence: i64,
) -> Result<Balance, StoreError> {
    if sequence == 0 {
        return Ok(Balance::default());
    }
    let row = sqlx::query!(
        "select total, held, consumed from entry where account_id = $1 and sequence = $2",
        id.as_str(),
        sequence,
    )
    .fetch_one(connection)
    .await?;
    let [total, held, consumed] = [row.total, row.held, row.consumed].map(Credits);
    Ok(Balance { total, held, consumed })
}

async fn position(connection: &mut PgConnection, project: &Project) -> Result<Option<i64>, StoreError> {
    let (Some(claim), Some(chain)) = (&project.claim, &project.chain) else { return Ok(None) };
    let position = sqlx::query_scalar!(
        r#"select count(*) as "position!" from project
            where ticket is not null and coalesce(chain_pool, chain_account) = $1 and ticket <= $2"#,
        chain.queue().as_str(),
        claim.ticket.0,
    );
    Ok(Some(position.fetch_one(connection).await?))
}

/// When what a project holds on its account was last risen from nothing.
pub(super) async fn held_since(
    connection: &mut PgConnection,
    project: &Project,
) -> Result<Option<Timestamp>, StoreError> {
    let Some(chain) = project.chain.as_ref().filter(|_| project.held.is_positive()) else { return Ok(None) };
    let since = sqlx::query_scalar!(
        r#"select at from (
                select log_number, at,
                       sum(credits * ((to_side = 'held')::int - (from_side = 'held')::int))
                           over (order by log_number) as held,
                       credits * ((to_side = 'held')::int - (from_side = 'held')::int) as change
                  from entry where project_id = $1 and account_id = $2) moves
            where held = change and change > 0
            order by log_number desc limit 1"#,
        project.id.as_str(),
        chain.account.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(since.map(Timestamp::cut))
}

async fn refusal(connection: &mut PgConnection, id: &ProjectId) -> Result<Option<StoredNotice>, StoreError> {
    let row = sqlx::query_as!(
        NoticeRecord,
        "select log_number, account_id, organization_id, kind, sequence, at, cause_source, cause_id, cause_type,
                traceparent, body
           from notice
          where kind = 'hold' and body ->> 'project_id' = $1 and body ->> 'state' = 'rejected'
          order by log_number desc limit 1",
        id.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    row.map(TryInto::try_into).transpose()
}

async fn writers(
    connection: &mut PgConnection,
    project: &Project,
) -> Result<HashMap<(String, String), WriterFate>, StoreError> {
    let versions = [
        project.account.version(),
        project.status.version(),
        project.price.version(),
        project.final_credits.version(),
        project.name.version(),
    ];
    let versions = || versions.into_iter().flatten();
    let sources: Vec<_> = versions().map(|version| version.source().to_owned()).collect();
    let ids: Vec<_> = versions().map(|version| version.id().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select source, id, type, outcome, log_first is not null as "wrote_log!"
             from inbox where (source, id) in (select * from unnest($1::text[], $2::text[]))"#,
        &sources,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let fate = rows.into_iter().map(|row| {
        let fate = WriterFate { message_type: row.r#type, outcome: row.outcome, wrote_log: row.wrote_log };
        ((row.source, row.id), fate)
    });
    Ok(fate.collect())
}
