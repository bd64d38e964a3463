//! Alert rules: when a balance is so low that somebody must act, and when that is over (DESIGN 1.4).

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balance::{Balance, Queued, Tallies};
use super::credits::Credits;
use super::moment::Timestamp;

/// How urgently somebody must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Act soon.
    Warning,
    /// Act now.
    Critical,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Available credits in percent of total.
    AvailablePercent,
    /// Available credits.
    AvailableCredits,
    /// Projects that wait for credits. This and the measures below are of built-in rules only.
    QueuedProjects,
    /// Holds of projects that are in a status for longer than its limit.
    StaleHolds,
    /// By how many credits the totals of a pool's accounts together are more than the pool's.
    CreditsOverPromised,
    /// Grants that are about to expire.
    ExpiringGrants,
}

impl Measure {
    /// Its name, as rules say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::AvailablePercent => "available_percent",
            Measure::AvailableCredits => "available_credits",
            Measure::QueuedProjects => "queued_projects",
            Measure::StaleHolds => "stale_holds",
            Measure::CreditsOverPromised => "credits_over_promised",
            Measure::ExpiringGrants => "expiring_grants",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of the built-in rule that is raised while work waits for credits.
pub const QUEUE_BLOCKED: &str = "queue_blocked";
/// The name of the built-in rule that is raised while a project holds credits in a status that it should have
/// left. Its subjects are projects.
pub const HOLD_STALE: &str = "hold_stale";
/// The name of the built-in rule that is raised while a pool's accounts may use more than the pool has.
pub const POOL_OVERCOMMITTED: &str = "pool_overcommitted";
/// The name of the built-in rule that is raised while grants are about to expire. Its subjects are grants.
pub const GRANT_EXPIRING: &str = "grant_expiring";
/// Names that the ledger keeps for its own alerts.
pub const RESERVED_NAMES: [&str; 4] = [QUEUE_BLOCKED, HOLD_STALE, POOL_OVERCOMMITTED, GRANT_EXPIRING];
/// The most rules that one list may have.
pub const RULES_MAX: usize = 16;

/// The margin of a rule that names none.
pub const MARGIN_DEFAULT: i64 = 5;

fn margin_default() -> i64 {
    MARGIN_DEFAULT
}

/// A threshold. It is raised at or below `level` and resolved strictly above `level` plus `margin`, so that
/// a balance that teeters on it raises once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in its list.
    pub name: Arc<str>,
    /// What it looks at.
    pub measure: Measure,
    /// Percent or credits, by the measure.
    pub level: i64,
    /// How urgent it is.
    pub severity: Severity,
    /// Percent points, or percent of the level where that is in credits.
    #[serde(default = "margin_default")]
    pub margin: i64,
}

/// Why a list of rules can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name doesn't follow the rule for ids.
    #[error("rule {0:?}: its name must be 1 to 64 of A-Z a-z 0-9 . _ : @ / -")]
    Name(String),
    /// The name is one of the ledger's own.
    #[error("rule {0:?}: this name is kept for a built-in alert; choose another")]
    Reserved(String),
    /// A measure that only built-in rules use.
    #[error("rule {0:?}: measure {1} is built in; expected available_percent or available_credits")]
    Measure(String, Measure),
    /// Two rules of one name.
    #[error("rule {0:?} appears twice; names must differ")]
    Twice(String),
    /// A level out of range.
    #[error("rule {0:?}: level is {1}; expected {2}")]
    Level(String, i64, &'static str),
    /// A margin out of range.
    #[error("rule {0:?}: margin is {1}; expected 0 to 1000")]
    Margin(String, i64),
    /// A percent rule that could never resolve.
    #[error("rule {0:?}: level {1} plus margin {2} must be below 100, or it could never be resolved")]
    NeverResolves(String, i64, i64),
    /// Too many rules.
    #[error("{0} rules; expected at most {RULES_MAX}")]
    TooMany(usize),
}

/// Checks a list of rules as a whole.
pub fn check_rules(rules: &[Rule]) -> Result<(), RuleError> {
    if rules.len() > RULES_MAX {
        return Err(RuleError::TooMany(rules.len()));
    }
    for (place, rule) in rules.iter().enumerate() {
        rule.check()?;
        if rules[..place].iter().any(|earlier| earlier.name == rule.name) {
            return Err(RuleError::Twice(rule.name.to_string()));
        }
    }
    Ok(())
}

