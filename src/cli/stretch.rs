//! A stretch of time on the command line: `--from` and `--to`.

use clap::Args;
use time::macros::format_description;
use time::{Date, Time};

use super::CommandError;
use crate::ledger::moment::Timestamp;
use crate::store::Stretch;

/// From when and until when.
#[derive(Args)]
pub(super) struct StretchArgs {
    /// Only what was booked at this time or later; a date begins at 00:00 UTC.
    #[arg(long, value_name = "T", value_parser = Border::parse)]
    from: Option<Border>,
    /// Only what was booked before this time; a date counts to its end, 24:00 UTC.
    #[arg(long, value_name = "T", value_parser = Border::parse)]
    to: Option<Border>,
}

/// A point in time, or a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Border {
    begins: Timestamp,
    /// When it is over: at once, or with the day.
    ends: Timestamp,
}

impl Border {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = Timestamp::parse(text) {
            return Ok(Self { begins: at, ends: at });
        }
        let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
        let midnight = |day: Date| Timestamp::cut(day.with_time(Time::MIDNIGHT).assume_utc());
        let border =
            day.and_then(|day| Some(Self { begins: midnight(day), ends: midnight(day.next_day()?) }));
        border.ok_or_else(|| {
            "expected an RFC 3339 time such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01 for that UTC day"
                .to_owned()
        })
    }
}

impl StretchArgs {
    /// The stretch, if it is one.
    pub(super) fn stretch(&self) -> Result<Stretch, CommandError> {
        let stretch = Stretch { from: self.from.map(|from| from.begins), before: self.to.map(|to| to.ends) };
        match (stretch.from, stretch.before) {
            (Some(from), Some(before)) if from >= before => Err(CommandError::Usage(format!(
                "there is no time between --from {from} and --to {before}; turn them around?"
            ))),
            _ => Ok(stretch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_date_is_its_whole_utc_day_and_a_time_is_a_point() {
        let day = Border::parse("2026-02-28").unwrap();
        assert_eq!((day.begins, day.ends), (at("2026-02-28T00:00:00Z"), at("2026-03-01T00:00:00Z")));
        let point = Border::parse("2026-03-01T01:00:00+01:00").unwrap();
        assert_eq!((point.begins, point.ends), (day.ends, day.ends));
        for wrong in ["", "today", "2026-02-29", "2026-3-1", "2026-03-01 12:00", "9999-12-31"] {
            let told = Border::parse(wrong).expect_err(wrong);
            assert!(told.contains("2026-03-01T12:00:00Z") && told.contains("UTC day"), "{told}");
        }
    }

    #[test]
    fn a_stretch_without_time_in_it_is_wrong_usage() {
        let border = |text| Some(Border::parse(text).unwrap());
        let args = |from, to| StretchArgs { from: border(from), to: border(to) };
        let one_day = args("2026-03-01", "2026-03-01").stretch().unwrap();
        assert_eq!(one_day.before, Some(at("2026-03-02T00:00:00Z")));
        for (from, to) in [("2026-03-02", "2026-03-01"), ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")] {
            let error = args(from, to).stretch().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }
}
