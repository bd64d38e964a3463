//! The overview, for who sees all: what needs somebody, organizations with their pools, and standalone accounts.

use std::collections::HashMap;

use maud::{Markup, html};
use serde::Deserialize;

use super::bar::{Usage, bar};
use super::layout::Page;
use super::wall::WallClock;
use super::words::{counted, named, number, word};
use super::{attention, links, names};
use crate::http::problem::Problem;
use crate::report::{
    self, AccountRow, AlertCounts, Listed, OrganizationSummary, RaisedRow, Reading, ReasonCount, Standing,
    WaitingQueue, WaitingQueues,
};

/// As many organizations, and as many accounts, stand on a page.
const ROWS: i64 = 25;
/// The alerts of as many accounts are told, the most urgent ones; all are counted.
const ALERTED_ACCOUNTS: i64 = 50;
/// As many of the accounts that are over limit, or that work waits for, are named.
const NAMED: i64 = 8;
/// The alerts of as many organizations and accounts stand open.
const ALERTED_OPEN: usize = 8;

/// Which stretch of the lists is shown.
#[derive(Default, Deserialize)]
pub(super) struct Place {
    /// The last organization of the page before.
    organizations_after: Option<String>,
    /// The last account of the page before.
    accounts_after: Option<String>,
}

/// The overview.
pub(super) async fn page(reading: &mut Reading, place: Place) -> Result<Page, Problem> {
    let page = |after: Option<String>| report::Page { after, limit: ROWS };
    let standing = reading.standing().await?;
    let parked = reading.parked().await?;
    let (counts, alerts) = reading.urgent_alerts(ALERTED_ACCOUNTS).await?;
    let organizations = reading.organizations(&page(place.organizations_after.clone())).await?;
    let accounts = reading.standalone(&page(place.accounts_after.clone())).await?;
    let queues = reading.longest_queues(NAMED).await?;
    let names = reading.names(&mentioned(&standing, &alerts, &queues)).await?;
    let wall = WallClock::read(reading).await?;
    let body = html! {
        div.head {
            h1 { "Overview" }
            (search("", None))
        }
        (tiles(&standing, counts, &parked))
        div.columns {
            (raised(&alerts, counts, &names, &wall))
            (stopped(&standing, &queues, &names))
        }
        (organizations_list(&organizations, &place))
        (accounts_list(&accounts, &place))
        (parked_list(&parked))
    };
    Ok(Page::live("Overview", body, wall))
}

/// The accounts that are named in short.
fn mentioned(standing: &Standing, alerts: &[RaisedRow], queues: &WaitingQueues) -> Vec<String> {
    let over = standing.over_limit_accounts.iter().map(|over| &over.account_id);
    let waiting = queues.queues.iter().map(|queue| &queue.account_id);
    let members =
        queues.queues.iter().flat_map(|queue| queue.members.iter().map(|member| &member.account_id));
    alerts.iter().map(|row| &row.account_id).chain(over).chain(waiting).chain(members).cloned().collect()
}

/// The form to find something by its id.
pub(super) fn search(typed: &str, wrong: Option<&str>) -> Markup {
    html! {
        form.search role="search" action="/search" method="get" {
            label for="search-id" { "Account, organization or project" }
            div.row {
                input id="search-id" name="id" type="search" value=(typed) required maxlength="70" placeholder="its id"
                    autocomplete="off" autocapitalize="none" spellcheck="false" aria-invalid=[wrong.map(|_| "true")]
                    aria-describedby=[wrong.map(|_| "search-wrong")];
                button type="submit" { "Find" }
            }
            @if let Some(wrong) = wrong { p.wrong id="search-wrong" { (wrong) } }
        }
    }
}

fn tiles(standing: &Standing, alerts: AlertCounts, parked: &[ReasonCount]) -> Markup {
    let parked: i64 = parked.iter().map(|reason| reason.messages).sum();
    html! {
        ul.tiles {
            (tile("Critical alerts", alerts.critical, "", "critical"))
            (tile("Other alerts", alerts.others, "", "warning"))
            (tile("Over limit", standing.over_limit, if standing.over_limit == 1 { "account" } else { "accounts" }, "critical"))
            (tile("Waiting", standing.waiting, if standing.waiting == 1 { "project" } else { "projects" }, "warning"))
            (tile("Parked", parked, if parked == 1 { "message" } else { "messages" }, "warning"))
        }
    }
}

fn tile(name: &str, count: i64, unit: &str, class: &str) -> Markup {
    let class = if count == 0 { "quiet" } else { class };
    html! {
        li class=(class) {
            span.name { (name) }
            strong { (number(count)) }
            span.unit { (unit) }
        }
    }
}

fn raised(
    alerts: &[RaisedRow],
    counts: AlertCounts,
    names: &HashMap<String, String>,
    wall: &WallClock,
) -> Markup {
    html! {
        section.card id="alerts" aria-labelledby="alerts-heading" {
            h2 id="alerts-heading" { "Alerts" }
            @if alerts.is_empty() {
                p.empty { "No alert is raised." }
            } @else {
                (attention::alerts_of_many(alerts, names, wall, ALERTED_OPEN))
                @if counts.accounts > ALERTED_ACCOUNTS {
                    p.aside { "Those of " (ALERTED_ACCOUNTS) " accounts of " (number(counts.accounts)) ", the most urgent first; /v1/alerts has all." }
                }
            }
        }
    }
}

