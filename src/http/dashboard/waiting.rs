//! What waits, and what would unblock it.

use maud::{Markup, html};

use super::wall::WallClock;
use super::words::{counted, number, said, word};
use super::{links, names};
use crate::access::Scope;
use crate::ledger::notice::{Aside, Holder, Obstacle, Shortfall};
use crate::report::{ClaimRow, QueueReport, UnblockingRow};

/// As many of the projects that would unblock a claim are named.
const PROJECTS_NAMED: usize = 3;

/// A queue's claims, first come first. `own` is the account whose page it is: others are named, to who sees `scope`.
pub(super) fn claims(queue: &QueueReport, own: &str, scope: &Scope, wall: &WallClock) -> Markup {
    let untold = queue.queued.projects - i64::try_from(queue.claims.len()).unwrap_or(i64::MAX);
    html! {
        p.aside { "First come, first served; beside each, what would unblock it." }
        ol.claims { @for claim in &queue.claims { (row(claim, own, scope, wall)) } }
        @if untold > 0 { p.aside { "and " (counted(untold, "project")) " more behind them." } }
    }
}

fn row(claim: &ClaimRow, own: &str, scope: &Scope, wall: &WallClock) -> Markup {
    html! {
        li {
            span.place { span.hidden { "Place " } (number(claim.position)) }
            div {
                (names::project(claim.project_id.as_str(), claim.name.as_deref()))
                span.aside {
                    @if claim.account_id.as_str() != own {
                        (names::other_account(claim.account_id.as_str(), scope)) " "
                    }
                    "waits " (wall.age(claim.waiting_since))
                }
            }
            div.wants {
                "for " strong { (number(claim.credits.0)) }
                @if claim.held.is_positive() { span.aside { "beyond " (number(claim.held.0)) " held" } }
            }
            div.by { (way_out(claim)) }
        }
    }
}

/// What would unblock a claim, and what stands in its way.
pub(super) fn way_out(claim: &ClaimRow) -> Markup {
    html! {
        p { @if let Some(by) = &claim.unblocking { (unblocking(by)) } @else { "What waits ahead of it" } "." }
        p.aside { (obstacle(claim.aside.as_ref(), claim.shortfall.as_ref())) }
    }
}

/// What stands in the way of a claim.
pub(super) fn obstacle(aside: Option<&Aside>, shortfall: Option<&Shortfall>) -> Markup {
    html! {
        @match (aside, shortfall) {
            (Some(aside), _) => {
                "Waits aside and blocks nobody: " span.id { (aside.account_id) } " carries "
                (number(aside.limit.0)) " at most."
            }
            (None, Some(short)) => {
                span.id { (short.account_id) } " is short of " (counted(short.credits.0, "credit")) "."
            }
            (None, None) => "Others are ahead.",
        }
    }
}

/// What would unblock a claim.
pub(super) fn unblocking(by: &UnblockingRow) -> Markup {
    html! {
        @match by {
            UnblockingRow::Settling { projects, projects_in_all, credits, and_more, others_too } => {
                (settling(projects, *projects_in_all, *and_more, *others_too, credits.0))
            }
            UnblockingRow::MoreCredits { account_id, credits } => {
                (counted(credits.0, "credit")) " more on " span.id { (account_id) } ", beside all that runs"
            }
            UnblockingRow::LargerPlan => "A larger plan, or a smaller project",
        }
    }
}

fn settling(projects: &[Holder], in_all: usize, and_more: bool, others_too: bool, credits: i64) -> Markup {
    let unnamed = in_all.saturating_sub(PROJECTS_NAMED);
    html! {
        @if projects.is_empty() && !others_too {
            "Nothing more: it starts with the next message"
        } @else {
            "Finalizing "
            @for (place, holder) in projects.iter().take(PROJECTS_NAMED).enumerate() {
                @if place > 0 { ", " }
                (project(holder))
            }
            @if unnamed > 0 { " and " (unnamed) " more" }
            @if others_too {
                @if !projects.is_empty() { " and " }
                "projects of other accounts"
            } @else if and_more {
                ", which gives back " (number(credits)) ", and others that run"
            } @else {
                ", which gives back " (number(credits))
            }
        }
    }
}

fn project(holder: &Holder) -> Markup {
    html! {
        a href=(links::project(holder.project_id.as_str())) {
            @match &holder.name {
                Some(name) => (said(name)),
                None => span.id { (holder.project_id) }
            }
        }
        @if let Some(status) = &holder.status { " (" (word(status)) ")" }
    }
}

/// Why a claim would be refused.
pub(super) fn refusal(
    reason: Option<Obstacle>,
    aside: Option<&Aside>,
    shortfall: Option<&Shortfall>,
) -> Markup {
    html! {
        @match (reason, aside, shortfall) {
            (Some(Obstacle::AccountClosed), ..) => "The account is closed.",
            (Some(Obstacle::QueueAhead), None, _) => "Claims ahead of it wait, and this account doesn\u{2019}t queue.",
            (_, None, None) => "It doesn\u{2019}t fit.",
            (_, Some(aside), _) => {
                span.id { (aside.account_id) } " can\u{2019}t carry more than " (number(aside.limit.0)) " at all."
            }
            (_, None, short) => (obstacle(None, short)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::credits::Credits;
    use crate::ledger::ids::{AccountId, ProjectId};

    #[test]
    fn what_is_given_back_is_told_only_where_all_of_it_may_be_seen() {
        let with_others = settling(&[], 0, false, true, 0).into_string();
        assert_eq!(with_others, "Finalizing projects of other accounts");
        let own = Holder {
            project_id: ProjectId::parse("P-1").unwrap(),
            account_id: AccountId::parse("studio").unwrap(),
            name: None,
            status: None,
            stage: 0,
            held: Credits(30),
        };
        let own = std::slice::from_ref(&own);
        assert!(settling(own, 1, false, false, 30).into_string().ends_with(", which gives back 30"));
        assert!(!settling(own, 1, false, true, 30).into_string().contains("gives back"));
        let most = settling(own, 1_000, true, false, 900).into_string();
        assert!(most.ends_with(" and 997 more, which gives back 900, and others that run"), "{most}");
    }
}
