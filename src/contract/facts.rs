//! The inbound types: which members the data of each has, and in which ranges (DESIGN 1 and 2).
//!
//! A type is declared once, in [`INBOUND_TYPES`], with its members as a struct of `members!`. What reads them
//! and the published schema both come from there.

use std::sync::Arc;

use super::fields::Fields;
use super::kinds::{credits_from, id, id_of_no_pool, list, one_of, signed_credits, text, timestamp, whole};
use super::lists::{AlertRules, Prices, WORD_CHARS_MAX};
use super::members::{Members, ObjectSchema, members, object, optional, optional_or, required};
use super::places::{Path, Wrong};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::Rule;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::{
    AccountFact, AdjustmentFact, AssetFact, Deliverable, Fact, GrantFact, OrganizationFact, Price, PriceLine,
    PriceListFact, ProjectFact, TransferFact,
};
use crate::ledger::moment::Timestamp;
use crate::ledger::price::LINES_MAX;

/// The longest name or contact, in characters.
pub(super) const NAME_CHARS_MAX: usize = 256;
/// The longest reason for a grant, an adjustment or a transfer, in characters.
pub(super) const REASON_CHARS_MAX: usize = 1024;
/// The longest name of who did it, in characters.
pub(super) const ACTOR_CHARS_MAX: usize = 256;
/// The most pieces that one deliverable, or one message about assets, may count.
const QUANTITY_MAX: i64 = 1_000_000;

/// An inbound type.
pub(super) struct InboundType {
    /// Its full name.
    pub(super) name: &'static str,
    /// Whether its data has a `revision`: whether it sets registers.
    pub(super) has_revision: bool,
    /// Reads its data.
    pub(super) read: fn(&Fields) -> Result<Fact, Wrong>,
    /// Its data's members, in sentences.
    pub(super) about: fn() -> String,
    /// Adds its data's members to a schema, all but the revision.
    pub(super) describe: fn(&mut ObjectSchema),
    /// Whole events of this type, as JSON texts.
    pub(super) examples: &'static [&'static str],
}

impl InboundType {
    /// The type whose data has the members `D`.
    const fn of<D: Data>(name: &'static str, examples: &'static [&'static str]) -> Self {
        let read = |fields: &Fields| D::read(fields)?.into_fact(fields.path());
        Self { name, has_revision: false, read, about: D::about, describe: D::describe, examples }
    }

    /// The same, of data that sets registers.
    const fn with_revision(self) -> Self {
        Self { has_revision: true, ..self }
    }
}

/// The text of a file among the examples.
macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../docs/examples/", $file, ".json"))
    };
}

/// Every inbound type.
pub(super) const INBOUND_TYPES: [InboundType; 9] = [
    InboundType::of::<(StatusMember, ProjectMembers)>(
        "project.status_changed.v1",
        &[example!("project.status_changed.v1")],
    )
    .with_revision(),
    InboundType::of::<ProjectMembers>("project.amended.v1", &[example!("project.amended.v1")])
        .with_revision(),
    InboundType::of::<AssetMembers>("asset.created.v1", &[example!("asset.created.v1")]),
    InboundType::of::<AccountMembers>("account.changed.v1", &[example!("account.changed.v1")])
        .with_revision(),
    InboundType::of::<OrganizationMembers>("organization.changed.v1", &[example!("organization.changed.v1")])
        .with_revision(),
    InboundType::of::<(AccountOrPool, GrantMembers)>(
        "credits.granted.v1",
        &[example!("credits.granted.v1"), example!("credits.granted.v1-pool")],
    ),
    InboundType::of::<(AccountOrPool, AdjustmentMembers)>(
        "credits.adjusted.v1",
        &[example!("credits.adjusted.v1")],
    ),
    InboundType::of::<TransferMembers>("credits.transferred.v1", &[example!("credits.transferred.v1")]),
    InboundType::of::<PriceListMembers>("price_list.changed.v1", &[example!("price_list.changed.v1")]),
];

/// Members that are the data of an inbound type.
trait Data: Members {
    /// What they say. `path` is the data's place.
    fn into_fact(self, path: &Path) -> Result<Fact, Wrong>;
}

