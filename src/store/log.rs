//! Reading the log: entries and notices in their one order.

use serde::{Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

use super::rows::{EntryRecord, Table};
use super::{Store, StoreError};
use crate::contract::outbound::{self, OutboundEvent, StoredNotice};
use crate::ledger::books::LogRecord;
use crate::ledger::entry::{Cause, Entry, LogNumber};
use crate::ledger::ids::{AccountId, MessageKey};
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

/// What a line of the log is. Each kind is numbered by itself for each account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// `credits.balance_changed`.
    Entry,
    /// Whatever else is told.
    Notice(NoticeKind),
}

impl LogKind {
    /// Every kind.
    pub const ALL: [LogKind; 4] = [
        LogKind::Entry,
        LogKind::Notice(NoticeKind::Alert),
        LogKind::Notice(NoticeKind::Hold),
        LogKind::Notice(NoticeKind::TransferRejected),
    ];

    /// Its name: the type of its events without `credits.` and the version.
    pub fn as_str(self) -> &'static str {
        match self {
            LogKind::Entry => "balance_changed",
            LogKind::Notice(kind) => kind.as_str(),
        }
    }
}

impl Serialize for LogKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl LogLine {
    /// Its place in the ledger's order.
    pub fn number(&self) -> LogNumber {
        match self {
            LogLine::Entry(entry) => entry.number,
            LogLine::Notice(notice) => notice.number,
        }
    }

    /// What it is.
    pub fn kind(&self) -> LogKind {
        match self {
            LogLine::Entry(_) => LogKind::Entry,
            LogLine::Notice(notice) => LogKind::Notice(notice.kind),
        }
    }

    /// Its place among the lines of its kind of its account, from 1.
    pub fn sequence(&self) -> i64 {
        match self {
            LogLine::Entry(entry) => entry.sequence,
            LogLine::Notice(notice) => notice.sequence,
        }
    }

    /// About which account it is.
    pub fn account_id(&self) -> &AccountId {
        match self {
            LogLine::Entry(entry) => &entry.account_id,
            LogLine::Notice(notice) => &notice.account_id,
        }
    }

    /// When it was booked or said.
    pub fn at(&self) -> Timestamp {
        match self {
            LogLine::Entry(entry) => entry.at,
            LogLine::Notice(notice) => notice.at,
        }
    }

    /// Its event; `ledger_source` is [`Store::event_source`]. The same bytes whoever asks, and whenever.
    pub fn event(&self, ledger_source: &str) -> OutboundEvent {
        match self {
            LogLine::Entry(entry) => outbound::of_entry(ledger_source, entry),
            LogLine::Notice(notice) => outbound::of_notice(ledger_source, notice),
        }
    }
}

/// A line as it was just written is as it will be read.
impl From<LogRecord> for LogLine {
    fn from(record: LogRecord) -> Self {
        match record {
            LogRecord::Entry(entry) => LogLine::Entry(Box::new(entry)),
            LogRecord::Notice(notice) => LogLine::Notice(Box::new(StoredNotice::from(&notice))),
        }
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

impl TryFrom<EntryRecord> for LogLine {
    type Error = StoreError;

    fn try_from(row: EntryRecord) -> Result<LogLine, StoreError> {
        Ok(LogLine::Entry(Box::new(row.try_into()?)))
    }
}

impl TryFrom<NoticeRecord> for LogLine {
    type Error = StoreError;

    fn try_from(row: NoticeRecord) -> Result<LogLine, StoreError> {
        Ok(LogLine::Notice(Box::new(row.try_into()?)))
    }
}

impl TryFrom<NoticeRecord> for StoredNotice {
    type Error = StoreError;

    fn try_from(row: NoticeRecord) -> Result<StoredNotice, StoreError> {
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

/// Reads entries: the columns stand here once, whatever the condition.
macro_rules! entries {
    ($condition:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            EntryRecord,
            "select log_number, account_id, organization_id, sequence, at, kind, from_side, to_side, credits,
                    project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent,
                    reason, actor, digest
               from entry " + $condition
            $(, $argument)*
        )
    };
}

/// Reads notices, likewise.
macro_rules! notices {
    ($condition:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            NoticeRecord,
            "select log_number, account_id, organization_id, kind, sequence, at, cause_source, cause_id,
                    cause_type, traceparent, body
               from notice " + $condition
            $(, $argument)*
        )
    };
}

pub(super) use {entries, notices};

impl Store {
    /// The lines after `after`, in order and without a gap, `limit` at most.
    ///
    /// Numbers are drawn under the ledger's lock, which is held until the commit; so once a number is seen
    /// in the ledger's row, every line up to it can be seen too.
    pub async fn log_after(&self, after: LogNumber, limit: u32) -> Result<Vec<LogLine>, StoreError> {
        let last = sqlx::query_scalar!("select log_last from ledger").fetch_one(&self.pool).await?;
        let through = last.min(after.0.saturating_add(i64::from(limit)));
        if through <= after.0 {
            return Ok(Vec::new());
        }
        let first = after.0 + 1;
        let entries = entries!("where log_number between $1 and $2 order by log_number", first, through);
        let entries = entries.fetch_all(&self.pool).await?;
        // Most of the log is entries: where they leave no gap there is no notice.
        let notices = if i64::try_from(entries.len()) == Ok(through - after.0) {
            Vec::new()
        } else {
            let notices = notices!("where log_number between $1 and $2 order by log_number", first, through);
            notices.fetch_all(&self.pool).await?
        };
        let lines = merged(entries, notices)?;
        let expected = first..=through;
        if !lines.iter().map(|line| line.number().0).eq(expected) {
            let what = format!("{} lines where {} are numbered", lines.len(), through - after.0);
            let what = format!("{what}, after number {after}");
            return Err(Table("log").unreadable("log_number", what));
        }
        Ok(lines)
    }

    /// What events name as their source: this ledger in its present era. A relay that has the lease has the era with
    /// it: none begins as long as anybody publishes.
    pub async fn event_source(&self) -> Result<String, StoreError> {
        let era = sqlx::query_scalar!("select era from ledger").fetch_one(&self.pool).await?;
        Ok(outbound::ledger_source(&self.schema, era))
    }

    /// The lines with these numbers that are left, in order.
    pub(super) async fn log_of(&self, numbers: &[i64]) -> Result<Vec<LogLine>, StoreError> {
        let entries = entries!("where log_number = any($1)", numbers);
        let notices = notices!("where log_number = any($1)", numbers);
        merged(entries.fetch_all(&self.pool).await?, notices.fetch_all(&self.pool).await?)
    }

    /// The lines from `first` to `last` that are left, in order: those that a message brought about.
    pub async fn log_between(&self, first: LogNumber, last: LogNumber) -> Result<Vec<LogLine>, StoreError> {
        let entries = entries!("where log_number between $1 and $2 order by log_number", first.0, last.0);
        let notices = notices!("where log_number between $1 and $2 order by log_number", first.0, last.0);
        merged(entries.fetch_all(&self.pool).await?, notices.fetch_all(&self.pool).await?)
    }
}

/// Both kinds of lines, in their one order.
pub(super) fn merged(
    entries: Vec<EntryRecord>,
    notices: Vec<NoticeRecord>,
) -> Result<Vec<LogLine>, StoreError> {
    let entries = entries.into_iter().map(LogLine::try_from);
    let mut lines: Vec<_> =
        entries.chain(notices.into_iter().map(LogLine::try_from)).collect::<Result<_, _>>()?;
    lines.sort_by_key(LogLine::number);
    Ok(lines)
}
