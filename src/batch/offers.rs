//! Parked messages that are offered again as what they wait for appears.

use super::Arrival;
use crate::ledger::moment::Timestamp;
use crate::store::{ParkedRow, Store, StoreError};

/// How often a message is tried alone before it is parked undecoded.
pub(crate) const TRIES_ALONE_MAX: i32 = 3;

/// Parked messages that are offered together.
pub(crate) struct Offers {
    rows: Vec<ParkedRow>,
    /// Whether it is one that was in hand alone at so many deaths that it is parked for good.
    is_suspect: bool,
    /// Whether there was nothing else to offer.
    pub(crate) is_all: bool,
}

impl Offers {
    /// Chooses of what is due: together what wasn't offered before, and alone what was in hand when a process
    /// died, as for deliveries. After the third death alone it is parked for good. `due` are `limit` at most.
    ///
    /// Whoever stands by doesn't count offers, and leaves those that were counted to the one who does.
    pub(crate) fn choose(due: Vec<ParkedRow>, counting: bool, limit: usize) -> Option<Self> {
        let found = due.len();
        let (fresh, unended): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| row.unended_offers == 0);
        let alone = unended.into_iter().next().filter(|_| counting);
        let is_suspect = alone.as_ref().is_some_and(|row| row.unended_offers > TRIES_ALONE_MAX);
        let rows = match alone {
            Some(row) => vec![row],
            None => fresh,
        };
        let is_all = rows.len() == found && found < limit;
        (!rows.is_empty()).then_some(Self { rows, is_suspect, is_all })
    }

    /// Counts the offers, before they are made.
    pub(crate) async fn count(&self, store: &Store) -> Result<(), StoreError> {
        if self.is_suspect {
            return Ok(());
        }
        let ids: Vec<_> = self.rows.iter().map(|row| row.parked_id).collect();
        store.count_offers(&ids).await
    }

    /// The offers, made at `now`.
    pub(crate) fn into_arrivals(self, now: Timestamp) -> Vec<Arrival> {
        let offer = |row: ParkedRow| match self.is_suspect {
            true => Arrival::offer_undecoded(row.raw, row.parked_id, now),
            false => Arrival::offer(row.raw, row.parked_id, now),
        };
        self.rows.into_iter().map(offer).collect()
    }
}
