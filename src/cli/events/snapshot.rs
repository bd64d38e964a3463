//! `creditd events snapshot`: where each account stands, for consumers that start over.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::super::output::{print, print_json};
use super::super::{CommandError, open_store_by};
use super::sending::{Sending, Sent, WINDOW, counted};
use crate::broker::OutboundMessage;
use crate::config::Config;
use crate::contract::outbound::{self, OutboundEvent};
use crate::ledger::entry::LogNumber;

#[derive(Args)]
pub(in crate::cli) struct SnapshotArgs {
    /// Only this account; a pool's id is pool: and its organization's [default: all].
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only say what would be sent.
    #[arg(long)]
    dry_run: bool,
}

/// What was done, as `--json` shows it.
#[derive(Serialize)]
struct Told<'a> {
    source: &'a str,
    through: LogNumber,
    dry_run: bool,
    accounts: i64,
    sent: i64,
    unroutable: i64,
}

pub(super) async fn run(
    arguments: &SnapshotArgs,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let config = Config::load(config)?;
    let store = open_store_by(&config).await?;
    let source = store.event_source().await?;
    // The broker may take its time with what is sent.
    let mut ledger = store.look_unhurried().await?;
    let (through, only) = (ledger.log_last(), arguments.account.as_deref());
    let accounts = ledger.count_standings(only).await?;
    if accounts == 0
        && let Some(account) = only
    {
        let hint = "`creditd account list` shows those that are";
        return Err(CommandError::Refused(format!("no account {account:?} is known; {hint}")));
    }
    let mut done = Sent::default();
    if !arguments.dry_run {
        let mut sending = Sending::begin(&config, accounts).await?;
        let mut after = None;
        loop {
            let standings = ledger.standings(only, after.as_ref(), counted(WINDOW)).await?;
            let Some(last) = standings.last() else { break };
            after = Some(last.account_id.clone());
            let event = |standing| {
                let OutboundEvent { routing_key, message_id, body } =
                    outbound::of_standing(&source, standing);
                OutboundMessage::cloud_event(routing_key, message_id, body)
            };
            sending.send(&standings.iter().map(event).collect::<Vec<_>>()).await?;
        }
        done = sending.end().await;
    }
    ledger.close().await?;
    let (dry_run, Sent { sent, unroutable }) = (arguments.dry_run, done);
    if json {
        print_json(&Told { source: &source, through, dry_run, accounts, sent, unroutable })?;
    } else if dry_run {
        print(&format!("would send {accounts} snapshots of {source}, up to event {through}"))?;
    } else {
        print(&format!(
            "sent {sent} snapshots of {source}, up to event {through}; no queue took {unroutable}"
        ))?;
    }
    done.heard()
}
