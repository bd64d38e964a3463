//! Writing what a batch received and changed: the books and the inbox in one statement.

use std::ops::Deref;

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::StoreError;
use super::batch::{LedgerRow, Received};
use super::inbox::{self, InboxRow};
use super::writes::Writes;
use super::{parked, versions};
use crate::ledger::account::{Account, Chain, OnInsufficient, Organization};
use crate::ledger::books::{Changes, LogRecord};
use crate::ledger::digest;
use crate::ledger::entry::Entry;
use crate::ledger::grant::Grant;
use crate::ledger::ids::{AccountId, MessageKey, OrganizationId, ProjectId};
use crate::ledger::input::AssetRecord;
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::notice::Notice;
use crate::ledger::outcome::WaitsFor;
use crate::ledger::price::PriceList;
use crate::ledger::project::Project;
use crate::ledger::settings::Settings;

/// What a batch received and what it changed, made up to be written.
pub(super) struct Prepared<R> {
    writes: Writes,
    received: R,
    settings_changed: bool,
    appeared: Vec<WaitsFor>,
    now: Timestamp,
}

/// Makes it up: the ledger's row is `before` and becomes `after`, and `unseen` are messages that are expected to be new.
pub(super) fn prepare<R: Deref<Target = Received>>(
    before: &LedgerRow,
    after: &LedgerRow,
    received: R,
    changes: &Changes,
    unseen: &[MessageKey],
) -> Prepared<R> {
    let own: Vec<_> = changes.own.iter().map(|(input, decision)| InboxRow::of_own(input, decision)).collect();
    let mut writes = ledger(before, after, unseen);
    inbox::insert(&mut writes, &own.iter().chain(&received.first).collect::<Vec<_>>(), &received.repeated);
    books(&mut writes, changes);
    Prepared {
        writes,
        received,
        settings_changed: after.settings_number != before.settings_number,
        appeared: changes.appeared.clone(),
        now: after.last_at,
    }
}

impl<R: Deref<Target = Received>> Prepared<R> {
    /// Whether it takes more than one statement, and so a transaction.
    pub(super) fn takes_more_than_one(&self) -> bool {
        let Received {
            first: _,
            repeated: _,
            came_again,
            parcels,
            offered,
            decided_before,
            no_longer_suspect,
        } = &*self.received;
        self.settings_changed
            || !(came_again.is_empty()
                && parcels.is_empty()
                && offered.is_empty()
                && decided_before.is_empty()
                && no_longer_suspect.is_empty()
                && self.appeared.is_empty())
    }

    /// Writes it. Where another transaction changed the ledger's row meanwhile, or one of the messages that were
    /// expected to be new was decided or discarded before, nothing at all is written and that is
    /// [`StoreError::Overtaken`].
    pub(super) async fn execute(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if !self.writes.execute(connection).await? {
            return Err(StoreError::Overtaken);
        }
        if self.settings_changed {
            check_all_for_staleness(connection).await?;
        }
        parked(connection, &self.received, &self.appeared, self.now).await
    }
}

/// What becomes of parked messages: one after the other, since the same may be parked, come again and be due.
async fn parked(
    connection: &mut PgConnection,
    received: &Received,
    appeared: &[WaitsFor],
    now: Timestamp,
) -> Result<(), StoreError> {
    parked::insert(connection, &received.parcels).await?;
    parked::count(connection, &received.came_again).await?;
    parked::decided_before(connection, &received.decided_before, now).await?;
    for (parked_id, key, decision) in &received.offered {
        parked::offered(connection, *parked_id, &decision.outcome, now).await?;
        if let Some(key) = key {
            inbox::update(connection, key, &decision.outcome, decision.log).await?;
        }
    }
    for content_hash in &received.no_longer_suspect {
        parked::clear_tries(connection, content_hash).await?;
    }
    parked::mark_due(connection, appeared).await
}

