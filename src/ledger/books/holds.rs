//! Commands about a single project's hold: released, restored, tried again (DESIGN 1.2, 1.5).

use std::sync::Arc;

use super::super::ids::ProjectId;
use super::super::input::Input;
use super::super::outcome::Outcome;
use super::super::project::{Project, RELEASED_BY_OPERATOR, Status};
use super::super::settings::Effect;
use super::super::version::Version;
use super::{Books, Need, Stop, refused};

impl Books<'_> {
    /// Gives back what a project holds, as a status of its own: a later one of the upstream counts as if
    /// nothing had been.
    pub(super) fn release_hold(&mut self, input: &Input, id: &ProjectId) -> Result<Outcome, Stop> {
        let mut project = self.stored_project(id)?;
        if project.held.is_zero() && project.claim.is_none() {
            let what = "holds nothing and waits for nothing; there is nothing to release";
            return Err(refused(format!("project \"{id}\" {what}")));
        }
        let before = project.clone();
        let status_before = project.status.get().clone();
        let stage = status_before.as_ref().map_or(0, |status| status.stage);
        let status = Status { name: RELEASED_BY_OPERATOR.into(), effect: Effect::Release, stage };
        let version = self.version_above(input, &project);
        project.status.set(Some(Some(status)), &version);
        project.status_since = Some(input.now);
        self.end_stale(&mut project, &before)?;
        project.released_from = status_before;
        self.follow_registers(project, false, input)?;
        Ok(Outcome::Applied)
    }

    /// Undoes a release: the project is in the status again that it was released from, and claims what it
    /// wants at the end of the queue.
    pub(super) fn restore_hold(&mut self, input: &Input, id: &ProjectId) -> Result<Outcome, Stop> {
        let mut project = self.stored_project(id)?;
        let Some(status) = project.released_from.take() else {
            let status = project.status.get().as_ref().map_or("none", |status| &*status.name);
            return Err(refused(format!(
                "project \"{id}\" is not one whose hold was released by command, or another status came \
                 after that; its status is {status}"
            )));
        };
        let version = self.version_above(input, &project);
        project.status.set(Some(Some(status)), &version);
        project.status_since = Some(input.now);
        Ok(self.claimed(project, input)?)
    }

    /// Tries a refused claim again, as the last of its queue.
    pub(super) fn retry_hold(&mut self, input: &Input, id: &ProjectId) -> Result<Outcome, Stop> {
        let mut project = self.stored_project(id)?;
        if project.refused.take().is_none() {
            let state = project.state();
            let what = "was not refused, so there is nothing to try again";
            return Err(refused(format!("the hold of project \"{id}\" {what}; its state is {state}")));
        }
        match self.claimed(project, input)? {
            Outcome::Rejected(_) => {
                let project = self.project(id)?;
                let chain = project.chain.as_ref().expect("a project that claims has a chain");
                let short = self.shortfall(chain, project.growth())?;
                let what = match short {
                    Some(short) => {
                        format!("account \"{}\" lacks {} credits", short.account_id, short.credits)
                    }
                    None => {
                        "claims ahead of it wait, it wants more than its account could ever carry, or its \
                             account is closed"
                            .to_owned()
                    }
                };
                Err(refused(format!("the hold of project \"{id}\" would be refused again: {what}")))
            }
            outcome => Ok(outcome),
        }
    }

    fn claimed(&mut self, project: Project, input: &Input) -> Result<Outcome, Need> {
        let refused = self.follow_registers(project, false, input)?;
        Ok(super::projects::outcome_of(refused))
    }

    /// A project that some message has named.
    fn stored_project(&self, id: &ProjectId) -> Result<Project, Stop> {
        let project = self.project(id)?;
        if project.chain.is_none() {
            let hint = "`creditd project list` shows those that are";
            return Err(refused(format!("no project \"{id}\" is known; {hint}")));
        }
        Ok(project)
    }

    /// A version for a status that comes after the one that a project is in. Not after all that was said of it: an
    /// amendment may be newer than a status that is still on its way.
    fn version_above(&self, input: &Input, project: &Project) -> Arc<Version> {
        let before = project.status.version().map(|version| &**version);
        Version::above(self.ledger.settings.order, before, input.now, &input.cause.key)
    }
}
