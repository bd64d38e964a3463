//! What was made and briefed: assets by type, and projects.

use sqlx::PgConnection;

use super::super::StoreError;
use super::super::history::Stretch;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
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

/// Projects, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BriefedFigures {
    /// How many projects the account has in all.
    pub projects: i64,
    /// How many were briefed in the stretch.
    pub briefed: i64,
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

/// A project is briefed once it has left the first status of the table (such as `draft`), or has ever held credits
/// or waited for some. When that was is told by the first line of the log about it, so that it counts where its
/// credits do, else by when it came to the status that it is in.
pub(super) async fn usage_briefed(
    connection: &mut PgConnection,
    id: &AccountId,
    stretch: Stretch,
) -> Result<BriefedFigures, StoreError> {
    let organization = id.pool_owner();
    if stretch == Stretch::default() {
        return ever_briefed(connection, id, organization.as_ref()).await;
    }
    let row = sqlx::query!(
        r#"select count(*) as "projects!",
                  count(*) filter (where briefed_at is not null
                                     and ($3::timestamptz is null or briefed_at >= $3)
                                     and ($4::timestamptz is null or briefed_at < $4)) as "briefed!"
             from (select coalesce(
                              least((select at from entry where entry.project_id = project.project_id
                                      order by log_number limit 1),
                                    (select at from notice
                                      where kind = 'hold' and body ->> 'project_id' = project.project_id
                                      order by log_number limit 1)),
                              case when stage > 0 or effect <> 'none' then status_since end) as briefed_at
                     from project
                    where account_id = any(select $1::text
                                           union all
                                           select account_id from account
                                            where organization_id = $2 and kind <> 'standalone')) told"#,
        id.as_str(),
        organization.as_ref().map(OrganizationId::as_str),
        stretch.from.map(Timestamp::to_offset_date_time),
        stretch.before.map(Timestamp::to_offset_date_time),
    )
    .fetch_one(connection)
    .await?;
    Ok(BriefedFigures { projects: row.projects, briefed: row.briefed })
}

/// As [`usage_briefed`], whenever it was: most projects tell it by their status, and the log is asked for the others
/// alone. The questions to the log are no `exists`, which could be planned as a walk through all of it.
async fn ever_briefed(
    connection: &mut PgConnection,
    id: &AccountId,
    organization: Option<&OrganizationId>,
) -> Result<BriefedFigures, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "projects!",
                  count(*) filter (
                      where stage > 0 or effect <> 'none'
                         or (select true from entry where entry.project_id = project.project_id limit 1) is true
                         or (select true from notice
                              where kind = 'hold' and body ->> 'project_id' = project.project_id
                              limit 1) is true) as "briefed!"
             from project
            where account_id = any(select $1::text
                                   union all
                                   select account_id from account
                                    where organization_id = $2 and kind <> 'standalone')"#,
        id.as_str(),
        organization.map(OrganizationId::as_str),
    )
    .fetch_one(connection)
    .await?;
    Ok(BriefedFigures { projects: row.projects, briefed: row.briefed })
}