/// Begins with the ledger's own row, which is the guard of all others.
fn ledger(before: &LedgerRow, after: &LedgerRow, unseen: &[MessageKey]) -> Writes {
    // `offset 0` keeps the look-ups by key: joined, stale statistics could have all rows read for each batch.
    let guard = "update ledger
                    set version = $1, log_last = $2, ticket_last = $3, price_list_last = $4, last_at = $5,
                        settings_number = $6, settings = coalesce($7, settings)
                  where version = $8 and last_at = $9 and log_last = $10
                    and not exists (
                        select from (select unnest($11) as source, unnest($12) as id) asked
                         cross join lateral (
                               select from inbox where source = asked.source and id = asked.id
                               union all
                               select from parked
                                where source = asked.source and message_id = asked.id
                                  and done_outcome = 'discarded'
                               offset 0) known)";
    // The settings are large and seldom change.
    let settings = after.settings.as_ref().filter(|_| after.settings_number != before.settings_number);
    Writes::guarded_by(guard, |writes| {
        writes.bind(after.version);
        writes.bind(after.log_last.0);
        writes.bind(after.ticket_last.0);
        writes.bind(after.price_list_last);
        writes.bind(after.last_at.to_offset_date_time());
        writes.bind(after.settings_number);
        writes.bind(settings.map(|settings| as_json(&**settings)));
        writes.bind(before.version);
        writes.bind(before.last_at.to_offset_date_time());
        writes.bind(before.log_last.0);
        writes.bind(unseen.iter().map(|key| &*key.source).collect::<Vec<_>>());
        writes.bind(unseen.iter().map(|key| &*key.id).collect::<Vec<_>>());
    })
}

/// Adds accounts, organizations, projects, entries, notices and what else the books have.
fn books(writes: &mut Writes, changes: &Changes) {
    let (mut entries, mut notices) = (Vec::new(), Vec::new());
    for record in &changes.log {
        match record {
            LogRecord::Entry(entry) => entries.push(entry),
            LogRecord::Notice(notice) => notices.push(notice),
        }
    }
    save_organizations(writes, &changes.organizations);
    save_accounts(writes, &changes.accounts);
    save_projects(writes, &changes.projects, &changes.ledger.settings);
    save_grants(writes, &changes.grants);
    save_price_lists(writes, &changes.price_lists);
    insert_assets(writes, &changes.assets);
    insert_entries(writes, &entries);
    insert_notices(writes, &notices);
}

fn as_json<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).expect("settings, rules and prices are plain JSON")
}

fn save_organizations(writes: &mut Writes, rows: &[Organization]) {
    writes
        .rows("organization", rows)
        .column("organization_id", |row| row.id.as_str())
        .column("name", |row| row.name.get().as_deref())
        .column("contact", |row| row.contact.get().as_deref())
        .column("alert_rules", |row| row.alert_rules.get().as_ref().map(as_json))
        .column("versions", |row| versions::to_json(row.versions()))
        .upsert("organization_id");
}

fn save_accounts(writes: &mut Writes, rows: &[Account]) {
    writes
        .rows("account", rows)
        .column("account_id", |row| row.id.as_str())
        .column("kind", |row| row.kind.get().as_str())
        .column("organization_id", |row| row.organization_id.get().as_ref().map(OrganizationId::as_str))
        .column("name", |row| row.name.get().as_deref())
        .column("contact", |row| row.contact.get().as_deref())
        .column("capacity", |row| row.capacity.get().0)
        .column("allocation", |row| row.allocation.get().0)
        .column("mode", |row| row.mode.get().as_str())
        .column("on_insufficient", |row| row.on_insufficient.get().map(OnInsufficient::as_str))
        .column("overdraft_limit", |row| row.overdraft_limit.get().0)
        .column("alert_rules", |row| row.alert_rules.get().as_ref().map(as_json))
        .column("versions", |row| versions::to_json(row.versions()))
        .column("plan", |row| row.plan.0)
        .column("total", |row| row.balance.total.0)
        .column("held", |row| row.balance.held.0)
        .column("consumed", |row| row.balance.consumed.0)
        .column("queued_projects", |row| row.queued.projects)
        .column("queued_credits", |row| row.queued.credits.0)
        .column("entries", |row| row.sequences.entries)
        .column("alerts", |row| row.sequences.alerts)
        .column("holds", |row| row.sequences.holds)
        .column("digest", |row| row.digest.0.as_slice())
        .column("raised", |row| Json(&row.raised))
        .column("closed", |row| *row.closed.get())
        .column("promised", |row| row.tallies.promised.0)
        .column("stale_holds", |row| row.tallies.stale_holds)
        .column("open_grants", |row| row.tallies.open_grants)
        .column("expiring_grants", |row| row.tallies.expiring_grants)
        .column("transfers_rejected", |row| row.sequences.transfers_rejected)
        .upsert("account_id");
}

