//! The statement of a month, as a page to read and to print.

use maud::{Markup, html};

use super::facts::kind_of;
use super::layout::Page;
use super::names::{self, Subject};
use super::reports::{statement_form, this_month};
use super::table::{Column, table as table_of};
use super::wall::WallClock;
use super::words::{counted, named, number, said};
use crate::http::problem::Problem;
use crate::ledger::notice::ShownBalance;
use crate::report::{Flow, Month, MonthState, ProjectUsage, Reading, Statement};

/// The page; of the present month where none is named.
pub(super) async fn page(reading: &mut Reading, id: &str, asked: &str) -> Result<Page, Problem> {
    let account = reading.account(id).await?;
    let subject = Subject::read(reading, &account).await?;
    let wall = WallClock::read(reading).await?;
    let asked = match asked.trim() {
        "" => this_month(&wall),
        month => month.to_owned(),
    };
    let (statement, wrong) = match asked.parse::<Month>() {
        Ok(month) => (Some(reading.statement(id, month).await?), None),
        Err(wrong) => (None, Some(wrong.to_string())),
    };
    let body = html! {
        (subject.path_below())
        h1 { "Statement" @if statement.is_some() { " of " (asked) } }
        (statement_form(id, &asked, wrong.as_deref()))
        @if let Some(statement) = &statement { (shown(statement)) }
    };
    Ok(Page::live(format!("Statement of {asked}"), body, wall))
}

fn shown(statement: &Statement) -> Markup {
    let Statement { totals, kinds, projects, assets, projects_briefed, .. } = statement;
    html! {
        @match statement.state {
            MonthState::NotBegun => p.notice { "This month has not begun." }
            MonthState::Running => p.notice { "This month is not over: more may come." }
            MonthState::Over => {}
        }
        section.card id="balance" aria-labelledby="balance-heading" {
            h2 id="balance-heading" { "Available credits" }
            dl.facts.sum {
                (line("At the beginning", &number(totals.opening.available.0)))
                (line("Credited", &format!("+{}", number(totals.flow.credited.0))))
                (line("Debited", &format!("\u{2212}{}", number(totals.flow.debited.0))))
                (line("At the end", &number(totals.closing.available.0)))
            }
            p.aside { "Beside that, at the beginning " (apart(&totals.opening)) "; at the end " (apart(&totals.closing)) "." }
        }
        section.card id="kinds" aria-labelledby="kinds-heading" {
            h2 id="kinds-heading" { "By kind" }
            @if kinds.is_empty() { p.empty { "Nothing moved in this month." } }
            @else {
                (table("Credits by kind of entry", "Kind", kinds.iter().map(|kind| (html! { (kind_of(kind.kind)) }, kind.flow)).collect()))
            }
        }
        section.card id="projects" aria-labelledby="projects-heading" {
            h2 id="projects-heading" { "By project" }
            (table("Credits by project", "Project", by_project(statement)))
            p.aside { (counted(projects_briefed.briefed, "project")) " briefed in this month." }
            @if projects.largest.is_empty() { p.empty { "No project moved credits in this month." } }
        }
        @if !assets.is_empty() {
            section.card id="assets" aria-labelledby="assets-heading" {
                h2 id="assets-heading" { "Assets created" }
                ul.lines { @for asset in assets { li { (said(&asset.asset_type)) strong { (number(asset.quantity)) } } } }
            }
        }
    }
}

fn line(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn apart(balance: &ShownBalance) -> String {
    format!(
        "{} held and {} consumed of {}",
        number(balance.held.0),
        number(balance.consumed.0),
        number(balance.total.0)
    )
}

/// The largest projects, all others in one line, and what was for no project.
fn by_project(statement: &Statement) -> Vec<(Markup, Flow)> {
    let projects = &statement.projects;
    let mut rows: Vec<_> =
        projects.largest.iter().map(|project| (named_project(project), project.flow)).collect();
    if projects.others.projects > 0 {
        rows.push((html! { (counted(projects.others.projects, "other project")) }, projects.others.flow));
    }
    rows.push((html! { "Outside projects" }, projects.outside_projects));
    rows
}

/// A project; the way to it, unless it has gone to another account since.
fn named_project(project: &ProjectUsage) -> Markup {
    match project.status {
        Some(_) => names::project(project.project_id.as_str(), project.name.as_deref()),
        None => named(project.name.as_deref(), project.project_id.as_str()),
    }
}

fn table(caption: &str, first: &str, rows: Vec<(Markup, Flow)>) -> Markup {
    let columns = [Column::Text(first), Column::Number("Credited"), Column::Number("Debited")];
    let rows = html! {
        @for (name, flow) in rows {
            tr {
                th scope="row" { (name) }
                td.number { (number(flow.credited.0)) }
                td.number { (number(flow.debited.0)) }
            }
        }
    };
    table_of(caption, caption, &columns, &rows)
}
