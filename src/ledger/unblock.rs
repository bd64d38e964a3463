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
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        AccountId::parse(text).unwrap()
    }

    fn chain(own: &str, pool: Option<&str>) -> Chain {
        Chain { account: account(own), pool: pool.map(account) }
    }

    fn running(id: &str, chain: Chain, stage: u16, held: i64) -> Running {
        let holder = Holder {
            project_id: ProjectId::parse(id).unwrap(),
            account_id: chain.account.clone(),
            name: None,
            status: None,
            stage,
            held: Credits(held),
        };
        Running { holder, chain, gives_back: true }
    }

    fn waiting(id: &str, chain: Chain, growth: i64) -> Waiting {
        let project_id = ProjectId::parse(id).unwrap();
        Waiting { project_id, chain, growth: Credits(growth), aside: false }
    }

    fn told(standing: &Standing, id: &str) -> Unblocking {
        standing.outlook(None).unblocking(&ProjectId::parse(id).unwrap()).unwrap()
    }

    fn settling(standing: &Standing, id: &str) -> Vec<String> {
        match told(standing, id) {
            Unblocking::Settling(holders) => {
                holders.iter().map(|holder| holder.project_id.to_string()).collect()
            }
            other => panic!("settling something helps, and not {other:?}"),
        }
    }

    /// One account with no room, three projects that run and two that wait.
    fn studio() -> Standing {
        let own = || chain("own", None);
        Standing {
            waiting: vec![waiting("first", own(), 4), waiting("second", own(), 3)],
            running: vec![
                running("far", own(), 1, 9),
                running("near-small", own(), 5, 2),
                running("near-large", own(), 5, 4),
            ],
            beyond: Vec::new(),
            room: [(account("own"), Credits(0))].into(),
        }
    }

    #[test]
    fn the_closest_to_their_end_then_the_larger_and_no_more_than_it_takes() {
        assert_eq!(settling(&studio(), "first"), ["near-large"]);
        assert_eq!(settling(&studio(), "second"), ["near-large", "near-small", "far"]);
    }

    #[test]
    fn where_credits_are_used_up_settling_gives_nothing_back() {
        let mut standing = studio();
        standing.running.iter_mut().for_each(|running| running.gives_back = false);
        let lacking = Unblocking::Lacking { account_id: account("own"), credits: Credits(7) };
        assert_eq!(told(&standing, "second"), lacking);
    }

    #[test]
    fn what_waits_aside_ahead_is_not_waited_for() {
        let mut standing = studio();
        standing.waiting[0].aside = true;
        assert_eq!(settling(&standing, "second"), ["near-large"]);
        assert_eq!(told(&standing, "first"), Unblocking::LargerPlan);
    }

    /// A pool with two accounts: `a` is at its allocation, and the pool has `room`.
    fn pool(room: i64) -> Standing {
        let (a, b) = (|| chain("a", Some("pool:org")), || chain("b", Some("pool:org")));
        Standing {
            waiting: vec![waiting("of-a", a(), 3), waiting("of-b", b(), 2)],
            running: vec![running("b-near", b(), 9, 6), running("a-far", a(), 1, 5)],
            beyond: Vec::new(),
            room: [
                (account("a"), Credits(0)),
                (account("b"), Credits(5)),
                (account("pool:org"), Credits(room)),
            ]
            .into(),
        }
    }

    #[test]
    fn a_claim_that_its_own_account_stops_is_told_its_own_accounts_projects() {
        assert_eq!(settling(&pool(0), "of-a"), ["a-far"], "b's would not help it");
    }

    #[test]
    fn a_claim_that_the_pool_stops_is_told_any_of_the_pools_projects() {
        assert_eq!(settling(&pool(0), "of-b"), ["b-near"]);
        let mut blocked = pool(0);
        blocked.room.insert(account("a"), Credits(3));
        assert_eq!(settling(&blocked, "of-b"), ["b-near"], "with what waits ahead of it");
    }

    #[test]
    fn what_all_that_runs_cannot_free_is_lacking() {
        let mut standing = pool(0);
        standing.waiting[1].growth = Credits(50);
        let lacking = Unblocking::Lacking { account_id: account("b"), credits: Credits(39) };
        assert_eq!(told(&standing, "of-b"), lacking);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        fn standing() -> impl Strategy<Value = Standing> {
            let own = || prop::sample::select(vec!["a", "b"]);
            let claim = (own(), 1i64..5, prop::bool::weighted(0.2));
            let hold = (own(), 0u16..3, 1i64..5, prop::bool::weighted(0.9));
            let claims = prop::collection::vec(claim, 1..5);
            let holds = prop::collection::vec(hold, 0..6);
            (claims, holds, -2i64..4, -2i64..4, -2i64..4).prop_map(|(claims, holds, a, b, pool)| {
                let chain = |own| chain(own, Some("pool:org"));
                let claim = |(number, (own, growth, aside))| Waiting {
                    aside,
                    ..waiting(&format!("w{number}"), chain(own), growth)
                };
                let hold = |(number, (own, stage, held, gives_back))| Running {
                    gives_back,
                    ..running(&format!("r{number}"), chain(own), stage, held)
                };
                Standing {
                    waiting: claims.into_iter().enumerate().map(claim).collect(),
                    running: holds.into_iter().enumerate().map(hold).collect(),
                    beyond: Vec::new(),
                    room: [("a", a), ("b", b), ("pool:org", pool)]
                        .map(|(id, room)| (account(id), Credits(room)))
                        .into(),
                }
            })
        }

        type Room = HashMap<AccountId, Credits>;

        fn room_of(room: &Room, account: &AccountId) -> Credits {
            room.get(account).copied().unwrap_or_default()
        }

        fn give(room: &mut Room, chain: &Chain, credits: Credits) {
            for account in chain.iter() {
                *room.entry(account.clone()).or_default() += credits;
            }
        }

        /// A walk of the queue, as DESIGN 1.2 has it.
        fn is_placed(standing: &Standing, claim: &Waiting, room: &Room) -> bool {
            let mut room = room.clone();
            let mut stopped = HashSet::new();
            for waiting in standing.waiting.iter().filter(|waiting| !waiting.aside) {
                let own = &waiting.chain.account;
                let fits = |account: &AccountId| room_of(&room, account) >= waiting.growth;
                if stopped.contains(own) {
                    continue;
                }
                if !fits(own) {
                    stopped.insert(own);
                    continue;
                }
                if !waiting.chain.iter().all(fits) {
                    return false;
                }
                if waiting.project_id == claim.project_id {
                    return true;
                }
                give(&mut room, &waiting.chain, -waiting.growth);
            }
            false
        }

        fn settled<'h>(standing: &Standing, holders: impl IntoIterator<Item = &'h Holder>) -> Room {
            let mut room = standing.room.clone();
            for holder in holders {
                let is_it = |running: &&Running| running.holder.project_id == holder.project_id;
                let running = standing.running.iter().find(is_it).unwrap();
                assert!(running.gives_back);
                give(&mut room, &running.chain, holder.held);
            }
            room
        }

        fn all_that_gives_back(standing: &Standing) -> Vec<Holder> {
            let gives = standing.running.iter().filter(|running| running.gives_back);
            gives.map(|running| running.holder.clone()).collect()
        }

        proptest! {
                   /// What is told helps; without the last of it, it would not; nothing is told that gives nothing back;
                   /// and where nothing that runs would help, nothing does.
                   #[test]
                   fn what_is_told_is_enough_and_no_more(
                       standing in standing(),
                       hidden in 0i64..6,
                       first in prop::option::of(prop::sample::select(vec!["a", "b"])),
                   ) {
                       let beyond = vec![(chain("b", Some("pool:org")), Credits(hidden))];
                       let standing = Standing { beyond: beyond.clone(), ..standing };
                       let first = first.map(account);
                       let outlook = standing.outlook(first.as_ref());
                       for claim in standing.waiting.iter().filter(|claim| !claim.aside) {
                           let with_beyond = |holders: &[Holder]| {
                               let mut room = settled(&standing, holders);
                               for (chain, credits) in &beyond {
        give(&mut room, chain, *credits);
        }
                               is_placed(&standing, claim, &room)
                           };
                           match outlook.unblocking(&claim.project_id).unwrap() {
                               Unblocking::Settling(holders) => {
                                   for less in 0..holders.len() {
                                       let room = settled(&standing, &holders[..less]);
                                       prop_assert!(!is_placed(&standing, claim, &room), "{less} would do");
                                   }
                                   prop_assert!(is_placed(&standing, claim, &settled(&standing, &holders)));
                               }
                               Unblocking::SettlingMore(holders) => {
                                   prop_assert!(!is_placed(&standing, claim, &settled(&standing, &holders)));
                                   prop_assert!(with_beyond(&holders));
                               }
                               Unblocking::Lacking { .. } => prop_assert!(!with_beyond(&all_that_gives_back(&standing))),
                               Unblocking::LargerPlan => prop_assert!(false, "it isn't aside"),
                           }
                       }
                   }

                   /// What an account is told of its own says nothing about what one of the others holds.
                   #[test]
                   fn with_one_accounts_first_others_are_told_of_only_where_its_own_are_not_enough(standing in standing()) {
                       let own = account("a");
                       let outlook = standing.outlook(Some(&own));
                       for claim in standing.waiting.iter().filter(|claim| !claim.aside && claim.chain.account == own) {
                           let Some(Unblocking::Settling(holders)) = outlook.unblocking(&claim.project_id) else { continue };
                           let others = holders.iter().filter(|holder| holder.account_id != own).count();
                           let all_own = all_that_gives_back(&standing);
                           let all_own = all_own.iter().filter(|holder| holder.account_id == own).count();
                           prop_assert!(others == 0 || holders.len() - others == all_own);
                       }
                   }
               }
    }
}
