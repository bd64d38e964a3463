//! Price lists and their versions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::super::rows::Table;
use super::super::{Snapshot, StoreError};
use crate::ledger::input::PriceLine;
use crate::ledger::moment::Timestamp;

/// A version of a price list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "PriceList")]
pub struct PriceListRow {
    /// Its place among all price lists of the ledger.
    pub number: i64,
    /// Whose it is; the default list where there is none.
    pub organization_id: Option<String>,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// From when it is in force, until another one is.
    pub starts_at: Timestamp,
    /// Credits by type.
    pub prices: BTreeMap<String, i64>,
    /// Which message brought it.
    pub source: String,
    /// The message's id.
    pub id: String,
    /// Who set it, where that was said.
    pub actor: Option<String>,
    /// Why, where that was said.
    pub reason: Option<String>,
}

struct PriceListColumns {
    number: i64,
    organization_id: Option<String>,
    arrived_at: OffsetDateTime,
    starts_at: OffsetDateTime,
    prices: Value,
    cause_source: String,
    cause_id: String,
    actor: Option<String>,
    note: Option<String>,
}

impl TryFrom<PriceListColumns> for PriceListRow {
    type Error = StoreError;
    fn try_from(row: PriceListColumns) -> Result<Self, StoreError> {
        let lines: Vec<PriceLine> = Table("price_list").json("prices", row.prices)?;
        let price = |line: PriceLine| (line.deliverable_type.to_string(), line.credits.0);
        Ok(Self {
            number: row.number,
            organization_id: row.organization_id,
            arrived_at: Timestamp::cut(row.arrived_at),
            starts_at: Timestamp::cut(row.starts_at),
            prices: lines.into_iter().map(price).collect(),
            source: row.cause_source,
            id: row.cause_id,
            actor: row.actor,
            reason: row.note,
        })
    }
}

impl Snapshot {
    /// The versions of an organization's own price list, or of the default one, in the order in which they are
    /// in force: of those that have started, the last.
    pub async fn price_lists(&mut self, organization: Option<&str>) -> Result<Vec<PriceListRow>, StoreError> {
        let rows = sqlx::query_as!(
            PriceListColumns,
            r#"select number, organization_id, arrived_at, starts_at, prices, cause_source, cause_id,
                      price_list.actor, inbox.note as "note?"
                 from price_list
                 left join inbox on inbox.source = cause_source and inbox.id = cause_id
                where coalesce(organization_id, '') = coalesce($1, '') order by starts_at, number"#,
            organization,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}
