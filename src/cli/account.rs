//! `creditd account`: balances, what waits, alerts; accounts opened, changed and closed.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::giver::Unexplained;
use super::giving::give;
use super::output::{Column, members, or_dash, print, print_json, table};
use super::{CommandError, open_store};
use crate::contract::arguments;
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId};
use crate::ledger::input::{AccountFact, Existence, Fact};
use crate::store::{AccountFilter, AccountRow, Store};

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// All accounts, the pools of organizations among them.
    List,
    /// One account.
    Show {
        /// Its id; a pool's is pool: and its organization's id.
        account_id: String,
    },
    /// Open an account, or one that was closed.
    Open {
        /// Its id.
        #[arg(value_parser = arguments::account_id)]
        account_id: AccountId,
        #[command(flatten)]
        registers: Registers,
        #[command(flatten)]
        how: Unexplained,
    },
    /// Change an account; what isn't named stays. With its holds, it comes to an organization or leaves one.
    Set {
        /// Its id.
        #[arg(value_parser = arguments::account_id)]
        account_id: AccountId,
        #[command(flatten)]
        registers: Registers,
        #[command(flatten)]
        how: Unexplained,
    },
    /// Close an account, so that it takes no new holds; refused while it holds credits or waits for some.
    Close {
        /// Its id.
        #[arg(value_parser = arguments::account_id)]
        account_id: AccountId,
        #[command(flatten)]
        how: Unexplained,
    },
}

/// What can be said of an account.
#[derive(Args)]
pub(super) struct Registers {
    /// Where its credits come from: standalone, connected or integrated.
    #[arg(long, value_parser = arguments::kind)]
    kind: Option<Kind>,
    /// Its organization; an integrated account draws on that one's pool.
    #[arg(long, value_name = "ORGANIZATION", value_parser = arguments::organization_id)]
    organization: Option<OrganizationId>,
    /// What people call it.
    #[arg(long, value_parser = arguments::name)]
    name: Option<Arc<str>>,
    /// Its account manager: whom to turn to.
    #[arg(long, value_parser = arguments::name)]
    contact: Option<Arc<str>>,
    /// The credits of its own plan.
    #[arg(long, value_name = "CREDITS", value_parser = arguments::credits, allow_negative_numbers = true)]
    capacity: Option<Credits>,
    /// Its share of the pool, where it is integrated.
    #[arg(
        long, value_name = "CREDITS", value_parser = arguments::credits, allow_negative_numbers = true,
        conflicts_with = "capacity"
    )]
    allocation: Option<Credits>,
    /// What finalizing does with held credits: recycle or consume.
    #[arg(long, value_parser = arguments::mode)]
    mode: Option<Mode>,
    /// What becomes of a claim that doesn't fit: queue, reject or overdraw.
    #[arg(long, value_name = "POLICY", value_parser = arguments::on_insufficient)]
    on_insufficient: Option<OnInsufficient>,
    /// How far below zero overdraw may go.
    #[arg(long, value_name = "CREDITS", value_parser = arguments::credits, allow_negative_numbers = true)]
    overdraft_limit: Option<Credits>,
}

impl Registers {
    fn is_empty(&self) -> bool {
        let Self { kind, organization, name, contact, capacity, allocation, .. } = self;
        let Self { mode, on_insufficient, overdraft_limit, .. } = self;
        let plan = [capacity, allocation, overdraft_limit].iter().all(|credits| credits.is_none());
        let words = kind.is_none() && mode.is_none() && on_insufficient.is_none();
        plan && words && organization.is_none() && name.is_none() && contact.is_none()
    }

    fn into_fact(self, account_id: AccountId, closed: Option<bool>) -> AccountFact {
        AccountFact {
            account_id,
            kind: self.kind,
            organization_id: self.organization,
            name: self.name,
            contact: self.contact,
            capacity: self.capacity,
            allocation: self.allocation,
            mode: self.mode,
            on_insufficient: self.on_insufficient,
            overdraft_limit: self.overdraft_limit,
            alert_rules: None,
            closed,
        }
    }
}