fn save_projects(writes: &mut Writes, rows: &[Project], settings: &Settings) {
    let limit_min = settings.statuses.iter().filter_map(|rule| settings.stale_after(&rule.status)).min();

    writes
        .rows("project", rows)
        .column("project_id", |row| row.id.as_str())
        .column("account_id", |row| row.account.get().as_ref().map_or("", AccountId::as_str))
        .column("status", |row| row.status.get().as_ref().map(|status| &*status.name))
        .column("effect", |row| row.status.get().as_ref().map(|status| status.effect.as_str()))
        .column("stage", |row| row.status.get().as_ref().map(|status| i32::from(status.stage)))
        .column("price_said", |row| row.price.get().as_ref().map(|tag| Json(&tag.said)))
        .column("price_credits", |row| row.credits().map(|credits| credits.0))
        .column("final_credits", |row| row.final_credits.get().map(|credits| credits.0))
        .column("name", |row| row.name.get().as_deref())
        .column("versions", |row| versions::to_json(row.versions()))
        .column("mode", |row| row.mode.as_str())
        .column("chain_account", |row| chain(row).account.as_str())
        .column("chain_pool", |row| chain(row).pool.as_ref().map(AccountId::as_str))
        .column("held", |row| row.held.0)
        .column("consumed", |row| row.consumed.0)
        .column("ticket", |row| row.claim.map(|claim| claim.ticket.0))
        .column("waiting_since", |row| row.claim.map(|claim| claim.since.to_offset_date_time()))
        .column("aside", |row| row.claim.map(|claim| claim.aside))
        .column("refused", |row| row.refused.map(|credits| credits.0))
        .column("state", |row| row.state().as_str())
        .column("wanted", |row| row.target().held.0)
        .column("status_since", |row| row.status_since.map(Timestamp::to_offset_date_time))
        .column("stale_since", |row| row.stale_since.map(Timestamp::to_offset_date_time))
        .column("released_from", |row| row.released_from.as_ref().map(as_json))
        .column("unpriced_since", |row| row.unpriced_since.map(Timestamp::to_offset_date_time))
        // Seldom changed, so that a new status alone touches no index.
        .derived(
            "stale_check_at",
            "case when excluded.held > 0 then least(project.stale_check_at, excluded.stale_check_at) end",
            |row| check_at(row, limit_min).map(Timestamp::to_offset_date_time),
        )
        .upsert("project_id");
}

fn save_grants(writes: &mut Writes, rows: &[Grant]) {
    writes
        .rows("credit_grant", rows)
        .column("log_number", |row| row.number.0)
        .fixed("account_id", |row| row.account_id.as_str())
        .fixed("credits", |row| row.credits.0)
        .column("credits_left", |row| row.left.0)
        .fixed("expires_at", |row| row.expires_at.to_offset_date_time())
        .column("warned", |row| row.warned)
        .column("closed", |row| row.closed)
        .upsert("log_number");
}

