//! What would unblock a claim, example by example and for all small queues.

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
        Unblocking::Settling(holders) => holders.iter().map(|holder| holder.project_id.to_string()).collect(),
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
        room: [(account("a"), Credits(0)), (account("b"), Credits(5)), (account("pool:org"), Credits(room))]
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
        /// What is told helps; without the last of it, it would not; nothing is told that gives nothing back; and
        /// where nothing that runs would help, nothing does.
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
                let helps = |holders: &[Holder]| is_placed(&standing, claim, &settled(&standing, holders));
                let helps_with_beyond = |holders: &[Holder]| {
                    let mut room = settled(&standing, holders);
                    for (chain, credits) in &beyond {
                        give(&mut room, chain, *credits);
                    }
                    is_placed(&standing, claim, &room)
                };
                match outlook.unblocking(&claim.project_id).unwrap() {
                    Unblocking::Settling(holders) => {
                        for less in 0..holders.len() {
                            prop_assert!(!helps(&holders[..less]), "{} would do", less);
                        }
                        prop_assert!(helps(&holders));
                    }
                    Unblocking::SettlingMore(holders) => {
                        prop_assert!(!helps(&holders));
                        prop_assert!(helps_with_beyond(&holders));
                    }
                    Unblocking::Lacking { .. } => {
                        prop_assert!(!helps_with_beyond(&all_that_gives_back(&standing)));
                    }
                    Unblocking::LargerPlan => prop_assert!(false, "it isn't aside"),
                }
            }
        }

        /// What an account is told of its own says nothing about what one of the others holds.
        #[test]
        fn others_come_only_where_all_of_an_accounts_own_are_not_enough(standing in standing()) {
            let own = account("a");
            let is_own = |holder: &&Holder| holder.account_id == own;
            let all_own = all_that_gives_back(&standing).iter().filter(is_own).count();
            let outlook = standing.outlook(Some(&own));
            let claims = standing.waiting.iter().filter(|claim| !claim.aside && claim.chain.account == own);
            for claim in claims {
                let told = outlook.unblocking(&claim.project_id);
                let Some(Unblocking::Settling(holders)) = told else { continue };
                let told_own = holders.iter().filter(is_own).count();
                prop_assert!(told_own == holders.len() || told_own == all_own);
            }
        }
    }
}
