//! What people read, for the command line and the HTTP port alike, so that both say the same: a moment of the
//! ledger, seen through the scope of who asks; usage reports, statements, and usage by day, by project and by type
//! of asset.
//!
//! In all that tells of usage **credited** is what entered `available` and **debited** what left it, so that
//! `opening.available + credited - debited = closing.available` (DESIGN 5). Each answer is read from one snapshot;
//! docs/reports.md says what every figure means.

mod assets;
mod csv;
mod days;
mod error;
mod figures;
mod lines;
mod listed;
mod period;
mod project;
mod projects;
pub mod quote;
mod reading;
mod statement;
mod written;

pub use assets::{AssetUsage, AssetsUsage, ProjectsBriefed, assets};
pub use days::{DAYS_MAX, DayUsage, DaysUsage, days};
pub use error::ReadError;
pub use figures::{Flow, KindUsage, Totals};
pub use lines::{UsageLine, UsageReport};
pub use listed::{Listed, Page};
pub use period::{Border, BorderError, Day, Month, MonthError, Period};
pub use project::{ProjectInFull, ProjectLine};
pub use projects::{OtherProjects, ProjectUsage, ProjectsUsage, projects};
pub use reading::{Prices, Reading, Reports};
pub use statement::{MonthState, PROJECTS_NAMED, Statement, StatementProjects, statement};
pub use written::{Format, UsageReportDocument, WrittenReport};

pub use crate::store::{
    AccountRow, AlertCounts, ClaimRow, GrantRow, InUse, OrganizationRow, OrganizationSummary, OverLimit,
    PriceListRow, ProjectRow, QueueReport, RaisedRow, ReasonCount, Standing, UnblockingRow, WaitingMember,
    WaitingQueue, WaitingQueues,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Zone;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::{AccountId, OrganizationId};
use crate::ledger::moment::Timestamp;
use crate::store::{Snapshot, StoreError, Stretch, UsageStretch};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such account.
    #[error("no account \"{0}\" is known")]
    UnknownAccount(AccountId),
    /// PostgreSQL does not know the time zone.
    #[error(
        "report.timezone: PostgreSQL doesn't know the time zone \"{0}\"; \
         `select name from pg_timezone_names` lists those that it knows"
    )]
    UnknownZone(Zone),
    /// There is no time between both ends.
    #[error("there is no time between from {from} and to {to}; turn them around?")]
    NoTime {
        /// When it would begin.
        from: Border,
        /// When it would end.
        to: Border,
    },
    /// More days than one answer may have.
    #[error(
        "{days} days were asked for, at most {DAYS_MAX} are told at once; name a later from or an earlier to"
    )]
    TooManyDays {
        /// How many.
        days: usize,
    },
    /// The entries contradict each other or the balances that they carry.
    #[error("{0}; run `creditd verify`")]
    Flaw(String),
}

/// Whose credits an answer is about, in which stretch of time, and which state of the ledger it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct About {
    /// The account; `pool:` and an organization's id for its pool.
    pub account_id: AccountId,
    /// What people call it.
    pub name: Option<String>,
    /// The organization that it belongs to.
    pub organization_id: Option<OrganizationId>,
    /// The time zone of days and months, by its name in PostgreSQL.
    pub timezone: Zone,
    /// The first point in time that counts; `null`: from the account's first entry on.
    pub from: Option<Timestamp>,
    /// The first point in time that no longer counts; `null`: up to the present.
    pub before: Option<Timestamp>,
    /// The last line of the ledger's log that this takes into account.
    pub log_number: LogNumber,
}

/// A stretch of an account's entries, found.
struct Found {
    about: About,
    stretch: UsageStretch,
}

impl Found {
    async fn find(
        snapshot: &mut Snapshot,
        zone: &Zone,
        account_id: &AccountId,
        stretch: Stretch,
    ) -> Result<Self, ReportError> {
        let found = snapshot.usage_stretch(account_id, stretch).await?;
        let found = found.ok_or_else(|| ReportError::UnknownAccount(account_id.clone()))?;
        let about = About {
            account_id: account_id.clone(),
            name: found.account.name.get().as_ref().map(ToString::to_string),
            organization_id: found.account.organization().cloned(),
            timezone: zone.clone(),
            from: stretch.from,
            before: stretch.before,
            log_number: snapshot.log_last(),
        };
        Ok(Self { about, stretch: found })
    }
}
