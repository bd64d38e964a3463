//! How accounts, organizations, projects and the log stand in their tables.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde_json::Value;
use time::OffsetDateTime;

use super::{StoreError, versions};
use crate::ledger::account::{Account, Chain, Organization, Sequences};
use crate::ledger::balance::{Balance, Queued, Tallies};
use crate::ledger::credits::Credits;
use crate::ledger::entry::Digest;
use crate::ledger::entry::{Cause, Entry, LogNumber};
use crate::ledger::grant::Grant;
use crate::ledger::ids::{AccountId, IdError, MessageKey, OrganizationId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::price::PriceList;
use crate::ledger::project::{Claim, PriceTag, Project, Status, Ticket};
use crate::ledger::version::{Register, Version};

/// A row of `account`.
pub(super) struct AccountRecord {
    pub(super) account_id: String,
    pub(super) kind: String,
    pub(super) organization_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) capacity: i64,
    pub(super) allocation: i64,
    pub(super) mode: String,
    pub(super) on_insufficient: Option<String>,
    pub(super) overdraft_limit: i64,
    pub(super) alert_rules: Option<Value>,
    pub(super) versions: Value,
    pub(super) plan: i64,
    pub(super) total: i64,
    pub(super) held: i64,
    pub(super) consumed: i64,
    pub(super) queued_projects: i64,
    pub(super) queued_credits: i64,
    pub(super) entries: i64,
    pub(super) alerts: i64,
    pub(super) holds: i64,
    pub(super) digest: Vec<u8>,
    pub(super) raised: Value,
    pub(super) closed: bool,
    pub(super) promised: i64,
    pub(super) stale_holds: i64,
    pub(super) open_grants: i64,
    pub(super) expiring_grants: i64,
    pub(super) transfers_rejected: i64,
}

/// A row of `organization`.
pub(super) struct OrganizationRecord {
    pub(super) organization_id: String,
    pub(super) name: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) alert_rules: Option<Value>,
    pub(super) versions: Value,
}

/// A row of `project`.
pub(super) struct ProjectRecord {
    pub(super) project_id: String,
    pub(super) account_id: String,
    pub(super) status: Option<String>,
    pub(super) effect: Option<String>,
    pub(super) stage: Option<i32>,
    pub(super) price_said: Option<Value>,
    pub(super) price_credits: Option<i64>,
    pub(super) final_credits: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) versions: Value,
    pub(super) mode: String,
    pub(super) chain_account: String,
    pub(super) chain_pool: Option<String>,
    pub(super) held: i64,
    pub(super) consumed: i64,
    pub(super) ticket: Option<i64>,
    pub(super) waiting_since: Option<OffsetDateTime>,
    pub(super) aside: Option<bool>,
    pub(super) refused: Option<i64>,
    pub(super) status_since: Option<OffsetDateTime>,
    pub(super) stale_since: Option<OffsetDateTime>,
    pub(super) released_from: Option<Value>,
    pub(super) unpriced_since: Option<OffsetDateTime>,
}

/// A row of `entry`.
pub(super) struct EntryRecord {
    pub(super) log_number: i64,
    pub(super) account_id: String,
    pub(super) organization_id: Option<String>,
    pub(super) sequence: i64,
    pub(super) at: OffsetDateTime,
    pub(super) kind: String,
    pub(super) from_side: String,
    pub(super) to_side: String,
    pub(super) credits: i64,
    pub(super) project_id: Option<String>,
    pub(super) total: i64,
    pub(super) held: i64,
    pub(super) consumed: i64,
    pub(super) cause_source: String,
    pub(super) cause_id: String,
    pub(super) cause_type: String,
    pub(super) traceparent: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) digest: Vec<u8>,
}

/// Reads the columns of one table.
#[derive(Clone, Copy)]
pub(super) struct Table(pub(super) &'static str);

impl Table {
    pub(super) fn unreadable(self, column: &'static str, what: impl fmt::Display) -> StoreError {
        StoreError::Row { table: self.0, column, what: format!("{what}") }
    }

    pub(super) fn id<T: TryFrom<String, Error = IdError>>(
        self,
        column: &'static str,
        text: String,
    ) -> Result<T, StoreError> {
        T::try_from(text).map_err(|error| self.unreadable(column, error))
    }

    /// A value that is stored by its name.
    pub(super) fn name<T: for<'de> Deserialize<'de>>(
        self,
        column: &'static str,
        text: &str,
    ) -> Result<T, StoreError> {
        let named: StrDeserializer<NameError> = text.into_deserializer();
        T::deserialize(named).map_err(|error| self.unreadable(column, error))
    }

    pub(super) fn json<T: for<'de> Deserialize<'de>>(
        self,
        column: &'static str,
        value: Value,
    ) -> Result<T, StoreError> {
        serde_json::from_value(value).map_err(|error| self.unreadable(column, error))
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|error| self.unreadable("digest", error))?;
        Ok(Digest(bytes))
    }
}

