//! `creditd statement`: a month of an account.

use std::path::Path;

use clap::Args;

use super::CommandError;
use super::output::{balance_phrase, counted, members, print, print_json};
use super::usage::{assets_table, head, kinds_table, open, parse_account, project_row, projects_table};
use crate::ledger::ids::AccountId;
use crate::report::{Month, MonthState, Statement, statement};

#[derive(Args)]
pub(super) struct StatementArgs {
    /// The account; a pool's is pool: and its organization's id.
    #[arg(value_name = "ACCOUNT", value_parser = parse_account)]
    account: AccountId,
    /// The month, of `report.timezone`, such as 2026-03.
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
}

pub(super) async fn run(args: StatementArgs, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let (mut snapshot, zone) = open(config).await?;
    let told = statement(&mut snapshot, &zone, &args.account, args.month).await?;
    if json { print_json(&told) } else { print(&show(&told)) }
}

fn show(statement: &Statement) -> String {
    let (totals, briefed) = (&statement.totals, statement.projects_briefed.briefed);
    let month = match statement.state {
        MonthState::NotBegun => format!("{}, which has not begun", statement.month),
        MonthState::Running => format!("{}, so far", statement.month),
        MonthState::Over => statement.month.to_string(),
    };
    let mut told = head(&statement.about);
    told.insert(2, ("month", month));
    told.extend([
        ("opening", balance_phrase(totals.opening)),
        ("credited", totals.flow.credited.to_string()),
        ("debited", totals.flow.debited.to_string()),
        ("closing", balance_phrase(totals.closing)),
        ("held", format!("{} at the beginning, {} at the end", totals.opening.held, totals.closing.held)),
        ("used up", totals.flow.used.to_string()),
        ("briefed", counted(usize::try_from(briefed).unwrap_or(0), "project")),
    ]);
    let mut parts = vec![members(&told)];
    if !statement.kinds.is_empty() {
        parts.push(kinds_table(&statement.kinds));
        parts.push(projects(statement));
    }
    if !statement.assets.is_empty() {
        parts.push(assets_table(&statement.assets));
    }
    parts.join("\n\n")
}

fn projects(statement: &Statement) -> String {
    let projects = &statement.projects;
    let mut rest = Vec::new();
    if projects.others.projects > 0 {
        let called = format!("({} more)", projects.others.projects);
        rest.push(project_row(&called, &projects.others.flow));
    }
    rest.push(project_row("(no project)", &projects.outside_projects));
    projects_table(&projects.largest, rest)
}
