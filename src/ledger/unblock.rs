//! What would let a claim be placed: which running projects would have to be settled, those closest to that
//! first (DESIGN 1.2 and the words of people who wait).

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::account::Chain;
use super::credits::Credits;
use super::ids::{AccountId, ProjectId};
use super::notice::Holder;

/// A project that holds credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The project, its account and what it holds.
    pub holder: Holder,
    /// The accounts that its hold is charged to.
    pub chain: Chain,
    /// Whether settling it gives its credits back: not where they are used up.
    pub gives_back: bool,
}

/// A claim in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose claim.
    pub project_id: ProjectId,
    /// The accounts that it is made on.
    pub chain: Chain,
    /// What it wants beyond what it has.
    pub growth: Credits,
    /// Whether an account of its chain could never carry it as things are.
    pub aside: bool,
}

/// A queue as it stands: its claims from the head, who holds credits of its accounts, and what each account has
/// room for.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The claims, first come first.
    pub waiting: Vec<Waiting>,
    /// The projects that hold credits of the queue's accounts: all, or those closest to being settled.
    pub running: Vec<Running>,
    /// What others than `running` hold on each chain and would give back, where those are not all.
    pub beyond: Vec<(Chain, Credits)>,
    /// What may still be held on each account: its available credits above the floor that its policy allows.
    pub room: HashMap<AccountId, Credits>,
}

/// What would let a claim be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unblocking {
    /// These projects being settled, in this order: the fewest from the front of the list.
    Settling(Vec<Holder>),
    /// These being settled, and more of what runs than was looked at one by one.
    SettlingMore(Vec<Holder>),
    /// Not even all that runs being settled: this account would need so many credits more.
    Lacking {
        /// Which account.
        account_id: AccountId,
        /// How many more.
        credits: Credits,
    },
    /// Nothing that runs: an account of its chain could never carry it as things are.
    LargerPlan,
}

/// A queue made ready to be asked about many of its claims: a walk of it looks nothing up.
pub struct Outlook<'s> {
    /// The claims but those aside.
    steps: Vec<Step<'s>>,
    /// The claims that wait aside.
    aside: HashSet<&'s ProjectId>,
    /// What gives credits back, in the order in which it would be settled.
    nearest: Vec<Settled<'s>>,
    beyond: Vec<(Places, Credits)>,
    /// By account.
    room: Vec<Credits>,
}

/// Where the accounts of a chain are among all accounts of the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Places {
    own: usize,
    pool: Option<usize>,
}

impl Places {
    fn iter(self) -> impl Iterator<Item = usize> {
        std::iter::once(self.own).chain(self.pool)
    }
}

struct Step<'s> {
    claim: &'s Waiting,
    places: Places,
}

struct Settled<'s> {
    running: &'s Running,
    places: Places,
}

/// Numbers the accounts as they are met.
#[derive(Default)]
struct Numbering<'s> {
    places: HashMap<&'s AccountId, usize>,
}

impl<'s> Numbering<'s> {
    fn of(&mut self, account: &'s AccountId) -> usize {
        let next = self.places.len();
        *self.places.entry(account).or_insert(next)
    }

    fn of_chain(&mut self, chain: &'s Chain) -> Places {
        Places { own: self.of(&chain.account), pool: chain.pool.as_ref().map(|pool| self.of(pool)) }
    }
}

impl Standing {
    /// Makes ready to tell what would let claims be placed: closest to being settled first, then the larger hold.
    /// Those of `first` come before all others' where it is given, so that what is told of them says nothing about
    /// what a single one of the others holds.
    pub fn outlook(&self, first: Option<&AccountId>) -> Outlook<'_> {
        let mut numbers = Numbering::default();
        let waiting = self.waiting.iter().filter(|claim| !claim.aside);
        let steps: Vec<_> =
            waiting.map(|claim| Step { claim, places: numbers.of_chain(&claim.chain) }).collect();
        let gives_back = self.running.iter().filter(|running| running.gives_back);
        let mut nearest: Vec<_> =
            gives_back.map(|running| Settled { running, places: numbers.of_chain(&running.chain) }).collect();
        nearest.sort_by_key(|one| {
            let holder = &one.running.holder;
            let is_later = first.is_some_and(|first| *first != one.running.chain.account);
            (is_later, Reverse(holder.stage), Reverse(holder.held), &holder.project_id)
        });
        let beyond = self.beyond.iter().map(|(chain, credits)| (numbers.of_chain(chain), *credits)).collect();
        let mut room = vec![Credits::ZERO; numbers.places.len()];
        for (account, place) in &numbers.places {
            room[*place] = self.room.get(*account).copied().unwrap_or_default();
        }
        let aside = self.waiting.iter().filter(|claim| claim.aside).map(|claim| &claim.project_id).collect();
        Outlook { steps, aside, nearest, beyond, room }
    }
}

