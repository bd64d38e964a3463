//! What an account is: its plan, its rules, its grants. And what moved its credits.

use maud::{Markup, html};

use super::links;
use super::words::{counted, day, named, number, said, time, until};
use crate::ledger::entry::EntryKind;
use crate::ledger::moment::Timestamp;
use crate::report::{AccountRow, GrantRow, UsageLine};

/// The facts of an account, as names and values.
pub(super) fn facts(account: &AccountRow) -> Markup {
    let is_pool = account.promised.is_some();
    html! {
        dl.facts {
            (fact("Id", &html! { span.id { (account.account_id) } }))
            (fact("Kind", &html! { (kind(&account.kind)) }))
            @if let Some(organization) = &account.organization_id {
                (fact("Organization", &html! { a href=(links::organization(organization)) { (organization) } }))
            }
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

fn fact(name: &str, value: &Markup) -> Markup {
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
pub(super) fn grants(grants: &[GrantRow], now: Timestamp) -> Markup {
    html! {
        ul.lines {
            @for grant in grants {
                li {
                    span { strong { (number(grant.credits_left)) } " of " (number(grant.credits)) " left, expiring " (until(grant.expires_at, now)) }
                    span.aside {
                        "granted " (day(grant.granted_at))
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
pub(super) fn entries(entries: &[UsageLine]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Entries" {
            table {
                caption.hidden { "What moved the credits, the latest first" }
                thead {
                    tr {
                        th scope="col" { "What" }
                        th.number scope="col" { "Credits" }
                        th.number scope="col" { "Left" }
                    }
                }
                tbody {
                    @for entry in entries {
                        tr {
                            th scope="row" {
                                (kind_of(entry.kind))
                                @if let (Some(asset), Some(quantity)) = (&entry.asset_type, entry.quantity) {
                                    " \u{00B7} " (number(quantity)) " \u{00D7} " (said(asset))
                                }
                                @if let Some(project) = &entry.project_id { " \u{00B7} " (named(entry.project_name.as_deref(), project.as_str())) }
                                span.aside {
                                    (time(entry.time))
                                    @if let Some(actor) = &entry.actor { ", by " (said(actor)) }
                                    @if let Some(reason) = &entry.reason { ": " (said(reason)) }
                                }
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
            }
        }
    }
}