fn shared(text: Option<String>) -> Option<Arc<str>> {
    text.map(Into::into)
}

impl TryFrom<AccountRecord> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRecord) -> Result<Account, StoreError> {
        let table = Table("account");
        let [kind, organization, name, contact, capacity, allocation, mode, policy, overdraft, rules, closed] =
            versions::from_json(table.0, row.versions)?;
        let organization_id = row.organization_id.map(|id| table.id("organization_id", id)).transpose()?;
        let on_insufficient =
            row.on_insufficient.map(|policy| table.name("on_insufficient", &policy)).transpose()?;
        let alert_rules = row.alert_rules.map(|rules| table.json("alert_rules", rules)).transpose()?;
        Ok(Account {
            id: table.id("account_id", row.account_id)?,
            kind: Register::stored(table.name("kind", &row.kind)?, kind),
            organization_id: Register::stored(organization_id, organization),
            name: Register::stored(shared(row.name), name),
            contact: Register::stored(shared(row.contact), contact),
            capacity: Register::stored(Credits(row.capacity), capacity),
            allocation: Register::stored(Credits(row.allocation), allocation),
            mode: Register::stored(table.name("mode", &row.mode)?, mode),
            on_insufficient: Register::stored(on_insufficient, policy),
            overdraft_limit: Register::stored(Credits(row.overdraft_limit), overdraft),
            alert_rules: Register::stored(alert_rules, rules),
            closed: Register::stored(row.closed, closed),
            plan: Credits(row.plan),
            balance: Balance {
                total: Credits(row.total),
                held: Credits(row.held),
                consumed: Credits(row.consumed),
            },
            queued: Queued { projects: row.queued_projects, credits: Credits(row.queued_credits) },
            tallies: Tallies {
                promised: Credits(row.promised),
                stale_holds: row.stale_holds,
                open_grants: row.open_grants,
                expiring_grants: row.expiring_grants,
            },
            sequences: Sequences {
                entries: row.entries,
                alerts: row.alerts,
                holds: row.holds,
                transfers_rejected: row.transfers_rejected,
            },
            digest: table.digest(&row.digest)?,
            raised: table.json("raised", row.raised)?,
        })
    }
}

impl TryFrom<OrganizationRecord> for Organization {
    type Error = StoreError;

    fn try_from(row: OrganizationRecord) -> Result<Organization, StoreError> {
        let table = Table("organization");
        let [name, contact, rules] = versions::from_json(table.0, row.versions)?;
        let alert_rules = row.alert_rules.map(|rules| table.json("alert_rules", rules)).transpose()?;
        Ok(Organization {
            id: table.id::<OrganizationId>("organization_id", row.organization_id)?,
            name: Register::stored(shared(row.name), name),
            contact: Register::stored(shared(row.contact), contact),
            alert_rules: Register::stored(alert_rules, rules),
        })
    }
}

impl TryFrom<ProjectRecord> for Project {
    type Error = StoreError;

