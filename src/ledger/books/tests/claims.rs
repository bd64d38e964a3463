//! Claims that do not fit: who waits, who is refused, who goes first (DESIGN 1.2).

use super::rules::Story;
use super::world::{account_id, consuming, integrated, organization, project, project_id, standalone};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::balance::Queued;
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::notice::{Aside, HoldBody, HoldState, NoticeBody, Obstacle, Shortfall};
use crate::ledger::outcome::{Outcome, Rejection};
use crate::ledger::project::State;

fn hold_notices(story: &Story) -> Vec<HoldBody> {
    let hold = |record: &LogRecord| match record {
        LogRecord::Notice(notice) => match &notice.body {
            NoticeBody::Hold(body) => Some(body.clone()),
            NoticeBody::Alert(_) | NoticeBody::TransferRejected(_) => None,
        },
        LogRecord::Entry(_) => None,
    };
    story.world.log.iter().filter_map(hold).collect()
}

fn states(story: &Story, projects: &[&str]) -> Vec<State> {
    projects.iter().map(|project| story.state(project)).collect()
}

/// A pool of 10 with two accounts.
fn pool_of_ten(allocation_a: i64, allocation_b: i64) -> Story {
    let mut story = Story::new();
    story.say(1, organization("org", 10));
    story.say(1, integrated("a", "org", allocation_a, OnInsufficient::Queue));
    story.say(1, integrated("b", "org", allocation_b, OnInsufficient::Queue));
    story
}

#[test]
fn first_come_first_served_even_where_a_later_one_would_fit() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(1, project("r", "own", Some("started"), Some(1)));
    assert_eq!(states(&story, &["p", "q", "r"]), [State::Held, State::Queued, State::Queued]);
    let queued = story.world.accounts[&account_id("own")].queued;
    assert_eq!(queued, Queued { projects: 2, credits: Credits(6) });
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(states(&story, &["q", "r"]), [State::Held, State::Held]);
}

#[test]
fn a_claim_tells_its_place_and_what_it_lacks() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(1, project("r", "own", Some("started"), Some(2)));
    let told = hold_notices(&story);
    let own = |credits| Some(Shortfall { account_id: account_id("own"), credits: Credits(credits) });
    assert_eq!((told[0].position, told[0].shortfall.clone()), (Some(1), own(3)));
    assert_eq!((told[1].position, told[1].shortfall.clone()), (Some(2), None), "only q stands in its way");
    assert_eq!((told[0].credits, told[0].held, told[0].wanted), (Credits(5), Credits(0), Credits(5)));
}

#[test]
fn a_project_that_holds_waits_for_the_difference_and_takes_a_smaller_target_at_once() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(4)));
    story.say(1, project("q", "own", Some("started"), Some(4)));
    story.say(2, project("p", "own", None, Some(9)));
    assert_eq!(story.state("p"), State::Held);
    assert_eq!(story.world.balance("own"), (10, 8, 0), "what it has stays");
    assert_eq!(hold_notices(&story)[0].credits, Credits(5));
    story.say(3, project("p", "own", None, Some(3)));
    assert_eq!(story.world.balance("own"), (10, 7, 0));
    assert!(story.world.projects[&project_id("p")].claim.is_none());
}

#[test]
fn a_withdrawn_claim_lets_those_behind_it_through() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(1, project("r", "own", Some("started"), Some(2)));
    story.say(2, project("q", "own", Some("canceled"), None));
    assert_eq!(states(&story, &["q", "r"]), [State::Released, State::Held]);
}

