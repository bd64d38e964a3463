//! The loops, from when they run until all have ended.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::apply::ApplyError;
use super::error::DaemonError;
use super::notify::Notifier;
use crate::store::StoreError;
use crate::vitals::Health;

/// The loops that run until the daemon stops.
pub(super) struct Loops {
    pub(super) intake: JoinHandle<()>,
    pub(super) apply: JoinHandle<Result<(), ApplyError>>,
    pub(super) relay: JoinHandle<Result<(), StoreError>>,
    pub(super) retention: JoinHandle<()>,
}

/// Waits for the loops. When the daemon is told to stop they end one after the other: the intake receives no
/// more, the batch in hand is finished and acknowledged, and the relay publishes what it wrote.
pub(super) async fn supervise(
    Loops { intake, mut apply, mut relay, mut retention }: Loops,
    stop: &CancellationToken,
    relay_stop: &CancellationToken,
    notifier: &Notifier,
    health: &Health,
) -> Result<(), DaemonError> {
    let early = tokio::select! {
        ended = &mut apply => Some(applied(ended)),
        ended = &mut relay => Some(relayed(ended)),
        // Told to stop with the relay, it ends here only by a bug.
        ended = &mut retention => Some(ended.map_err(|_| DaemonError::Ended("retention"))),
        () = stop.cancelled() => None,
    };
    notifier.stopping();
    health.stopping();
    let ended = match early {
        // A loop that ended by itself found something that needs a person.
        Some(Err(error)) => Err(error),
        Some(Ok(())) if !stop.is_cancelled() => Err(DaemonError::Ended("apply, relay or retention")),
        Some(Ok(())) => Ok(()),
        None => applied(apply.await),
    };
    stop.cancel();
    relay_stop.cancel();
    if let Err(error) = &ended {
        error!(%error, "stopping");
        return ended;
    }
    intake.await.map_err(|_| DaemonError::Ended("intake"))?;
    if !retention.is_finished() {
        retention.await.map_err(|_| DaemonError::Ended("retention"))?;
    }
    if relay.is_finished() { ended } else { relayed(relay.await) }
}

fn applied(ended: Result<Result<(), ApplyError>, tokio::task::JoinError>) -> Result<(), DaemonError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(ApplyError::Store(error))) => Err(DaemonError::Store(error)),
        Ok(Err(ApplyError::Order(differ))) => Err(differ.into()),
        Err(_) => Err(DaemonError::Ended("apply")),
    }
}

fn relayed(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), DaemonError> {
    match ended {
        Ok(ended) => ended.map_err(DaemonError::Store),
        Err(_) => Err(DaemonError::Ended("relay")),
    }
}
