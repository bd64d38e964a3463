//! What somebody must see to: which alerts are raised, and whom to turn to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use maud::{Markup, html};

use super::wall::WallClock;
use super::words::{contact, counted, number, said, word};
use super::{links, names};
use crate::ledger::alert::{GRANT_EXPIRING, HOLD_STALE, POOL_OVERCOMMITTED, QUEUE_BLOCKED, Severity};
use crate::ledger::notice::{Contact, ContactRole, SubjectKind};
use crate::report::RaisedRow;

/// As many of an organization's accounts are told with their alerts where there are many.
const ACCOUNTS_TOLD: usize = 4;
/// As many of the projects or grants that an alert is about are named.
const SUBJECTS_NAMED: usize = 3;

/// What an alert's rule says, for people.
pub(super) fn rule(name: &str) -> Markup {
    html! {
        @match name {
            QUEUE_BLOCKED => "Work waits for credits",
            HOLD_STALE => "Projects hold credits for longer than they should",
            POOL_OVERCOMMITTED => "More is promised to accounts than the pool has",
            GRANT_EXPIRING => "A grant is about to expire",
            own => { "Credits are low: rule " span.id { (own) } }
        }
    }
}

/// How urgent something is: a sign and a word, each enough by itself.
pub(super) fn severity(severity: Severity) -> Markup {
    let (class, shape) = match severity {
        Severity::Critical => ("critical", "M6 1h4l5 5v4l-5 5H6l-5-5V6zM8 4v5M8 11v1.5"),
        Severity::Warning => ("warning", "M8 1.5l7 13H1zM8 6v4M8 11.5v1.2"),
        Severity::Info => ("info", "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14M8 7v5M8 4v1.2"),
    };
    html! {
        span class=(format!("severity {class}")) {
            svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" { path d=(shape) {} }
            (name_of(severity))
        }
    }
}

fn name_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::Warning => "Warning",
        Severity::Info => "Info",
    }
}

/// An account's alerts, the most urgent first.
pub(super) fn alerts(raised: &[RaisedRow], wall: &WallClock) -> Markup {
    let mut sorted: Vec<_> = raised.iter().collect();
    sorted.sort_by_key(|row| (Reverse(row.severity), row.since));
    html! {
        ul.alerts {
            @for row in sorted {
                li {
                    (severity(row.severity))
                    div {
                        p { (rule(&row.rule)) span.aside { " for " (wall.age(row.since)) } }
                        (subjects(row, wall))
                    }
                }
            }
        }
    }
}

/// What is raised for an organization's accounts, its pool among them, or for an account that has none.
struct Group<'r> {
    /// How urgent the most urgent of it is.
    worst: Severity,
    organization: Option<&'r str>,
    /// By account, the pool first.
    accounts: BTreeMap<&'r str, Vec<&'r RaisedRow>>,
}

/// Rows by whom they concern, that with the most urgent one first; the order is kept otherwise.
fn groups(raised: &[RaisedRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in raised {
        let organization = row.organization_id.as_deref();
        let is_of = |group: &&mut Group<'_>| match organization {
            Some(_) => group.organization == organization,
            None => group.accounts.contains_key(row.account_id.as_str()),
        };
        if let Some(group) = groups.iter_mut().find(is_of) {
            group.worst = group.worst.max(row.severity);
            group.accounts.entry(&row.account_id).or_default().push(row);
        } else {
            let accounts = BTreeMap::from([(row.account_id.as_str(), vec![row])]);
            groups.push(Group { worst: row.severity, organization, accounts });
        }
    }
    groups.sort_by_key(|group| Reverse(group.worst));
    groups
}

/// The alerts of many accounts, those of an organization together. So many of them stand open, the others behind a
/// press.
pub(super) fn alerts_of_many(
    raised: &[RaisedRow],
    names: &HashMap<String, String>,
    wall: &WallClock,
    open: usize,
) -> Markup {
    let groups = groups(raised);
    let (first, others) = groups.split_at(open.min(groups.len()));
    html! {
        ul.alerts { @for group in first { (of_group(group, names, wall)) } }
        @if !others.is_empty() {
            details id="alerts-more" {
                summary { "and " (others.len()) " more" }
                ul.alerts { @for group in others { (of_group(group, names, wall)) } }
            }
        }
    }
}

