//! One project as the upstream lists it, held against the books.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::contract::line::ListedProject;
use crate::ledger::account::Account;
use crate::ledger::books::Shelf;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::ledger::input::{Deliverable, Price, ProjectFact};
use crate::ledger::moment::Timestamp;
use crate::ledger::price::{Lists, in_force};
use crate::ledger::project::{PriceTag, Project, State, Status};
use crate::ledger::settings::{Effect, Order, Settings};
use crate::ledger::version::{Register, Version};

/// In what a project differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The upstream lists it, it should hold or have used up credits, and nobody told of it here.
    UnknownHere,
    /// It holds or waits for credits here, and the upstream doesn't list it.
    UnknownUpstream,
    /// Its account.
    Account,
    /// Its status, and what that does to its credits.
    Effect,
    /// Its status, which does the same.
    Status,
    /// Its hold was released by command, and the upstream still has it in the status of before.
    ReleasedHere,
    /// Its price.
    Price,
    /// What it cost in the end.
    FinalCredits,
    /// Its name.
    Name,
}

impl Aspect {
    /// Its name, as shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Aspect::UnknownHere => "unknown_here",
            Aspect::UnknownUpstream => "unknown_upstream",
            Aspect::Account => "account",
            Aspect::Effect => "effect",
            Aspect::Status => "status",
            Aspect::ReleasedHere => "released_here",
            Aspect::Price => "price",
            Aspect::FinalCredits => "final_credits",
            Aspect::Name => "name",
        }
    }
}

/// A project as one side has it. Members are named as `--json` shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Whose it is.
    pub account_id: AccountId,
    /// Its status; upstream's always has one.
    pub status: Option<Arc<str>>,
    /// What that does.
    pub effect: Effect,
    /// Its price in credits, where known. The upstream may leave it out, and so the following.
    pub credits: Option<Credits>,
    /// Its price as said, where that was deliverables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliverables: Option<Arc<[Deliverable]>>,
    /// What it cost in the end.
    pub final_credits: Option<Credits>,
    /// What people call it.
    pub name: Option<Arc<str>>,
}

/// A project that differs. Members are named as `--json` shows them.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Which project.
    pub project_id: ProjectId,
    /// The line that lists it.
    pub line: Option<u64>,
    /// In what it differs.
    pub differs: Vec<Aspect>,
    /// As it is here.
    pub here: Option<Side>,
    /// As the upstream lists it.
    pub upstream: Option<Side>,
    /// What it holds here.
    pub held: Credits,
    /// What it wants held here in all, if that is more.
    pub wanted: Credits,
    /// What it should hold by the upstream's list; `null` where no price is known.
    pub should_hold: Option<Credits>,
    /// What it used up here.
    pub consumed: Credits,
    /// What it should have used up by the upstream's list; `null` where no price is known.
    pub should_consume: Option<Credits>,
    /// What was found here, for a repair to be of.
    #[serde(skip)]
    pub(super) found: Option<Project>,
    #[serde(skip)]
    listed: Option<ListedProject>,
}

/// What came of holding a listed project against the books.
pub(super) enum Compared {
    /// Nothing differs.
    Same,
    /// The books have heard of a later change than the list has.
    BooksAreNewer,
    /// It isn't known here, and would neither hold nor have used up anything.
    NothingToKnow,
    /// Something differs.
    Differs(Box<Difference>),
}

/// Holds a listed project against what is on the shelf, by the ledger's settings and its price lists at `now`.
pub(super) fn compare(
    line: u64,
    listed: &ListedProject,
    shelf: &Shelf,
    settings: &Settings,
    now: Timestamp,
) -> Compared {
    let fact = &listed.fact;
    let found = shelf.projects.get(&fact.project_id).and_then(Option::as_ref);
    let account = shelf.accounts.get(&fact.account_id).and_then(Option::as_ref);
    if found.is_some_and(|project| is_older(listed, project, settings.order)) {
        return Compared::BooksAreNewer;
    }
    let price = fact.price.as_ref().map(|said| tag(said, account, shelf, now));
    let asked = as_listed(fact, found, account, price.clone(), settings);
    let unpriced = asked.state() == State::Unpriced;
    let target = asked.target();
    let differs = match found {
        Some(project) => aspects(project, &asked, price.as_ref(), fact),
        None if !unpriced && target.held.is_zero() && target.consumed.is_zero() => {
            return Compared::NothingToKnow;
        }
        None => vec![Aspect::UnknownHere],
    };
    if differs.is_empty() {
        return Compared::Same;
    }
    let upstream = Side {
        account_id: fact.account_id.clone(),
        status: fact.status.clone(),
        effect: asked.effect(),
        credits: price.as_ref().and_then(|tag| tag.credits),
        deliverables: price.as_ref().and_then(deliverables),
        final_credits: fact.final_credits,
        name: fact.name.clone(),
    };
    Compared::Differs(Box::new(Difference {
        line: Some(line),
        differs,
        upstream: Some(upstream),
        should_hold: (!unpriced).then_some(target.held),
        should_consume: (!unpriced).then_some(target.consumed),
        listed: Some(listed.clone()),
        ..of_books(&fact.project_id, found)
    }))
}

