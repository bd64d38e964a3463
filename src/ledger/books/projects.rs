//! A project's message: set the registers, compute the target, move to it (DESIGN 1.1).

use std::sync::Arc;

use super::super::account::{Account, Chain};
use super::super::balance::Queued;
use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, Side};
use super::super::ids::AccountId;
use super::super::input::{Input, Price, ProjectFact};
use super::super::outcome::{Outcome, ParkReason, Rejection, WaitsFor};
use super::super::project::{PriceTag, Project, Status, movements};
use super::{Books, Need, park};

impl Books<'_> {
    pub(super) fn apply_project(&mut self, input: &Input, fact: &ProjectFact) -> Result<Outcome, Need> {
        let mut project = self.project(&fact.project_id)?;
        let version = match self.version(input, project.versions()) {
            Ok(version) => version,
            Err(parked) => return Ok(parked),
        };
        let status = match fact.status.as_ref().map(|name| self.status(name)).transpose() {
            Ok(status) => status,
            Err(parked) => return Ok(parked),
        };
        let Some(account) = self.account(&fact.account_id)? else {
            return Ok(account_unknown(&fact.account_id));
        };
        let named_chain = account.chain();
        for chain in project.chain.iter().chain(std::iter::once(&named_chain)) {
            if let Some(parked) = self.out_of_range(chain)? {
                return Ok(parked);
            }
        }
        let price = match self.price_tag(fact, account, input)? {
            Ok(price) => price,
            Err(parked) => return Ok(parked),
        };

        let before = project.clone();
        let is_priced = price.as_ref().is_some_and(|tag| tag.credits.is_some());
        let status_set = project.status.set(status.map(Some), &version);
        let price_set = project.price.set(price.map(Some), &version);
        let set = [
            project.account.set(Some(Some(fact.account_id.clone())), &version),
            status_set,
            price_set,
            project.final_credits.set(fact.final_credits.map(Some), &version),
            project.name.set(fact.name.clone().map(Some), &version),
        ];
        if !set.contains(&true) {
            return Ok(Outcome::Stale);
        }
        if price_set {
            project.unpriced_since = (!is_priced).then_some(input.now);
        }
        if status_set {
            project.released_from = None;
        }
        let changed_hands = project.account.get() != before.account.get();
        let status_name = |project: &Project| project.status.get().as_ref().map(|status| status.name.clone());
        let changed_status = status_name(&project) != status_name(&before);
        if changed_status {
            // The sender knows better than we since when, unless its clock is ahead.
            project.status_since = Some(input.time.map_or(input.now, |time| time.min(input.now)));
        }
        if changed_status || changed_hands || project.target().held.is_zero() {
            self.end_stale(&mut project, &before)?;
        }
        let refused = self.follow_registers(project, changed_hands, input)?;
        Ok(outcome_of(refused))
    }

    /// Moves a project to what its registers ask for, and places what then fits. Says whether the growth of its
    /// hold was refused.
    pub(super) fn follow_registers(
        &mut self,
        mut project: Project,
        changed_hands: bool,
        input: &Input,
    ) -> Result<bool, Need> {
        let old_chain = project.chain.clone();
        let chain = self.follow_account(&mut project, changed_hands, input)?;
        let refused = self.move_to_target(project, &chain, input)?;
        // An account that has left a pool, or come to one, has its claims elsewhere than what it used up.
        for account in old_chain.iter().flat_map(Chain::iter).chain(chain.iter()) {
            let queue = self.known_account(account)?.chain().queue().clone();
            if queue != *chain.queue() {
                self.place_claims(&queue, input)?;
            }
        }
        Ok(refused)
    }

    /// The chain that a project is booked on from here on.
    ///
    /// A project given to another account begins anew there, in that account's mode. One whose account has
    /// left a pool, or come to one, does so when it holds again; what was used up stays where it was booked.
    fn follow_account(
        &mut self,
        project: &mut Project,
        changed_hands: bool,
        input: &Input,
    ) -> Result<Chain, Need> {
        let account_id = project.account.get().as_ref().expect("every project message names an account");
        let account = self.known_account(account_id)?;
        let (chain, mode) = (account.chain(), *account.mode.get());
        let old = project.chain.clone();
        let stays = old.as_ref().filter(|old| !changed_hands && (**old == chain || project.is_tied()));
        if let Some(stays) = stays {
            return Ok(stays.clone());
        }
        if let Some(old) = old {
            self.leave_chain(project, &old, input)?;
        }
        if changed_hands {
            project.mode = mode;
        }
        project.chain = Some(chain.clone());
        Ok(chain)
    }

    /// Undoes everything where it was booked, and gives up the place in the queue.
    fn leave_chain(&mut self, project: &mut Project, old: &Chain, input: &Input) -> Result<(), Need> {
        let waited = self.told_waiting(project)?;
        let Project { held, consumed, .. } = *project;
        self.move_on_chain(project, old, &undo(held, consumed), input)?;
        self.withdraw(project, old, waited)?;
        project.refused = None;
        Ok(())
    }

    /// Moves a project from what is booked to its target. Says whether the growth of its hold was refused.
    fn move_to_target(&mut self, mut project: Project, chain: &Chain, input: &Input) -> Result<bool, Need> {
        let waited = self.told_waiting(&project)?;
        let target = project.target();
        let steps = movements(project.held, project.consumed, target);
        self.move_on_chain(&mut project, chain, &steps, input)?;

        if project.refused != Some(target.held) {
            project.refused = None;
        }
        if !project.growth().is_positive() {
            self.withdraw(&mut project, chain, waited)?;
            self.put(project);
            self.place_claims(chain.queue(), input)?;
            return Ok(false);
        }
        if project.claim.is_some() {
            self.waiting_changed(chain, waited, project.waiting())?;
            if waited != project.waiting() {
                self.tell_about(&project.id);
            }
            self.put(project);
            self.place_claims(chain.queue(), input)?;
            return Ok(false);
        }
        let refused_already = project.refused.is_some();
        let id = project.id.clone();
        self.put(project);
        let blocked = self.place_claims(chain.queue(), input)?;
        if refused_already {
            return Ok(false);
        }
        self.claim(&id, &blocked, input)
    }

    /// What of a project is counted as waiting, as the books last had it.
    fn told_waiting(&self, project: &Project) -> Result<Queued, Need> {
        match project.claim {
            None => Ok(Queued::default()),
            Some(_) => Ok(self.project(&project.id)?.waiting()),
        }
    }

    /// Books `steps` on every account of `chain`, the project's own first.
    pub(super) fn move_on_chain(
        &mut self,
        project: &mut Project,
        chain: &Chain,
        steps: &[Movement],
        input: &Input,
    ) -> Result<(), Need> {
        for step in steps {
            for account in chain.iter() {
                self.book(account, step, Some(&project.id), input)?;
            }
            match step.from {
                Side::Held => project.held -= step.credits,
                Side::Consumed => project.consumed -= step.credits,
                Side::Available | Side::Outside => {}
            }
            match step.to {
                Side::Held => project.held += step.credits,
                Side::Consumed => project.consumed += step.credits,
                Side::Available | Side::Outside => {}
            }
        }
        Ok(())
    }

    /// Puts a project back on the books.
    pub(super) fn put(&mut self, project: Project) {
        self.projects.insert(project.id.clone(), project);
    }

    /// What a message that books on `chain` is parked for, if its numbers are at the end of their range.
    pub(super) fn out_of_range(&self, chain: &Chain) -> Result<Option<Outcome>, Need> {
        for account in chain.iter() {
            if let Some(parked) = Self::no_room(self.known_account(account)?) {
                return Ok(Some(parked));
            }
        }
        Ok(None)
    }

    /// The price that a message says, in credits where a price list knows them, or what it is parked for.
    fn price_tag(
        &self,
        fact: &ProjectFact,
        account: &Account,
        input: &Input,
    ) -> Result<Result<Option<PriceTag>, Outcome>, Need> {
        let Some(said) = &fact.price else { return Ok(Ok(None)) };
        let credits = match said {
            Price::Credits(credits) => Some(*credits),
            Price::Deliverables(deliverables) => match self.price_of(account, deliverables, input.now)? {
                Ok(credits) => credits,
                Err(too_dear) => {
                    let detail = format!("data.deliverables: {too_dear}");
                    return Ok(Err(park(ParkReason::OutOfRange, detail, None)));
                }
            },
        };
        Ok(Ok(Some(PriceTag { said: said.clone(), credits })))
    }

    /// A status as the settings know it, or what the message is parked for.
    fn status(&self, name: &Arc<str>) -> Result<Status, Outcome> {
        let known = self.ledger.settings.status(name);
        known.map(|(effect, stage)| Status { name: name.clone(), effect, stage }).ok_or_else(|| {
            let detail = format!("data.status: {name:?} is not among the settings' lifecycle.statuses");
            park(ParkReason::UnknownStatus, detail, Some(WaitsFor::Status(name.clone())))
        })
    }
}

