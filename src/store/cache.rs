//! What batches left behind, kept for those that follow: most messages are about projects and accounts that others
//! were about shortly before.
//!
//! The ledger's version guards it: whatever changes the books raises that. So what was true at a version is true for
//! as long as the ledger still says that version, whoever else writes. A standby that had not received the last
//! versions before it was promoted makes others of the same number: the time of the last input tells them apart. Where a
//! batch is decided while the one before
//! is written, the cache is at the version that this will make, one ahead of the ledger.

use std::collections::BTreeSet;
use std::hash::Hash;

use super::batch::LedgerRow;
use crate::ledger::account::{Account, Organization};
use crate::ledger::books::{Changes, LogRecord, Shelf};
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::map::Map;
use crate::ledger::project::Project;

/// So many of each kind are kept at least, twice as many at most. A project takes about 1 KiB.
pub(super) const KEPT_MIN: usize = 1_024;

/// What takes a batch that was not written back out of a cache that followed it.
#[derive(Debug)]
pub struct Undo {
    ledger: LedgerRow,
    accounts: Vec<AccountId>,
    organizations: Vec<OrganizationId>,
    projects: Vec<ProjectId>,
}

impl Undo {
    /// For the batch that makes these changes in a ledger that is `before` now.
    pub(super) fn of(before: LedgerRow, changes: &Changes) -> Self {
        Self {
            ledger: before,
            accounts: changes.accounts.iter().map(|row| row.id.clone()).collect(),
            organizations: changes.organizations.iter().map(|row| row.id.clone()).collect(),
            projects: changes.projects.iter().map(|row| row.id.clone()).collect(),
        }
    }
}

/// Accounts, organizations and projects as they are at one version of the ledger.
#[derive(Debug, Default)]
pub struct Cache {
    /// The ledger's row at that version; nothing before the first batch.
    ledger: Option<LedgerRow>,
    pub(super) accounts: Recent<AccountId, Account>,
    pub(super) organizations: Recent<OrganizationId, Organization>,
    pub(super) projects: Recent<ProjectId, Project>,
}

impl Cache {
    /// The ledger's row as it was last seen.
    pub(super) fn ledger(&self) -> Option<&LedgerRow> {
        self.ledger.as_ref()
    }

    /// Forgets what may no longer be true, now that the ledger is locked and says what is in `row`.
    pub(super) fn guard(&mut self, row: &LedgerRow) {
        if !self.ledger.as_ref().is_some_and(|known| known.is_the_same_as(row)) {
            *self = Self { ledger: Some(row.clone()), ..Self::default() };
        }
    }

    /// Keeps what a batch had loaded: it is true at the version that the batch began with.
    pub(super) fn keep(&mut self, shelf: Shelf) {
        self.accounts.keep(shelf.accounts.into_values().flatten().map(|row| (row.id.clone(), row)));
        self.organizations.keep(shelf.organizations.into_values().flatten().map(|row| (row.id.clone(), row)));
        self.projects.keep(shelf.projects.into_values().flatten().map(|row| (row.id.clone(), row)));
    }

    /// Follows a batch that is committed, or about to be, with what it makes of the ledger's row, and gives what it
    /// writes to the log. Where that turns out not to be certain, it is to be taken back, or the version will tell.
    pub(super) fn follow(&mut self, changes: Changes, ledger: LedgerRow) -> Vec<LogRecord> {
        self.ledger = Some(ledger);
        self.accounts.keep(changes.accounts.into_iter().map(|row| (row.id.clone(), row)));
        self.organizations.keep(changes.organizations.into_iter().map(|row| (row.id.clone(), row)));
        self.projects.keep(changes.projects.into_iter().map(|row| (row.id.clone(), row)));
        changes.log
    }

    /// Takes a batch back that it followed, and that was not written as far as is known; those behind it too, in any
    /// order. What they did not change is as true as it was at the version before them.
    pub fn take_back(&mut self, undo: Undo) {
        if self.ledger.as_ref().is_some_and(|ledger| ledger.version > undo.ledger.version) {
            self.ledger = Some(undo.ledger);
        }
        undo.accounts.iter().for_each(|id| self.accounts.forget(id));
        undo.organizations.iter().for_each(|id| self.organizations.forget(id));
        undo.projects.iter().for_each(|id| self.projects.forget(id));
    }
}

/// Values by their keys, of which those that were not asked for lately are dropped, a generation at a time.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: Map::default(), old: Map::default() }
    }
}

