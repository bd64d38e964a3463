//! A project in full, and its history, as far as they may be seen.

use super::super::error::unknown;
use super::super::{AccountRow, AssetUsage, ClaimRow, Listed, ProjectInFull, ProjectLine, ReadError};
use super::Reading;
use crate::access::Scope;
use crate::ledger::entry::LogNumber;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::input::{Deliverable, Price};
use crate::ledger::project::Ticket;
use crate::store::ProjectEntriesFilter;

impl Reading {
    /// A project, what was said of it, and what it waits for.
    pub async fn project_in_full(&mut self, id: &str) -> Result<ProjectInFull, ReadError> {
        let row = self.project(id).await?;
        let project_id = ProjectId::parse(id).map_err(|_| unknown("project", id))?;
        let account_id = AccountId::parse(&row.account_id).map_err(|_| unknown("project", id))?;
        let account = match self.account(&row.account_id).await {
            Ok(account) => Some(account),
            Err(ReadError::Unknown { .. }) => None,
            Err(error) => return Err(error),
        };
        let found = self.snapshot.project_in_full(&project_id).await?;
        let Some(found) = found else { return Err(unknown("project", id)) };
        let assets = self.snapshot.project_assets(&account_id, &project_id).await?;
        let claim = match &found.project.claim {
            Some(claim) => self.claim(claim.ticket, account.as_ref()).await?,
            None => None,
        };
        let said = found.project.price.get().as_ref().map(|tag| &tag.said);
        let deliverables: Vec<Deliverable> = match said {
            Some(Price::Deliverables(lines)) => lines.to_vec(),
            _ => Vec::new(),
        };
        Ok(ProjectInFull {
            deliverables,
            final_credits: *found.project.final_credits.get(),
            mode: found.project.mode,
            refused: found.project.refused,
            held_since: found.held_since,
            claim,
            assets: assets.into_iter().map(AssetUsage::from).collect(),
            account,
            row,
        })
    }

    /// The claim with this ticket, of a project that may be seen.
    async fn claim(
        &mut self,
        ticket: Ticket,
        account: Option<&AccountRow>,
    ) -> Result<Option<ClaimRow>, ReadError> {
        // Who sees the project and not its account sees the pool, whose queue it waits in.
        let queue = match (account, &self.scope) {
            (Some(account), _) => account.account_id.clone(),
            (None, Scope::Account(own)) => own.to_string(),
            (None, Scope::All | Scope::Organization(_)) => return Ok(None),
        };
        Ok(self.queue(&queue, Some(ticket.0 - 1), 1).await?.claims.pop())
    }

    /// A page of a project's entries, `limit` at most after that of the number `after`: those on accounts that may
    /// be seen, wherever the project was before.
    pub async fn project_entries(
        &mut self,
        id: &str,
        after: Option<i64>,
        newest_first: bool,
        limit: i64,
    ) -> Result<Listed<ProjectLine>, ReadError> {
        self.project(id).await?;
        let project_id = ProjectId::parse(id).map_err(|_| unknown("project", id))?;
        self.zone.check(&mut self.snapshot).await?;
        let (organization, account) = match &self.scope {
            Scope::All => (None, None),
            Scope::Organization(own) => (Some(own.as_str()), None),
            Scope::Account(own) => (None, Some(own.as_str())),
        };
        let filter = ProjectEntriesFilter {
            organization,
            account,
            after: after.map(LogNumber),
            newest_first,
            limit: limit.saturating_add(1),
        };
        let entries = self.snapshot.project_entries(&project_id, self.zone.as_str(), &filter).await?;
        let lines = entries.into_iter().map(ProjectLine::from).collect();
        Ok(Listed::of(lines, limit, |entry: &ProjectLine| entry.line.log_number.to_string()))
    }
}
