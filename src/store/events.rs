//! Looking into the log: as it grows, from a time on, and an account's events by their own numbers.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::log::{NoticeRecord, entries, merged, notices};
use super::rows::{EntryRecord, Table};
use super::{LogKind, LogLine, Snapshot, Store, StoreError};
use crate::contract::outbound::{self, Sequences};
use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::AccountId;
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::NoticeKind;

/// Which lines of the log to read; all where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// About this account.
    pub account: Option<String>,
    /// About accounts that belonged to this organization then.
    pub organization: Option<String>,
    /// Of this kind.
    pub kind: Option<LogKind>,
}

/// The events of one kind that an account has, by their own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of which kind.
    pub kind: LogKind,
    /// The first that is left; one more than `last` where none is.
    pub first: i64,
    /// The last that the relay has published; `first - 1` where none of those left is.
    pub published: i64,
    /// The last number given; 0 where none was.
    pub last: i64,
}

impl Store {
    /// The last number given to an entry or a notice. Every line up to it can be seen.
    pub async fn log_last(&self) -> Result<LogNumber, StoreError> {
        let last = sqlx::query_scalar!("select log_last from ledger").fetch_one(&self.pool).await?;
        Ok(LogNumber(last))
    }

    /// Those of the lines after `after` and up to `through` that `filter` asks for, in order. Lines that
    /// retention has removed are missing.
    pub async fn log_filtered(
        &self,
        after: LogNumber,
        through: LogNumber,
        filter: &LogFilter,
    ) -> Result<Vec<LogLine>, StoreError> {
        let LogFilter { account, organization, kind } = filter;
        let entries = match kind {
            Some(LogKind::Notice(_)) => Vec::new(),
            None | Some(LogKind::Entry) => {
                entries!(
                    "where log_number > $1 and log_number <= $2 and ($3::text is null or account_id = $3)
                       and ($4::text is null or organization_id = $4)",
                    after.0,
                    through.0,
                    account.as_deref(),
                    organization.as_deref(),
                )
                .fetch_all(&self.pool)
                .await?
            }
        };
        let notice_kind = match kind {
            None => None,
            Some(LogKind::Entry) => return merged(entries, Vec::new()),
            Some(LogKind::Notice(kind)) => Some(kind.as_str()),
        };
        let notices = notices!(
            "where log_number > $1 and log_number <= $2 and ($3::text is null or account_id = $3)
               and ($4::text is null or organization_id = $4) and ($5::text is null or kind = $5)",
            after.0,
            through.0,
            account.as_deref(),
            organization.as_deref(),
            notice_kind,
        );
        merged(entries, notices.fetch_all(&self.pool).await?)
    }

    /// The first number from which on all lines are of `time` or later; one past the last where none is.
    ///
    /// The log's times never go back, so the place is found by halving, and no index of times is needed.
    pub async fn first_since(&self, time: Timestamp) -> Result<LogNumber, StoreError> {
        let mut earlier = 0;
        let mut later = self.log_last().await?.0 + 1;
        while later - earlier > 1 {
            let middle = earlier + (later - earlier) / 2;
            match self.line_from(middle).await? {
                Some((number, at)) if Timestamp::cut(at) < time => earlier = number,
                _ => later = middle,
            }
        }
        Ok(LogNumber(later))
    }

