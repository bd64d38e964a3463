//! `creditd bench`: how fast the ledger is, and what the servers allow, on this machine.
//!
//! Whatever books is held against what was sent before its figure counts ([`check`]): a benchmark that books wrong
//! is no benchmark. Figures are compared only with others of the same run, since machines are noisy.

#![allow(clippy::cast_precision_loss, reason = "counts of messages are far below 2^52")]

mod aged;
mod bare;
mod cast;
pub mod check;
mod database;
mod drain;
mod flood;
mod ground;
mod latency;
mod ledger;
mod null;
mod paced;
mod process;
mod report;
mod run;
pub mod workload;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use tokio::task::JoinHandle;

pub use self::cast::{Cast, Spread};
pub use self::latency::Percentiles;
pub use self::report::{Aged, Paced, Queued, Report, Speed, Start};

use self::ground::Ground;
use self::run::Run;
use crate::adoption::AdoptionError;
use crate::broker::{BrokerError, PublishError};
use crate::config::ConfigError;
use crate::sandbox::SandboxError;
use crate::store::StoreError;

/// How often is looked whether the benchmark is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Something to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Messages from memory through decoding, load, decision, save and commit; no broker.
    Ledger,
    /// The same messages consumed and acknowledged, and as many events published; no database.
    Null,
    /// A filled queue, until the last event is confirmed.
    Drain,
    /// drain again: all on one account, and all on the accounts of one pool.
    Hot,
    /// At a given rate: how long from publish to commit, and to the event's arrival.
    Paced,
    /// ledger and drain again on a ledger of 10,000,000 entries and 1,000,000 projects, which takes long to fill.
    Aged,
    /// How long the daemon takes to be ready on that ledger.
    Start,
    /// The daemon's memory while 1,000,000 messages wait for it.
    Queued,
}

impl Mode {
    /// What is measured where nothing is named: all that takes no more than minutes.
    pub const QUICK: [Mode; 5] = [Mode::Ledger, Mode::Null, Mode::Drain, Mode::Hot, Mode::Paced];
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What; in whatever order, each is measured once.
    pub modes: Vec<Mode>,
    /// How many messages, but for those of [`Mode::Paced`] and [`Mode::Queued`].
    pub messages: usize,
    /// Other messages; the same seed gives the same again.
    pub seed: u64,
    /// How many messages in a second, paced.
    pub rate_per_second: NonZeroU32,
    /// For how long paced, after a warm-up that doesn't count.
    pub paced_seconds: NonZeroU32,
    /// About how many entries the aged ledger has.
    pub aged_entries: usize,
    /// How many projects the aged ledger has.
    pub aged_projects: usize,
    /// How many messages wait, queued.
    pub queued_messages: usize,
}

impl Plan {
    /// How many messages [`Mode::Paced`] sends, those of its warm-up included.
    pub fn paced_messages(&self) -> usize {
        let seconds = u64::from(self.paced_seconds.get()) + u64::from(paced::WARM_UP_SECONDS);
        usize::try_from(u64::from(self.rate_per_second.get()) * seconds).unwrap_or(usize::MAX)
    }
}

/// How far the benchmark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being measured.
    pub mode: &'static str,
    /// What is being done for it.
    pub doing: &'static str,
    /// How far that is.
    pub done: usize,
    /// Of how much; 0 where that isn't known.
    pub of: usize,
}

/// Tells how far one measurement is.
#[derive(Clone, Copy)]
struct Progress<'a> {
    mode: &'static str,
    tell: &'a (dyn Fn(Step) + Sync),
}

impl Progress<'_> {
    fn at(self, doing: &'static str, done: usize, of: usize) {
        (self.tell)(Step { mode: self.mode, doing, done, of });
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The servers can't be started.
    #[error(transparent)]
    Sandbox(SandboxError),
    /// The settings in the environment can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker refused something.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The books could not be held against what was sent.
    #[error(transparent)]
    Adoption(#[from] AdoptionError),
    /// The books don't say what was sent, so that no figure counts.
    #[error("the books are wrong, so no figure counts: {0}")]
    Wrong(String),
    /// The broker did not take a message.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The daemon that is measured did not do as it should.
    #[error("the daemon that is measured: {0}")]
    Daemon(std::io::Error),
    /// Something of the benchmark's own failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// Somebody ended it.
    #[error("interrupted; nothing is left of the servers, and no figure counts")]
    Interrupted,
}

impl BenchError {
    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

impl From<SandboxError> for BenchError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Stopped => Self::Interrupted,
            error => Self::Sandbox(error),
        }
    }
}

impl From<sqlx::Error> for BenchError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Measures what `plan` says, with daemons and servers that `executable`, a `creditd`, is run for. Gives up, and
/// leaves nothing behind, when `interrupted` becomes true.
pub fn run(
    executable: &Path,
    plan: &Plan,
    interrupted: &AtomicBool,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<Report, BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::system("starting"))?;
    let starting = Progress { mode: "servers", tell };
    starting.at("starting a private PostgreSQL and RabbitMQ, which takes about 7 s", 0, 0);
    let ground = Ground::start(executable, interrupted)?;
    let measured = runtime.block_on(async {
        let run = Run::new(&ground, executable, plan, tell);
        // What is dropped half-way here may leave a transaction open: on servers that end now.
        tokio::select! {
            measured = run.measure() => measured,
            () = interruption(interrupted) => Err(BenchError::Interrupted),
        }
    });
    // What it had begun beside itself ends first, so that it doesn't meet with servers that are gone.
    drop(runtime);
    ground.stop()?;
    measured
}

async fn interruption(interrupted: &AtomicBool) {
    while !interrupted.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for a task that nobody ends.
async fn finish<T>(task: JoinHandle<Result<T, BenchError>>) -> Result<T, BenchError> {
    match task.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn per_second(messages: usize, took: Duration) -> f64 {
    messages as f64 / took.as_secs_f64()
}
