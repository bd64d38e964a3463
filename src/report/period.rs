//! Stretches of time as people name them: days and months of a time zone, or points in time. Which times those are
//! is PostgreSQL's to say, which knows the zones and when their clocks are changed.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{Date, Month as CalendarMonth};

use super::ReportError;
use crate::clock::Zone;
use crate::ledger::moment::Timestamp;
use crate::store::{Snapshot, Stretch};

/// The years that days and months may be of: beyond lies no ledger, and not far beyond the calendar's ends.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9000;
/// The same years, as the patterns of the published schemas have them.
const MONTH: &str = "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-(0[1-9]|1[0-2])$";
const DAY: &str = "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-[0-9]{2}-[0-9]{2}$";
const DAY_AND_TIME: &str = "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-[0-9]{2}-[0-9]{2}[Tt]";
/// What only PostgreSQL knows of a time zone.
impl Zone {
    fn known<T>(&self, found: Option<T>) -> Result<T, ReportError> {
        found.ok_or_else(|| ReportError::UnknownZone(self.clone()))
    }

    /// Asks PostgreSQL whether it knows it.
    pub async fn check(&self, snapshot: &mut Snapshot) -> Result<(), ReportError> {
        self.days_of(snapshot, &[Timestamp::EPOCH]).await.map(drop)
    }

    /// When these days begin in it.
    pub(super) async fn days_begin(
        &self,
        snapshot: &mut Snapshot,
        days: &[Date],
    ) -> Result<Vec<Timestamp>, ReportError> {
        let found = snapshot.days_begin(self.as_str(), days).await?;
        self.known(found)
    }

    /// On which of its days these times are.
    pub(super) async fn days_of(
        &self,
        snapshot: &mut Snapshot,
        times: &[Timestamp],
    ) -> Result<Vec<Date>, ReportError> {
        let found = snapshot.days_of(self.as_str(), times).await?;
        self.known(found)
    }
}

/// A day of a calendar, written `2026-03-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(with = "String", extend("format" = "date"))]
pub struct Day(pub Date);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl Day {
    fn of(date: Date) -> Option<Self> {
        YEARS.contains(&date.year()).then_some(Self(date))
    }

    fn next(self) -> Self {
        Self(self.0.next_day().expect("the calendar goes on after the years that may be named"))
    }
}

fn date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// One end of a stretch: a point in time, or a day, which as a beginning counts from its first moment and as an end
/// to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("anyOf" = [
    {"format": "date", "pattern": DAY},
    {"format": "date-time", "pattern": DAY_AND_TIME},
]))]
pub enum Border {
    /// A point in time; as an end, the first one that no longer counts.
    Time(Timestamp),
    /// A day of the report's time zone.
    Day(Day),
}

/// A text that names no end of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BorderError {
    /// It is neither a day nor a point in time.
    #[error("expected {BORDER}")]
    Unreadable,
    /// It is one of a year that no ledger reaches.
    #[error("expected a year from {} to {}, in {BORDER}", YEARS.start(), YEARS.end())]
    Year,
    /// It would be a point in time with `+` in the place of its space, as which a query's `+` is read.
    #[error("found a space where + belongs, which is written %2B in a query; expected {BORDER}")]
    Space,
}

/// What an end of a stretch looks like.
const BORDER: &str = "a date such as 2026-03-01 for that day of report.timezone, or an RFC 3339 time such as \
                      2026-03-01T12:00:00Z";

impl FromStr for Border {
    type Err = BorderError;

    fn from_str(text: &str) -> Result<Self, BorderError> {
        if let Some(date) = date(text) {
            return Day::of(date).map(Border::Day).ok_or(BorderError::Year);
        }
        match Timestamp::parse(text) {
            Ok(time) if YEARS.contains(&time.to_offset_date_time().year()) => Ok(Border::Time(time)),
            Ok(_) => Err(BorderError::Year),
            Err(_) if is_with_space_for_plus(text) => Err(BorderError::Space),
            Err(_) => Err(BorderError::Unreadable),
        }
    }
}

fn is_with_space_for_plus(text: &str) -> bool {
    let parts = text.rsplit_once(' ');
    parts.is_some_and(|(time, offset)| Timestamp::parse(&format!("{time}+{offset}")).is_ok())
}

impl TryFrom<String> for Border {
    type Error = BorderError;

    fn try_from(text: String) -> Result<Self, BorderError> {
        text.parse()
    }
}

impl fmt::Display for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Border::Time(time) => time.fmt(f),
            Border::Day(day) => day.fmt(f),
        }
    }
}

