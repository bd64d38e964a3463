//! What an account is: its plan, its rules, its grants. And what moved its credits.

use maud::{Markup, html};

use super::names::{self, Subject};
use super::table::{Column, table};
use super::wall::WallClock;
use super::words::{counted, named, number, said};
use crate::ledger::entry::EntryKind;
use crate::report::{AccountRow, GrantRow, UsageLine};

/// The facts of an account, as names and values.
pub(super) fn facts(account: &AccountRow, subject: &Subject) -> Markup {
    let is_pool = account.promised.is_some();
    html! {
        dl.facts {
            (fact("Id", &html! { span.id { (account.account_id) } }))
            (fact("Kind", &html! { (kind(&account.kind)) }))
            @if let Some(organization) = subject.organization() { (fact("Organization", &organization)) }
            (fact("Plan", &html! { (counted(account.plan, "credit")) (if account.kind == "integrated" { " of the pool" } else { "" }) }))
            @if account.total != account.plan {
                (fact("With grants and adjustments", &html! { (number(account.total)) }))
            }
            @if let Some(promised) = account.promised {
                (fact("Promised to its accounts", &html! {
                    (number(promised))
                    @let over = promised.saturating_sub(account.total.max(0));
                    @if over > 0 { span.aside { (number(over)) " more than it has" } }
                }))
            }
            (fact("When a project is finalized", &html! { (mode(&account.mode)) }))
            @if !is_pool { (fact("What doesn\u{2019}t fit", &policy(account))) }
            (fact("Closed", &html! { (if account.closed { "yes: it takes no new holds" } else { "no" }) }))
        }
    }
}

pub(super) fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A kind of account, in words.
pub(super) fn kind(kind: &str) -> &str {
    match kind {
        "standalone" => "standalone: a plan of its own",
        "connected" => "connected: a plan of its own, in an organization",
        "integrated" => "integrated: a share of its organization\u{2019}s pool",
        "pool" => "pool: an organization\u{2019}s shared credits",
        other => other,
    }
}

fn mode(mode: &str) -> &str {
    match mode {
        "recycle" => "its credits come back (recycle)",
        "consume" => "its credits are used up (consume)",
        other => other,
    }
}

fn policy(account: &AccountRow) -> Markup {
    html! {
        @match account.on_insufficient.as_str() {
            "queue" => "waits (queue)",
            "reject" => "is refused (reject)",
            "overdraw" => { "is held down to " (number(account.overdraft_limit)) " below zero (overdraw)" }
            other => (other)
        }
    }
}

/// Grants with a term, soonest expiry first.
pub(super) fn grants(grants: &[GrantRow], wall: &WallClock) -> Markup {
    html! {
        ul.lines {
            @for grant in grants {
                li {
                    span { strong { (number(grant.credits_left)) } " of " (number(grant.credits)) " left, expiring " (wall.until(grant.expires_at)) }
                    span.aside {
                        "granted " (wall.day(grant.granted_at))
                        @if let Some(actor) = &grant.actor { " by " (said(actor)) }
                        @if let Some(reason) = &grant.reason { ": " (said(reason)) }
                    }
                }
            }
        }
    }
}

/// An entry's kind, for people.
pub(super) fn kind_of(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Plan => "Plan",
        EntryKind::Grant => "Grant",
        EntryKind::Adjustment => "Adjustment",
        EntryKind::Hold => "Hold",
        EntryKind::Release => "Release",
        EntryKind::Capture => "Used up",
        EntryKind::Reversal => "Undone",
        EntryKind::Charge => "Charge",
        EntryKind::Transfer => "Transfer",
        EntryKind::Expiry => "Expired",
        EntryKind::Carry => "Carried along",
    }
}

fn signed(credits: i64) -> String {
    if credits > 0 { format!("+{}", number(credits)) } else { number(credits) }
}

/// Entries, the latest first.
pub(super) fn entries(entries: &[UsageLine], wall: &WallClock) -> Markup {
    let columns = [Column::Text("What"), Column::Number("Credits"), Column::Number("Left")];
    let rows = html! { @for one in entries { (entry(one, wall)) } };
    table("Entries", "What moved the credits, the latest first", &columns, &rows)
}

fn entry(entry: &UsageLine, wall: &WallClock) -> Markup {
    html! {
        tr {
            th scope="row" {
                (kind_of(entry.kind))
                @if let (Some(asset), Some(quantity)) = (&entry.asset_type, entry.quantity) {
                    " \u{00B7} " (number(quantity)) " \u{00D7} " (said(asset))
                }
                @if let Some(project) = &entry.project_id { div { (project_of(entry, project.as_str())) } }
                span.aside { (wall.time(entry.time)) }
                (by_whom(entry))
            }
            td.number {
                (signed(entry.credits.0))
                @if entry.credits.is_zero() {
                    span.aside { (number(entry.moved.0)) " from " (entry.from.as_str()) " to " (entry.to.as_str()) }
                }
            }
            td.number { (number(entry.balance.available.0)) }
        }
    }
}

/// The project that an entry is for; the way to it, unless it has gone to another account since.
fn project_of(entry: &UsageLine, id: &str) -> Markup {
    match entry.project_status {
        Some(_) => names::project(id, entry.project_name.as_deref()),
        None => named(entry.project_name.as_deref(), id),
    }
}

/// Who did something and why, where that was said.
pub(super) fn by_whom(entry: &UsageLine) -> Markup {
    html! {
        @match (&entry.actor, &entry.reason) {
            (None, None) => {}
            (Some(actor), None) => span.aside { "By " (said(actor)) }
            (None, Some(reason)) => span.aside { (said(reason)) }
            (Some(actor), Some(reason)) => span.aside { "By " (said(actor)) ": " (said(reason)) }
        }
    }
}
