//! What messages about projects, accounts and credits do, one rule a test (DESIGN 1.1, 1.5).

use std::sync::Arc;

use super::world::{
    Inputs, World, account_fact, account_id, consuming, integrated, organization, organization_id, project,
    project_id, settings, standalone,
};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::input::{
    AccountFact, AdjustmentFact, Deliverable, Existence, Fact, GrantFact, Price, ProjectFact,
};
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::outcome::{Outcome, ParkReason, Refusal, WaitsFor};
use crate::ledger::project::State;
use crate::ledger::settings::{Order, Settings};

/// A ledger and what to say to it; every message is followed by the check of all invariants.
pub(super) struct Story {
    pub(super) world: World,
    inputs: Inputs,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self { world: World::new(settings), inputs: Inputs::default() }
    }

    /// A ledger with `own`, a standalone account that recycles 10 credits and queues.
    pub(super) fn of_ten() -> Self {
        let mut story = Self::new();
        story.say(1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
        story
    }

    pub(super) fn say(&mut self, revision: i64, fact: Fact) -> Outcome {
        let input = self.inputs.next(Some(revision), fact);
        let outcome = self.world.apply_one(&input);
        self.world.check();
        outcome
    }

    /// Gives a command.
    pub(super) fn command(&mut self, object: Existence, fact: Fact) -> Result<Outcome, Refusal> {
        let input = self.inputs.command(object, fact);
        let before = self.world.clone();
        let decided = self.world.try_apply(&[input]);
        if decided.is_err() {
            assert_eq!(self.world, before, "a refused command changes nothing");
        }
        self.world.check();
        decided.map(|mut decisions| decisions.remove(0).outcome)
    }

    /// Lets days pass and does what is due then, as the daemon does.
    pub(super) fn let_pass(&mut self, days: u32) {
        self.inputs.let_pass(days);
        for own in self.world.due(self.inputs.now()) {
            assert_eq!(self.world.apply_one(&own.into_input(self.inputs.now())), Outcome::Applied);
            self.world.check();
        }
    }

    /// Lets days pass without anybody looking.
    pub(super) fn let_pass_unseen(&mut self, days: u32) {
        self.inputs.let_pass(days);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inputs.now()
    }

    pub(super) fn state(&self, project: &str) -> State {
        self.world.projects[&project_id(project)].state()
    }

    /// `(kind, from, to, credits)` of the entries from the `skip`th log line on.
    pub(super) fn entries(&self, skip: usize) -> Vec<(EntryKind, Side, Side, i64)> {
        let entry = |record: &LogRecord| match record {
            LogRecord::Entry(entry) => Some((entry.kind, entry.from, entry.to, entry.credits.0)),
            LogRecord::Notice(_) => None,
        };
        self.world.log.iter().skip(skip).filter_map(entry).collect()
    }
}

pub(super) fn parked_for(outcome: &Outcome) -> (ParkReason, Option<WaitsFor>) {
    match outcome {
        Outcome::Parked(parking) => (parking.reason, parking.waits_for.clone()),
        other => panic!("it was to be parked, and is {other:?}"),
    }
}

#[test]
fn finalizing_before_starting_holds_nothing_later() {
    let mut story = Story::of_ten();
    story.say(2, project("p", "own", Some("finalized"), Some(4)));
    assert_eq!(story.say(1, project("p", "own", Some("started"), Some(4))), Outcome::Stale);
    assert_eq!(story.world.balance("own"), (10, 0, 0));
}

#[test]
fn an_amendment_moves_only_the_difference() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(4)));
    let before = story.world.log.len();
    story.say(2, project("p", "own", None, Some(6)));
    story.say(3, project("p", "own", None, Some(1)));
    let expected = [
        (EntryKind::Hold, Side::Available, Side::Held, 2),
        (EntryKind::Release, Side::Held, Side::Available, 5),
    ];
    assert_eq!(story.entries(before), expected);
}

#[test]
fn a_register_takes_part_of_a_message_and_leaves_the_rest() {
    let mut story = Story::of_ten();
    story.say(5, project("p", "own", Some("started"), None));
    assert_eq!(story.state("p"), State::Unpriced);
    // An older message: its status is stale, its price is the first that is known.
    assert_eq!(story.say(2, project("p", "own", Some("draft"), Some(3))), Outcome::Applied);
    assert_eq!(story.state("p"), State::Held);
    assert_eq!(story.world.balance("own"), (10, 3, 0));
}

#[test]
fn a_canceled_project_gives_back_and_a_reopened_one_holds_again() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(4)));
    story.say(2, project("p", "own", Some("canceled"), None));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Released, (10, 0, 0)));
    story.say(3, project("p", "own", Some("reviewed"), None));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Held, (10, 4, 0)));
}

