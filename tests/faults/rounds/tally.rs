//! What was seen in rounds of faults.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::super::Told;

/// What was seen in a round.
pub(super) struct Round {
    pub(super) took: Duration,
    pub(super) deaths: usize,
    pub(super) told: Told,
    /// How long it took after each fault until a message was counted again.
    pub(super) recoveries: Vec<(String, Duration)>,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Tally {
    rounds: u32,
    took: Duration,
    deaths: usize,
    repeated: usize,
    early: usize,
    recoveries: BTreeMap<String, Vec<Duration>>,
}

impl Tally {
    pub(super) fn add(&mut self, round: Round) {
        let Round { took, deaths, told, recoveries } = round;
        self.rounds += 1;
        self.took += took;
        self.deaths += deaths;
        self.repeated += told.repeated;
        self.early += told.early;
        for (kind, recovery) in recoveries {
            self.recoveries.entry(kind).or_default().push(recovery);
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, deaths, told, .. } = self;
        let (took, repeated, early) = (took.as_secs_f64(), told.repeated, told.early);
        write!(
            f,
            "as the model says, after {took:.1} s and {deaths} deaths; {repeated} events came again, {early} early"
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.1} s a round on average, {} deaths of daemons, {} events came again, {} early",
            (self.took / self.rounds.max(1)).as_secs_f64(),
            self.deaths,
            self.repeated,
            self.early
        )?;
        writeln!(f, "| fault | times | until a message is counted again: median | longest |")?;
        writeln!(f, "|---|---|---|---|")?;
        for (kind, recoveries) in &self.recoveries {
            let mut sorted = recoveries.clone();
            sorted.sort();
            let median = sorted[sorted.len() / 2].as_secs_f64();
            let longest = sorted[sorted.len() - 1].as_secs_f64();
            writeln!(f, "| {kind} | {} | {median:.1} s | {longest:.1} s |", sorted.len())?;
        }
        Ok(())
    }
}
