//! Which parked messages a command is about.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::super::CommandError;
use super::super::output::counted;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::ParkReason;
use crate::store::{ParkedFilter, ParkedSummary};

/// Only some of the parked messages: those that all of these are true of.
#[derive(Args, Clone)]
pub(in super::super) struct FilterArgs {
    /// Only those parked for this reason.
    #[arg(long, value_name = "REASON", value_parser = ParkReason::ALL.map(ParkReason::as_str))]
    reason: Option<String>,
    /// Only those of this type, such as project.amended.v1.
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// Only those that wait for this, such as account:acme.
    #[arg(long, value_name = "WHAT")]
    waits_for: Option<String>,
    /// Only those that came first longer ago than this: 90s, 15m, 12h, 30d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

/// The flags of [`FilterArgs`], for commands that take either them or ids.
pub(super) const FILTERS: [&str; 4] = ["reason", "message_type", "waits_for", "older_than"];

impl FilterArgs {
    pub(super) fn filter(&self) -> ParkedFilter {
        let before =
            |age| SystemTime::now().checked_sub(age).map_or(Timestamp::EPOCH, |at| Timestamp::cut(at.into()));
        ParkedFilter {
            reason: self.reason.clone(),
            message_type: self.message_type.clone(),
            waits_for: self.waits_for.clone(),
            received_before: self.older_than.map(before),
        }
    }
}

/// A number and its unit.
fn age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a number and s, m, h or d, such as 90s or 30d, and got {text:?}");
    let (unit_at, unit) = text.char_indices().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..unit_at].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

/// Refuses to go on with any of the messages asked for, unless `flaw` finds none with any of them.
pub(super) fn refuse_flawed(
    asked: &BTreeSet<i64>,
    found: &[ParkedSummary],
    what: &str,
    flaw: impl Fn(&ParkedSummary) -> Option<String>,
) -> Result<(), CommandError> {
    let known: BTreeSet<_> = found.iter().map(|message| message.id).collect();
    let unknown = asked
        .difference(&known)
        .map(|id| format!("no message {id} is parked; `creditd parked list` shows those that are"));
    let flawed =
        found.iter().filter_map(|message| Some(format!("message {}: {}", message.id, flaw(message)?)));
    let flaws: Vec<_> = unknown.chain(flawed).collect();
    match flaws.as_slice() {
        [] => Ok(()),
        [only] if asked.len() == 1 => Err(CommandError::Refused(only.clone())),
        all => {
            let flaws = Lines(all);
            let head =
                format!("{} of {} can't be {what}, so none was", all.len(), counted(asked.len(), "message"));
            Err(CommandError::Refused(format!("{head}:{flaws}")))
        }
    }
}

/// Each on a line of its own, below what was said before.
struct Lines<'l>(&'l [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_its_unit() {
        let seconds = |text| age(text).map(|age| age.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("30d"), Ok(2_592_000));
        for wrong in ["", "d", "30", "-1d", "1.5h", "30 d", "30é"] {
            let told = seconds(wrong).expect_err(wrong);
            assert!(told.ends_with(&format!("and got {wrong:?}")), "{told}");
        }
    }
}
