//! What must hold of a whole ledger after every message, by the words of the design and no code of the core.

use std::collections::HashMap;

use super::world::World;
use crate::ledger::account::{Account, Kind};
use crate::ledger::alert::{Measured, evaluate};
use crate::ledger::balance::{Queued, Tallies};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::digest::of_entry;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::NoticeKind;
use crate::ledger::project::{Project, Ticket};

impl World {
    /// What must hold after every message (DESIGN 3), whatever the messages were.
    pub(crate) fn check(&self) {
        self.check_log();
        for account in self.accounts.values() {
            self.check_sums(account);
            self.check_tallies(account);
            self.check_rules(account);
            self.check_nothing_placeable(account);
        }
        for project in self.projects.values() {
            assert!(project.held >= Credits::ZERO && project.consumed >= Credits::ZERO);
            let target = project.target();
            assert!(project.held <= target.held, "no more is held than is wanted");
            assert_eq!(project.consumed, target.consumed, "what is used up is booked at once");
            let unmet = project.held < target.held;
            assert_eq!(unmet, project.claim.is_some() || project.refused.is_some(), "{project:?}");
            assert!(project.claim.is_none() || project.refused.is_none());
        }
    }

    /// The log is gapless, and replaying it gives every balance, sequence and digest.
    fn check_log(&self) {
        let mut replayed: HashMap<AccountId, Account> = HashMap::new();
        for (place, record) in self.log.iter().enumerate() {
            assert_eq!(record.number().0, i64::try_from(place).unwrap() + 1);
            match record {
                LogRecord::Entry(entry) => {
                    let fresh = || Account::new(entry.account_id.clone());
                    let account = replayed.entry(entry.account_id.clone()).or_insert_with(fresh);
                    assert_eq!(entry.previous_balance(), account.balance);
                    assert_eq!(entry.digest, of_entry(account.digest, entry));
                    account.sequences.entries += 1;
                    assert_eq!(entry.sequence, account.sequences.entries);
                    account.balance = entry.balance;
                    account.digest = entry.digest;
                    if entry.kind == EntryKind::Hold {
                        assert_eq!((entry.from, entry.to), (Side::Available, Side::Held));
                    }
                }
                LogRecord::Notice(notice) => {
                    let fresh = || Account::new(notice.account_id.clone());
                    let account = replayed.entry(notice.account_id.clone()).or_insert_with(fresh);
                    let counter = match notice.body.kind() {
                        NoticeKind::Alert => &mut account.sequences.alerts,
                        NoticeKind::Hold => &mut account.sequences.holds,
                        NoticeKind::TransferRejected => &mut account.sequences.transfers_rejected,
                    };
                    *counter += 1;
                    assert_eq!(notice.sequence, *counter);
                }
            }
        }
        for account in self.accounts.values() {
            let fresh = Account::new(account.id.clone());
            let replay = replayed.get(&account.id).unwrap_or(&fresh);
            assert_eq!(replay.balance, account.balance, "{}", account.id);
            assert_eq!(replay.sequences, account.sequences);
            assert_eq!(replay.digest, account.digest);
        }
    }

    fn check_sums(&self, account: &Account) {
        let on_chain = |project: &&Project| {
            project.chain.as_ref().is_some_and(|chain| chain.iter().any(|link| *link == account.id))
        };
        let mine: Vec<_> = self.projects.values().filter(on_chain).collect();
        assert_eq!(mine.iter().map(|project| project.held).sum::<Credits>(), account.balance.held);
        let charged = self.log.iter().filter_map(|record| match record {
            LogRecord::Entry(entry) if entry.kind == EntryKind::Charge => Some(entry),
            _ => None,
        });
        let charged = charged.filter(|entry| entry.account_id == account.id).map(|entry| entry.credits);
        let used_up = mine.iter().map(|project| project.consumed).chain(charged);
        assert_eq!(used_up.sum::<Credits>(), account.balance.consumed);
        let waiting = mine.iter().map(|project| project.waiting());
        let queued = waiting.fold(Queued::default(), |sum, one| Queued {
            projects: sum.projects + one.projects,
            credits: sum.credits + one.credits,
        });
        assert_eq!(queued, account.queued, "{}", account.id);
    }

    /// What is counted on an account is there to be counted.
    fn check_tallies(&self, account: &Account) {
        let members = self.accounts.values().filter(|member| {
            *member.kind.get() == Kind::Integrated && member.chain().pool.as_ref() == Some(&account.id)
        });
        let stale = self.projects.values().filter(|project| {
            let of_account = project.chain.as_ref().is_some_and(|chain| chain.account == account.id);
            of_account && project.stale_since.is_some()
        });
        assert!(stale.clone().all(|project| project.held.is_positive()), "what is stale is a hold");
        let open = self.grants.values().filter(|grant| grant.account_id == account.id && !grant.closed);
        assert!(open.clone().all(|grant| grant.left.is_positive()), "a grant that is used up is over");
        let count = |number: usize| i64::try_from(number).unwrap();
        let expected = Tallies {
            promised: members.map(|member| member.balance.total).sum(),
            stale_holds: count(stale.count()),
            open_grants: count(open.clone().count()),
            expiring_grants: count(open.filter(|grant| grant.warned).count()),
        };
        assert_eq!(account.tallies, expected, "{}", account.id);
    }

