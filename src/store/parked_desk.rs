//! The desk at which people deal with parked messages: they are listed and counted, marked to be offered
//! again, or discarded.
//!
//! Who changes rows here locks the ledger's row first, as those do who decide messages: so nothing is
//! discarded while a daemon applies it, and there is no other order of locks to keep.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use time::OffsetDateTime;

use super::rows::Table;
use super::{Snapshot, Store, StoreError};
use crate::ledger::moment::Timestamp;

/// A parked message, told in a line.
#[derive(Clone, Debug, Serialize)]
pub struct ParkedSummary {
    /// Its number among the parked.
    pub id: i64,
    /// Why it is parked, for programs.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
    /// Its source, where that could be read.
    pub source: Option<String>,
    /// Its id, where that could be read.
    pub message_id: Option<String>,
    /// Its type, where that could be read.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// What would let it be applied by itself.
    pub waits_for: Option<String>,
    /// Whether a daemon is to offer it again.
    pub due: bool,
    /// How often it came.
    pub deliveries: i64,
    /// When it came first.
    pub received_at: Timestamp,
    /// When it was dealt with, if it was.
    pub done_at: Option<Timestamp>,
    /// How: `applied`, `stale`, `rejected`, `duplicate` or `discarded`.
    pub outcome: Option<String>,
    /// Who discarded it last; it may have been brought back since.
    pub discarded: Option<Discard>,
}

/// A person's word that a message is to have no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Discard {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Why.
    pub note: String,
}

impl ParkedSummary {
    /// The person's word that it is to have no effect, while that stands.
    pub fn standing_discard(&self) -> Option<&Discard> {
        self.discarded.as_ref().filter(|_| self.outcome.as_deref() == Some("discarded"))
    }
}

/// Which parked messages. What is `None` doesn't matter.
#[derive(Clone, Debug, Default)]
pub struct ParkedFilter {
    /// Parked for this reason.
    pub reason: Option<String>,
    /// Of this type, with its version.
    pub message_type: Option<String>,
    /// Waiting for this, such as `account:acme`.
    pub waits_for: Option<String>,
    /// That came first before this.
    pub received_before: Option<Timestamp>,
}

impl ParkedFilter {
    fn before(&self) -> Option<OffsetDateTime> {
        self.received_before.map(Timestamp::to_offset_date_time)
    }
}

/// How many messages are parked for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ParkedReason")]
pub struct ReasonCount {
    /// The reason.
    pub reason: String,
    /// How many.
    pub messages: i64,
    /// How many of them a daemon is to offer again.
    pub due: i64,
    /// When the oldest came.
    pub oldest: Timestamp,
    /// The lowest of their numbers.
    pub first_id: i64,
    /// The highest of their numbers.
    pub last_id: i64,
}

/// What became of a parked message that was offered again.
#[derive(Clone, Debug, Serialize)]
pub struct OfferResult {
    /// Its number among the parked.
    pub id: i64,
    /// `applied`, `stale`, `rejected`, `duplicate`, `discarded`, or `parked` again.
    pub outcome: String,
    /// Why it is parked again.
    pub reason: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// Its source, where that could be read.
    pub source: Option<String>,
    /// Its id, where that could be read.
    pub message_id: Option<String>,
}

/// A row of `parked`, without what came.
pub(super) struct ParkedColumns {
    pub(super) parked_id: i64,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) source: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) r#type: Option<String>,
    pub(super) waits_for: Option<String>,
    pub(super) due: bool,
    pub(super) deliveries: i64,
    pub(super) received_at: OffsetDateTime,
    pub(super) done_at: Option<OffsetDateTime>,
    pub(super) done_outcome: Option<String>,
    pub(super) discarded_at: Option<OffsetDateTime>,
    pub(super) actor: Option<String>,
    pub(super) note: Option<String>,
}

