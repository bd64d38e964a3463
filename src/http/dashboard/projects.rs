//! The breakdown by project: who holds the credits, the largest first.

use maud::{Markup, html};

use super::names;
use super::table::{Column, table};
use super::wall::WallClock;
use super::words::{counted, number, word};
use crate::access::Scope;
use crate::report::{InUse, ProjectRow};

/// Hundredths of a percent in a whole.
const WHOLE: i128 = 10_000;

/// Projects that hold credits. `own` is the account whose page it is: others are named, to who sees `scope`.
pub(super) fn breakdown(in_use: &InUse, own: &str, scope: &Scope, wall: &WallClock) -> Markup {
    let holding: Vec<_> = in_use.projects.iter().filter(|project| project.held > 0).collect();
    let largest = holding.iter().map(|project| project.held).max().unwrap_or(1);
    html! {
        @if holding.is_empty() {
            p.empty { "No project holds credits." }
        } @else {
            (table(
                "Projects that hold credits",
                "Projects that hold credits, the largest first",
                &[Column::Text("Project"), Column::Text("Status"), Column::Number("Holds")],
                &html! { @for project in &holding { (row(project, own, scope, largest, wall)) } },
            ))
            @if in_use.more > 0 {
                p.aside { "and " (counted(in_use.more, "project")) " more that hold less or wait." }
            }
        }
    }
}

fn row(project: &ProjectRow, own: &str, scope: &Scope, largest: i64, wall: &WallClock) -> Markup {
    html! {
        tr {
            th scope="row" {
                (names::project(&project.project_id, project.name.as_deref()))
                @if project.account_id != own {
                    span.aside { (names::other_account(&project.account_id, scope)) }
                }
            }
            td {
                (project.status.as_deref().map_or_else(|| "not known".to_owned(), word))
                span.aside {
                    @if let Some(since) = project.status_since { "for " (wall.age(since)) }
                    @if project.stale_since.is_some() { strong.stale { " too long" } }
                }
            }
            td.number.held {
                (number(project.held))
                (share(project.held, largest))
                @if project.wanted > project.held {
                    span.aside { "wants " (number(project.wanted)) }
                }
            }
        }
    }
}

/// How large something is beside the largest.
pub(super) fn share(held: i64, largest: i64) -> Markup {
    let width = i128::from(held.max(0)) * WHOLE / i128::from(largest.max(1));
    let width = format!("{}.{:02}%", width / 100, width % 100);
    html! { svg.share aria-hidden="true" width="100%" height="4" { rect.held width=(width) height="4" {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(id: &str, held: i64) -> ProjectRow {
        ProjectRow {
            project_id: id.to_owned(),
            account_id: "studio".to_owned(),
            name: Some("<i>Spring</i>".to_owned()),
            status: Some("in_progress".to_owned()),
            credits: Some(held),
            held,
            consumed: 0,
            state: "held".to_owned(),
            wanted: held,
            waiting_since: None,
            status_since: None,
            stale_since: None,
        }
    }

    #[test]
    fn names_are_escaped_and_shares_are_of_the_largest() {
        let wall = WallClock::utc();
        let in_use = InUse { projects: vec![project("P-1", 40), project("P-2", 10)], more: 3 };
        let shown = breakdown(&in_use, "studio", &Scope::All, &wall).into_string();
        assert!(shown.contains("&lt;i&gt;Spring&lt;/i&gt;"), "{shown}");
        assert!(shown.contains("width=\"100.00%\"") && shown.contains("width=\"25.00%\""), "{shown}");
        assert!(shown.contains("in progress") && shown.contains("and 3 projects more"), "{shown}");
        assert!(shown.contains("href=\"/projects/P-1\""), "{shown}");
        assert!(!shown.contains("/accounts/studio"), "on its own page an account is no link");
    }

    #[test]
    fn nothing_held_is_a_sentence() {
        let none = InUse { projects: Vec::new(), more: 0 };
        let shown = breakdown(&none, "studio", &Scope::All, &WallClock::utc()).into_string();
        assert!(shown.contains("No project holds credits."), "{shown}");
    }
}
