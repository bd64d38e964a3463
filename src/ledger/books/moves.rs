//! An account that comes to a pool, leaves one, or changes pools: its holds are carried along, and its claims
//! queue anew (DESIGN 1.5).

use super::super::account::Chain;
use super::super::balance::Queued;
use super::super::booking::Movement;
use super::super::entry::{EntryKind, Side};
use super::super::ids::{AccountId, ProjectId};
use super::super::input::Input;
use super::super::project::{Claim, Project};
use super::{Books, Need};

impl Books<'_> {
    /// Carries what is tied to an account's `old` chain over to its `new` one. What was used up stays where it
    /// was booked.
    pub(super) fn change_chain(&mut self, old: &Chain, new: &Chain, input: &Input) -> Result<(), Need> {
        let account = self.known_account(&new.account)?;
        let total = account.balance.total;
        let is_in_use = account.balance.held.is_positive() || account.queued.projects > 0;
        if let Some(pool) = &old.pool {
            self.promise(pool, -total)?;
        }
        if let Some(pool) = &new.pool {
            self.promise(pool, total)?;
        }
        if !is_in_use {
            return Ok(());
        }
        for id in self.tied(&new.account)? {
            let project = self.project(&id)?;
            self.carry_hold(project, old, new, input)?;
        }
        let mut waiting: Vec<(Claim, Project)> = Vec::new();
        for id in self.tied(&new.account)? {
            let project = self.project(&id)?;
            waiting.extend(project.claim.map(|claim| (claim, project)));
        }
        waiting.sort_by_key(|(claim, _)| claim.ticket);
        for (claim, project) in waiting {
            self.queue_anew(project, claim, old, new)?;
        }
        Ok(())
    }

    /// Moves what a project holds from the old pool to the new one. On the account itself nothing changes.
    fn carry_hold(
        &mut self,
        mut project: Project,
        old: &Chain,
        new: &Chain,
        input: &Input,
    ) -> Result<(), Need> {
        if project.held.is_positive() {
            let steps = [(&old.pool, Side::Held, Side::Available), (&new.pool, Side::Available, Side::Held)];
            for (pool, from, to) in steps {
                let Some(pool) = pool else { continue };
                let movement = Movement { kind: EntryKind::Carry, from, to, credits: project.held };
                self.book(pool, &movement, Some(&project.id), input)?;
            }
        }
        if project.claim.is_none() {
            project.chain = Some(new.clone());
        }
        self.put(project);
        Ok(())
    }

    /// Gives a claim a place at the end of the new queue. It has waited for as long as it had.
    fn queue_anew(
        &mut self,
        mut project: Project,
        claim: Claim,
        old: &Chain,
        new: &Chain,
    ) -> Result<(), Need> {
        let waits = project.waiting();
        self.withdraw(&mut project, old, waits)?;
        project.chain = Some(new.clone());
        self.ledger.ticket_last.0 += 1;
        let ticket = self.ledger.ticket_last;
        self.queue(new.queue())?.append(ticket, project.id.clone());
        project.claim = Some(Claim { ticket, ..claim });
        self.waiting_changed(new, Queued::default(), waits)?;
        self.tell_about(&project.id);
        self.put(project);
        Ok(())
    }

    /// The projects of an account that hold credits or wait for some, in the order of their ids.
    fn tied(&self, account: &AccountId) -> Result<Vec<ProjectId>, Need> {
        let stored = self.shelf.tied.get(account).ok_or_else(|| Need::Tied(account.clone()))?;
        let mut tied = Vec::new();
        for id in stored.iter().chain(self.projects.keys()) {
            let project = self.project(id)?;
            let of_account = project.chain.as_ref().is_some_and(|chain| chain.account == *account);
            if of_account && (project.held.is_positive() || project.claim.is_some()) {
                tied.push(id.clone());
            }
        }
        tied.sort();
        tied.dedup();
        Ok(tied)
    }
}
