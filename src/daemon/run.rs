//! Starting the daemon, and stopping it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::apply::{Apply, Turn};
use super::error::DaemonError;
use super::hanging::{self, Excuses};
use super::intake::Intake;
use super::ledger::StoredLedger;
use super::notify::{self, Notifier};
use super::port::Port;
use super::relay::Relay;
use super::reload::{Reload, Reloader};
use super::retention::Retention;
use super::supervise::{Loops, supervise};
use super::tail::tail;
use super::{backoff::Backoff, signals};
use crate::access::Tokens;
use crate::batch::settings::OrderDiffers;
use crate::broker::BrokerSettings;
use crate::clock::Zone;
use crate::config::{Config, Mistake, ServerUrls};
use crate::ledger::settings::{Order, Settings};
use crate::logging::LogHandle;
use crate::report::ReportError;
use crate::store::{Remedy, Store, schema};
use crate::vitals::metrics::Server;
use crate::vitals::{Doing, Part, Vitals};

/// Runs until a signal says to stop, and then until all is in order.
pub async fn run(config: Config, log: LogHandle, reload: Reload) -> Result<(), DaemonError> {
    let (broker, tokens) = (config.broker_settings()?, config.tokens()?);
    let store = Store::new(&config.store_settings())?;
    let settings = Arc::new(config.ledger_settings());
    tell_of_unverified_servers(&config);
    tell_of_exposed_secrets(&config);
    let stop = CancellationToken::new();
    let (hangups_in, hangups) = mpsc::unbounded_channel();
    let system = |what| move |error| DaemonError::System { what, error };
    signals::listen(stop.clone(), hangups_in).map_err(system("listening for signals"))?;
    let notifier = Notifier::from_environment().map_err(system("reaching systemd's socket"))?;
    let (notifier, vitals) = (Arc::new(notifier), Vitals::default());
    info!(version = env!("CARGO_PKG_VERSION"), schema = store.schema(), "starting");
    tell_systemd(&notifier, &vitals);
    let port = Port::open(&config, tokens.clone(), settings.clone(), vitals.clone(), store.clone()).await?;
    // Servers that are away are waited for; that is no failed start.
    notifier.ready();
    let (beat_limit, progress) = (hanging::beat_limit(&config.database), vitals.progress.clone());
    let excuses = Excuses { vitals: vitals.clone(), store: store.clone(), limit: beat_limit };
    let excusing = tokio::spawn(excuses.run(stop.clone()));
    let work = Work {
        config,
        broker,
        tokens,
        store: store.clone(),
        settings,
        vitals,
        beat_limit,
        notifier,
        stop: stop.clone(),
    };
    let working = async {
        match work.open().await? {
            true => work.begin(hangups, log, reload).await,
            false => Ok(()),
        }
    };
    let ended = tokio::select! {
        ended = working => ended,
        // Not even the connections can be closed: whoever hangs has one.
        stuck = hanging::given_up(&progress, beat_limit) => return Err(stuck),
    };
    stop.cancel();
    let closing = async {
        excusing.await.map_err(|_| DaemonError::Ended("excuses"))?;
        port.close().await?;
        store.close().await;
        Ok::<_, DaemonError>(())
    };
    if let Ok(closed) = tokio::time::timeout(CLOSING_MAX, closing).await {
        closed?;
    } else {
        // Somebody waits for a server that is gone without a word. What is committed is committed.
        warn!("connections that don't close are left behind");
    }
    if ended.is_ok() {
        info!("stopped");
    }
    ended
}

/// For so long connections are waited for at the end. Longer than all that is under way may take to hear of the stop.
const CLOSING_MAX: Duration = Duration::from_secs(20);

/// Warns of what crosses a network where nobody must show who they are.
fn tell_of_unverified_servers(config: &Config) {
    let broker = config.broker.url().ok();
    let servers = [
        ("database.url", "sslmode=verify-full", Some(&config.database.url)),
        ("broker.url", "amqps://", broker),
    ];
    for (key, remedy, urls) in servers {
        if urls.is_some_and(ServerUrls::are_unverified_elsewhere) {
            warn!("{key} leads to another machine, and no certificate is verified: {remedy} does that");
        }
    }
}

/// Warns of secrets that are none on this machine.
fn tell_of_exposed_secrets(config: &Config) {
    for Mistake { key, message, .. } in config.exposed_secrets() {
        warn!("{key} has a secret that is none: {message}");
    }
}

