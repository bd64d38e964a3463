//! The ledger, as the apply loop sees it.

use std::sync::Arc;

use super::due::{Done, apply_due};
use crate::batch::settings::{self, Adoption};
use crate::batch::{Arrival, Attempt, Landing, Pipeline};
use crate::broker::DeliveryTag;
use crate::contract::inbound::known_types;
use crate::ledger::settings::Settings;
use crate::store::{OffersCounted, ParkedRow, Store, StoreError};

/// What the apply loop does with the ledger. Beside the one in PostgreSQL there is one in the tests, with which the
/// loop goes through faults by the thousand.
pub(super) trait Ledger: Send + Sync {
    /// Whether a batch is being written.
    fn is_writing(&self) -> bool;

    /// Waits until none is being written. May be dropped and called again.
    fn until_written(&mut self) -> impl Future<Output = ()> + Send;

    /// Decides `arrivals` while the batch before is written, and begins to write them. Says what came of the one before.
    fn push(
        &mut self,
        arrivals: Vec<Arrival>,
        last: DeliveryTag,
        settings: &Arc<Settings>,
    ) -> impl Future<Output = Landing<DeliveryTag>> + Send;

    /// Waits for the batch that is being written, and says what came of it.
    fn land(&mut self) -> impl Future<Output = Landing<DeliveryTag>> + Send;

    /// Applies `arrivals` under the ledger's lock. No batch may be on its way.
    fn apply(
        &mut self,
        arrivals: &[Arrival],
        settings: &Arc<Settings>,
    ) -> impl Future<Output = Result<Attempt, StoreError>> + Send;

    /// Makes `settings` the ledger's, if they aren't.
    fn adopt(&self, settings: &Arc<Settings>) -> impl Future<Output = Result<Adoption, StoreError>> + Send;

    /// How often a message was tried alone and came to no end; `i32::MAX` if it is parked for that.
    fn tries(&self, content_hash: &[u8; 32]) -> impl Future<Output = Result<i32, StoreError>> + Send;

    /// Notes the how manyth try of a message alone is about to be made. May be said again.
    fn count_try(
        &self,
        content_hash: &[u8; 32],
        tries: i32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that this try, if it came to no end, didn't end by the death of whoever made it. Where the waiting is given
    /// up, it may be noted all the same.
    fn take_back_try(
        &self,
        content_hash: &[u8; 32],
        tries: i32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Applies what is due by the clock.
    fn apply_due(&self) -> impl Future<Output = Result<Done, StoreError>> + Send;

    /// Parked messages whose reason may have gone, `limit` at most. If messages come to who asks, among them are those
    /// that another version parked because it didn't know the type, or could not do what it says. `looked_through` says
    /// up to which message it was looked for these; nothing once that is done.
    fn due_messages(
        &self,
        consuming: bool,
        looked_through: &mut Option<i64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ParkedRow>, StoreError>> + Send;

    /// Notes that offers are about to be made, where nobody else noted any meanwhile. Says for how many that is so. Where
    /// the waiting is given up, it may be noted all the same.
    fn count_offers(&self, offers: &OffersCounted) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Waits until the server can be reached, or says why it can't.
    fn find_server(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The ledger in PostgreSQL.
pub(super) struct StoredLedger {
    store: Store,
    pipeline: Pipeline<DeliveryTag>,
}

impl StoredLedger {
    /// The one in `store`.
    pub(super) fn new(store: Store) -> Self {
        Self { pipeline: Pipeline::new(store.clone()), store }
    }
}

impl Ledger for StoredLedger {
    fn is_writing(&self) -> bool {
        self.pipeline.is_writing()
    }

    async fn until_written(&mut self) {
        self.pipeline.until_written().await;
    }

    async fn push(
        &mut self,
        arrivals: Vec<Arrival>,
        last: DeliveryTag,
        settings: &Arc<Settings>,
    ) -> Landing<DeliveryTag> {
        self.pipeline.push(arrivals, last, settings).await
    }

    async fn land(&mut self) -> Landing<DeliveryTag> {
        self.pipeline.land().await
    }

    async fn apply(&mut self, arrivals: &[Arrival], settings: &Arc<Settings>) -> Result<Attempt, StoreError> {
        self.pipeline.apply(arrivals, settings).await
    }

    async fn adopt(&self, settings: &Arc<Settings>) -> Result<Adoption, StoreError> {
        settings::adopt(&self.store, settings).await
    }

    async fn tries(&self, content_hash: &[u8; 32]) -> Result<i32, StoreError> {
        self.store.tries(content_hash).await
    }

    async fn count_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        self.store.count_try(content_hash, tries).await
    }

    async fn take_back_try(&self, content_hash: &[u8; 32], tries: i32) -> Result<(), StoreError> {
        let (store, content_hash) = (self.store.clone(), *content_hash);
        unbroken(async move { store.take_back_try(&content_hash, tries).await }).await
    }

    async fn apply_due(&self) -> Result<Done, StoreError> {
        apply_due(&self.store).await
    }

    async fn due_messages(
        &self,
        consuming: bool,
        looked_through: &mut Option<i64>,
        limit: usize,
    ) -> Result<Vec<ParkedRow>, StoreError> {
        let rows = i64::try_from(limit).unwrap_or(i64::MAX);
        if let Some(after) = looked_through.filter(|_| consuming) {
            let mut desk = self.store.desk().await?;
            let marked = desk.offer_types(&known_types(), after, rows).await?;
            desk.commit().await?;
            // A full batch may not have been all. What is parked again is not looked at twice.
            *looked_through = marked.last().copied().filter(|_| marked.len() == limit);
        }
        self.store.due_messages(rows).await
    }

    async fn count_offers(&self, offers: &OffersCounted) -> Result<u64, StoreError> {
        let (store, offers) = (self.store.clone(), offers.clone());
        unbroken(async move { store.count_offers(&offers).await }).await
    }

    async fn find_server(&self) -> Result<(), StoreError> {
        self.store.find_server().await
    }
}

/// Work with the database that goes on by itself where somebody gives up waiting for it: none may be broken off.
async fn unbroken<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
