//! Moving an existing system over: taking its accounts, plans and running projects in ([`import`]), and holding
//! the upstream's list of projects against the books ([`reconcile`]).
//!
//! Both read files of one JSON object a line, as often as they need to, instead of holding them: all that is
//! remembered of a line is which project it lists, or which grant without an id it is.

pub mod compare;
pub mod import;
mod lines;
pub mod reconcile;

pub use lines::{FileError, LineFile};

use std::sync::Arc;
use std::time::Duration;

use crate::batch::settings::OrderDiffers;
use crate::config::Config;
use crate::ledger::settings::Settings;
use crate::store::{Remedy, Store, StoreError};

/// The most mistakes of a file that are kept to be told; the others are counted.
pub const MISTAKES_TOLD_MAX: usize = 50;

/// Why nothing could be done, or no more.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// The ledger can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Lines of the file can't be used.
    #[error("{} of {} lines can't be used", .0.count, .0.lines)]
    Mistakes(Mistakes),
    /// The ledger goes by another order.
    #[error(transparent)]
    Order(#[from] OrderDiffers),
}

/// What is wrong with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The first [`MISTAKES_TOLD_MAX`], each with the number of its line.
    pub told: Vec<(u64, String)>,
    /// How many there are.
    pub count: u64,
    /// Of how many lines.
    pub lines: u64,
}

impl Mistakes {
    fn note(&mut self, line: u64, what: String) {
        self.count += 1;
        if self.told.len() < MISTAKES_TOLD_MAX {
            self.told.push((line, what));
        }
    }
}

/// The settings that decide.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The ledger's; in a new ledger, the configuration's.
    pub settings: Arc<Settings>,
    /// Whether the ledger has none yet.
    pub ledger_is_new: bool,
    /// The keys of the configuration in which the ledger's differ.
    pub differing: Vec<&'static str>,
}

/// Says which settings decide: the ledger's, for only its daemon changes them. Another order than the
/// configuration's is refused, as by a daemon: one of the two must be a mistake.
pub async fn settings_in_force(store: &Store, config: &Config) -> Result<InForce, AdoptionError> {
    let ours = config.ledger_settings();
    let (Some(stored), _) = store.settings().await? else {
        return Ok(InForce { settings: Arc::new(ours), ledger_is_new: true, differing: Vec::new() });
    };
    if stored.order != ours.order {
        return Err(OrderDiffers { ours: ours.order, stored: stored.order }.into());
    }
    let differing = differing(&stored, &ours);
    Ok(InForce { settings: Arc::new(stored), ledger_is_new: false, differing })
}

fn differing(stored: &Settings, ours: &Settings) -> Vec<&'static str> {
    let built_in = |settings: &Settings| settings.built_in_rules().collect::<Vec<_>>();
    let keys = [
        ("lifecycle.statuses", stored.statuses != ours.statuses),
        ("alerts.rules", stored.alert_rules != ours.alert_rules),
        ("alerts", built_in(stored) != built_in(ours) || stored.grant_warning != ours.grant_warning),
        ("time_ahead_max_s", stored.time_ahead_max != ours.time_ahead_max),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// How often something is tried again that lost against another transaction, or whose server is away.
const TRIES_MAX: u32 = 5;
/// How long is waited before the first time; each further one twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Counts tries, and waits between them.
struct Patience {
    tries: u32,
}

impl Patience {
    fn new() -> Self {
        Self { tries: 1 }
    }

    /// Waits before another try, where there is any point in one.
    async fn after(&mut self, error: StoreError) -> Result<(), StoreError> {
        if self.tries >= TRIES_MAX || !matches!(error.remedy(), Remedy::Wait | Remedy::Retry) {
            return Err(error);
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.tries - 1)).await;
        self.tries += 1;
        Ok(())
    }
}

/// Refuses a status that the settings don't know; `place` is where it was found.
fn known_status(place: &str, status: &str, settings: &Settings) -> Result<(), String> {
    match settings.status(status) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{place}: {status:?} is not among the settings' lifecycle.statuses; add it there with its effect, \
             and let the daemon take the settings over"
        )),
    }
}