    fn try_from(row: ProjectRecord) -> Result<Project, StoreError> {
        let table = Table("project");
        let [account, status, price, final_credits, name]: [Option<Arc<Version>>; 5] =
            versions::from_json(table.0, row.versions)?;
        let account_id: AccountId = table.id("account_id", row.account_id)?;
        let chain = Chain {
            account: table.id("chain_account", row.chain_account)?,
            pool: row.chain_pool.map(|pool| table.id("chain_pool", pool)).transpose()?,
        };
        let status_value = match (row.status, row.effect, row.stage) {
            (Some(name), Some(effect), Some(stage)) => Some(Status {
                name: name.into(),
                effect: table.name("effect", &effect)?,
                stage: u16::try_from(stage).map_err(|error| table.unreadable("stage", error))?,
            }),
            _ => None,
        };
        let price_value = match row.price_said {
            None => None,
            Some(said) => Some(PriceTag {
                said: table.json("price_said", said)?,
                credits: row.price_credits.map(Credits),
            }),
        };
        let claim = match (row.ticket, row.waiting_since, row.aside) {
            (Some(ticket), Some(since), Some(aside)) => {
                Some(Claim { ticket: Ticket(ticket), since: Timestamp::cut(since), aside })
            }
            _ => None,
        };
        Ok(Project {
            id: table.id::<ProjectId>("project_id", row.project_id)?,
            account: Register::stored(Some(account_id), account),
            status: Register::stored(status_value, status),
            price: Register::stored(price_value, price),
            final_credits: Register::stored(row.final_credits.map(Credits), final_credits),
            name: Register::stored(shared(row.name), name),
            mode: table.name("mode", &row.mode)?,
            chain: Some(chain),
            held: Credits(row.held),
            consumed: Credits(row.consumed),
            claim,
            refused: row.refused.map(Credits),
            status_since: row.status_since.map(Timestamp::cut),
            stale_since: row.stale_since.map(Timestamp::cut),
            released_from: row.released_from.map(|status| table.json("released_from", status)).transpose()?,
            unpriced_since: row.unpriced_since.map(Timestamp::cut),
        })
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRecord) -> Result<Entry, StoreError> {
        let table = Table("entry");
        let cause = Cause {
            key: MessageKey::new(&row.cause_source, &row.cause_id),
            message_type: row.cause_type.into(),
            traceparent: shared(row.traceparent),
        };
        Ok(Entry {
            number: LogNumber(row.log_number),
            account_id: table.id("account_id", row.account_id)?,
            organization_id: row.organization_id.map(|id| table.id("organization_id", id)).transpose()?,
            sequence: row.sequence,
            at: Timestamp::cut(row.at),
            kind: table.name("kind", &row.kind)?,
            from: table.name("from_side", &row.from_side)?,
            to: table.name("to_side", &row.to_side)?,
            credits: Credits(row.credits),
            project_id: row.project_id.map(|id| table.id("project_id", id)).transpose()?,
            balance: Balance {
                total: Credits(row.total),
                held: Credits(row.held),
                consumed: Credits(row.consumed),
            },
            cause: Arc::new(cause),
            reason: shared(row.reason),
            actor: shared(row.actor),
            digest: table.digest(&row.digest)?,
        })
    }
}

/// A row of `credit_grant`.
pub(super) struct GrantRecord {
    pub(super) log_number: i64,
    pub(super) account_id: String,
    pub(super) credits: i64,
    pub(super) credits_left: i64,
    pub(super) expires_at: OffsetDateTime,
    pub(super) warned: bool,
    pub(super) closed: bool,
}

impl TryFrom<GrantRecord> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRecord) -> Result<Grant, StoreError> {
        Ok(Grant {
            number: LogNumber(row.log_number),
            account_id: Table("credit_grant").id("account_id", row.account_id)?,
            credits: Credits(row.credits),
            left: Credits(row.credits_left),
            expires_at: Timestamp::cut(row.expires_at),
            warned: row.warned,
            closed: row.closed,
        })
    }
}

/// A row of `price_list`.
pub(super) struct PriceListRecord {
    pub(super) number: i64,
    pub(super) organization_id: Option<String>,
    pub(super) arrived_at: OffsetDateTime,
    pub(super) starts_at: OffsetDateTime,
    pub(super) started: bool,
    pub(super) prices: Value,
    pub(super) cause_source: String,
    pub(super) cause_id: String,
    pub(super) cause_type: String,
    pub(super) actor: Option<String>,
}

impl TryFrom<PriceListRecord> for PriceList {
    type Error = StoreError;

    fn try_from(row: PriceListRecord) -> Result<PriceList, StoreError> {
        let table = Table("price_list");
        let cause = Cause {
            key: MessageKey::new(&row.cause_source, &row.cause_id),
            message_type: row.cause_type.into(),
            // It is told with what the list's message itself brought about, and with nothing later.
            traceparent: None,
        };
        Ok(PriceList {
            number: row.number,
            organization_id: row.organization_id.map(|id| table.id("organization_id", id)).transpose()?,
            arrived_at: Timestamp::cut(row.arrived_at),
            starts_at: Timestamp::cut(row.starts_at),
            started: row.started,
            prices: table.json("prices", row.prices)?,
            cause: Arc::new(cause),
            actor: shared(row.actor),
        })
    }
}