#[test]
fn a_claim_keeps_its_place_when_it_is_amended_and_loses_it_with_its_account() {
    let mut story = Story::of_ten();
    story.say(1, standalone("other", 0, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("started"), Some(10)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(1, project("r", "own", Some("started"), Some(5)));
    story.say(2, project("q", "own", None, Some(6)));
    story.say(2, project("p", "own", None, Some(4)));
    assert_eq!(states(&story, &["q", "r"]), [State::Held, State::Queued]);

    story.say(1, project("s", "own", Some("started"), Some(1)));
    story.say(3, project("r", "other", None, None));
    assert_eq!(story.state("s"), State::Queued, "p and q hold all there is");
    story.say(4, project("r", "own", None, None));
    story.say(3, project("q", "own", None, Some(5)));
    assert_eq!(states(&story, &["r", "s"]), [State::Queued, State::Held], "r came back behind s");
}

#[test]
fn in_a_pool_a_claim_that_the_pool_lacks_makes_everybody_behind_it_wait() {
    let mut story = pool_of_ten(10, 10);
    story.say(1, project("p", "a", Some("started"), Some(7)));
    story.say(1, project("q", "b", Some("started"), Some(5)));
    story.say(1, project("r", "a", Some("started"), Some(1)));
    assert_eq!(states(&story, &["p", "q", "r"]), [State::Held, State::Queued, State::Queued]);
}

#[test]
fn in_a_pool_a_claim_that_its_own_allocation_lacks_makes_only_its_own_account_wait() {
    let mut story = pool_of_ten(4, 10);
    story.say(1, project("p", "a", Some("started"), Some(3)));
    story.say(1, project("q", "a", Some("started"), Some(2)));
    story.say(1, project("r", "a", Some("started"), Some(1)));
    story.say(1, project("s", "b", Some("started"), Some(1)));
    assert_eq!(
        states(&story, &["p", "q", "r", "s"]),
        [State::Held, State::Queued, State::Queued, State::Held]
    );
    let lacking = hold_notices(&story)[0].shortfall.clone().unwrap();
    assert_eq!(lacking.account_id, account_id("a"), "the own account is tested before the pool");
}

#[test]
fn a_project_larger_than_the_account_waits_aside_and_blocks_nobody() {
    let mut story = Story::of_ten();
    story.say(1, project("giant", "own", Some("started"), Some(12)));
    story.say(1, project("p", "own", Some("started"), Some(8)));
    assert_eq!(states(&story, &["giant", "p"]), [State::Queued, State::Held]);
    let aside = Aside { account_id: account_id("own"), limit: Credits(10) };
    assert_eq!(hold_notices(&story)[0].aside, Some(aside));

    // It counts again once the plan is large enough, at its old place.
    story.say(2, standalone("own", 14, Mode::Recycle, OnInsufficient::Queue));
    assert_eq!(hold_notices(&story).last().unwrap().aside, None, "that it counts again is told");
    story.say(1, project("q", "own", Some("started"), Some(1)));
    assert_eq!(states(&story, &["giant", "q"]), [State::Queued, State::Queued]);
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(states(&story, &["giant", "q"]), [State::Held, State::Held]);
}

#[test]
fn a_rejecting_account_refuses_with_a_notice_and_tries_again_when_the_target_changes() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Reject));
    story.say(1, project("p", "payg", Some("started"), Some(8)));
    assert_eq!(
        story.say(1, project("q", "payg", Some("started"), Some(5))),
        Outcome::Rejected(Rejection::Hold)
    );
    let told = hold_notices(&story);
    assert_eq!((told[0].state, told[0].reason), (HoldState::Rejected, Some(Obstacle::InsufficientCredits)));
    assert_eq!(story.state("q"), State::Rejected);

    story.say(2, project("p", "payg", Some("canceled"), None));
    let outcome = story.say(2, project("q", "payg", Some("reviewed"), None));
    assert_eq!((outcome, story.state("q")), (Outcome::Applied, State::Rejected), "its target is the same");
    story.say(3, project("q", "payg", None, Some(6)));
    assert_eq!(story.state("q"), State::Held);
    let giant = story.say(1, project("giant", "payg", Some("started"), Some(11)));
    assert_eq!(giant, Outcome::Rejected(Rejection::Hold));
    assert_eq!(hold_notices(&story).last().unwrap().reason, Some(Obstacle::ExceedsLimit));
}

#[test]
fn an_overdrawing_account_goes_down_to_its_limit_and_no_further() {
    let mut story = Story::new();
    // The limit is 2 below zero.
    story.say(1, standalone("over", 10, Mode::Recycle, OnInsufficient::Overdraw));
    story.say(1, project("p", "over", Some("started"), Some(9)));
    story.say(1, project("q", "over", Some("started"), Some(3)));
    assert_eq!(story.world.balance("over"), (10, 12, 0));
    assert_eq!(
        story.say(1, project("r", "over", Some("started"), Some(1))),
        Outcome::Rejected(Rejection::Hold)
    );
}

