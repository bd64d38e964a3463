//! Usage for people.

use super::super::output::{Column, balance_phrase, members, or_dash, table};
use crate::ledger::moment::Timestamp;
use crate::report::{
    About, AssetUsage, AssetsUsage, DayUsage, DaysUsage, Flow, KindUsage, ProjectUsage, ProjectsUsage, Totals,
};

/// Whose, and when.
pub(in crate::cli) fn head(about: &About) -> Vec<(&'static str, String)> {
    let end =
        |time: Option<Timestamp>, none: &str| time.map_or_else(|| none.to_owned(), |time| time.to_string());
    vec![
        ("account", about.account_id.to_string()),
        ("name", or_dash(about.name.as_ref())),
        ("days of", about.timezone.to_string()),
        ("from", end(about.from, "the first entry")),
        ("before", end(about.before, "the present")),
    ]
}

/// The head, and what the stretch comes to.
fn told(about: &About, totals: &Totals) -> String {
    let mut told = head(about);
    told.extend([
        ("opening", balance_phrase(totals.opening)),
        ("credited", totals.flow.credited.to_string()),
        ("debited", totals.flow.debited.to_string()),
        ("used up", totals.flow.used.to_string()),
        ("closing", balance_phrase(totals.closing)),
    ]);
    members(&told)
}

pub(super) fn days(usage: &DaysUsage) -> String {
    let columns = [
        Column::Left("DAY"),
        Column::Right("ENTRIES"),
        Column::Right("CREDITED"),
        Column::Right("DEBITED"),
        Column::Right("AVAILABLE"),
        Column::Right("TOTAL"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
    ];
    let row = |day: &DayUsage| {
        vec![
            day.day.to_string(),
            day.entries.to_string(),
            day.credited.to_string(),
            day.debited.to_string(),
            day.balance.available.to_string(),
            day.balance.total.to_string(),
            day.balance.held.to_string(),
            day.balance.consumed.to_string(),
        ]
    };
    format!("{}\n\n{}", told(&usage.about, &usage.totals), table(&columns, usage.days.iter().map(row)))
}

pub(super) fn projects(usage: &ProjectsUsage) -> String {
    let outside = [project_row("(no project)", &usage.outside_projects)];
    let rows = projects_table(&usage.items, outside);
    let count = ("projects", usage.projects.to_string());
    format!("{}\n{}\n\n{rows}", told(&usage.about, &usage.totals), members(&[count]))
}

pub(super) fn assets(usage: &AssetsUsage) -> String {
    let mut told = head(&usage.about);
    let projects = usage.projects;
    told.extend([
        ("pieces", usage.quantity.to_string()),
        ("charged", usage.charged.to_string()),
        ("projects", format!("{} briefed, {} known in all", projects.briefed, projects.known)),
    ]);
    format!("{}\n\n{}", members(&told), assets_table(&usage.items))
}

/// What each project moved, and at the end the rows that stand for more than one or none.
pub(in crate::cli) fn projects_table(
    projects: &[ProjectUsage],
    others: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let columns = [
        Column::Left("PROJECT"),
        Column::Left("NAME"),
        Column::Left("STATUS"),
        Column::Right("ENTRIES"),
        Column::Right("CREDITED"),
        Column::Right("DEBITED"),
        Column::Right("USED UP"),
        Column::Right("HELD NOW"),
    ];
    let row = |project: &ProjectUsage| {
        let mut row = project_row(project.project_id.as_str(), &project.flow);
        row[1] = or_dash(project.name.as_ref());
        row[2] = or_dash(project.status.as_ref());
        row[7] = project.held_now.to_string();
        row
    };
    table(&columns, projects.iter().map(row).chain(others))
}

/// A row of [`projects_table`] that is about no single project.
pub(in crate::cli) fn project_row(called: &str, flow: &Flow) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        called.to_owned(),
        dash(),
        dash(),
        flow.entries.to_string(),
        flow.credited.to_string(),
        flow.debited.to_string(),
        flow.used.to_string(),
        dash(),
    ]
}

/// What each kind of entry moved.
pub(in crate::cli) fn kinds_table(kinds: &[KindUsage]) -> String {
    let columns = [
        Column::Left("KIND"),
        Column::Right("ENTRIES"),
        Column::Right("CREDITED"),
        Column::Right("DEBITED"),
        Column::Right("MOVED"),
    ];
    let row = |usage: &KindUsage| {
        vec![
            usage.kind.as_str().to_owned(),
            usage.flow.entries.to_string(),
            usage.flow.credited.to_string(),
            usage.flow.debited.to_string(),
            usage.moved.to_string(),
        ]
    };
    table(&columns, kinds.iter().map(row))
}

/// Assets by type.
pub(in crate::cli) fn assets_table(assets: &[AssetUsage]) -> String {
    let columns = [
        Column::Left("ASSETS"),
        Column::Right("MESSAGES"),
        Column::Right("PIECES"),
        Column::Right("IN PROJECTS"),
        Column::Right("CHARGED"),
    ];
    let row = |asset: &AssetUsage| {
        vec![
            asset.asset_type.clone(),
            asset.messages.to_string(),
            asset.quantity.to_string(),
            asset.in_projects.to_string(),
            asset.charged.to_string(),
        ]
    };
    table(&columns, assets.iter().map(row))
}
