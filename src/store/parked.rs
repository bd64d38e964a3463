//! Parked messages: kept whole with their reason, and offered again when what they wait for has come.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::inbox::outcome_columns;
use super::rows::Table;
use super::{Store, StoreError};
use crate::contract::raw::RawMessage;
use crate::ledger::ids::MessageKey;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, ParkReason, Parking, WaitsFor};

/// A message to be parked.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The message as it came.
    pub raw: RawMessage,
    /// Why it is parked.
    pub parking: Parking,
    /// Which message it is, where that could be read.
    pub key: Option<MessageKey>,
    /// Its type, where that could be read.
    pub message_type: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// A parked message that is due to be offered again.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// Its number among the parked.
    pub parked_id: i64,
    /// The message as it came.
    pub raw: RawMessage,
    /// How many of its last offers came to no end.
    pub unended_offers: i32,
}

/// Offers that are about to be made.
#[derive(Clone, Debug)]
pub struct OffersCounted {
    /// Of which parked messages.
    pub parked_ids: Vec<i64>,
    /// How many offers of each are counted.
    pub before: i32,
    /// How many there are with these.
    pub count: i32,
}

impl OffersCounted {
    /// The same, to be said where they were not made after all.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self { before: self.count, count: self.before, ..self }
    }
}

/// PostgreSQL's texts can't hold NUL.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn envelope_of(raw: &RawMessage) -> String {
    let RawMessage { routing_key, content_type, headers, properties, body: _ } = raw;
    json!({
        "routing_key": routing_key,
        "content_type": content_type,
        "headers": headers,
        "properties": properties,
    })
    .to_string()
}

fn raw_of(envelope: &str, body: Vec<u8>) -> Result<RawMessage, StoreError> {
    let unreadable = |what: String| Table("parked").unreadable("envelope", what);
    let mut envelope: Value =
        serde_json::from_str(envelope).map_err(|error| unreadable(error.to_string()))?;
    let mut take = |member: &str| envelope.get_mut(member).map(Value::take).unwrap_or_default();
    let object = |value: Value| match value {
        Value::Object(members) => Ok(members),
        other => Err(unreadable(format!("{other} is no object"))),
    };
    Ok(RawMessage {
        routing_key: take("routing_key").as_str().unwrap_or_default().to_owned(),
        content_type: take("content_type").as_str().map(str::to_owned),
        headers: object(take("headers"))?,
        properties: object(take("properties"))?,
        body,
    })
}