/// The most that the level of a rule in credits may be.
pub const LEVEL_CREDITS_MAX: i64 = 1_000_000_000_000;

impl Rule {
    fn check(&self) -> Result<(), RuleError> {
        let name = self.name.to_string();
        if super::ids::ProjectId::parse(&name).is_err() {
            return Err(RuleError::Name(name));
        }
        if RESERVED_NAMES.contains(&name.as_str()) {
            return Err(RuleError::Reserved(name));
        }
        if !(0..=1000).contains(&self.margin) {
            return Err(RuleError::Margin(name, self.margin));
        }
        match self.measure {
            Measure::AvailablePercent if !(0..100).contains(&self.level) => {
                Err(RuleError::Level(name, self.level, "0 to 99 percent"))
            }
            Measure::AvailablePercent if self.level + self.margin >= 100 => {
                Err(RuleError::NeverResolves(name, self.level, self.margin))
            }
            Measure::AvailableCredits if !(0..=LEVEL_CREDITS_MAX).contains(&self.level) => {
                Err(RuleError::Level(name, self.level, "0 to 1000000000000 credits"))
            }
            built_in @ (Measure::QueuedProjects
            | Measure::StaleHolds
            | Measure::CreditsOverPromised
            | Measure::ExpiringGrants) => Err(RuleError::Measure(name, built_in)),
            Measure::AvailablePercent | Measure::AvailableCredits => Ok(()),
        }
    }

    /// Whether the rule is raised for these books, given whether it was before.
    fn is_raised(&self, was_raised: bool, books: &Measured) -> bool {
        let available = i128::from(books.balance.available().0);
        let total = i128::from(books.balance.total.0);
        let (level, margin) = (i128::from(self.level), i128::from(self.margin));
        // Both sides of each comparison are multiplied out: no division, so no rounding.
        let (at_or_below, above_margin) = match self.measure {
            // A share of nothing says nothing: what was raised stays, what was not does not.
            Measure::AvailablePercent if total == 0 => (was_raised, false),
            // With less than nothing in total, nothing is available whatever the percentage.
            Measure::AvailablePercent if total < 0 => (true, false),
            Measure::AvailablePercent => {
                (available * 100 <= level * total, available * 100 > (level + margin) * total)
            }
            Measure::AvailableCredits => (available <= level, available * 100 > level * (100 + margin)),
            Measure::QueuedProjects => any(books.queued.projects),
            Measure::StaleHolds => any(books.tallies.stale_holds),
            Measure::ExpiringGrants => any(books.tallies.expiring_grants),
            Measure::CreditsOverPromised => any(books.over_promised().0),
        };
        if was_raised { !above_margin } else { at_or_below }
    }
}

/// Whether a built-in rule is raised, and whether it is over: it is while there is anything to count.
fn any(count: i64) -> (bool, bool) {
    (count > 0, count <= 0)
}

/// What rules are measured against.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The account's balance.
    pub balance: Balance,
    /// What waits for its credits.
    pub queued: Queued,
    /// What else is counted on it.
    pub tallies: Tallies,
}

impl Measured {
    /// By how many credits its accounts' totals together are more than the pool's own; below zero where they
    /// are less, and for what is no pool.
    pub fn over_promised(&self) -> Credits {
        self.tallies.promised - self.balance.total.or_zero()
    }

    /// How many subjects a rule has, where it is one about projects or grants.
    fn subjects(&self, rule: &Rule) -> Option<i64> {
        match rule.measure {
            Measure::StaleHolds => Some(self.tallies.stale_holds),
            Measure::ExpiringGrants => Some(self.tallies.expiring_grants),
            Measure::AvailablePercent
            | Measure::AvailableCredits
            | Measure::QueuedProjects
            | Measure::CreditsOverPromised => None,
        }
    }
}

/// A rule that is raised for an account, as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Raised {
    /// The rule's name.
    pub name: Arc<str>,
    /// Its severity when last evaluated.
    pub severity: Severity,
    /// Since when, without a break.
    pub since: Timestamp,
    /// How many subjects it had when last evaluated, where it is a rule about projects or grants. Which they
    /// are is kept with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<i64>,
}

