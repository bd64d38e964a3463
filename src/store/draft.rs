//! A batch without the ledger's lock: decided on what is known already, and written if the ledger still is as it was
//! when that was known. It may be decided while the batch before it is written.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres};

use super::batch::{LedgerRow, Received};
use super::cache::{self, Cache, Undo};
use super::inbox::{self, Discarded};
use super::load::{self, Terms};
use super::save::{self, Prepared};
use super::{Store, StoreError};
use crate::ledger::account::Chain;
use crate::ledger::books::{Books, Changes, Decision, LogRecord, Shelf, Stop};
use crate::ledger::ids::{AccountId, MessageKey};
use crate::ledger::inbox::Inbox;
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::settings::Settings;

/// A batch that expects nobody else to change the books meanwhile. Where that is wrong, nothing is written; it is to
/// be done under the lock then, as a [`super::Batch`].
pub struct Draft {
    connection: PoolConnection<Postgres>,
    ledger: LedgerRow,
    shelf: Shelf,
}

/// Whether all that a batch needs is at hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// It is.
    Complete,
    /// It is if the batch before was written: the ledger is at the version which that makes of it, but somebody else
    /// may have made it.
    IfWritten,
    /// Not before that is written: it may change what is needed.
    Later,
}

/// What a batch that is being written changes, beside the rows that are in the cache as they will be, and are read
/// from there alone. The ledger's version doesn't tell of it: nobody may read it before.
#[derive(Debug)]
pub struct Underway {
    /// Accounts whose queues and grants it may change.
    owners: HashSet<AccountId>,
}

impl Underway {
    /// `None` where others can't do without what it changes.
    fn of(before: &LedgerRow, changes: &Changes) -> Option<Self> {
        // What doesn't fit into the cache would be read.
        let rows = [changes.accounts.len(), changes.organizations.len(), changes.projects.len()];
        let fits = rows.into_iter().all(|count| count <= cache::KEPT_MIN);
        let same_terms =
            changes.price_lists.is_empty() && changes.ledger.settings_number == before.settings_number;
        if !fits || !same_terms {
            return None;
        }
        let accounts = changes.accounts.iter().map(|account| &account.id);
        let chains = changes.projects.iter().flat_map(|project| &project.chain).flat_map(Chain::iter);
        let grants = changes.grants.iter().map(|grant| &grant.account_id);
        Some(Self { owners: accounts.chain(chains).chain(grants).cloned().collect() })
    }

    fn changes(&self, terms: &Terms) -> bool {
        terms.granted.iter().chain(&terms.queues).any(|account| self.owners.contains(account))
    }
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
        Ok(Some(Draft { connection, ledger, shelf: Shelf::default() }))
    }
}

impl Draft {
    /// The time of the last input; no later one may be earlier.
    pub fn last_at(&self) -> Timestamp {
        self.ledger.last_at
    }

    /// What the inbox knows of `keys`, and which messages with these keys a person discarded; but for what the batch
    /// knows that is being written.
    pub async fn inbox(&mut self, keys: &[MessageKey]) -> Result<(Inbox, Discarded), StoreError> {
        inbox::known(&mut self.connection, keys).await
    }

    /// Takes what `inputs` touch from `cache`, and loads what that doesn't have, beside the batch `before` it, which is
    /// being written.
    pub async fn load(
        &mut self,
        cache: &mut Cache,
        inputs: &[Input],
        before: Option<&Underway>,
    ) -> Result<Load, StoreError> {
        let Self { connection, ledger, shelf } = self;
        let named = load::preload_named(connection, inputs, shelf, cache).await?;
        let terms = named.terms(shelf);
        if before.is_some_and(|underway| underway.changes(&terms)) {
            cache.keep(std::mem::take(shelf));
            return Ok(Load::Later);
        }
        if !named.has_asked && terms.is_empty() {
            return Ok(Load::Complete);
        }
        load::load_terms(connection, terms, ledger.last_at, shelf, cache).await?;
        // What was read is all true at one version only if that still is the version. The batch before may have made
        // it meanwhile, or not yet: what it changes was not read.
        match load::version(connection).await? {
            found if found == ledger.version && before.is_some() => Ok(Load::IfWritten),
            found if found == ledger.version => Ok(Load::Complete),
            found if found + 1 == ledger.version && before.is_some() => Ok(Load::Complete),
            _ => Err(StoreError::Overtaken),
        }
    }

    /// Lets the core decide `inputs` in order on what is loaded. `None` if it needs more, or finds what only a command
    /// may be told.
    pub fn decide(
        &mut self,
        cache: &mut Cache,
        inputs: &[Input],
        settings: &Arc<Settings>,
    ) -> Option<(Vec<Decision>, Box<Changes>)> {
        let mut books = Books::open(&self.shelf, self.ledger.state(settings));
        let decided: Result<Vec<_>, Stop> = inputs.iter().map(|input| books.apply(input)).collect();
        let decided = decided.ok().map(|decisions| (decisions, Box::new(books.close())));
        // It was taken from there.
        cache.keep(std::mem::take(&mut self.shelf));
        decided
    }

    /// Makes up what was received and what it changed, and has `cache` follow as if that were written. `unseen` are the
    /// keys that are expected to be new and were not looked for, and `now` is the time of the last input.
    pub fn prepare(
        self,
        cache: &mut Cache,
        unseen: &[MessageKey],
        received: Arc<Received>,
        changes: Changes,
        now: Timestamp,
    ) -> (Writing, Undo, Vec<LogRecord>) {
        let Self { connection, ledger: before, .. } = self;
        let after = before.after(&changes.ledger, now);
        let underway = Underway::of(&before, &changes);
        let prepared = save::prepare(&before, &after, received, &changes, unseen);
        let undo = Undo::of(before, &changes);
        (Writing { connection, prepared, underway }, undo, cache.follow(changes, after))
    }
}

/// What was decided without the lock, to be written.
pub struct Writing {
    connection: PoolConnection<Postgres>,
    prepared: Prepared<Arc<Received>>,
    underway: Option<Underway>,
}

impl Writing {
    /// What it changes that others must not read before it is written.
    pub fn take_underway(&mut self) -> Option<Underway> {
        self.underway.take()
    }

    /// Writes it and commits that, where the ledger is as it was expected to be; else that is
    /// [`StoreError::Overtaken`]. Whatever it is, after an error the cache is to take it back.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.prepared.takes_more_than_one() {
            let mut transaction = self.connection.begin().await?;
            self.prepared.execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(())
        } else {
            self.prepared.execute(&mut self.connection).await
        }
    }
}
