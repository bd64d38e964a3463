//! A batch: one transaction under the ledger's lock.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::{Postgres, Transaction};

use super::inbox::{self, InboxRow, Repeated};
use super::parked::{self, Parcel};
use super::rows::Table;
use super::{Store, StoreError, load, save};
use crate::ledger::books::{Books, Changes, Decision, LedgerState, Need, Shelf};
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::MessageKey;
use crate::ledger::inbox::Inbox;
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Ticket;
use crate::ledger::settings::Settings;

/// A transaction that has locked the ledger. Dropped before [`Batch::commit`], it leaves no trace.
pub struct Batch {
    transaction: Transaction<'static, Postgres>,
    settings: Option<Arc<Settings>>,
    settings_number: i64,
    log_last: LogNumber,
    ticket_last: Ticket,
    last_at: Timestamp,
}

/// What a batch received, beside what it changed in the books.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Messages that came for the first time.
    pub first: Vec<InboxRow>,
    /// Messages that came again, each key once.
    pub repeated: Vec<Repeated>,
    /// The content hashes of those that were decoded, each as often as it came: they may be parked.
    pub came_again: Vec<[u8; 32]>,
    /// Messages to be parked.
    pub parcels: Vec<Parcel>,
    /// Parked messages that were offered again: which, under what key if it could be decoded now, and what
    /// became of them.
    pub offered: Vec<(i64, Option<MessageKey>, Decision)>,
    /// Parked messages that were offered again and had been decided before under their keys.
    pub decided_before: Vec<i64>,
    /// Messages whose tries alone are over.
    pub no_longer_suspect: Vec<[u8; 32]>,
}

impl Store {
    /// Begins a transaction and locks the ledger; waits for who has it.
    pub async fn begin(&self) -> Result<Batch, StoreError> {
        let mut transaction = match self.pool.begin().await {
            Ok(transaction) => transaction,
            Err(error) => return Err(self.unreachable(error).await),
        };
        let row = sqlx::query!(
            "select log_last, ticket_last, settings, settings_number, last_at from ledger for update"
        )
        .fetch_one(&mut *transaction)
        .await?;
        let settings = row.settings.map(|json| Table("ledger").json("settings", json)).transpose()?;
        Ok(Batch {
            transaction,
            settings: settings.map(Arc::new),
            settings_number: row.settings_number,
            log_last: LogNumber(row.log_last),
            ticket_last: Ticket(row.ticket_last),
            last_at: Timestamp::cut(row.last_at),
        })
    }

    /// The settings that decide, if any were set, and how often they were.
    pub async fn settings(&self) -> Result<(Option<Settings>, i64), StoreError> {
        let row = sqlx::query!("select settings, settings_number from ledger").fetch_one(&self.pool).await?;
        let settings = row.settings.map(|json| Table("ledger").json("settings", json)).transpose()?;
        Ok((settings, row.settings_number))
    }
}

impl Batch {
    /// The settings that decide; `None` in a new ledger that no daemon has set up yet.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    /// How often the settings were set.
    pub fn settings_number(&self) -> i64 {
        self.settings_number
    }

    /// The time of the last input; no later one may be earlier.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// What the inbox knows of `keys`.
    pub async fn inbox(&mut self, keys: &[MessageKey]) -> Result<Inbox, StoreError> {
        inbox::known(&mut self.transaction, keys).await
    }

    /// Which of these parked messages are still due, now that nobody else can be deciding them.
    pub async fn still_due(&mut self, parked_ids: &[i64]) -> Result<HashSet<i64>, StoreError> {
        parked::still_due(&mut self.transaction, parked_ids).await
    }

    /// Which messages with these keys a person discarded, each by its key and its content's hash.
    pub async fn discarded(
        &mut self,
        keys: &[MessageKey],
    ) -> Result<HashSet<(MessageKey, [u8; 32])>, StoreError> {
        parked::discarded(&mut self.transaction, keys).await
    }

    /// Loads what `inputs` touch and lets the core decide them in order. In a new ledger, `settings` decide.
    pub async fn decide(
        &mut self,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Result<(Vec<Decision>, Changes), StoreError> {
        let ledger = LedgerState {
            settings: self.settings.clone().unwrap_or_else(|| settings.clone()),
            settings_number: self.settings_number,
            log_last: self.log_last,
            ticket_last: self.ticket_last,
        };
        let mut shelf = Shelf::default();
        load::preload(&mut self.transaction, inputs, &mut shelf).await?;
        let mut met = HashSet::new();
        loop {
            let mut books = Books::open(&shelf, ledger.clone());
            let decided: Result<Vec<_>, Need> = inputs.iter().map(|input| books.apply(input)).collect();
            let need = match decided {
                Ok(decisions) => return Ok((decisions, books.close())),
                Err(need) => need,
            };
            let may_come_again = matches!(need, Need::Queue(_));
            assert!(met.insert(need.clone()) || may_come_again, "{need:?} was met and is still needed");
            load::meet(&mut self.transaction, need, &mut shelf).await?;
        }
    }

    /// Writes what was received and what it changed. `now` is the time of the batch's last input.
    pub async fn save(
        &mut self,
        received: &Received,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let connection = &mut *self.transaction;
        inbox::insert(connection, &received.first).await?;
        inbox::count(connection, &received.repeated).await?;
        save::books(connection, changes).await?;
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
        parked::mark_due(connection, &changes.appeared).await?;
        save::ledger(connection, &changes.ledger, self.last_at.max(now)).await
    }

    /// Makes it all stand.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        Ok(())
    }

    /// Forgets it all.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.transaction.rollback().await?;
        Ok(())
    }
}
