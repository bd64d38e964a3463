//! A batch: one transaction under the ledger's lock.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;

use super::cache::Cache;
use super::inbox::{self, Discarded, InboxRow, Repeated};
use super::parked::{self, Parcel, ParkedRow};
use super::rows::Table;
use super::standing::{self, Standing};
use super::{Store, StoreError, load, save};
use crate::ledger::books::{Books, Changes, Decision, LedgerState, LogRecord, Need, Shelf, Stop};
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::{MessageKey, ProjectId};
use crate::ledger::inbox::Inbox;
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::Refusal;
use crate::ledger::project::{Project, Ticket};
use crate::ledger::settings::Settings;

/// A transaction that has locked the ledger. Dropped before [`Batch::commit`], it leaves no trace.
pub struct Batch {
    transaction: Transaction<'static, Postgres>,
    ledger: LedgerRow,
}

/// What the ledger's row says.
#[derive(Clone, Debug)]
pub(super) struct LedgerRow {
    pub(super) version: i64,
    pub(super) settings: Option<Arc<Settings>>,
    pub(super) settings_number: i64,
    pub(super) log_last: LogNumber,
    pub(super) ticket_last: Ticket,
    pub(super) price_list_last: i64,
    pub(super) last_at: Timestamp,
}

impl LedgerRow {
    /// Whether both are of one moment of one history.
    pub(super) fn is_the_same_as(&self, other: &Self) -> bool {
        (self.version, self.last_at, self.log_last) == (other.version, other.last_at, other.log_last)
    }

    /// The ledger's state as the core takes it; `settings` decide where none are stored.
    pub(super) fn state(&self, settings: &Arc<Settings>) -> LedgerState {
        LedgerState {
            settings: self.settings.clone().unwrap_or_else(|| settings.clone()),
            settings_number: self.settings_number,
            log_last: self.log_last,
            ticket_last: self.ticket_last,
            price_list_last: self.price_list_last,
        }
    }

    /// What it says after a batch that ended at `now`.
    pub(super) fn after(&self, state: &LedgerState, now: Timestamp) -> Self {
        let settings = match state.settings_number == self.settings_number {
            true => self.settings.clone(),
            false => Some(state.settings.clone()),
        };
        Self {
            version: self.version + 1,
            settings,
            settings_number: state.settings_number,
            log_last: state.log_last,
            ticket_last: state.ticket_last,
            price_list_last: state.price_list_last,
            last_at: self.last_at.max(now),
        }
    }
}

/// What the core made of inputs.
pub enum Decided {
    /// They are decided, each on its own.
    Done(Vec<Decision>, Box<Changes>),
    /// One is a command, and something stands in its way: none of them is to be saved.
    Refused(Refusal),
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
        let ledger = lock(&mut transaction).await?;
        Ok(Batch { transaction, ledger })
    }

    /// The settings that decide, if any were set, and how often they were.
    pub async fn settings(&self) -> Result<(Option<Settings>, i64), StoreError> {
        let row = sqlx::query!("select settings, settings_number from ledger").fetch_one(&self.pool).await?;
        let settings = row.settings.map(|json| Table("ledger").json("settings", json)).transpose()?;
        Ok((settings, row.settings_number))
    }
}

/// Locks the ledger; waits for who has it.
async fn lock(connection: &mut PgConnection) -> Result<LedgerRow, StoreError> {
    let row = sqlx::query_as!(
        LedgerRecord,
        "select version, log_last, ticket_last, price_list_last, settings, settings_number, last_at
           from ledger for update"
    )
    .fetch_one(connection)
    .await?;
    row.try_into()
}