impl From<ParkedColumns> for ParkedSummary {
    fn from(row: ParkedColumns) -> Self {
        let discarded = match (row.discarded_at, row.actor, row.note) {
            (Some(at), Some(actor), Some(note)) => Some(Discard { at: Timestamp::cut(at), actor, note }),
            _ => None,
        };
        Self {
            id: row.parked_id,
            reason: row.reason,
            detail: row.detail,
            source: row.source,
            message_id: row.message_id,
            message_type: row.r#type,
            waits_for: row.waits_for,
            due: row.due && row.done_at.is_none(),
            deliveries: row.deliveries,
            received_at: Timestamp::cut(row.received_at),
            done_at: row.done_at.map(Timestamp::cut),
            outcome: row.done_outcome,
            discarded,
        }
    }
}

/// A transaction that deals with parked messages while nobody decides any. Dropped before [`Desk::commit`], it
/// leaves no trace.
pub struct Desk {
    transaction: Transaction<'static, Postgres>,
}

impl Snapshot {
    /// How many messages are parked for each reason, most first: those that nothing was done about yet, or
    /// with `done` the others.
    pub async fn parked_counts(
        &mut self,
        filter: &ParkedFilter,
        done: bool,
    ) -> Result<Vec<ReasonCount>, StoreError> {
        let rows = sqlx::query!(
            r#"select reason, count(*) as "messages!", count(*) filter (where due and done_at is null) as "due!",
                      min(received_at) as "oldest!", min(parked_id) as "first_id!", max(parked_id) as "last_id!"
                 from parked
                where (done_at is not null) = $5
                  and ($1::text is null or reason = $1) and ($2::text is null or type = $2)
                  and ($3::text is null or waits_for = $3) and ($4::timestamptz is null or received_at < $4)
                group by reason order by 2 desc, 1"#,
            filter.reason,
            filter.message_type,
            filter.waits_for,
            filter.before(),
            done,
        )
        .fetch_all(self.connection())
        .await?;
        let counted = rows.into_iter().map(|row| ReasonCount {
            reason: row.reason,
            messages: row.messages,
            due: row.due,
            oldest: Timestamp::cut(row.oldest),
            first_id: row.first_id,
            last_id: row.last_id,
        });
        Ok(counted.collect())
    }
}

