//! `creditd parked discard`: messages that are to have no effect.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::super::CommandError;
use super::super::giver::login_name;
use super::super::output::{counted, print, print_json, progress};
use super::filter::{FILTERS, FilterArgs, refuse_flawed};
use crate::contract::arguments;
use crate::store::{ParkedSummary, Store};

/// How many are discarded in one transaction, which daemons wait for.
const PAGE: i64 = 1_000;

#[derive(Args)]
pub(in super::super) struct DiscardArgs {
    /// Their numbers, as `parked list` shows them.
    #[arg(value_name = "ID", required_unless_present_any = FILTERS, conflicts_with_all = FILTERS)]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Why; it is kept with them.
    #[arg(long, alias = "reason-text", value_name = "TEXT", value_parser = arguments::reason)]
    note: Arc<str>,
    /// Who says so; the login name, if this is left out.
    #[arg(long, value_name = "NAME", value_parser = arguments::actor)]
    actor: Option<Arc<str>>,
    /// Discard all that match, also where these are more than one.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(store: &Store, args: DiscardArgs, json: bool) -> Result<(), CommandError> {
    let actor = match &args.actor {
        Some(actor) => actor.clone(),
        None => login_name()?,
    };
    let discarded = match args.ids.is_empty() {
        true => discard_matching(store, &args, &actor).await?,
        false => discard_named(store, &args, &actor).await?,
    };
    match json {
        true => print_json(&json!({ "discarded": discarded, "actor": actor, "note": args.note })),
        false => print(&format!("discarded {} as {actor}", counted(discarded, "message"))),
    }
}

/// Discards all of them, or none.
async fn discard_named(store: &Store, args: &DiscardArgs, actor: &str) -> Result<usize, CommandError> {
    let asked: BTreeSet<_> = args.ids.iter().copied().collect();
    let ids: Vec<_> = asked.iter().copied().collect();
    let mut desk = store.desk().await?;
    let found = desk.messages(&ids).await?;
    refuse_flawed(&asked, &found, "discarded", |message: &ParkedSummary| {
        message.done_at.map(|_| format!("it was {}", super::handling(message)))
    })?;
    desk.discard(&ids, actor, &args.note).await?;
    desk.commit().await?;
    Ok(ids.len())
}

/// Discards what matches, page by page. What is parked meanwhile is left alone.
async fn discard_matching(store: &Store, args: &DiscardArgs, actor: &str) -> Result<usize, CommandError> {
    let filter = args.filter.filter();
    let counts = store.look().await?.parked_counts(&filter, false).await?;
    let total: i64 = counts.iter().map(|count| count.messages).sum();
    if total > 1 && !args.yes {
        let reasons: Vec<_> =
            counts.iter().map(|count| format!("{} {}", count.messages, count.reason)).collect();
        return Err(CommandError::Refused(format!(
            "{total} messages match ({}), and none was discarded; `creditd parked list` with the same flags shows \
             them, and --yes discards them all",
            reasons.join(", ")
        )));
    }
    let through = counts.iter().map(|count| count.last_id).max().unwrap_or(0);
    let bar = progress("discarding messages", usize::try_from(total).unwrap_or(0));
    let (mut after, mut discarded) = (0, 0);
    while after < through {
        let mut desk = store.desk().await?;
        let ids = desk.page(&filter, &[], (after, through), PAGE).await?;
        let Some(&last) = ids.last() else { break };
        desk.discard(&ids, actor, &args.note).await?;
        desk.commit().await?;
        (after, discarded) = (last, discarded + ids.len());
        bar.inc(u64::try_from(ids.len()).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(discarded)
}
