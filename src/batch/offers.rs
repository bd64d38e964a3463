//! Parked messages that are offered again as what they wait for appears.

use super::Arrival;
use crate::ledger::moment::Timestamp;
use crate::store::{OffersCounted, ParkedRow};

/// How often a message is tried alone before it is parked undecoded.
pub(crate) const TRIES_ALONE_MAX: i32 = 3;

/// Parked messages that are offered together.
pub(crate) struct Offers {
    rows: Vec<ParkedRow>,
    /// How many offers of each were counted.
    counted: i32,
    /// Whether it is one that was in hand alone at so many deaths that it is parked for good.
    is_suspect: bool,
    /// Whether there was nothing else to offer.
    pub(crate) is_all: bool,
}

/// What is to be done about parked messages that are due.
pub(crate) enum Choice {
    /// There are none.
    Nothing,
    /// To offer these.
    Offer(Offers),
    /// To leave them to whoever messages come to, who may be at it: this one is the first, and so many of its last
    /// offers came to no end.
    Leave(i64, i32),
}

impl Offers {
    /// Chooses of what is due: together what wasn't offered before, and alone what was in hand when a process
    /// died, as for deliveries. After the third death alone it is parked for good. `due` are `limit` at most.
    ///
    /// Whoever stands by leaves those that were in hand to whoever messages come to. `last` is the last offer alone
    /// that this process made, with its number: where it came to no end, that was not by death.
    pub(crate) fn choose(
        mut due: Vec<ParkedRow>,
        consuming: bool,
        last: Option<(i64, i32)>,
        limit: usize,
    ) -> Choice {
        let found = due.len();
        let own = due.iter_mut().find(|row| last == Some((row.parked_id, row.unended_offers)));
        let own = own.map(|row| {
            row.unended_offers -= 1;
            row.parked_id
        });
        let (fresh, unended): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| row.unended_offers == 0);
        let alone = unended.into_iter().next();
        let is_suspect = consuming && alone.as_ref().is_some_and(|row| row.unended_offers > TRIES_ALONE_MAX);
        let rows = match alone {
            Some(row) if consuming => vec![row],
            Some(row) if fresh.is_empty() => return Choice::Leave(row.parked_id, row.unended_offers),
            _ if fresh.is_empty() => return Choice::Nothing,
            _ => fresh,
        };
        let is_all = rows.len() == found && found < limit;
        let counted = rows[0].unended_offers + i32::from(own == Some(rows[0].parked_id));
        Choice::Offer(Self { rows, counted, is_suspect, is_all })
    }

    /// What is to be counted before they are made.
    pub(crate) fn to_count(&self) -> OffersCounted {
        let rows: &[_] = if self.is_suspect { &[] } else { &self.rows };
        let count = rows.first().map_or(0, |row| row.unended_offers + 1);
        let parked_ids = rows.iter().map(|row| row.parked_id).collect();
        OffersCounted { parked_ids, before: self.counted, count }
    }

    /// Whether somebody else offers it who isn't dead, if only so many of them could be counted.
    pub(crate) fn is_taken(&self, counted: u64) -> bool {
        self.counted > 0 && !self.is_suspect && counted == 0
    }

    /// The first of them, and how many of its last offers came to no end.
    pub(crate) fn first(&self) -> (i64, i32) {
        (self.rows[0].parked_id, self.rows[0].unended_offers)
    }

    /// The one that is offered alone since it was in hand when a process died, and the how manyth offer it is.
    pub(crate) fn alone(&self) -> Option<(i64, i32)> {
        let [row] = &self.rows[..] else { return None };
        (row.unended_offers > 0 && !self.is_suspect).then_some((row.parked_id, row.unended_offers + 1))
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