pub(super) async fn run(
    command: AccountCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let (object, fact, how) = match command {
        AccountCommand::List => {
            let accounts =
                open_store(config).await?.look().await?.accounts(&AccountFilter::default()).await?;
            return if json { print_json(&accounts) } else { print(&list(&accounts)) };
        }
        AccountCommand::Show { account_id } => {
            let account = known(&open_store(config).await?, &account_id).await?;
            return if json { print_json(&account) } else { print(&show(&account)) };
        }
        AccountCommand::Open { account_id, registers, how } => {
            (Existence::New, registers.into_fact(account_id, Some(false)), how)
        }
        AccountCommand::Set { registers, .. } if registers.is_empty() => {
            let what = "nothing to set: name at least one of the options, such as --capacity CREDITS";
            return Err(CommandError::Usage(what.to_owned()));
        }
        AccountCommand::Set { account_id, registers, how } => {
            (Existence::Known, registers.into_fact(account_id, None), how)
        }
        AccountCommand::Close { account_id, how } => {
            let nothing_else = AccountFact::of(account_id);
            (Existence::Known, AccountFact { closed: Some(true), ..nothing_else }, how)
        }
    };
    let giver = how.giver()?;
    let given = give(&giver, object, Fact::Account(fact.clone()), config, json).await?;
    note_what_does_not_count(&given.store, &fact).await
}

/// The account of that id.
pub(super) async fn known(store: &Store, account_id: &str) -> Result<AccountRow, CommandError> {
    let hint = "`creditd account list` shows those that are";
    let unknown = || CommandError::Refused(format!("no account {account_id:?} is known; {hint}"));
    store.look().await?.account(account_id).await?.ok_or_else(unknown)
}

/// Says, where programs don't read it, which of what was set makes no difference as the account is.
async fn note_what_does_not_count(store: &Store, fact: &AccountFact) -> Result<(), CommandError> {
    let id = &fact.account_id;
    let account = store.look().await?.account(id.as_str()).await?;
    let kind = fact.kind.map(Kind::as_str).or(account.as_ref().map(|account| account.kind.as_str()));
    let kind = kind.unwrap_or(Kind::Standalone.as_str());
    let policy = fact.on_insufficient.map(OnInsufficient::as_str);
    let policy = policy.or(account.as_ref().map(|account| account.on_insufficient.as_str()));
    let is_integrated = kind == Kind::Integrated.as_str();
    let overdraws = policy == Some(OnInsufficient::Overdraw.as_str());
    let idle = [
        (fact.allocation.is_some() && !is_integrated, "--allocation counts once it is integrated"),
        (fact.capacity.is_some() && is_integrated, "--capacity counts once it is no longer integrated"),
        (
            fact.organization_id.is_some() && kind == Kind::Standalone.as_str(),
            "--organization counts once it is connected or integrated",
        ),
        (
            fact.overdraft_limit.is_some() && !overdraws,
            "--overdraft-limit counts with --on-insufficient overdraw",
        ),
    ];
    for (_, what) in idle.iter().filter(|(is_idle, _)| *is_idle) {
        eprintln!("creditd: account \"{id}\" is {kind}: {what}");
    }
    Ok(())
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
    let mut pairs = vec![
        ("account", account.account_id.clone()),
        ("name", or_dash(account.name.as_ref())),
        ("contact", or_dash(account.contact.as_ref())),
        ("kind", account.kind.clone()),
        ("organization", or_dash(account.organization_id.as_ref())),
        ("mode", account.mode.clone()),
    ];
    // A pool has no claims of its own, and is never closed.
    if account.promised.is_none() {
        let closed = if account.closed { "yes: it takes no new holds" } else { "no" };
        pairs.extend([("what does not fit", policy(account)), ("closed", closed.to_owned())]);
    }
    pairs.extend([
        ("plan", plan(account)),
        ("total", account.total.to_string()),
        ("held", account.held.to_string()),
        ("consumed", account.consumed.to_string()),
        ("available", format!("{}{over_limit}", account.available)),
    ]);
    pairs.extend(account.max_usable.map(|usable| {
        let tighter =
            if account.pool_is_tighter() { " (its pool has less than its allocation leaves)" } else { "" };
        ("usable now", format!("{usable}{tighter}"))
    }));
    pairs.extend(account.promised.map(|promised| {
        let over = promised - account.total.max(0);
        let overcommitted = if over > 0 { format!(" (overcommitted by {over})") } else { String::new() };
        ("promised", format!("{promised}{overcommitted}"))
    }));
    pairs.extend([
        ("waiting", waiting),
        ("open grants", account.open_grants.to_string()),
        ("stale holds", account.stale_holds.to_string()),
        ("alerts", alerts(account)),
    ]);
    members(&pairs)
}

fn plan(account: &AccountRow) -> String {
    let what = if account.kind == Kind::Integrated.as_str() { "allocation" } else { "capacity" };
    format!("{} ({what})", account.plan)
}

fn policy(account: &AccountRow) -> String {
    match account.on_insufficient.as_str() {
        "overdraw" => format!("overdraw, {} at most", account.overdraft_limit),
        other => other.to_owned(),
    }
}
