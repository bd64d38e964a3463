//! Stale holds: of projects that are in a status for longer than its limit. They are told, and never
//! released by themselves (DESIGN 1.4).

use super::super::alert;
use super::super::ids::ProjectId;
use super::super::input::{HoldsStale, Input};
use super::super::notice::{Subject, SubjectChange, SubjectKind};
use super::super::outcome::Outcome;
use super::super::own::is_stale;
use super::super::project::Project;
use super::{Books, Need};

impl Books<'_> {
    /// Marks those of the named projects that are stale now and were not.
    pub(super) fn mark_stale(&mut self, input: &Input, stale: &HoldsStale) -> Result<Outcome, Need> {
        let mut outcome = Outcome::Stale;
        for id in stale.projects.iter() {
            let mut project = self.project(id)?;
            let of_account = project.chain.as_ref().is_some_and(|chain| chain.account == stale.account_id);
            let found_before = project.stale_since.is_some();
            if found_before || !of_account || !is_stale(&project, &self.ledger.settings, input.now) {
                continue;
            }
            project.stale_since = Some(input.now);
            self.known_account_mut(&stale.account_id)?.tallies.stale_holds += 1;
            self.tell_subject(&stale.account_id, subject(&project, SubjectChange::Raised));
            self.touch(&stale.account_id);
            self.put(project);
            outcome = Outcome::Applied;
        }
        Ok(outcome)
    }

    /// Ends the episode of a hold that is stale: the project has left its status, its account, or its hold. What is
    /// told is what it was `before`: the status that it was in for too long.
    pub(super) fn end_stale(&mut self, project: &mut Project, before: &Project) -> Result<(), Need> {
        if project.stale_since.take().is_none() {
            return Ok(());
        }
        let chain = project.chain.as_ref().expect("a project that held credits has a chain");
        let account = chain.account.clone();
        self.known_account_mut(&account)?.tallies.stale_holds -= 1;
        self.tell_subject(&account, subject(before, SubjectChange::Resolved));
        self.touch(&account);
        Ok(())
    }

    /// Ends the episodes that are none by the settings as they are now.
    pub(super) fn forget_stale(&mut self, input: &Input) -> Result<(), Need> {
        for id in self.stale()? {
            let before = self.project(&id)?;
            if !is_stale(&before, &self.ledger.settings, input.now) {
                let mut project = before.clone();
                self.end_stale(&mut project, &before)?;
                self.put(project);
            }
        }
        Ok(())
    }

    fn stale(&self) -> Result<Vec<ProjectId>, Need> {
        let stored = self.shelf.stale.as_ref().ok_or(Need::Stale)?;
        let mut stale = Vec::new();
        for id in stored.iter().chain(self.projects.keys()) {
            if self.project(id)?.stale_since.is_some() {
                stale.push(id.clone());
            }
        }
        stale.sort();
        stale.dedup();
        Ok(stale)
    }
}

fn subject(project: &Project, change: SubjectChange) -> Subject {
    let what = SubjectKind::Project {
        project_id: project.id.clone(),
        name: project.name.get().clone(),
        status: project.status.get().as_ref().map(|status| status.name.clone()),
        status_since: project.status_since,
        held: project.held,
    };
    Subject { rule: alert::HOLD_STALE.into(), change, what }
}
