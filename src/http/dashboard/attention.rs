//! What somebody must see to: which alerts are raised, and whom to turn to.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::links;
use super::words::{age, contact, counted, number, said, until, word};
use crate::ledger::alert::{GRANT_EXPIRING, HOLD_STALE, POOL_OVERCOMMITTED, QUEUE_BLOCKED, Severity};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{Contact, ContactRole, SubjectKind};
use crate::report::RaisedRow;

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
    let (class, name, shape) = match severity {
        Severity::Critical => ("critical", "Critical", "M6 1h4l5 5v4l-5 5H6l-5-5V6zM8 4v5M8 11v1.5"),
        Severity::Warning => ("warning", "Warning", "M8 1.5l7 13H1zM8 6v4M8 11.5v1.2"),
        Severity::Info => ("info", "Info", "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14M8 7v5M8 4v1.2"),
    };
    html! {
        span class=(format!("severity {class}")) {
            svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" { path d=(shape) {} }
            (name)
        }
    }
}

/// An account's alerts, the most urgent first.
pub(super) fn alerts(raised: &[RaisedRow], now: Timestamp) -> Markup {
    let mut sorted: Vec<_> = raised.iter().collect();
    sorted.sort_by_key(|row| (Reverse(row.severity), row.since));
    html! {
        ul.alerts {
            @for row in sorted {
                li {
                    (severity(row.severity))
                    div {
                        p { (rule(&row.rule)) span.aside { " for " (age(row.since, now)) } }
                        (subjects(row, now))
                    }
                }
            }
        }
    }
}

/// The alerts of many accounts: by account, that with the most urgent one first. So many stand open, the others
/// behind a press.
pub(super) fn alerts_by_account(raised: &[RaisedRow], now: Timestamp, open: usize) -> Markup {
    let mut accounts: Vec<_> = raised.chunk_by(|one, other| one.account_id == other.account_id).collect();
    accounts.sort_by_key(|rows| Reverse(rows.iter().map(|row| row.severity).max()));
    let (first, others) = accounts.split_at(open.min(accounts.len()));
    html! {
        (accounts_with_alerts(first, now))
        @if !others.is_empty() {
            details id="alerts-more" {
                summary { (counted(i64::try_from(others.len()).unwrap_or(i64::MAX), "account")) " more" }
                (accounts_with_alerts(others, now))
            }
        }
    }
}

fn accounts_with_alerts(accounts: &[&[RaisedRow]], now: Timestamp) -> Markup {
    html! {
        ul.alerts {
            @for rows in accounts {
                @let worst = rows.iter().map(|row| row.severity).max().unwrap_or(Severity::Info);
                li {
                    (severity(worst))
                    div {
                        p { a href=(links::account(&rows[0].account_id)) { (rows[0].account_id) } }
                        ul.subjects {
                            @for row in *rows { li { (rule(&row.rule)) ", for " (age(row.since, now)) } }
                        }
                    }
                }
            }
        }
    }
}

fn subjects(raised: &RaisedRow, now: Timestamp) -> Markup {
    let named = &raised.subjects[..raised.subjects.len().min(SUBJECTS_NAMED)];
    let more = raised.subjects_in_all - i64::try_from(named.len()).unwrap_or(i64::MAX);
    html! {
        @if !named.is_empty() {
            ul.subjects {
                @for subject in named { li { (about(subject, now)) } }
                @if more > 0 { li { "and " (number(more)) " more" } }
            }
        }
    }
}

fn about(subject: &SubjectKind, now: Timestamp) -> Markup {
    html! {
        @match subject {
            SubjectKind::Project { project_id, name, status, status_since, held } => {
                @match name {
                    Some(name) => { (said(name)) " (" span.id { (project_id) } ")" }
                    None => span.id { (project_id) }
                }
                ", " (counted(held.0, "credit"))
                @if let Some(status) = status { ", " (word(status)) }
                @if let Some(since) = status_since { " for " (age(*since, now)) }
            }
            SubjectKind::Grant { credits_left, expires_at, .. } => {
                (counted(credits_left.0, "credit")) " expire " (until(*expires_at, now))
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
        let now = Timestamp::parse("2026-03-03T00:00:00Z").unwrap();
        let rows = [raised("a", QUEUE_BLOCKED, Severity::Info), raised("b/c", "low", Severity::Critical)];
        let shown = alerts_by_account(&rows, now, 1).into_string();
        assert!(shown.find("Critical").unwrap() < shown.find("Info").unwrap(), "{shown}");
        assert!(shown.contains("href=\"/accounts/b%2Fc\""), "{shown}");
        assert!(shown.contains("2 days") && shown.contains("1 account more"), "{shown}");
    }

    #[test]
    fn nobody_to_turn_to_is_said() {
        let shown = whom(&Contact { role: ContactRole::AccountManager, contact: None }).into_string();
        assert_eq!(shown, "<p class=\"whom\">Nobody is named as the account manager.</p>");
    }
}
