//! Starting, supervising and stopping the loops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::apply::{Apply, ApplyError};
use super::intake::Intake;
use super::notify::{self, Notifier};
use super::relay::Relay;
use super::retention::Retention;
use super::{backoff::Backoff, signals};
use crate::batch::settings::OrderDiffers;
use crate::broker::{self, BrokerSettings};
use crate::config::{Config, ConfigError, Topology};
use crate::ledger::settings::{Order, Settings};
use crate::logging::LogHandle;
use crate::store::{Remedy, Store, StoreError, StoreSettings};
use crate::vitals::metrics::Server;
use crate::vitals::{Doing, Health, Metrics, Part, Progress};

/// Above a statement's timeout and the longest pause between two tries.
const BEAT_LIMIT: Duration = Duration::from_mins(1);
/// The apply loop, the relay, retention, and one for looking.
const CONNECTIONS_MAX: u32 = 4;

/// Why the daemon ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The settings can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger goes by another order.
    #[error(transparent)]
    Order(#[from] OrderDiffers),
    /// The ledger can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: std::io::Error,
    },
    /// A loop ended that must not.
    #[error("the {0} loop ended unexpectedly; this is a bug, please report the lines above")]
    Ended(&'static str),
}

/// Reads the settings again, for HUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// How the store is reached, by the settings.
impl Config {
    /// How to reach the ledger as the daemon's role.
    pub fn store_settings(&self) -> StoreSettings {
        StoreSettings {
            url: self.database.url.expose().to_owned().into(),
            schema: self.database.schema.clone(),
            statement_timeout: Duration::from_secs(self.database.statement_timeout_s.into()),
            lock_timeout: Duration::from_secs(self.database.lock_timeout_s.into()),
            connections_max: CONNECTIONS_MAX,
        }
    }

    /// How to reach the broker, and what is used there.
    pub fn broker_settings(&self) -> Result<BrokerSettings, ConfigError> {
        Ok(BrokerSettings {
            url: self.broker.url()?.expose().to_owned().into(),
            inbound_exchange: self.broker.inbound_exchange.clone(),
            queue: self.broker.queue.clone(),
            events_exchange: self.broker.events_exchange.clone(),
            topology: match self.broker.topology {
                Topology::Declare => broker::Topology::Declare,
                Topology::Check => broker::Topology::Check,
            },
            // Two maximal batches: one commits while the next gathers.
            prefetch: self.batch.messages_max.saturating_mul(2),
        })
    }
}

