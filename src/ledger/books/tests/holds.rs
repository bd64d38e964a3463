//! Stale holds, and commands about a single hold (DESIGN 1.2, 1.4, 1.5).

use std::sync::Arc;

use super::rules::Story;
use super::world::{account_id, project, project_id, settings, standalone};
use crate::ledger::account::{Mode, OnInsufficient};
use crate::ledger::alert::{Change, HOLD_STALE};
use crate::ledger::books::LogRecord;
use crate::ledger::input::{Existence, Fact, HoldCommand};
use crate::ledger::notice::{AlertBody, NoticeBody, SubjectChange};
use crate::ledger::outcome::{Outcome, Rejection};
use crate::ledger::project::{RELEASED_BY_OPERATOR, State};
use crate::ledger::settings::Settings;

fn hold(id: &str) -> HoldCommand {
    HoldCommand { project_id: project_id(id) }
}

fn release(story: &mut Story, id: &str) -> Result<Outcome, String> {
    story.command(Existence::Any, Fact::HoldReleased(hold(id))).map_err(|refusal| refusal.detail)
}

fn restore(story: &mut Story, id: &str) -> Result<Outcome, String> {
    story.command(Existence::Any, Fact::HoldRestored(hold(id))).map_err(|refusal| refusal.detail)
}

fn retry(story: &mut Story, id: &str) -> Result<Outcome, String> {
    story.command(Existence::Any, Fact::HoldRetried(hold(id))).map_err(|refusal| refusal.detail)
}

/// What was told about stale holds.
fn stale_alerts(story: &Story) -> Vec<AlertBody> {
    let alert = |record: &LogRecord| match record {
        LogRecord::Notice(notice) => match &notice.body {
            NoticeBody::Alert(body) if body.subjects.iter().any(|one| &*one.rule == HOLD_STALE) => {
                Some((**body).clone())
            }
            _ => None,
        },
        LogRecord::Entry(_) => None,
    };
    story.world.log.iter().filter_map(alert).collect()
}

#[test]
fn a_hold_in_a_status_for_longer_than_its_limit_is_told_once_an_episode() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("reviewed"), Some(4)));
    story.let_pass_unseen(1);
    story.say(2, project("p", "own", Some("reviewed"), None));
    story.let_pass(0);
    let told = stale_alerts(&story);
    assert_eq!(told.len(), 1, "a message that repeats the status does not begin anew");
    assert_eq!((told[0].change, told[0].subjects[0].change), (Change::Raised, SubjectChange::Raised));
    story.let_pass(30);
    assert_eq!(stale_alerts(&story).len(), 1);
    assert_eq!(story.world.balance("own"), (10, 4, 0), "it is never released by itself");
    story.say(3, project("p", "own", Some("started"), None));
    let resolved = stale_alerts(&story).pop().unwrap();
    assert_eq!(resolved.change, Change::Resolved);
    let raised = stale_alerts(&story).remove(0).subjects.remove(0);
    assert_eq!(resolved.subjects[0].what, raised.what, "it tells the status that it was in for too long");
    story.say(4, project("p", "own", Some("reviewed"), None));
    story.let_pass(1);
    assert_eq!(stale_alerts(&story).len(), 3, "another episode");
}

#[test]
fn projects_without_a_limit_or_without_a_hold_are_not_stale() {
    let mut story = Story::of_ten();
    story.say(1, project("free", "own", Some("reviewed"), Some(0)));
    story.say(1, project("running", "own", Some("started"), Some(3)));
    story.let_pass(90);
    assert!(stale_alerts(&story).is_empty());
}

#[test]
fn what_ends_a_hold_ends_its_episode() {
    for end in ["finalized", "canceled"] {
        let mut story = Story::of_ten();
        story.say(1, project("p", "own", Some("reviewed"), Some(4)));
        story.let_pass(1);
        story.say(2, project("p", "own", Some(end), None));
        assert_eq!(stale_alerts(&story).len(), 2, "{end}");
    }
    let mut story = Story::of_ten();
    story.say(1, standalone("other", 10, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("reviewed"), Some(4)));
    story.let_pass(1);
    story.say(2, project("p", "other", None, None));
    assert_eq!(story.world.accounts[&account_id("own")].tallies.stale_holds, 0);
    story.let_pass(0);
    assert_eq!(story.world.accounts[&account_id("other")].tallies.stale_holds, 1, "it is stale there too");
}

#[test]
fn settings_with_a_longer_limit_end_episodes() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("reviewed"), Some(4)));
    story.let_pass(1);
    let mut patient = settings();
    patient.statuses.iter_mut().for_each(|rule| rule.stale_after_days = Some(2));
    story.say(0, Fact::Settings(Arc::new(patient)));
    assert_eq!(stale_alerts(&story).pop().unwrap().change, Change::Resolved);
    story.let_pass(1);
    assert_eq!(stale_alerts(&story).len(), 3);
}