members! {
    /// The count of changes of one object, by its sender.
    struct RevisionMember {
        /// The sender's count of changes of this object. It decides which message is newer, in whatever order
        /// they arrive. Required unless the ledger's `order` is `time`.
        revision: Option<i64> = optional(whole(0..=i64::MAX)),
    }
}

members! {
    /// It says the project's status too.
    struct StatusMember {
        /// In the upstream's own vocabulary; the settings say what each does to the credits.
        status: Arc<str> = required(text(WORD_CHARS_MAX)),
    }
}

members! {
    /// A project's account, price and name. What is left out stays as it was.
    struct ProjectMembers {
        /// What it costs. Wins where `deliverables` are given too.
        credits: Option<Credits> = optional(credits_from(0)),
        /// What is to be made, for a price list to turn into credits. Checked even where `credits` win.
        deliverables: Option<Vec<DeliverableMembers>> =
            optional(list(LINES_MAX, object::<DeliverableMembers>())),
        /// Which project.
        project_id: ProjectId = required(id(ProjectId::parse_named)),
        /// Whose it is.
        account_id: AccountId = required(id_of_no_pool(AccountId::parse_named)),
        /// What it cost in the end; counts where finalizing uses credits up.
        final_credits: Option<Credits> = optional(credits_from(0)),
        /// What people call it.
        name: Option<Arc<str>> = optional(text(NAME_CHARS_MAX)),
    }
}

members! {
    /// Some number of pieces of one type of work.
    struct DeliverableMembers {
        /// What, as a price list names it.
        deliverable_type as "type": Arc<str> = required(text(WORD_CHARS_MAX)),
        /// How many.
        quantity: i64 = required(whole(1..=QUANTITY_MAX)),
    }
}

impl Data for ProjectMembers {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        Ok(Fact::Project(self.with_status(None)))
    }
}

impl Data for (StatusMember, ProjectMembers) {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let (StatusMember { status }, project) = self;
        Ok(Fact::Project(project.with_status(Some(status))))
    }
}

/// A project with its status, as the upstream's list of projects says it: like a message of its status.
pub(super) fn listed_project(fields: &Fields) -> Result<ProjectFact, Wrong> {
    let (StatusMember { status }, project) = <(StatusMember, ProjectMembers)>::read(fields)?;
    Ok(project.with_status(Some(status)))
}

impl ProjectMembers {
    fn with_status(self, status: Option<Arc<str>>) -> ProjectFact {
        let line = |line: DeliverableMembers| Deliverable {
            deliverable_type: line.deliverable_type,
            quantity: line.quantity,
        };
        let by_list =
            self.deliverables.map(|lines| Price::Deliverables(lines.into_iter().map(line).collect()));
        ProjectFact {
            project_id: self.project_id,
            account_id: self.account_id,
            status,
            price: self.credits.map(Price::Credits).or(by_list),
            final_credits: self.final_credits,
            name: self.name,
        }
    }
}

members! {
    /// Assets of one type that were made. In a project they are only counted; outside of one they use credits up.
    struct AssetMembers {
        /// By whose credits.
        account_id: AccountId = required(id_of_no_pool(AccountId::parse_named)),
        /// What, as a price list names it.
        asset_type: Arc<str> = required(text(WORD_CHARS_MAX)),
        /// How many.
        quantity: i64 = optional_or(1, whole(1..=QUANTITY_MAX)),
        /// In which project, if in one.
        project_id: Option<ProjectId> = optional(id(ProjectId::parse_named)),
        /// What all of them cost together; the price list says where it is left out.
        credits: Option<Credits> = optional(credits_from(1)),
    }
}

impl Data for AssetMembers {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let Self { account_id, asset_type, quantity, project_id, credits } = self;
        Ok(Fact::Asset(AssetFact { account_id, asset_type, quantity, project_id, credits }))
    }
}

/// What a message may say of an account's kind. A pool comes with its organization.
pub(super) const KINDS: [(&str, Kind); 3] =
    [("standalone", Kind::Standalone), ("connected", Kind::Connected), ("integrated", Kind::Integrated)];
