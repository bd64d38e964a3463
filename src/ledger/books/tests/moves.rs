//! Credits and accounts that move: transfers, accounts that come to a pool or leave one, closed accounts, and
//! commands that are refused (DESIGN 1.5).

use super::rules::{Story, parked_for};
use super::world::{
    account_fact, account_id, integrated, organization, organization_id, project, standalone,
};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::{Change, POOL_OVERCOMMITTED};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::ids::ProjectId;
use crate::ledger::input::{AccountFact, AdjustmentFact, Existence, Fact, TransferFact};
use crate::ledger::notice::{NoticeBody, Obstacle};
use crate::ledger::outcome::{Outcome, ParkReason, Rejection, WaitsFor};
use crate::ledger::project::State;

fn transfer(from: &str, to: &str, credits: i64) -> Fact {
    Fact::Transfer(TransferFact {
        from_account_id: account_id(from),
        to_account_id: account_id(to),
        credits: Credits(credits),
        reason: Some("more to do".into()),
        actor: Some("kim".into()),
    })
}

/// A pool of 20 with two accounts of 10, of which the first holds 6.
fn two_teams() -> Story {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, integrated("a", "org", 10, OnInsufficient::Queue));
    story.say(1, integrated("b", "org", 10, OnInsufficient::Queue));
    story.say(1, project("p", "a", Some("started"), Some(6)));
    story
}

fn joins(account: &str, organization: &str, allocation: i64) -> Fact {
    Fact::Account(AccountFact {
        kind: Some(Kind::Integrated),
        organization_id: Some(organization_id(organization)),
        allocation: Some(Credits(allocation)),
        ..account_fact(account)
    })
}

fn leaves(account: &str, capacity: i64) -> Fact {
    let (kind, capacity) = (Some(Kind::Standalone), Some(Credits(capacity)));
    Fact::Account(AccountFact { kind, capacity, ..account_fact(account) })
}

fn notices(story: &Story, skip: usize) -> Vec<NoticeBody> {
    let notice = |record: &LogRecord| match record {
        LogRecord::Notice(notice) => Some(notice.body.clone()),
        LogRecord::Entry(_) => None,
    };
    story.world.log.iter().skip(skip).filter_map(notice).collect()
}

#[test]
fn a_transfer_moves_available_credits_and_the_pool_stays_as_it_is() {
    let mut story = two_teams();
    let before = story.world.log.len();
    assert_eq!(story.say(0, transfer("a", "b", 4)), Outcome::Applied);
    assert_eq!((story.world.balance("a"), story.world.balance("b")), ((6, 6, 0), (14, 0, 0)));
    assert_eq!(story.world.balance("pool:org"), (20, 6, 0));
    let kinds: Vec<_> = story.entries(before).iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [EntryKind::Transfer, EntryKind::Transfer]);
}

#[test]
fn a_transfer_of_more_than_is_available_is_rejected_whole_and_says_who_holds_it() {
    let mut story = two_teams();
    let before = story.world.log.len();
    assert_eq!(story.say(0, transfer("a", "b", 5)), Outcome::Rejected(Rejection::Transfer));
    assert_eq!((story.world.balance("a"), story.world.balance("b")), ((10, 6, 0), (10, 0, 0)));
    let [NoticeBody::TransferRejected(body)] = &notices(&story, before)[..] else {
        panic!("one notice tells it")
    };
    assert_eq!((body.credits, body.short), (Credits(5), Credits(1)));
    assert_eq!(body.largest_holds[0].project_id.as_str(), "p");
    assert_eq!(body.actor.as_deref(), Some("kim"));
}

#[test]
fn an_account_over_limit_has_nothing_to_transfer() {
    let mut story = two_teams();
    story.say(2, integrated("a", "org", 2, OnInsufficient::Queue));
    let before = story.world.log.len();
    story.say(0, transfer("a", "b", 3));
    let [NoticeBody::TransferRejected(body)] = &notices(&story, before)[..] else {
        panic!("one notice tells it")
    };
    assert_eq!(body.short, Credits(3), "not what it is over limit besides");
}

