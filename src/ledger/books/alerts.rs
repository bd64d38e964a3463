//! Alerts: the rules of every account that an input touched, evaluated after it (DESIGN 1.4).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::super::account::{Account, Chain, Kind};
use super::super::alert::{
    Change, Measured, POOL_OVERCOMMITTED, Raised, RaisedRule, Rule, Transition, evaluate,
};
use super::super::ids::AccountId;
use super::super::input::Input;
use super::super::notice::{AlertBody, Contact, ContactRole, Holder, NoticeBody, Overcommitted, Subject};
use super::super::outcome::Outcome;
use super::super::project::Project;
use super::projects::account_unknown;
use super::{Books, HOLDERS_SHOWN, Need};

/// So many subjects are told at most, so that no event is larger than a broker takes.
const SUBJECTS_TOLD_MAX: usize = 1_000;

impl Books<'_> {
    /// One notice for each touched account of which what is raised changed.
    pub(super) fn evaluate_alerts(&mut self, input: &Input) -> Result<(), Need> {
        let mut due = Vec::new();
        let built_in: Vec<_> = self.ledger.settings.built_in_rules().collect();
        for id in self.touched.accounts.take() {
            let account = self.known_account(&id)?;
            let own_rules = self.rules_of(account)?;
            let rules = own_rules.iter().chain(&built_in);
            let transition = evaluate(&account.raised, rules, &measured(account), input.now);
            due.extend(transition.map(|transition| (id, transition)));
        }
        if due.is_empty() {
            return Ok(());
        }
        // All together: each need begins the batch again.
        let unknown = due.iter().map(|(id, _)| id).filter(|id| !self.shelf.holders.contains_key(id));
        let unknown: Vec<_> = unknown.cloned().collect();
        if !unknown.is_empty() {
            return Err(Need::Holders(unknown));
        }
        let accounts: Vec<_> = due.iter().map(|(id, _)| id.clone()).collect();
        let mut holders = self.holders(&accounts)?;
        for (id, transition) in due {
            let holders = holders.remove(&id).unwrap_or_default();
            let body = self.alert(self.known_account(&id)?, &transition, holders)?;
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

    fn alert(
        &self,
        account: &Account,
        transition: &Transition,
        holders: Vec<Holder>,
    ) -> Result<AlertBody, Need> {
        let mut closest = holders.clone();
        let nearness = |holder: &Holder| (Reverse(holder.stage), Reverse(holder.held));
        closest.sort_by(|a, b| (nearness(a), &a.project_id).cmp(&(nearness(b), &b.project_id)));
        closest.truncate(HOLDERS_SHOWN);
        Ok(AlertBody {
            change: transition.change,
            severity: transition.severity,
            previous_severity: transition.previous_severity,
            rules: transition.rules.clone(),
            resolved: transition.resolved.clone(),
            subjects: self.subjects(account, transition),
            overcommitted: overcommitted(account, transition),
            balance: account.balance.into(),
            queued: account.queued,
            contact: self.contact(account)?,
            largest_holds: largest(holders),
            closest_to_settling: closest,
        })
    }

    /// What the rules of `transition` came to be about, or are no longer about.
    fn subjects(&self, account: &Account, transition: &Transition) -> Vec<Subject> {
        let told = |rule: &str| {
            transition.rules.iter().any(|raised| *raised.rule.name == *rule)
                || transition.resolved.iter().any(|resolved| *resolved.name == *rule)
        };
        let of_account = self.touched.subjects.iter().filter(|(id, _)| *id == account.id);
        let told = of_account.filter(|(_, subject)| told(&subject.rule)).map(|(_, subject)| subject.clone());
        told.take(SUBJECTS_TOLD_MAX).collect()
    }

    /// Says how an account stands, as an alert that is none, to show whether alerts arrive.
    pub(super) fn test_alert(&mut self, input: &Input, id: &AccountId) -> Result<Outcome, Need> {
        let Some(account) = self.account(id)? else {
            return Ok(account_unknown(id));
        };
        let rules = self.rules_of(account)?;
        let built_in: Vec<_> = self.ledger.settings.built_in_rules().collect();
        let rule_of = |raised: &Raised| {
            let rule = rules.iter().chain(&built_in).find(|rule| rule.name == raised.name)?;
            Some(RaisedRule { rule: rule.clone(), since: raised.since, subjects: raised.subjects })
        };
        let severity = account.raised.iter().map(|raised| raised.severity).max();
        let transition = Transition {
            change: Change::Test,
            severity,
            previous_severity: severity,
            rules: account.raised.iter().filter_map(rule_of).collect(),
            resolved: Vec::new(),
        };
        let holders = self.holders_of(id)?;
        let body = self.alert(self.known_account(id)?, &transition, holders)?;
        self.say(id, NoticeBody::Alert(Box::new(body)), input)?;
        Ok(Outcome::Applied)
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
    pub(super) fn holders_of(&self, account: &AccountId) -> Result<Vec<Holder>, Need> {
        let holders = self.holders(std::slice::from_ref(account))?;
        Ok(holders.into_values().flatten().collect())
    }

    /// As [`Books::holders_of`], in one walk of the projects for all `accounts` together: there may be many of
    /// both.
    fn holders(&self, accounts: &[AccountId]) -> Result<HashMap<AccountId, Vec<Holder>>, Need> {
        let mut holders = HashMap::with_capacity(accounts.len());
        for account in accounts {
            let stored = self.shelf.holders.get(account);
            let stored = stored.ok_or_else(|| Need::Holders(vec![account.clone()]))?;
            holders.insert(account.clone(), stored.projects.clone());
        }
        let on_shelf = self.shelf.projects.values().flatten();
        let untouched = on_shelf.filter(|project| !self.projects.contains_key(&project.id));
        for project in untouched.chain(self.projects.values()).filter(|project| project.held.is_positive()) {
            for account in project.chain.iter().flat_map(Chain::iter) {
                if let Some(list) = holders.get_mut(account) {
                    list.extend(holder(project));
                }
            }
        }
        Ok(holders)
    }
}

/// What an account's rules are held against.
pub(crate) fn measured(account: &Account) -> Measured {
    Measured { balance: account.balance, queued: account.queued, tallies: account.tallies }
}

fn overcommitted(account: &Account, transition: &Transition) -> Option<Overcommitted> {
    let is_raised = transition.rules.iter().any(|raised| *raised.rule.name == *POOL_OVERCOMMITTED);
    let credits = measured(account).over_promised();
    is_raised.then_some(Overcommitted { promised: account.tallies.promised, credits })
}

/// The holders that hold most, largest first.
pub(super) fn largest(mut holders: Vec<Holder>) -> Vec<Holder> {
    holders.sort_by(|a, b| (Reverse(a.held), &a.project_id).cmp(&(Reverse(b.held), &b.project_id)));
    holders.truncate(HOLDERS_SHOWN);
    holders
}

/// `project` as a holder of its chain's credits.
fn holder(project: &Project) -> Option<Holder> {
    let chain = project.chain.as_ref()?;
    Some(Holder {
        project_id: project.id.clone(),
        account_id: chain.account.clone(),
        name: project.name.get().clone(),
        status: project.status.get().as_ref().map(|status| status.name.clone()),
        stage: project.status.get().as_ref().map_or(0, |status| status.stage),
        held: project.held,
    })
}
