//! `creditd account`: balances, what waits, alerts.

use std::path::Path;

use clap::Subcommand;

use super::output::{Column, members, or_dash, print, print_json, table};
use super::{CommandError, open_store};
use crate::store::AccountRow;

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// All accounts, the pools of organizations among them.
    List,
    /// One account.
    Show {
        /// Its id; a pool's is pool: and its organization's id.
        account_id: String,
    },
}

pub(super) async fn run(
    command: AccountCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    match command {
        AccountCommand::List => {
            let accounts = store.accounts(None).await?;
            if json { print_json(&accounts) } else { print(&list(&accounts)) }
        }
        AccountCommand::Show { account_id } => {
            let accounts = store.accounts(Some(&account_id)).await?;
            let Some(account) = accounts.into_iter().next() else {
                let hint = "`creditd account list` shows those that are";
                return Err(CommandError::Refused(format!("no account {account_id:?} is known; {hint}")));
            };
            if json { print_json(&account) } else { print(&show(&account)) }
        }
    }
}

/// Accounts as a table.
pub(super) fn list(accounts: &[AccountRow]) -> String {
    let columns = [
        Column::Left("ACCOUNT"),
        Column::Left("KIND"),
        Column::Left("MODE"),
        Column::Right("TOTAL"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
        Column::Right("AVAILABLE"),
        Column::Right("WAITING"),
        Column::Left("ALERTS"),
    ];
    let row = |account: &AccountRow| {
        vec![
            account.account_id.clone(),
            account.kind.clone(),
            account.mode.clone(),
            account.total.to_string(),
            account.held.to_string(),
            account.consumed.to_string(),
            account.available.to_string(),
            waiting(account),
            alerts(account),
        ]
    };
    table(&columns, accounts.iter().map(row))
}

/// What waits for an account, in short.
pub(super) fn waiting(account: &AccountRow) -> String {
    match account.queued.projects {
        0 => "-".to_owned(),
        projects => format!("{} in {projects}", account.queued.credits),
    }
}

fn alerts(account: &AccountRow) -> String {
    let names: Vec<_> = account.alerts.iter().map(|raised| &*raised.name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

fn show(account: &AccountRow) -> String {
    let over_limit = if account.over_limit { " (over limit: nothing new is held)" } else { "" };
    let waiting = match account.queued.projects {
        0 => "nothing".to_owned(),
        1 => format!("{} credits for one project", account.queued.credits),
        projects => format!("{} credits for {projects} projects", account.queued.credits),
    };
    members(&[
        ("account", account.account_id.clone()),
        ("name", or_dash(account.name.as_ref())),
        ("kind", account.kind.clone()),
        ("organization", or_dash(account.organization_id.as_ref())),
        ("mode", account.mode.clone()),
        ("total", account.total.to_string()),
        ("held", account.held.to_string()),
        ("consumed", account.consumed.to_string()),
        ("available", format!("{}{over_limit}", account.available)),
        ("waiting", waiting),
        ("alerts", alerts(account)),
    ])
}