/// A project that holds or waits for credits here and isn't on the upstream's list.
pub(super) fn unlisted(project: &Project) -> Difference {
    Difference { differs: vec![Aspect::UnknownUpstream], ..of_books(&project.id, Some(project)) }
}

fn of_books(id: &ProjectId, found: Option<&Project>) -> Difference {
    Difference {
        project_id: id.clone(),
        line: None,
        differs: Vec::new(),
        here: found.map(here),
        upstream: None,
        held: found.map(|project| project.held).unwrap_or_default(),
        wanted: found.map(|project| project.target().held).unwrap_or_default(),
        should_hold: Some(Credits::ZERO),
        consumed: found.map(|project| project.consumed).unwrap_or_default(),
        should_consume: Some(found.map(|project| project.consumed).unwrap_or_default()),
        found: found.cloned(),
        listed: None,
    }
}

fn here(project: &Project) -> Side {
    let account = project.account.get().clone();
    Side {
        account_id: account.expect("a project that is stored has an account"),
        status: project.status.get().as_ref().map(|status| status.name.clone()),
        effect: project.effect(),
        credits: project.credits(),
        deliverables: project.price.get().as_ref().and_then(deliverables),
        final_credits: *project.final_credits.get(),
        name: project.name.get().clone(),
    }
}

fn deliverables(tag: &PriceTag) -> Option<Arc<[Deliverable]>> {
    match &tag.said {
        Price::Deliverables(lines) => Some(lines.clone()),
        Price::Credits(_) => None,
    }
}

/// Whether the books have a later version of the project than the list, where the list says which it has.
fn is_older(listed: &ListedProject, project: &Project, order: Order) -> bool {
    let Some(newest) = project.versions().into_iter().flatten().max() else { return false };
    let newest: &Version = newest;
    match order {
        Order::Revision => listed.revision.is_some_and(|revision| Some(revision) < newest.revision()),
        Order::Time => listed.time.is_some_and(|time| Some(time) < newest.time()),
    }
}

/// A price as it was said, in credits by the lists that are in force for the account.
fn tag(said: &Price, account: Option<&Account>, shelf: &Shelf, now: Timestamp) -> PriceTag {
    let credits = match said {
        Price::Credits(credits) => Some(*credits),
        Price::Deliverables(lines) => {
            let list = |owner| shelf.price_lists.get(&owner).and_then(|versions| in_force(versions, now));
            let own = account.and_then(Account::organization).and_then(|owner| list(Some(owner.clone())));
            Lists { own, default: list(None) }.price(lines).ok().flatten()
        }
    };
    PriceTag { said: said.clone(), credits }
}

/// The project as it would be if the books had what the list says. What the list leaves out is as it is.
fn as_listed(
    fact: &ProjectFact,
    found: Option<&Project>,
    account: Option<&Account>,
    price: Option<PriceTag>,
    settings: &Settings,
) -> Project {
    let mut asked = found.cloned().unwrap_or_else(|| Project::new(fact.project_id.clone()));
    if asked.account.get().as_ref() != Some(&fact.account_id)
        && let Some(account) = account
    {
        asked.mode = *account.mode.get();
    }
    asked.account = Register::unset(Some(fact.account_id.clone()));
    if let Some(name) = &fact.status {
        let known = settings.status(name);
        let status = known.map(|(effect, stage)| Status { name: name.clone(), effect, stage });
        asked.status = Register::unset(status);
    }
    if price.is_some() {
        asked.price = Register::unset(price);
    }
    if fact.final_credits.is_some() {
        asked.final_credits = Register::unset(fact.final_credits);
    }
    asked
}

