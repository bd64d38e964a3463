//! Points in time, as whole microseconds.

use std::fmt;
use std::ops::{Add, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time in whole microseconds since 1970-01-01T00:00:00Z, within the years 0 to 9999 of UTC: no other can be
/// written by RFC 3339.
///
/// PostgreSQL stores microseconds. Two times within one would differ here and be equal there, so nothing
/// finer ever enters the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("format" = "date-time"))]
pub struct Timestamp(i64);

/// A stretch of time in whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// `seconds` as microseconds.
    pub const fn from_seconds(seconds: u32) -> Self {
        Micros(seconds as i64 * 1_000_000)
    }

    /// `days` of 24 hours as microseconds.
    pub const fn from_days(days: u32) -> Self {
        Micros(days as i64 * 24 * 3600 * 1_000_000)
    }
}

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time such as 2026-03-01T12:00:00Z")]
pub struct TimestampError;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// The time `micros` microseconds after 1970; `None` beyond the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
        // The time crate goes back to -9999, which it can't write then.
        (0..=9999).contains(&time.year()).then_some(Self(micros))
    }

    /// Cuts `time` to whole microseconds.
    pub fn cut(time: OffsetDateTime) -> Self {
        let micros = time.unix_timestamp_nanos().div_euclid(1000);
        Self(i64::try_from(micros).expect("the years 0 to 9999 fit an i64 of microseconds"))
    }

    /// Reads an RFC 3339 time and cuts it to microseconds.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let stamp = Self::cut(time);
        // An offset can carry the year past what can be written again in UTC.
        Self::from_micros(stamp.0).ok_or(TimestampError)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The same point in time for the `time` crate, in UTC.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .expect("every way to make a Timestamp checks that the time crate can hold it")
    }
}

impl Add<Micros> for Timestamp {
    type Output = Timestamp;
    /// The later time; the last representable one where the sum is beyond it.
    fn add(self, stretch: Micros) -> Timestamp {
        let last = time::Date::MAX.with_hms(23, 59, 59).expect("a valid time of day").assume_utc();
        Timestamp(self.0.saturating_add(stretch.0).min(Timestamp::cut(last).0))
    }
}

impl Sub<Micros> for Timestamp {
    type Output = Timestamp;
    /// The earlier time; the first representable one where the difference is before it.
    fn sub(self, stretch: Micros) -> Timestamp {
        let first = time::Date::from_ordinal_date(0, 1).expect("the year 0 has a first day").midnight();
        Timestamp(self.0.saturating_sub(stretch.0).max(Timestamp::cut(first.assume_utc()).0))
    }
}

impl Sub for Timestamp {
    type Output = Micros;
    fn sub(self, earlier: Timestamp) -> Micros {
        Micros(self.0 - earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_offset_date_time().format(&Rfc3339).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl From<Timestamp> for String {
    fn from(stamp: Timestamp) -> String {
        stamp.to_string()
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;
    fn try_from(text: String) -> Result<Self, TimestampError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_within_one_microsecond_are_one_time() {
        let first = Timestamp::parse("2026-03-01T10:00:00.0000011Z").unwrap();
        let second = Timestamp::parse("2026-03-01T11:00:00.0000019+01:00").unwrap();
        assert_eq!(first, second);
        assert_eq!(first.to_string(), "2026-03-01T10:00:00.000001Z");
    }

    #[test]
    fn times_before_1970_are_cut_downwards_too() {
        let early = Timestamp::parse("1969-12-31T23:59:59.9999995Z").unwrap();
        assert_eq!(early.micros(), -1);
    }

    #[test]
    fn an_offset_that_leaves_the_calendar_is_refused() {
        assert!(Timestamp::parse("9999-12-31T23:59:59-01:00").is_err());
        assert!(Timestamp::parse("0000-01-01T00:00:00+00:01").is_err());
        assert!(Timestamp::parse("yesterday").is_err());
    }

    const FIRST: i64 = -62_167_219_200_000_000;
    const LAST: i64 = 253_402_300_799_999_999;

    #[test]
    fn the_first_and_the_last_time_are_those_that_can_be_written() {
        for (micros, text) in [(FIRST, "0000-01-01T00:00:00Z"), (LAST, "9999-12-31T23:59:59.999999Z")] {
            assert_eq!(Timestamp::from_micros(micros).unwrap().to_string(), text);
            assert_eq!(Timestamp::parse(text).unwrap().micros(), micros);
        }
        for beyond in [FIRST - 1, LAST + 1, i64::MIN, i64::MAX] {
            assert_eq!(Timestamp::from_micros(beyond), None, "{beyond}");
        }
        let far = Micros(i64::MAX);
        assert_eq!((Timestamp::EPOCH - far).micros(), FIRST);
        assert!((Timestamp::EPOCH + far).to_string().starts_with("9999-12-31T23:59:59"));
    }

    proptest! {
        #[test]
        fn what_is_a_time_can_be_written_and_read_again(
            near in prop::sample::select(vec![FIRST, 0, LAST]),
            by in -100_000_000_000_i64..100_000_000_000,
            year in prop::sample::select(vec!["0000", "0001", "1969", "9998", "9999"]),
            day in prop::sample::select(vec!["01-01", "12-31"]),
            offset in "[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]",
        ) {
            let parsed = Timestamp::parse(&format!("{year}-{day}T12:00:00{offset}")).ok();
            for time in parsed.into_iter().chain(Timestamp::from_micros(near.saturating_add(by))) {
                prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
                let written = serde_json::to_value(time).unwrap();
                prop_assert_eq!(serde_json::from_value::<Timestamp>(written).unwrap(), time);
            }
        }
    }
}
