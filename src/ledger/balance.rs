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
