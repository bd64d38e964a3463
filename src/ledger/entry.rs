//! Entries: credits moved between two sides of one account.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::credits::Credits;
use super::ids::{AccountId, MessageKey, OrganizationId, ProjectId};
use super::moment::Timestamp;

/// A place in the ledger's one order: entries and notices are numbered together from 1, without gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct LogNumber(pub i64);

impl fmt::Display for LogNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a movement of credits is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The plan changed: a capacity, or an allocation.
    Plan,
    /// Credits given.
    Grant,
    /// A correction, up or down.
    Adjustment,
    /// Available credits tied up by a project.
    Hold,
    /// Held credits given back.
    Release,
    /// Credits used up by a settled project: held ones first, then available ones.
    Capture,
    /// A capture undone: back to available, or straight back to held where the project runs again.
    Reversal,
    /// Credits used up outside any project.
    Charge,
    /// Credits given to another account of the organization, or got from one.
    Transfer,
    /// What was left of a grant when its time was over.
    Expiry,
    /// A hold carried along when its account changed pools: off the old pool, and onto the new one.
    Carry,
}

/// One of the four places where an account's credits can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Not the account's.
    Outside,
    /// Free to be held.
    Available,
    /// Tied up.
    Held,
    /// Used up.
    Consumed,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [EntryKind; 11] = [
        EntryKind::Plan,
        EntryKind::Grant,
        EntryKind::Adjustment,
        EntryKind::Hold,
        EntryKind::Release,
        EntryKind::Capture,
        EntryKind::Reversal,
        EntryKind::Charge,
        EntryKind::Transfer,
        EntryKind::Expiry,
        EntryKind::Carry,
    ];

    /// Its name, as stored and as events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryKind::Plan => "plan",
            EntryKind::Grant => "grant",
            EntryKind::Adjustment => "adjustment",
            EntryKind::Hold => "hold",
            EntryKind::Release => "release",
            EntryKind::Capture => "capture",
            EntryKind::Reversal => "reversal",
            EntryKind::Charge => "charge",
            EntryKind::Transfer => "transfer",
            EntryKind::Expiry => "expiry",
            EntryKind::Carry => "carry",
        }
    }
}

impl Side {
    /// Every side.
    pub const ALL: [Side; 4] = [Side::Outside, Side::Available, Side::Held, Side::Consumed];

    /// Its name, as stored and as events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Outside => "outside",
            Side::Available => "available",
            Side::Held => "held",
            Side::Consumed => "consumed",
        }
    }
}

/// Why something was booked or said: the message that brought it about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Which message.
    pub key: MessageKey,
    /// Its type, such as `project.status_changed.v1`.
    pub message_type: Arc<str>,
    /// Its trace context (W3C `traceparent`), handed on.
    pub traceparent: Option<Arc<str>>,
}

/// Credits moved between two sides of one account. What leaves one side enters the other, so every entry
/// balances by construction. Immutable once stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the ledger's order.
    pub number: LogNumber,
    /// Whose credits.
    pub account_id: AccountId,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// Its place among the account's entries, from 1.
    pub sequence: i64,
    /// When it was booked.
    pub at: Timestamp,
    /// What it is.
    pub kind: EntryKind,
    /// Where the credits came from.
    pub from: Side,
    /// Where they went.
    pub to: Side,
    /// How many; more than zero.
    pub credits: Credits,
    /// The project that it is for.
    pub project_id: Option<ProjectId>,
    /// The account's balance with this entry.
    pub balance: Balance,
    /// Which message brought it about.
    pub cause: Arc<Cause>,
    /// Why, in a person's words.
    pub reason: Option<Arc<str>>,
    /// Who did it.
    pub actor: Option<Arc<str>>,
    /// The chained digest of this and all entries of the account before it.
    pub digest: Digest,
}

impl Entry {
    /// The account's balance without this entry.
    pub fn previous_balance(&self) -> Balance {
        moved(self.balance, self.to, self.from, self.credits)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What an account's first entry is chained to.
    pub const FIRST: Digest = Digest([0; 32]);
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `balance` with `credits` moved from one side to another.
pub fn moved(balance: Balance, from: Side, to: Side, credits: Credits) -> Balance {
    let Balance { mut total, mut held, mut consumed } = balance;
    match from {
        Side::Outside => total += credits,
        Side::Available => {}
        Side::Held => held -= credits,
        Side::Consumed => consumed -= credits,
    }
    match to {
        Side::Outside => total -= credits,
        Side::Available => {}
        Side::Held => held += credits,
        Side::Consumed => consumed += credits,
    }
    Balance { total, held, consumed }
}
