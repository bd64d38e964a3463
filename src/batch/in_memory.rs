//! The tables of a ledger in memory, for a test to have thousands of them. What is done with messages is what is done
//! with PostgreSQL's, by the same code; only where it is kept is another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Admitted, Taken};
use super::settings::Adoption;
use super::{Arrival, Written, keys};
use crate::contract::raw::RawMessage;
use crate::ledger::books::tests::world::World;
use crate::ledger::ids::MessageKey;
use crate::ledger::inbox::{Fingerprint, Inbox, Known};
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, ParkReason, Parking, WaitsFor};
use crate::ledger::own::Own;
use crate::ledger::settings::Settings;
use crate::store::{Discarded, InboxRow, OffersCounted, Parcel, ParkedRow, Received};
use crate::vitals::metrics::BatchFigures;

/// A parked message.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    raw: RawMessage,
    pub(crate) reason: ParkReason,
    waits_for: Option<WaitsFor>,
    due: bool,
    offers: i32,
    pub(crate) is_done: bool,
}

/// The tables.
pub(crate) struct Tables {
    pub(crate) world: World,
    /// How often anything was committed.
    pub(crate) version: u64,
    inbox: HashMap<MessageKey, Known>,
    /// By their numbers.
    parked: BTreeMap<i64, Parked>,
    /// The parked ones' numbers by their contents.
    parked_ids: HashMap<[u8; 32], i64>,
    tries: HashMap<[u8; 32], i32>,
}

/// What a batch would write.
pub(crate) struct Draft {
    taken: Taken,
}

