//! `creditd explain`: what became of a message, and which credits it moved; what moved the credits of an account
//! or a project.

mod account;
mod project;
mod standing;

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Map, Value};

use super::output::{Column, members, or_dash, print, print_json, table, times};
use super::parked::handling;
use super::stretch::StretchArgs;
use super::{CommandError, open_store};
use crate::contract::outbound::StoredNotice;
use crate::ledger::entry::{Cause, Entry, LogNumber};
use crate::ledger::ids::IdError;
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::ShownBalance;
use crate::store::{LogLine, MessageFate, ParkedSummary, Removed, Store, Stretch};

#[derive(Subcommand)]
pub(super) enum ExplainCommand {
    /// What became of a message.
    Message {
        /// Its `source`.
        source: String,
        /// Its `id`.
        id: String,
    },
    /// Who said what about a project, what it moved and when it had to wait, and how it stands.
    Project {
        /// Its id.
        project_id: String,
        #[command(flatten)]
        stretch: StretchArgs,
    },
    /// Which message or command moved which credits of an account, up to its present balance.
    Account {
        /// Its id; a pool's is pool: and its organization's id.
        account_id: String,
        #[command(flatten)]
        stretch: StretchArgs,
    },
}

/// What became of a message, as `--json` shows it.
#[derive(Serialize)]
struct Explanation<'a> {
    source: &'a str,
    id: &'a str,
    #[serde(rename = "type")]
    message_type: Option<&'a str>,
    outcome: &'a str,
    reason: Option<&'a str>,
    detail: Option<&'a str>,
    received_at: Timestamp,
    deliveries: i64,
    conflicts: i64,
    /// Of a command, and of the ledger's own: what it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<&'a Value>,
    /// Of a command: who gave it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    entries: Vec<ShownEntry>,
    notices: Vec<ShownNotice<'a>>,
    parked: &'a [ParkedSummary],
    /// How many more there were, which retention has removed.
    notices_removed: i64,
}

/// A notice as reports show it.
#[derive(Serialize)]
pub(super) struct ShownNotice<'a> {
    log_number: LogNumber,
    at: Timestamp,
    account_id: String,
    sequence: i64,
    kind: &'static str,
    body: &'a Map<String, Value>,
}

impl<'a> From<&'a StoredNotice> for ShownNotice<'a> {
    fn from(notice: &'a StoredNotice) -> Self {
        Self {
            log_number: notice.number,
            at: notice.at,
            account_id: notice.account_id.to_string(),
            sequence: notice.sequence,
            kind: notice.kind.as_str(),
            body: &notice.body,
        }
    }
}

/// An entry as reports show it.
#[derive(Serialize)]
pub(super) struct ShownEntry {
    log_number: LogNumber,
    at: Timestamp,
    account_id: String,
    sequence: i64,
    kind: &'static str,
    from: &'static str,
    to: &'static str,
    credits: i64,
    project_id: Option<String>,
    previous: ShownBalance,
    balance: ShownBalance,
}

impl From<&Entry> for ShownEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            log_number: entry.number,
            at: entry.at,
            account_id: entry.account_id.to_string(),
            sequence: entry.sequence,
            kind: entry.kind.as_str(),
            from: entry.from.as_str(),
            to: entry.to.as_str(),
            credits: entry.credits.0,
            project_id: entry.project_id.as_ref().map(ToString::to_string),
            previous: entry.previous_balance().into(),
            balance: entry.balance.into(),
        }
    }
}

/// An entry with what it is for, and what brought it about.
#[derive(Serialize)]
struct ExplainedEntry {
    #[serde(flatten)]
    entry: ShownEntry,
    /// What it adds to `available`, in credits; below zero what it takes from there.
    change: i64,
    project_name: Option<String>,
    cause: CauseShown,
    reason: Option<String>,
    actor: Option<String>,
}

/// The message or command that brought something about.
#[derive(Serialize)]
struct CauseShown {
    source: String,
    id: String,
    #[serde(rename = "type")]
    message_type: String,
}

impl CauseShown {
    fn of(cause: &Cause) -> Self {
        Self {
            source: cause.key.source.to_string(),
            id: cause.key.id.to_string(),
            message_type: cause.message_type.to_string(),
        }
    }
}