#[test]
fn credits_are_transferred_between_integrated_accounts_of_one_organization_only() {
    let mut story = two_teams();
    story.say(1, organization("two", 5));
    story.say(1, integrated("far", "two", 5, OnInsufficient::Queue));
    story.say(1, standalone("own", 5, Mode::Recycle, OnInsufficient::Queue));
    for (from, to, fault) in [("a", "far", "far"), ("own", "a", "own"), ("a", "own", "own")] {
        let outcome = story.say(0, transfer(from, to, 1));
        let waits_for = WaitsFor::Account(account_id(fault));
        assert_eq!(parked_for(&outcome), (ParkReason::NotTransferable, Some(waits_for)), "{from} to {to}");
        assert!(story.command(Existence::Any, transfer(from, to, 1)).is_err());
    }
    assert_eq!(parked_for(&story.say(0, transfer("a", "nobody", 1))).0, ParkReason::AccountUnknown);
}

#[test]
fn a_transfer_lets_run_what_waits_for_it() {
    let mut story = two_teams();
    story.say(1, project("q", "b", Some("started"), Some(12)));
    assert_eq!(story.state("q"), State::Queued);
    story.say(0, transfer("a", "b", 2));
    assert_eq!(story.state("q"), State::Held);
}

#[test]
fn an_account_that_comes_to_a_pool_brings_its_holds_and_its_claims() {
    let mut story = two_teams();
    story.say(1, standalone("own", 9, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("held", "own", Some("started"), Some(8)));
    story.say(1, project("first", "own", Some("started"), Some(3)));
    story.say(1, project("second", "own", Some("started"), Some(2)));
    let before = story.world.log.len();
    assert_eq!(story.say(2, joins("own", "org", 9)), Outcome::Applied);
    assert_eq!(story.world.balance("own"), (9, 8, 0));
    assert_eq!(story.world.balance("pool:org"), (20, 14, 0));
    let carried = (EntryKind::Carry, Side::Available, Side::Held, 8);
    assert_eq!(story.entries(before), [carried], "on the account itself nothing changes");
    let queue: Vec<_> = story.world.queue(&account_id("pool:org")).into_iter().map(|(_, id)| id).collect();
    assert_eq!(queue.iter().map(ProjectId::as_str).collect::<Vec<_>>(), ["first", "second"]);
    let places: Vec<_> = notices(&story, before)
        .into_iter()
        .filter_map(|body| match body {
            NoticeBody::Hold(hold) => hold.position,
            NoticeBody::Alert(_) | NoticeBody::TransferRejected(_) => None,
        })
        .collect();
    assert_eq!(places, [1, 2]);
}

#[test]
fn an_account_that_leaves_a_pool_takes_its_holds_with_it_and_others_go_on() {
    let mut story = two_teams();
    story.say(2, organization("org", 8));
    story.say(1, project("q", "b", Some("started"), Some(5)));
    assert_eq!(story.state("q"), State::Queued);
    story.say(2, leaves("a", 6));
    assert_eq!((story.world.balance("a"), story.world.balance("pool:org")), ((6, 6, 0), (8, 5, 0)));
    assert_eq!(story.state("q"), State::Held);
    story.say(2, project("p", "a", Some("finalized"), None));
    assert_eq!((story.world.balance("a"), story.world.balance("pool:org")), ((6, 0, 0), (8, 5, 0)));
}

#[test]
fn an_account_that_changes_pools_is_off_the_old_one_and_on_the_new_one_which_may_be_over_limit() {
    let mut story = two_teams();
    story.say(1, organization("two", 4));
    story.say(2, joins("a", "two", 10));
    assert_eq!(story.world.balance("pool:org"), (20, 0, 0));
    assert_eq!(story.world.balance("pool:two"), (4, 6, 0), "a fact is accepted");
    let refused = story.command(Existence::Known, joins("b", "two", 10));
    assert_eq!(refused, Ok(Outcome::Applied), "what brings nothing takes nothing over limit");
}

#[test]
fn a_command_that_would_take_a_pool_over_limit_is_refused() {
    let mut story = two_teams();
    story.say(1, organization("two", 4));
    let refusal = story.command(Existence::Known, joins("a", "two", 10)).unwrap_err();
    assert_eq!(refusal.in_use_on, Some(account_id("pool:two")));
}

#[test]
fn a_command_that_cuts_below_what_is_in_use_is_refused_and_a_message_is_not() {
    let mut story = two_teams();
    let allocation = |credits| {
        let allocation = Some(Credits(credits));
        Fact::Account(AccountFact { allocation, ..account_fact("a") })
    };
    let refusal = story.command(Existence::Known, allocation(5)).unwrap_err();
    assert!(refusal.detail.contains("1 credits over its limit"), "{refusal}");
    assert_eq!(refusal.in_use_on, Some(account_id("a")));
    assert_eq!(story.command(Existence::Known, allocation(6)), Ok(Outcome::Applied));
    let adjustment = Fact::Adjustment(AdjustmentFact {
        account_id: account_id("a"),
        credits: Credits(-1),
        reason: "counted again".into(),
        actor: "ops".into(),
    });
    assert!(story.command(Existence::Any, adjustment.clone()).is_err());
    assert_eq!(story.say(0, adjustment), Outcome::Applied);
    assert_eq!(story.world.balance("a"), (5, 6, 0));
    let raise = story.command(Existence::Known, allocation(6));
    assert_eq!(raise, Ok(Outcome::Applied), "a command may leave over limit what was over limit before");
}

#[test]
fn a_pool_that_promises_more_than_it_has_is_told_until_it_does_not() {
    let mut story = two_teams();
    let overcommitted = |story: &Story| {
        let raised = &story.world.accounts[&account_id("pool:org")].raised;
        raised.iter().any(|raised| &*raised.name == POOL_OVERCOMMITTED)
    };
    assert!(!overcommitted(&story), "20 of 20 are promised");
    let before = story.world.log.len();
    story.say(2, integrated("b", "org", 11, OnInsufficient::Queue));
    assert!(overcommitted(&story));
    let told = notices(&story, before).into_iter().find_map(|body| match body {
        NoticeBody::Alert(alert) => Some(alert),
        NoticeBody::Hold(_) | NoticeBody::TransferRejected(_) => None,
    });
    let alert = told.unwrap();
    assert_eq!(alert.change, Change::Raised);
    let what = alert.overcommitted.unwrap();
    assert_eq!((what.promised, what.credits), (Credits(21), Credits(1)));
    story.say(0, transfer("b", "a", 3));
    assert!(overcommitted(&story), "between its accounts nothing is gained");
    story.say(3, leaves("b", 1));
    assert!(!overcommitted(&story));
}

#[test]
fn a_closed_account_takes_no_new_holds_and_gives_back_what_it_has() {
    let mut story = Story::of_ten();
    let closed = |closed| Fact::Account(AccountFact { closed: Some(closed), ..account_fact("own") });
    story.say(1, project("p", "own", Some("started"), Some(4)));
    let refusal = story.command(Existence::Known, closed(true)).unwrap_err();
    assert_eq!(refusal.in_use_on, Some(account_id("own")));
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(story.command(Existence::Known, closed(true)), Ok(Outcome::Applied));
    let before = story.world.log.len();
    let outcome = story.say(1, project("q", "own", Some("started"), Some(1)));
    assert_eq!(outcome, Outcome::Rejected(Rejection::Hold));
    let [NoticeBody::Hold(hold)] = &notices(&story, before)[..] else { panic!("one notice tells it") };
    assert_eq!(hold.reason, Some(Obstacle::AccountClosed));
    assert_eq!(story.command(Existence::New, closed(false)), Ok(Outcome::Applied), "it is opened again");
    assert_eq!(story.state("q"), State::Rejected, "what was refused is tried again by command");
}

#[test]
fn a_command_opens_what_is_not_there_and_sets_what_is() {
    let mut story = Story::of_ten();
    let named = |id| Fact::Account(AccountFact { name: Some("Own".into()), ..account_fact(id) });
    assert!(story.command(Existence::New, named("own")).is_err());
    assert!(story.command(Existence::Known, named("other")).is_err());
    assert_eq!(story.command(Existence::New, named("other")), Ok(Outcome::Applied));
    assert_eq!(story.command(Existence::Known, named("own")), Ok(Outcome::Applied));
    assert!(story.command(Existence::Known, organization("org", 5)).is_err());
    assert_eq!(story.command(Existence::New, organization("org", 5)), Ok(Outcome::Applied));
    assert!(story.command(Existence::New, organization("org", 5)).is_err());
}

#[test]
fn a_command_beats_what_came_and_the_upstreams_next_revision_beats_it() {
    let mut story = Story::of_ten();
    story.say(7, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    let plan = |credits| {
        let capacity = Some(Credits(credits));
        Fact::Account(AccountFact { capacity, ..account_fact("own") })
    };
    story.command(Existence::Known, plan(12)).unwrap();
    assert_eq!(story.say(7, plan(13)), Outcome::Stale);
    assert_eq!(story.world.balance("own"), (12, 0, 0));
    assert_eq!(story.say(8, plan(14)), Outcome::Applied);
    assert_eq!(story.world.balance("own"), (14, 0, 0));
}
