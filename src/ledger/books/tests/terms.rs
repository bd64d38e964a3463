//! What has a price or a term: price lists, assets, grants that expire (DESIGN 1.3, 1.5, 1.6).

use super::rules::{Story, parked_for};
use super::world::{account_id, integrated, organization, organization_id, project, project_id, standalone};
use crate::ledger::account::{Mode, OnInsufficient};
use crate::ledger::alert::{Change, GRANT_EXPIRING};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::input::{
    AssetFact, Deliverable, Existence, Fact, GrantFact, HoldCommand, Price, PriceLine, PriceListFact,
    PricesAmended, ProjectFact,
};
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::notice::{AlertBody, NoticeBody, SubjectChange};
use crate::ledger::outcome::{Outcome, ParkReason, WaitsFor};
use crate::ledger::price::LINES_MAX;
use crate::ledger::project::State;

fn prices(owner: Option<&str>, effective_at: Option<Timestamp>, prices: &[(&str, i64)]) -> Fact {
    let line = |(what, credits): &(&str, i64)| PriceLine {
        deliverable_type: (*what).into(),
        credits: Credits(*credits),
    };
    Fact::PriceList(PriceListFact {
        prices: prices.iter().map(line).collect(),
        effective_at,
        organization_id: owner.map(organization_id),
    })
}

fn brief(id: &str, account: &str, deliverables: &[(&str, i64)]) -> Fact {
    let Fact::Project(fact) = project(id, account, Some("started"), None) else { unreachable!() };
    let piece = |(what, quantity): &(&str, i64)| Deliverable {
        deliverable_type: (*what).into(),
        quantity: *quantity,
    };
    let price = Some(Price::Deliverables(deliverables.iter().map(piece).collect()));
    Fact::Project(ProjectFact { price, ..fact })
}

fn asset(account: &str, asset_type: &str, quantity: i64, credits: Option<i64>) -> Fact {
    Fact::Asset(AssetFact {
        account_id: account_id(account),
        asset_type: asset_type.into(),
        quantity,
        project_id: None,
        credits: credits.map(Credits),
    })
}

fn grant(story: &Story, account: &str, credits: i64, days: u32) -> Fact {
    Fact::Grant(GrantFact {
        account_id: account_id(account),
        credits: Credits(credits),
        reason: None,
        actor: None,
        expires_at: Some(story.now() + Micros::from_days(days)),
    })
}

fn alerts(story: &Story) -> Vec<AlertBody> {
    let alert = |record: &LogRecord| match record {
        LogRecord::Notice(notice) => match &notice.body {
            NoticeBody::Alert(body) => Some((**body).clone()),
            NoticeBody::Hold(_) | NoticeBody::TransferRejected(_) => None,
        },
        LogRecord::Entry(_) => None,
    };
    story.world.log.iter().filter_map(alert).collect()
}

#[test]
fn unpriced_projects_hold_when_their_price_appears_oldest_first() {
    let mut story = Story::of_ten();
    story.say(1, brief("young", "own", &[("video", 1)]));
    story.say(2, brief("young", "own", &[("video", 2)]));
    story.say(1, brief("old", "own", &[("video", 1)]));
    story.say(3, brief("young", "own", &[("video", 1)]));
    assert_eq!(story.state("old"), State::Unpriced);
    story.say(0, prices(None, None, &[("video", 7)]));
    assert_eq!((story.state("old"), story.state("young")), (State::Held, State::Queued));
    assert_eq!(story.world.balance("own"), (10, 7, 0));
}

#[test]
fn a_price_is_computed_when_it_is_said_and_stays() {
    let mut story = Story::of_ten();
    story.say(0, prices(None, None, &[("video", 2)]));
    story.say(1, brief("p", "own", &[("video", 2)]));
    story.say(0, prices(None, None, &[("video", 1)]));
    assert_eq!(story.world.balance("own"), (10, 4, 0), "an agreed price is not changed by a later list");
    story.say(2, brief("p", "own", &[("video", 3)]));
    assert_eq!(story.world.balance("own"), (10, 3, 0));
}

