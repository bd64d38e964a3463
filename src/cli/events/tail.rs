//! `creditd events tail`: the log as it grows. It reads the database and not the broker, so it needs no queue
//! and shows what waits to be published too.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use time::OffsetDateTime;

use super::super::output::{nobody_reads, or_dash, write};
use super::super::{CommandError, explain, open_store};
use super::EventType;
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;
use crate::store::{LogFilter, LogLine, Store};

/// How often the log is looked at for more.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many numbers of the log are read at once, whatever of them is shown.
const WINDOW: i64 = 5000;
/// How far back is begun where nothing else is said.
const LAST: i64 = 10;
/// What a shell reports for a process that an interrupt ended.
const EXIT_INTERRUPTED: i32 = 130;

#[derive(Args)]
pub(in crate::cli) struct TailArgs {
    /// Only events of this account; a pool's id is pool: and its organization's.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only events of accounts that belonged to this organization then.
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// Begin with this number of the log [default: the last ten].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..), conflicts_with = "since")]
    from: Option<i64>,
    /// Begin at this time (2026-03-01T12:00:00Z), or so long ago (90s, 15m, 2h, 3d).
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Wait for more at the end of the log, until interrupted. This is so unless --no-follow is given.
    #[arg(long, overrides_with = "no_follow")]
    follow: bool,
    /// End at the end of the log.
    #[arg(long, overrides_with = "follow")]
    no_follow: bool,
    /// End after so many events.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// A point in time, given as such or as a stretch of time up to now.
fn since(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a time such as 2026-03-01T12:00:00Z, or a stretch such as 90s, 15m, 2h or 3d";
    if let Ok(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let unit_s: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(expected.to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| expected.to_owned())?;
    let now = Timestamp::cut(OffsetDateTime::now_utc());
    let ago_micros = i64::from(number).saturating_mul(unit_s * 1_000_000);
    let time = Timestamp::from_micros(now.micros().saturating_sub(ago_micros));
    time.ok_or_else(|| format!("{text} ago is before the year 0"))
}

pub(super) async fn run(arguments: &TailArgs, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let interrupted =
        interruption().map_err(|error| CommandError::System { what: "listening for signals", error })?;
    let store = open_store(config).await?;
    refuse_unknown(&store, arguments).await?;
    let filter = LogFilter {
        account: arguments.account.clone(),
        organization: arguments.organization.clone(),
        kind: arguments.event_type.map(EventType::kind),
    };
    let source = store.event_source().await?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut after = start(&store, arguments).await?;
    while left > 0 && !interrupted.load(Ordering::Relaxed) {
        let last = store.log_last().await?;
        if after >= last {
            if arguments.no_follow || nobody_reads() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let through = LogNumber(last.0.min(after.0 + WINDOW));
        let lines = store.log_filtered(after, through, &filter).await?;
        let shown: Vec<_> = lines.iter().take(usize::try_from(left).unwrap_or(usize::MAX)).collect();
        left -= u64::try_from(shown.len()).unwrap_or(left);
        let mut output = Vec::new();
        for line in shown {
            match json {
                true => output.extend(line.event(&source).body),
                false => output.extend(human(line).bytes()),
            }
            output.push(b'\n');
        }
        if !output.is_empty() && !write(&output)? {
            return Ok(());
        }
        after = through;
    }
    Ok(())
}

/// The number after which to begin. Says where something before it was removed that belongs there.
async fn start(store: &Store, arguments: &TailArgs) -> Result<LogNumber, CommandError> {
    let after = match (arguments.from, arguments.since) {
        (Some(from), _) => from - 1,
        (None, Some(since)) => store.first_since(since).await?.0 - 1,
        (None, None) => (store.log_last().await?.0 - LAST).max(0),
    };
    let removed = store.removed().await?.notices_through;
    if removed.0 > after && arguments.event_type != Some(EventType::BalanceChanged) {
        eprintln!("creditd: alerts and hold events up to number {removed} were removed by retention");
    }
    Ok(LogNumber(after))
}

/// A line for people.
fn human(line: &LogLine) -> String {
    let what = match line {
        LogLine::Entry(entry) => format!(
            "{} {} from {} to {} for {}; {} available",
            entry.kind.as_str(),
            entry.credits,
            entry.from.as_str(),
            entry.to.as_str(),
            or_dash(entry.project_id.as_ref()),
            entry.balance.available(),
        ),
        LogLine::Notice(notice) => explain::said(notice.kind.as_str(), &notice.body),
    };
    let (number, at, account) = (line.number(), line.at().to_string(), line.account_id());
    format!("{number:>8}  {at:27}  {:15}  {account}  {what}", line.kind().as_str())
}

/// Raised by an interrupt. The second one ends the process where it stands: it may be stuck in a pipe that
/// nobody empties.
fn interruption() -> io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, interrupted.clone())?;
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    Ok(interrupted)
}

/// Nothing would ever come of what isn't there.
async fn refuse_unknown(store: &Store, arguments: &TailArgs) -> Result<(), CommandError> {
    if let Some(account) = &arguments.account
        && store.look().await?.account(account).await?.is_none()
    {
        let hint = "`creditd account list` shows those that are";
        return Err(CommandError::Refused(format!("no account {account:?} is known; {hint}")));
    }
    if let Some(organization) = &arguments.organization
        && store.look().await?.organization_summaries(Some(organization), None, 1).await?.is_empty()
    {
        let hint = "`creditd organization list` shows those that are";
        return Err(CommandError::Refused(format!("no organization {organization:?} is known; {hint}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_stretch_of_time_says_where_to_begin() {
        let time = since("2026-03-01T12:00:00Z").unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00Z");
        let now = Timestamp::cut(OffsetDateTime::now_utc());
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200)] {
            let ago = now.micros() - since(text).unwrap().micros();
            assert!((ago - seconds * 1_000_000).abs() < 60_000_000, "{text}");
        }
        for text in ["", "h", "2", "-1h", "2w", "1.5h", "yesterday", "5ä"] {
            assert!(since(text).unwrap_err().starts_with("expected a time"), "{text}");
        }
        assert!(since("4294967295d").unwrap_err().contains("before the year 0"));
    }
}
