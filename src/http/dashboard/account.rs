//! An account's page: how much is left, what stops work and who must act; then what holds the credits, how that
//! came, and what to take along.

use maud::{Markup, html};
use serde::Deserialize;

use super::bar::{Usage, bar_with_figures};
use super::history::{History, Range};
use super::layout::Page;
use super::names::Subject;
use super::wall::WallClock;
use super::words::{counted, number, plain, said, size};
use super::{attention, facts, links, prices, projects, reports, waiting};
use crate::access::Scope;
use crate::http::problem::Problem;
use crate::ledger::notice::Contact;
use crate::report::{AccountRow, InUse, Listed, Prices, QueueReport, RaisedRow, Reading, UsageLine};

/// As many projects of the breakdown are shown.
const PROJECTS: i64 = 20;
/// As many claims of a queue are told.
const CLAIMS: i64 = 20;
/// As many entries stand on a page.
const ENTRIES: i64 = 15;
/// As many grants are shown.
const GRANTS: i64 = 20;

/// Which stretch of the lists is shown.
#[derive(Default, Deserialize)]
pub(super) struct Place {
    /// The sequence of the last entry of the page before.
    entries_after: Option<i64>,
    /// How many days of history are shown.
    days: Option<String>,
}

/// What an account's standing is told from; an organization's too, of its pool.
pub(super) struct Standing {
    pub(super) account: AccountRow,
    pub(super) contact: Contact,
    pub(super) alerts: Vec<RaisedRow>,
    pub(super) queue: QueueReport,
    pub(super) in_use: InUse,
    pub(super) prices: Prices,
    pub(super) wall: WallClock,
    /// How far who asks sees.
    scope: Scope,
}

impl Standing {
    pub(super) async fn read(reading: &mut Reading, id: &str) -> Result<Self, Problem> {
        let account = reading.account(id).await?;
        let mut queue = reading.queue(id, None, CLAIMS).await?;
        // An integrated account waits in its pool's queue; its page is about its own claims.
        let is_shared = queue.queue.as_str() != id;
        if is_shared {
            queue.claims.retain(|claim| claim.account_id.as_str() == id);
            queue.queued = account.queued;
        }
        Ok(Self {
            contact: reading.contact(&account).await?,
            alerts: reading.alerts_of(id).await?,
            queue,
            in_use: reading.in_use(id, PROJECTS).await?,
            prices: reading.prices_of_account(id).await?,
            wall: WallClock::read(reading).await?,
            scope: reading.scope().clone(),
            account,
        })
    }

    /// How much is left, as the first thing to see.
    pub(super) fn hero(&self) -> Markup {
        let account = &self.account;
        html! {
            section.card.hero aria-labelledby="left-heading" {
                h2.hidden id="left-heading" { "Credits" }
                p.figure {
                    @match account.available {
                        over if over < 0 => {
                            strong class=(format!("over {}", size(over).unwrap_or_default()).trim()) { (number(over.saturating_neg())) }
                            span { "credits over the limit of " (number(account.total)) }
                        }
                        left => {
                            strong class=[size(left)] { (number(left)) }
                            span { (if left == 1 { "credit" } else { "credits" }) " left of " (number(account.total)) }
                        }
                    }
                }
                @if account.pool_is_tighter() {
                    p.notice {
                        "Only " strong { (number(account.max_usable.unwrap_or(0))) }
                        " of them can be used now: the pool has no more."
                    }
                }
                (bar_with_figures(Usage::from(account)))
            }
        }
    }

    /// What stops work, and who must act.
    pub(super) fn attention(&self) -> Markup {
        let account = &self.account;
        let stops = account.over_limit || account.queued.projects > 0 || account.closed;
        html! {
            section.card.attention id="alerts" aria-labelledby="alerts-heading" {
                h2 id="alerts-heading" { "Needs attention" }
                @if self.alerts.is_empty() && !stops { p.empty { "Nothing: work goes on, and no alert is raised." } }
                @if account.closed { p { "The account is closed: it takes no new holds." } }
                @if account.over_limit { p { "It is over limit: what runs goes on, and nothing new is held until it is back." } }
                @if account.queued.projects > 0 {
                    p {
                        strong { (counted(account.queued.projects, "project")) }
                        (if account.queued.projects == 1 { " waits for " } else { " wait for " })
                        strong { (counted(account.queued.credits.0, "credit")) } "."
                    }
                }
                @if !self.alerts.is_empty() { (attention::alerts(&self.alerts, &self.wall)) }
                (attention::whom(&self.contact))
            }
        }
    }