#[test]
fn an_organizations_own_list_goes_before_the_default_one() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, integrated("team", "org", 20, OnInsufficient::Queue));
    story.say(1, standalone("own", 20, Mode::Recycle, OnInsufficient::Queue));
    story.say(0, prices(Some("org"), None, &[("video", 3)]));
    story.say(1, brief("mine", "team", &[("video", 1), ("photo", 2)]));
    story.say(1, brief("theirs", "own", &[("video", 1)]));
    assert_eq!(story.state("mine"), State::Unpriced, "nobody prices photos yet");
    story.say(0, prices(None, None, &[("video", 10), ("photo", 4)]));
    assert_eq!(story.world.balance("team"), (20, 11, 0));
    assert_eq!(story.world.balance("own"), (20, 10, 0));
    let unknown = story.say(0, prices(Some("nobody"), None, &[("video", 1)]));
    assert_eq!(parked_for(&unknown).0, ParkReason::OrganizationUnknown);
}

#[test]
fn an_announced_list_prices_from_its_start_on_and_then_what_waits_for_it() {
    let mut story = Story::of_ten();
    let start = story.now() + Micros::from_days(3);
    story.say(0, prices(None, Some(start), &[("video", 6)]));
    story.say(1, brief("early", "own", &[("video", 1)]));
    assert_eq!(story.state("early"), State::Unpriced);
    story.let_pass_unseen(3);
    story.say(1, brief("late", "own", &[("video", 1)]));
    assert_eq!(story.state("late"), State::Held, "a price counts from its start, whoever looks");
    assert_eq!(story.state("early"), State::Unpriced);
    story.let_pass(0);
    assert_eq!(story.state("early"), State::Queued);
    assert!(story.world.due(story.now()).is_empty());
}

/// A command that changes prices of the default list.
fn amend(
    story: &mut Story,
    set: &[(&str, i64)],
    removed: &[&str],
    effective_at: Option<Timestamp>,
) -> Result<Outcome, String> {
    let Fact::PriceList(list) = prices(None, effective_at, set) else { unreachable!() };
    let PriceListFact { prices: set, effective_at, organization_id } = list;
    let removed = removed.iter().map(|what| (*what).into()).collect();
    let fact = Fact::PricesAmended(PricesAmended { set, removed, effective_at, organization_id });
    story.command(Existence::Any, fact).map_err(|refusal| refusal.detail)
}

/// The prices of the version of the default list that came last.
fn newest(story: &Story) -> Vec<(String, i64)> {
    let list = story.world.price_lists.values().max_by_key(|list| list.number).unwrap();
    list.prices.iter().map(|line| (line.deliverable_type.to_string(), line.credits.0)).collect()
}

#[test]
fn an_amended_list_is_the_one_in_force_at_its_start_but_for_what_was_named() {
    let mut story = Story::of_ten();
    let costs = |expected: &[(&str, i64)]| -> Vec<(String, i64)> {
        expected.iter().map(|(what, credits)| ((*what).to_owned(), *credits)).collect()
    };
    amend(&mut story, &[("video", 3)], &[], None).unwrap();
    assert_eq!(newest(&story), costs(&[("video", 3)]), "of no list there is nothing to keep");
    amend(&mut story, &[("photo", 1)], &[], None).unwrap();
    let (soon, later) = (story.now() + Micros::from_days(2), story.now() + Micros::from_days(4));
    amend(&mut story, &[("video", 5)], &[], Some(soon)).unwrap();
    assert_eq!(newest(&story), costs(&[("photo", 1), ("video", 5)]));
    amend(&mut story, &[("song", 2)], &["photo"], Some(later)).unwrap();
    assert_eq!(newest(&story), costs(&[("song", 2), ("video", 5)]), "on what is announced until then");
    amend(&mut story, &[("photo", 2)], &[], None).unwrap();
    assert_eq!(newest(&story), costs(&[("photo", 2), ("video", 3)]), "on what is in force now");
    let refused = amend(&mut story, &[("film", 9)], &["song"], None).unwrap_err();
    assert!(refused.contains("no price for \"song\" to remove"), "{refused}");
    let many: Vec<String> = (0..LINES_MAX).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(|what| (what.as_str(), 1)).collect();
    let refused = amend(&mut story, &many, &[], None).unwrap_err();
    assert!(refused.contains("would have 1002 prices"), "{refused}");
    story.say(1, brief("p", "own", &[("video", 2), ("photo", 1)]));
    assert_eq!(story.world.balance("own"), (10, 8, 0));
}

