//! Writing what a batch changed, one statement a table.
//!
//! The rows come as arrays, a column each, and are unnested in the select list: all in step. In the FROM clause each
//! array would be written to a store of its own first.

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::StoreError;
use super::versions::{self, Stored};
use crate::ledger::account::{Account, OnInsufficient, Organization};
use crate::ledger::alert::Raised;
use crate::ledger::books::{Changes, LedgerState, LogRecord};
use crate::ledger::digest;
use crate::ledger::entry::Entry;
use crate::ledger::grant::Grant;
use crate::ledger::input::{AssetRecord, Price};
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::notice::Notice;
use crate::ledger::price::PriceList;
use crate::ledger::project::Project;
use crate::ledger::settings::Settings;

/// Writes accounts, organizations, projects, entries and notices.
pub(super) async fn books(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    let (mut entries, mut notices) = (Vec::new(), Vec::new());
    for record in &changes.log {
        match record {
            LogRecord::Entry(entry) => entries.push(entry),
            LogRecord::Notice(notice) => notices.push(notice),
        }
    }
    save_organizations(connection, &changes.organizations).await?;
    save_accounts(connection, &changes.accounts).await?;
    save_projects(connection, &changes.projects, &changes.ledger.settings).await?;
    save_grants(connection, &changes.grants).await?;
    save_price_lists(connection, &changes.price_lists).await?;
    insert_assets(connection, &changes.assets).await?;
    insert_entries(connection, &entries).await?;
    insert_notices(connection, &notices).await
}

/// Writes the ledger's own row.
pub(super) async fn ledger(
    connection: &mut PgConnection,
    ledger: &LedgerState,
    last_at: Timestamp,
) -> Result<(), StoreError> {
    // The settings are large and seldom change: they are written when their number does.
    sqlx::query!(
        "update ledger
            set version = version + 1, log_last = $1, ticket_last = $2, price_list_last = $6, last_at = $3,
                settings = case when settings_number = $4 then settings else $5 end,
                settings_number = $4",
        ledger.log_last.0,
        ledger.ticket_last.0,
        last_at.to_offset_date_time(),
        ledger.settings_number,
        as_json(&*ledger.settings),
        ledger.price_list_last,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn as_json<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).expect("settings, rules and prices are plain JSON")
}

/// One column of many rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