impl Store {
    /// Parked messages, oldest first, `limit` at most: those that nothing was done about yet, or with `done`
    /// the others.
    pub async fn parked(
        &self,
        filter: &ParkedFilter,
        done: bool,
        limit: i64,
    ) -> Result<Vec<ParkedSummary>, StoreError> {
        let rows = sqlx::query_as!(
            ParkedColumns,
            "select parked_id, reason, detail, source, message_id, type, waits_for, due, deliveries, received_at,
                    done_at, done_outcome, discarded_at, actor, note
               from parked
              where (done_at is not null) = $5
                and ($1::text is null or reason = $1) and ($2::text is null or type = $2)
                and ($3::text is null or waits_for = $3) and ($4::timestamptz is null or received_at < $4)
              order by parked_id limit $6",
            filter.reason,
            filter.message_type,
            filter.waits_for,
            filter.before(),
            done,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// One parked message, with its envelope (routing key, content type, headers, properties) and its body.
    pub async fn parked_message(
        &self,
        id: i64,
    ) -> Result<Option<(ParkedSummary, Value, Vec<u8>)>, StoreError> {
        let row = sqlx::query!(
            r#"select parked_id, reason, detail, source, message_id, type, waits_for, due, deliveries,
                      received_at, done_at, done_outcome, discarded_at, actor, note,
                      envelope::text as "envelope!", body
                 from parked where parked_id = $1"#,
            id,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let envelope = serde_json::from_str(&row.envelope);
        let envelope = envelope.map_err(|error| Table("parked").unreadable("envelope", error))?;
        let summary = ParkedColumns {
            parked_id: row.parked_id,
            reason: row.reason,
            detail: row.detail,
            source: row.source,
            message_id: row.message_id,
            r#type: row.r#type,
            waits_for: row.waits_for,
            due: row.due,
            deliveries: row.deliveries,
            received_at: row.received_at,
            done_at: row.done_at,
            done_outcome: row.done_outcome,
            discarded_at: row.discarded_at,
            actor: row.actor,
            note: row.note,
        };
        Ok(Some((summary.into(), envelope, row.body)))
    }

    /// Those of `ids` that are no longer due, with what became of them, in their order.
    pub async fn offer_results(&self, ids: &[i64]) -> Result<Vec<OfferResult>, StoreError> {
        let rows = sqlx::query!(
            r#"select parked_id, coalesce(done_outcome, 'parked') as "outcome!", done_at is null as "again!",
                      reason, detail, source, message_id
                 from parked where parked_id = any($1) and not (due and done_at is null)
                order by parked_id"#,
            ids,
        )
        .fetch_all(&self.pool)
        .await?;
        let results = rows.into_iter().map(|row| OfferResult {
            id: row.parked_id,
            outcome: row.outcome,
            reason: row.again.then_some(row.reason),
            detail: row.again.then_some(row.detail),
            source: row.source,
            message_id: row.message_id,
        });
        Ok(results.collect())
    }

    /// Locks the ledger, to deal with parked messages; waits for who has it.
    pub async fn desk(&self) -> Result<Desk, StoreError> {
        let mut transaction = match self.pool.begin().await {
            Ok(transaction) => transaction,
            Err(error) => return Err(self.unreachable(error).await),
        };
        sqlx::query!("select version from ledger for update").fetch_one(&mut *transaction).await?;
        Ok(Desk { transaction })
    }
}

impl Desk {
    /// What is parked under these numbers, in their order.
    pub async fn messages(&mut self, ids: &[i64]) -> Result<Vec<ParkedSummary>, StoreError> {
        let rows = sqlx::query_as!(
            ParkedColumns,
            "select parked_id, reason, detail, source, message_id, type, waits_for, due, deliveries, received_at,
                    done_at, done_outcome, discarded_at, actor, note
               from parked where parked_id = any($1) order by parked_id",
            ids,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The numbers of what nothing was done about yet, after `after` and up to `through`, `limit` at most, but
    /// for what is parked for one of the reasons `without`.
    pub async fn page(
        &mut self,
        filter: &ParkedFilter,
        without: &[String],
        (after, through): (i64, i64),
        limit: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let ids = sqlx::query_scalar!(
            "select parked_id from parked
              where done_at is null and parked_id > $5 and parked_id <= $6 and reason <> all($7)
                and ($1::text is null or reason = $1) and ($2::text is null or type = $2)
                and ($3::text is null or waits_for = $3) and ($4::timestamptz is null or received_at < $4)
              order by parked_id limit $8",
            filter.reason,
            filter.message_type,
            filter.waits_for,
            filter.before(),
            after,
            through,
            without,
            limit,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(ids)
    }

    /// Marks these to be offered again by the daemon; what was discarded is brought back.
    pub async fn offer_again(&mut self, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query!(
            "update parked set due = true, done_at = null, done_outcome = null
              where parked_id = any($1) and (done_at is null and not due or done_outcome = 'discarded')",
            ids,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Marks what was parked because its type was unknown or could not be done, and that has one of `types`:
    /// `limit` at most, after `after`. Says which they are, in their order.
    pub async fn offer_types(
        &mut self,
        types: &[&str],
        after: i64,
        limit: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let types: Vec<_> = types.iter().map(|name| (*name).to_owned()).collect();
        let ids = sqlx::query_scalar!(
            "select parked_id from parked
              where reason in ('unknown_type', 'unsupported') and done_at is null and parked_id > $2
                and type = any($1)
              order by parked_id limit $3",
            &types,
            after,
            limit,
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        self.offer_again(&ids).await?;
        Ok(ids)
    }

    /// Says of those of these that nothing was done about yet that they are to have no effect.
    pub async fn discard(&mut self, ids: &[i64], actor: &str, note: &str) -> Result<(), StoreError> {
        // Whoever decides by what was discarded before is to hear of it.
        sqlx::query!("update ledger set version = version + 1").execute(&mut *self.transaction).await?;
        sqlx::query!(
            "update parked
                set due = false, offers = 0, done_at = now(), done_outcome = 'discarded', discarded_at = now(),
                    actor = $2, note = $3
              where parked_id = any($1) and done_at is null",
            ids,
            actor,
            note,
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Makes it all stand.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        Ok(())
    }
}