#[test]
fn settling_uses_up_the_final_credits_where_the_account_consumes() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Reject));
    story.say(1, project("p", "payg", Some("started"), Some(4)));
    let finalized = |final_credits| {
        Fact::Project(ProjectFact {
            project_id: project_id("p"),
            account_id: account_id("payg"),
            status: Some("finalized".into()),
            price: None,
            final_credits: Some(Credits(final_credits)),
            name: None,
        })
    };
    let before = story.world.log.len();
    story.say(2, finalized(13));
    let expected = [
        (EntryKind::Capture, Side::Held, Side::Consumed, 4),
        (EntryKind::Capture, Side::Available, Side::Consumed, 9),
    ];
    assert_eq!(story.entries(before), expected, "a settlement always books");
    assert_eq!(story.world.balance("payg"), (10, 0, 13));
    assert_eq!(story.state("p"), State::Captured);
    story.say(3, finalized(2));
    assert_eq!(story.world.balance("payg"), (10, 0, 2));
}

#[test]
fn a_reopened_project_holds_what_it_had_used_up_even_over_limit() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Reject));
    story.say(1, project("p", "payg", Some("finalized"), Some(8)));
    story.say(2, standalone("payg", 3, Mode::Consume, OnInsufficient::Reject));
    let before = story.world.log.len();
    story.say(2, project("p", "payg", Some("started"), None));
    assert_eq!(story.entries(before), [(EntryKind::Reversal, Side::Consumed, Side::Held, 8)]);
    assert_eq!(story.world.balance("payg"), (3, 8, 0));
}

#[test]
fn a_project_keeps_the_mode_that_its_account_had_when_it_came() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(4)));
    story.say(2, standalone("own", 10, Mode::Consume, OnInsufficient::Queue));
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(story.world.balance("own"), (10, 0, 0), "it came when the account recycled");
    story.say(1, project("q", "own", Some("finalized"), Some(3)));
    assert_eq!(story.world.balance("own"), (10, 0, 3));
}

#[test]
fn a_project_given_to_another_account_is_undone_where_it_was() {
    let mut story = Story::of_ten();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Queue));
    story.say(1, project("p", "payg", Some("finalized"), Some(4)));
    assert_eq!(story.world.balance("payg"), (10, 0, 4));
    story.say(2, project("p", "own", Some("started"), None));
    assert_eq!(story.world.balance("payg"), (10, 0, 0));
    assert_eq!(story.world.balance("own"), (10, 4, 0));
    story.say(3, project("p", "payg", Some("finalized"), None));
    assert_eq!(story.world.balance("payg"), (10, 0, 4), "the mode is the new account's");
}

#[test]
fn an_integrated_accounts_hold_is_charged_to_the_pool_too() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, integrated("team", "org", 8, OnInsufficient::Queue));
    story.say(1, project("p", "team", Some("started"), Some(5)));
    assert_eq!(story.world.balance("team"), (8, 5, 0));
    assert_eq!(story.world.balance("pool:org"), (20, 5, 0));
    story.say(2, project("p", "team", Some("finalized"), None));
    assert_eq!(story.world.balance("pool:org"), (20, 0, 0));
}

#[test]
fn a_plan_cut_below_use_leaves_the_account_over_limit_and_its_work_running() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(2, standalone("own", 3, Mode::Recycle, OnInsufficient::Queue));
    assert_eq!(story.world.balance("own"), (3, 8, 0));
    story.say(1, project("q", "own", Some("started"), Some(1)));
    assert_eq!(story.state("q"), State::Queued, "nothing new is held until it is back");
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(story.world.balance("own"), (3, 1, 0));
}

#[test]
fn grants_and_adjustments_change_the_named_account_alone() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, integrated("team", "org", 8, OnInsufficient::Queue));
    let grant = |account: &str, credits| {
        Fact::Grant(GrantFact {
            account_id: account_id(account),
            credits: Credits(credits),
            reason: Some("goodwill".into()),
            actor: None,
            expires_at: None,
        })
    };
    let adjustment = Fact::Adjustment(AdjustmentFact {
        account_id: account_id("pool:org"),
        credits: Credits(-25),
        reason: "counted again".into(),
        actor: "ops".into(),
    });
    story.say(0, grant("team", 3));
    story.say(0, grant("pool:org", 1));
    assert_eq!((story.world.balance("team"), story.world.balance("pool:org")), ((11, 0, 0), (21, 0, 0)));
    story.say(0, adjustment);
    assert_eq!(story.world.balance("pool:org"), (-4, 0, 0), "a fact is accepted");
    let LogRecord::Entry(last) =
        &story.world.log.iter().rev().find(|line| matches!(line, LogRecord::Entry(_))).unwrap()
    else {
        unreachable!()
    };
    assert_eq!((last.reason.as_deref(), last.actor.as_deref()), (Some("counted again"), Some("ops")));
}

#[test]
fn an_accounts_kind_decides_which_plan_counts() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    let both = AccountFact { capacity: Some(Credits(7)), allocation: Some(Credits(4)), ..account_fact("a") };
    story.say(1, Fact::Account(both));
    assert_eq!(story.world.balance("a"), (7, 0, 0));
    let joins = AccountFact {
        kind: Some(Kind::Integrated),
        organization_id: Some(organization_id("org")),
        ..account_fact("a")
    };
    story.say(2, Fact::Account(joins));
    assert_eq!(story.world.balance("a"), (4, 0, 0));
}

