//! The time, and whose days it is told in. The core never asks for it: each input carries its own.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use crate::hooks;
use crate::ledger::moment::Timestamp;

/// The longest name of a time zone, in characters; the longest that PostgreSQL has is half of it.
const ZONE_CHARS_MAX: usize = 64;

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    Timestamp::cut(OffsetDateTime::now_utc() + hooks::clock_ahead())
}

/// A clock that goes with tokio's, which a test may have paused.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    use tokio::time::Instant;

    use crate::ledger::moment::Timestamp;

    thread_local! {
        static BEGAN: Cell<Option<(Timestamp, Instant)>> = const { Cell::new(None) };
    }

    /// Has this thread's clock show `at`, and go on from there.
    pub(crate) fn begin(at: Timestamp) {
        BEGAN.set(Some((at, Instant::now())));
    }

    pub(super) fn now() -> Option<Timestamp> {
        let (at, began) = BEGAN.get()?;
        let micros = i64::try_from(began.elapsed().as_micros()).ok()?;
        Timestamp::from_micros(at.micros() + micros)
    }
}

/// A time zone, by its name. When its clocks are changed is PostgreSQL's to know, and so is whether there is one of
/// that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Zone(Arc<str>);

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {0:?}, expected a time zone's name such as UTC or Europe/Berlin; an offset has the name Etc/GMT-1, which \
     is an hour east of Greenwich"
)]
pub struct ZoneError(String);

impl Zone {
    /// A zone by its name. PostgreSQL would also take `UTC+3`, and mean three hours west by it: that is refused.
    pub fn parse(text: &str) -> Result<Self, ZoneError> {
        let is_word = |part: &str| part.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_part = |c: char| c.is_ascii_alphanumeric() || "/_-+".contains(c);
        let is_region = text.contains('/') || text.chars().all(|c| c.is_ascii_alphabetic());
        if is_word(text) && is_region && text.chars().all(is_part) && text.len() <= ZONE_CHARS_MAX {
            return Ok(Self(text.into()));
        }
        Err(ZoneError(text.to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From when on a zone's clocks are how far ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// From when on.
    pub at: Timestamp,
    /// How far, in seconds; below zero where they are behind.
    pub ahead_s: i64,
}

/// The clocks of a time zone. Clones share their changes.
#[derive(Clone, Debug)]
pub struct Clocks {
    zone: Zone,
    /// In order.
    changes: Arc<[ClockChange]>,
}

impl Clocks {
    /// The clocks of a zone that are changed so.
    pub fn new(zone: Zone, mut changes: Vec<ClockChange>) -> Self {
        changes.sort_by_key(|change| change.at);
        Self { zone, changes: changes.into() }
    }

    /// Clocks that show UTC.
    pub fn utc() -> Self {
        Self { zone: Zone("UTC".into()), changes: Arc::default() }
    }

    /// Whose they are.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// What they show at `at`. Before the first change known they are taken to be as after it.
    pub fn show(&self, at: Timestamp) -> PrimitiveDateTime {
        let begun = self.changes.partition_point(|change| change.at <= at);
        let change = self.changes.get(begun.saturating_sub(1));
        let shown = at
            .to_offset_date_time()
            .saturating_add(Duration::seconds(change.map_or(0, |change| change.ahead_s)));
        PrimitiveDateTime::new(shown.date(), shown.time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_show_what_they_are_set_to_from_each_change_on() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let changes =
            [("2000-01-01T00:00:00Z", 3600), ("2026-03-29T01:00:00Z", 7200), ("2026-10-25T01:00:00Z", 3600)];
        let changes = changes.map(|(from, ahead_s)| ClockChange { at: at(from), ahead_s });
        let berlin = Clocks::new(Zone::parse("Europe/Berlin").unwrap(), changes.to_vec());
        for (utc, shown) in [
            ("1999-12-31T23:30:00Z", "2000-01-01 0:30:00.0"),
            ("2026-03-29T00:59:59Z", "2026-03-29 1:59:59.0"),
            ("2026-03-29T01:00:00Z", "2026-03-29 3:00:00.0"),
            ("2026-06-30T22:00:00Z", "2026-07-01 0:00:00.0"),
            ("2026-10-25T01:00:00Z", "2026-10-25 2:00:00.0"),
            ("2090-01-01T00:00:00Z", "2090-01-01 1:00:00.0"),
        ] {
            assert_eq!(berlin.show(at(utc)).to_string(), shown, "{utc}");
        }
        assert_eq!(Clocks::utc().show(at("2026-06-30T22:00:00Z")).to_string(), "2026-06-30 22:00:00.0");
    }

    #[test]
    fn a_zone_is_a_name_and_no_offset() {
        for name in ["UTC", "Europe/Berlin", "America/Port-au-Prince", "Etc/GMT-1", "Japan"] {
            assert_eq!(Zone::parse(name).unwrap().as_str(), name);
        }
        for wrong in ["", "UTC+3", "+01:00", "3", "/Berlin", "Europe/Berlin'", "CET-1CEST", &"a".repeat(65)] {
            let told = Zone::parse(wrong).expect_err(wrong).to_string();
            assert!(told.contains("Europe/Berlin"), "{told}");
        }
    }
}
