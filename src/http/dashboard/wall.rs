//! Times as people read them: by the clocks of the reports' time zone, which the foot of each page names once.

use maud::{Markup, html};
use time::{Date, PrimitiveDateTime};

use super::words::counted;
use crate::clock::{self, Clocks, Zone};
use crate::http::problem::Problem;
use crate::ledger::moment::Timestamp;
use crate::report::{Reading, Reports};

/// What is farther off than that is told by its date, in days.
const DAYS_TOLD: i64 = 60;

/// The time at which a page is made, by the clocks of the reports' time zone.
#[derive(Clone, Debug)]
pub(super) struct WallClock {
    now: Timestamp,
    clocks: Clocks,
}

impl WallClock {
    /// The present time, by the clocks of `report.timezone`.
    pub(super) async fn read(reading: &mut Reading) -> Result<Self, Problem> {
        Ok(Self { now: clock::now(), clocks: reading.clocks().await? })
    }

    /// The same without a look at the ledger: in UTC, where those clocks have not been read so far.
    pub(super) fn at_hand(reports: &Reports) -> Self {
        Self { now: clock::now(), clocks: reports.clocks_at_hand().unwrap_or_else(Clocks::utc) }
    }

    #[cfg(test)]
    pub(super) fn utc() -> Self {
        Self::at(clock::now())
    }

    /// Whose clocks they are.
    pub(super) fn zone(&self) -> &Zone {
        self.clocks.zone()
    }

    /// The present day.
    pub(super) fn today(&self) -> Date {
        self.clocks.show(self.now).date()
    }

    /// The present time.
    pub(super) fn now(&self) -> Markup {
        self.time(self.now)
    }

    /// A point in time, to the minute; programs that read the page find it in UTC.
    pub(super) fn time(&self, at: Timestamp) -> Markup {
        html! { time datetime=(at) { (minute(self.clocks.show(at))) } }
    }

    /// The day of a point in time.
    pub(super) fn day(&self, at: Timestamp) -> Markup {
        html! { time datetime=(at) { (self.clocks.show(at).date()) } }
    }

    /// How long ago something was, in the largest unit that fits; the moment itself where one asks.
    pub(super) fn age(&self, since: Timestamp) -> Markup {
        html! { time datetime=(since) title=(minute(self.clocks.show(since))) { (stretch(since, self.now)) } }
    }

    /// How far off something is; its date where that is far.
    pub(super) fn until(&self, at: Timestamp) -> Markup {
        let title = minute(self.clocks.show(at));
        html! {
            @if at <= self.now {
                time datetime=(at) title=(title) { "now" }
            } @else if days(self.now, at) > DAYS_TOLD {
                "on " (self.day(at))
            } @else {
                "in " time datetime=(at) title=(title) { (stretch(self.now, at)) }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, clocks: Clocks::utc() }
    }
}

fn minute(shown: PrimitiveDateTime) -> String {
    format!("{} {:02}:{:02}", shown.date(), shown.hour(), shown.minute())
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A year and a half is told in days; two years are a rough thing.
const YEAR: i64 = 365 * DAY;

fn seconds(since: Timestamp, now: Timestamp) -> i64 {
    (now - since).0.max(0) / 1_000_000
}

fn days(since: Timestamp, now: Timestamp) -> i64 {
    seconds(since, now) / DAY
}

fn stretch(since: Timestamp, now: Timestamp) -> String {
    let seconds = seconds(since, now);
    if seconds >= 2 * YEAR {
        return counted(seconds / YEAR, "year");
    }
    match seconds {
        0..MINUTE => "less than a minute".to_owned(),
        MINUTE..HOUR => counted(seconds / MINUTE, "minute"),
        HOUR..DAY => counted(seconds / HOUR, "hour"),
        _ => counted(seconds / DAY, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockChange;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        let now = at("2026-03-10T12:00:00Z");
        let told = [
            ("2026-03-10T11:59:30Z", "less than a minute"),
            ("2026-03-10T11:58:59Z", "1 minute"),
            ("2026-03-10T10:00:00Z", "2 hours"),
            ("2026-03-01T00:00:00Z", "9 days"),
            ("2024-09-10T00:00:00Z", "546 days"),
            ("2023-03-01T00:00:00Z", "3 years"),
        ];
        for (since, expected) in told {
            assert_eq!(stretch(at(since), now), expected, "{since}");
        }
        assert_eq!(stretch(now, at("2026-03-01T00:00:00Z")), "less than a minute", "clocks may differ");
    }

    #[test]
    fn what_is_far_off_is_told_by_its_date() {
        let wall = WallClock::at(at("2026-03-10T12:00:00Z"));
        let until = |text: &str| wall.until(at(text)).into_string();
        assert!(
            until("2026-03-22T12:00:00Z").starts_with("in <time")
                && until("2026-03-22T12:00:00Z").contains("12 days")
        );
        assert_eq!(
            until("2099-12-31T00:00:00Z"),
            "on <time datetime=\"2099-12-31T00:00:00Z\">2099-12-31</time>"
        );
        assert!(until("2026-03-10T12:00:00Z").contains(">now<"));
    }

    #[test]
    fn a_time_is_shown_by_the_zones_clocks_and_told_to_programs_in_utc() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let summer = ClockChange { at: at("2026-03-29T01:00:00Z"), ahead_s: 7200 };
        let wall = WallClock { now: at("2026-06-30T22:30:00Z"), clocks: Clocks::new(zone, vec![summer]) };
        assert_eq!(
            wall.now().into_string(),
            "<time datetime=\"2026-06-30T22:30:00Z\">2026-07-01 00:30</time>"
        );
        assert_eq!(wall.today().to_string(), "2026-07-01");
        assert_eq!(wall.zone().as_str(), "Europe/Berlin");
    }
}