impl Outlook<'_> {
    /// What would let the claim of `project` be placed, with all that waits ahead of it; `None` where it does
    /// not wait here.
    pub fn unblocking(&self, project: &ProjectId) -> Option<Unblocking> {
        if self.aside.contains(project) {
            return Some(Unblocking::LargerPlan);
        }
        let place = self.steps.iter().position(|step| step.claim.project_id == *project)?;
        let own = self.steps[place].places.own;
        let least = self.least(place);
        let mut trial = Trial::of(self);
        // Where its own account is short, settling the projects of others doesn't help it.
        for (index, one) in self.nearest.iter().enumerate().filter(|(_, one)| one.places.own == own) {
            if trial.room[own] >= least.own {
                break;
            }
            trial.settle(index, one);
        }
        for (index, one) in self.nearest.iter().enumerate() {
            if self.is_placed(place, least, &trial.room) {
                break;
            }
            if !trial.is_settled[index] {
                trial.settle(index, one);
            }
        }
        if self.is_placed(place, least, &trial.room) {
            return Some(Unblocking::Settling(trial.holders));
        }
        for (places, credits) in &self.beyond {
            give(&mut trial.room, *places, *credits);
        }
        if self.is_placed(place, least, &trial.room) {
            return Some(Unblocking::SettlingMore(trial.holders));
        }
        Some(self.lacking(place, &trial.room))
    }

    /// Whether a walk of the queue with this room gets to a claim and places it (DESIGN 1.2).
    fn is_placed(&self, place: usize, least: Least, room: &[Credits]) -> bool {
        let Step { places: target, .. } = self.steps[place];
        let queue = target.pool.unwrap_or(target.own);
        // Most are told apart by this, without a walk.
        if room[target.own] < least.own || room[queue] < least.queue {
            return false;
        }
        let mut room = room.to_vec();
        let mut is_stopped = vec![false; room.len()];
        for Step { claim, places } in &self.steps[..=place] {
            if is_stopped[places.own] {
                continue;
            }
            if room[places.own] < claim.growth {
                is_stopped[places.own] = true;
                if places.pool.is_none() {
                    return false;
                }
                continue;
            }
            if places.iter().any(|account| room[account] < claim.growth) {
                return false;
            }
            give(&mut room, *places, -claim.growth);
        }
        !is_stopped[target.own]
    }

    /// The least room with which a claim can be placed. All that its account wants before it must be placed, and on
    /// the queue what all accounts want that can't be stopped by their own room.
    fn least(&self, place: usize) -> Least {
        let own = self.steps[place].places.own;
        let mut wanted = vec![Credits::ZERO; self.room.len()];
        for step in &self.steps[..=place] {
            wanted[step.places.own] += step.claim.growth;
        }
        let counts = |account: usize| account == own || self.room[account] >= wanted[account];
        let queue = (0..wanted.len()).filter(|account| counts(*account)).map(|account| wanted[account]).sum();
        Least { own: wanted[own], queue }
    }

    /// The first account of a claim's chain that lacks credits for it and for what waits ahead, and how many.
    fn lacking(&self, place: usize, room: &[Credits]) -> Unblocking {
        let Step { claim, places } = &self.steps[place];
        let lacks = |account: usize| {
            let counted =
                self.steps[..=place].iter().filter(|step| step.places.iter().any(|link| link == account));
            counted.map(|step| step.claim.growth).sum::<Credits>() - room[account]
        };
        let mut chain = places.iter().zip(claim.chain.iter());
        let (account, id) = chain
            .find(|(account, _)| lacks(*account).is_positive())
            .unwrap_or_else(|| (places.pool.unwrap_or(places.own), claim.chain.queue()));
        Unblocking::Lacking { account_id: id.clone(), credits: lacks(account).or_zero() }
    }
}

/// The least room for a claim, on its own account and on its queue's.
#[derive(Clone, Copy)]
struct Least {
    own: Credits,
    queue: Credits,
}

/// Projects settled one after the other, to see what comes of it.
struct Trial {
    room: Vec<Credits>,
    is_settled: Vec<bool>,
    holders: Vec<Holder>,
}

impl Trial {
    fn of(outlook: &Outlook<'_>) -> Self {
        let is_settled = vec![false; outlook.nearest.len()];
        Self { room: outlook.room.clone(), is_settled, holders: Vec::new() }
    }

    fn settle(&mut self, index: usize, one: &Settled<'_>) {
        give(&mut self.room, one.places, one.running.holder.held);
        self.is_settled[index] = true;
        self.holders.push(one.running.holder.clone());
    }
}

fn give(room: &mut [Credits], places: Places, credits: Credits) {
    for account in places.iter() {
        room[account] += credits;
    }
}

#[cfg(test)]
mod tests;
