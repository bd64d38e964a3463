//! Balances: where an account's credits are, and what waits for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credits::Credits;

/// An account's credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// All that may be used at a time.
    pub total: Credits,
    /// Tied up by projects.
    pub held: Credits,
    /// Used up.
    pub consumed: Credits,
}

impl Balance {
    /// What is left; below zero the account is over limit.
    pub fn available(&self) -> Credits {
        self.total - self.held - self.consumed
    }
}

/// What waits for an account's credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Queued {
    /// How many projects.
    pub projects: i64,
    /// How many credits they want beyond what they hold.
    pub credits: Credits,
}

/// What stands on an account beside its balance, counted so that rules can be held against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// A pool's: what its integrated accounts may use at a time together, the sum of their totals.
    pub promised: Credits,
    /// Holds of projects that are in a status for longer than its limit.
    pub stale_holds: i64,
    /// Grants with a term of which something is left.
    pub open_grants: i64,
    /// Those of them that are about to expire.
    pub expiring_grants: i64,
}
