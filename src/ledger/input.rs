//! What comes in: a decoded message, as a value that carries everything the core needs to decide.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{Kind, Mode, OnInsufficient};
use super::alert::Rule;
use super::credits::Credits;
use super::entry::Cause;
use super::ids::{AccountId, OrganizationId, ProjectId};
use super::moment::Timestamp;
use super::settings::Settings;

/// A message and the time at which it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Which message, of what type.
    pub cause: Arc<Cause>,
    /// When the sender says that it happened.
    pub time: Option<Timestamp>,
    /// The sender's count of changes to the object.
    pub revision: Option<i64>,
    /// What it says.
    pub fact: Fact,
    /// When it is applied. Never earlier than the input's before it.
    pub now: Timestamp,
}

/// What a message says. A field that the message omits is `None`, and leaves its register alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// `project.status_changed` and `project.amended`.
    Project(ProjectFact),
    /// `asset.created`.
    Asset(AssetFact),
    /// `account.changed`.
    Account(AccountFact),
    /// `organization.changed`.
    Organization(OrganizationFact),
    /// `credits.granted`.
    Grant(GrantFact),
    /// `credits.adjusted`.
    Adjustment(AdjustmentFact),
    /// `credits.transferred`.
    Transfer(TransferFact),
    /// `price_list.changed`.
    PriceList(PriceListFact),
    /// The ledger's own: the settings that decide from here on.
    Settings(Arc<Settings>),
}

impl Fact {
    /// The account and the project that the message is about, where it names any.
    pub fn subject(&self) -> (Option<&AccountId>, Option<&ProjectId>) {
        match self {
            Fact::Project(fact) => (Some(&fact.account_id), Some(&fact.project_id)),
            Fact::Asset(fact) => (Some(&fact.account_id), fact.project_id.as_ref()),
            Fact::Account(fact) => (Some(&fact.account_id), None),
            Fact::Grant(fact) => (Some(&fact.account_id), None),
            Fact::Adjustment(fact) => (Some(&fact.account_id), None),
            Fact::Transfer(fact) => (Some(&fact.from_account_id), None),
            Fact::Organization(_) | Fact::PriceList(_) | Fact::Settings(_) => (None, None),
        }
    }

    /// Why, and by whom, where the message says so.
    pub fn reason_and_actor(&self) -> (Option<&Arc<str>>, Option<&Arc<str>>) {
        match self {
            Fact::Grant(grant) => (grant.reason.as_ref(), grant.actor.as_ref()),
            Fact::Adjustment(adjustment) => (Some(&adjustment.reason), Some(&adjustment.actor)),
            Fact::Transfer(transfer) => (transfer.reason.as_ref(), transfer.actor.as_ref()),
            Fact::Project(_)
            | Fact::Asset(_)
            | Fact::Account(_)
            | Fact::Organization(_)
            | Fact::PriceList(_)
            | Fact::Settings(_) => (None, None),
        }
    }
}

/// Some number of pieces of one type of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliverable {
    /// What, as a price list names it.
    #[serde(rename = "type")]
    pub deliverable_type: Arc<str>,
    /// How many; 1 or more.
    pub quantity: i64,
}

/// What a project costs, as said: where a message names both, the credits win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// So many credits.
    Credits(Credits),
    /// So many as a price list says for these.
    Deliverables(Arc<[Deliverable]>),
}

/// What happened to a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectFact {
    /// Which project.
    pub project_id: ProjectId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its status, in the upstream's vocabulary.
    pub status: Option<Arc<str>>,
    /// What it costs.
    pub price: Option<Price>,
    /// What it cost in the end; counts where credits are used up.
    pub final_credits: Option<Credits>,
    /// What people call it.
    pub name: Option<Arc<str>>,
}

/// An asset was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFact {
    /// By whose credits.
    pub account_id: AccountId,
    /// What, as a price list names it.
    pub asset_type: Arc<str>,
    /// How many; 1 or more.
    pub quantity: i64,
    /// In which project, if in one.
    pub project_id: Option<ProjectId>,
    /// What all of them cost together, if said.
    pub credits: Option<Credits>,
}

/// An account's registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFact {
    /// Which account.
    pub account_id: AccountId,
    /// Where its credits come from; never `pool`.
    pub kind: Option<Kind>,
    /// Its organization.
    pub organization_id: Option<OrganizationId>,
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// Its account manager.
    pub contact: Option<Arc<str>>,
    /// Its own plan.
    pub capacity: Option<Credits>,
    /// Its share of the pool.
    pub allocation: Option<Credits>,
    /// What finalizing does.
    pub mode: Option<Mode>,
    /// What becomes of a claim that doesn't fit.
    pub on_insufficient: Option<OnInsufficient>,
    /// How far below zero it may go.
    pub overdraft_limit: Option<Credits>,
    /// Alert rules of its own.
    pub alert_rules: Option<Arc<[Rule]>>,
}

/// An organization's registers and its pool's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationFact {
    /// Which organization.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// Its admin.
    pub contact: Option<Arc<str>>,
    /// The pool's credits.
    pub capacity: Option<Credits>,
    /// The pool's mode.
    pub mode: Option<Mode>,
    /// Alert rules for its accounts and its pool.
    pub alert_rules: Option<Arc<[Rule]>>,
}

/// Credits given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFact {
    /// To which account; an organization's pool where the message named the organization.
    pub account_id: AccountId,
    /// How many; 1 or more.
    pub credits: Credits,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// By whom.
    pub actor: Option<Arc<str>>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustmentFact {
    /// Of which account; an organization's pool where the message named the organization.
    pub account_id: AccountId,
    /// By how many, up or down; not zero.
    pub credits: Credits,
    /// Why.
    pub reason: Arc<str>,
    /// By whom.
    pub actor: Arc<str>,
}

/// Credits moved between two accounts of an organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFact {
    /// Who gives.
    pub from_account_id: AccountId,
    /// Who gets.
    pub to_account_id: AccountId,
    /// How many; 1 or more.
    pub credits: Credits,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// By whom.
    pub actor: Option<Arc<str>>,
}

/// What one type of deliverable costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLine {
    /// What.
    pub deliverable_type: Arc<str>,
    /// How many credits a piece.
    pub credits: Credits,
}

/// A complete price list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceListFact {
    /// Its lines, by type.
    pub prices: Arc<[PriceLine]>,
    /// From when, if later than its arrival.
    pub effective_at: Option<Timestamp>,
    /// Whose; the default list where not said.
    pub organization_id: Option<OrganizationId>,
}