/// A message about an account, or about the pool of an organization, that is not known yet.
pub(super) fn account_unknown(account: &AccountId) -> Outcome {
    let applied_later = "is not known yet; this is applied when it appears";
    if let Some(organization) = account.pool_owner() {
        let detail = format!("organization \"{organization}\" {applied_later}");
        let waits_for = WaitsFor::Organization(organization);
        return park(ParkReason::OrganizationUnknown, detail, Some(waits_for));
    }
    let detail = format!("account \"{account}\" {applied_later}");
    park(ParkReason::AccountUnknown, detail, Some(WaitsFor::Account(account.clone())))
}

/// What became of a message, given whether the hold that it asks for was refused.
pub(super) fn outcome_of(refused: bool) -> Outcome {
    if refused { Outcome::Rejected(Rejection::Hold) } else { Outcome::Applied }
}

/// Everything booked given back: what was held is released, what was consumed is reversed.
fn undo(held: Credits, consumed: Credits) -> Vec<Movement> {
    let steps = [(EntryKind::Release, Side::Held, held), (EntryKind::Reversal, Side::Consumed, consumed)];
    let booked = steps.into_iter().filter(|(_, _, credits)| credits.is_positive());
    booked.map(|(kind, from, credits)| Movement { kind, from, to: Side::Available, credits }).collect()
}
