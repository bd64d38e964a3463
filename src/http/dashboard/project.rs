//! A project's page: how it stands and why, what it waits for, and every entry about it with what it meant.

use maud::{Markup, html};
use serde::Deserialize;

use super::facts::{by_whom, fact, kind_of};
use super::layout::Page;
use super::names::{Subject, called, trail};
use super::table::{Column, table};
use super::wall::WallClock;
use super::words::{counted, number, plain, said, size, word};
use super::{home, links, waiting};
use crate::http::problem::Problem;
use crate::ledger::account::Mode;
use crate::ledger::entry::{EntryKind, Side};
use crate::report::{AssetUsage, Listed, ProjectInFull, ProjectLine, Reading};

/// As many entries stand on a page.
const ENTRIES: i64 = 30;

/// Which stretch of the entries is shown.
#[derive(Default, Deserialize)]
pub(super) struct Place {
    /// The log number of the last entry of the page before.
    entries_after: Option<i64>,
}

/// The page of a project.
pub(super) async fn page(reading: &mut Reading, id: &str, place: Place) -> Result<Page, Problem> {
    let project = reading.project_in_full(id).await?;
    let entries = reading.project_entries(id, place.entries_after, true, ENTRIES).await?;
    let subject = match &project.account {
        Some(account) => Some(Subject::read(reading, account).await?),
        None => None,
    };
    let wall = WallClock::read(reading).await?;
    let name = called(id, project.row.name.as_deref());
    let body = html! {
        @match &subject {
            Some(subject) => (subject.path_below()),
            None => (trail(&[html! { span.id { (project.row.account_id) } }])),
        }
        div.head {
            h1 { (said(&name)) }
            p.aside { @if name != id { span.id { (id) } " \u{00B7} " } "project" }
        }
        div.columns.first {
            (standing(&project, &wall))
            section.card id="facts" aria-labelledby="facts-heading" {
                h2 id="facts-heading" { "What is known of it" }
                (facts(&project, subject.as_ref(), &wall))
            }
        }
        (history(&entries, place.entries_after.is_some(), &wall))
        @if !project.assets.is_empty() { (made(&project.assets)) }
    };
    Ok(Page::live(plain(&name), body, wall))
}

/// What it holds, how it stands in a sentence, and what would unblock it.
fn standing(project: &ProjectInFull, wall: &WallClock) -> Markup {
    let row = &project.row;
    let (figure, unit) = match (row.held, row.consumed) {
        (0, used) if used > 0 => (used, "used up"),
        (held, _) => (held, "held"),
    };
    html! {
        section.card.hero id="standing" aria-labelledby="standing-heading" {
            h2.hidden id="standing-heading" { "How it stands" }
            p.figure { strong class=[size(figure)] { (number(figure)) } span { (if figure == 1 { "credit " } else { "credits " }) (unit) } }
            p { (sentence(project, wall)) }
            @if let Some(since) = row.stale_since {
                p.notice { "It has held credits in its status for too long, for " (wall.age(since)) " by now." }
            }
            @if let Some(since) = row.waiting_since {
                h3 { "What it waits for" }
                p {
                    strong { (counted(row.wanted.saturating_sub(row.held), "credit")) }
                    @if row.held > 0 { " beyond those that it holds" }
                    ", for " (wall.age(since))
                    @if let Some(claim) = &project.claim { ", as number " (number(claim.position)) " in the queue" }
                    "."
                }
                @match &project.claim {
                    Some(claim) => { h3 { "What would unblock it" } (waiting::way_out(claim)) }
                    None => p.aside { "It stands too far behind in the queue to say what would unblock it." }
                }
                @if project.account.is_some() {
                    p { a href=(format!("{}#waiting", links::account(&row.account_id))) { "All that waits with it" } }
                }
            }
        }
    }
}