#[test]
fn a_price_too_high_to_be_named_parks_its_message() {
    let mut story = Story::of_ten();
    story.say(0, prices(None, None, &[("film", Credits::AMOUNT_MAX.0)]));
    let outcome = story.say(1, brief("p", "own", &[("film", 2)]));
    assert_eq!(parked_for(&outcome).0, ParkReason::OutOfRange);
}

#[test]
fn an_asset_outside_any_project_is_charged_its_credits_else_its_price() {
    let mut story = Story::new();
    story.say(1, organization("org", 20));
    story.say(1, integrated("team", "org", 10, OnInsufficient::Queue));
    story.say(0, prices(None, None, &[("photo", 2)]));
    story.say(0, asset("team", "photo", 3, None));
    story.say(0, asset("team", "photo", 3, Some(5)));
    assert_eq!((story.world.balance("team"), story.world.balance("pool:org")), ((10, 0, 11), (20, 0, 11)));
    let charges: Vec<_> = story.world.assets.iter().map(|asset| asset.charge.unwrap()).collect();
    let entry = |number: usize| match &story.world.log[number - 1] {
        LogRecord::Entry(entry) => (entry.account_id.to_string(), entry.kind, entry.credits),
        LogRecord::Notice(_) => panic!("a charge names its entry"),
    };
    for (credits, number) in charges {
        let booked = entry(usize::try_from(number.0).unwrap());
        assert_eq!(booked, ("team".to_owned(), EntryKind::Charge, credits));
    }
}

#[test]
fn a_charge_always_books_and_may_leave_the_account_over_limit() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    assert_eq!(story.say(0, asset("own", "film", 1, Some(5))), Outcome::Applied);
    assert_eq!(story.world.balance("own"), (10, 8, 5));
}

#[test]
fn an_asset_of_a_project_only_counts() {
    let mut story = Story::of_ten();
    let Fact::Asset(fact) = asset("own", "photo", 4, Some(5)) else { unreachable!() };
    let in_project = AssetFact { project_id: Some(project_id("p")), ..fact };
    story.say(0, Fact::Asset(in_project));
    assert_eq!(story.world.balance("own"), (10, 0, 0));
    assert_eq!((story.world.assets[0].asset.quantity, story.world.assets[0].charge), (4, None));
}

#[test]
fn an_asset_without_a_price_waits_for_one() {
    let mut story = Story::of_ten();
    let outcome = story.say(0, asset("own", "photo", 1, None));
    let waits_for = WaitsFor::Price("photo".into());
    assert_eq!(parked_for(&outcome), (ParkReason::PriceUnknown, Some(waits_for)));
    assert!(story.world.assets.is_empty());
}

#[test]
fn what_is_left_of_a_grant_leaves_the_total_at_its_end() {
    let mut story = Story::of_ten();
    let granted = grant(&story, "own", 5, 4);
    story.say(0, granted);
    story.say(0, asset("own", "photo", 1, Some(3)));
    assert_eq!(story.world.balance("own"), (15, 0, 3));
    story.let_pass(4);
    assert_eq!(story.world.balance("own"), (13, 0, 3), "two of five were left");
    story.let_pass(1);
    assert_eq!(story.world.balance("own"), (13, 0, 3), "and only once");
}

#[test]
fn what_was_used_up_is_taken_from_the_grant_that_ends_first_and_a_reversal_puts_nothing_back() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Queue));
    let (late, soon) = (grant(&story, "payg", 4, 9), grant(&story, "payg", 4, 5));
    story.say(0, late);
    story.say(0, soon);
    story.say(1, project("p", "payg", Some("finalized"), Some(6)));
    story.say(2, project("p", "payg", Some("canceled"), None));
    assert_eq!(story.world.balance("payg"), (18, 0, 0));
    let left: Vec<_> = story.world.grants.values().map(|grant| (grant.left.0, grant.closed)).collect();
    assert_eq!(left, [(2, false), (0, true)]);
    story.let_pass(5);
    assert_eq!(story.world.balance("payg"), (18, 0, 0), "nothing was left of the first");
    story.let_pass(4);
    assert_eq!(story.world.balance("payg"), (16, 0, 0));
}