pub(super) const MODES: [(&str, Mode); 2] = [("recycle", Mode::Recycle), ("consume", Mode::Consume)];
pub(super) const POLICIES: [(&str, OnInsufficient); 3] = [
    ("queue", OnInsufficient::Queue),
    ("reject", OnInsufficient::Reject),
    ("overdraw", OnInsufficient::Overdraw),
];

members! {
    /// An account: its plan, and how it is run. It appears with its first message. What is left out stays as
    /// it was.
    struct AccountMembers {
        /// Which account.
        account_id: AccountId = required(id_of_no_pool(AccountId::parse_named)),
        /// Where its credits come from: its own plan (`standalone`, which it is as long as nothing else is
        /// said; or `connected`, which belongs to an organization for reporting), or its organization's pool
        /// (`integrated`).
        kind: Option<Kind> = optional(one_of(&KINDS)),
        /// Its organization.
        organization_id: Option<OrganizationId> = optional(id(OrganizationId::parse_named)),
        /// What people call it.
        name: Option<Arc<str>> = optional(text(NAME_CHARS_MAX)),
        /// Its account manager.
        contact: Option<Arc<str>> = optional(text(NAME_CHARS_MAX)),
        /// Its own plan. Counts for standalone and connected accounts.
        capacity: Option<Credits> = optional(credits_from(0)),
        /// Its share of the pool. Counts for integrated accounts.
        allocation: Option<Credits> = optional(credits_from(0)),
        /// Whether finalizing a project gives its credits back (`recycle`, as long as nothing else is said) or
        /// uses them up (`consume`).
        mode: Option<Mode> = optional(one_of(&MODES)),
        /// What becomes of a claim that doesn't fit: it waits, is refused, or is taken down to
        /// `-overdraft_limit`.
        on_insufficient: Option<OnInsufficient> = optional(one_of(&POLICIES)),
        /// How far below zero it may go, where it may.
        overdraft_limit: Option<Credits> = optional(credits_from(0)),
        /// Its own alert rules, complete: they replace those of its organization and the settings. None leaves
        /// only the built-in alerts.
        alert_rules: Option<Arc<[Rule]>> = optional(AlertRules),
    }
}

impl Data for AccountMembers {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        Ok(Fact::Account(AccountFact {
            account_id: self.account_id,
            kind: self.kind,
            organization_id: self.organization_id,
            name: self.name,
            contact: self.contact,
            capacity: self.capacity,
            allocation: self.allocation,
            mode: self.mode,
            on_insufficient: self.on_insufficient,
            overdraft_limit: self.overdraft_limit,
            alert_rules: self.alert_rules,
            closed: None,
        }))
    }
}

members! {
    /// An organization and its pool. Both appear with its first message. What is left out stays as it was.
    struct OrganizationMembers {
        /// Which organization.
        organization_id: OrganizationId = required(id(OrganizationId::parse_named)),
        /// What people call it.
        name: Option<Arc<str>> = optional(text(NAME_CHARS_MAX)),
        /// Its admin.
        contact: Option<Arc<str>> = optional(text(NAME_CHARS_MAX)),
        /// The pool's credits.
        capacity: Option<Credits> = optional(credits_from(0)),
        /// Whether finalizing a project gives the pool's credits back or uses them up.
        mode: Option<Mode> = optional(one_of(&MODES)),
        /// Alert rules for its pool and its accounts, complete: they replace those of the settings.
        alert_rules: Option<Arc<[Rule]>> = optional(AlertRules),
    }
}

impl Data for OrganizationMembers {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let Self { organization_id, name, contact, capacity, mode, alert_rules } = self;
        Ok(Fact::Organization(OrganizationFact {
            organization_id,
            name,
            contact,
            capacity,
            mode,
            alert_rules,
        }))
    }
}

members! {
    /// Exactly one of `account_id` and `organization_id` says whose they are.
    struct TargetMembers {
        /// An account.
        account_id: Option<AccountId> = optional(id_of_no_pool(AccountId::parse_named)),
        /// An organization, for its pool.
        organization_id: Option<OrganizationId> = optional(id(OrganizationId::parse_named)),
    }
}

/// The account that is named, or the pool of the organization that is.
struct AccountOrPool(AccountId);

