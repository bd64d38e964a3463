//! Rules that hold for all messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::generated::{ACCOUNTS, Event, Said, any_event, author, command, project_message};
use super::world::{Inputs, World, integrated, organization, settings, standalone};
use crate::ledger::account::{Mode, OnInsufficient};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::entry::EntryKind;
use crate::ledger::ids::MessageKey;
use crate::ledger::input::{Existence, Fact, Input, Price, ProjectFact};
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::Outcome;
use crate::ledger::project::Project;
use crate::ledger::settings::{Order, Settings};

/// A ledger with a standalone account, one that consumes, a pool of two, and one that overdraws.
fn opening(inputs: &mut Inputs) -> Vec<Input> {
    let facts = [
        organization("org", 6),
        organization("two", 9),
        standalone("own", 8, Mode::Recycle, OnInsufficient::Queue),
        standalone("payg", 6, Mode::Consume, OnInsufficient::Queue),
        integrated("team-a", "org", 6, OnInsufficient::Queue),
        integrated("team-b", "org", 7, OnInsufficient::Queue),
        integrated("over", "org", 3, OnInsufficient::Overdraw),
    ];
    facts.into_iter().map(|fact| inputs.next(Some(0), fact)).collect()
}

fn inputs_of(events: Vec<Event>) -> Vec<Input> {
    let mut inputs = Inputs::default();
    let mut all = opening(&mut inputs);
    for (days, (revision, fact)) in events {
        inputs.let_pass(days);
        let author = author(&fact);
        all.push(Input { author, ..inputs.next(revision, fact) });
    }
    all
}

/// A hold takes no account of its chain below what it may go down to (DESIGN 3.3).
fn check_holds_fit(before: &World, after: &World, new: std::ops::RangeFrom<usize>) {
    for record in &after.log[new] {
        let LogRecord::Entry(entry) = record else { continue };
        if entry.kind == EntryKind::Hold {
            let account = &after.accounts[&entry.account_id];
            assert!(entry.balance.available() >= account.floor(), "{entry:?} in {before:?}");
        }
    }
}

proptest! {
    /// DESIGN 3: after every message, the books add up, no claim waits that fits, no alert is late.
    #[test]
    fn the_invariants_hold_after_every_message(events in proptest::collection::vec(any_event(), 1..60)) {
        let mut world = World::new(settings());
        for input in inputs_of(events) {
            let before = world.clone();
            world.apply(&[input]);
            check_holds_fit(&before, &world, before.log.len()..);
            world.check_nobody_was_overtaken(&before);
            world.check();
        }
    }

    /// Commands keep the invariants too, or are refused and change nothing; none that sets limits takes an
    /// account over one.
    #[test]
    fn commands_keep_the_invariants_or_are_refused(
        events in proptest::collection::vec(any_event(), 1..30),
        commands in proptest::collection::vec((any::<prop::sample::Index>(), command()), 1..20),
    ) {
        let mut world = World::new(settings());
        let mut inputs = Inputs::default();
        let opening = opening(&mut inputs);
        world.apply(&opening);
        let mut said: Vec<(u32, Said, bool)> =
            events.into_iter().map(|(days, said)| (days, said, false)).collect();
        for (place, command) in commands {
            said.insert(place.index(said.len() + 1), (0, command, true));
        }
        for (days, (revision, fact), is_command) in said {
            inputs.let_pass(days);
            let before = world.clone();
            if !is_command {
                let author = author(&fact);
                world.apply(&[Input { author, ..inputs.next(revision, fact) }]);
                world.check();
                continue;
            }
            let sets_limits = fact.sets_limits();
            let input = inputs.command(Existence::Any, fact);
            let due = world.grants.values().any(|grant| grant.is_due(input.now));
            match world.try_apply(&[input]) {
                Err(_) => prop_assert_eq!(&world, &before),
                Ok(decisions) => {
                    let parked = decisions[0].parking();
                    prop_assert!(parked.is_none(), "{:?}", parked);
                    world.check();
                    check_holds_fit(&before, &world, before.log.len()..);
                    if sets_limits && !due {
                        check_no_further_over_limit(&before, &world);
                    }
                }
            }
        }
    }

    /// DESIGN 3.5: how inputs fall into batches changes nothing: not a number, not a digest, not a notice.
    #[test]
    fn batches_do_not_show(
        events in proptest::collection::vec(any_event(), 1..60),
        cuts in proptest::collection::vec(1usize..9, 1..40),
    ) {
        let inputs = inputs_of(events);
        let mut one_by_one = World::new(settings());
        let singly: Vec<_> = inputs.iter().flat_map(|input| one_by_one.apply(std::slice::from_ref(input))).collect();
        let mut in_batches = World::new(settings());
        let mut rest = inputs.as_slice();
        let mut batched = Vec::new();
        for size in cuts.into_iter().chain(std::iter::once(usize::MAX)) {
            let (batch, later) = rest.split_at(size.min(rest.len()));
            batched.extend(in_batches.apply(batch));
            rest = later;
        }
        prop_assert_eq!(singly, batched);
        prop_assert_eq!(one_by_one, in_batches);
    }
}