impl Tables {
    /// Those of a ledger of which nothing is known but its settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            world: World::new(settings),
            version: 0,
            inbox: HashMap::new(),
            parked: BTreeMap::new(),
            parked_ids: HashMap::new(),
            tries: HashMap::new(),
        }
    }

    /// Whether `settings` are the ledger's.
    pub(crate) fn goes_by(&self, settings: &Arc<Settings>) -> bool {
        self.world.ledger.settings == *settings
    }

    /// Decides `arrivals`.
    pub(crate) fn draft(&self, arrivals: &[Arrival]) -> Draft {
        let known = keys(arrivals).into_iter().filter_map(|key| {
            let known = *self.inbox.get(&key)?;
            Some((key, known))
        });
        let offered = arrivals.iter().filter_map(|arrival| arrival.parked_id);
        let due: HashSet<_> = offered.filter(|id| self.is_due(*id)).collect();
        let admitted = Admitted::of(arrivals, Inbox::of(known), &due, &Discarded::new(), self.world.last_at);
        let (decisions, changes) = self.world.decide(&admitted.inputs).expect("only commands are refused");
        Draft { taken: admitted.decided(arrivals, decisions, Box::new(changes)) }
    }

    fn is_due(&self, parked_id: i64) -> bool {
        self.parked.get(&parked_id).is_some_and(|row| row.due && !row.is_done)
    }

    /// Writes what was decided on these tables as they are.
    pub(crate) fn commit(&mut self, Draft { taken }: Draft) -> Written {
        let Taken { report, committed, fates, changes, now } = taken;
        let Received { first, parcels, offered, decided_before, no_longer_suspect, .. } = &*report.received;
        for row in first {
            self.remember(row);
        }
        for (input, decision) in &changes.own {
            self.remember(&InboxRow::of_own(input, decision));
        }
        for parcel in parcels {
            self.park(parcel);
        }
        for (parked_id, key, decision) in offered {
            let row = self.parked.get_mut(parked_id).expect("it was due");
            let parking = decision.parking();
            (row.due, row.offers, row.is_done) = (false, 0, parking.is_none());
            row.reason = parking.map_or(row.reason, |parking| parking.reason);
            row.waits_for = parking.and_then(|parking| parking.waits_for.clone());
            if let Some(known) = key.as_ref().and_then(|key| self.inbox.get_mut(key)) {
                known.parked = parking.is_some();
            }
        }
        for parked_id in decided_before {
            let row = self.parked.get_mut(parked_id).expect("it was due");
            (row.due, row.offers, row.is_done) = (false, 0, true);
        }
        for content in no_longer_suspect {
            self.tries.remove(content);
        }
        self.mark_due(&changes.appeared);
        let log = changes.log.clone();
        self.world.save(*changes, now);
        self.version += 1;
        let none = Duration::ZERO;
        let figures = BatchFigures { messages: fates, locking: none, applying: none, committing: none };
        Written { committed, figures, log }
    }

    fn remember(&mut self, row: &InboxRow) {
        let known = Known { fingerprint: row.fingerprint, parked: matches!(row.outcome, Outcome::Parked(_)) };
        let before = self.inbox.insert(row.key.clone(), known);
        assert_eq!(before, None, "{} is in the inbox already", row.key);
    }

    fn park(&mut self, Parcel { raw, parking: Parking { reason, waits_for, .. }, .. }: &Parcel) {
        let next = i64::try_from(self.parked.len()).unwrap() + 1;
        let parked_id = *self.parked_ids.entry(raw.fingerprint()).or_insert(next);
        let row = self.parked.entry(parked_id).or_insert_with(|| Parked {
            raw: raw.clone(),
            reason: *reason,
            waits_for: None,
            due: false,
            offers: 0,
            is_done: false,
        });
        (row.reason, row.waits_for, row.is_done) = (*reason, waits_for.clone(), false);
    }

    fn mark_due(&mut self, appeared: &[WaitsFor]) {
        for row in self.parked.values_mut().filter(|row| !row.is_done) {
            row.due |= row.waits_for.as_ref().is_some_and(|awaited| appeared.contains(awaited));
        }
    }

    /// Makes `settings` the ledger's, if they aren't.
    pub(crate) fn adopt(&mut self, settings: &Arc<Settings>, now: Timestamp) -> Adoption {
        if self.goes_by(settings) {
            return Adoption::Adopted { wrote_log: false };
        }
        let own = Own::Settings(settings.clone(), self.world.ledger.settings_number);
        let (wrote_log, _) = self.apply_own(vec![own], now);
        Adoption::Adopted { wrote_log }
    }

    /// Applies what is due by the clock. Says whether it wrote to the log, whether anything appeared, and whether there
    /// may be more.
    pub(crate) fn apply_due(&mut self, now: Timestamp) -> (bool, bool, bool) {
        let due = self.world.due(now);
        let more = !due.is_empty();
        let (wrote_log, appeared) = self.apply_own(due, now);
        (wrote_log, appeared, more)
    }

    fn apply_own(&mut self, own: Vec<Own>, now: Timestamp) -> (bool, bool) {
        let now = now.max(self.world.last_at);
        let mut inputs: Vec<_> = own.into_iter().map(|own| own.into_input(now)).collect();
        inputs.retain(|input| !self.inbox.contains_key(&input.cause.key));
        if inputs.is_empty() {
            return (false, false);
        }
        let (decisions, changes) = self.world.decide(&inputs).expect("only commands are refused");
        for (input, decision) in inputs.iter().zip(&decisions).chain(changes.own.iter().map(|(i, d)| (i, d)))
        {
            if decision.outcome != Outcome::Stale {
                self.remember(&InboxRow::of_own(input, decision));
            }
        }
        self.mark_due(&changes.appeared);
        let told = (!changes.log.is_empty(), !changes.appeared.is_empty());
        self.world.save(changes, now);
        self.version += 1;
        told
    }

    /// How often a message was tried alone and came to no end; whatever can be counted if it is parked for that.
    pub(crate) fn tries(&self, content: &[u8; 32]) -> i32 {
        if self.parked(content).is_some_and(|row| row.reason == ParkReason::Suspect && !row.is_done) {
            return i32::MAX;
        }
        self.tries.get(content).copied().unwrap_or_default()
    }

    /// Notes the how manyth try of a message alone is about to be made.
    pub(crate) fn count_try(&mut self, content: &[u8; 32], tries: i32) {
        let counted = self.tries.entry(*content).or_default();
        *counted = tries.max(*counted);
    }

    /// Notes that a try came to no end, but not by death.
    pub(crate) fn take_back_try(&mut self, content: &[u8; 32], tries: i32) -> bool {
        let counted = self.tries.get_mut(content).filter(|counted| **counted == tries);
        counted.map(|counted| *counted -= 1).is_some()
    }

    /// Marks as due what was parked because of its type, `limit` at most, after `after`.
    pub(crate) fn offer_types(&mut self, after: i64, limit: usize) -> Vec<i64> {
        let by_type = |row: &&mut Parked| row.reason == ParkReason::UnknownType && !row.is_done;
        let rows = self.parked.range_mut(after + 1..);
        let rows = rows.filter(|(_, row)| by_type(row)).take(limit);
        rows.map(|(id, row)| {
            row.due = true;
            *id
        })
        .collect()
    }

    /// Parked messages whose reason may have gone, oldest first, `limit` at most.
    pub(crate) fn due_messages(&self, limit: usize) -> Vec<ParkedRow> {
        let due = self.parked.iter().filter(|(_, row)| row.due && !row.is_done);
        let row = |(id, row): (&i64, &Parked)| ParkedRow {
            parked_id: *id,
            raw: row.raw.clone(),
            unended_offers: row.offers,
        };
        due.take(limit).map(row).collect()
    }

    /// Notes the how manyth offer of each is about to be made.
    pub(crate) fn count_offers(&mut self, offers: &OffersCounted) -> u64 {
        let mut counted = 0;
        for parked_id in &offers.parked_ids {
            let row = self.parked.get_mut(parked_id).expect("it was due");
            if row.offers == offers.before && row.due && !row.is_done {
                row.offers = offers.count;
                counted += 1;
            }
        }
        counted
    }

    /// The content of a parked message.
    pub(crate) fn content(&self, parked_id: i64) -> Option<[u8; 32]> {
        self.parked.get(&parked_id).map(|row| row.raw.fingerprint())
    }

    /// What is known under a message's key.
    pub(crate) fn known(&self, key: &MessageKey) -> Option<(Fingerprint, bool)> {
        self.inbox.get(key).map(|known| (known.fingerprint, known.parked))
    }

    /// What is parked of this content.
    pub(crate) fn parked(&self, content: &[u8; 32]) -> Option<&Parked> {
        self.parked.get(self.parked_ids.get(content)?)
    }
}

impl Draft {
    /// The messages that it decides in another way than to park them, and those that it parks for that they can't be.
    pub(crate) fn settles(&self, key: &MessageKey) -> bool {
        let Received { first, offered, .. } = &*self.taken.report.received;
        let first = first.iter().any(|row| row.key == *key && !matches!(row.outcome, Outcome::Parked(_)));
        first
            || offered
                .iter()
                .any(|(_, of, decision)| of.as_ref() == Some(key) && decision.parking().is_none())
    }

    /// Whether a row of the inbox is written for the message.
    pub(crate) fn remembers(&self, key: &MessageKey) -> bool {
        let Received { first, offered, .. } = &*self.taken.report.received;
        first.iter().any(|row| row.key == *key) || offered.iter().any(|(_, of, _)| of.as_ref() == Some(key))
    }
}

impl Arrival {
    /// Whether it is one that is tried alone, or was parked.
    pub(crate) fn is_for_the_lock(&self) -> bool {
        !self.is_ordinary()
    }
}