/// Runs until a signal says to stop, and then until all is in order.
pub async fn run(config: Config, log: LogHandle, reload: Reload) -> Result<(), DaemonError> {
    let broker = config.broker_settings()?;
    let store = Store::new(&config.store_settings())?;
    let settings = Arc::new(config.ledger_settings());
    let stop = CancellationToken::new();
    let (hangups_in, hangups) = mpsc::unbounded_channel();
    let system = |what| move |error| DaemonError::System { what, error };
    signals::listen(stop.clone(), hangups_in).map_err(system("listening for signals"))?;
    let notifier = Notifier::from_environment().map_err(system("reaching systemd's socket"))?;
    let notifier = Arc::new(notifier);
    let health = Health::default();
    let (status_notifier, status_line) = (notifier.clone(), health.status_line());
    tokio::spawn(async move { notify::show_status(&status_notifier, status_line).await });
    let progress = Progress::default();
    let metrics = Metrics::new(&health, &progress);
    info!(version = env!("CARGO_PKG_VERSION"), schema = store.schema(), "starting");
    if let Some(interval) = notify::watchdog_interval() {
        let (notifier, progress) = (notifier.clone(), progress.clone());
        tokio::spawn(async move { notify::watch(&notifier, &progress, interval).await });
    }
    // Servers that are away are waited for; that is no failed start.
    notifier.ready();
    if !open(&store, &settings, &health, &metrics, &stop).await? {
        return Ok(());
    }

    let log_grew = Arc::new(Notify::new());
    let relay_stop = CancellationToken::new();
    let (received_in, received) = mpsc::channel(broker.prefetch.into());
    let (reloaded_in, reloaded) = mpsc::unbounded_channel();
    let heartbeat = |name| progress.register(name, BEAT_LIMIT);
    let intake = Intake {
        broker: broker.clone(),
        out: received_in,
        health: health.clone(),
        heartbeat: heartbeat("intake"),
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    let relay = Relay {
        store: store.clone(),
        broker,
        owner: format!("{}:{}", std::process::id(), fastrand::u64(..)),
        health: health.clone(),
        heartbeat: heartbeat("relay"),
        metrics: metrics.clone(),
        log_grew: log_grew.clone(),
        stop: relay_stop.clone(),
    };
    let apply = Apply {
        store: store.clone(),
        settings,
        messages_max: config.batch.messages_max.into(),
        health: health.clone(),
        heartbeat: heartbeat("apply"),
        metrics: metrics.clone(),
        log_grew,
        stop: stop.clone(),
    };
    let retention = Retention {
        store: store.clone(),
        keep: config.retention,
        heartbeat: heartbeat("retention"),
        metrics,
        stop: relay_stop.clone(),
    };
    tokio::spawn(reload_on_hangup(hangups, reload, log, notifier.clone(), reloaded_in, config.order));
    let loops = Loops {
        intake: tokio::spawn(intake.run()),
        apply: tokio::spawn(apply.run(received, reloaded)),
        relay: tokio::spawn(relay.run()),
        retention: tokio::spawn(retention.run()),
    };
    let ended = supervise(loops, &stop, &relay_stop, &notifier, &health).await;
    store.close().await;
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// Waits for the database, and refuses a ledger that this daemon can't work on. `false` if it was told to
/// stop meanwhile.
async fn open(
    store: &Store,
    settings: &Settings,
    health: &Health,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<bool, DaemonError> {
    let mut backoff = Backoff::new();
    loop {
        match check(store, settings.order).await {
            Ok(()) => {
                health.well(Part::Ledger, Doing::Ready);
                return Ok(true);
            }
            Err(DaemonError::Store(error)) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                health.waiting(Part::Ledger, &error);
                metrics.messages.reconnecting(Server::Postgresql, Part::Ledger);
                tokio::select! {
                    () = stop.cancelled() => return Ok(false),
                    () = tokio::time::sleep(backoff.next_delay()) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn check(store: &Store, ours: Order) -> Result<(), DaemonError> {
    store.check().await?;
    match store.settings().await? {
        (Some(stored), _) if stored.order != ours => Err(OrderDiffers { ours, stored: stored.order }.into()),
        _ => Ok(()),
    }
}

/// The loops that run until the daemon stops.
struct Loops {
    intake: JoinHandle<()>,
    apply: JoinHandle<Result<(), ApplyError>>,
    relay: JoinHandle<Result<(), StoreError>>,
    retention: JoinHandle<()>,
}

/// Waits for the loops. When the daemon is told to stop they end one after the other: the intake receives no
/// more, the batch in hand is finished and acknowledged, and the relay publishes what it wrote.
async fn supervise(
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

/// Takes over what can change in a running daemon: the log level and the settings that decide, but for the
/// order.
async fn reload_on_hangup(
    mut hangups: mpsc::UnboundedReceiver<()>,
    reload: Reload,
    log: LogHandle,
    notifier: Arc<Notifier>,
    reloaded: mpsc::UnboundedSender<Arc<Settings>>,
    order: Order,
) {
    while hangups.recv().await.is_some() {
        notifier.reloading();
        match reload() {
            Err(error) => error!(%error, "the settings can't be used; the ones from before stay"),
            Ok(config) if config.order != order => {
                error!("order is fixed for a ledger's life; the settings from before stay");
            }
            Ok(config) => {
                if let Err(error) = log.set_level(&config.log.level) {
                    error!(%error, "the log level stays as it was");
                }
                let settings = Arc::new(config.ledger_settings());
                info!(
                    "the settings were read again; log.level, alerts, lifecycle and time_ahead_max_s count"
                );
                reloaded.send(settings).ok();
            }
        }
        notifier.ready();
    }
}
