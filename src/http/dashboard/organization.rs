//! An organization's page: its pool as an account has it, and its accounts below.

use maud::html;
use serde::Deserialize;

use super::account::Standing;
use super::history::{History, Range};
use super::home::{balances, pager};
use super::layout::Page;
use super::wall::WallClock;
use super::words::{contact, counted, plain, said};
use super::{links, prices, reports};
use crate::http::problem::Problem;
use crate::report::{self, Reading};

/// As many accounts stand on a page.
const ROWS: i64 = 50;

/// Which stretch of the lists is shown.
#[derive(Default, Deserialize)]
pub(super) struct Place {
    /// The last account of the page before.
    accounts_after: Option<String>,
    /// How many days of history are shown.
    days: Option<String>,
}

/// The page of an organization.
pub(super) async fn page(reading: &mut Reading, id: &str, place: Place) -> Result<Page, Problem> {
    let organization = reading.organization_in_short(id).await?;
    let pool_id = organization.pool.as_ref().map(|pool| pool.account_id.clone());
    let pool = match &pool_id {
        Some(pool) => Some(Standing::read(reading, pool).await?),
        None => None,
    };
    let history = match &pool_id {
        Some(pool) => Some(History::read(reading, pool, Range::parse(place.days.as_deref())).await?),
        None => None,
    };
    let asked = report::Page { after: place.accounts_after.clone(), limit: ROWS };
    let mut accounts = reading.accounts(Some(id.to_owned()), &asked).await?;
    accounts.items.retain(|account| account.promised.is_none());
    let prices = reading.prices(Some(id)).await?;
    let wall = WallClock::read(reading).await?;
    let name = organization.name.as_deref().unwrap_or(id);
    let body = html! {
        div.head {
            h1 { (said(name)) }
            p.aside {
                @if organization.name.is_some() { span.id { (id) } " \u{00B7} " }
                "organization of " (counted(organization.accounts, "account"))
                @if let Some(admin) = &organization.contact { " \u{00B7} " (contact(admin)) }
            }
        }
        @if let Some(pool) = &pool {
            div.columns.first { (pool.hero()) (pool.attention()) }
        } @else {
            p.empty { "It has no pool yet." }
        }
        section.card id="accounts" aria-labelledby="accounts-heading" {
            h2 id="accounts-heading" { "Accounts" }
            @if accounts.items.is_empty() { p.empty { "It has no account" (if place.accounts_after.is_some() { " after these." } else { " yet." }) } }
            (balances(&accounts.items))
            (pager("accounts", accounts.next.as_deref(), place.accounts_after.is_some()))
        }
        @if let Some(pool) = &pool {
            (pool.waiting())
            (pool.breakdown())
        }
        @if let Some(history) = &history { (history.shown()) }
        section.card id="prices" aria-labelledby="prices-heading" {
            h2 id="prices-heading" { "Prices" }
            (prices::table(&prices))
        }
        (prices::announced(&prices, &wall))
        @if let Some(pool) = &pool_id {
            p { a href=(links::account(pool)) { "The pool as an account: what moved its credits, its plan and its grants" } }
            (reports::downloads(pool, &wall))
        }
    };
    Ok(Page::live(plain(name), body, wall))
}