impl ExplainedEntry {
    fn of(entry: &Entry, project_name: Option<String>) -> Self {
        let change = entry.balance.available() - entry.previous_balance().available();
        Self {
            entry: entry.into(),
            change: change.0,
            project_name,
            cause: CauseShown::of(&entry.cause),
            reason: entry.reason.as_ref().map(ToString::to_string),
            actor: entry.actor.as_ref().map(ToString::to_string),
        }
    }
}

/// The credits as a person reads them: with a sign where `available` changed, and without one where they went
/// between held and consumed.
fn signed(explained: &ExplainedEntry) -> String {
    match explained.change {
        0 => explained.entry.credits.to_string(),
        change => format!("{change:+}"),
    }
}

fn cause(cause: &CauseShown) -> String {
    let CauseShown { source, id, message_type } = cause;
    format!("{source} {id} {message_type}")
}

/// Why, and by whom, where the message said so.
fn why(explained: &ExplainedEntry) -> String {
    let reason = explained.reason.as_ref().map(|reason| format!(": {reason}"));
    let actor = explained.actor.as_ref().map(|actor| format!(", by {actor}"));
    [reason, actor].into_iter().flatten().collect()
}

fn told_stretch(stretch: Stretch) -> String {
    match (stretch.from, stretch.before) {
        (None, None) => "all".to_owned(),
        (Some(from), None) => format!("from {from} to the present"),
        (None, Some(before)) => format!("before {before}"),
        (Some(from), Some(before)) => format!("from {from}, before {before}"),
    }
}

fn refused_id(unknown: &str, error: &IdError) -> CommandError {
    CommandError::Refused(format!("{unknown} (as an id, {error})"))
}

pub(super) async fn run(
    command: ExplainCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    match command {
        ExplainCommand::Message { source, id } => {
            message(&open_store(config).await?, &source, &id, json).await
        }
        ExplainCommand::Project { project_id, stretch } => {
            let stretch = stretch.stretch()?;
            project::run(&open_store(config).await?, &project_id, stretch, json).await
        }
        ExplainCommand::Account { account_id, stretch } => {
            let stretch = stretch.stretch()?;
            account::run(&open_store(config).await?, &account_id, stretch, json).await
        }
    }
}

async fn message(store: &Store, source: &str, id: &str, json: bool) -> Result<(), CommandError> {
    let Some(fate) = store.message_fate(source, id).await? else {
        let removed = removed(&store.removed().await?);
        let what = format!("nothing is known of message {id:?} from {source:?}; was it published?{removed}");
        return Err(CommandError::Refused(what));
    };
    let explanation = explanation(source, id, &fate);
    if json { print_json(&explanation) } else { print(&show(&explanation)) }
}

/// What retention may have to do with it that nothing is known of a message.
fn removed(removed: &Removed) -> String {
    let inbox = removed.inbox_before.map(|time| format!("of project messages that came before {time}"));
    let parked = removed.parked_before.map(|time| format!("of parked ones dealt with before {time}"));
    let gone: Vec<_> = [inbox, parked].into_iter().flatten().collect();
    if gone.is_empty() {
        return String::new();
    }
    format!(" it may have been removed by retention, which keeps no records {}", gone.join(" and "))
}

fn explanation<'a>(source: &'a str, id: &'a str, fate: &'a MessageFate) -> Explanation<'a> {
    let (entries, notices) = shown(&fate.log);
    Explanation {
        source,
        id,
        message_type: fate.message_type.as_deref(),
        outcome: &fate.outcome,
        reason: fate.reason.as_deref(),
        detail: fate.detail.as_deref(),
        received_at: fate.received_at,
        deliveries: fate.deliveries,
        conflicts: fate.conflicts,
        said: fate.fact.as_ref(),
        actor: fate.actor.as_deref(),
        note: fate.note.as_deref(),
        entries,
        notices,
        parked: &fate.parked,
        notices_removed: fate.notices_removed,
    }
}

/// The log's lines as reports show them.
pub(super) fn shown(log: &[LogLine]) -> (Vec<ShownEntry>, Vec<ShownNotice<'_>>) {
    let (mut entries, mut notices) = (Vec::new(), Vec::new());
    for line in log {
        match line {
            LogLine::Entry(entry) => entries.push(ShownEntry::from(&**entry)),
            LogLine::Notice(notice) => notices.push(ShownNotice::from(&**notice)),
        }
    }
    (entries, notices)
}

