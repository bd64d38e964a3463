//! `creditd parked`: messages that could not be applied, and why.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::output::{Column, members, note_limit, or_dash, print, print_json, table, times};
use super::{CommandError, open_store};
use crate::ledger::outcome::ParkReason;
use crate::store::ParkedSummary;

#[derive(Subcommand)]
pub(super) enum ParkedCommand {
    /// Messages that nothing was done about yet, oldest first.
    List {
        /// Only those parked for this reason.
        #[arg(long, value_name = "REASON", value_parser = ParkReason::ALL.map(ParkReason::as_str))]
        reason: Option<String>,
        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: u32,
    },
    /// One message, whole.
    Show {
        /// Its number, as `parked list` shows it.
        id: i64,
    },
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
        ParkedCommand::List { reason, limit } => {
            let messages = store.parked(reason.as_deref(), limit.into()).await?;
            note_limit(messages.len(), limit);
            if json { print_json(&messages) } else { print(&list(&messages)) }
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
    }
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
        ("envelope", printable(&envelope.to_string())),
        ("body", format!("{body_bytes} bytes{text}")),
    ]);
    format!("{head}\n\n{}", printable(body))
}

/// What a stranger sent must not steer the terminal.
fn printable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if harmless(c) { c } else { '\u{FFFD}' }).collect()
}
