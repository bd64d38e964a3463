//! Price lists: they come, come into force, and price what had no price (DESIGN 1.3).

use std::collections::BTreeMap;

use super::super::account::Account;
use super::super::credits::Credits;
use super::super::ids::{AccountId, OrganizationId, ProjectId};
use super::super::input::{
    Deliverable, Input, Price, PriceLine, PriceListFact, PricesAmended, PricesStarted,
};
use super::super::moment::Timestamp;
use super::super::outcome::{Outcome, WaitsFor};
use super::super::price::{LINES_MAX, Lists, PriceList, PricedLine, TooDear, in_force};
use super::super::project::{PriceTag, Project};
use super::projects::account_unknown;
use super::{Books, Need, Stop, refused};

impl Books<'_> {
    pub(super) fn apply_price_list(&mut self, input: &Input, fact: &PriceListFact) -> Result<Outcome, Need> {
        if let Some(parked) = self.owner_unknown(fact.organization_id.as_ref())? {
            return Ok(parked);
        }
        let starts_at = fact.effective_at.map_or(input.now, |effective_at| effective_at.max(input.now));
        self.ledger.price_list_last += 1;
        let list = PriceList {
            number: self.ledger.price_list_last,
            organization_id: fact.organization_id.clone(),
            arrived_at: input.now,
            starts_at,
            prices: fact.prices.clone(),
            started: starts_at <= input.now,
            cause: input.cause.clone(),
            actor: input.reason_and_actor().1.cloned(),
        };
        self.lists_mut(fact.organization_id.as_ref())?.push(list.clone());
        if list.started {
            self.price_the_unpriced(&list, input)?;
        }
        Ok(Outcome::Applied)
    }

    /// By command: a new version that is like the one in force when it starts but for what was named. It is made
    /// from that one here, under the ledger's lock, so that no version that came meanwhile is undone by it.
    pub(super) fn amend_prices(&mut self, input: &Input, fact: &PricesAmended) -> Result<Outcome, Stop> {
        let PricesAmended { set, removed, effective_at, organization_id } = fact;
        if let Some(parked) = self.owner_unknown(organization_id.as_ref())? {
            return Ok(parked);
        }
        let starts_at = effective_at.map_or(input.now, |effective_at| effective_at.max(input.now));
        let base = in_force(self.lists(organization_id.as_ref())?, starts_at);
        let by_type = |line: &PriceLine| (line.deliverable_type.clone(), line.credits);
        let mut prices: BTreeMap<_, _> =
            base.iter().flat_map(|list| list.prices.iter().map(by_type)).collect();
        for what in removed.iter() {
            if prices.remove(what).is_none() {
                let hint = "`creditd price list` shows what has one";
                return Err(refused(format!("the list has no price for {what:?} to remove; {hint}")));
            }
        }
        prices.extend(set.iter().map(by_type));
        if prices.len() > LINES_MAX {
            let count = prices.len();
            let what = format!("the list would have {count} prices; it may have {LINES_MAX} at most");
            return Err(refused(what));
        }
        let line = |(deliverable_type, credits)| PriceLine { deliverable_type, credits };
        let list = PriceListFact {
            prices: prices.into_iter().map(line).collect(),
            effective_at: *effective_at,
            organization_id: organization_id.clone(),
        };
        Ok(self.apply_price_list(input, &list)?)
    }

    /// What a message about the list of an organization is parked for that is not known.
    fn owner_unknown(&self, owner: Option<&OrganizationId>) -> Result<Option<Outcome>, Need> {
        let Some(organization) = owner else { return Ok(None) };
        let is_known = self.organization(organization)?.is_some();
        Ok((!is_known).then(|| account_unknown(&AccountId::pool_of(organization))))
    }

    /// A list that was announced comes into force.
    pub(super) fn start_prices(&mut self, input: &Input, start: &PricesStarted) -> Result<Outcome, Need> {
        let is_meant = |list: &&mut PriceList| list.number == start.number;
        let found = self.lists_mut(start.organization_id.as_ref())?.iter_mut().find(is_meant);
        let Some(list) = found.filter(|list| !list.started && list.starts_at <= input.now) else {
            return Ok(Outcome::Stale);
        };
        list.started = true;
        let list = list.clone();
        self.price_the_unpriced(&list, input)?;
        Ok(Outcome::Applied)
    }

    /// Computes the price of what had none when it was said, oldest first, and offers parked messages about
    /// what has a price now.
    fn price_the_unpriced(&mut self, list: &PriceList, input: &Input) -> Result<(), Need> {
        let priced = |line: &PriceLine| WaitsFor::Price(line.deliverable_type.clone());
        self.appeared.extend(list.prices.iter().map(priced));
        for id in self.unpriced()? {
            let project = self.project(&id)?;
            let account = project.account.get().as_ref().expect("a project that is stored has an account");
            let account = self.known_account(account)?;
            let of_this_list =
                list.organization_id.is_none() || list.organization_id.as_ref() == account.organization();
            let has_room = self.out_of_range(&account.chain())?.is_none();
            if of_this_list && has_room {
                self.price_anew(project, input)?;
            }
        }
        Ok(())
    }

    /// A price that is too high to be named leaves the project unpriced.
    fn price_anew(&mut self, mut project: Project, input: &Input) -> Result<(), Need> {
        let Some(PriceTag { said: Price::Deliverables(deliverables), .. }) = project.price.get() else {
            return Ok(());
        };
        let account = project.account.get().as_ref().expect("a project that is stored has an account");
        let price = self.price_of(self.known_account(account)?, deliverables, input.now)?;
        let Ok(Some(credits)) = price else { return Ok(()) };
        project.price.refine(|tag| tag.iter_mut().for_each(|tag| tag.credits = Some(credits)));
        project.unpriced_since = None;
        self.follow_registers(project, false, input)?;
        Ok(())
    }

    /// What an account pays for `deliverables` at `now`.
    pub(super) fn price_of(
        &self,
        account: &Account,
        deliverables: &[Deliverable],
        now: Timestamp,
    ) -> Result<Result<Option<Credits>, TooDear>, Need> {
        self.with_lists(account, now, |lists| lists.price(deliverables))
    }

    /// What an account pays for each of `deliverables` at `now`, line by line.
    pub fn price_lines(
        &self,
        account: &Account,
        deliverables: &[Deliverable],
        now: Timestamp,
    ) -> Result<Vec<PricedLine>, Need> {
        self.with_lists(account, now, |lists| lists.lines(deliverables))
    }

    fn with_lists<T>(
        &self,
        account: &Account,
        now: Timestamp,
        price: impl FnOnce(&Lists) -> T,
    ) -> Result<T, Need> {
        let own = match account.organization() {
            Some(organization) => in_force(self.lists(Some(organization))?, now),
            None => None,
        };
        let default = in_force(self.lists(None)?, now);
        Ok(price(&Lists { own, default }))
    }

    fn lists(&self, owner: Option<&OrganizationId>) -> Result<&[PriceList], Need> {
        let owner = owner.cloned();
        let versions = self.price_lists.get(&owner).or_else(|| self.shelf.price_lists.get(&owner));
        Ok(versions.ok_or(Need::Prices(owner))?)
    }

    fn lists_mut(&mut self, owner: Option<&OrganizationId>) -> Result<&mut Vec<PriceList>, Need> {
        let copies = self.lists(owner)?.to_vec();
        Ok(self.price_lists.entry(owner.cloned()).or_insert(copies))
    }

    /// The projects whose price was said and isn't known, oldest first.
    fn unpriced(&self) -> Result<Vec<ProjectId>, Need> {
        let stored = self.shelf.unpriced.as_ref().ok_or(Need::Unpriced)?;
        let mut unpriced = Vec::new();
        for id in stored.iter().chain(self.projects.keys()) {
            if let Some(since) = self.project(id)?.unpriced_since {
                unpriced.push((since, id.clone()));
            }
        }
        unpriced.sort();
        unpriced.dedup();
        Ok(unpriced.into_iter().map(|(_, id)| id).collect())
    }
}
