//! The inbox: which messages came, what became of them, and how often they came again.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::StoreError;
use super::rows::Table;
use super::writes::Writes;
use crate::ledger::books::Decision;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::MessageKey;
use crate::ledger::inbox::{Fingerprint, Inbox, Known};
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, Rejection};

/// A message that came for the first time.
#[derive(Clone, Debug)]
pub struct InboxRow {
    /// Which message.
    pub key: MessageKey,
    /// Its type.
    pub message_type: String,
    /// A digest of its type and decoded data.
    pub fingerprint: Fingerprint,
    /// When its sender says that it happened.
    pub time: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The stretch of the log that it wrote.
    pub log: Option<(LogNumber, LogNumber)>,
    /// What it says, where nobody else has it: of a command, and of the ledger's own inputs.
    pub said: Option<Said>,
}

/// What a command or an input of the ledger's own says.
#[derive(Clone, Debug)]
pub struct Said {
    /// The fact, as JSON.
    pub fact: Value,
    /// Who gave the command.
    pub actor: Option<String>,
    /// Why.
    pub note: Option<String>,
}

impl InboxRow {
    /// The row of an input that came from no message: a command, or one of the ledger's own.
    pub fn of_own(input: &Input, decision: &Decision) -> Self {
        let fact = serde_json::to_value(&input.fact).expect("a fact has only text for keys");
        let (reason, actor) = input.reason_and_actor();
        Self {
            key: input.cause.key.clone(),
            message_type: input.cause.message_type.to_string(),
            fingerprint: Sha256::digest(fact.to_string()).into(),
            time: input.time,
            received_at: input.now,
            outcome: decision.outcome.clone(),
            log: decision.log,
            said: Some(Said {
                fact,
                actor: actor.map(ToString::to_string),
                note: reason.map(ToString::to_string),
            }),
        }
    }
}

/// A message that came again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Which message.
    pub key: MessageKey,
    /// How often the same came.
    pub deliveries: i64,
    /// How often other data came under its key.
    pub conflicts: i64,
}

/// An outcome's name, reason and detail, as stored.
pub(super) fn outcome_columns(outcome: &Outcome) -> (&'static str, Option<&'static str>, Option<&str>) {
    match outcome {
        Outcome::Applied => ("applied", None, None),
        Outcome::Stale => ("stale", None, Some("everything it says was said by a newer message before")),
        Outcome::Rejected(Rejection::Transfer) => {
            let detail = "the giving account had too few credits available, and the notice says how many";
            ("rejected", Some("transfer_rejected"), Some(detail))
        }
        Outcome::Rejected(Rejection::Hold) => {
            let detail = "its registers count; its hold was refused, and the notice of that says why";
            ("rejected", Some("hold_rejected"), Some(detail))
        }
        Outcome::Parked(parking) => ("parked", Some(parking.reason.as_str()), Some(&parking.detail)),
    }
}

/// Messages that a person discarded, each by its key and its content's hash.
pub type Discarded = HashSet<(MessageKey, [u8; 32])>;