    /// The number and the time of the first line from `number` on that is left.
    async fn line_from(&self, number: i64) -> Result<Option<(i64, OffsetDateTime)>, StoreError> {
        let row = sqlx::query!(
            r#"select log_number as "log_number!", at as "at!" from (
                   (select log_number, at from entry where log_number >= $1 order by log_number limit 1)
                   union all
                   (select log_number, at from notice where log_number >= $1 order by log_number limit 1)
               ) nearest order by log_number limit 1"#,
            number,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| (row.log_number, row.at)))
    }

    /// Which events an account has, by kind; `None` where there is no such account.
    pub async fn event_spans(&self, account: &str) -> Result<Option<Vec<Span>>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let counted = sqlx::query!(
            "select entries, alerts, holds, transfers_rejected from account where account_id = $1",
            account
        )
        .fetch_optional(&mut *snapshot)
        .await?;
        let Some(counted) = counted else { return Ok(None) };
        let published = sqlx::query_scalar!("select published from relay").fetch_one(&mut *snapshot).await?;
        let mut spans = Vec::new();
        for kind in LogKind::ALL {
            let last = match kind {
                LogKind::Entry => counted.entries,
                LogKind::Notice(NoticeKind::Alert) => counted.alerts,
                LogKind::Notice(NoticeKind::Hold) => counted.holds,
                LogKind::Notice(NoticeKind::TransferRejected) => counted.transfers_rejected,
            };
            let (first, published) = match kind {
                LogKind::Entry => entries_left(&mut snapshot, account, published).await?,
                LogKind::Notice(kind) => notices_left(&mut snapshot, account, kind, published).await?,
            };
            let first = first.unwrap_or(last + 1);
            spans.push(Span { kind, first, published: published.unwrap_or(first - 1), last });
        }
        snapshot.rollback().await?;
        Ok(Some(spans))
    }

    /// An account's lines of one kind with the sequences `from` to `to`, in order, as far as they are left.
    pub async fn account_lines(
        &self,
        account: &str,
        kind: LogKind,
        from: i64,
        to: i64,
    ) -> Result<Vec<LogLine>, StoreError> {
        match kind {
            LogKind::Entry => {
                let entries =
                    entries!("where account_id = $1 and sequence between $2 and $3", account, from, to);
                merged(entries.fetch_all(&self.pool).await?, Vec::new())
            }
            LogKind::Notice(kind) => {
                let notices = notices!(
                    "where account_id = $1 and kind = $2 and sequence between $3 and $4",
                    account,
                    kind.as_str(),
                    from,
                    to,
                );
                merged(Vec::new(), notices.fetch_all(&self.pool).await?)
            }
        }
    }
}

impl Snapshot {
    /// How many accounts there are, or whether there is `only`.
    pub async fn count_standings(&mut self, only: Option<&str>) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from account where $1::text is null or account_id = $1"#,
            only
        );
        Ok(count.fetch_one(self.connection()).await?)
    }

    /// Where accounts stand: those after `after` in the order of their ids, `limit` of them; or `only` this one.
    pub async fn standings(
        &mut self,
        only: Option<&str>,
        after: Option<&AccountId>,
        limit: i64,
    ) -> Result<Vec<outbound::Standing>, StoreError> {
        let (through, at) = (self.log_last(), self.last_at());
        let rows = sqlx::query!(
            "select account_id, organization_id, total, held, consumed, entries, alerts, holds, transfers_rejected
               from account where account_id > $1 and ($2::text is null or account_id = $2)
              order by account_id limit $3",
            after.map_or("", AccountId::as_str),
            only,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let account = Table("account");
        let standings = rows.into_iter().map(|row| {
            let organization_id =
                row.organization_id.map(|id| account.id("organization_id", id)).transpose()?;
            Ok(outbound::Standing {
                account_id: account.id("account_id", row.account_id)?,
                organization_id,
                balance: Balance {
                    total: Credits(row.total),
                    held: Credits(row.held),
                    consumed: Credits(row.consumed),
                },
                sequences: Sequences {
                    balance_changed: row.entries,
                    alert: row.alerts,
                    hold: row.holds,
                    transfer_rejected: row.transfers_rejected,
                },
                through,
                at,
            })
        });
        standings.collect()
    }
}

/// The first of an account's entries, and the last that lies within what is published.
async fn entries_left(
    connection: &mut PgConnection,
    account: &str,
    published: i64,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let row = sqlx::query!(
        r#"select (select min(sequence) from entry where account_id = $1) as first,
                  (select sequence from entry where account_id = $1 and log_number <= $2
                    order by sequence desc limit 1) as published"#,
        account,
        published,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.first, row.published))
}

/// The same for its notices of a kind.
async fn notices_left(
    connection: &mut PgConnection,
    account: &str,
    kind: NoticeKind,
    published: i64,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let row = sqlx::query!(
        r#"select (select min(sequence) from notice where account_id = $1 and kind = $2) as first,
                  (select sequence from notice where account_id = $1 and kind = $2 and log_number <= $3
                    order by sequence desc limit 1) as published"#,
        account,
        kind.as_str(),
        published,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.first, row.published))
}
