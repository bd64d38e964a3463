//! Giving a command: by whom, why, and whether for real; and telling what came of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::explain::{shown, told, what_followed};
use super::giver::Giver;
use super::output::{Column, members, print, print_json, table};
use super::{CommandError, refused};
use crate::command::{self, Answer, CLI_SOURCE, Effect, Order};
use crate::config::Config;
use crate::contract::outbound;
use crate::ledger::ids::{AccountId, MessageKey};
use crate::ledger::input::{Command, Existence, Fact};
use crate::ledger::notice::ShownBalance;
use crate::store::{LogLine, Store};

/// A command that was carried out, or would be.
pub(super) struct Given {
    /// The ledger that it was given to.
    pub(super) store: Store,
    /// Which command it is.
    pub(super) key: MessageKey,
}

/// Gives a command, or with a dry run only says what would come of it, and prints that.
pub(super) async fn give(
    giver: &Giver,
    object: Existence,
    fact: Fact,
    config: Option<&Path>,
    json: bool,
) -> Result<Given, CommandError> {
    let config = Config::load(config)?;
    let store = Store::new(&config.store_settings())?;
    store.check().await?;
    let settings = Arc::new(config.ledger_settings());
    let command = Command { actor: giver.actor.clone(), reason: giver.reason.clone(), object };
    let order = Order::new(CLI_SOURCE, command, fact);
    let answer = match giver.dry_run {
        true => command::preview(&store, &settings, &order).await?,
        false => command::give(&store, &settings, &order).await?,
    };
    match answer {
        Answer::Done(effect) => tell(&store, giver, &order, &effect, json).await?,
        Answer::Refused(refusal) => return Err(refused::tell(&store, giver, &order, refusal, json).await?),
    }
    Ok(Given { store, key: order.key })
}

/// What came of a command, or would, as `--json` shows it: the same for every command.
#[derive(Serialize)]
struct Told<'a> {
    source: &'a str,
    id: &'a str,
    #[serde(rename = "type")]
    message_type: &'static str,
    actor: &'a str,
    reason: Option<&'a str>,
    dry_run: bool,
    outcome: &'static str,
    /// As they are published, or would be.
    events: Vec<Value>,
    balances: Vec<Ends>,
}

/// In what the balance of an account ends.
#[derive(Serialize)]
struct Ends {
    account_id: String,
    #[serde(flatten)]
    balance: ShownBalance,
}

async fn tell(
    store: &Store,
    giver: &Giver,
    order: &Order,
    effect: &Effect,
    json: bool,
) -> Result<(), CommandError> {
    let balances = balances(store, &order.fact, &effect.log).await?;
    if !json {
        return print(&text(giver, effect, &balances));
    }
    let source = store.event_source().await?;
    let event = |line: &LogLine| {
        let event = match line {
            LogLine::Entry(entry) => outbound::of_entry(&source, entry),
            LogLine::Notice(notice) => outbound::of_notice(&source, notice),
        };
        serde_json::from_slice(&event.body).expect("an event is JSON")
    };
    print_json(&Told {
        source: &effect.key.source,
        id: &effect.key.id,
        message_type: order.fact.command_type(),
        actor: &giver.actor,
        reason: giver.reason.as_deref(),
        dry_run: giver.dry_run,
        outcome: if effect.hold_refused { "hold_refused" } else { "applied" },
        events: effect.log.iter().map(event).collect(),
        balances,
    })
}

/// The balances after the last of the entries, and that of the account that the command is about.
async fn balances(store: &Store, fact: &Fact, log: &[LogLine]) -> Result<Vec<Ends>, CommandError> {
    let (mut accounts, mut ends): (Vec<&AccountId>, HashMap<&AccountId, ShownBalance>) = Default::default();
    for line in log {
        let LogLine::Entry(entry) = line else { continue };
        if ends.insert(&entry.account_id, entry.balance.into()).is_none() {
            accounts.push(&entry.account_id);
        }
    }
    let ended = |account: &AccountId| Ends { account_id: account.to_string(), balance: ends[account] };
    let mut balances: Vec<_> = accounts.into_iter().map(ended).collect();
    let Some(subject) = subject(store, fact).await? else { return Ok(balances) };
    if !balances.iter().any(|told| told.account_id == subject)
        && let Some(row) = store.look().await?.account(&subject).await?
    {
        balances.push(Ends { account_id: subject, balance: row.balance() });
    }
    Ok(balances)
}

/// The account that a command is about, if it is about one.
async fn subject(store: &Store, fact: &Fact) -> Result<Option<String>, CommandError> {
    Ok(match (fact, fact.subject()) {
        (Fact::Organization(fact), _) => Some(AccountId::pool_of(&fact.organization_id).to_string()),
        (_, (Some(account), _)) => Some(account.to_string()),
        (_, (None, Some(project))) => {
            store.look().await?.project(project.as_str()).await?.map(|row| row.account_id)
        }
        (_, (None, None)) => None,
    })
}

fn text(giver: &Giver, effect: &Effect, balances: &[Ends]) -> String {
    let (entries, notices) = shown(&effect.log);
    let told: Vec<_> = notices.iter().map(told).collect();
    let followed = what_followed(&entries, &told);
    let head = if giver.dry_run {
        "dry run: nothing was changed, and this would follow".to_owned()
    } else {
        let mut pairs = vec![("done", effect.key.to_string()), ("by", giver.actor.to_string())];
        pairs.extend(giver.reason.as_ref().map(|reason| ("because", reason.to_string())));
        members(&pairs)
    };
    let columns = [
        Column::Left("ACCOUNT"),
        Column::Right("TOTAL"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
        Column::Right("AVAILABLE"),
    ];
    let row = |Ends { account_id, balance }: &Ends| {
        let ShownBalance { total, held, consumed, available } = balance;
        let numbers = [total, held, consumed, available].map(ToString::to_string);
        [vec![account_id.clone()], numbers.into()].concat()
    };
    let mut parts = vec![head, followed];
    if !balances.is_empty() {
        parts.push(table(&columns, balances.iter().map(row)));
    }
    if effect.hold_refused {
        let hint = "`creditd hold retry` tries it again";
        parts.push(format!("the hold that follows is refused by its account's policy; {hint}"));
    }
    parts.join("\n\n")
}
