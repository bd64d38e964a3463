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
    /// The projects that hold credits of the queue's accounts.
    pub running: Vec<Running>,
    /// What may still be held on each account: its available credits above the floor that its policy allows.
    pub room: HashMap<AccountId, Credits>,
}

/// What would let a claim be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unblocking {
    /// These projects being settled, in this order: the fewest from the front of the list.
    Settling(Vec<Holder>),
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

impl Standing {
    /// What would let the claim of `project` be placed, with all that waits ahead of it; `None` where it does
    /// not wait here.
    pub fn unblocking(&self, project: &ProjectId) -> Option<Unblocking> {
        let claim = self.waiting.iter().find(|claim| claim.project_id == *project)?;
        if claim.aside {
            return Some(Unblocking::LargerPlan);
        }
        let mut room = self.room.clone();
        let mut settled: Vec<&Running> = Vec::new();
        let own = self.nearest_first(|running| running.chain.account == claim.chain.account);
        let all = self.nearest_first(|_| true);
        // Where its own account is short, settling the projects of others doesn't help it.
        let own_matter = claim.chain.pool.is_some();
        for running in own {
            let has_own_room = own_matter && self.fits_on_own(claim, &room);
            if has_own_room || self.is_placed(claim, &room) {
                break;
            }
            settle(running, &mut room);
            settled.push(running);
        }
        for running in all {
            if self.is_placed(claim, &room) {
                break;
            }
            if !settled.contains(&running) {
                settle(running, &mut room);
                settled.push(running);
            }
        }
        if self.is_placed(claim, &room) {
            return Some(Unblocking::Settling(
                settled.iter().map(|running| running.holder.clone()).collect(),
            ));
        }
        let (account_id, credits) = self.lacking(claim, &room);
        Some(Unblocking::Lacking { account_id, credits })
    }

    /// What would give credits back when it is settled: closest to that first, then the larger hold.
    fn nearest_first(&self, which: impl Fn(&Running) -> bool) -> Vec<&Running> {
        let mut list: Vec<_> =
            self.running.iter().filter(|running| running.gives_back && which(running)).collect();
        list.sort_by(|a, b| {
            let nearness = |one: &Running| (Reverse(one.holder.stage), Reverse(one.holder.held));
            (nearness(a), &a.holder.project_id).cmp(&(nearness(b), &b.holder.project_id))
        });
        list
    }

    /// Whether a claim's own account has room for it and for those of the account that wait ahead of it.
    fn fits_on_own(&self, claim: &Waiting, room: &HashMap<AccountId, Credits>) -> bool {
        self.wanted_through(claim, |other| other.chain.account == claim.chain.account)
            <= room_of(room, &claim.chain.account)
    }

    /// Whether a walk of the queue with this room gets to a claim and places it (DESIGN 1.2).
    fn is_placed(&self, claim: &Waiting, room: &HashMap<AccountId, Credits>) -> bool {
        let mut room = room.clone();
        let mut stopped: HashSet<&AccountId> = HashSet::new();
        for waiting in self.waiting.iter().filter(|waiting| !waiting.aside) {
            let own = &waiting.chain.account;
            if stopped.contains(own) {
                continue;
            }
            let fits = |account: &AccountId| room_of(&room, account) >= waiting.growth;
            if !fits(own) {
                stopped.insert(own);
                if waiting.chain.pool.is_none() {
                    return false;
                }
                continue;
            }
            if !waiting.chain.iter().all(fits) {
                return false;
            }
            if waiting.project_id == claim.project_id {
                return true;
            }
            for account in waiting.chain.iter() {
                take(&mut room, account, waiting.growth);
            }
        }
        false
    }

    /// The first account of a claim's chain that lacks credits for it and for what waits ahead, and how many.
    fn lacking(&self, claim: &Waiting, room: &HashMap<AccountId, Credits>) -> (AccountId, Credits) {
        let lacks = |account: &AccountId| {
            let wanted = self.wanted_through(claim, |other| other.chain.iter().any(|link| link == account));
            wanted - room_of(room, account)
        };
        let short = claim.chain.iter().find(|account| lacks(account).is_positive());
        let account = short.unwrap_or_else(|| claim.chain.queue());
        (account.clone(), lacks(account).or_zero())
    }

    /// What a claim and those ahead of it that are `counted` want together, but for those aside.
    fn wanted_through(&self, claim: &Waiting, counted: impl Fn(&Waiting) -> bool) -> Credits {
        let place = self.waiting.iter().position(|waiting| waiting.project_id == claim.project_id);
        let through = &self.waiting[..=place.expect("the claim is one of the queue's")];
        through
            .iter()
            .filter(|waiting| !waiting.aside && counted(waiting))
            .map(|waiting| waiting.growth)
            .sum()
    }
}

fn room_of(room: &HashMap<AccountId, Credits>, account: &AccountId) -> Credits {
    room.get(account).copied().unwrap_or_default()
}

fn take(room: &mut HashMap<AccountId, Credits>, account: &AccountId, credits: Credits) {
    *room.entry(account.clone()).or_default() -= credits;
}

fn settle(running: &Running, room: &mut HashMap<AccountId, Credits>) {
    for account in running.chain.iter() {
        take(room, account, -running.holder.held);
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
        standing.unblocking(&ProjectId::parse(id).unwrap()).unwrap()
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
                    room: [("a", a), ("b", b), ("pool:org", pool)]
                        .map(|(id, room)| (account(id), Credits(room)))
                        .into(),
                }
            })
        }

        proptest! {
            /// What is told helps; without the last of it, it would not; and nothing is told that gives nothing.
            #[test]
            fn what_is_told_is_enough_and_no_more(standing in standing()) {
                for claim in standing.waiting.iter().filter(|claim| !claim.aside) {
                    let told = standing.unblocking(&claim.project_id).unwrap();
                    let Unblocking::Settling(holders) = told else { continue };
                    let find = |holder: &Holder| {
                        let is_it = |running: &&Running| running.holder.project_id == holder.project_id;
                        standing.running.iter().find(is_it).unwrap()
                    };
                    let mut room = standing.room.clone();
                    for holder in &holders {
                        prop_assert!(!standing.is_placed(claim, &room), "one less would do");
                        prop_assert!(find(holder).gives_back);
                        settle(find(holder), &mut room);
                    }
                    prop_assert!(standing.is_placed(claim, &room));
                }
            }
        }
    }
}