fn aspects(project: &Project, asked: &Project, price: Option<&PriceTag>, fact: &ProjectFact) -> Vec<Aspect> {
    let mut differs = Vec::new();
    if project.account.get() != asked.account.get() {
        differs.push(Aspect::Account);
    }
    let name = |status: &Option<Status>| status.as_ref().map(|status| status.name.clone());
    let (name_here, name_asked) = (name(project.status.get()), name(asked.status.get()));
    if name_here != name_asked && name(&project.released_from) == name_asked {
        differs.push(Aspect::ReleasedHere);
    } else if project.effect() != asked.effect() {
        differs.push(Aspect::Effect);
    } else if name_here != name_asked {
        differs.push(Aspect::Status);
    }
    if price.is_some_and(|price| !is_same_price(price, project.price.get().as_ref())) {
        differs.push(Aspect::Price);
    }
    if fact.final_credits.is_some() && fact.final_credits != *project.final_credits.get() {
        differs.push(Aspect::FinalCredits);
    }
    if fact.name.is_some() && fact.name != *project.name.get() {
        differs.push(Aspect::Name);
    }
    differs
}

/// The same deliverables have the same price, whatever the lists of today say of them; else the credits count.
fn is_same_price(listed: &PriceTag, here: Option<&PriceTag>) -> bool {
    let Some(here) = here else { return false };
    match (&listed.said, &here.said) {
        (Price::Deliverables(listed), Price::Deliverables(here)) => pieces(listed) == pieces(here),
        (Price::Credits(_), _) | (_, Price::Credits(_)) => {
            listed.credits.is_some() && listed.credits == here.credits
        }
    }
}

fn pieces(lines: &[Deliverable]) -> BTreeMap<&str, i128> {
    let mut pieces = BTreeMap::new();
    for line in lines {
        *pieces.entry(&*line.deliverable_type).or_default() += i128::from(line.quantity);
    }
    pieces
}

impl Difference {
    fn has(&self, aspect: Aspect) -> bool {
        self.differs.contains(&aspect)
    }

    /// What is to be told the ledger so that it has what the list says: what differs, and no more. Nothing where
    /// an operator's own release stands against the list, or where the upstream lists nothing.
    pub(super) fn missing_fact(&self) -> Option<ProjectFact> {
        let fact = &self.listed.as_ref()?.fact;
        if self.has(Aspect::ReleasedHere) {
            return None;
        }
        if self.has(Aspect::UnknownHere) {
            return Some(fact.clone());
        }
        let status_differs = self.has(Aspect::Effect) || self.has(Aspect::Status);
        Some(ProjectFact {
            project_id: fact.project_id.clone(),
            account_id: fact.account_id.clone(),
            status: fact.status.clone().filter(|_| status_differs),
            price: fact.price.clone().filter(|_| self.has(Aspect::Price)),
            final_credits: fact.final_credits.filter(|_| self.has(Aspect::FinalCredits)),
            name: fact.name.clone().filter(|_| self.has(Aspect::Name)),
        })
    }
}

/// Differences, counted and summed. Members are named as `--json` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Projects that are listed, as far as they were compared.
    pub compared: u64,
    /// Listed projects of which the books have heard a later change.
    pub books_are_newer: u64,
    /// Listed projects that aren't known here, and would neither hold nor have used up anything.
    pub nothing_to_know: u64,
    /// Projects that differ.
    pub differing: u64,
    /// In what: a project may differ in more than one thing.
    pub differs: BTreeMap<&'static str, u64>,
    /// Credits that are held, or wanted, and should not be.
    pub held_too_much: i128,
    /// Credits that should be held, and are neither held nor wanted.
    pub held_too_little: i128,
    /// Credits that count as used up and should not.
    pub consumed_too_much: i128,
    /// Credits that should count as used up and don't.
    pub consumed_too_little: i128,
    /// Projects that differ and whose price nobody knows, so that they are in none of the sums.
    pub unpriced: u64,
}

impl Sums {
    pub(super) fn add(&mut self, difference: &Difference) {
        self.differing += 1;
        for aspect in &difference.differs {
            *self.differs.entry(aspect.as_str()).or_default() += 1;
        }
        let (Some(should_hold), Some(should_consume)) = (difference.should_hold, difference.should_consume)
        else {
            self.unpriced += 1;
            return;
        };
        // On another account, all of it is on the wrong one.
        let moves = difference.has(Aspect::Account);
        let (more, less) = apart(difference.wanted, should_hold, moves);
        self.held_too_much += more;
        self.held_too_little += less;
        let (more, less) = apart(difference.consumed, should_consume, moves);
        self.consumed_too_much += more;
        self.consumed_too_little += less;
    }
}

/// By how much `is` is more, and less, than `should`.
fn apart(is: Credits, should: Credits, elsewhere: bool) -> (i128, i128) {
    let (is, should) = (i128::from(is.0), i128::from(should.0));
    if elsewhere {
        return (is, should);
    }
    ((is - should).max(0), (should - is).max(0))
}

#[cfg(test)]
mod tests;
