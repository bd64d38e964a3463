//! `creditd relay`: who publishes the events, and how far that has come.

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;

use super::output::{members, or_dash, print, print_json};
use super::{CommandError, open_store};
use crate::store::RelayStatus;

#[derive(Subcommand)]
pub(super) enum RelayCommand {
    /// Who has the lease on publishing, what is published, and what waits. Exits with 1 where events wait and
    /// nobody publishes them.
    Status,
}

pub(super) async fn run(
    command: RelayCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let RelayCommand::Status = command;
    let status = open_store(config).await?.relay_status().await?;
    if json { print_json(&status) } else { print(&show(&status)) }?;
    if status.alive || status.lag_events == 0 {
        return Ok(());
    }
    Err(CommandError::Refused(format!(
        "{} and no relay publishes: is `creditd run` running, and can it reach RabbitMQ? after a \
         daemon's death another takes over within 10 s",
        events_wait(status.lag_events)
    )))
}

fn show(status: &RelayStatus) -> String {
    let lease = match (&status.lease_until, status.alive) {
        (Some(until), true) => format!("alive until {until}"),
        (Some(until), false) => format!("ended at {until}"),
        (None, _) => "nobody has it".to_owned(),
    };
    let lag = match status.lag_events {
        0 => "none".to_owned(),
        events => {
            let lag = Duration::from_millis(status.lag_ms.unsigned_abs());
            format!("{}, the oldest for {}", events_wait(events), duration(lag))
        }
    };
    members(&[
        ("owner", or_dash(status.owner.as_ref())),
        ("lease", lease),
        ("epoch", status.epoch.to_string()),
        ("published", status.published.to_string()),
        ("last in the log", status.log_last.to_string()),
        ("lag", lag),
        ("unroutable", status.unroutable.to_string()),
    ])
}

fn events_wait(events: i64) -> String {
    if events == 1 { "one event waits".to_owned() } else { format!("{events} events wait") }
}

/// A stretch of time by its two largest units.
fn duration(stretch: Duration) -> String {
    let seconds = stretch.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{:.1} s", stretch.as_secs_f64()),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_told_by_its_two_largest_units() {
        let told = |millis| duration(Duration::from_millis(millis));
        assert_eq!(told(1_250), "1.2 s");
        assert_eq!(told(61_000), "1 min 1 s");
        assert_eq!(told(2 * 3_600_000 + 59_999), "2 h 0 min");
        assert_eq!(told(3 * 86_400_000 + 5 * 3_600_000), "3 d 5 h");
    }
}