/// A stretch of time as it was named: all of it, where neither end was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Its beginning; the account's, where none is named.
    pub from: Option<Border>,
    /// Its end; the present, where none is named.
    pub to: Option<Border>,
}

impl Period {
    /// The points in time at both ends.
    pub async fn stretch(&self, snapshot: &mut Snapshot, zone: &Zone) -> Result<Stretch, ReportError> {
        let stretch = Stretch {
            from: begin(snapshot, zone, self.from).await?,
            before: begin(snapshot, zone, self.to.map(Border::after)).await?,
        };
        match (self.from, self.to, stretch.from, stretch.before) {
            (Some(from), Some(to), Some(begins), Some(ends)) if begins >= ends => {
                Err(ReportError::NoTime { from, to })
            }
            _ => Ok(stretch),
        }
    }
}

impl Border {
    /// The first moment after it.
    fn after(self) -> Self {
        match self {
            Border::Time(_) => self,
            Border::Day(day) => Border::Day(day.next()),
        }
    }
}

async fn begin(
    snapshot: &mut Snapshot,
    zone: &Zone,
    border: Option<Border>,
) -> Result<Option<Timestamp>, ReportError> {
    match border {
        None => Ok(None),
        Some(Border::Time(time)) => Ok(Some(time)),
        Some(Border::Day(Day(day))) => Ok(zone.days_begin(snapshot, &[day]).await?.pop()),
    }
}

/// A month of a calendar, written `2026-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = MONTH))]
pub struct Month {
    year: i32,
    month: CalendarMonth,
}

/// A text that is no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a month such as 2026-03, of a year from {} to {}", YEARS.start(), YEARS.end())]
pub struct MonthError;

impl Month {
    /// The month that a day belongs to.
    pub fn of(day: Day) -> Self {
        Self { year: day.0.year(), month: day.0.month() }
    }

    /// The month as a stretch of days.
    pub fn period(self) -> Period {
        let [first, last] = [1, self.month.length(self.year)].map(|day| {
            let date = Date::from_calendar_date(self.year, self.month, day);
            Border::Day(Day(date.expect("a month has its first and its last day")))
        });
        Period { from: Some(first), to: Some(last) }
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        date(&format!("{text}-01")).and_then(Day::of).map(Month::of).ok_or(MonthError)
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Self, MonthError> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> String {
        month.to_string()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, u8::from(self.month))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_border_is_a_day_or_a_point_in_time() {
        let day: Border = "2026-02-28".parse().unwrap();
        assert_eq!(day.after().to_string(), "2026-03-01");
        let time: Border = "2026-03-01T01:00:00+01:00".parse().unwrap();
        assert_eq!((time, time.to_string().as_str()), (time.after(), "2026-03-01T00:00:00Z"));
        for wrong in ["", "today", "2026-02-29", "2026-3-1", "2026-03-01 12:00", "9999-12-31", "0001-01-01"] {
            let told = wrong.parse::<Border>().expect_err(wrong).to_string();
            assert!(told.contains("2026-03-01T12:00:00Z") && told.contains("report.timezone"), "{told}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_border_that_looks_like_one_is_said() {
        for (wrong, why) in [
            ("1969-12-31", "from 1970 to 9000"),
            ("9001-01-01T00:00:00Z", "from 1970 to 9000"),
            ("2026-03-01T12:00:00 01:00", "%2B"),
            ("2026-03-01 12:00:00 01:00", "%2B"),
        ] {
            let told = wrong.parse::<Border>().expect_err(wrong).to_string();
            assert!(told.contains(why), "{wrong}: {told}");
        }
        for wrong in ["2026-03-01 12:00", "2026-03-01T12:00:00", "yesterday", " "] {
            assert_eq!(wrong.parse::<Border>(), Err(BorderError::Unreadable), "{wrong}");
        }
        assert!("1969-12".parse::<Month>().expect_err("no ledger's").to_string().contains("1970"));
    }

    #[test]
    fn a_month_has_all_its_days() {
        let ends = |text: &str| {
            let period = text.parse::<Month>().unwrap().period();
            [period.from, period.to].map(|border| border.unwrap().to_string())
        };
        assert_eq!(ends("2026-02"), ["2026-02-01", "2026-02-28"]);
        assert_eq!(ends("2028-02"), ["2028-02-01", "2028-02-29"]);
        assert_eq!(ends("2026-12"), ["2026-12-01", "2026-12-31"]);
        for wrong in ["", "2026", "2026-13", "2026-00", "2026-1", "2026-01-01", "1-01", "march"] {
            assert_eq!(wrong.parse::<Month>(), Err(MonthError), "{wrong}");
        }
    }
}
