//! How the process is doing: the state of its parts, whether its loops move, and its figures. The daemon's loops
//! tell it here; the status line, the watchdog and the HTTP port read it. Nothing here knows of a server.

pub mod figures;
pub mod health;
pub mod metrics;
pub mod progress;

pub use figures::Figures;
pub use health::{Doing, Health, Part, PartReport, Parts, Readiness};
pub use metrics::{Metrics, TEXT_FORMAT};
pub use progress::{Heartbeat, Liveness, Progress, StuckLoop};

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

/// All that tells how the process is doing. Clones share it.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// What state its parts are in.
    pub health: Health,
    /// Whether its loops move.
    pub progress: Progress,
    /// Its figures.
    pub metrics: Arc<Metrics>,
}

impl Default for Vitals {
    fn default() -> Self {
        let (health, progress) = (Health::default(), Progress::default());
        let metrics = Metrics::new(&health, &progress);
        Self { health, progress, metrics }
    }
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// Something is not; the report says what.
    Failing,
}

impl Verdict {
    /// `Ok` if so.
    pub fn of(is_ok: bool) -> Self {
        if is_ok { Verdict::Ok } else { Verdict::Failing }
    }

    /// Whether all is well.
    pub fn is_ok(self) -> bool {
        self == Verdict::Ok
    }
}