#[test]
fn deliverables_leave_a_project_unpriced_and_credits_price_it() {
    let mut story = Story::of_ten();
    let deliverable = Deliverable { deliverable_type: "video".into(), quantity: 2 };
    let Fact::Project(fact) = project("p", "own", Some("started"), None) else { unreachable!() };
    let priced = ProjectFact { price: Some(Price::Deliverables(Arc::new([deliverable]))), ..fact };
    story.say(1, Fact::Project(priced));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Unpriced, (10, 0, 0)));
    story.say(2, project("p", "own", None, Some(6)));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Held, (10, 6, 0)));
}

#[test]
fn what_is_not_known_yet_is_parked_with_what_it_waits_for() {
    let mut story = Story::of_ten();
    let unknown = story.say(1, project("p", "nobody", Some("started"), Some(1)));
    let nobody = WaitsFor::Account(account_id("nobody"));
    assert_eq!(parked_for(&unknown), (ParkReason::AccountUnknown, Some(nobody)));
    let status = story.say(1, project("p", "own", Some("on_hold"), Some(1)));
    let on_hold = WaitsFor::Status("on_hold".into());
    assert_eq!(parked_for(&status), (ParkReason::UnknownStatus, Some(on_hold)));
    let org = WaitsFor::Organization(organization_id("org"));
    let team = story.say(1, integrated("team", "org", 5, OnInsufficient::Queue));
    assert_eq!(parked_for(&team), (ParkReason::OrganizationUnknown, Some(org)));
    assert!(story.world.projects.is_empty(), "a parked message leaves no trace in the books");
}

#[test]
fn a_message_that_lacks_what_the_order_needs_is_parked() {
    let mut story = Story::of_ten();
    let input = story.inputs.next(None, project("p", "own", Some("started"), Some(1)));
    assert_eq!(parked_for(&story.world.apply_one(&input)).0, ParkReason::RevisionMissing);

    let mut by_time = Story::with(Settings { order: Order::Time, ..settings() });
    let no_time = by_time.say(1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    assert_eq!(parked_for(&no_time).0, ParkReason::TimeMissing);
}

#[test]
fn under_the_order_of_time_the_later_time_wins_whatever_the_revision() {
    let mut story = Story::with(Settings { order: Order::Time, ..settings() });
    let mut at = |second: u32, revision, fact| {
        let time = Timestamp::EPOCH + Micros::from_seconds(second);
        let input = story.inputs.next(Some(revision), fact);
        story.world.apply_one(&crate::ledger::input::Input { time: Some(time), ..input })
    };
    at(1, 1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    at(3, 1, project("p", "own", Some("finalized"), Some(4)));
    assert_eq!(at(2, 9, project("p", "own", Some("started"), Some(4))), Outcome::Stale);
    assert_eq!(story.world.balance("own"), (10, 0, 0));
}

#[test]
fn a_time_too_far_ahead_is_parked_and_one_within_the_tolerance_is_not() {
    let mut story = Story::of_ten();
    let input = story.inputs.next(Some(1), project("p", "own", Some("started"), Some(1)));
    let horizon = input.now + Micros::from_seconds(300);
    let at = |time| crate::ledger::input::Input { time: Some(time), ..input.clone() };
    let beyond = story.world.apply_one(&at(horizon + Micros(1)));
    assert_eq!(parked_for(&beyond).0, ParkReason::TimeAhead);
    assert_eq!(story.world.apply_one(&at(horizon)), Outcome::Applied);
}

#[test]
fn a_balance_at_the_end_of_the_range_parks_what_would_leave_it() {
    let mut story = Story::of_ten();
    let own = account_id("own");
    story.world.accounts.get_mut(&own).unwrap().balance.total = Credits::BALANCE_MAX + Credits(1);
    let input = story.inputs.next(Some(1), project("p", "own", Some("started"), Some(1)));
    assert_eq!(parked_for(&story.world.apply_one(&input)).0, ParkReason::OutOfRange);
}

#[test]
fn what_was_used_up_in_a_pool_stays_there_until_the_project_holds_again() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, consuming(Kind::Integrated));
    story.say(1, project("p", "team", Some("finalized"), Some(4)));
    assert_eq!(story.world.balance("pool:org"), (20, 0, 4));
    story.say(2, consuming(Kind::Connected));
    story.say(2, project("p", "team", None, Some(5)));
    assert_eq!(story.world.balance("pool:org"), (20, 0, 5), "an amendment counts where it was booked");
    story.say(3, project("p", "team", Some("started"), None));
    assert_eq!(story.world.balance("pool:org"), (20, 0, 0));
    assert_eq!(story.world.balance("team"), (10, 5, 0));
}
