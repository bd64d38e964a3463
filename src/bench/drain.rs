//! A filled queue, until the last event is confirmed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ground::Field;
use super::process::Daemon;
use super::workload::{SOURCE, Sent};
use super::{BenchError, Progress, flood, per_second};

/// How often is looked how far the daemon is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What came of it.
pub(super) struct Drained {
    /// Messages in a second, from the daemon's start to the last event's confirm.
    pub(super) per_second: f64,
    /// The most memory that the daemon had, in MiB.
    pub(super) resident_mib_max: f64,
}

/// Fills the queue, and lets a daemon work on it. The accounts are open already.
pub(super) async fn run(
    executable: &Path,
    field: &Field,
    sent: &Sent,
    progress: Progress<'_>,
) -> Result<Drained, BenchError> {
    flood::collect_events(field).await?;
    flood::fill(field, &sent.messages, progress).await?;
    flood::fill(field, std::slice::from_ref(&sent.end), progress).await?;

    let began = Instant::now();
    let mut daemon = Daemon::start(executable, field).await?;
    wait_for_the_end(field, &mut daemon, sent, progress).await?;
    let took = began.elapsed();
    let resident_mib_max = daemon.resident_mib_max()?;
    daemon.stop()?;
    Ok(Drained { per_second: per_second(sent.messages.len(), took), resident_mib_max })
}

/// Waits until what was sent last is committed, and every event of the ledger confirmed. Says how many events the
/// ledger ever had.
pub(super) async fn wait_for_the_end(
    field: &Field,
    daemon: &mut Daemon,
    sent: &Sent,
    progress: Progress<'_>,
) -> Result<usize, BenchError> {
    let before = field.store.relay_status().await?.published;
    while field.store.message_fate(SOURCE, &sent.end.id).await?.is_none() {
        daemon.must_run()?;
        let relay = field.store.relay_status().await?;
        let published = usize::try_from(relay.published.0 - before.0).unwrap_or_default();
        progress.at("draining the queue, by events", published.min(sent.events), sent.events);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    loop {
        let relay = field.store.relay_status().await?;
        if relay.lag_events == 0 {
            return Ok(usize::try_from(relay.published.0).unwrap_or_default());
        }
        daemon.must_run()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
