//! The usage report: every entry of an account in a stretch of time, read page by page from one snapshot, however
//! many there are.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::figures::{Flow, Totals, effect_on_available};
use super::listed::Listed;
use super::period::{Day, Period};
use super::{About, Found, ReportError};
use crate::clock::Zone;
use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, LogNumber, Side, moved};
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::ShownBalance;
use crate::store::{Snapshot, Stretch, UsageEntry, UsageStretch};

/// How long whoever reads a report may do something else before the next page. A snapshot that stays open keeps
/// the database from cleaning up.
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// An entry as the usage report tells it. The members stand in the order of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UsageLine {
    /// When it was booked, in UTC.
    pub time: Timestamp,
    /// On which day of the time zone that was.
    pub day: Day,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// The account.
    pub account_id: AccountId,
    /// The project that it is for.
    pub project_id: Option<ProjectId>,
    /// What people call that now. Not told where it has gone to another account since; of a pool, to one outside
    /// its organization.
    pub project_name: Option<String>,
    /// Its status now, in the upstream's vocabulary; told where the name is.
    pub project_status: Option<String>,
    /// What it is.
    pub kind: EntryKind,
    /// What it adds to `available`, in credits; below zero what it takes from there; 0 where it moves credits
    /// between held and consumed.
    pub credits: Credits,
    /// How many credits it moves; always more than zero.
    pub moved: Credits,
    /// Where they come from.
    pub from: Side,
    /// Where they go.
    pub to: Side,
    /// The account's balance with it, in credits.
    #[serde(flatten)]
    pub balance: ShownBalance,
    /// Of a charge: the type of what was created.
    pub asset_type: Option<String>,
    /// Of a charge: how many pieces.
    pub quantity: Option<i64>,
    /// Who did it.
    pub actor: Option<String>,
    /// Why, in a person's words.
    pub reason: Option<String>,
    /// The `source` of the message or command that brought it about.
    pub message_source: String,
    /// Its `id`.
    pub message_id: String,
    /// Its `type`.
    pub message_type: String,
    /// The entry's place among the account's, from 1, without gaps.
    pub sequence: i64,
    /// Its place in the ledger's log.
    pub log_number: LogNumber,
}

impl UsageLine {
    pub(super) fn of(account_id: &AccountId, entry: UsageEntry) -> Self {
        Self {
            time: entry.at,
            day: Day(entry.day),
            organization_id: entry.organization_id,
            account_id: account_id.clone(),
            project_id: entry.project_id,
            project_name: entry.project_name,
            project_status: entry.project_status,
            kind: entry.kind,
            credits: effect_on_available(entry.from, entry.to, entry.credits),
            moved: entry.credits,
            from: entry.from,
            to: entry.to,
            balance: entry.balance.into(),
            asset_type: entry.asset_type,
            quantity: entry.quantity,
            actor: entry.actor,
            reason: entry.reason,
            message_source: entry.message_source,
            message_id: entry.message_id,
            message_type: entry.message_type,
            sequence: entry.sequence,
            log_number: entry.number,
        }
    }
}

/// A page of an account's entries, `limit` at most after the sequence `after`, and the sequence that the account has
/// come to. Sequences have no gaps, so the place of a page is reckoned and not looked for.
pub(super) async fn entries(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    after: Option<i64>,
    newest_first: bool,
    limit: i64,
) -> Result<(i64, Listed<UsageLine>), ReportError> {
    zone.check(snapshot).await?;
    let Found { mut stretch, .. } = Found::find(snapshot, zone, account_id, Stretch::default()).await?;
    let last = stretch.through;
    (stretch.after, stretch.through) = if newest_first {
        let through = after.map_or(last, |after| after.saturating_sub(1).clamp(0, last));
        (through.saturating_sub(limit).max(0), through)
    } else {
        let after = after.unwrap_or(0).clamp(0, last);
        (after, after.saturating_add(limit).min(last))
    };
    let found = snapshot.usage_entries(&stretch, stretch.after, zone.as_str()).await?;
    let mut items: Vec<_> = found.into_iter().map(|entry| UsageLine::of(account_id, entry)).collect();
    let more_follow = if newest_first { stretch.after > 0 } else { stretch.through < last };
    if newest_first {
        items.reverse();
    }
    let next = items.last().filter(|_| more_follow).map(|line| line.sequence.to_string());
    Ok((last, Listed { items, next }))
}

/// A usage report that is being read.
pub struct UsageReport {
    snapshot: Snapshot,
    about: About,
    stretch: UsageStretch,
    /// The last entry so far.
    at: i64,
    /// The balance with it.
    balance: Balance,
    flow: Flow,
}

impl UsageReport {
    /// Opens a report on a snapshot, which is the report's own from here on.
    pub async fn open(
        mut snapshot: Snapshot,
        zone: &Zone,
        account_id: &AccountId,
        period: Period,
    ) -> Result<Self, ReportError> {
        zone.check(&mut snapshot).await?;
        let stretch = period.stretch(&mut snapshot, zone).await?;
        let Found { about, stretch } = Found::find(&mut snapshot, zone, account_id, stretch).await?;
        snapshot.allow_pauses(PAUSE_MAX).await?;
        let (at, balance) = (stretch.after, stretch.opening);
        Ok(Self { snapshot, about, stretch, at, balance, flow: Flow::default() })
    }

    /// Whose it is, and when.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The balance before the first entry.
    pub fn opening(&self) -> ShownBalance {
        self.stretch.opening.into()
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        u64::try_from(self.stretch.through - self.stretch.after).unwrap_or(0)
    }

    /// How many of them were read.
    pub fn entries_read(&self) -> u64 {
        u64::try_from(self.at - self.stretch.after).unwrap_or(0)
    }

    /// The next entries, some hundreds at most; none at the end. Each is held against the one before it: what is
    /// told adds up, or else is an error.
    pub async fn next_page(&mut self) -> Result<Vec<UsageLine>, ReportError> {
        if self.at >= self.stretch.through {
            return Ok(Vec::new());
        }
        let zone = self.about.timezone.as_str();
        let entries = self.snapshot.usage_entries(&self.stretch, self.at, zone).await?;
        if entries.is_empty() {
            let (first, last) = (self.at + 1, self.stretch.through);
            return Err(ReportError::Flaw(format!(
                "entries {first} to {last} of {} are missing",
                self.about.account_id
            )));
        }
        entries.into_iter().map(|entry| self.follow(entry)).collect()
    }

    fn follow(&mut self, entry: UsageEntry) -> Result<UsageLine, ReportError> {
        let balance = moved(self.balance, entry.from, entry.to, entry.credits);
        if entry.sequence != self.at + 1 || entry.balance != balance {
            let what = format!("entry {} does not follow from the one before it", entry.number);
            return Err(ReportError::Flaw(what));
        }
        (self.at, self.balance) = (entry.sequence, balance);
        self.flow.add(entry.from, entry.to, 1, entry.credits);
        Ok(UsageLine::of(&self.about.account_id, entry))
    }

    /// What the entries so far come to: after the last, the whole report.
    pub fn totals(&self) -> Totals {
        Totals { opening: self.opening(), flow: self.flow, closing: self.balance.into() }
    }
}