/// A raised rule as an alert tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RaisedRule {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// Since when it is raised.
    pub since: Timestamp,
    /// How many projects or grants it is about, where it is about such.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subjects: Option<i64>,
}

/// Why a rule is no longer raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The balance is above the level and its margin again.
    Recovered,
    /// The rule no longer applies to the account.
    RuleRemoved,
}

/// A rule that was raised and is no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    /// The rule's name.
    pub name: Arc<str>,
    /// How severe it was.
    pub severity: Severity,
    /// Why it is over.
    pub reason: Resolution,
}

/// How what is raised changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// From none to some.
    Raised,
    /// From some to none.
    Resolved,
    /// The highest severity rose.
    Escalated,
    /// The highest severity fell.
    Eased,
    /// Other rules or other subjects, of the same highest severity.
    Updated,
    /// Nothing: somebody asked for it, to see whether alerts arrive.
    Test,
}

/// What an evaluation changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// How.
    pub change: Change,
    /// The highest severity now.
    pub severity: Option<Severity>,
    /// The highest severity before.
    pub previous_severity: Option<Severity>,
    /// All that is raised now.
    pub rules: Vec<RaisedRule>,
    /// What was raised before and no longer is.
    pub resolved: Vec<Resolved>,
}

impl Transition {
    /// The state to remember.
    pub fn remembered(&self) -> Vec<Raised> {
        let remember = |raised: &RaisedRule| Raised {
            name: raised.rule.name.clone(),
            severity: raised.rule.severity,
            since: raised.since,
            subjects: raised.subjects,
        };
        self.rules.iter().map(remember).collect()
    }
}

/// Holds `rules` against the books. `None` where the same rules are raised with the same severities.
pub fn evaluate<'r>(
    raised_before: &[Raised],
    rules: impl Iterator<Item = &'r Rule>,
    books: &Measured,
    now: Timestamp,
) -> Option<Transition> {
    let mut raised_now = Vec::new();
    let mut recovered = Vec::new();
    for rule in rules {
        let before = raised_before.iter().find(|raised| raised.name == rule.name);
        if rule.is_raised(before.is_some(), books) {
            let since = before.map_or(now, |raised| raised.since);
            raised_now.push(RaisedRule { rule: rule.clone(), since, subjects: books.subjects(rule) });
        } else if before.is_some() {
            recovered.push(rule.name.clone());
        }
    }
    let still = |raised: &Raised| raised_now.iter().any(|now| now.rule.name == raised.name);
    let resolve = |raised: &Raised| {
        let reason = match recovered.contains(&raised.name) {
            true => Resolution::Recovered,
            false => Resolution::RuleRemoved,
        };
        Resolved { name: raised.name.clone(), severity: raised.severity, reason }
    };
    let resolved = raised_before.iter().filter(|raised| !still(raised)).map(resolve).collect();
    let previous_severity = raised_before.iter().map(|raised| raised.severity).max();
    let severity = raised_now.iter().map(|raised| raised.rule.severity).max();
    let change = match (previous_severity, severity) {
        (None, None) => return None,
        (None, Some(_)) => Change::Raised,
        (Some(_), None) => Change::Resolved,
        (Some(before), Some(now)) if now > before => Change::Escalated,
        (Some(before), Some(now)) if now < before => Change::Eased,
        (Some(_), Some(_)) if same(raised_before, &raised_now) => return None,
        (Some(_), Some(_)) => Change::Updated,
    };
    Some(Transition { change, severity, previous_severity, rules: raised_now, resolved })
}

