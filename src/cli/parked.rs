//! `creditd parked`: messages that could not be applied: which, why, and what to do about them.

mod discard;
mod filter;
mod retry;

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use self::discard::DiscardArgs;
use self::filter::FilterArgs;
use self::retry::RetryArgs;
use super::output::{Column, members, note_limit, or_dash, print, print_json, printable, table, times};
use super::{CommandError, open_store};
use crate::ledger::outcome::ParkReason;
use crate::store::{Discard, ParkedSummary, ReasonCount};

#[derive(Subcommand)]
pub(super) enum ParkedCommand {
    /// Messages that nothing was done about yet, oldest first.
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Those that were applied or discarded since, instead.
        #[arg(long)]
        done: bool,
        /// How many there are of each reason, instead of each of them.
        #[arg(long)]
        summary: bool,
        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 1000, conflicts_with = "summary")]
        limit: u32,
    },
    /// One message, whole.
    Show {
        /// Its number, as `parked list` shows it.
        id: i64,
    },
    /// Let the running daemon offer messages again, as if they came now, and say what becomes of them.
    Retry(RetryArgs),
    /// Say that messages are to have no effect, also if they come again. They are kept, with who said so and
    /// why.
    Discard(DiscardArgs),
}

/// A parked message, whole.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    summary: ParkedSummary,
    /// Routing key, content type, headers and properties.
    envelope: Value,
    /// The body where it is text; else what could be read of it.
    body: String,
    body_is_text: bool,
    body_bytes: usize,
}

pub(super) async fn run(
    command: ParkedCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    match command {
        ParkedCommand::List { filter, done, summary: true, limit: _ } => {
            let counts = store.look().await?.parked_counts(&filter.filter(), done).await?;
            if json { print_json(&counts) } else { print(&summary(&counts)) }
        }
        ParkedCommand::List { filter, done, summary: false, limit } => {
            let messages = store.parked(&filter.filter(), done, limit.into()).await?;
            note_limit(messages.len(), limit);
            match (json, done) {
                (true, _) => print_json(&messages),
                (false, false) => print(&list(&messages)),
                (false, true) => print(&list_done(&messages)),
            }
        }
        ParkedCommand::Show { id } => {
            let Some((summary, envelope, body)) = store.parked_message(id).await? else {
                let hint = "`creditd parked list` shows those that are";
                return Err(CommandError::Refused(format!("no message {id} is parked; {hint}")));
            };
            let body_is_text = std::str::from_utf8(&body).is_ok();
            let body_bytes = body.len();
            let body = String::from_utf8_lossy(&body).into_owned();
            let whole = Whole { summary, envelope, body, body_is_text, body_bytes };
            if json { print_json(&whole) } else { print(&show(&whole)) }
        }
        ParkedCommand::Retry(args) => retry::run(&store, args, json).await,
        ParkedCommand::Discard(args) => discard::run(&store, args, json).await,
    }
}

/// What to do about a message that can never be applied as it is; nothing where offering it again may help.
fn instead(reason: &str) -> Option<&'static str> {
    let known = ParkReason::ALL.into_iter().find(|known| known.as_str() == reason)?;
    match known {
        ParkReason::Conflict => Some(
            "the first message under its id counts; if this one is meant, publish it under an id of its own",
        ),
        ParkReason::ReservedSource => {
            Some("such sources are kept for the ledger itself; publish it from another source")
        }
        ParkReason::Oversize => Some("no version takes messages of that size; publish a smaller one"),
        _ => None,
    }
}

/// The reasons for which offering again can't help.
fn lasting_reasons() -> Vec<String> {
    let names = ParkReason::ALL.into_iter().map(ParkReason::as_str);
    names.filter(|name| instead(name).is_some()).map(str::to_owned).collect()
}

fn summary(counts: &[ReasonCount]) -> String {
    let columns = [
        Column::Left("REASON"),
        Column::Right("MESSAGES"),
        Column::Right("DUE"),
        Column::Left("OLDEST"),
        Column::Right("ITS ID"),
    ];
    let row = |count: &ReasonCount| {
        vec![
            count.reason.clone(),
            count.messages.to_string(),
            count.due.to_string(),
            count.oldest.to_string(),
            count.first_id.to_string(),
        ]
    };
    table(&columns, counts.iter().map(row))
}

fn list(messages: &[ParkedSummary]) -> String {
    let columns = [
        Column::Right("ID"),
        Column::Left("REASON"),
        Column::Left("SOURCE"),
        Column::Left("MESSAGE"),
        Column::Right("CAME"),
        Column::Left("RECEIVED"),
        Column::Left("DETAIL"),
    ];
    let row = |message: &ParkedSummary| {
        vec![
            message.id.to_string(),
            message.reason.clone(),
            or_dash(message.source.as_ref()),
            or_dash(message.message_id.as_ref()),
            times(message.deliveries),
            message.received_at.to_string(),
            message.detail.clone(),
        ]
    };
    table(&columns, messages.iter().map(row))
}

fn list_done(messages: &[ParkedSummary]) -> String {
    let columns = [
        Column::Right("ID"),
        Column::Left("OUTCOME"),
        Column::Left("DONE"),
        Column::Left("BY"),
        Column::Left("REASON"),
        Column::Left("SOURCE"),
        Column::Left("MESSAGE"),
        Column::Right("CAME"),
        Column::Left("NOTE"),
    ];
    let row = |message: &ParkedSummary| {
        let discard = message.standing_discard();
        vec![
            message.id.to_string(),
            or_dash(message.outcome.as_ref()),
            or_dash(message.done_at),
            or_dash(discard.map(|discard| &discard.actor)),
            message.reason.clone(),
            or_dash(message.source.as_ref()),
            or_dash(message.message_id.as_ref()),
            times(message.deliveries),
            or_dash(discard.map(|discard| &discard.note)),
        ]
    };
    table(&columns, messages.iter().map(row))
}

/// What was done about a message, in a phrase.
pub(super) fn handling(message: &ParkedSummary) -> String {
    let discarded = message.discarded.as_ref();
    let discarded =
        discarded.map(|Discard { at, actor, note }| format!("discarded by {actor} at {at}: {note}"));
    let standing = match (&message.outcome, message.done_at) {
        (Some(outcome), Some(at)) => format!("{outcome} at {at}"),
        _ if message.due => "to be offered again by the daemon".to_owned(),
        _ => "nothing yet".to_owned(),
    };
    match (discarded, message.standing_discard()) {
        (None, _) => standing,
        (Some(discarded), Some(_)) => discarded,
        (Some(discarded), None) => format!("{standing}; before, {discarded}, and brought back"),
    }
}

fn show(whole: &Whole) -> String {
    let Whole { summary, envelope, body, body_is_text, body_bytes } = whole;
    let text = if *body_is_text { "" } else { ", not UTF-8" };
    let head = members(&[
        ("parked", summary.id.to_string()),
        ("reason", summary.reason.clone()),
        ("detail", summary.detail.clone()),
        ("source", or_dash(summary.source.as_ref())),
        ("message", or_dash(summary.message_id.as_ref())),
        ("type", or_dash(summary.message_type.as_ref())),
        ("waits for", or_dash(summary.waits_for.as_ref())),
        ("came", format!("{}, first at {}", times(summary.deliveries), summary.received_at)),
        ("done", handling(summary)),
        ("envelope", printable(&envelope.to_string())),
        ("body", format!("{body_bytes} bytes{text}")),
    ]);
    format!("{head}\n\n{}", printable(body))
}
