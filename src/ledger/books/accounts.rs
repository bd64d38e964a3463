//! Messages about accounts, organizations and their credits (DESIGN 1.5).

use std::sync::Arc;

use super::super::account::{Account, Kind, Organization};
use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, Side};
use super::super::ids::AccountId;
use super::super::input::{AccountFact, AdjustmentFact, GrantFact, Input, OrganizationFact};
use super::super::outcome::{Outcome, ParkReason, WaitsFor};
use super::super::version::{Version, VersionLack};
use super::projects::account_unknown;
use super::{Books, Need, park};

impl Books<'_> {
    /// The version of a message that sets registers, or what it is parked for.
    pub(super) fn version(&self, input: &Input) -> Result<Arc<Version>, Outcome> {
        let order = self.ledger.settings.order;
        Version::of(order, input.revision, input.time, &input.cause.key).map_err(|lack| match lack {
            VersionLack::Revision => {
                let detail = "data.revision: missing; the setting order = \"revision\" needs it";
                park(ParkReason::RevisionMissing, detail.to_owned(), None)
            }
            VersionLack::Time => {
                let detail = "time: missing; the setting order = \"time\" needs it";
                park(ParkReason::TimeMissing, detail.to_owned(), None)
            }
        })
    }

    pub(super) fn apply_account(&mut self, input: &Input, fact: &AccountFact) -> Result<Outcome, Need> {
        let version = match self.version(input) {
            Ok(version) => version,
            Err(parked) => return Ok(parked),
        };
        let stored = self.account(&fact.account_id)?.cloned();
        let is_new = stored.is_none();
        let mut account = stored.unwrap_or_else(|| Account::new(fact.account_id.clone()));
        let before = account.clone();
        let set = set_account(&mut account, fact, &version);
        if !set && !is_new {
            return Ok(Outcome::Stale);
        }
        if let Some(parked) = self.cannot_become(&before, &account)? {
            return Ok(parked);
        }
        let id = account.id.clone();
        self.accounts.insert(id.clone(), account);
        self.appeared.push(WaitsFor::Account(id.clone()));
        self.touch(&id);
        self.follow_plan(&id, input)?;
        Ok(Outcome::Applied)
    }

    /// Why an account can't be changed like this, if so. Nothing has been changed yet.
    fn cannot_become(&self, before: &Account, after: &Account) -> Result<Option<Outcome>, Need> {
        if *after.kind.get() == Kind::Integrated {
            let Some(organization) = after.organization() else {
                let detail =
                    "data.organization_id: missing; an integrated account belongs to an organization";
                let waits_for = WaitsFor::Account(after.id.clone());
                return Ok(Some(park(ParkReason::OrganizationUnknown, detail.to_owned(), Some(waits_for))));
            };
            let pool = AccountId::pool_of(organization);
            if self.account(&pool)?.is_none() {
                return Ok(Some(account_unknown(&pool)));
            }
        }
        let moves = before.kind.get() != after.kind.get() || before.organization() != after.organization();
        let in_use = before.balance.held.is_positive() || before.queued.projects > 0;
        if moves && in_use {
            let detail = format!(
                "a change of kind or organization while {} credits are held and {} projects wait \
                 is not applied by this version; it can be once nothing is held and nothing waits",
                before.balance.held, before.queued.projects
            );
            return Ok(Some(park(ParkReason::Unsupported, detail, None)));
        }
        Ok(Self::no_room(after))
    }

    pub(super) fn apply_organization(
        &mut self,
        input: &Input,
        fact: &OrganizationFact,
    ) -> Result<Outcome, Need> {
        let version = match self.version(input) {
            Ok(version) => version,
            Err(parked) => return Ok(parked),
        };
        let pool_id = AccountId::pool_of(&fact.organization_id);
        let stored = self.organization(&fact.organization_id)?.cloned();
        let is_new = stored.is_none();
        let mut organization = stored.unwrap_or_else(|| Organization::new(fact.organization_id.clone()));
        let stored_pool = self.account(&pool_id)?.cloned();
        let mut pool = stored_pool.unwrap_or_else(|| Account::new(pool_id.clone()));
        if let Some(parked) = Self::no_room(&pool) {
            return Ok(parked);
        }
        let rules_set = organization.alert_rules.set(fact.alert_rules.clone().map(Some), &version);
        let set = [
            rules_set,
            organization.name.set(fact.name.clone().map(Some), &version),
            organization.contact.set(fact.contact.clone().map(Some), &version),
            pool.capacity.set(fact.capacity, &version),
            pool.mode.set(fact.mode, &version),
        ];
        if !set.contains(&true) && !is_new {
            return Ok(Outcome::Stale);
        }
        self.organizations.insert(fact.organization_id.clone(), organization);
        self.accounts.insert(pool_id.clone(), pool);
        self.appeared.push(WaitsFor::Organization(fact.organization_id.clone()));
        self.touch(&pool_id);
        self.follow_plan(&pool_id, input)?;
        if rules_set {
            for member in self.members(&fact.organization_id)? {
                self.touch(&member);
            }
        }
        Ok(Outcome::Applied)
    }

    pub(super) fn apply_grant(&mut self, input: &Input, fact: &GrantFact) -> Result<Outcome, Need> {
        if fact.expires_at.is_some() {
            let detail = "data.expires_at: grants that expire are not applied by this version";
            return Ok(park(ParkReason::Unsupported, detail.to_owned(), None));
        }
        self.give(&fact.account_id, EntryKind::Grant, fact.credits, input)
    }

    pub(super) fn apply_adjustment(&mut self, input: &Input, fact: &AdjustmentFact) -> Result<Outcome, Need> {
        self.give(&fact.account_id, EntryKind::Adjustment, fact.credits, input)
    }

    /// Raises or lowers an account's total, and places what then fits. The total may end below what is in
    /// use: a fact is accepted, and the account is over limit.
    fn give(
        &mut self,
        account_id: &AccountId,
        kind: EntryKind,
        credits: Credits,
        input: &Input,
    ) -> Result<Outcome, Need> {
        let Some(account) = self.account(account_id)? else {
            return Ok(account_unknown(account_id));
        };
        if let Some(parked) = Self::no_room(account) {
            return Ok(parked);
        }
        self.move_total(account_id, kind, credits, input)?;
        self.place_on_account(account_id, input)?;
        Ok(Outcome::Applied)
    }

    /// Books the difference between an account's plan and what of it is on the books, and places what then
    /// fits, or fits no more.
    fn follow_plan(&mut self, account_id: &AccountId, input: &Input) -> Result<(), Need> {
        let account = self.known_account_mut(account_id)?;
        let difference = account.planned() - account.plan;
        account.plan = account.planned();
        if !difference.is_zero() {
            self.move_total(account_id, EntryKind::Plan, difference, input)?;
        }
        self.place_on_account(account_id, input)
    }

    fn move_total(
        &mut self,
        account_id: &AccountId,
        kind: EntryKind,
        credits: Credits,
        input: &Input,
    ) -> Result<(), Need> {
        let (from, to) = match credits.is_positive() {
            true => (Side::Outside, Side::Available),
            false => (Side::Available, Side::Outside),
        };
        self.book(account_id, &Movement { kind, from, to, credits: credits.abs() }, None, input)
    }

    fn place_on_account(&mut self, account_id: &AccountId, input: &Input) -> Result<(), Need> {
        let queue = self.known_account(account_id)?.chain().queue().clone();
        self.place_claims(&queue, input)?;
        Ok(())
    }

    pub(super) fn no_room(account: &Account) -> Option<Outcome> {
        if account.has_room() {
            return None;
        }
        let detail = format!("account {} is at the end of the range of numbers", account.id);
        Some(park(ParkReason::OutOfRange, detail, None))
    }
}

/// Sets the registers of an account that `fact` names. Says whether any was set.
fn set_account(account: &mut Account, fact: &AccountFact, version: &Arc<Version>) -> bool {
    let set = [
        account.kind.set(fact.kind, version),
        account.organization_id.set(fact.organization_id.clone().map(Some), version),
        account.name.set(fact.name.clone().map(Some), version),
        account.contact.set(fact.contact.clone().map(Some), version),
        account.capacity.set(fact.capacity, version),
        account.allocation.set(fact.allocation, version),
        account.mode.set(fact.mode, version),
        account.on_insufficient.set(fact.on_insufficient.map(Some), version),
        account.overdraft_limit.set(fact.overdraft_limit, version),
        account.alert_rules.set(fact.alert_rules.clone().map(Some), version),
    ];
    set.contains(&true)
}
