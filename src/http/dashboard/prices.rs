//! What deliverables cost: the table that pages of accounts have, and the default list as a page.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::layout::Page;
use super::table::{Column, table as table_of};
use super::wall::WallClock;
use super::words::{number, plain, said};
use crate::http::problem::Problem;
use crate::report::{PriceListRow, Prices, Reading};

/// A price as it is in force for whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    /// What a piece costs, in credits.
    pub(super) credits: i64,
    /// Whether the organization's own list says so.
    pub(super) is_own: bool,
}

/// What each type costs: what the organization's own list lacks, the default one says.
pub(super) fn in_force(prices: &Prices) -> BTreeMap<&str, InForce> {
    let mut all = BTreeMap::new();
    for (list, is_own) in [(&prices.default, false), (&prices.own, true)] {
        for (name, credits) in list.iter().flat_map(|list| &list.prices) {
            all.insert(name.as_str(), InForce { credits: *credits, is_own });
        }
    }
    all
}

/// The default price list as a page.
pub(super) async fn page(reading: &mut Reading) -> Result<Page, Problem> {
    let prices = reading.prices(None).await?;
    let wall = WallClock::read(reading).await?;
    let body = html! {
        h1 { "Prices" }
        p.lead { "The default list: what a piece of each type costs where an organization has no price of its own." }
        section.card aria-labelledby="in-force" {
            h2 id="in-force" { "In force" }
            (table(&prices))
            (since(prices.default.as_ref(), &wall))
        }
        (announced(&prices, &wall))
    };
    Ok(Page::live("Prices", body, wall))
}

/// The table of what each type costs.
pub(super) fn table(prices: &Prices) -> Markup {
    let all = in_force(prices);
    let mut columns = vec![Column::Text("Type"), Column::Number("Credits a piece")];
    columns.extend(prices.own.is_some().then_some(Column::Text("List")));
    let rows = html! {
        @for (name, price) in &all {
            tr {
                th scope="row" { (said(name)) }
                td.number { (number(price.credits)) }
                @if prices.own.is_some() { td { (if price.is_own { "own" } else { "default" }) } }
            }
        }
    };
    html! {
        @if all.is_empty() {
            p.empty { "No price list is set, so a project holds credits only where its message says how many." }
        } @else {
            (table_of("Price list", "Credits for a piece of each type", &columns, &rows))
        }
    }
}

fn since(list: Option<&PriceListRow>, wall: &WallClock) -> Markup {
    html! {
        @if let Some(list) = list {
            p.aside {
                "In force since " (wall.time(list.starts_at))
                @if let Some(actor) = &list.actor { ", set by " (said(actor)) }
                @if let Some(reason) = &list.reason { " (" (said(reason)) ")" }
                "."
            }
        }
    }
}

/// The versions that are to come.
pub(super) fn announced(prices: &Prices, wall: &WallClock) -> Markup {
    html! {
        @if !prices.announced.is_empty() {
            section.card aria-labelledby="announced" {
                h2 id="announced" { "Announced" }
                @for list in &prices.announced {
                    h3 { "From " (wall.time(list.starts_at)) (if list.organization_id.is_some() { ", own list" } else { "" }) }
                    ul.changes {
                        @for (name, credits) in &list.prices {
                            li { (plain(name)) ": " (number(*credits)) (change(prices, list, name, *credits)) }
                        }
                    }
                }
            }
        }
    }
}

/// How an announced price differs from what its own list says now.
fn change(prices: &Prices, list: &PriceListRow, name: &str, credits: i64) -> Markup {
    let now = if list.organization_id.is_some() { &prices.own } else { &prices.default };
    let before = now.as_ref().and_then(|now| now.prices.get(name)).copied();
    html! {
        span.aside.inline {
            @match before {
                None => " (new)",
                Some(before) if before == credits => " (as now)",
                Some(before) => { " (now " (number(before)) ")" }
            }
        }
    }
}
