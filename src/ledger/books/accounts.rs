//! Messages about accounts and organizations: their registers (DESIGN 1.5).

use std::sync::Arc;

use super::super::account::{Account, Kind, Organization};
use super::super::entry::EntryKind;
use super::super::ids::AccountId;
use super::super::input::{AccountFact, Author, Existence, Input, OrganizationFact};
use super::super::outcome::{Outcome, ParkReason, Refusal, WaitsFor};
use super::super::version::{Version, VersionLack};
use super::projects::account_unknown;
use super::{Books, Need, Stop, park, refused};

impl Books<'_> {
    /// The version of a message that sets registers, or what it is parked for. A command's is above all that
    /// are `stored` on its object.
    pub(super) fn version<'v>(
        &self,
        input: &Input,
        stored: impl IntoIterator<Item = Option<&'v Arc<Version>>>,
    ) -> Result<Arc<Version>, Outcome> {
        let order = self.ledger.settings.order;
        if input.author != Author::Upstream {
            let highest = stored.into_iter().flatten().max().map(|version| &**version);
            return Ok(Version::above(order, highest, input.now, &input.cause.key));
        }
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

    pub(super) fn apply_account(&mut self, input: &Input, fact: &AccountFact) -> Result<Outcome, Stop> {
        let stored = self.account(&fact.account_id)?.cloned();
        let is_new = stored.is_none();
        let mut account = stored.unwrap_or_else(|| Account::new(fact.account_id.clone()));
        let version = match self.version(input, account.versions()) {
            Ok(version) => version,
            Err(parked) => return Ok(parked),
        };
        let before = account.clone();
        check_existence(input, fact, (!is_new).then_some(&before))?;
        let set = set_account(&mut account, fact, &version);
        if !set && !is_new {
            return Ok(Outcome::Stale);
        }
        if let Some(parked) = self.cannot_become(&before, &account)? {
            return Ok(parked);
        }
        let (old, new) = (before.chain(), account.chain());
        let id = account.id.clone();
        self.accounts.insert(id.clone(), account);
        self.appeared.push(WaitsFor::Account(id.clone()));
        self.touch(&id);
        if old != new {
            self.change_chain(&old, &new, input)?;
        }
        if !is_new && old.pool != new.pool {
            self.announce_mates(&id)?;
        }
        self.follow_plan(&id, input)?;
        if old.queue() != new.queue() && old.pool.is_some() {
            self.place_claims(old.queue(), input)?;
        }
        Ok(Outcome::Applied)
    }

    /// Offers what waits for the members of the organization that an account has come to: a transfer between the two
    /// waits for one of them, whichever of them moves.
    fn announce_mates(&mut self, id: &AccountId) -> Result<(), Need> {
        let Some(organization) = self.known_account(id)?.organization().cloned() else { return Ok(()) };
        if self.announced.contains(&organization) {
            return Ok(());
        }
        let stored = self.shelf.members.get(&organization);
        let stored = stored.ok_or_else(|| Need::Members(organization.clone()))?;
        self.appeared.extend(stored.iter().cloned().map(WaitsFor::Account));
        self.announced.insert(organization);
        Ok(())
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
        for chain in [before.chain(), after.chain()] {
            if let Some(pool) = &chain.pool
                && let Some(parked) = Self::no_room(self.known_account(pool)?)
            {
                return Ok(Some(parked));
            }
        }
        Ok(Self::no_room(after))
    }

    pub(super) fn apply_organization(
        &mut self,
        input: &Input,
        fact: &OrganizationFact,
    ) -> Result<Outcome, Stop> {
        let pool_id = AccountId::pool_of(&fact.organization_id);
        let stored = self.organization(&fact.organization_id)?.cloned();
        let is_new = stored.is_none();
        let mut organization = stored.unwrap_or_else(|| Organization::new(fact.organization_id.clone()));
        let stored_pool = self.account(&pool_id)?.cloned();
        let mut pool = stored_pool.unwrap_or_else(|| Account::new(pool_id.clone()));
        let version = match self.version(input, organization.versions().into_iter().chain(pool.versions())) {
            Ok(version) => version,
            Err(parked) => return Ok(parked),
        };
        check_organization(input, fact, is_new)?;
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

    pub(super) fn place_on_account(&mut self, account_id: &AccountId, input: &Input) -> Result<(), Need> {
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
        account.closed.set(fact.closed, version),
    ];
    set.contains(&true)
}

/// A command opens what is not known, or closed, and sets what is known. It closes only what is not in use.
fn check_existence(input: &Input, fact: &AccountFact, known: Option<&Account>) -> Result<(), Stop> {
    let Some(command) = input.command() else { return Ok(()) };
    let id = &fact.account_id;
    match (command.object, known) {
        (Existence::Known, None) => Err(refused(format!(
            "no account \"{id}\" is known; `creditd account list` shows those that are, and `creditd account \
             open` opens one"
        ))),
        (Existence::New, Some(account)) if !account.closed.get() => {
            Err(refused(format!("account \"{id}\" is open already; `creditd account set` changes it")))
        }
        (_, Some(account)) if fact.closed == Some(true) => check_unused(account),
        _ => Ok(()),
    }
}

fn check_unused(account: &Account) -> Result<(), Stop> {
    let (held, waiting) = (account.balance.held, account.queued.projects);
    if held.is_zero() && waiting == 0 {
        return Ok(());
    }
    let detail = format!(
        "account \"{}\" can't be closed: {held} credits are held, and {waiting} projects wait for {}; finalize \
         or cancel them first, or give them to another account",
        account.id, account.queued.credits
    );
    Err(Stop::Refused(Refusal { detail, in_use_on: Some(account.id.clone()) }))
}

fn check_organization(input: &Input, fact: &OrganizationFact, is_new: bool) -> Result<(), Stop> {
    let id = &fact.organization_id;
    match input.command().map(|command| command.object) {
        Some(Existence::Known) if is_new => Err(refused(format!(
            "no organization \"{id}\" is known; `creditd organization list` shows those that are, and \
             `creditd organization open` opens one"
        ))),
        Some(Existence::New) if !is_new => Err(refused(format!(
            "organization \"{id}\" is open already; `creditd organization set` changes it"
        ))),
        _ => Ok(()),
    }
}