#[test]
fn where_credits_are_consumed_no_more_expires_than_is_available() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 0, Mode::Consume, OnInsufficient::Queue));
    let granted = grant(&story, "payg", 5, 3);
    story.say(0, granted);
    story.say(1, project("p", "payg", Some("started"), Some(4)));
    story.let_pass(3);
    assert_eq!(story.world.balance("payg"), (4, 4, 0), "what is held stays paid for");

    let mut story = Story::new();
    story.say(1, standalone("own", 0, Mode::Recycle, OnInsufficient::Queue));
    let granted = grant(&story, "own", 5, 3);
    story.say(0, granted);
    story.say(1, project("p", "own", Some("started"), Some(4)));
    story.let_pass(3);
    assert_eq!(story.world.balance("own"), (0, 4, 0), "the account is over limit until the project ends");
}

#[test]
fn what_is_due_on_a_chain_is_applied_before_the_next_message_on_it() {
    let mut story = Story::new();
    story.say(1, organization("org", 10));
    story.say(1, integrated("team", "org", 20, OnInsufficient::Queue));
    let granted = grant(&story, "pool:org", 5, 2);
    story.say(0, granted);
    story.let_pass_unseen(2);
    let before = story.world.log.len();
    story.say(1, project("p", "team", Some("started"), Some(12)));
    assert_eq!(story.state("p"), State::Queued, "the pool has 10 again");
    let expired = (EntryKind::Expiry, Side::Available, Side::Outside, 5);
    assert_eq!(story.entries(before), [expired]);
    let LogRecord::Entry(entry) = &story.world.log[before] else { panic!("an expiry is booked first") };
    assert_eq!(&*entry.cause.key.source, "creditd/expiry");
}

#[test]
fn a_grant_is_warned_of_once_and_that_is_over_with_the_grant() {
    let mut story = Story::of_ten();
    let granted = grant(&story, "own", 5, 4);
    story.say(0, granted);
    story.let_pass(1);
    assert!(alerts(&story).is_empty());
    story.let_pass(1);
    let raised = alerts(&story).pop().unwrap();
    assert_eq!((raised.change, raised.subjects.len()), (Change::Raised, 1));
    assert_eq!((&*raised.rules[0].rule.name, raised.rules[0].subjects), (GRANT_EXPIRING, Some(1)));
    story.let_pass(1);
    assert_eq!(alerts(&story).len(), 1);
    story.say(0, asset("own", "photo", 1, Some(5)));
    let over = alerts(&story).pop().unwrap();
    assert_eq!((over.change, over.subjects[0].change), (Change::Resolved, SubjectChange::Resolved));
    assert!(story.world.due(story.now() + Micros::from_days(9)).is_empty(), "it is used up");
}

#[test]
fn a_second_grant_that_is_about_to_end_updates_the_alert() {
    let mut story = Story::of_ten();
    for days in [2, 3] {
        let granted = grant(&story, "own", 5, days);
        story.say(0, granted);
    }
    story.let_pass(0);
    story.let_pass(1);
    let told: Vec<_> = alerts(&story).iter().map(|alert| (alert.change, alert.rules[0].subjects)).collect();
    assert_eq!(told, [(Change::Raised, Some(1)), (Change::Updated, Some(2))]);
    story.let_pass(1);
    let last = alerts(&story).pop().unwrap();
    assert_eq!((last.change, last.rules[0].subjects), (Change::Updated, Some(1)));
}

#[test]
fn a_grant_that_ended_before_it_came_is_booked_and_ends() {
    let mut story = Story::of_ten();
    let granted = grant(&story, "own", 5, 0);
    story.let_pass_unseen(1);
    let before = story.world.log.len();
    story.say(0, granted);
    let kinds: Vec<_> = story.entries(before).iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [EntryKind::Grant, EntryKind::Expiry]);
    assert_eq!(story.world.balance("own"), (10, 0, 0));
    story.let_pass(0);
    assert_eq!(story.world.balance("own"), (10, 0, 0), "and only once");
}