    /// What waits, where anything does.
    pub(super) fn waiting(&self) -> Markup {
        html! {
            @if self.queue.queued.projects > 0 {
                section.card id="waiting" aria-labelledby="waiting-heading" {
                    h2 id="waiting-heading" { "What waits" }
                    @if self.queue.claims.is_empty() {
                        p.empty { "Its projects wait behind the first " (CLAIMS) " of the pool\u{2019}s queue." }
                    } @else {
                        (waiting::claims(&self.queue, &self.account.account_id, &self.scope, &self.wall))
                    }
                }
            }
        }
    }

    /// Who holds the credits.
    pub(super) fn breakdown(&self) -> Markup {
        html! {
            section.card id="projects" aria-labelledby="projects-heading" {
                h2 id="projects-heading" { "Who holds the credits" }
                (projects::breakdown(&self.in_use, &self.account.account_id, &self.scope, &self.wall))
            }
        }
    }

    /// What deliverables cost.
    pub(super) fn price_table(&self, quotes: bool) -> Markup {
        html! {
            section.card id="prices" aria-labelledby="prices-heading" {
                h2 id="prices-heading" { "Prices" }
                (prices::table(&self.prices))
                @if quotes {
                    p { a.button href=(links::quote(&self.account.account_id)) { "Quote a brief" } }
                }
            }
            (prices::announced(&self.prices, &self.wall))
        }
    }
}

/// The page of an account, or of a pool as an account.
pub(super) async fn page(reading: &mut Reading, id: &str, place: Place) -> Result<Page, Problem> {
    let standing = Standing::read(reading, id).await?;
    let grants = reading.grants(id, false, None, GRANTS).await?;
    let (more_grants, grants) = (grants.next.is_some(), grants.items);
    let (_, entries) = reading.entries(id, place.entries_after, true, ENTRIES).await?;
    let history = History::read(reading, id, Range::parse(place.days.as_deref())).await?;
    let account = &standing.account;
    let subject = Subject::read(reading, account).await?;
    let is_pool = account.promised.is_some();
    let body = html! {
        (heading(account, &subject))
        div.columns.first { (standing.hero()) (standing.attention()) }
        (standing.waiting())
        (standing.breakdown())
        (history.shown())
        div.columns {
            section.card id="facts" aria-labelledby="facts-heading" {
                h2 id="facts-heading" { "Plan and rules" }
                (facts::facts(account, &subject))
                @if !grants.is_empty() { h3 { "Grants with a term" } (facts::grants(&grants, &standing.wall)) }
                @if more_grants { p.aside { "Only the first " (GRANTS) " to expire are shown." } }
            }
            (standing.price_table(!is_pool))
        }
        (recent(&entries, place.entries_after.is_some(), &standing.wall))
        (reports::downloads(id, &standing.wall))
    };
    Ok(Page::live(plain(&subject.name), body, standing.wall))
}

fn heading(account: &AccountRow, subject: &Subject) -> Markup {
    html! {
        (subject.path())
        div.head {
            h1 { (said(&subject.name)) }
            p.aside {
                @if subject.name != account.account_id { span.id { (account.account_id) } " \u{00B7} " }
                (account.kind)
            }
        }
    }
}

/// What moved the credits lately, and further back page by page.
fn recent(entries: &Listed<UsageLine>, is_later: bool, wall: &WallClock) -> Markup {
    html! {
        section.card id="entries" aria-labelledby="entries-heading" {
            h2 id="entries-heading" { "What moved the credits" }
            @if entries.items.is_empty() {
                p.empty { "Nothing has moved credits here" (if is_later { " before that." } else { " yet." }) }
            } @else {
                (facts::entries(&entries.items, wall))
            }
            (super::home::pager("entries", entries.next.as_deref(), is_later))
        }
    }
}