impl Batch {
    /// The settings that decide; `None` in a new ledger that no daemon has set up yet.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.ledger.settings.as_ref()
    }

    /// How often the settings were set.
    pub fn settings_number(&self) -> i64 {
        self.ledger.settings_number
    }

    /// The time of the last input; no later one may be earlier.
    pub fn last_at(&self) -> Timestamp {
        self.ledger.last_at
    }

    /// What the inbox knows of `keys`, and which messages with these keys a person discarded.
    pub async fn inbox(&mut self, keys: &[MessageKey]) -> Result<(Inbox, Discarded), StoreError> {
        inbox::known(&mut self.transaction, keys).await
    }

    /// Which of these parked messages are still due, now that nobody else can be deciding them.
    pub async fn still_due(&mut self, parked_ids: &[i64]) -> Result<HashSet<i64>, StoreError> {
        parked::still_due(&mut self.transaction, parked_ids).await
    }

    /// Loads what `inputs` touch and lets the core decide them in order. In a new ledger, `settings` decide.
    pub async fn decide(
        &mut self,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Result<Decided, StoreError> {
        self.decide_by(&mut Cache::default(), inputs, settings).await
    }

    /// The same, without loading what `cache` has; for [`Batch::commit_into`].
    pub async fn decide_by(
        &mut self,
        cache: &mut Cache,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Result<Decided, StoreError> {
        cache.guard(&self.ledger);
        decide(&mut self.transaction, &self.ledger, inputs, settings, cache).await
    }

    /// Writes what was received and what it changed. `now` is the time of the batch's last input. What follows in
    /// the same transaction goes on from there.
    pub async fn save(
        &mut self,
        received: &Received,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let after = self.ledger.after(&changes.ledger, now);
        let prepared = save::prepare(&self.ledger, &after, received, changes, &[]);
        prepared.execute(&mut self.transaction).await?;
        self.ledger = after;
        Ok(())
    }

    /// A project as it is now that nobody else can be changing it; `None` where nobody has named it yet.
    pub async fn project(&mut self, id: &ProjectId) -> Result<Option<Project>, StoreError> {
        load::project(&mut self.transaction, id).await
    }

    /// Parked messages whose reason may have gone, as [`Store::due_messages`] tells them.
    pub async fn due_messages(&mut self, limit: i64) -> Result<Vec<ParkedRow>, StoreError> {
        parked::due(&mut self.transaction, limit).await
    }

    /// How things stand, as [`Store::standing`] tells it.
    pub async fn standing(&mut self) -> Result<Standing, StoreError> {
        standing::standing(&mut self.transaction).await
    }

    /// Makes it all stand.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        Ok(())
    }

    /// Makes it all stand, and has `cache` follow: it was decided by that, and `changes` were saved. Gives what they
    /// wrote to the log.
    pub async fn commit_into(
        self,
        cache: &mut Cache,
        changes: Changes,
    ) -> Result<Vec<LogRecord>, StoreError> {
        self.transaction.commit().await?;
        Ok(cache.follow(changes, self.ledger))
    }

    /// Forgets it all.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.transaction.rollback().await?;
        Ok(())
    }
}

/// Loads what `inputs` touch, and decides them; where that needs more, loads it and begins again.
pub(super) async fn decide(
    connection: &mut PgConnection,
    row: &LedgerRow,
    inputs: &[Input],
    settings: &Arc<Settings>,
    cache: &mut Cache,
) -> Result<Decided, StoreError> {
    let ledger = row.state(settings);
    let mut shelf = Shelf::default();
    load::preload(connection, inputs, row.last_at, &mut shelf, cache).await?;
    let mut met = HashSet::new();
    loop {
        let mut books = Books::open(&shelf, ledger.clone());
        let decided: Result<Vec<_>, Stop> = inputs.iter().map(|input| books.apply(input)).collect();
        let need = match decided {
            Ok(decisions) => {
                let changes = Box::new(books.close());
                cache.keep(shelf);
                return Ok(Decided::Done(decisions, changes));
            }
            Err(Stop::Refused(refusal)) => return Ok(Decided::Refused(refusal)),
            Err(Stop::Need(need)) => need,
        };
        let may_come_again = matches!(need, Need::Queue(_));
        assert!(met.insert(need.clone()) || may_come_again, "{need:?} was met and is still needed");
        load::meet(connection, need, row.last_at, &mut shelf, cache).await?;
    }
}

/// The columns of the ledger's row.
pub(super) struct LedgerRecord {
    pub(super) version: i64,
    pub(super) log_last: i64,
    pub(super) ticket_last: i64,
    pub(super) price_list_last: i64,
    pub(super) settings: Option<Value>,
    pub(super) settings_number: i64,
    pub(super) last_at: OffsetDateTime,
}

impl TryFrom<LedgerRecord> for LedgerRow {
    type Error = StoreError;

    fn try_from(row: LedgerRecord) -> Result<Self, StoreError> {
        let settings = row.settings.map(|json| Table("ledger").json("settings", json)).transpose()?;
        Ok(Self {
            version: row.version,
            settings: settings.map(Arc::new),
            settings_number: row.settings_number,
            log_last: LogNumber(row.log_last),
            ticket_last: Ticket(row.ticket_last),
            price_list_last: row.price_list_last,
            last_at: Timestamp::cut(row.last_at),
        })
    }
}