#[test]
fn a_grant_that_ended_before_it_came_lets_nothing_start() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(12)));
    let granted = grant(&story, "own", 5, 0);
    story.let_pass_unseen(1);
    story.say(0, granted);
    assert_eq!(story.state("p"), State::Queued, "its credits are no longer there");
    assert_eq!(story.world.balance("own"), (10, 0, 0));
}

#[test]
fn what_stays_of_a_grant_that_ended_before_it_came_counts_for_those_who_wait() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 2, Mode::Consume, OnInsufficient::Queue));
    story.say(1, project("p", "payg", Some("started"), Some(2)));
    story.say(2, standalone("payg", 0, Mode::Consume, OnInsufficient::Queue));
    story.say(1, project("q", "payg", Some("started"), Some(1)));
    let granted = grant(&story, "payg", 1, 0);
    story.let_pass_unseen(1);
    story.say(0, granted);
    assert_eq!(story.world.balance("payg"), (1, 2, 0), "nothing was available to leave");
    assert!(!story.world.projects[&project_id("q")].claim.unwrap().aside, "an account of one can carry it");
}

#[test]
fn what_is_due_on_the_pool_that_an_account_comes_to_is_applied_before_it_comes() {
    let mut story = Story::new();
    story.say(1, organization("org", 0));
    story.say(1, standalone("own", 0, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("started"), Some(5)));
    let granted = grant(&story, "pool:org", 5, 2);
    story.say(0, granted);
    story.let_pass_unseen(2);
    story.say(2, integrated("own", "org", 5, OnInsufficient::Queue));
    assert_eq!(story.state("p"), State::Queued, "the pool has nothing any more");
    assert_eq!(story.world.balance("pool:org"), (0, 0, 0));
}

#[test]
fn what_is_due_on_the_pool_that_a_project_comes_to_is_applied_before_it_comes() {
    let mut story = Story::new();
    story.say(1, organization("org", 0));
    story.say(1, standalone("own", 5, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("started"), Some(5)));
    let hold = || HoldCommand { project_id: project_id("p") };
    story.command(Existence::Any, Fact::HoldReleased(hold())).unwrap();
    story.say(2, integrated("own", "org", 5, OnInsufficient::Queue));
    let granted = grant(&story, "pool:org", 5, 2);
    story.say(0, granted);
    story.let_pass_unseen(2);
    story.command(Existence::Any, Fact::HoldRestored(hold())).unwrap();
    assert_eq!(story.state("p"), State::Queued, "the pool has nothing any more");
    assert_eq!(story.world.balance("pool:org"), (0, 0, 0));
}

#[test]
fn prices_set_by_command_settle_what_is_over_even_beyond_the_limit() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 5, Mode::Consume, OnInsufficient::Reject));
    story.say(1, brief("p", "payg", &[("video", 1)]));
    story.say(2, project("p", "payg", Some("finalized"), None));
    let set = story.command(Existence::Any, prices(None, None, &[("video", 8)]));
    assert_eq!(set, Ok(Outcome::Applied), "one account's old work stands in the way of nobody's prices");
    assert_eq!(story.world.balance("payg"), (5, 0, 8));
}

#[test]
fn what_a_command_says_about_a_project_settles_even_beyond_the_limit() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 5, Mode::Consume, OnInsufficient::Reject));
    story.say(1, project("p", "payg", Some("started"), Some(8)));
    let over = story.command(Existence::Any, project("p", "payg", Some("finalized"), None));
    assert_eq!(over, Ok(Outcome::Applied), "a settlement always books");
    assert_eq!(story.world.balance("payg"), (5, 0, 8));
}

#[test]
fn a_list_is_complete_by_itself() {
    let mut story = Story::of_ten();
    story.say(0, prices(None, None, &[("video", 2), ("photo", 1)]));
    story.say(0, prices(None, None, &[("video", 2)]));
    story.say(1, brief("p", "own", &[("photo", 1)]));
    assert_eq!(story.state("p"), State::Unpriced, "the newer list has no photos");
}
