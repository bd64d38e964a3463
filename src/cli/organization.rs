//! `creditd organization`: pools and accounts.

use std::path::Path;

use clap::Subcommand;

use super::output::{Column, members, or_dash, print, print_json, table};
use super::{CommandError, account, open_store};
use crate::store::OrganizationRow;

#[derive(Subcommand)]
pub(super) enum OrganizationCommand {
    /// All organizations.
    List,
    /// One organization with its pool and accounts.
    Show {
        /// Its id.
        organization_id: String,
    },
}

pub(super) async fn run(
    command: OrganizationCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    match command {
        OrganizationCommand::List => {
            let organizations = store.organizations(None).await?;
            if json { print_json(&organizations) } else { print(&list(&organizations)) }
        }
        OrganizationCommand::Show { organization_id } => {
            let organizations = store.organizations(Some(&organization_id)).await?;
            let Some(organization) = organizations.into_iter().next() else {
                let hint = "`creditd organization list` shows those that are";
                let what = format!("no organization {organization_id:?} is known; {hint}");
                return Err(CommandError::Refused(what));
            };
            if json { print_json(&organization) } else { print(&show(&organization)) }
        }
    }
}

fn list(organizations: &[OrganizationRow]) -> String {
    let columns = [
        Column::Left("ORGANIZATION"),
        Column::Left("NAME"),
        Column::Right("ACCOUNTS"),
        Column::Right("POOL TOTAL"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
        Column::Right("AVAILABLE"),
        Column::Right("WAITING"),
    ];
    let row = |organization: &OrganizationRow| {
        let of_pool =
            |value: fn(&crate::store::AccountRow) -> i64| or_dash(organization.pool.as_ref().map(value));
        vec![
            organization.organization_id.clone(),
            or_dash(organization.name.as_ref()),
            organization.accounts.len().to_string(),
            of_pool(|pool| pool.total),
            of_pool(|pool| pool.held),
            of_pool(|pool| pool.consumed),
            of_pool(|pool| pool.available),
            or_dash(organization.pool.as_ref().map(account::waiting)),
        ]
    };
    table(&columns, organizations.iter().map(row))
}

fn show(organization: &OrganizationRow) -> String {
    let head = members(&[
        ("organization", organization.organization_id.clone()),
        ("name", or_dash(organization.name.as_ref())),
        ("contact", or_dash(organization.contact.as_ref())),
    ]);
    let accounts: Vec<_> = organization.pool.iter().chain(&organization.accounts).cloned().collect();
    format!("{head}\n\n{}", account::list(&accounts))
}
