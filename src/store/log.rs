//! Reading the log: entries and notices in their one order.

use serde_json::Value;
use time::OffsetDateTime;

use super::rows::{EntryRecord, Table};
use super::{Store, StoreError};
use crate::contract::outbound::StoredNotice;
use crate::ledger::entry::{Cause, Entry, LogNumber};
use crate::ledger::ids::MessageKey;
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::NoticeKind;

/// A line of the log as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum LogLine {
    /// Credits moved.
    Entry(Box<Entry>),
    /// Something was said.
    Notice(Box<StoredNotice>),
}

impl LogLine {
    /// Its place in the ledger's order.
    pub fn number(&self) -> LogNumber {
        match self {
            LogLine::Entry(entry) => entry.number,
            LogLine::Notice(notice) => notice.number,
        }
    }
}

impl Store {
    /// The lines after `after`, in order and without a gap, `limit` at most.
    ///
    /// Numbers are drawn under the ledger's lock, which is held until the commit; so once a number is seen
    /// in the ledger's row, every line up to it can be seen too.
    pub async fn log_after(&self, after: LogNumber, limit: i64) -> Result<Vec<LogLine>, StoreError> {
        let last = sqlx::query_scalar!("select log_last from ledger").fetch_one(&self.pool).await?;
        let through = last.min(after.0.saturating_add(limit));
        if through <= after.0 {
            return Ok(Vec::new());
        }
        let lines = self.log_between(LogNumber(after.0 + 1), LogNumber(through)).await?;
        let expected = (after.0 + 1)..=through;
        if !lines.iter().map(|line| line.number().0).eq(expected) {
            let what = format!("{} lines where {} are numbered", lines.len(), through - after.0);
            let what = format!("{what}, after number {after}");
            return Err(Table("log").unreadable("log_number", what));
        }
        Ok(lines)
    }

    async fn entries_between(&self, after: i64, through: i64) -> Result<Vec<LogLine>, StoreError> {
        let rows = sqlx::query_as!(
            EntryRecord,
            "select log_number, account_id, organization_id, sequence, at, kind, from_side, to_side, credits,
                    project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent,
                    reason, actor, digest
               from entry where log_number > $1 and log_number <= $2 order by log_number",
            after,
            through,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(LogLine::Entry(Box::new(row.try_into()?)))).collect()
    }

    async fn notices_between(&self, after: i64, through: i64) -> Result<Vec<LogLine>, StoreError> {
        let rows = sqlx::query_as!(
            NoticeRecord,
            "select log_number, account_id, organization_id, kind, sequence, at, cause_source, cause_id,
                    cause_type, traceparent, body
               from notice where log_number > $1 and log_number <= $2 order by log_number",
            after,
            through,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(LogLine::Notice(Box::new(row.try_into()?)))).collect()
    }

    /// The lines with these numbers, in order.
    pub(super) async fn log_of(&self, numbers: &[i64]) -> Result<Vec<LogLine>, StoreError> {
        let entries = sqlx::query_as!(
            EntryRecord,
            "select log_number, account_id, organization_id, sequence, at, kind, from_side, to_side, credits,
                    project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent,
                    reason, actor, digest
               from entry where log_number = any($1)",
            numbers,
        )
        .fetch_all(&self.pool)
        .await?;
        let notices = sqlx::query_as!(
            NoticeRecord,
            "select log_number, account_id, organization_id, kind, sequence, at, cause_source, cause_id,
                    cause_type, traceparent, body
               from notice where log_number = any($1)",
            numbers,
        )
        .fetch_all(&self.pool)
        .await?;
        let entries = entries.into_iter().map(|row| Ok(LogLine::Entry(Box::new(row.try_into()?))));
        let notices = notices.into_iter().map(|row| Ok(LogLine::Notice(Box::new(row.try_into()?))));
        let mut lines = entries.chain(notices).collect::<Result<Vec<_>, StoreError>>()?;
        lines.sort_by_key(LogLine::number);
        Ok(lines)
    }

    /// The lines from `first` to `last`, in order: those that a message brought about.
    pub async fn log_between(&self, first: LogNumber, last: LogNumber) -> Result<Vec<LogLine>, StoreError> {
        let mut lines = self.entries_between(first.0 - 1, last.0).await?;
        lines.extend(self.notices_between(first.0 - 1, last.0).await?);
        lines.sort_by_key(LogLine::number);
        Ok(lines)
    }
}

/// A row of `notice`.
pub(super) struct NoticeRecord {
    pub(super) log_number: i64,
    pub(super) account_id: String,
    pub(super) organization_id: Option<String>,
    pub(super) kind: String,
    pub(super) sequence: i64,
    pub(super) at: OffsetDateTime,
    pub(super) cause_source: String,
    pub(super) cause_id: String,
    pub(super) cause_type: String,
    pub(super) traceparent: Option<String>,
    pub(super) body: Value,
}

impl TryFrom<NoticeRecord> for StoredNotice {
    type Error = StoreError;

    fn try_from(row: NoticeRecord) -> Result<Self, StoreError> {
        let table = Table("notice");
        let cause = Cause {
            key: MessageKey::new(&row.cause_source, &row.cause_id),
            message_type: row.cause_type.into(),
            traceparent: row.traceparent.map(Into::into),
        };
        let organization_id = row.organization_id.map(|id| table.id("organization_id", id));
        let Value::Object(body) = row.body else {
            return Err(table.unreadable("body", "it is no object"));
        };
        Ok(StoredNotice {
            number: LogNumber(row.log_number),
            account_id: table.id("account_id", row.account_id)?,
            organization_id: organization_id.transpose()?,
            kind: match row.kind.as_str() {
                "alert" => NoticeKind::Alert,
                "hold" => NoticeKind::Hold,
                "transfer_rejected" => NoticeKind::TransferRejected,
                other => return Err(table.unreadable("kind", format!("unknown kind {other:?}"))),
            },
            sequence: row.sequence,
            at: Timestamp::cut(row.at),
            cause,
            body,
        })
    }
}