fn of_group(group: &Group<'_>, names: &HashMap<String, String>, wall: &WallClock) -> Markup {
    let mut accounts: Vec<_> = group.accounts.iter().collect();
    let worst = |rows: &[&RaisedRow]| rows.iter().map(|row| row.severity).max();
    accounts.sort_by_key(|(id, rows)| (!id.starts_with("pool:"), Reverse(worst(rows))));
    let more = accounts.len().saturating_sub(ACCOUNTS_TOLD);
    html! {
        li {
            (severity(group.worst))
            ul.lines.compact {
                @for (account, rows) in accounts.iter().take(ACCOUNTS_TOLD) {
                    li {
                        (names::account(account, names))
                        span.aside {
                            @for (place, row) in rows.iter().enumerate() {
                                @if place > 0 { "; " }
                                (rule(&row.rule)) ", " (wall.age(row.since))
                                @if row.severity != group.worst { " (" (name_of(row.severity).to_lowercase()) ")" }
                            }
                        }
                    }
                }
                @if let Some(organization) = group.organization.filter(|_| more > 0) {
                    li {
                        a href=(links::organization(organization)) { "and " (more) (if more == 1 { " account" } else { " accounts" }) " more" }
                    }
                }
            }
        }
    }
}

fn subjects(raised: &RaisedRow, wall: &WallClock) -> Markup {
    let named = &raised.subjects[..raised.subjects.len().min(SUBJECTS_NAMED)];
    let more = raised.subjects_in_all - i64::try_from(named.len()).unwrap_or(i64::MAX);
    html! {
        @if !named.is_empty() {
            ul.subjects {
                @for subject in named { li { (about(subject, wall)) } }
                @if more > 0 { li { "and " (number(more)) " more" } }
            }
        }
    }
}

fn about(subject: &SubjectKind, wall: &WallClock) -> Markup {
    html! {
        @match subject {
            SubjectKind::Project { project_id, name, status, status_since, held } => {
                a href=(links::project(project_id.as_str())) {
                    @match name {
                        Some(name) => { (said(name)) " (" span.id { (project_id) } ")" }
                        None => span.id { (project_id) }
                    }
                }
                ", " (counted(held.0, "credit"))
                @if let Some(status) = status { ", " (word(status)) }
                @if let Some(since) = status_since { " for " (wall.age(*since)) }
            }
            SubjectKind::Grant { credits_left, expires_at, .. } => {
                (counted(credits_left.0, "credit")) " expire " (wall.until(*expires_at))
            }
        }
    }
}

/// Whom to turn to.
pub(super) fn whom(to: &Contact) -> Markup {
    let role = match to.role {
        ContactRole::AccountManager => "account manager",
        ContactRole::OrganizationAdmin => "organization\u{2019}s admin",
    };
    html! {
        p.whom {
            @match &to.contact {
                Some(name) => { "Turn to " (contact(name)) ", the " (role) "." }
                None => { "Nobody is named as the " (role) "." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::moment::Timestamp;

    fn raised(account: &str, rule: &str, severity: Severity) -> RaisedRow {
        let since = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        RaisedRow {
            account_id: account.to_owned(),
            organization_id: None,
            rule: rule.to_owned(),
            severity,
            since,
            subjects: Vec::new(),
            subjects_in_all: 0,
        }
    }

    #[test]
    fn the_most_urgent_comes_first_and_each_says_its_severity_in_a_word() {
        let wall = WallClock::at(Timestamp::parse("2026-03-03T00:00:00Z").unwrap());
        let rows = [raised("a", QUEUE_BLOCKED, Severity::Info), raised("b/c", "low", Severity::Critical)];
        let shown = alerts_of_many(&rows, &HashMap::new(), &wall, 1).into_string();
        assert!(shown.find("Critical").unwrap() < shown.find("Info").unwrap(), "{shown}");
        assert!(shown.contains("href=\"/accounts/b%2Fc\""), "{shown}");
        assert!(shown.contains("2 days") && shown.contains("and 1 more"), "{shown}");
    }

    #[test]
    fn an_organizations_alerts_stand_together_the_pool_first_wherever_they_came() {
        let wall = WallClock::at(Timestamp::parse("2026-03-03T00:00:00Z").unwrap());
        let of_acme = |account, severity| RaisedRow {
            organization_id: Some("acme".to_owned()),
            ..raised(account, QUEUE_BLOCKED, severity)
        };
        let rows = [
            of_acme("film", Severity::Critical),
            raised("studio", "low", Severity::Critical),
            of_acme("pool:acme", Severity::Warning),
            raised("studio", QUEUE_BLOCKED, Severity::Info),
        ];
        let names = HashMap::from([("pool:acme".to_owned(), "Acme & Co".to_owned())]);
        let shown = alerts_of_many(&rows, &names, &wall, 8).into_string();
        assert_eq!(shown.matches("Critical").count(), 2, "one for each: {shown}");
        let place = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text} in {shown}"));
        assert!(place("Pool of Acme &amp; Co") < place("film") && place("film") < place("studio"), "{shown}");
        assert!(
            shown.contains("(warning)") && shown.contains("(info)"),
            "what is less urgent says so: {shown}"
        );
    }

    #[test]
    fn nobody_to_turn_to_is_said() {
        let shown = whom(&Contact { role: ContactRole::AccountManager, contact: None }).into_string();
        assert_eq!(shown, "<p class=\"whom\">Nobody is named as the account manager.</p>");
    }
}