fn show(explanation: &Explanation<'_>) -> String {
    let mut head = vec![
        ("message", format!("{} {}", explanation.source, explanation.id)),
        ("type", or_dash(explanation.message_type)),
        ("outcome", explanation.outcome.to_owned()),
        ("reason", or_dash(explanation.reason)),
        ("detail", or_dash(explanation.detail)),
        ("received", explanation.received_at.to_string()),
        ("came", times(explanation.deliveries)),
        ("conflicts", times(explanation.conflicts)),
    ];
    let said = [
        ("by", explanation.actor.map(str::to_owned)),
        ("because", explanation.note.map(str::to_owned)),
        ("said", explanation.said.map(Value::to_string)),
    ];
    head.extend(said.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let parked = |row: &ParkedSummary| {
        ("parked", format!("as {} for {}; done: {}", row.id, row.reason, handling(row)))
    };
    head.extend(explanation.parked.iter().map(parked));
    let mut told: Vec<_> = explanation.notices.iter().map(told).collect();
    if explanation.notices_removed > 0 {
        told.push(format!("retention removed {} alerts and hold events of it", explanation.notices_removed));
    }
    format!("{}\n\n{}", members(&head), what_followed(&explanation.entries, &told))
}

/// Entries as a table, then what was `told`, a line each.
pub(super) fn what_followed(entries: &[ShownEntry], told: &[String]) -> String {
    let told = if told.is_empty() { String::new() } else { format!("\n\n{}", told.join("\n")) };
    if entries.is_empty() {
        return format!("it moved no credits{told}");
    }
    let columns = [
        Column::Right("LOG"),
        Column::Left("ACCOUNT"),
        Column::Left("KIND"),
        Column::Left("FROM"),
        Column::Left("TO"),
        Column::Right("CREDITS"),
        Column::Left("PROJECT"),
        Column::Right("AVAILABLE"),
        Column::Right("THEN"),
    ];
    let row = |entry: &ShownEntry| {
        vec![
            entry.log_number.to_string(),
            entry.account_id.clone(),
            entry.kind.to_owned(),
            entry.from.to_owned(),
            entry.to.to_owned(),
            entry.credits.to_string(),
            or_dash(entry.project_id.as_ref()),
            entry.previous.available.to_string(),
            entry.balance.available.to_string(),
        ]
    };
    format!("{}{told}", table(&columns, entries.iter().map(row)))
}

/// What a notice says, in a line.
pub(super) fn told(notice: &ShownNotice<'_>) -> String {
    let ShownNotice { log_number, account_id, kind, body, .. } = notice;
    format!("{log_number}  {kind} on {account_id}: {}", said(kind, body))
}

/// What a notice of this kind says, without where it stands and whom it is about.
pub(super) fn said(kind: &str, body: &Map<String, Value>) -> String {
    let member = |name| body.get(name).and_then(text);
    match kind {
        "hold" => {
            let state = or_dash(member("state"));
            let (credits, project) = (or_dash(member("credits")), or_dash(member("project_id")));
            format!("a hold of {credits} for {project} is {state}{}", hold_details(body))
        }
        "transfer_rejected" => {
            let (credits, short) = (or_dash(member("credits")), or_dash(member("short")));
            format!(
                "a transfer of {credits} to {} is rejected: {short} too few",
                or_dash(member("to_account_id"))
            )
        }
        _ => {
            let what = [member("change"), member("severity")].into_iter().flatten().collect::<Vec<_>>();
            let rules = body.get("rules").and_then(Value::as_array);
            let names: Vec<_> =
                rules.into_iter().flatten().filter_map(|rule| text(rule.get("name")?)).collect();
            let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            format!("{}{names}", what.join(", "))
        }
    }
}

/// Where a claim stands, or why it was refused, as its notice says.
fn hold_details(body: &Map<String, Value>) -> String {
    let member = |name| body.get(name).and_then(text);
    let place = member("position").map(|place| format!(", place {place} in the queue"));
    let reason = member("reason").map(|reason| format!(": {reason}"));
    let short = body.get("shortfall").and_then(shortfall).map(|short| format!("; {short}"));
    [place, reason, short].into_iter().flatten().collect()
}

fn shortfall(shortfall: &Value) -> Option<String> {
    let account = shortfall.get("account_id").and_then(text)?;
    let credits = shortfall.get("credits").and_then(text)?;
    Some(format!("{account} lacks {credits}"))
}

/// A text without its quotes; nothing for `null`.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
