//! `creditd events`: the ledger's events as they come, one of them, or an account's again; and where accounts stand.

mod replay;
mod sending;
mod snapshot;
mod tail;

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::output::{members, print, print_json, write};
use super::{CommandError, open_store};
use crate::contract::outbound::{CONTENT_TYPE, OutboundEvent};
use crate::ledger::entry::LogNumber;
use crate::ledger::notice::NoticeKind;
use crate::store::{LogKind, Store};

#[derive(Subcommand)]
pub(super) enum EventsCommand {
    /// The log as it grows, whether published yet or not; with --json one CloudEvent a line, as it goes out.
    Tail(tail::TailArgs),
    /// One event as it is published, byte for byte.
    Show {
        /// Its number in the log, which is its id.
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        number: i64,
        /// Print nothing but the event's bytes, without a newline.
        #[arg(long, conflicts_with = "json")]
        body: bool,
    },
    /// Publish events of an account again, with the ids and bodies that they had, to all who are bound.
    Replay(replay::ReplayArgs),
    /// Publish where each account stands, for consumers that start over: after a restoration, or for the first time.
    Snapshot(snapshot::SnapshotArgs),
}

/// The types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum EventType {
    BalanceChanged,
    Alert,
    Hold,
    TransferRejected,
}

impl EventType {
    fn kind(self) -> LogKind {
        match self {
            EventType::BalanceChanged => LogKind::Entry,
            EventType::Alert => LogKind::Notice(NoticeKind::Alert),
            EventType::Hold => LogKind::Notice(NoticeKind::Hold),
            EventType::TransferRejected => LogKind::Notice(NoticeKind::TransferRejected),
        }
    }
}

/// An event as `show --json` tells it.
#[derive(Serialize)]
struct Shown {
    log_number: LogNumber,
    published: bool,
    message_id: String,
    routing_key: String,
    content_type: &'static str,
    /// The event's bytes, which are text.
    body: String,
}

pub(super) async fn run(
    command: EventsCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    match command {
        EventsCommand::Tail(arguments) => tail::run(&arguments, config, json).await,
        EventsCommand::Show { number, body } => {
            show(&open_store(config).await?, LogNumber(number), body, json).await
        }
        EventsCommand::Replay(arguments) => replay::run(&arguments, config, json).await,
        EventsCommand::Snapshot(arguments) => snapshot::run(&arguments, config, json).await,
    }
}

async fn show(store: &Store, number: LogNumber, body_only: bool, json: bool) -> Result<(), CommandError> {
    let Some(line) = store.log_between(number, number).await?.pop() else {
        return Err(missing(store, number).await?);
    };
    let OutboundEvent { routing_key, message_id, body } = line.event(&store.event_source().await?);
    if body_only {
        return write(&body).map(drop);
    }
    let through = store.relay_status().await?.published;
    let published = number <= through;
    let body = String::from_utf8(body).expect("an event is JSON, which is UTF-8");
    if json {
        let content_type = CONTENT_TYPE;
        let log_number = number;
        return print_json(&Shown { log_number, published, message_id, routing_key, content_type, body });
    }
    let published =
        if published { "yes".to_owned() } else { format!("not yet; the relay has come to {through}") };
    let head = members(&[
        ("event", message_id),
        ("published", published),
        ("routing key", routing_key),
        ("content type", CONTENT_TYPE.to_owned()),
    ]);
    print(&format!("{head}\n\n{body}"))
}

/// Why there is no event of that number.
async fn missing(store: &Store, number: LogNumber) -> Result<CommandError, CommandError> {
    let (last, removed) = (store.log_last().await?, store.removed().await?);
    Ok(CommandError::Refused(match number {
        number if number > last => format!("no event {number} is there yet; the last is {last}"),
        number if number <= removed.notices_through => {
            format!("event {number} was an alert or a hold event, and was removed by retention")
        }
        number => format!("event {number} is missing; run `creditd verify`"),
    }))
}
