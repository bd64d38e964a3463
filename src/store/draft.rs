//! A batch without the ledger's lock: a few messages, decided on what is known already, and written in one round
//! trip if the ledger still is as it was when they were decided.

use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres};

use super::batch::{LedgerRow, Received};
use super::cache::Cache;
use super::{Store, StoreError, load, save};
use crate::ledger::books::{Books, Changes, Decision, LogRecord, Shelf, Stop};
use crate::ledger::ids::MessageKey;
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::settings::Settings;

/// A batch that expects nobody else to change the books meanwhile. Whatever it can't be sure of ends it with
/// [`StoreError::Overtaken`]; it is to be done under the lock then, as a [`super::Batch`].
pub struct Draft {
    connection: PoolConnection<Postgres>,
    ledger: LedgerRow,
}

impl Store {
    /// Begins on the ledger as `cache` has it. `None` where that has nothing yet, or other settings.
    pub async fn draft(&self, cache: &Cache, settings: &Arc<Settings>) -> Result<Option<Draft>, StoreError> {
        let ledger = cache.ledger().filter(|ledger| ledger.settings.as_ref() == Some(settings));
        let Some(ledger) = ledger.cloned() else { return Ok(None) };
        let connection = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.unreachable(error).await),
        };
        Ok(Some(Draft { connection, ledger }))
    }
}

impl Draft {
    /// The time of the last input; no later one may be earlier.
    pub fn last_at(&self) -> Timestamp {
        self.ledger.last_at
    }

    /// Loads of what `inputs` touch what `cache` doesn't have, and lets the core decide them in order.
    pub async fn decide(
        &mut self,
        cache: &mut Cache,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Result<(Vec<Decision>, Box<Changes>), StoreError> {
        let mut shelf = Shelf::default();
        let has_asked =
            load::preload(&mut self.connection, inputs, self.ledger.last_at, &mut shelf, cache).await?;
        // What was read since is all true at one version only if that still is the version.
        if has_asked && load::version(&mut self.connection).await? != self.ledger.version {
            return Err(StoreError::Overtaken);
        }
        let mut books = Books::open(&shelf, self.ledger.state(settings));
        let decided: Result<Vec<_>, Stop> = inputs.iter().map(|input| books.apply(input)).collect();
        let changes = Box::new(books.close());
        cache.keep(shelf);
        match decided {
            Ok(decisions) => Ok((decisions, changes)),
            Err(Stop::Need(_) | Stop::Refused(_)) => Err(StoreError::Overtaken),
        }
    }

    /// Writes what was received and what it changed, and has `cache` follow. Gives what was written to the log. `unseen` are the keys that were
    /// expected to be new, and `now` is the time of the last input.
    pub async fn save_into(
        mut self,
        cache: &mut Cache,
        unseen: &[MessageKey],
        received: &Received,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let before = self.ledger;
        let after = before.after(&changes.ledger, now);
        if save::takes_more_than_one(&before, received, &changes) {
            let mut transaction = self.connection.begin().await?;
            save::batch(&mut transaction, &before, &after, received, &changes, unseen).await?;
            transaction.commit().await?;
        } else {
            save::batch(&mut self.connection, &before, &after, received, &changes, unseen).await?;
        }
        Ok(cache.follow(changes, after))
    }
}