#[test]
fn no_claim_takes_a_pool_below_zero_and_a_rejecting_account_waits_for_nobody() {
    let mut story = pool_of_ten(10, 10);
    story.say(1, integrated("over", "org", 10, OnInsufficient::Overdraw));
    story.say(1, project("p", "a", Some("started"), Some(9)));
    let refused = story.say(1, project("q", "over", Some("started"), Some(2)));
    assert_eq!(
        refused,
        Outcome::Rejected(Rejection::Hold),
        "the overdraft is the account's own, not the pool's"
    );
    story.say(1, project("r", "b", Some("started"), Some(4)));
    let behind = story.say(1, project("s", "over", Some("started"), Some(1)));
    assert_eq!(behind, Outcome::Rejected(Rejection::Hold), "it would have to wait behind r");
    assert_eq!(hold_notices(&story).last().unwrap().reason, Some(Obstacle::QueueAhead));
}

#[test]
fn a_changed_policy_leaves_waiting_claims_waiting() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(2, standalone("own", 10, Mode::Recycle, OnInsufficient::Reject));
    assert_eq!(story.state("q"), State::Queued);
    assert_eq!(
        story.say(1, project("r", "own", Some("started"), Some(1))),
        Outcome::Rejected(Rejection::Hold)
    );
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(story.state("q"), State::Held);
}

#[test]
fn what_is_used_up_can_be_held_by_nobody_so_it_counts_against_the_limit() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Queue));
    story.say(1, project("done", "payg", Some("finalized"), Some(4)));
    story.say(1, project("giant", "payg", Some("started"), Some(7)));
    story.say(1, project("p", "payg", Some("started"), Some(6)));
    assert_eq!(states(&story, &["giant", "p"]), [State::Queued, State::Held]);
    let aside = Aside { account_id: account_id("payg"), limit: Credits(6) };
    assert_eq!(hold_notices(&story)[0].aside, Some(aside));
}

/// `p` has used up 8 of 10 credits while `team` was of `kind`, and `q` waits for 5 since it is of another.
fn moved_after_use(kind: Kind, then: Kind) -> Story {
    let mut story = Story::of_ten();
    story.say(1, organization("org", 20));
    story.say(1, consuming(kind));
    story.say(1, project("p", "team", Some("finalized"), Some(8)));
    story.say(2, consuming(then));
    story.say(1, project("q", "team", Some("started"), Some(5)));
    assert_eq!(story.state("q"), State::Queued);
    story
}

#[test]
fn credits_that_come_back_from_an_earlier_chain_place_the_accounts_own_claims() {
    for (kind, then) in [(Kind::Integrated, Kind::Connected), (Kind::Connected, Kind::Integrated)] {
        let mut corrected = moved_after_use(kind, then);
        corrected.say(2, project("p", "team", None, Some(1)));
        assert_eq!(corrected.state("q"), State::Held);
        let mut given_away = moved_after_use(kind, then);
        given_away.say(2, project("p", "own", None, None));
        assert_eq!(given_away.state("q"), State::Held);
    }
}

#[test]
fn what_is_told_of_a_claim_aside_is_told_once() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    story.say(1, project("r", "own", Some("started"), Some(3)));
    story.say(2, project("r", "own", None, Some(11)));
    assert!(hold_notices(&story).last().unwrap().aside.is_some());
    let told = hold_notices(&story).len();
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(states(&story, &["q", "r"]), [State::Held, State::Queued]);
    assert_eq!(hold_notices(&story).len(), told);
}

#[test]
fn a_later_claim_may_pass_those_that_wait_behind_one_of_their_own() {
    let mut story = Story::new();
    story.say(1, organization("org", 6));
    story.say(1, integrated("a", "org", 6, OnInsufficient::Queue));
    story.say(1, integrated("b", "org", 7, OnInsufficient::Queue));
    story.say(1, project("p2", "a", Some("started"), Some(1)));
    story.say(1, project("p0", "a", Some("started"), Some(6)));
    story.say(2, project("p2", "a", None, Some(2)));
    let before = story.world.clone();
    story.say(1, project("p5", "b", Some("started"), Some(1)));
    assert_eq!(story.state("p5"), State::Held);
    story.world.check_nobody_was_overtaken(&before);
}