fn stopped(standing: &Standing, queues: &WaitingQueues, names: &HashMap<String, String>) -> Markup {
    let over = standing.over_limit_accounts.iter().take(usize::try_from(NAMED).unwrap_or(usize::MAX));
    html! {
        section.card id="waiting" aria-labelledby="waiting-heading" {
            h2 id="waiting-heading" { "What stops work" }
            @if queues.all == 0 && standing.over_limit == 0 {
                p.empty { "No project waits, and no account is over limit." }
            }
            @if queues.all > 0 {
                h3 { "Credits are waited for" }
                ul.lines { @for queue in &queues.queues { (waited_for(queue, names)) } }
                (and_more(queues.all - NAMED))
            }
            @if standing.over_limit > 0 {
                h3 { "Over limit" }
                ul.lines {
                    @for over in over {
                        li {
                            (names::account(&over.account_id, names))
                            span.aside { "by " (counted(over.available.saturating_neg(), "credit")) }
                        }
                    }
                }
                (and_more(standing.over_limit - NAMED))
            }
        }
    }
}

fn and_more(accounts: i64) -> Markup {
    html! { @if accounts > 0 { p.aside { "and " (number(accounts)) " more." } } }
}

/// A queue; of a pool, by whom.
fn waited_for(queue: &WaitingQueue, names: &HashMap<String, String>) -> Markup {
    html! {
        li {
            (names::account(&queue.account_id, names))
            span.aside { (counted(queue.projects, "project")) " for " (counted(queue.credits, "credit")) }
            @if !queue.members.is_empty() {
                p.aside.whole {
                    @for (place, member) in queue.members.iter().enumerate() {
                        @if place > 0 { ", " }
                        (names::account(&member.account_id, names))
                        " " (number(member.projects)) " for " (number(member.credits))
                    }
                    @if queue.members_more > 0 { ", and " (counted(queue.members_more, "account")) " more" }
                }
            }
        }
    }
}

fn organizations_list(organizations: &Listed<OrganizationSummary>, place: &Place) -> Markup {
    html! {
        section.card id="organizations" aria-labelledby="organizations-heading" {
            h2 id="organizations-heading" { "Organizations" }
            @if organizations.items.is_empty() {
                p.empty { "No organization is known" (if place.organizations_after.is_some() { " after these." } else { " yet." }) }
            }
            ul.balances {
                @for organization in &organizations.items {
                    li {
                        div.who {
                            a href=(links::organization(&organization.organization_id)) {
                                (named(organization.name.as_deref(), &organization.organization_id))
                            }
                            span.aside { (counted(organization.accounts, "account")) }
                        }
                        @if let Some(pool) = &organization.pool { (balance(pool)) } @else { p.aside { "It has no pool yet." } }
                    }
                }
            }
            (pager("organizations", organizations.next.as_deref(), place.organizations_after.is_some()))
        }
    }
}

fn accounts_list(accounts: &Listed<AccountRow>, place: &Place) -> Markup {
    html! {
        section.card id="accounts" aria-labelledby="accounts-heading" {
            h2 id="accounts-heading" { "Standalone accounts" }
            @if accounts.items.is_empty() {
                p.empty { "No standalone account is known" (if place.accounts_after.is_some() { " after these." } else { " yet." }) }
            }
            (balances(&accounts.items))
            (pager("accounts", accounts.next.as_deref(), place.accounts_after.is_some()))
        }
    }
}

/// Accounts, each with its bar.
pub(super) fn balances(accounts: &[AccountRow]) -> Markup {
    html! {
        ul.balances {
            @for account in accounts {
                li {
                    div.who {
                        a href=(links::account(&account.account_id)) { (named(account.name.as_deref(), &account.account_id)) }
                        span.aside { (account.kind) (if account.closed { ", closed" } else { "" }) }
                    }
                    (balance(account))
                }
            }
        }
    }
}

/// What is left of an account, in a line with its bar.
fn balance(account: &AccountRow) -> Markup {
    let worst = account.alerts.iter().map(|raised| raised.severity).max();
    html! {
        div.left {
            p {
                @match account.available {
                    over if over < 0 => { strong.over { (number(over.saturating_neg())) } " over limit" }
                    left => { strong { (number(left)) } " of " (number(account.total)) " left" }
                }
                @if account.pool_is_tighter() { ", usable now " (number(account.max_usable.unwrap_or(0))) }
            }
            (bar(Usage::from(account)))
            p.aside {
                @if let Some(worst) = worst { (attention::severity(worst)) " " }
                @if account.queued.projects > 0 {
                    (counted(account.queued.projects, "project")) (if account.queued.projects == 1 { " waits" } else { " wait" })
                    " for " (number(account.queued.credits.0))
                }
            }
        }
    }
}

/// Ways to the next page of a list and back to its beginning.
pub(super) fn pager(list: &str, next: Option<&str>, is_later: bool) -> Markup {
    html! {
        @if next.is_some() || is_later {
            nav.pager aria-label=(format!("Pages of {list}")) {
                @if is_later { a href=(format!("?#{list}")) { "From the beginning" } }
                @if let Some(next) = next { a href=(format!("?{list}_after={}#{list}", links::part(next))) rel="next" { "Next page" } }
            }
        }
    }
}

fn parked_list(parked: &[ReasonCount]) -> Markup {
    html! {
        section.card id="parked" aria-labelledby="parked-heading" {
            h2 id="parked-heading" { "Parked messages" }
            @if parked.is_empty() {
                p.empty { "No message is parked." }
            } @else {
                ul.lines {
                    @for reason in parked { li { (word(&reason.reason)) span.aside { (counted(reason.messages, "message")) } } }
                }
                p.aside { code { "creditd parked list" } " shows each, and what can be done." }
            }
        }
    }
}