fn check_no_further_over_limit(before: &World, after: &World) {
    for account in after.accounts.values() {
        let available = account.balance.available();
        let was = before.accounts.get(&account.id).map_or(Credits::ZERO, |old| old.balance.available());
        assert!(available >= was || available >= account.floor(), "{}: {was} to {available}", account.id);
    }
}

/// Messages of few projects on accounts that queue, each message once, and an order to repeat them in.
fn deliveries() -> impl Strategy<Value = (Vec<Said>, Vec<usize>, Vec<usize>)> {
    proptest::collection::vec(project_message(), 1..16).prop_flat_map(|messages| {
        let places: Vec<usize> = (0..messages.len()).collect();
        let repeated = subsequence(places.clone(), 0..=places.len());
        let order = repeated.prop_flat_map(move |again| {
            Just(places.iter().copied().chain(again).collect::<Vec<_>>()).prop_shuffle()
        });
        let slack = proptest::collection::vec(0usize..3, ACCOUNTS.len() + 1);
        (Just(messages), order, slack)
    })
}

/// What the newest messages ask for on each account, by no rule but DESIGN 1.1's words.
fn final_needs(inputs: &[Input]) -> BTreeMap<String, i64> {
    let mut projects: BTreeMap<String, Vec<(&MessageKey, i64, &ProjectFact)>> = BTreeMap::new();
    for input in inputs {
        let Fact::Project(fact) = &input.fact else { continue };
        let told = (&input.cause.key, input.revision.unwrap(), fact);
        projects.entry(fact.project_id.to_string()).or_default().push(told);
    }
    let mut needs: BTreeMap<String, i64> = BTreeMap::new();
    for mut told in projects.into_values() {
        told.sort_by_key(|(key, revision, _)| (*revision, key.id.clone()));
        let newest = |field: fn(&ProjectFact) -> bool| {
            told.iter().rev().map(|(_, _, fact)| *fact).find(|fact| field(fact))
        };
        let account = newest(|_| true).unwrap().account_id.to_string();
        let status = newest(|fact| fact.status.is_some()).and_then(|fact| fact.status.clone());
        let price = newest(|fact| fact.price.is_some()).and_then(|fact| match fact.price {
            Some(Price::Credits(credits)) => Some(credits.0),
            _ => None,
        });
        let last = newest(|fact| fact.final_credits.is_some()).and_then(|fact| fact.final_credits);
        let need = match status.as_deref() {
            Some("started" | "reviewed") => price.unwrap_or(0),
            Some("finalized") if account == "payg" => last.map_or(price.unwrap_or(0), |credits| credits.0),
            _ => 0,
        };
        *needs.entry(account).or_default() += need;
    }
    needs
}

