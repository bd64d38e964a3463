//! The inbound types: which members the data of each has, and in which ranges (DESIGN 1 and 2).

use std::sync::Arc;

use serde_json::Value;

use super::fields::{
    Fields, Path, Wrong, credits_from, id, list, one_of, quoted, signed_credits, text, timestamp, whole,
};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::{self, Measure, Rule, RuleError, Severity};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::{
    AccountFact, AdjustmentFact, AssetFact, Deliverable, Fact, GrantFact, OrganizationFact, Price, PriceLine,
    PriceListFact, ProjectFact, TransferFact,
};

/// The longest name or contact, in characters.
const NAME_CHARS_MAX: usize = 256;
/// The longest reason for a grant, an adjustment or a transfer, in characters.
const REASON_CHARS_MAX: usize = 1024;
/// The longest name of who did it, in characters.
const ACTOR_CHARS_MAX: usize = 256;
/// The longest status, type of deliverable or type of asset, in characters.
const WORD_CHARS_MAX: usize = 64;
/// The most deliverables that one project may name, and the most lines that one price list may have.
const LINES_MAX: usize = 1000;
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
}

/// Every inbound type.
pub(super) const INBOUND_TYPES: [InboundType; 9] = [
    InboundType { name: "project.status_changed.v1", has_revision: true, read: project_status_changed },
    InboundType { name: "project.amended.v1", has_revision: true, read: project_amended },
    InboundType { name: "asset.created.v1", has_revision: false, read: asset_created },
    InboundType { name: "account.changed.v1", has_revision: true, read: account_changed },
    InboundType { name: "organization.changed.v1", has_revision: true, read: organization_changed },
    InboundType { name: "credits.granted.v1", has_revision: false, read: credits_granted },
    InboundType { name: "credits.adjusted.v1", has_revision: false, read: credits_adjusted },
    InboundType { name: "credits.transferred.v1", has_revision: false, read: credits_transferred },
    InboundType { name: "price_list.changed.v1", has_revision: false, read: price_list_changed },
];

fn project_status_changed(data: &Fields) -> Result<Fact, Wrong> {
    listed_project(data).map(Fact::Project)
}

/// A project with its status, as a message or the upstream's list of projects says it.
pub(super) fn listed_project(data: &Fields) -> Result<ProjectFact, Wrong> {
    let status = data.required("status", text(WORD_CHARS_MAX))?;
    project(data, Some(status))
}

fn project_amended(data: &Fields) -> Result<Fact, Wrong> {
    project(data, None).map(Fact::Project)
}

fn project(data: &Fields, status: Option<Arc<str>>) -> Result<ProjectFact, Wrong> {
    let credits = data.optional("credits", credits_from(0))?;
    let deliverables = data.optional("deliverables", list(LINES_MAX, deliverable))?;
    let by_list = || deliverables.map(|lines| Price::Deliverables(lines.into()));
    Ok(ProjectFact {
        project_id: data.required("project_id", id(ProjectId::parse))?,
        account_id: data.required("account_id", id(AccountId::parse_named))?,
        status,
        price: credits.map(Price::Credits).or_else(by_list),
        final_credits: data.optional("final_credits", credits_from(0))?,
        name: data.optional("name", text(NAME_CHARS_MAX))?,
    })
}

fn deliverable(path: &Path, value: &Value) -> Result<Deliverable, Wrong> {
    let members = Fields::of(path, value)?;
    Ok(Deliverable {
        deliverable_type: members.required("type", text(WORD_CHARS_MAX))?,
        quantity: members.required("quantity", whole(1..=QUANTITY_MAX))?,
    })
}

fn asset_created(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::Asset(AssetFact {
        account_id: data.required("account_id", id(AccountId::parse_named))?,
        asset_type: data.required("asset_type", text(WORD_CHARS_MAX))?,
        quantity: data.optional("quantity", whole(1..=QUANTITY_MAX))?.unwrap_or(1),
        project_id: data.optional("project_id", id(ProjectId::parse))?,
        credits: data.optional("credits", credits_from(1))?,
    }))
}

/// What a message may say of an account's kind. A pool comes with its organization.
const KINDS: [(&str, Kind); 3] =
    [("standalone", Kind::Standalone), ("connected", Kind::Connected), ("integrated", Kind::Integrated)];
const MODES: [(&str, Mode); 2] = [("recycle", Mode::Recycle), ("consume", Mode::Consume)];
const POLICIES: [(&str, OnInsufficient); 3] = [
    ("queue", OnInsufficient::Queue),
    ("reject", OnInsufficient::Reject),
    ("overdraw", OnInsufficient::Overdraw),
];

fn account_changed(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::Account(AccountFact {
        account_id: data.required("account_id", id(AccountId::parse_named))?,
        kind: data.optional("kind", one_of(&KINDS))?,
        organization_id: data.optional("organization_id", id(OrganizationId::parse))?,
        name: data.optional("name", text(NAME_CHARS_MAX))?,
        contact: data.optional("contact", text(NAME_CHARS_MAX))?,
        capacity: data.optional("capacity", credits_from(0))?,
        allocation: data.optional("allocation", credits_from(0))?,
        mode: data.optional("mode", one_of(&MODES))?,
        on_insufficient: data.optional("on_insufficient", one_of(&POLICIES))?,
        overdraft_limit: data.optional("overdraft_limit", credits_from(0))?,
        alert_rules: data.optional("alert_rules", alert_rules)?,
        closed: None,
    }))
}

fn organization_changed(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::Organization(OrganizationFact {
        organization_id: data.required("organization_id", id(OrganizationId::parse))?,
        name: data.optional("name", text(NAME_CHARS_MAX))?,
        contact: data.optional("contact", text(NAME_CHARS_MAX))?,
        capacity: data.optional("capacity", credits_from(0))?,
        mode: data.optional("mode", one_of(&MODES))?,
        alert_rules: data.optional("alert_rules", alert_rules)?,
    }))
}

