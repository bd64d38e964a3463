//! A ledger with a long history: the accounts that have projects in the workload have all had many before.
//!
//! It is filled by messages, as every ledger is, in larger batches; so it is right by the same code, and `verify`
//! finds nothing in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use serde_json::{Value, json};

use super::cast::{Account, Cast};
use super::ground::Field;
use super::ledger;
use super::workload::Outgoing;
use super::{BenchError, Plan, Progress};

/// How many messages are applied at a time: a commit's sync is shared by more of them.
const AT_ONCE: usize = 5_000;
/// How many projects run at the same time, and are left running.
const RUNNING: usize = 2_000;

/// How large a ledger became.
pub(super) struct Filled {
    pub(super) entries: usize,
    pub(super) projects: usize,
}

/// Fills a new ledger, and lets its server settle.
pub(super) async fn fill(
    field: &Field,
    cast: Cast,
    plan: &Plan,
    time: &str,
    progress: Progress<'_>,
) -> Result<Filled, BenchError> {
    ledger::open(field, cast.opening(time)).await?;
    let history = History::new(cast, plan, time.to_owned());
    let booked = Arc::clone(&history.booked);
    let step = |_| progress.at("filling the ledger", booked.load(Ordering::Relaxed), plan.aged_entries);
    let committed = ledger::apply(field, history, AT_ONCE, &step).await?;
    if committed.parked + committed.repeated + committed.stale + committed.rejected > 0 {
        return Err(BenchError::Wrong(format!("the history was not applied as it is: {committed:?}")));
    }
    progress.at("letting the database settle", 0, 0);
    field.database.skip_events().await?;
    field.database.settle().await?;
    let entries = field.store.relay_status().await?.log_last.0;
    Ok(Filled { entries: usize::try_from(entries).unwrap_or_default(), projects: plan.aged_projects })
}

/// A project of the past: it starts, its price changes so often, and it is finalized.
struct Past {
    project: String,
    account: Account,
    revision: usize,
    changes: usize,
    credits: u64,
}

/// The messages of the past, each of which moves credits. The last projects of it are left running.
struct History {
    cast: Cast,
    time: String,
    entries: usize,
    projects: usize,
    begun: usize,
    /// How many entries those that were begun will have.
    planned: usize,
    /// How many entries there are so far.
    booked: Arc<AtomicUsize>,
    running: Vec<Past>,
    running_max: usize,
    random: Rng,
}

impl History {
    fn new(cast: Cast, plan: &Plan, time: String) -> Self {
        Self {
            cast,
            time,
            entries: plan.aged_entries,
            projects: plan.aged_projects,
            begun: 0,
            planned: 0,
            booked: Arc::default(),
            running: Vec::new(),
            running_max: RUNNING.min(plan.aged_projects / 10).max(1),
            random: Rng::with_seed(plan.seed),
        }
    }

    fn begin(&mut self) -> Outgoing {
        self.begun += 1;
        let account = self.cast.draw(&mut self.random).clone();
        // As many as bring the entries of all projects so far to their share of the whole.
        let due = (self.entries * self.begun / self.projects).saturating_sub(self.planned);
        let moves = (due / account.depth()).max(2);
        self.planned += moves * account.depth();
        let past = Past {
            project: format!("past-{:07}", self.begun),
            account,
            revision: 1,
            changes: moves - 2,
            credits: self.random.u64(20..200),
        };
        let more = json!({
            "status": "started", "credits": past.credits, "name": format!("The {} campaign", past.project),
        });
        let message = self.say(&past, "project.status_changed.v1", more);
        self.running.push(past);
        message
    }

    fn go_on(&mut self) -> Outgoing {
        let index = self.random.usize(..self.running.len());
        let mut past = self.running.swap_remove(index);
        past.revision += 1;
        if past.changes == 0 {
            return self.say(&past, "project.status_changed.v1", json!({"status": "finalized"}));
        }
        past.changes -= 1;
        // Never what it was: each change is to move credits.
        past.credits = (past.credits + self.random.u64(1..180)) % 200 + 1;
        let message = self.say(&past, "project.amended.v1", json!({"credits": past.credits}));
        self.running.push(past);
        message
    }

    fn say(&self, past: &Past, kind: &'static str, mut data: Value) -> Outgoing {
        self.booked.fetch_add(past.account.depth(), Ordering::Relaxed);
        data["project_id"] = json!(past.project);
        data["account_id"] = json!(past.account.id);
        data["revision"] = json!(past.revision);
        Outgoing::event(kind, &format!("{}-{}", past.project, past.revision), &self.time, &data)
    }
}

impl Iterator for History {
    type Item = Outgoing;

    fn next(&mut self) -> Option<Outgoing> {
        if self.running.len() < self.running_max && self.begun < self.projects {
            return Some(self.begin());
        }
        (self.begun < self.projects).then(|| self.go_on())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::cast::Spread;
    use super::*;

    #[test]
    fn the_past_has_as_many_projects_as_asked_and_about_as_many_entries() {
        let plan = Plan {
            modes: Vec::new(),
            messages: 1,
            seed: 1,
            rate_per_second: NonZeroU32::MIN,
            paced_seconds: NonZeroU32::MIN,
            aged_entries: 200_000,
            aged_projects: 20_000,
            queued_messages: 1,
        };
        let mut history = History::new(Cast::new(Spread::Everyone), &plan, "2026-03-01T12:00:00Z".to_owned());
        let messages = history.by_ref().count();
        assert_eq!(history.begun, 20_000);
        assert_eq!(history.running.len(), RUNNING, "some are left running");
        assert!(history.planned.abs_diff(200_000) < 100, "{} entries", history.planned);
        let booked = history.booked.load(Ordering::Relaxed);
        assert!((185_000..200_000).contains(&booked), "{booked} entries of {messages} messages");
    }
}