/// Keeps systemd's status line and its watchdog told.
fn tell_systemd(notifier: &Arc<Notifier>, vitals: &Vitals) {
    let (told, status_line) = (notifier.clone(), vitals.health.status_line());
    tokio::spawn(async move { notify::show_status(&told, status_line).await });
    let Some(interval) = notify::watchdog_interval() else { return };
    let (told, progress) = (notifier.clone(), vitals.progress.clone());
    tokio::spawn(async move { notify::watch(&told, &progress, interval).await });
}

/// What the loops are made of.
struct Work {
    config: Config,
    broker: BrokerSettings,
    tokens: Option<Tokens>,
    store: Store,
    settings: Arc<Settings>,
    vitals: Vitals,
    /// For how long a loop may be silent.
    beat_limit: Duration,
    notifier: Arc<Notifier>,
    stop: CancellationToken,
}

impl Work {
    /// Waits for the database, and refuses a ledger that this daemon can't work on. `false` if it was told to
    /// stop meanwhile.
    async fn open(&self) -> Result<bool, DaemonError> {
        let mut backoff = Backoff::new();
        let heartbeat = self.vitals.progress.register("start", self.beat_limit);
        loop {
            heartbeat.beat();
            match check(&self.store, self.settings.order, &self.config.report.timezone).await {
                Ok(()) => {
                    self.vitals.health.well(Part::Ledger, Doing::Ready);
                    return Ok(true);
                }
                Err(DaemonError::Store(error)) if matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                    self.vitals.health.waiting(Part::Ledger, &error);
                    self.vitals.metrics.messages.reconnecting(Server::Postgresql, Part::Ledger);
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(false),
                        () = tokio::time::sleep(backoff.next_delay()) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins the loops, and waits for their end.
    async fn begin(
        self,
        hangups: mpsc::UnboundedReceiver<()>,
        log: LogHandle,
        reload: Reload,
    ) -> Result<(), DaemonError> {
        let Self { config, broker, tokens, store, settings, vitals, beat_limit, notifier, stop } = self;
        let Vitals { health, progress, metrics } = vitals;
        let (log_in, log_tail) = tail();
        let relay_stop = CancellationToken::new();
        let (received_in, received) = mpsc::channel(broker.prefetch.into());
        let (reloaded_in, reloaded) = mpsc::unbounded_channel();
        let heartbeat = |name| progress.register(name, beat_limit);
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
            stop: relay_stop.clone(),
        };
        let apply = Apply {
            ledger: StoredLedger::new(store.clone()),
            settings,
            messages_max: config.batch.messages_max.into(),
            health: health.clone(),
            heartbeat: heartbeat("apply"),
            metrics: metrics.clone(),
            log: log_in,
            stop: stop.clone(),
            turn: Turn::first(),
        };
        let retention = Retention {
            store,
            keep: config.retention,
            heartbeat: heartbeat("retention"),
            metrics,
            stop: relay_stop.clone(),
        };
        let (order, told) = (config.order, notifier.clone());
        let reloader = Reloader { reload, log, notifier: told, reloaded: reloaded_in, order, tokens };
        tokio::spawn(reloader.run(hangups));
        let loops = Loops {
            intake: tokio::spawn(intake.run()),
            apply: tokio::spawn(apply.run(received, reloaded)),
            relay: tokio::spawn(relay.run(log_tail)),
            retention: tokio::spawn(retention.run()),
        };
        supervise(loops, &stop, &relay_stop, &notifier, &health).await
    }
}

/// Checks what only the database can tell: its schema, and whether settings fit it.
async fn check(store: &Store, ours: Order, zone: &Zone) -> Result<(), DaemonError> {
    store.check().await?;
    let (stored, _) = store.settings().await?;
    if let Some(stored) = stored.filter(|stored| stored.order != ours) {
        return Err(OrderDiffers { ours, stored: stored.order }.into());
    }
    let known = zone.check(&mut store.look().await?).await;
    known.map_err(|error| match error {
        ReportError::Store(error) => error.into(),
        unknown => DaemonError::TimeZone(unknown),
    })?;
    if let Some(excess) = store.excess().await? {
        let user = store.role();
        warn!("PostgreSQL's user {user} {excess}: {}", schema::EXCESS_REMEDY);
    }
    Ok(())
}