async fn save_organizations(connection: &mut PgConnection, rows: &[Organization]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into organization (organization_id, name, contact, alert_rules, versions)
         select unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), unnest($4::jsonb[]),
                unnest($5::jsonb[])
         on conflict (organization_id) do update
            set name = excluded.name, contact = excluded.contact, alert_rules = excluded.alert_rules,
                versions = excluded.versions",
        &column(rows, |row| row.id.to_string()),
        &column(rows, |row| text(row.name.get().as_deref())) as &[Option<String>],
        &column(rows, |row| text(row.contact.get().as_deref())) as &[Option<String>],
        &column(rows, |row| row.alert_rules.get().as_ref().map(as_json)) as &[Option<Value>],
        &column(rows, |row| versions::to_json(row.versions())) as &[Json<Stored>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_accounts(connection: &mut PgConnection, rows: &[Account]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into account (account_id, kind, organization_id, name, contact, capacity, allocation, mode,
                on_insufficient, overdraft_limit, alert_rules, versions, plan, total, held, consumed,
                queued_projects, queued_credits, entries, alerts, holds, digest, raised, closed, promised,
                stale_holds, open_grants, expiring_grants, transfers_rejected)
         select unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
                unnest($5::text[]), unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::text[]),
                unnest($9::text[]), unnest($10::bigint[]), unnest($11::jsonb[]), unnest($12::jsonb[]),
                unnest($13::bigint[]), unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]),
                unnest($17::bigint[]), unnest($18::bigint[]), unnest($19::bigint[]), unnest($20::bigint[]),
                unnest($21::bigint[]), unnest($22::bytea[]), unnest($23::jsonb[]), unnest($24::boolean[]),
                unnest($25::bigint[]), unnest($26::bigint[]), unnest($27::bigint[]), unnest($28::bigint[]),
                unnest($29::bigint[])
         on conflict (account_id) do update
            set kind = excluded.kind, organization_id = excluded.organization_id, name = excluded.name,
                contact = excluded.contact, capacity = excluded.capacity, allocation = excluded.allocation,
                mode = excluded.mode, on_insufficient = excluded.on_insufficient,
                overdraft_limit = excluded.overdraft_limit, alert_rules = excluded.alert_rules,
                versions = excluded.versions, plan = excluded.plan, total = excluded.total,
                held = excluded.held, consumed = excluded.consumed,
                queued_projects = excluded.queued_projects, queued_credits = excluded.queued_credits,
                entries = excluded.entries, alerts = excluded.alerts, holds = excluded.holds,
                digest = excluded.digest, raised = excluded.raised, closed = excluded.closed,
                promised = excluded.promised, stale_holds = excluded.stale_holds,
                open_grants = excluded.open_grants, expiring_grants = excluded.expiring_grants,
                transfers_rejected = excluded.transfers_rejected",
        &column(rows, |row| row.id.to_string()),
        &column(rows, |row| row.kind.get().as_str().to_owned()),
        &column(rows, |row| text(row.organization_id.get().as_ref())) as &[Option<String>],
        &column(rows, |row| text(row.name.get().as_deref())) as &[Option<String>],
        &column(rows, |row| text(row.contact.get().as_deref())) as &[Option<String>],
        &column(rows, |row| row.capacity.get().0),
        &column(rows, |row| row.allocation.get().0),
        &column(rows, |row| row.mode.get().as_str().to_owned()),
        &column(rows, |row| text(row.on_insufficient.get().map(OnInsufficient::as_str)))
            as &[Option<String>],
        &column(rows, |row| row.overdraft_limit.get().0),
        &column(rows, |row| row.alert_rules.get().as_ref().map(as_json)) as &[Option<Value>],
        &column(rows, |row| versions::to_json(row.versions())) as &[Json<Stored>],
        &column(rows, |row| row.plan.0),
        &column(rows, |row| row.balance.total.0),
        &column(rows, |row| row.balance.held.0),
        &column(rows, |row| row.balance.consumed.0),
        &column(rows, |row| row.queued.projects),
        &column(rows, |row| row.queued.credits.0),
        &column(rows, |row| row.sequences.entries),
        &column(rows, |row| row.sequences.alerts),
        &column(rows, |row| row.sequences.holds),
        &column(rows, |row| row.digest.0.to_vec()),
        &column(rows, |row| Json(&row.raised)) as &[Json<&Vec<Raised>>],
        &column(rows, |row| *row.closed.get()),
        &column(rows, |row| row.tallies.promised.0),
        &column(rows, |row| row.tallies.stale_holds),
        &column(rows, |row| row.tallies.open_grants),
        &column(rows, |row| row.tallies.expiring_grants),
        &column(rows, |row| row.sequences.transfers_rejected),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_projects(
    connection: &mut PgConnection,
    rows: &[Project],
    settings: &Settings,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let limit_min = settings.statuses.iter().filter_map(|rule| settings.stale_after(&rule.status)).min();
    let chain = |row: &Project| row.chain.clone().expect("a project that is saved has an account");
    sqlx::query!(
        "insert into project (project_id, account_id, status, effect, stage, price_said, price_credits,
                final_credits, name, versions, mode, chain_account, chain_pool, held, consumed, ticket,
                waiting_since, aside, refused, state, wanted, status_since, stale_since, released_from,
                unpriced_since, stale_check_at)
         select unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
                unnest($5::integer[]), unnest($6::jsonb[]), unnest($7::bigint[]), unnest($8::bigint[]),
                unnest($9::text[]), unnest($10::jsonb[]), unnest($11::text[]), unnest($12::text[]),
                unnest($13::text[]), unnest($14::bigint[]), unnest($15::bigint[]), unnest($16::bigint[]),
                unnest($17::timestamptz[]), unnest($18::boolean[]), unnest($19::bigint[]),
                unnest($20::text[]), unnest($21::bigint[]), unnest($22::timestamptz[]),
                unnest($23::timestamptz[]), unnest($24::jsonb[]), unnest($25::timestamptz[]),
                unnest($26::timestamptz[])
         on conflict (project_id) do update
            set account_id = excluded.account_id, status = excluded.status, effect = excluded.effect,
                stage = excluded.stage, price_said = excluded.price_said,
                price_credits = excluded.price_credits, final_credits = excluded.final_credits,
                name = excluded.name, versions = excluded.versions, mode = excluded.mode,
                chain_account = excluded.chain_account, chain_pool = excluded.chain_pool,
                held = excluded.held, consumed = excluded.consumed, ticket = excluded.ticket,
                waiting_since = excluded.waiting_since, aside = excluded.aside,
                refused = excluded.refused, state = excluded.state, wanted = excluded.wanted,
                status_since = excluded.status_since, stale_since = excluded.stale_since,
                released_from = excluded.released_from, unpriced_since = excluded.unpriced_since,
                -- Seldom changed, so that a new status alone touches no index.
                stale_check_at = case when excluded.held > 0
                                      then least(project.stale_check_at, excluded.stale_check_at) end",
        &column(rows, |row| row.id.to_string()),
        &column(rows, |row| text(row.account.get().as_ref()).unwrap_or_default()),
        &column(rows, |row| row.status.get().as_ref().map(|status| status.name.to_string()))
            as &[Option<String>],
        &column(rows, |row| row.status.get().as_ref().map(|status| status.effect.as_str().to_owned()))
            as &[Option<String>],
        &column(rows, |row| row.status.get().as_ref().map(|status| i32::from(status.stage)))
            as &[Option<i32>],
        &column(rows, |row| row.price.get().as_ref().map(|tag| Json(&tag.said))) as &[Option<Json<&Price>>],
        &column(rows, |row| row.credits().map(|credits| credits.0)) as &[Option<i64>],
        &column(rows, |row| row.final_credits.get().map(|credits| credits.0)) as &[Option<i64>],
        &column(rows, |row| text(row.name.get().as_deref())) as &[Option<String>],
        &column(rows, |row| versions::to_json(row.versions())) as &[Json<Stored>],
        &column(rows, |row| row.mode.as_str().to_owned()),
        &column(rows, |row| chain(row).account.to_string()),
        &column(rows, |row| text(chain(row).pool)) as &[Option<String>],
        &column(rows, |row| row.held.0),
        &column(rows, |row| row.consumed.0),
        &column(rows, |row| row.claim.map(|claim| claim.ticket.0)) as &[Option<i64>],
        &column(rows, |row| row.claim.map(|claim| claim.since.to_offset_date_time()))
            as &[Option<OffsetDateTime>],
        &column(rows, |row| row.claim.map(|claim| claim.aside)) as &[Option<bool>],
        &column(rows, |row| row.refused.map(|credits| credits.0)) as &[Option<i64>],
        &column(rows, |row| row.state().as_str().to_owned()),
        &column(rows, |row| row.target().held.0),
        &column(rows, |row| row.status_since.map(Timestamp::to_offset_date_time))
            as &[Option<OffsetDateTime>],
        &column(rows, |row| row.stale_since.map(Timestamp::to_offset_date_time))
            as &[Option<OffsetDateTime>],
        &column(rows, |row| row.released_from.as_ref().map(as_json)) as &[Option<Value>],
        &column(rows, |row| row.unpriced_since.map(Timestamp::to_offset_date_time))
            as &[Option<OffsetDateTime>],
        &column(rows, |row| check_at(row, limit_min).map(Timestamp::to_offset_date_time))
            as &[Option<OffsetDateTime>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Before when its hold can't be stale, whatever status follows, where it holds credits and any status has a limit.
fn check_at(project: &Project, limit_min: Option<Micros>) -> Option<Timestamp> {
    if !project.held.is_positive() {
        return None;
    }
    Some(project.status_since? + limit_min?)
}

/// Has every hold looked at anew whether it is stale, as new limits may have it.
pub(super) async fn check_all_for_staleness(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("update project set stale_check_at = status_since where held > 0")
        .execute(connection)
        .await?;
    Ok(())
}

async fn save_grants(connection: &mut PgConnection, rows: &[Grant]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into credit_grant (log_number, account_id, credits, credits_left, expires_at, warned, closed)
         select unnest($1::bigint[]), unnest($2::text[]), unnest($3::bigint[]), unnest($4::bigint[]),
                unnest($5::timestamptz[]), unnest($6::boolean[]), unnest($7::boolean[])
         on conflict (log_number) do update
            set credits_left = excluded.credits_left, warned = excluded.warned, closed = excluded.closed",
        &column(rows, |row| row.number.0),
        &column(rows, |row| row.account_id.to_string()),
        &column(rows, |row| row.credits.0),
        &column(rows, |row| row.left.0),
        &column(rows, |row| row.expires_at.to_offset_date_time()),
        &column(rows, |row| row.warned),
        &column(rows, |row| row.closed),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_price_lists(connection: &mut PgConnection, rows: &[PriceList]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into price_list (number, organization_id, arrived_at, starts_at, started, prices,
                cause_source, cause_id, cause_type, actor)
         select unnest($1::bigint[]), unnest($2::text[]), unnest($3::timestamptz[]),
                unnest($4::timestamptz[]), unnest($5::boolean[]), unnest($6::jsonb[]), unnest($7::text[]),
                unnest($8::text[]), unnest($9::text[]), unnest($10::text[])
         on conflict (number) do update set started = excluded.started",
        &column(rows, |row| row.number),
        &column(rows, |row| text(row.organization_id.as_ref())) as &[Option<String>],
        &column(rows, |row| row.arrived_at.to_offset_date_time()),
        &column(rows, |row| row.starts_at.to_offset_date_time()),
        &column(rows, |row| row.started),
        &column(rows, |row| as_json(&row.prices)),
        &column(rows, |row| row.cause.key.source.to_string()),
        &column(rows, |row| row.cause.key.id.to_string()),
        &column(rows, |row| row.cause.message_type.to_string()),
        &column(rows, |row| text(row.actor.as_deref())) as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_assets(connection: &mut PgConnection, rows: &[AssetRecord]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into asset (source, id, account_id, organization_id, project_id, asset_type, quantity,
                credits, log_number, at)
         select unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
                unnest($5::text[]), unnest($6::text[]), unnest($7::bigint[]), unnest($8::bigint[]),
                unnest($9::bigint[]), unnest($10::timestamptz[])",
        &column(rows, |row| row.cause.key.source.to_string()),
        &column(rows, |row| row.cause.key.id.to_string()),
        &column(rows, |row| row.asset.account_id.to_string()),
        &column(rows, |row| text(row.organization_id.as_ref())) as &[Option<String>],
        &column(rows, |row| text(row.asset.project_id.as_ref())) as &[Option<String>],
        &column(rows, |row| row.asset.asset_type.to_string()),
        &column(rows, |row| row.asset.quantity),
        &column(rows, |row| row.charge.map(|(credits, _)| credits.0)) as &[Option<i64>],
        &column(rows, |row| row.charge.map(|(_, entry)| entry.0)) as &[Option<i64>],
        &column(rows, |row| row.at.to_offset_date_time()),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_entries(connection: &mut PgConnection, rows: &[&Entry]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into entry (log_number, account_id, organization_id, sequence, at, kind, from_side, to_side,
                credits, project_id, total, held, consumed, cause_source, cause_id, cause_type, traceparent,
                reason, actor, layout, digest)
         select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]), unnest($4::bigint[]),
                unnest($5::timestamptz[]), unnest($6::text[]), unnest($7::text[]), unnest($8::text[]),
                unnest($9::bigint[]), unnest($10::text[]), unnest($11::bigint[]), unnest($12::bigint[]),
                unnest($13::bigint[]), unnest($14::text[]), unnest($15::text[]), unnest($16::text[]),
                unnest($17::text[]), unnest($18::text[]), unnest($19::text[]), unnest($20::smallint[]),
                unnest($21::bytea[])",
        &column(rows, |row| row.number.0),
        &column(rows, |row| row.account_id.to_string()),
        &column(rows, |row| text(row.organization_id.as_ref())) as &[Option<String>],
        &column(rows, |row| row.sequence),
        &column(rows, |row| row.at.to_offset_date_time()),
        &column(rows, |row| row.kind.as_str().to_owned()),
        &column(rows, |row| row.from.as_str().to_owned()),
        &column(rows, |row| row.to.as_str().to_owned()),
        &column(rows, |row| row.credits.0),
        &column(rows, |row| text(row.project_id.as_ref())) as &[Option<String>],
        &column(rows, |row| row.balance.total.0),
        &column(rows, |row| row.balance.held.0),
        &column(rows, |row| row.balance.consumed.0),
        &column(rows, |row| row.cause.key.source.to_string()),
        &column(rows, |row| row.cause.key.id.to_string()),
        &column(rows, |row| row.cause.message_type.to_string()),
        &column(rows, |row| text(row.cause.traceparent.as_deref())) as &[Option<String>],
        &column(rows, |row| text(row.reason.as_deref())) as &[Option<String>],
        &column(rows, |row| text(row.actor.as_deref())) as &[Option<String>],
        &column(rows, |_| digest::LAYOUT),
        &column(rows, |row| row.digest.0.to_vec()),
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_notices(connection: &mut PgConnection, rows: &[&Notice]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into notice (log_number, account_id, organization_id, kind, sequence, at, cause_source,
                cause_id, cause_type, traceparent, body)
         select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]),
                unnest($5::bigint[]), unnest($6::timestamptz[]), unnest($7::text[]), unnest($8::text[]),
                unnest($9::text[]), unnest($10::text[]), unnest($11::jsonb[])",
        &column(rows, |row| row.number.0),
        &column(rows, |row| row.account_id.to_string()),
        &column(rows, |row| text(row.organization_id.as_ref())) as &[Option<String>],
        &column(rows, |row| row.body.kind().as_str().to_owned()),
        &column(rows, |row| row.sequence),
        &column(rows, |row| row.at.to_offset_date_time()),
        &column(rows, |row| row.cause.key.source.to_string()),
        &column(rows, |row| row.cause.key.id.to_string()),
        &column(rows, |row| row.cause.message_type.to_string()),
        &column(rows, |row| text(row.cause.traceparent.as_deref())) as &[Option<String>],
        &column(rows, |row| as_json(&row.body)),
    )
    .execute(connection)
    .await?;
    Ok(())
}
