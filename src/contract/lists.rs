//! The two kinds of values that have rules of their own: lists of alert rules, and price lists.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::{
    Kind, Schema, checked_later, credits_from, is_printable, list, one_of, printable_schema,
    rule_name_schema, text, whole, with_keywords,
};
use super::members::{members, object, optional_or, required};
use super::places::{Path, Wrong, quoted};
use crate::ledger::alert::{self, LEVEL_CREDITS_MAX, Measure, Rule, RuleError, Severity};
use crate::ledger::credits::Credits;
use crate::ledger::input::PriceLine;
use crate::ledger::price::LINES_MAX;

/// The longest status, type of deliverable or type of asset, in characters.
pub(super) const WORD_CHARS_MAX: usize = 64;

/// What a rule may measure. What waits is measured by a built-in rule only.
const MEASURES: [(&str, Measure); 2] =
    [("available_percent", Measure::AvailablePercent), ("available_credits", Measure::AvailableCredits)];
const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

members! {
    /// An alert is raised at or below `level`, and resolved above `level` plus `margin`. What a schema can't
    /// say: the names in a list differ, and a percent rule's level plus its margin is below 100.
    struct RuleMembers {
        /// Unique in its list, and none of the built-in alerts'.
        name: Arc<str> = required(checked_later(text(WORD_CHARS_MAX), rule_name_keywords)),
        /// What it looks at.
        measure: Measure = required(one_of(&MEASURES)),
        /// Percent (0 to 99) or credits, by the measure.
        level: i64 = required(checked_later(any_whole(), || json!({"minimum": 0, "maximum": LEVEL_CREDITS_MAX}))),
        /// How urgent it is.
        severity: Severity = required(one_of(&SEVERITIES)),
        /// Percent points, or percent of a level in credits.
        margin: i64 = optional_or(
            alert::MARGIN_DEFAULT,
            checked_later(any_whole(), || json!({"minimum": 0, "maximum": 1000})),
        ),
    }
}

/// Any number that a rule could carry. Which are good is the ledger's to say, in its own words.
fn any_whole() -> impl Kind<i64> {
    whole(i64::MIN..=i64::MAX)
}

fn rule_name_keywords() -> Schema {
    with_keywords(rule_name_schema(), json!({"not": {"enum": alert::RESERVED_NAMES}}))
}

/// A complete list of alert rules.
pub(super) struct AlertRules;

impl Kind<Arc<[Rule]>> for AlertRules {
    fn read(&self, path: &Path, value: &Value) -> Result<Arc<[Rule]>, Wrong> {
        let read = list(alert::RULES_MAX, object::<RuleMembers>()).read(path, value)?;
        let rules: Arc<[Rule]> = read.into_iter().map(Rule::from).collect();
        for last in 0..rules.len() {
            // Checked one longer at a time, an error is about the last one.
            if let Err(error) = alert::check_rules(&rules[..=last]) {
                let rule = Path::Item(path, last);
                return Err(Wrong::at(&Path::Member(&rule, member_at_fault(&error)), error));
            }
        }
        Ok(rules)
    }

    fn schema(&self) -> Schema {
        let percent_rules = json!({
            "if": {"properties": {"measure": {"const": "available_percent"}}},
            "then": {"properties": {"level": {"type": "integer", "maximum": 99}}},
        });
        let rule = checked_later(object::<RuleMembers>(), || percent_rules.clone());
        list(alert::RULES_MAX, rule).schema()
    }
}

impl From<RuleMembers> for Rule {
    fn from(members: RuleMembers) -> Self {
        let RuleMembers { name, measure, level, severity, margin } = members;
        Self { name, measure, level, severity, margin }
    }
}

fn member_at_fault(error: &RuleError) -> &'static str {
    match error {
        RuleError::Measure(..) => "measure",
        RuleError::Level(..) | RuleError::NeverResolves(..) => "level",
        RuleError::Margin(..) => "margin",
        RuleError::Name(_) | RuleError::Reserved(_) | RuleError::Twice(_) | RuleError::TooMany(_) => "name",
    }
}

/// A price list's lines, sorted by type, so that their order on the wire makes no difference.
pub(super) struct Prices;

impl Kind<Arc<[PriceLine]>> for Prices {
    fn read(&self, path: &Path, value: &Value) -> Result<Arc<[PriceLine]>, Wrong> {
        let Value::Object(members) = value else {
            return Err(Wrong::at(path, "expected an object of credits by type of deliverable"));
        };
        if members.len() > LINES_MAX {
            let found = members.len();
            return Err(Wrong::at(path, format_args!("expected at most {LINES_MAX}, found {found}")));
        }
        let mut lines = Vec::with_capacity(members.len());
        for (name, credits) in members {
            lines.push(price_line(path, name, credits)?);
        }
        lines.sort_unstable_by(|a: &PriceLine, b| a.deliverable_type.cmp(&b.deliverable_type));
        Ok(lines.into())
    }

    fn schema(&self) -> Schema {
        json!({
            "type": "object",
            "maxProperties": LINES_MAX,
            "propertyNames": printable_schema(WORD_CHARS_MAX),
            "additionalProperties": credits_a_piece().schema(),
        })
    }
}

fn credits_a_piece() -> impl Kind<Credits> {
    credits_from(0)
}

fn price_line(list: &Path, name: &str, credits: &Value) -> Result<PriceLine, Wrong> {
    let deliverable_type = priced_type(list, name)?;
    let credits = credits_a_piece().read(&Path::Member(list, name), credits)?;
    Ok(PriceLine { deliverable_type, credits })
}

/// A type as a price list names it.
pub(super) fn priced_type(list: &Path, name: &str) -> Result<Arc<str>, Wrong> {
    if !is_printable(name, WORD_CHARS_MAX) {
        let found = quoted(name);
        let expected = format_args!("a type of 1 to {WORD_CHARS_MAX} characters without control characters");
        return Err(Wrong::at(list, format_args!("expected {expected}, found {found}")));
    }
    Ok(name.into())
}
