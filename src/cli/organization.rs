//! `creditd organization`: pools and accounts; organizations opened and changed.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::giver::Unexplained;
use super::giving::give;
use super::output::{Column, members, or_dash, print, print_json, table};
use super::{CommandError, account, open_store};
use crate::contract::arguments;
use crate::ledger::account::Mode;
use crate::ledger::credits::Credits;
use crate::ledger::ids::OrganizationId;
use crate::ledger::input::{Existence, Fact, OrganizationFact};
use crate::store::{OrganizationRow, OrganizationSummary, Store};

#[derive(Subcommand)]
pub(super) enum OrganizationCommand {
    /// All organizations.
    List,
    /// One organization with its pool and accounts.
    Show {
        /// Its id.
        organization_id: String,
        /// At most so many of its accounts.
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: u32,
    },
    /// Open an organization, and its pool with it.
    Open {
        /// Its id.
        #[arg(value_parser = arguments::organization_id)]
        organization_id: OrganizationId,
        #[command(flatten)]
        registers: Registers,
        #[command(flatten)]
        how: Unexplained,
    },
    /// Change an organization or its pool; what isn't named stays.
    Set {
        /// Its id.
        #[arg(value_parser = arguments::organization_id)]
        organization_id: OrganizationId,
        #[command(flatten)]
        registers: Registers,
        #[command(flatten)]
        how: Unexplained,
    },
}

/// What can be said of an organization.
#[derive(Args)]
pub(super) struct Registers {
    /// What people call it.
    #[arg(long, value_parser = arguments::name)]
    name: Option<Arc<str>>,
    /// Its admin: whom to turn to.
    #[arg(long, value_parser = arguments::name)]
    contact: Option<Arc<str>>,
    /// The credits of its pool.
    #[arg(long, value_name = "CREDITS", value_parser = arguments::credits, allow_negative_numbers = true)]
    capacity: Option<Credits>,
    /// The pool's mode: recycle or consume.
    #[arg(long, value_parser = arguments::mode)]
    mode: Option<Mode>,
}

impl Registers {
    fn is_empty(&self) -> bool {
        let Self { name, contact, capacity, mode } = self;
        name.is_none() && contact.is_none() && capacity.is_none() && mode.is_none()
    }

    fn into_fact(self, organization_id: OrganizationId) -> OrganizationFact {
        let Self { name, contact, capacity, mode } = self;
        OrganizationFact { organization_id, name, contact, capacity, mode, alert_rules: None }
    }
}

pub(super) async fn run(
    command: OrganizationCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let (object, fact, how) = match command {
        OrganizationCommand::List => {
            let organizations =
                open_store(config).await?.look().await?.organization_summaries(None, None, i64::MAX).await?;
            return if json { print_json(&organizations) } else { print(&list(&organizations)) };
        }
        OrganizationCommand::Show { organization_id, limit } => {
            let found =
                open_store(config).await?.look().await?.organization(&organization_id, limit.into()).await?;
            let organization = found.ok_or_else(|| unknown(&organization_id))?;
            return if json { print_json(&organization) } else { print(&show(&organization)) };
        }
        OrganizationCommand::Open { organization_id, registers, how } => {
            (Existence::New, registers.into_fact(organization_id), how)
        }
        OrganizationCommand::Set { registers, .. } if registers.is_empty() => {
            let what = "nothing to set: name at least one of --name, --contact, --capacity and --mode";
            return Err(CommandError::Usage(what.to_owned()));
        }
        OrganizationCommand::Set { organization_id, registers, how } => {
            (Existence::Known, registers.into_fact(organization_id), how)
        }
    };
    give(&how.giver()?, object, Fact::Organization(fact), config, json).await?;
    Ok(())
}

/// The organization of that id.
pub(super) async fn known(store: &Store, organization_id: &str) -> Result<OrganizationSummary, CommandError> {
    let found = store.look().await?.organization_summaries(Some(organization_id), None, 1).await?.pop();
    found.ok_or_else(|| unknown(organization_id))
}

fn unknown(organization_id: &str) -> CommandError {
    let hint = "`creditd organization list` shows those that are";
    CommandError::Refused(format!("no organization {organization_id:?} is known; {hint}"))
}

fn list(organizations: &[OrganizationSummary]) -> String {
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
    let row = |organization: &OrganizationSummary| {
        let of_pool =
            |value: fn(&crate::store::AccountRow) -> i64| or_dash(organization.pool.as_ref().map(value));
        vec![
            organization.organization_id.clone(),
            or_dash(organization.name.as_ref()),
            organization.accounts.to_string(),
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
    let told = i64::try_from(organization.accounts.len()).unwrap_or(i64::MAX);
    let more = match organization.accounts_in_all.saturating_sub(told) {
        0 => String::new(),
        1 => "\nand one account more, which --limit shows".to_owned(),
        more => format!("\nand {more} accounts more, which --limit shows"),
    };
    format!("{head}\n\n{}{more}", account::list(&accounts))
}
