//! The ledger as it stands at one moment, for those who read.

use std::sync::Arc;

use sqlx::{PgConnection, Postgres, Transaction};

use super::batch::{Decided, LedgerRecord, LedgerRow, decide};
use super::cache::Cache;
use super::{Store, StoreError, load};
use crate::ledger::account::Account;
use crate::ledger::books::{Books, Shelf};
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::AccountId;
use crate::ledger::input::{Deliverable, Input};
use crate::ledger::moment::Timestamp;
use crate::ledger::price::PricedLine;
use crate::ledger::settings::Settings;

/// The ledger as it stands at one moment: whatever is read of it belongs together, however many queries that
/// takes. Inputs can be decided on it to see what would come of them. Nothing is locked, and nothing is kept.
pub struct Snapshot {
    transaction: Transaction<'static, Postgres>,
    ledger: LedgerRow,
}

impl Store {
    /// The ledger as it stands now.
    pub async fn look(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(self.snapshot().await?).await
    }

    /// The same, for those who do something else between two questions for longer than a session may be idle.
    pub async fn look_unhurried(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(self.unhurried_snapshot().await?).await
    }

    /// What every transaction that writes the books raises.
    pub async fn version(&self) -> Result<i64, StoreError> {
        let mut connection = self.pool.acquire().await?;
        load::version(&mut connection).await
    }
}

impl Snapshot {
    async fn of(mut transaction: Transaction<'static, Postgres>) -> Result<Self, StoreError> {
        let row = sqlx::query_as!(
            LedgerRecord,
            "select version, log_last, ticket_last, price_list_last, settings, settings_number, last_at
               from ledger"
        )
        .fetch_one(&mut *transaction)
        .await?;
        Ok(Self { transaction, ledger: row.try_into()? })
    }

    /// As [`Batch::decide`]; nothing comes of it.
    pub async fn decide(
        &mut self,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Result<Decided, StoreError> {
        decide(&mut self.transaction, &self.ledger, inputs, settings, &mut Cache::default()).await
    }

    /// The lines of a price for `account` at `now`; `None` where there is no such account.
    pub async fn price_lines(
        &mut self,
        account: &AccountId,
        deliverables: &[Deliverable],
        now: Timestamp,
        settings: &Arc<Settings>,
    ) -> Result<Option<Vec<PricedLine>>, StoreError> {
        let last_at = self.ledger.last_at;
        let state = self.ledger.state(settings);
        let mut shelf = Shelf::default();
        load::load_accounts(&mut self.transaction, &[account.clone()].into(), &mut shelf).await?;
        let Some(found) = shelf.accounts.get(account).cloned().flatten() else { return Ok(None) };
        loop {
            let priced = Books::open(&shelf, state.clone()).price_lines(&found, deliverables, now);
            match priced {
                Ok(lines) => return Ok(Some(lines)),
                Err(need) => {
                    load::meet(&mut self.transaction, need, last_at, &mut shelf, &mut Cache::default())
                        .await?;
                }
            }
        }
    }

    /// An account, and its pool after it; nothing where there is no such account.
    pub async fn chain(&mut self, account: &AccountId) -> Result<Vec<Account>, StoreError> {
        let mut shelf = Shelf::default();
        load::load_accounts(&mut self.transaction, &[account.clone()].into(), &mut shelf).await?;
        let Some(found) = shelf.accounts.remove(account).flatten() else { return Ok(Vec::new()) };
        let chain = found.chain();
        load::load_accounts(&mut self.transaction, &chain.pool.iter().cloned().collect(), &mut shelf).await?;
        let pool = chain.pool.and_then(|pool| shelf.accounts.remove(&pool).flatten());
        Ok(std::iter::once(found).chain(pool).collect())
    }

    /// The settings that decide; `None` in a new ledger that no daemon has set up yet.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.ledger.settings.as_ref()
    }

    /// The time of the last input.
    pub fn last_at(&self) -> Timestamp {
        self.ledger.last_at
    }

    /// The last number given to an entry or a notice.
    pub fn log_last(&self) -> LogNumber {
        self.ledger.log_last
    }

    /// Ends it. One that is dropped ends as well, once its connection is used again.
    pub async fn close(self) -> Result<(), StoreError> {
        self.transaction.rollback().await?;
        Ok(())
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