/// Parks messages. One that is parked already is counted, and open again if it was dealt with; what a person
/// discarded stays discarded.
pub(super) async fn insert(connection: &mut PgConnection, parcels: &[Parcel]) -> Result<(), StoreError> {
    // Few messages are parked, and the same may be there twice: one statement each.
    for parcel in parcels {
        let hash = parcel.raw.fingerprint();
        let Parking { reason, detail, waits_for } = &parcel.parking;
        sqlx::query!(
            "insert into parked (content_hash, reason, detail, source, message_id, type, waits_for,
                                 received_at, envelope, body)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10)
             on conflict (content_hash) do update
                set deliveries = parked.deliveries + 1, reason = excluded.reason, detail = excluded.detail,
                    waits_for = excluded.waits_for,
                    done_at = case when parked.done_outcome = 'discarded' then parked.done_at end,
                    done_outcome = case when parked.done_outcome = 'discarded' then 'discarded' end",
            hash.as_slice(),
            reason.as_str(),
            without_nul(detail),
            parcel.key.as_ref().map(|key| &*key.source),
            parcel.key.as_ref().map(|key| &*key.id),
            parcel.message_type.as_deref().map(without_nul),
            waits_for.as_ref().map(ToString::to_string),
            parcel.received_at.to_offset_date_time(),
            envelope_of(&parcel.raw),
            &parcel.raw.body,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Counts messages that came again and that the inbox knew: those of them that are parked.
pub(super) async fn count(
    connection: &mut PgConnection,
    content_hashes: &[[u8; 32]],
) -> Result<(), StoreError> {
    if content_hashes.is_empty() {
        return Ok(());
    }
    let hashes: Vec<_> = content_hashes.iter().map(|hash| hash.to_vec()).collect();
    sqlx::query!(
        "update parked set deliveries = parked.deliveries + again.times
           from (select content_hash, count(*) as times from unnest($1::bytea[]) came (content_hash)
                  group by content_hash) again
          where parked.content_hash = again.content_hash",
        &hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks those as due that wait for what has `appeared`.
pub(super) async fn mark_due(connection: &mut PgConnection, appeared: &[WaitsFor]) -> Result<(), StoreError> {
    if appeared.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = appeared.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "update parked set due = true
          where waits_for = any($1) and done_at is null and not due",
        &keys,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Which of these are due and not dealt with.
pub(super) async fn still_due(
    connection: &mut PgConnection,
    parked_ids: &[i64],
) -> Result<HashSet<i64>, StoreError> {
    if parked_ids.is_empty() {
        return Ok(HashSet::new());
    }
    let due = sqlx::query_scalar!(
        "select parked_id from parked where parked_id = any($1) and due and done_at is null",
        parked_ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(due.into_iter().collect())
}

/// Closes rows whose message was decided under its key before.
pub(super) async fn decided_before(
    connection: &mut PgConnection,
    parked_ids: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    if parked_ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update parked set due = false, offers = 0, done_at = $2, done_outcome = 'duplicate'
          where parked_id = any($1) and done_at is null",
        parked_ids,
        now.to_offset_date_time(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what became of one that was offered again: done with it, or parked anew.
pub(super) async fn offered(
    connection: &mut PgConnection,
    parked_id: i64,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (name, _, _) = outcome_columns(outcome);
    let parking = match outcome {
        Outcome::Parked(parking) => Some(parking),
        Outcome::Applied | Outcome::Stale | Outcome::Rejected(_) => None,
    };
    let done_at: Option<OffsetDateTime> = parking.is_none().then(|| now.to_offset_date_time());
    sqlx::query!(
        "update parked
            set due = false, offers = 0, done_at = $2, done_outcome = $3, reason = coalesce($4, reason),
                detail = coalesce($5, detail), waits_for = $6
          where parked_id = $1",
        parked_id,
        done_at,
        done_at.map(|_| name),
        parking.map(|parking| parking.reason.as_str()),
        parking.map(|parking| without_nul(&parking.detail)),
        parking.and_then(|parking| parking.waits_for.as_ref()).map(ToString::to_string),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Parked messages whose reason may have gone, oldest first, `limit` at most.
pub(super) async fn due(connection: &mut PgConnection, limit: i64) -> Result<Vec<ParkedRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select parked_id, offers, envelope::text as "envelope!", body from parked
                where due and done_at is null order by parked_id limit $1"#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let raw = raw_of(&row.envelope, row.body)?;
            Ok(ParkedRow { parked_id: row.parked_id, raw, unended_offers: row.offers })
        })
        .collect()
}

impl Store {
    /// Parked messages whose reason may have gone, oldest first, `limit` at most.
    pub async fn due_messages(&self, limit: i64) -> Result<Vec<ParkedRow>, StoreError> {
        due(&mut *self.pool.acquire().await?, limit).await
    }

    /// Notes the how manyth offer of each is about to be made, where nobody else noted one meanwhile. Says for how many
    /// that is so.
    pub async fn count_offers(&self, offers: &OffersCounted) -> Result<u64, StoreError> {
        let counted = sqlx::query!(
            "update parked set offers = $3
              where parked_id = any($1) and offers = $2 and due and done_at is null",
            &offers.parked_ids,
            offers.before,
            offers.count,
        );
        Ok(counted.execute(&self.pool).await?.rows_affected())
    }

    /// How often a message was tried alone and came to no end: more often than can be counted if it is parked for that,
    /// and comes again.
    pub async fn tries(&self, content_hash: &[u8; 32]) -> Result<i32, StoreError> {
        let tries = sqlx::query_scalar!(
            r#"select case when exists (select from parked
                                         where content_hash = $1 and reason = $2
                                           and (done_at is null or done_outcome = 'discarded')) then $3
                           else coalesce((select tries from suspect where content_hash = $1), 0) end as "tries!""#,
            content_hash.as_slice(),
            ParkReason::Suspect.as_str(),
            i32::MAX,
        );
        Ok(tries.fetch_one(&self.pool).await?)
    }

    /// Notes the how manyth try of a message alone is about to be made. May be said again, where it isn't known whether
    /// it was heard.
    pub async fn count_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into suspect (content_hash, tries, last_try_at) values ($1, $2, now())
             on conflict (content_hash) do update
                set tries = greatest(suspect.tries, excluded.tries), last_try_at = now()",
            content_hash.as_slice(),
            tries,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a try came to no end, but not by death, unless it came through, or somebody else made another.
    pub async fn take_back_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        sqlx::query!(
            "update suspect set tries = tries - 1 where content_hash = $1 and tries = $2",
            content_hash.as_slice(),
            tries,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Forgets the tries of a message that came through, or that is parked now.
pub(super) async fn clear_tries(
    connection: &mut PgConnection,
    content_hash: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query!("delete from suspect where content_hash = $1", content_hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}
