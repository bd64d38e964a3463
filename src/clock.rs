//! The time, and whose days it is told in. The core never asks for it: each input carries its own.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::ledger::moment::Timestamp;

/// The longest name of a time zone, in characters; the longest that PostgreSQL has is half of it.
const ZONE_CHARS_MAX: usize = 64;

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::cut(OffsetDateTime::now_utc())
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

#[cfg(test)]
mod tests {
    use super::*;

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
