//! What comes in: a decoded message, as a value that carries everything the core needs to decide.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::{Kind, Mode, OnInsufficient};
use super::alert::Rule;
use super::credits::Credits;
use super::entry::{Cause, LogNumber};
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
    /// On whose behalf.
    pub author: Author,
    /// What it says.
    pub fact: Fact,
    /// When it is applied. Never earlier than the input's before it.
    pub now: Timestamp,
}

/// On whose behalf an input is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// The upstream says what happened: it is accepted.
    Upstream,
    /// A person gives a command: it is checked, and refused where something stands in its way.
    Command(Command),
    /// The ledger itself: what is due by the clock, and its settings.
    Ledger,
}

/// Who gives a command, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who.
    pub actor: Arc<str>,
    /// Why, where that was said.
    pub reason: Option<Arc<str>>,
    /// Whether the object of registers is to be there already.
    pub object: Existence,
}

/// What a command expects of the account or the organization that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It is known.
    Known,
    /// It is not known yet, or closed.
    New,
    /// Either will do.
    Any,
}

impl Input {
    /// The command, where it is one.
    pub fn command(&self) -> Option<&Command> {
        match &self.author {
            Author::Command(command) => Some(command),
            Author::Upstream | Author::Ledger => None,
        }
    }

    /// Whether it grants credits whose time is over already.
    pub fn brings_what_is_over(&self) -> bool {
        let Fact::Grant(GrantFact { expires_at, .. }) = &self.fact else { return false };
        expires_at.is_some_and(|expires_at| expires_at <= self.now)
    }

