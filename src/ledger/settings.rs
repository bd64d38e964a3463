//! The settings that decide what a message does. They are stored in the ledger, and change only by a
//! numbered input of their own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{self, Measure, Rule, Severity};
use super::moment::Micros;

/// What makes one message newer than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// `(revision, time, source, id)`.
    Revision,
    /// `(time, source, id)`.
    Time,
}

impl Order {
    /// Its name, as the configuration says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Revision => "revision",
            Order::Time => "time",
        }
    }
}

/// What a status does to a project's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing is tied up yet.
    None,
    /// The price is tied up.
    Hold,
    /// The work is done: what was tied up comes back, or is used up in `consume` mode.
    Settle,
    /// The work is off: what was tied up comes back.
    Release,
}

impl Effect {
    /// Its name, as stored and as messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::None => "none",
            Effect::Hold => "hold",
            Effect::Settle => "settle",
            Effect::Release => "release",
        }
    }
}

/// One status of the upstream's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRule {
    /// The status as messages name it.
    pub status: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// After how many days in it a hold counts as stale; never where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after_days: Option<u32>,
}

/// What ledgers go by whose settings were stored before grants could expire.
fn grant_warning_default() -> Micros {
    Micros::from_days(14)
}

/// The settings that decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What makes one message newer than another. Fixed for a ledger's life.
    pub order: Order,
    /// The known statuses, in the order of a project's life: a later one is closer to being settled.
    pub statuses: Vec<StatusRule>,
    /// The alert rules of who has none of their own.
    pub alert_rules: Arc<[Rule]>,
    /// How severe it is that work waits for credits; no alert where not given.
    pub queue_blocked: Option<Severity>,
    /// How severe it is that a project is in a status for longer than its limit while it holds credits.
    #[serde(default)]
    pub hold_stale: Option<Severity>,
    /// How severe it is that a pool's accounts may use more together than it has.
    #[serde(default)]
    pub pool_overcommitted: Option<Severity>,
    /// How severe it is that a grant is about to expire.
    #[serde(default)]
    pub grant_expiring: Option<Severity>,
    /// How long before it expires a grant is warned of.
    #[serde(default = "grant_warning_default")]
    pub grant_warning: Micros,
    /// How far a message's time may be ahead of the ledger's before it is parked.
    pub time_ahead_max: Micros,
}

impl Settings {
    /// The effect of `status` and its place in a project's life, if it is known.
    pub fn status(&self, status: &str) -> Option<(Effect, u16)> {
        let stage = self.statuses.iter().position(|rule| &*rule.status == status)?;
        let rank = u16::try_from(stage).unwrap_or(u16::MAX);
        Some((self.statuses[stage].effect, rank))
    }

    /// How long a project may be in `status` before its hold counts as stale, if there is a limit.
    pub fn stale_after(&self, status: &str) -> Option<Micros> {
        let rule = self.statuses.iter().find(|rule| &*rule.status == status)?;
        rule.stale_after_days.map(Micros::from_days)
    }

    /// The alert rules that are built in, as far as they are given a severity.
    pub fn built_in_rules(&self) -> impl Iterator<Item = Rule> + use<> {
        let rules = [
            (alert::QUEUE_BLOCKED, Measure::QueuedProjects, self.queue_blocked),
            (alert::HOLD_STALE, Measure::StaleHolds, self.hold_stale),
            (alert::POOL_OVERCOMMITTED, Measure::CreditsOverPromised, self.pool_overcommitted),
            (alert::GRANT_EXPIRING, Measure::ExpiringGrants, self.grant_expiring),
        ];
        rules.into_iter().filter_map(|(name, measure, severity)| {
            Some(Rule { name: name.into(), measure, level: 0, severity: severity?, margin: 0 })
        })
    }
}