#[test]
fn an_alert_about_stale_holds_can_be_off() {
    let mut story = Story::with(Settings { hold_stale: None, ..settings() });
    story.say(1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("reviewed"), Some(4)));
    story.let_pass(1);
    assert!(story.world.projects[&project_id("p")].stale_since.is_some());
    assert!(stale_alerts(&story).is_empty());
}

#[test]
fn a_released_hold_comes_back_with_the_next_status_and_a_late_finalize_does_no_harm() {
    let mut story = Story::of_ten();
    story.say(3, project("p", "own", Some("started"), Some(4)));
    assert_eq!(release(&mut story, "p"), Ok(Outcome::Applied));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Released, (10, 0, 0)));
    story.say(3, project("p", "own", Some("reviewed"), None));
    assert_eq!(story.state("p"), State::Released, "a status of the same revision came too late");
    story.say(4, project("p", "own", Some("reviewed"), None));
    assert_eq!(story.world.balance("own"), (10, 4, 0));
    release(&mut story, "p").unwrap();
    story.say(5, project("p", "own", Some("finalized"), None));
    assert_eq!((story.state("p"), story.world.balance("own")), (State::Released, (10, 0, 0)));
    assert!(release(&mut story, "p").unwrap_err().contains("nothing to release"));
    assert!(release(&mut story, "nobody").unwrap_err().contains("no project"));
}

#[test]
fn a_status_that_is_still_on_its_way_counts_though_an_amendment_is_newer_than_it() {
    let mut story = Story::of_ten();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Queue));
    story.say(5, project("p", "payg", Some("started"), Some(4)));
    story.say(9, project("p", "payg", None, Some(3)));
    assert_eq!(release(&mut story, "p"), Ok(Outcome::Applied));
    assert_eq!((story.state("p"), story.world.balance("payg")), (State::Released, (10, 0, 0)));
    story.say(7, project("p", "payg", Some("finalized"), None));
    assert_eq!((story.state("p"), story.world.balance("payg")), (State::Captured, (10, 0, 3)));
}

#[test]
fn releasing_a_claim_that_waits_gives_its_place_up() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(9)));
    story.say(1, project("q", "own", Some("started"), Some(4)));
    story.say(1, project("r", "own", Some("started"), Some(1)));
    assert_eq!(story.state("r"), State::Queued);
    release(&mut story, "q").unwrap();
    assert_eq!(story.state("r"), State::Held);
}

#[test]
fn a_mistaken_release_is_undone_while_no_other_status_came() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("reviewed"), Some(4)));
    release(&mut story, "p").unwrap();
    let status = || story.world.projects[&project_id("p")].status.get().clone().unwrap();
    assert_eq!(&*status().name, RELEASED_BY_OPERATOR);
    assert_eq!(restore(&mut story, "p"), Ok(Outcome::Applied));
    assert_eq!(story.world.balance("own"), (10, 4, 0));
    assert_eq!(&*story.world.projects[&project_id("p")].status.get().clone().unwrap().name, "reviewed");
    assert!(restore(&mut story, "p").is_err(), "there is nothing to undo");
    release(&mut story, "p").unwrap();
    story.say(2, project("p", "own", Some("started"), None));
    release(&mut story, "p").unwrap();
    story.say(3, project("p", "own", Some("canceled"), None));
    assert!(restore(&mut story, "p").unwrap_err().contains("another status"));
}

#[test]
fn an_undone_release_claims_at_the_end_of_the_queue() {
    let mut story = Story::of_ten();
    story.say(1, project("p", "own", Some("started"), Some(6)));
    story.say(1, project("q", "own", Some("started"), Some(8)));
    release(&mut story, "p").unwrap();
    assert_eq!(story.state("q"), State::Held);
    restore(&mut story, "p").unwrap();
    assert_eq!(story.state("p"), State::Queued);
}

#[test]
fn a_refused_claim_is_tried_again_by_command() {
    let mut story = Story::new();
    story.say(1, standalone("payg", 10, Mode::Consume, OnInsufficient::Reject));
    story.say(1, project("p", "payg", Some("started"), Some(8)));
    assert!(retry(&mut story, "p").unwrap_err().contains("was not refused"));
    let refused = story.say(1, project("q", "payg", Some("started"), Some(5)));
    assert_eq!(refused, Outcome::Rejected(Rejection::Hold));
    assert!(retry(&mut story, "q").unwrap_err().contains("lacks 3 credits"));
    story.say(2, project("p", "payg", Some("canceled"), None));
    assert_eq!(story.state("q"), State::Rejected);
    assert_eq!(retry(&mut story, "q"), Ok(Outcome::Applied));
    assert_eq!(story.world.balance("payg"), (10, 5, 0));
}
