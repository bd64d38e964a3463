//! What was made: assets by type.

use sqlx::PgConnection;

use super::super::StoreError;
use super::super::history::Stretch;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;

/// Assets of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetFigures {
    /// The type.
    pub asset_type: String,
    /// How many messages told of them.
    pub messages: i64,
    /// How many pieces.
    pub quantity: i64,
    /// How many of the pieces belong to projects, whose prices cover them.
    pub in_projects: i64,
    /// What the account was charged for the others.
    pub charged: Credits,
}

struct AssetColumns {
    asset_type: String,
    messages: i64,
    quantity: i64,
    in_projects: i64,
    charged: i64,
}

impl From<AssetColumns> for AssetFigures {
    fn from(row: AssetColumns) -> Self {
        let AssetColumns { asset_type, messages, quantity, in_projects, charged } = row;
        Self { asset_type, messages, quantity, in_projects, charged: Credits(charged) }
    }
}

/// A charge is booked along the account's chain with one number after the other, so that a pool's entry is the one
/// after its member's.
pub(super) async fn usage_assets(
    connection: &mut PgConnection,
    id: &AccountId,
    stretch: Stretch,
) -> Result<Vec<AssetFigures>, StoreError> {
    let from = stretch.from.map(Timestamp::to_offset_date_time);
    let before = stretch.before.map(Timestamp::to_offset_date_time);
    // Two statements and no `or`: one account's assets are found by their index, whatever the plan is made for.
    let rows = match id.pool_owner() {
        None => {
            let rows = sqlx::query_as!(
                AssetColumns,
                r#"select asset_type, count(*) as "messages!", sum(quantity)::bigint as "quantity!",
                          coalesce(sum(quantity) filter (where project_id is not null), 0)::bigint
                              as "in_projects!",
                          coalesce(sum(credits), 0)::bigint as "charged!"
                     from asset
                    where account_id = $1 and ($2::timestamptz is null or at >= $2)
                      and ($3::timestamptz is null or at < $3)
                    group by asset_type order by asset_type collate "C""#,
                id.as_str(),
                from,
                before,
            );
            rows.fetch_all(connection).await?
        }
        Some(organization) => {
            let rows = sqlx::query_as!(
                AssetColumns,
                r#"select asset_type, count(*) as "messages!", sum(quantity)::bigint as "quantity!",
                          coalesce(sum(quantity) filter (where asset.project_id is not null), 0)::bigint
                              as "in_projects!",
                          coalesce(sum(charge.credits), 0)::bigint as "charged!"
                     from asset
                     left join lateral (select credits from entry
                                         where entry.log_number = asset.log_number + 1 and account_id = $1
                                           and cause_source = source and cause_id = asset.id
                                         limit 1) charge on true
                    where organization_id = $4 and ($2::timestamptz is null or at >= $2)
                      and ($3::timestamptz is null or at < $3)
                    group by asset_type order by asset_type collate "C""#,
                id.as_str(),
                from,
                before,
                organization.as_str(),
            );
            rows.fetch_all(connection).await?
        }
    };
    Ok(rows.into_iter().map(AssetFigures::from).collect())
}

/// Those of one project, told by the account that they were made for.
pub(super) async fn project_assets(
    connection: &mut PgConnection,
    account: &AccountId,
    project: &ProjectId,
) -> Result<Vec<AssetFigures>, StoreError> {
    let rows = sqlx::query_as!(
        AssetColumns,
        r#"select asset_type, count(*) as "messages!", sum(quantity)::bigint as "quantity!",
                  sum(quantity)::bigint as "in_projects!", coalesce(sum(credits), 0)::bigint as "charged!"
             from asset where account_id = $1 and project_id = $2
            group by asset_type order by asset_type collate "C""#,
        account.as_str(),
        project.as_str(),
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(AssetFigures::from).collect())
}