impl Members for AccountOrPool {
    fn about() -> String {
        TargetMembers::about()
    }

    fn read(fields: &Fields) -> Result<Self, Wrong> {
        let expected = "expected exactly one of account_id and organization_id";
        let TargetMembers { account_id, organization_id } = TargetMembers::read(fields)?;
        match (account_id, organization_id) {
            (Some(account), None) => Ok(Self(account)),
            (None, Some(organization)) => Ok(Self(AccountId::pool_of(&organization))),
            (Some(_), Some(_)) => Err(Wrong::at(fields.path(), format_args!("{expected}, found both"))),
            (None, None) => Err(Wrong::at(fields.path(), format_args!("{expected}, found neither"))),
        }
    }

    fn describe(object: &mut ObjectSchema) {
        TargetMembers::describe(object);
        object.exactly_one_text_of(["account_id", "organization_id"]);
    }
}

members! {
    /// Credits given.
    struct GrantMembers {
        /// How many.
        credits: Credits = required(credits_from(1)),
        /// Why.
        reason: Option<Arc<str>> = optional(text(REASON_CHARS_MAX)),
        /// By whom.
        actor: Option<Arc<str>> = optional(text(ACTOR_CHARS_MAX)),
        /// Until when what is left of them may be used.
        expires_at: Option<Timestamp> = optional(timestamp()),
    }
}

impl Data for (AccountOrPool, GrantMembers) {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let (AccountOrPool(account_id), GrantMembers { credits, reason, actor, expires_at }) = self;
        Ok(Fact::Grant(GrantFact { account_id, credits, reason, actor, expires_at }))
    }
}

members! {
    /// A correction, which says why and by whom.
    struct AdjustmentMembers {
        /// By how many, up or down.
        credits: Credits = required(signed_credits()),
        /// Why.
        reason: Arc<str> = required(text(REASON_CHARS_MAX)),
        /// By whom.
        actor: Arc<str> = required(text(ACTOR_CHARS_MAX)),
    }
}

impl Data for (AccountOrPool, AdjustmentMembers) {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let (AccountOrPool(account_id), AdjustmentMembers { credits, reason, actor }) = self;
        Ok(Fact::Adjustment(AdjustmentFact { account_id, credits, reason, actor }))
    }
}

members! {
    /// Available credits moved between two accounts of one organization, all or nothing. They must be two
    /// different ones, which a schema can't say.
    struct TransferMembers {
        /// Who gives.
        from_account_id: AccountId = required(id_of_no_pool(AccountId::parse_named)),
        /// Who gets.
        to_account_id: AccountId = required(id_of_no_pool(AccountId::parse_named)),
        /// How many.
        credits: Credits = required(credits_from(1)),
        /// Why.
        reason: Option<Arc<str>> = optional(text(REASON_CHARS_MAX)),
        /// By whom.
        actor: Option<Arc<str>> = optional(text(ACTOR_CHARS_MAX)),
    }
}

impl Data for TransferMembers {
    fn into_fact(self, path: &Path) -> Result<Fact, Wrong> {
        let Self { from_account_id, to_account_id, credits, reason, actor } = self;
        if from_account_id == to_account_id {
            let path = Path::Member(path, "to_account_id");
            return Err(Wrong::at(&path, "expected another account than from_account_id"));
        }
        Ok(Fact::Transfer(TransferFact { from_account_id, to_account_id, credits, reason, actor }))
    }
}

members! {
    /// A complete price list, for all or for one organization. It is in force from the later of `effective_at`
    /// and its arrival.
    struct PriceListMembers {
        /// Credits by type of deliverable.
        prices: Arc<[PriceLine]> = required(Prices),
        /// From when, if later than its arrival.
        effective_at: Option<Timestamp> = optional(timestamp()),
        /// Whose it is; the default list where it is left out.
        organization_id: Option<OrganizationId> = optional(id(OrganizationId::parse_named)),
    }
}

impl Data for PriceListMembers {
    fn into_fact(self, _path: &Path) -> Result<Fact, Wrong> {
        let Self { prices, effective_at, organization_id } = self;
        Ok(Fact::PriceList(PriceListFact { prices, effective_at, organization_id }))
    }
}
