//! Notices: what people and programs are told that is no entry.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::{Change, RaisedRule, Resolved, Severity};
use super::balance::{Balance, Queued};
use super::credits::Credits;
use super::entry::{Cause, LogNumber};
use super::ids::{AccountId, OrganizationId, ProjectId};
use super::moment::Timestamp;

/// An alert or a hold event. It stands in the ledger's order like an entry, and moves no credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its place in the ledger's order.
    pub number: LogNumber,
    /// About which account.
    pub account_id: AccountId,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// Its place among the account's notices of its kind, from 1.
    pub sequence: i64,
    /// When it was said.
    pub at: Timestamp,
    /// Which message brought it about.
    pub cause: Arc<Cause>,
    /// What it says.
    pub body: NoticeBody,
}

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NoticeBody {
    /// `credits.alert`.
    Alert(Box<AlertBody>),
    /// `credits.hold`.
    Hold(HoldBody),
    /// `credits.transfer_rejected`.
    TransferRejected(TransferRejectedBody),
}

/// The kinds of notices; each counts its own sequence for each account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// `credits.alert`.
    Alert,
    /// `credits.hold`.
    Hold,
    /// `credits.transfer_rejected`.
    TransferRejected,
}

impl NoticeKind {
    /// Its name, as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Alert => "alert",
            NoticeKind::Hold => "hold",
            NoticeKind::TransferRejected => "transfer_rejected",
        }
    }
}

impl NoticeBody {
    /// Its kind.
    pub fn kind(&self) -> NoticeKind {
        match self {
            NoticeBody::Alert(_) => NoticeKind::Alert,
            NoticeBody::Hold(_) => NoticeKind::Hold,
            NoticeBody::TransferRejected(_) => NoticeKind::TransferRejected,
        }
    }
}

/// A balance as events show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownBalance {
    /// All that may be used at a time.
    pub total: Credits,
    /// Tied up by projects.
    pub held: Credits,
    /// Used up.
    pub consumed: Credits,
    /// `total - held - consumed`.
    pub available: Credits,
}

impl From<Balance> for ShownBalance {
    fn from(balance: Balance) -> Self {
        let Balance { total, held, consumed } = balance;
        Self { total, held, consumed, available: balance.available() }
    }
}

/// What changed in what is raised for an account, and what a person needs to act on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertBody {
    /// How what is raised changed.
    pub change: Change,
    /// The highest severity now; `null` when all is resolved.
    pub severity: Option<Severity>,
    /// The highest severity before; `null` when nothing was raised.
    pub previous_severity: Option<Severity>,
    /// All rules that are raised now.
    pub rules: Vec<RaisedRule>,
    /// Rules that were raised until now.
    pub resolved: Vec<Resolved>,
    /// Projects and grants that the alert came to be about with this message, or is no longer about: at most 1000 of
    /// them. How many there are now, `rules` say.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub subjects: Vec<Subject>,
    /// What the pool is short of what was promised of it, where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overcommitted: Option<Overcommitted>,
    /// The account's balance.
    pub balance: ShownBalance,
    /// What waits for its credits.
    pub queued: Queued,
    /// Whom to turn to.
    pub contact: Contact,
    /// The projects that hold the most, largest first.
    pub largest_holds: Vec<Holder>,
    /// The projects that hold and are closest to being settled, closest first.
    pub closest_to_settling: Vec<Holder>,
}

/// A project or a grant that a rule came to be about, or is no longer about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The rule: `hold_stale` or `grant_expiring`.
    pub rule: Arc<str>,
    /// Which of both.
    pub change: SubjectChange,
    /// What it is.
    #[serde(flatten)]
    pub what: SubjectKind,
}

/// Whether a rule came to be about a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectChange {
    /// It is about it from here on.
    Raised,
    /// It is no longer about it.
    Resolved,
}

/// What a rule can be about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SubjectKind {
    /// A project that holds credits.
    Project {
        /// Which.
        project_id: ProjectId,
        /// What people call it.
        name: Option<Arc<str>>,
        /// The status that it is in for too long, or was.
        status: Option<Arc<str>>,
        /// Since when it is in it, or was.
        status_since: Option<Timestamp>,
        /// What it holds.
        held: Credits,
    },
    /// A grant with a term.
    Grant {
        /// The log number of its entry.
        grant: LogNumber,
        /// What is left of it.
        credits_left: Credits,
        /// When that expires.
        expires_at: Timestamp,
    },
}

/// What was promised of a pool and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overcommitted {
    /// What its accounts may use at a time together.
    pub promised: Credits,
    /// By how many that is more than the pool's total.
    pub credits: Credits,
}

/// Whom to turn to about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// In which capacity.
    pub role: ContactRole,
    /// Who; `null` where nobody was named.
    pub contact: Option<Arc<str>>,
}

/// In which capacity somebody is to be turned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactRole {
    /// For standalone and connected accounts.
    AccountManager,
    /// For integrated accounts and pools.
    OrganizationAdmin,
}

/// A project that holds credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Which project.
    pub project_id: ProjectId,
    /// Whose it is.
    pub account_id: AccountId,
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// Its status.
    pub status: Option<Arc<str>>,
    /// How far along its life that status is; higher is closer to being settled. Not told.
    #[serde(skip)]
    pub stage: u16,
    /// What it holds.
    pub held: Credits,
}

/// A claim that waits or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldBody {
    /// Which of both.
    pub state: HoldState,
    /// Whose claim.
    pub project_id: ProjectId,
    /// What it wants beyond what it has.
    pub credits: Credits,
    /// What it has.
    pub held: Credits,
    /// What it wants in all.
    pub wanted: Credits,
    /// Its place in the queue, from 1, where it waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub position: Option<i64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Obstacle>,
    /// What stands in the way, of its account and its pool.
    pub shortfall: Option<Shortfall>,
    /// The account that could never carry it as things are; it waits aside and blocks nobody.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aside: Option<Aside>,
}

/// Whether a claim waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// It waits.
    Queued,
    /// It was refused.
    Rejected,
}

/// Why a claim can't be placed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Too few credits are available.
    InsufficientCredits,
    /// The project wants more than the account could carry if nothing else ran.
    ExceedsLimit,
    /// Claims ahead of it wait.
    QueueAhead,
    /// The account is closed.
    AccountClosed,
}

/// How many credits an account lacks for a claim, not counting what waits ahead of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortfall {
    /// Which account: the project's own, or its pool.
    pub account_id: AccountId,
    /// How many credits more would have to be available.
    pub credits: Credits,
}

/// A limit that a project exceeds by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Aside {
    /// Whose limit: the project's own account, or its pool.
    pub account_id: AccountId,
    /// The most that a single project could hold there.
    pub limit: Credits,
}

/// A transfer that would have moved more than was available. Nothing was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRejectedBody {
    /// Who was to give.
    pub from_account_id: AccountId,
    /// Who was to get.
    pub to_account_id: AccountId,
    /// How many.
    pub credits: Credits,
    /// How many of them the giving account lacked.
    pub short: Credits,
    /// The giving account's balance.
    pub balance: ShownBalance,
    /// The projects that hold most of its credits, largest first.
    pub largest_holds: Vec<Holder>,
    /// Why it was asked for.
    pub reason: Option<Arc<str>>,
    /// By whom.
    pub actor: Option<Arc<str>>,
}
