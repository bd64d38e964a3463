//! `creditd project`: what projects hold, and what waits.

use std::path::Path;

use clap::Subcommand;

use super::output::{Column, members, note_limit, or_dash, print, print_json, table};
use super::{CommandError, open_store};
use crate::ledger::project::State;
use crate::store::{ProjectFilter, ProjectRow};

#[derive(Subcommand)]
pub(super) enum ProjectCommand {
    /// Projects: those that wait first, in the order of their places.
    List {
        /// Only those of this account.
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
        /// Only those in this state.
        #[arg(long, value_name = "STATE", value_parser = State::ALL.map(State::as_str))]
        state: Option<String>,
        /// Only those that wait for credits, whether they hold some already or none.
        #[arg(long)]
        waiting: bool,
        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: u32,
    },
    /// One project.
    Show {
        /// Its id.
        project_id: String,
    },
}

pub(super) async fn run(
    command: ProjectCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let mut snapshot = open_store(config).await?.look().await?;
    match command {
        ProjectCommand::List { account, state, waiting, limit } => {
            if let Some(account) = &account
                && snapshot.account(account).await?.is_none()
            {
                let hint = "`creditd account list` shows those that are";
                return Err(CommandError::Refused(format!("no account {account:?} is known; {hint}")));
            }
            let filter =
                ProjectFilter { account, state, waiting, limit: limit.into(), ..ProjectFilter::default() };
            let projects = snapshot.projects(&filter).await?;
            note_limit(projects.len(), limit);
            if json { print_json(&projects) } else { print(&list(&projects)) }
        }
        ProjectCommand::Show { project_id } => {
            let Some(project) = snapshot.project(&project_id).await? else {
                let hint = "`creditd project list` shows those that are";
                return Err(CommandError::Refused(format!("no project {project_id:?} is known; {hint}")));
            };
            if json { print_json(&project) } else { print(&show(&project)) }
        }
    }
}

fn list(projects: &[ProjectRow]) -> String {
    let columns = [
        Column::Left("PROJECT"),
        Column::Left("ACCOUNT"),
        Column::Left("STATE"),
        Column::Left("STATUS"),
        Column::Right("CREDITS"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
        Column::Right("WANTED"),
        Column::Left("WAITING SINCE"),
        Column::Left("NAME"),
    ];
    let row = |project: &ProjectRow| {
        vec![
            project.project_id.clone(),
            project.account_id.clone(),
            project.state.clone(),
            or_dash(project.status.as_ref()),
            or_dash(project.credits),
            project.held.to_string(),
            project.consumed.to_string(),
            project.wanted.to_string(),
            or_dash(project.waiting_since),
            or_dash(project.name.as_ref()),
        ]
    };
    table(&columns, projects.iter().map(row))
}

fn show(project: &ProjectRow) -> String {
    members(&[
        ("project", project.project_id.clone()),
        ("name", or_dash(project.name.as_ref())),
        ("account", project.account_id.clone()),
        ("status", or_dash(project.status.as_ref())),
        ("state", project.state.clone()),
        ("credits", or_dash(project.credits)),
        ("held", project.held.to_string()),
        ("consumed", project.consumed.to_string()),
        ("wanted", project.wanted.to_string()),
        ("waiting since", or_dash(project.waiting_since)),
    ])
}
