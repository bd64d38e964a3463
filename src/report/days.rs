//! Usage by day: what went in and out on each, and how the account stood at its end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use time::Date;

use super::figures::{Flow, Totals};
use super::period::{Day, Period};
use super::{About, Found, ReportError};
use crate::clock::Zone;
use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::ids::AccountId;
use crate::ledger::moment::Micros;
use crate::ledger::notice::ShownBalance;
use crate::store::{DayFigures, Snapshot, Stretch};

/// The most days that one answer has: some ten years.
pub const DAYS_MAX: usize = 3_660;

/// An account's days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DaysUsage {
    /// Whose, and when.
    #[serde(flatten)]
    pub about: About,
    /// What the days come to.
    #[serde(flatten)]
    pub totals: Totals,
    /// Every day of the stretch, also those on which nothing moved, oldest first. The first and the last are parts
    /// of days where the stretch begins or ends within one.
    pub days: Vec<DayUsage>,
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DayUsage {
    /// Which.
    pub day: Day,
    /// How many entries it has.
    pub entries: i64,
    /// What entered `available` on it, in credits.
    pub credited: Credits,
    /// What left `available` on it, in credits.
    pub debited: Credits,
    /// The balance at its end, in credits.
    #[serde(flatten)]
    pub balance: ShownBalance,
}

/// Usage by day. A stretch without a beginning begins with the account's first entry, one without an end ends today.
pub async fn days(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    period: Period,
) -> Result<DaysUsage, ReportError> {
    let stretch = period.stretch(snapshot, zone).await?;
    let all = all_days(snapshot, zone, account_id, stretch).await?;
    let Found { about, stretch } = Found::find(snapshot, zone, account_id, stretch).await?;
    let moved = snapshot.usage_moved(&stretch).await?;
    let flow = Flow::of(&moved, |_| true);
    let figures = snapshot.usage_days(&stretch, zone.as_str()).await?;
    let totals = Totals::of(stretch.opening, flow, stretch.closing)
        .filter(|totals| totals.flow.debited == figures.iter().map(|day| day.debited).sum())
        .ok_or_else(|| ReportError::Flaw(format!("the entries of {account_id} don't add up")))?;
    Ok(DaysUsage { about, totals, days: filled(&all, &figures, stretch.opening) })
}

/// The days that a stretch of time touches, up to today at most where it has no end.
async fn all_days(
    snapshot: &mut Snapshot,
    zone: &Zone,
    account_id: &AccountId,
    stretch: Stretch,
) -> Result<Vec<Date>, ReportError> {
    let now = snapshot.taken_at().await?;
    let last_moment = stretch.before.map_or(now, |before| before - Micros(1));
    let from = match stretch.from {
        Some(from) => from,
        None => snapshot.first_entry_at(account_id).await?.unwrap_or(last_moment),
    };
    let ends = zone.days_of(snapshot, &[from, last_moment]).await?;
    let (first, last) = (ends[0], ends[1]);
    let days = usize::try_from((last - first).whole_days() + 1).unwrap_or(0);
    if days > DAYS_MAX {
        return Err(ReportError::TooManyDays { days });
    }
    Ok(std::iter::successors(Some(first), |day| day.next_day()).take(days).collect())
}

/// Puts the days on which nothing moved between the others; at their ends all is as it was.
fn filled(all: &[Date], figures: &[DayFigures], opening: Balance) -> Vec<DayUsage> {
    let moved: BTreeMap<Date, &DayFigures> = figures.iter().map(|day| (day.day, day)).collect();
    let mut balance = opening;
    let usage = |&day: &Date| {
        let figures = moved.get(&day);
        if let Some(figures) = figures {
            balance = figures.closing;
        }
        DayUsage {
            day: Day(day),
            entries: figures.map_or(0, |figures| figures.entries),
            credited: figures.map_or(Credits::ZERO, |figures| figures.credited),
            debited: figures.map_or(Credits::ZERO, |figures| figures.debited),
            balance: balance.into(),
        }
    };
    all.iter().map(usage).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn a_day_without_moves_ends_as_it_began() {
        let balance = |total| Balance { total: Credits(total), ..Balance::default() };
        let figures = [DayFigures {
            day: date!(2026 - 03 - 02),
            entries: 2,
            credited: Credits(7),
            debited: Credits(2),
            closing: balance(9),
        }];
        let all = [date!(2026 - 03 - 01), date!(2026 - 03 - 02), date!(2026 - 03 - 03)];
        let told = filled(&all, &figures, balance(4));
        let ends: Vec<_> = told.iter().map(|day| (day.entries, day.balance.available.0)).collect();
        assert_eq!(ends, [(0, 4), (2, 9), (0, 9)]);
    }
}
