//! How an account came to stand as it does: by day, in sums, and what was made with its credits.

use std::str::FromStr;

use maud::{Markup, html};
use time::Duration;

use super::chart::{Point, chart};
use super::projects::share;
use super::table::{Column, table};
use super::words::{number, said};
use crate::clock;
use crate::http::problem::Problem;
use crate::report::{AssetsUsage, Border, Day, DayUsage, Period, Reading};

/// How many days a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range(usize);

/// What may be chosen; the first where nothing is.
const RANGES: [usize; 3] = [30, 90, 365];
/// The sums of a month need its days, whatever the chart shows.
const MONTH_DAYS_MAX: usize = 31;
/// Today is PostgreSQL's to say, by the time zone of reports: so many days more are asked for, and then left out.
const DAYS_ASIDE: usize = 2;

impl Range {
    /// The range that is asked for, or the first.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let asked = text.and_then(|text| usize::from_str(text).ok());
        Self(asked.filter(|days| RANGES.contains(days)).unwrap_or(RANGES[0]))
    }
}

/// What went in and out of what is available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    credited: i64,
    debited: i64,
}

impl Moved {
    fn on(days: &[DayUsage]) -> Self {
        days.iter().fold(Self::default(), |sum, day| Self {
            credited: sum.credited.saturating_add(day.credited.0),
            debited: sum.debited.saturating_add(day.debited.0),
        })
    }
}

/// An account's history.
pub(super) struct History {
    range: Range,
    /// The days up to today, as many as the range and a month need.
    days: Vec<DayUsage>,
    /// All that was ever made.
    assets: AssetsUsage,
}

impl History {
    pub(super) async fn read(reading: &mut Reading, account: &str, range: Range) -> Result<Self, Problem> {
        let back = range.0.max(MONTH_DAYS_MAX) + DAYS_ASIDE;
        let today = clock::now().to_offset_date_time().date();
        let first = today.saturating_sub(Duration::days(i64::try_from(back).unwrap_or(0)));
        let period = Period { from: Some(Border::Day(Day(first))), to: None };
        let days = reading.usage_by_day(account, period).await?.days;
        let assets = reading.usage_by_asset(account, Period::default()).await?;
        Ok(Self { range, days, assets })
    }

    fn last(&self, count: usize) -> &[DayUsage] {
        &self.days[self.days.len().saturating_sub(count)..]
    }

    /// The days of the present month.
    fn month(&self) -> &[DayUsage] {
        let Some(today) = self.days.last().map(|day| day.day.0) else { return &[] };
        let is_earlier =
            |day: &DayUsage| (day.day.0.year(), day.day.0.month()) != (today.year(), today.month());
        &self.days[self.days.partition_point(is_earlier)..]
    }

    /// The chart and the sums, and beside them what was made.
    pub(super) fn shown(&self) -> Markup {
        html! {
            section.card id="history" aria-labelledby="history-heading" {
                div.head {
                    h2 id="history-heading" { "History" }
                    nav.ranges aria-label="Days of history" {
                        @for days in RANGES {
                            a href=(format!("?days={days}#history")) aria-current=[(days == self.range.0).then_some("true")] {
                                (days) " days"
                            }
                        }
                    }
                }
                (chart(&self.last(self.range.0).iter().map(point).collect::<Vec<_>>()))
                (self.sums())
            }
            section.card id="assets" aria-labelledby="assets-heading" {
                h2 id="assets-heading" { "What was made" }
                (made(&self.assets))
            }
        }
    }

    fn sums(&self) -> Markup {
        let available = self.days.last().map_or(0, |day| day.balance.available.0);
        let columns = [
            Column::Text("Days"),
            Column::Number("Credited"),
            Column::Number("Debited"),
            Column::Number("Left now"),
        ];
        let rows = html! {
            @for (name, days) in [("Last 30 days", self.last(30)), ("This month", self.month())] {
                @let Moved { credited, debited } = Moved::on(days);
                tr {
                    th scope="row" { (name) }
                    td.number { (number(credited)) }
                    td.number { (number(debited)) }
                    td.number { (number(available)) }
                }
            }
        };
        html! {
            (table("Credited and debited", "What was credited and debited lately, and what is left", &columns, &rows))
            p.aside { "Credited is what came to be available, debited what no longer was. Days are those of " (self.assets.about.timezone) "." }
        }
    }
}

fn point(day: &DayUsage) -> Point {
    Point {
        day: day.day.to_string(),
        total: day.balance.total.0,
        held: day.balance.held.0,
        consumed: day.balance.consumed.0,
        available: day.balance.available.0,
        credited: day.credited.0,
        debited: day.debited.0,
    }
}

/// Projects briefed, and assets by type, those of which there are most first.
fn made(assets: &AssetsUsage) -> Markup {
    let mut items: Vec<_> = assets.items.iter().collect();
    items.sort_by_key(|asset| std::cmp::Reverse(asset.quantity));
    let most = items.first().map_or(1, |asset| asset.quantity.max(1));
    let columns = [Column::Text("Type"), Column::Number("Pieces"), Column::Number("In projects")];
    let rows = html! {
        @for asset in &items {
            tr {
                th scope="row" { (said(&asset.asset_type)) }
                td.number.held { (number(asset.quantity)) (share(asset.quantity, most)) }
                td.number { (number(asset.in_projects)) }
            }
        }
    };
    html! {
        dl.figures {
            div { dt { "Projects briefed" } dd { (number(assets.projects.briefed)) } }
            div { dt { "Projects known" } dd { (number(assets.projects.known)) } }
            div { dt { "Assets created" } dd { (number(assets.quantity)) } }
            @if !assets.charged.is_zero() { div { dt { "Charged for assets" } dd { (number(assets.charged.0)) } } }
        }
        @if items.is_empty() {
            p.empty { "No asset has been created yet." }
        } @else {
            (table("Assets by type", "Assets by type", &columns, &rows))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_that_are_offered_are_shown() {
        assert_eq!(Range::parse(Some("90")), Range(90));
        for other in [None, Some("31"), Some("-1"), Some("all"), Some("99999999999999999999")] {
            assert_eq!(Range::parse(other), Range(30), "{other:?}");
        }
    }
}