    /// Every alert that is due was raised or resolved: looking again changes nothing.
    fn check_rules(&self, account: &Account) {
        let of_organization = account.organization().and_then(|id| self.organizations.get(id));
        let inherited = of_organization.and_then(|organization| organization.alert_rules.get().clone());
        let own = account.alert_rules.get().clone().or(inherited);
        let list = own.unwrap_or_else(|| self.ledger.settings.alert_rules.clone());
        let built_in: Vec<_> = self.ledger.settings.built_in_rules().collect();
        let Account { balance, queued, tallies, .. } = *account;
        let books = Measured { balance, queued, tallies };
        let again = evaluate(&account.raised, list.iter().chain(&built_in), &books, Timestamp::EPOCH);
        assert_eq!(again, None, "{}", account.id);
    }

    /// No claim waits that could be placed: a naive walk of the queue by the words of DESIGN 1.2. Every
    /// claim that the walk reaches knows whether it waits aside.
    fn check_nothing_placeable(&self, owner: &Account) {
        let mut stopped: Vec<&AccountId> = Vec::new();
        for (_, id) in self.queue(&owner.id) {
            let project = &self.projects[&id];
            assert_eq!(project.claim.unwrap().aside, self.is_aside(project), "{id}");
            let chain = project.chain.as_ref().unwrap();
            if self.is_aside(project) || stopped.contains(&&chain.account) {
                continue;
            }
            if self.lacks_own(project) {
                stopped.push(&chain.account);
                if chain.account == owner.id {
                    return;
                }
                continue;
            }
            let carries = chain.iter().all(|link| self.room(link) >= project.growth());
            assert!(!carries, "{id} waits in {} though it fits", owner.id);
            return;
        }
    }

    fn room(&self, account: &AccountId) -> Credits {
        let account = &self.accounts[account];
        account.balance.available() - account.floor()
    }

    /// Whether a project wants more than an account of its chain could carry if nothing else ran.
    fn is_aside(&self, project: &Project) -> bool {
        let limit = |link: &AccountId| {
            let account = &self.accounts[link];
            account.balance.total - account.balance.consumed - account.floor()
        };
        project.chain.as_ref().unwrap().iter().any(|link| project.target().held > limit(link))
    }

    fn lacks_own(&self, project: &Project) -> bool {
        self.room(&project.chain.as_ref().unwrap().account) < project.growth()
    }

    /// What came to be held since `before` overtook nobody: who still waits ahead of it waits aside, or is
    /// stopped by an account of its own.
    pub(super) fn check_nobody_was_overtaken(&self, before: &World) {
        let newly_held = self.projects.values().filter(|project| {
            let held_before = before.projects.get(&project.id).map_or(Credits::ZERO, |old| old.held);
            let was_reversed =
                before.projects.get(&project.id).is_some_and(|old| old.consumed > project.consumed);
            project.held > held_before && project.claim.is_none() && !was_reversed
        });
        for placed in newly_held {
            let chain = placed.chain.as_ref().unwrap();
            let place = before.place(&placed.id);
            let mut stopped: Vec<&AccountId> = Vec::new();
            for (now_ahead, id) in self.queue(chain.queue()) {
                let waiting = &self.projects[&id];
                let own = &waiting.chain.as_ref().unwrap().account;
                if !self.is_aside(waiting) && self.lacks_own(waiting) {
                    stopped.push(own);
                }
                let was_ahead = match (place, before.place(&id)) {
                    // One that was given to another account has a new ticket.
                    (Some((queue, ticket)), Some(_)) if queue == chain.queue() => now_ahead < ticket,
                    // Claims that came to the queue together keep their order.
                    (Some((queue, ticket)), Some((other, ahead))) if queue == other => ahead < ticket,
                    // Whoever waited there before is ahead of who comes.
                    (_, Some((other, ahead))) => other == chain.queue() && ahead == now_ahead,
                    (_, None) => false,
                };
                if !was_ahead || self.is_aside(waiting) {
                    continue;
                }
                let own_matter = *own != chain.account && stopped.contains(&own);
                assert!(own_matter, "{} overtook {id}", placed.id);
            }
        }
    }

    /// In whose queue a project waits, and with which ticket.
    fn place(&self, project: &ProjectId) -> Option<(&AccountId, Ticket)> {
        let project = self.projects.get(project)?;
        Some((project.chain.as_ref()?.queue(), project.claim?.ticket))
    }
}