/// How it stands, and why.
fn sentence(project: &ProjectInFull, wall: &WallClock) -> Markup {
    let row = &project.row;
    let status = row.status.as_deref().map(word);
    html! {
        @match (row.state.as_str(), &status) {
            ("none", None) => "It asks for nothing: nobody has said its status.",
            ("none", Some(status)) => { "It asks for nothing, for it is " (status) "." }
            ("unpriced", _) if project.deliverables.is_empty() => "Nobody has said its price, so it asks for nothing yet.",
            ("unpriced", _) => "No price list covers what it is to deliver, so it asks for nothing yet.",
            ("held", _) if row.held == 0 => "It costs nothing, so it runs without a hold.",
            ("held", _) => {
                "It runs, and ties these credits up until it is finalized"
                @match project.mode { Mode::Recycle => "; then they come back.", Mode::Consume => "; then they are used up." }
                @if let Some(since) = project.held_since { " It has held credits for " (wall.age(since)) "." }
            }
            ("queued", _) => "It has not begun to hold credits: there are too few for it.",
            ("rejected", _) => {
                "It was refused"
                @if let Some(refused) = project.refused { " a hold of " (number(refused.0)) }
                @if project.account.as_ref().is_some_and(|account| account.closed) {
                    ", for its account is closed."
                } @else {
                    ", for its account doesn\u{2019}t let work wait."
                }
                " It is tried again when what it wants changes, or by "
                code { "creditd hold retry" } "."
            }
            ("released", Some(status)) => { "It holds nothing any more, for it is " (status) "." }
            ("captured", Some(status)) => { "It is " (status) ", and its credits are used up." }
            _ => "It holds nothing any more."
        }
    }
}

fn facts(project: &ProjectInFull, subject: Option<&Subject>, wall: &WallClock) -> Markup {
    let row = &project.row;
    let account = html! {
        @match subject {
            Some(subject) => a href=(links::account(&row.account_id)) { (said(&subject.name)) },
            None => span.id { (row.account_id) }
        }
    };
    html! {
        dl.facts {
            (fact("Id", &html! { span.id { (row.project_id) } }))
            (fact("Account", &account))
            @if let Some(organization) = subject.and_then(Subject::organization) { (fact("Organization", &organization)) }
            (fact("Status", &html! {
                (row.status.as_deref().map_or_else(|| "not known".to_owned(), word))
                @if let Some(since) = row.status_since { span.aside { "since " (wall.time(since)) } }
            }))
            (fact("Price", &price(project)))
            @if let Some(credits) = project.final_credits { (fact("Cost in the end", &html! { (counted(credits.0, "credit")) })) }
            (fact("Holds", &html! {
                (counted(row.held, "credit"))
                @if let Some(since) = project.held_since { span.aside { "since " (wall.time(since)) } }
            }))
            @if row.wanted != row.held { (fact("Wants held", &html! { (counted(row.wanted, "credit")) })) }
            @if row.consumed != 0 { (fact("Used up", &html! { (counted(row.consumed, "credit")) })) }
        }
    }
}

fn price(project: &ProjectInFull) -> Markup {
    html! {
        @match project.row.credits {
            Some(credits) => (counted(credits, "credit")),
            None => "not known",
        }
        @if !project.deliverables.is_empty() {
            span.aside {
                "for "
                @for (place, line) in project.deliverables.iter().enumerate() {
                    @if place > 0 { ", " }
                    (number(line.quantity)) " \u{00D7} " (said(&line.deliverable_type))
                }
            }
        }
    }
}

fn made(assets: &[AssetUsage]) -> Markup {
    html! {
        section.card id="assets" aria-labelledby="assets-heading" {
            h2 id="assets-heading" { "What was made in it" }
            ul.lines { @for asset in assets { li { (said(&asset.asset_type)) strong { (number(asset.quantity)) } } } }
        }
    }
}