fn same(before: &[Raised], now: &[RaisedRule]) -> bool {
    let known = |raised: &RaisedRule| {
        let as_before =
            |old: &Raised| old.severity == raised.rule.severity && old.subjects == raised.subjects;
        before.iter().any(|old| old.name == raised.rule.name && as_before(old))
    };
    before.len() == now.len() && now.iter().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(name: &str, level: i64, severity: Severity) -> Rule {
        let measure = Measure::AvailablePercent;
        Rule { name: name.into(), measure, level, severity, margin: 5 }
    }

    fn books(total: i64, held: i64) -> Measured {
        let balance = Balance { total: Credits(total), held: Credits(held), consumed: Credits::ZERO };
        Measured { balance, queued: Queued::default(), tallies: Tallies::default() }
    }

    /// Evaluates a list of `held` values one after the other out of 100, and tells the changes.
    fn changes(rules: &[Rule], held: &[i64]) -> Vec<Option<Change>> {
        let mut state = Vec::new();
        let step = |held: &i64| {
            let transition = evaluate(&state, rules.iter(), &books(100, *held), Timestamp::EPOCH)?;
            state = transition.remembered();
            Some(transition.change)
        };
        held.iter().map(step).collect()
    }

    #[test]
    fn a_rule_is_raised_at_its_level_and_resolved_strictly_above_the_margin() {
        let rules = [percent("low", 20, Severity::Warning)];
        let seen = changes(&rules, &[79, 80, 75, 74, 79, 80]);
        let expected = [None, Some(Change::Raised), None, Some(Change::Resolved), None, Some(Change::Raised)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn severities_escalate_ease_and_resolve_as_one_alert() {
        let rules = [percent("low", 20, Severity::Warning), percent("out", 5, Severity::Critical)];
        let seen = changes(&rules, &[80, 95, 89, 70]);
        let expected = [Change::Raised, Change::Escalated, Change::Eased, Change::Resolved];
        assert_eq!(seen, expected.map(Some));
    }

    #[test]
    fn another_rule_of_the_same_severity_updates() {
        let rules = [percent("low", 20, Severity::Warning), percent("lower", 10, Severity::Warning)];
        assert_eq!(changes(&rules, &[80, 90, 90]), [Some(Change::Raised), Some(Change::Updated), None]);
    }

    #[test]
    fn a_removed_rule_resolves_and_says_why() {
        let rules = [percent("low", 20, Severity::Warning)];
        let raised = evaluate(&[], rules.iter(), &books(100, 90), Timestamp::EPOCH).unwrap();
        let none: [Rule; 0] = [];
        let over = evaluate(&raised.remembered(), none.iter(), &books(100, 90), Timestamp::EPOCH).unwrap();
        assert_eq!(over.change, Change::Resolved);
        assert_eq!(over.resolved[0].reason, Resolution::RuleRemoved);
    }

    #[test]
    fn a_percent_rule_keeps_its_state_where_the_total_is_zero() {
        let rules = [percent("low", 20, Severity::Warning)];
        assert_eq!(evaluate(&[], rules.iter(), &books(0, 0), Timestamp::EPOCH), None);
        let raised = evaluate(&[], rules.iter(), &books(100, 90), Timestamp::EPOCH).unwrap().remembered();
        assert_eq!(evaluate(&raised, rules.iter(), &books(0, 0), Timestamp::EPOCH), None);
        let less_than_nothing = evaluate(&[], rules.iter(), &books(-5, 0), Timestamp::EPOCH).unwrap();
        assert_eq!(less_than_nothing.change, Change::Raised);
    }

    #[test]
    fn the_margin_of_a_rule_in_credits_is_a_share_of_its_level() {
        let measure = Measure::AvailableCredits;
        let rule = Rule { name: "few".into(), measure, level: 40, severity: Severity::Info, margin: 10 };
        assert!(rule.is_raised(false, &books(40, 0)));
        assert!(rule.is_raised(true, &books(44, 0)), "at 40 plus a tenth it is still raised");
        assert!(!rule.is_raised(true, &books(45, 0)));
        assert!(!rule.is_raised(false, &books(41, 0)));
    }

    #[test]
    fn lists_that_cannot_work_are_refused_with_the_rule_named() {
        let refused = |rule: Rule| check_rules(&[rule]).unwrap_err().to_string();
        assert!(refused(percent("low", 96, Severity::Info)).contains("could never be resolved"));
        assert!(refused(percent("queue_blocked", 10, Severity::Info)).contains("built-in"));
        assert!(refused(percent("a rule", 10, Severity::Info)).contains("1 to 64"));
        assert!(refused(percent("low", -1, Severity::Info)).contains("0 to 99"));
        let twice = [percent("low", 10, Severity::Info), percent("low", 20, Severity::Info)];
        assert_eq!(check_rules(&twice), Err(RuleError::Twice("low".into())));
        let waiting = Rule { measure: Measure::QueuedProjects, ..percent("wait", 0, Severity::Info) };
        assert!(refused(waiting).contains("queued_projects"));
    }
}