impl<K: Clone + Eq + Hash + Ord, V> Recent<K, V> {
    /// Moves what it has of `asked` onto a shelf, and says what it doesn't have.
    pub(super) fn shelve(&mut self, asked: &BTreeSet<K>, shelf: &mut Map<K, Option<V>>) -> BTreeSet<K> {
        let mut missing = BTreeSet::new();
        for key in asked {
            match self.young.remove(key).or_else(|| self.old.remove(key)) {
                Some(value) => {
                    shelf.insert(key.clone(), Some(value));
                }
                None => {
                    missing.insert(key.clone());
                }
            }
        }
        missing
    }

    fn forget(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn keep(&mut self, rows: impl Iterator<Item = (K, V)>) {
        for (key, value) in rows {
            self.old.remove(&key);
            self.young.insert(key, value);
            if self.young.len() >= KEPT_MIN {
                self.old = std::mem::take(&mut self.young);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::LogNumber;
    use crate::ledger::moment::Timestamp;
    use crate::ledger::project::Ticket;

    fn at(version: i64) -> LedgerRow {
        LedgerRow {
            version,
            settings: None,
            settings_number: 0,
            log_last: LogNumber(0),
            ticket_last: Ticket(0),
            price_list_last: 0,
            last_at: Timestamp::EPOCH,
        }
    }

    fn shelved(
        recent: &mut Recent<i32, &'static str>,
        asked: &[i32],
    ) -> (Vec<(i32, &'static str)>, Vec<i32>) {
        let mut shelf = Map::default();
        let missing = recent.shelve(&asked.iter().copied().collect(), &mut shelf);
        let mut found: Vec<_> = shelf.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
        found.sort_unstable();
        (found, missing.into_iter().collect())
    }

    #[test]
    fn what_was_kept_last_counts_and_what_was_taken_is_gone_until_it_is_kept_again() {
        let mut recent = Recent::default();
        recent.keep([(1, "before"), (2, "two")].into_iter());
        recent.keep([(1, "after")].into_iter());
        assert_eq!(shelved(&mut recent, &[1, 3]), (vec![(1, "after")], vec![3]));
        assert_eq!(shelved(&mut recent, &[1, 2]), (vec![(2, "two")], vec![1]));
    }

    #[test]
    fn a_value_of_the_generation_before_is_replaced_and_one_that_nobody_asks_for_is_dropped() {
        let generation = i32::try_from(KEPT_MIN).unwrap();
        let mut recent = Recent::default();
        recent.keep((0..generation).map(|key| (key, "first")));
        recent.keep([(0, "again")].into_iter());
        recent.keep((generation..2 * generation).map(|key| (key, "later")));
        assert_eq!(shelved(&mut recent, &[0, 1]), (vec![(0, "again")], vec![1]));
        assert!(recent.young.len() + recent.old.len() <= 2 * KEPT_MIN);
    }

    #[test]
    fn a_version_that_somebody_else_made_ends_all_that_was_known() {
        let mut cache = Cache::default();
        cache.guard(&at(7));
        cache.projects.keep(
            [(ProjectId::parse("P").unwrap(), Project::new(ProjectId::parse("P").unwrap()))].into_iter(),
        );
        cache.guard(&at(7));
        assert_eq!(cache.projects.young.len(), 1);
        cache.guard(&at(8));
        assert_eq!(cache.projects.young.len(), 0);
    }

    #[test]
    fn the_same_version_with_another_time_is_another_history() {
        let mut cache = Cache::default();
        cache.guard(&at(7));
        let id = ProjectId::parse("P").unwrap();
        cache.projects.keep([(id.clone(), Project::new(id))].into_iter());
        cache.guard(&LedgerRow { last_at: Timestamp::parse("2026-03-01T12:00:00Z").unwrap(), ..at(7) });
        assert_eq!(cache.projects.young.len(), 0);
    }

    #[test]
    fn batches_that_are_taken_back_leave_what_they_did_not_change_true_at_the_version_before_them() {
        let named = |id: &str| {
            let id = ProjectId::parse(id).unwrap();
            (id.clone(), Project::new(id))
        };
        let undo = |version, changed: &str| Undo {
            ledger: at(version),
            accounts: Vec::new(),
            organizations: Vec::new(),
            projects: vec![ProjectId::parse(changed).unwrap()],
        };
        for order in [[7, 8], [8, 7]] {
            let mut cache = Cache::default();
            cache.guard(&at(9));
            cache.projects.keep(["P", "Q", "R"].map(named).into_iter());
            for version in order {
                cache.take_back(undo(version, if version == 7 { "P" } else { "Q" }));
            }
            cache.guard(&at(7));
            assert_eq!(cache.projects.young.keys().map(ProjectId::as_str).collect::<Vec<_>>(), ["R"]);
        }
    }
}