    /// Why, and by whom, where the message or the command says so.
    pub fn reason_and_actor(&self) -> (Option<&Arc<str>>, Option<&Arc<str>>) {
        let (reason, actor) = self.fact.reason_and_actor();
        let command = self.command();
        let given = command.and_then(|command| command.reason.as_ref());
        (reason.or(given), actor.or(command.map(|command| &command.actor)))
    }
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
    /// By command: some prices of a list are to change, and the others to stay.
    PricesAmended(PricesAmended),
    /// By command: a project's hold is given back.
    HoldReleased(HoldCommand),
    /// By command: the release of a project's hold is undone.
    HoldRestored(HoldCommand),
    /// By command: a refused claim is tried again.
    HoldRetried(HoldCommand),
    /// By command: an alert that only shows that alerts arrive.
    AlertTested(AlertTest),
    /// The ledger's own: the settings that decide from here on.
    Settings(Arc<Settings>),
    /// The ledger's own: a price list comes into force.
    PricesStarted(PricesStarted),
    /// The ledger's own: a grant's time is over.
    GrantExpired(GrantDue),
    /// The ledger's own: a grant's time is about to be over.
    GrantWarned(GrantDue),
    /// The ledger's own: projects are in a status for longer than its limit.
    HoldsStale(HoldsStale),
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
            Fact::HoldReleased(hold) | Fact::HoldRestored(hold) | Fact::HoldRetried(hold) => {
                (None, Some(&hold.project_id))
            }
            Fact::AlertTested(test) => (Some(&test.account_id), None),
            Fact::GrantExpired(grant) | Fact::GrantWarned(grant) => (Some(&grant.account_id), None),
            Fact::HoldsStale(stale) => (Some(&stale.account_id), None),
            Fact::Organization(_)
            | Fact::PriceList(_)
            | Fact::PricesAmended(_)
            | Fact::Settings(_)
            | Fact::PricesStarted(_) => (None, None),
        }
    }

    /// Whether it says how many credits accounts may use, and which. What comes of anything else are holds,
    /// which look for room themselves, and settlements and charges, which always book (DESIGN 1.2).
    pub fn sets_limits(&self) -> bool {
        match self {
            Fact::Account(_)
            | Fact::Organization(_)
            | Fact::Grant(_)
            | Fact::Adjustment(_)
            | Fact::Transfer(_) => true,
            Fact::Project(_)
            | Fact::Asset(_)
            | Fact::PriceList(_)
            | Fact::PricesAmended(_)
            | Fact::HoldReleased(_)
            | Fact::HoldRestored(_)
            | Fact::HoldRetried(_)
            | Fact::AlertTested(_)
            | Fact::Settings(_)
            | Fact::PricesStarted(_)
            | Fact::GrantExpired(_)
            | Fact::GrantWarned(_)
            | Fact::HoldsStale(_) => false,
        }
    }

    /// The type of an input that came from no message: that of the message that says the same, where there is
    /// one.
    pub fn command_type(&self) -> &'static str {
        match self {
            Fact::Project(ProjectFact { status: Some(_), .. }) => "project.status_changed.v1",
            Fact::Project(_) => "project.amended.v1",
            Fact::Asset(_) => "asset.created.v1",
            Fact::Account(_) => "account.changed.v1",
            Fact::Organization(_) => "organization.changed.v1",
            Fact::Grant(_) => "credits.granted.v1",
            Fact::Adjustment(_) => "credits.adjusted.v1",
            Fact::Transfer(_) => "credits.transferred.v1",
            Fact::PriceList(_) => "price_list.changed.v1",
            Fact::PricesAmended(_) => "creditd.prices_amended.v1",
            Fact::HoldReleased(_) => "creditd.hold_released.v1",
            Fact::HoldRestored(_) => "creditd.hold_restored.v1",
            Fact::HoldRetried(_) => "creditd.hold_retried.v1",
            Fact::AlertTested(_) => "creditd.alert_tested.v1",
            Fact::Settings(_) => "creditd.settings_changed.v1",
            Fact::PricesStarted(_) => "creditd.prices_started.v1",
            Fact::GrantExpired(_) => "creditd.grant_expired.v1",
            Fact::GrantWarned(_) => "creditd.grant_warned.v1",
            Fact::HoldsStale(_) => "creditd.holds_stale.v1",
        }
    }

    /// Why, and by whom, where the message says so.
    pub fn reason_and_actor(&self) -> (Option<&Arc<str>>, Option<&Arc<str>>) {
        match self {
            Fact::Grant(grant) => (grant.reason.as_ref(), grant.actor.as_ref()),
            Fact::Adjustment(adjustment) => (Some(&adjustment.reason), Some(&adjustment.actor)),
            Fact::Transfer(transfer) => (transfer.reason.as_ref(), transfer.actor.as_ref()),
            _ => (None, None),
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
    /// Whether it takes no new holds any more; said by command only.
    pub closed: Option<bool>,
}

impl AccountFact {
    /// A fact about an account that leaves all of its registers alone.
    pub fn of(account_id: AccountId) -> Self {
        Self {
            account_id,
            kind: None,
            organization_id: None,
            name: None,
            contact: None,
            capacity: None,
            allocation: None,
            mode: None,
            on_insufficient: None,
            overdraft_limit: None,
            alert_rules: None,
            closed: None,
        }
    }
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

/// What is to be different in a price list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricesAmended {
    /// Types and what they cost from then on.
    pub set: Arc<[PriceLine]>,
    /// Types that are to have no price from then on.
    pub removed: Arc<[Arc<str>]>,
    /// From when, if later than now.
    pub effective_at: Option<Timestamp>,
    /// Whose list; the default one where not said.
    pub organization_id: Option<OrganizationId>,
}

/// Whose hold a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldCommand {
    /// Which project's.
    pub project_id: ProjectId,
}

/// Asks for an alert about an account as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTest {
    /// Which account.
    pub account_id: AccountId,
}

/// A price list that comes into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricesStarted {
    /// Its number.
    pub number: i64,
    /// Whose list it is.
    pub organization_id: Option<OrganizationId>,
}

/// A grant whose time is over, or about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantDue {
    /// Whose.
    pub account_id: AccountId,
    /// The log number of its entry.
    pub grant: LogNumber,
}

/// Projects of one account that are in a status for longer than its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsStale {
    /// Whose.
    pub account_id: AccountId,
    /// Which.
    pub projects: Arc<[ProjectId]>,
}

/// An asset as the ledger counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRecord {
    /// Which message told of it.
    pub cause: Arc<Cause>,
    /// What it was.
    pub asset: AssetFact,
    /// The organization that the account belonged to then.
    pub organization_id: Option<OrganizationId>,
    /// What it was charged, and the log number of the account's entry of that; nothing where it was made in a
    /// project, or for free.
    pub charge: Option<(Credits, LogNumber)>,
    /// When it was counted.
    pub at: Timestamp,
}