/// Everything that it moved, the latest first.
fn history(entries: &Listed<ProjectLine>, is_later: bool, wall: &WallClock) -> Markup {
    let columns = [Column::Text("What"), Column::Number("Credits"), Column::Number("Held then")];
    let rows = html! { @for group in together(&entries.items) { (entry(group, wall)) } };
    html! {
        section.card id="entries" aria-labelledby="entries-heading" {
            h2 id="entries-heading" { "What it moved" }
            @if entries.items.is_empty() {
                p.empty { "It has moved no credits" (if is_later { " here before that." } else { " here yet." }) }
            } @else {
                (table("Entries", "What the project moved, the latest first", &columns, &rows))
            }
            (home::pager("entries", entries.next.as_deref(), is_later))
        }
    }
}

/// Entries that are one step, booked on an account and on its pool.
fn together(entries: &[ProjectLine]) -> impl Iterator<Item = &[ProjectLine]> {
    entries.chunk_by(|one, other| {
        let step = |entry: &ProjectLine| {
            let line = &entry.line;
            (line.kind, line.from, line.to, line.moved, entry.project_held, entry.project_consumed)
        };
        let cause = |entry: &ProjectLine| (entry.line.message_source.clone(), entry.line.message_id.clone());
        one.line.account_id != other.line.account_id && step(one) == step(other) && cause(one) == cause(other)
    })
}

fn entry(booked: &[ProjectLine], wall: &WallClock) -> Markup {
    let Some(first) = booked.first() else { return html! {} };
    let line = &first.line;
    // The account comes before its pool in the log, and so after it here.
    let accounts = booked.iter().rev().map(|entry| &entry.line.account_id);
    html! {
        tr {
            th scope="row" {
                (meaning(first))
                span.aside {
                    (wall.time(line.time)) ", on "
                    @for (place, account) in accounts.enumerate() {
                        @if place > 0 { " and " }
                        a href=(links::account(account.as_str())) { (account) }
                    }
                }
                span.aside {
                    (subject_of(&line.message_type)) ": message " span.id { (plain(&line.message_id)) }
                    " of " span.id { (plain(&line.message_source)) }
                }
                (by_whom(line))
            }
            td.number { (number(line.moved.0)) }
            td.number {
                (number(first.project_held.0))
                @if !first.project_consumed.is_zero() { span.aside { (number(first.project_consumed.0)) " used up" } }
            }
        }
    }
}

/// What an entry meant for the project.
fn meaning(entry: &ProjectLine) -> String {
    let line = &entry.line;
    let (moved, held) = (line.moved, entry.project_held);
    match (line.kind, line.from, line.to) {
        (EntryKind::Carry, _, Side::Held) => {
            "Its hold was carried onto the new pool of its account".to_owned()
        }
        (EntryKind::Carry, ..) => "Its hold was carried off the old pool of its account".to_owned(),
        (_, Side::Available, Side::Held) if held == moved => "It began to hold credits".to_owned(),
        (_, Side::Available, Side::Held) => "It held more".to_owned(),
        (_, Side::Held, Side::Available) if held.is_zero() => "It gave back all that it held".to_owned(),
        (_, Side::Held, Side::Available) => "It gave a part back".to_owned(),
        (_, Side::Held, Side::Consumed) => "What it held was used up".to_owned(),
        (_, Side::Available, Side::Consumed) => "It used up more than it held".to_owned(),
        (_, Side::Consumed, Side::Held) => "It was opened again: what was used up is held again".to_owned(),
        (_, Side::Consumed, Side::Available) => "What was used up was given back".to_owned(),
        (kind, ..) => kind_of(kind).to_owned(),
    }
}

/// What a message is about, by its type: `project.status_changed.v1` is `Project status changed`.
fn subject_of(message_type: &str) -> String {
    let words: Vec<_> = message_type.split('.').filter(|part| !is_version(part)).map(word).collect();
    let mut text = words.join(" ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_type_is_told_in_words() {
        assert_eq!(subject_of("project.status_changed.v1"), "Project status changed");
        assert_eq!(subject_of("credits.granted.v12"), "Credits granted");
        assert_eq!(subject_of("video"), "Video");
        assert_eq!(subject_of(""), "");
        assert_eq!(subject_of("\u{e9}t\u{e9}.v1"), "\u{e9}t\u{e9}");
    }
}