/// Plans that the final needs fit into, some to the last credit.
fn fitting_opening(inputs: &mut Inputs, needs: &BTreeMap<String, i64>, slack: &[usize]) -> Vec<Input> {
    let plan = |place: usize| {
        let need = needs.get(ACCOUNTS[place]).copied().unwrap_or(0);
        need + i64::try_from(slack[place]).unwrap()
    };
    let pooled: i64 = (2..5).map(|place| needs.get(ACCOUNTS[place]).copied().unwrap_or(0)).sum();
    let facts = [
        organization("org", pooled + i64::try_from(slack[5]).unwrap()),
        standalone("own", plan(0), Mode::Recycle, OnInsufficient::Queue),
        standalone("payg", plan(1), Mode::Consume, OnInsufficient::Queue),
        integrated("team-a", "org", plan(2), OnInsufficient::Queue),
        integrated("team-b", "org", plan(3), OnInsufficient::Queue),
        integrated("over", "org", plan(4), OnInsufficient::Queue),
    ];
    facts.into_iter().map(|fact| inputs.next(Some(0), fact)).collect()
}

/// Both orders. Under that of time, a message's time is what its revision would be.
fn order() -> impl Strategy<Value = Order> {
    select(vec![Order::Revision, Order::Time])
}

fn registers(project: &Project) -> impl PartialEq + std::fmt::Debug + use<> {
    let Project { account, status, price, final_credits, name, .. } = project.clone();
    (account, status, price, final_credits, name)
}

proptest! {
    /// DESIGN 1.1, the central property: any order and any repetition of project messages ends in the same
    /// registers, and in the same balances where all final targets fit and the accounts queue.
    #[test]
    fn order_and_repetition_of_messages_do_not_change_the_end(
        (messages, deliveries, slack) in deliveries(), order in order(),
    ) {
        let settings = || Settings { order, ..settings() };
        let timed = |input: Input| {
            let micros = input.revision.unwrap_or_default();
            Input { time: Timestamp::from_micros(micros), ..input }
        };
        let mut inputs = Inputs::default();
        for _ in 0..6 {
            inputs.next(None, Fact::Settings(Arc::new(settings())));
        }
        let sent = messages.into_iter().map(|(revision, fact)| timed(inputs.next(revision, fact)));
        let sent: Vec<_> = sent.collect();
        let needs = final_needs(&sent);
        let opening = fitting_opening(&mut Inputs::default(), &needs, &slack).into_iter().map(timed);
        let opening: Vec<_> = opening.collect();

        let mut in_order = World::new(settings());
        in_order.apply(&opening);
        in_order.apply(&sent);
        let mut disordered = World::new(settings());
        disordered.apply(&opening);
        for place in deliveries {
            disordered.apply(&[sent[place].clone()]);
        }

        for (id, project) in &in_order.projects {
            let other = &disordered.projects[id];
            prop_assert_eq!(registers(project), registers(other));
            prop_assert_eq!((project.held, project.consumed), (other.held, other.consumed));
            prop_assert!(project.claim.is_none() && other.claim.is_none());
        }
        prop_assert_eq!(in_order.projects.len(), disordered.projects.len());
        for account in ACCOUNTS {
            let (total, held, consumed) = disordered.balance(account);
            prop_assert_eq!(in_order.balance(account), (total, held, consumed));
            prop_assert_eq!(held + consumed, needs.get(account).copied().unwrap_or(0), "{}", account);
        }
        prop_assert_eq!(in_order.balance("pool:org"), disordered.balance("pool:org"));
    }

    /// A message that came before does nothing but say that it is stale.
    #[test]
    fn repeating_everything_moves_nothing(messages in proptest::collection::vec(project_message(), 1..20)) {
        let inputs = inputs_of(messages.into_iter().map(|said| (0, said)).collect());
        let mut world = World::new(settings());
        world.apply(&inputs);
        let written = world.ledger.log_last;
        let projects: Vec<_> = inputs.into_iter().filter(|input| matches!(input.fact, Fact::Project(_))).collect();
        for decision in world.apply(&projects) {
            prop_assert_eq!(decision.outcome, Outcome::Stale);
        }
        prop_assert_eq!(world.ledger.log_last, written);
    }
}