/// What is known of `keys`: of messages that were decided, and of those that were discarded undecided.
pub(super) async fn known(
    connection: &mut PgConnection,
    keys: &[MessageKey],
) -> Result<(Inbox, Discarded), StoreError> {
    if keys.is_empty() {
        return Ok((Inbox::default(), Discarded::new()));
    }
    let sources: Vec<_> = keys.iter().map(|key| key.source.to_string()).collect();
    let ids: Vec<_> = keys.iter().map(|key| key.id.to_string()).collect();
    // `offset 0` keeps the look-ups by key: joined, stale statistics could have all rows read for each batch. Most
    // ledgers have nothing discarded, which is asked once.
    let rows = sqlx::query!(
        r#"with asked as materialized (select unnest($1::text[]) as source, unnest($2::text[]) as id)
           select asked.source as "source!", asked.id as "id!", fingerprint as "hash!",
                  outcome = 'parked' as "parked!", false as "discarded!"
             from asked
            cross join lateral (
                  select fingerprint, outcome from inbox
                   where source = asked.source and id = asked.id offset 0) inbox
            union all
           select asked.source, asked.id, content_hash, false, true
             from asked
            cross join lateral (
                  select content_hash from parked
                   where source = asked.source and message_id = asked.id
                     and done_outcome = 'discarded' offset 0) parked
            where exists (select from parked where done_outcome = 'discarded')"#,
        &sources,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let (mut known, mut discarded) = (Vec::new(), Discarded::new());
    for row in rows {
        let key = MessageKey::new(&row.source, &row.id);
        if row.discarded {
            discarded.insert((key, Table("parked").digest(&row.hash)?.0));
        } else {
            let fingerprint = Table("inbox").digest(&row.hash)?.0;
            known.push((key, Known { fingerprint, parked: row.parked }));
        }
    }
    Ok((Inbox::of(known), discarded))
}

/// Adds the rows of messages that came for the first time, and counts those that came again, be it a first one of
/// `rows`. Each key appears once in `repeated`.
pub(super) fn insert(writes: &mut Writes, rows: &[&InboxRow], repeated: &[Repeated]) {
    let mut again: HashMap<_, _> = repeated.iter().map(|row| (&row.key, row)).collect();
    let rows: Vec<_> = rows.iter().map(|row| (*row, again.remove(&row.key))).collect();
    insert_first(writes, &rows);
    count(writes, &again.into_values().collect::<Vec<_>>());
}

fn insert_first(writes: &mut Writes, rows: &[(&InboxRow, Option<&Repeated>)]) {
    writes
        .rows("inbox", rows)
        .column("source", |(row, _)| &*row.key.source)
        .column("id", |(row, _)| &*row.key.id)
        .column("type", |(row, _)| row.message_type.as_str())
        .column("fingerprint", |(row, _)| row.fingerprint.as_slice())
        .column("time", |(row, _)| row.time.map(Timestamp::to_offset_date_time))
        .column("received_at", |(row, _)| row.received_at.to_offset_date_time())
        .column("outcome", |(row, _)| outcome_columns(&row.outcome).0)
        .column("reason", |(row, _)| outcome_columns(&row.outcome).1)
        .column("detail", |(row, _)| outcome_columns(&row.outcome).2)
        .column("log_first", |(row, _)| row.log.map(|(first, _)| first.0))
        .column("log_last", |(row, _)| row.log.map(|(_, last)| last.0))
        .column("deliveries", |(_, again)| 1 + again.map_or(0, |again| again.deliveries))
        .column("conflicts", |(_, again)| again.map_or(0, |again| again.conflicts))
        .column("fact", |(row, _)| row.said.as_ref().map(|said| Json(&said.fact)))
        .column("actor", |(row, _)| row.said.as_ref().and_then(|said| said.actor.as_deref()))
        .column("note", |(row, _)| row.said.as_ref().and_then(|said| said.note.as_deref()))
        .insert();
}

fn count(writes: &mut Writes, rows: &[&Repeated]) {
    writes
        .rows("inbox", rows)
        .column("source", |row| &*row.key.source)
        .column("id", |row| &*row.key.id)
        .column("deliveries", |row| row.deliveries)
        .column("conflicts", |row| row.conflicts)
        .update(
            "deliveries = inbox.deliveries + given.deliveries, conflicts = inbox.conflicts + given.conflicts",
            "inbox.source = given.source and inbox.id = given.id",
        );
}

/// Writes what became of a parked message that was offered again.
pub(super) async fn update(
    connection: &mut PgConnection,
    key: &MessageKey,
    outcome: &Outcome,
    log: Option<(LogNumber, LogNumber)>,
) -> Result<(), StoreError> {
    let (name, reason, detail) = outcome_columns(outcome);
    sqlx::query!(
        "update inbox set outcome = $3, reason = $4, detail = $5, log_first = $6, log_last = $7
          where source = $1 and id = $2",
        &*key.source,
        &*key.id,
        name,
        reason,
        detail,
        log.map(|(first, _)| first.0),
        log.map(|(_, last)| last.0),
    )
    .execute(connection)
    .await?;
    Ok(())
}