/// What a rule may measure. What waits is measured by a built-in rule only.
const MEASURES: [(&str, Measure); 2] =
    [("available_percent", Measure::AvailablePercent), ("available_credits", Measure::AvailableCredits)];
const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

fn alert_rules(path: &Path, value: &Value) -> Result<Arc<[Rule]>, Wrong> {
    let rules = list(alert::RULES_MAX, alert_rule)(path, value)?;
    for last in 0..rules.len() {
        // Checked one longer at a time, an error is about the last one.
        if let Err(error) = alert::check_rules(&rules[..=last]) {
            let rule = Path::Item(path, last);
            return Err(Wrong::at(&Path::Member(&rule, member_at_fault(&error)), error));
        }
    }
    Ok(rules.into())
}

fn alert_rule(path: &Path, value: &Value) -> Result<Rule, Wrong> {
    let members = Fields::of(path, value)?;
    let any_number = || whole(i64::MIN..=i64::MAX);
    Ok(Rule {
        name: members.required("name", text(WORD_CHARS_MAX))?,
        measure: members.required("measure", one_of(&MEASURES))?,
        level: members.required("level", any_number())?,
        severity: members.required("severity", one_of(&SEVERITIES))?,
        margin: members.optional("margin", any_number())?.unwrap_or(alert::MARGIN_DEFAULT),
    })
}

fn member_at_fault(error: &RuleError) -> &'static str {
    match error {
        RuleError::Measure(..) => "measure",
        RuleError::Level(..) | RuleError::NeverResolves(..) => "level",
        RuleError::Margin(..) => "margin",
        RuleError::Name(_) | RuleError::Reserved(_) | RuleError::Twice(_) | RuleError::TooMany(_) => "name",
    }
}

fn credits_granted(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::Grant(GrantFact {
        account_id: account_or_pool(data)?,
        credits: data.required("credits", credits_from(1))?,
        reason: data.optional("reason", text(REASON_CHARS_MAX))?,
        actor: data.optional("actor", text(ACTOR_CHARS_MAX))?,
        expires_at: data.optional("expires_at", timestamp)?,
    }))
}

fn credits_adjusted(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::Adjustment(AdjustmentFact {
        account_id: account_or_pool(data)?,
        credits: data.required("credits", signed_credits)?,
        reason: data.required("reason", text(REASON_CHARS_MAX))?,
        actor: data.required("actor", text(ACTOR_CHARS_MAX))?,
    }))
}

/// The account that is named, or the pool of the organization that is.
fn account_or_pool(data: &Fields) -> Result<AccountId, Wrong> {
    let account = data.optional("account_id", id(AccountId::parse_named))?;
    let organization = data.optional("organization_id", id(OrganizationId::parse))?;
    let expected = "expected exactly one of account_id and organization_id";
    match (account, organization) {
        (Some(account), None) => Ok(account),
        (None, Some(organization)) => Ok(AccountId::pool_of(&organization)),
        (Some(_), Some(_)) => Err(Wrong::at(data.path(), format_args!("{expected}, found both"))),
        (None, None) => Err(Wrong::at(data.path(), format_args!("{expected}, found neither"))),
    }
}

fn credits_transferred(data: &Fields) -> Result<Fact, Wrong> {
    let from_account_id = data.required("from_account_id", id(AccountId::parse_named))?;
    let to_account_id = data.required("to_account_id", id(AccountId::parse_named))?;
    if from_account_id == to_account_id {
        let path = Path::Member(data.path(), "to_account_id");
        return Err(Wrong::at(&path, "expected another account than from_account_id"));
    }
    Ok(Fact::Transfer(TransferFact {
        from_account_id,
        to_account_id,
        credits: data.required("credits", credits_from(1))?,
        reason: data.optional("reason", text(REASON_CHARS_MAX))?,
        actor: data.optional("actor", text(ACTOR_CHARS_MAX))?,
    }))
}

fn price_list_changed(data: &Fields) -> Result<Fact, Wrong> {
    Ok(Fact::PriceList(PriceListFact {
        prices: data.required("prices", prices)?,
        effective_at: data.optional("effective_at", timestamp)?,
        organization_id: data.optional("organization_id", id(OrganizationId::parse))?,
    }))
}

/// A price list's lines, sorted by type, so that their order on the wire makes no difference.
fn prices(path: &Path, value: &Value) -> Result<Arc<[PriceLine]>, Wrong> {
    let Value::Object(members) = value else {
        return Err(Wrong::at(path, "expected an object of credits by type of deliverable"));
    };
    if members.len() > LINES_MAX {
        return Err(Wrong::at(path, format_args!("expected at most {LINES_MAX}, found {}", members.len())));
    }
    let mut lines = Vec::with_capacity(members.len());
    for (name, credits) in members {
        lines.push(price_line(path, name, credits)?);
    }
    lines.sort_unstable_by(|a: &PriceLine, b| a.deliverable_type.cmp(&b.deliverable_type));
    Ok(lines.into())
}

fn price_line(list: &Path, name: &str, credits: &Value) -> Result<PriceLine, Wrong> {
    let has_word_length = (1..=WORD_CHARS_MAX).contains(&name.chars().count());
    if !has_word_length || name.chars().any(char::is_control) {
        let found = quoted(name);
        let expected = format_args!("a type of 1 to {WORD_CHARS_MAX} characters without control characters");
        return Err(Wrong::at(list, format_args!("expected {expected}, found {found}")));
    }
    let credits: Credits = credits_from(0)(&Path::Member(list, name), credits)?;
    Ok(PriceLine { deliverable_type: name.into(), credits })
}
