//! Until when a token counts, as a person writes it.

use time::macros::format_description;
use time::{Date, Time};

use crate::ledger::moment::Timestamp;

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an RFC 3339 time such as 2027-03-01T12:00:00Z, or a date such as 2027-03-01 for the end of that \
     UTC day"
)]
pub struct ExpiryError;

/// Reads the time from which something counts no more. A date is its last day: it counts until 24:00 UTC.
pub fn parse_expiry(text: &str) -> Result<Timestamp, ExpiryError> {
    if let Ok(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let last_day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    let next_day = last_day.and_then(Date::next_day).ok_or(ExpiryError)?;
    Ok(Timestamp::cut(next_day.with_time(Time::MIDNIGHT).assume_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_counts_to_its_end_and_a_time_is_a_point() {
        let midnight = Timestamp::parse("2027-03-01T00:00:00Z").unwrap();
        for text in ["2027-02-28", "2027-03-01T00:00:00Z", "2027-03-01T01:00:00+01:00"] {
            assert_eq!(parse_expiry(text), Ok(midnight));
        }
        for wrong in ["", "never", "2027-02-29", "2027-2-28", "2027-03-01T00:00:00", "9999-12-31"] {
            assert_eq!(parse_expiry(wrong), Err(ExpiryError), "{wrong}");
        }
    }
}
