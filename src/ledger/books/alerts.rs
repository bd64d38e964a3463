//! Alerts: the rules of every account that an input touched, evaluated after it (DESIGN 1.4).

use std::cmp::Reverse;
use std::sync::Arc;

use super::super::account::{Account, Kind};
use super::super::alert::{Measured, Rule, Transition, evaluate, queue_blocked};
use super::super::ids::AccountId;
use super::super::input::Input;
use super::super::notice::{AlertBody, Contact, ContactRole, Holder, NoticeBody};
use super::super::project::Project;
use super::{Books, HOLDERS_SHOWN, Need};

impl Books<'_> {
    /// One notice for each touched account of which what is raised changed.
    pub(super) fn evaluate_alerts(&mut self, input: &Input) -> Result<(), Need> {
        let mut due = Vec::new();
        for id in self.touched.accounts.take() {
            let account = self.known_account(&id)?;
            let own_rules = self.rules_of(account)?;
            let built_in = self.ledger.settings.queue_blocked.map(queue_blocked);
            let rules = own_rules.iter().chain(&built_in);
            let books = Measured { balance: account.balance, queued: account.queued };
            let transition = evaluate(&account.raised, rules, &books, input.now);
            due.extend(transition.map(|transition| (id, transition)));
        }
        // All together: each need begins the batch again.
        let unknown = due.iter().map(|(id, _)| id).filter(|id| !self.shelf.holders.contains_key(id));
        let unknown: Vec<_> = unknown.cloned().collect();
        if !unknown.is_empty() {
            return Err(Need::Holders(unknown));
        }
        for (id, transition) in due {
            let body = self.alert(self.known_account(&id)?, &transition)?;
            self.known_account_mut(&id)?.raised = transition.remembered();
            self.say(&id, NoticeBody::Alert(Box::new(body)), input)?;
        }
        Ok(())
    }

    /// The rules for an account: its own, else its organization's, else those of the settings.
    fn rules_of(&self, account: &Account) -> Result<Arc<[Rule]>, Need> {
        if let Some(own) = account.alert_rules.get() {
            return Ok(own.clone());
        }
        if let Some(organization) = account.organization()
            && let Some(organization) = self.organization(organization)?
            && let Some(inherited) = organization.alert_rules.get()
        {
            return Ok(inherited.clone());
        }
        Ok(self.ledger.settings.alert_rules.clone())
    }

    fn alert(&self, account: &Account, transition: &Transition) -> Result<AlertBody, Need> {
        let holders = self.holders(&account.id)?;
        let mut largest = holders.clone();
        largest.sort_by(|a, b| (Reverse(a.held), &a.project_id).cmp(&(Reverse(b.held), &b.project_id)));
        largest.truncate(HOLDERS_SHOWN);
        let mut closest = holders;
        let nearness = |holder: &Holder| (Reverse(holder.stage), Reverse(holder.held));
        closest.sort_by(|a, b| (nearness(a), &a.project_id).cmp(&(nearness(b), &b.project_id)));
        closest.truncate(HOLDERS_SHOWN);
        Ok(AlertBody {
            change: transition.change,
            severity: transition.severity,
            previous_severity: transition.previous_severity,
            rules: transition.rules.clone(),
            resolved: transition.resolved.clone(),
            balance: account.balance.into(),
            queued: account.queued,
            contact: self.contact(account)?,
            largest_holds: largest,
            closest_to_settling: closest,
        })
    }

    /// Whom to turn to: the account manager where the account has a plan of its own, the organization's
    /// admin where it shares one.
    fn contact(&self, account: &Account) -> Result<Contact, Need> {
        let shares = matches!(account.kind.get(), Kind::Integrated | Kind::Pool);
        if !shares {
            let contact = account.contact.get().clone();
            return Ok(Contact { role: ContactRole::AccountManager, contact });
        }
        let organization = match account.organization() {
            Some(organization) => self.organization(organization)?,
            None => None,
        };
        let contact = organization.and_then(|organization| organization.contact.get().clone());
        Ok(Contact { role: ContactRole::OrganizationAdmin, contact })
    }

    /// Who holds an account's credits: as far as an alert could name them.
    fn holders(&self, account: &AccountId) -> Result<Vec<Holder>, Need> {
        let stored = self.shelf.holders.get(account);
        let stored = stored.ok_or_else(|| Need::Holders(vec![account.clone()]))?;
        let on_shelf = self.shelf.projects.values().flatten();
        let untouched = on_shelf.filter(|project| !self.projects.contains_key(&project.id));
        let at_hand = untouched.chain(self.projects.values());
        let holding = at_hand.filter_map(|project| holder(project, account));
        Ok(stored.projects.iter().cloned().chain(holding).collect())
    }
}

/// `project` as a holder of `account`'s credits, if it is one.
fn holder(project: &Project, account: &AccountId) -> Option<Holder> {
    let chain = project.chain.as_ref()?;
    let holds = project.held.is_positive() && chain.iter().any(|link| link == account);
    if !holds {
        return None;
    }
    Some(Holder {
        project_id: project.id.clone(),
        account_id: chain.account.clone(),
        name: project.name.get().clone(),
        status: project.status.get().as_ref().map(|status| status.name.clone()),
        stage: project.status.get().as_ref().map_or(0, |status| status.stage),
        held: project.held,
    })
}
