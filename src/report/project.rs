//! A project with all that is known of it: what was said, how it stands, what it waits for, and what it moved.

use schemars::JsonSchema;
use serde::Serialize;

use super::{AccountRow, AssetUsage, ClaimRow, ProjectRow, UsageLine};
use crate::ledger::account::Mode;
use crate::ledger::credits::Credits;
use crate::ledger::input::Deliverable;
use crate::ledger::moment::Timestamp;
use crate::store::ProjectEntry;

/// A project and what it follows from.
#[derive(Clone, Debug)]
pub struct ProjectInFull {
    /// The project.
    pub row: ProjectRow,
    /// Its account, where that may be seen: who sees a pool alone sees the projects of its accounts, and not these.
    pub account: Option<AccountRow>,
    /// What its price was said to be for, where a price list makes credits of it.
    pub deliverables: Vec<Deliverable>,
    /// What it cost in the end, where that was said.
    pub final_credits: Option<Credits>,
    /// What settling it does.
    pub mode: Mode,
    /// What it was refused to hold, if it was.
    pub refused: Option<Credits>,
    /// Since when it never held nothing.
    pub held_since: Option<Timestamp>,
    /// Its place in the queue, and where that is among the first what would unblock it.
    pub claim: Option<ClaimRow>,
    /// What was made in it, by type, as its account was told.
    pub assets: Vec<AssetUsage>,
}

/// An entry about a project, and what the project had on the entry's account with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ProjectEntry")]
pub struct ProjectLine {
    /// The entry.
    #[serde(flatten)]
    pub line: UsageLine,
    /// What the project held on the account with it, in credits.
    pub project_held: Credits,
    /// What the project had used up on the account with it, in credits.
    pub project_consumed: Credits,
}

impl From<ProjectEntry> for ProjectLine {
    fn from(entry: ProjectEntry) -> Self {
        let ProjectEntry { account_id, entry, held, consumed } = entry;
        Self { line: UsageLine::of(&account_id, entry), project_held: held, project_consumed: consumed }
    }
}