fn save_price_lists(writes: &mut Writes, rows: &[PriceList]) {
    writes
        .rows("price_list", rows)
        .column("number", |row| row.number)
        .fixed("organization_id", |row| row.organization_id.as_ref().map(OrganizationId::as_str))
        .fixed("arrived_at", |row| row.arrived_at.to_offset_date_time())
        .fixed("starts_at", |row| row.starts_at.to_offset_date_time())
        .column("started", |row| row.started)
        .fixed("prices", |row| as_json(&row.prices))
        .fixed("cause_source", |row| &*row.cause.key.source)
        .fixed("cause_id", |row| &*row.cause.key.id)
        .fixed("cause_type", |row| &*row.cause.message_type)
        .fixed("actor", |row| row.actor.as_deref())
        .upsert("number");
}

fn insert_assets(writes: &mut Writes, rows: &[AssetRecord]) {
    writes
        .rows("asset", rows)
        .column("source", |row| &*row.cause.key.source)
        .column("id", |row| &*row.cause.key.id)
        .column("account_id", |row| row.asset.account_id.as_str())
        .column("organization_id", |row| row.organization_id.as_ref().map(OrganizationId::as_str))
        .column("project_id", |row| row.asset.project_id.as_ref().map(ProjectId::as_str))
        .column("asset_type", |row| &*row.asset.asset_type)
        .column("quantity", |row| row.asset.quantity)
        .column("credits", |row| row.charge.map(|(credits, _)| credits.0))
        .column("log_number", |row| row.charge.map(|(_, entry)| entry.0))
        .column("at", |row| row.at.to_offset_date_time())
        .insert();
}

fn insert_entries(writes: &mut Writes, rows: &[&Entry]) {
    writes
        .rows("entry", rows)
        .column("log_number", |row| row.number.0)
        .column("account_id", |row| row.account_id.as_str())
        .column("organization_id", |row| row.organization_id.as_ref().map(OrganizationId::as_str))
        .column("sequence", |row| row.sequence)
        .column("at", |row| row.at.to_offset_date_time())
        .column("kind", |row| row.kind.as_str())
        .column("from_side", |row| row.from.as_str())
        .column("to_side", |row| row.to.as_str())
        .column("credits", |row| row.credits.0)
        .column("project_id", |row| row.project_id.as_ref().map(ProjectId::as_str))
        .column("total", |row| row.balance.total.0)
        .column("held", |row| row.balance.held.0)
        .column("consumed", |row| row.balance.consumed.0)
        .column("cause_source", |row| &*row.cause.key.source)
        .column("cause_id", |row| &*row.cause.key.id)
        .column("cause_type", |row| &*row.cause.message_type)
        .column("traceparent", |row| row.cause.traceparent.as_deref())
        .column("reason", |row| row.reason.as_deref())
        .column("actor", |row| row.actor.as_deref())
        .column("layout", |_| digest::LAYOUT)
        .column("digest", |row| row.digest.0.as_slice())
        .insert();
}

fn insert_notices(writes: &mut Writes, rows: &[&Notice]) {
    writes
        .rows("notice", rows)
        .column("log_number", |row| row.number.0)
        .column("account_id", |row| row.account_id.as_str())
        .column("organization_id", |row| row.organization_id.as_ref().map(OrganizationId::as_str))
        .column("kind", |row| row.body.kind().as_str())
        .column("sequence", |row| row.sequence)
        .column("at", |row| row.at.to_offset_date_time())
        .column("cause_source", |row| &*row.cause.key.source)
        .column("cause_id", |row| &*row.cause.key.id)
        .column("cause_type", |row| &*row.cause.message_type)
        .column("traceparent", |row| row.cause.traceparent.as_deref())
        .column("body", |row| as_json(&row.body))
        .insert();
}

fn chain(project: &Project) -> &Chain {
    project.chain.as_ref().expect("a project that is saved has an account")
}

/// Before when its hold can't be stale, whatever status follows, where it holds credits and any status has a limit.
fn check_at(project: &Project, limit_min: Option<Micros>) -> Option<Timestamp> {
    if !project.held.is_positive() {
        return None;
    }
    Some(project.status_since? + limit_min?)
}

/// Has every hold looked at anew whether it is stale, as new limits may have it.
async fn check_all_for_staleness(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("update project set stale_check_at = status_since where held > 0")
        .execute(connection)
        .await?;
    Ok(())
}
