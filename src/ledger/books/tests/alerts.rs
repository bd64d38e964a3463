//! Alerts as the books raise them: whose rules count, when, and what a person is told (DESIGN 1.4).

use std::sync::Arc;

use super::rules::Story;
use super::world::{
    account_fact, account_id, integrated, organization, organization_id, project, settings, standalone,
};
use crate::ledger::account::{Kind, Mode, OnInsufficient};
use crate::ledger::alert::{Change, Measure, Resolution, Rule, Severity};
use crate::ledger::books::LogRecord;
use crate::ledger::credits::Credits;
use crate::ledger::input::{AccountFact, Fact, OrganizationFact};
use crate::ledger::notice::{AlertBody, ContactRole, Notice, NoticeBody};
use crate::ledger::settings::Settings;

fn alerts(story: &Story, account: &str) -> Vec<AlertBody> {
    let alert = |notice: &Notice| match &notice.body {
        NoticeBody::Alert(body) if notice.account_id == account_id(account) => Some((**body).clone()),
        _ => None,
    };
    let notices = story.world.log.iter().filter_map(|record| match record {
        LogRecord::Notice(notice) => Some(notice),
        LogRecord::Entry(_) => None,
    });
    notices.filter_map(alert).collect()
}

fn rule(name: &str, level: i64) -> Arc<[Rule]> {
    let measure = Measure::AvailableCredits;
    Arc::new([Rule { name: name.into(), measure, level, severity: Severity::Warning, margin: 0 }])
}

fn names(alert: &AlertBody) -> Vec<&str> {
    alert.rules.iter().map(|raised| &*raised.rule.name).collect()
}

/// A ledger in which nothing is raised unless an account's or an organization's own rules say so.
fn bare() -> Story {
    Story::with(Settings { alert_rules: Arc::default(), queue_blocked: None, ..settings() })
}

#[test]
fn the_nearest_list_of_rules_counts_and_replaces_the_farther() {
    let mut story = Story::with(Settings { alert_rules: rule("of-settings", 2), ..settings() });
    let organization_fact = |rules, contact: &str| {
        Fact::Organization(OrganizationFact {
            organization_id: organization_id("org"),
            name: None,
            contact: Some(contact.into()),
            capacity: Some(Credits(50)),
            mode: None,
            alert_rules: rules,
        })
    };
    story.say(1, organization_fact(None, "admin"));
    story.say(1, integrated("a", "org", 10, OnInsufficient::Queue));
    story.say(1, project("p", "a", Some("started"), Some(8)));
    assert_eq!(names(&alerts(&story, "a")[0]), ["of-settings"]);

    story.say(2, organization_fact(Some(rule("of-organization", 2)), "admin"));
    let replaced = alerts(&story, "a").pop().unwrap();
    assert_eq!((replaced.change, names(&replaced)), (Change::Updated, vec!["of-organization"]));
    assert_eq!(replaced.resolved[0].reason, Resolution::RuleRemoved);

    let own = AccountFact { alert_rules: Some(Arc::default()), ..account_fact("a") };
    story.say(2, Fact::Account(own));
    assert_eq!(alerts(&story, "a").pop().unwrap().change, Change::Resolved, "an empty list is a list");
}

#[test]
fn settings_that_change_the_rules_are_evaluated_for_everybody() {
    let mut story = bare();
    story.say(1, standalone("a", 1, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, standalone("b", 9, Mode::Recycle, OnInsufficient::Queue));
    assert!(alerts(&story, "a").is_empty());
    let with_rule = Settings { alert_rules: rule("few", 2), queue_blocked: None, ..settings() };
    story.say(0, Fact::Settings(Arc::new(with_rule)));
    assert_eq!((alerts(&story, "a").len(), alerts(&story, "b").len()), (1, 0));
}

#[test]
fn a_pool_is_alerted_by_what_its_members_hold() {
    let few = Settings { alert_rules: rule("few", 2), pool_overcommitted: None, ..settings() };
    let mut story = Story::with(few);
    story.say(1, organization("org", 10));
    story.say(1, integrated("a", "org", 20, OnInsufficient::Queue));
    story.say(1, project("p", "a", Some("started"), Some(8)));
    let pool = alerts(&story, "pool:org").pop().unwrap();
    assert_eq!(pool.change, Change::Raised);
    assert_eq!(pool.contact.role, ContactRole::OrganizationAdmin);
    assert_eq!(pool.contact.contact.as_deref(), Some("admin@example.com"));
    assert_eq!(pool.largest_holds[0].project_id.as_str(), "p");
    assert!(alerts(&story, "a").is_empty(), "12 of its 20 are left");
}

#[test]
fn work_that_waits_raises_queue_blocked_until_it_runs() {
    let mut story = Story::with(Settings { alert_rules: Arc::default(), ..settings() });
    story.say(1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("started"), Some(8)));
    story.say(1, project("q", "own", Some("started"), Some(5)));
    let raised = alerts(&story, "own").pop().unwrap();
    assert_eq!((names(&raised), raised.queued.projects), (vec!["queue_blocked"], 1));
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(alerts(&story, "own").pop().unwrap().change, Change::Resolved);
}

#[test]
fn an_alert_names_the_largest_holds_and_those_closest_to_being_settled() {
    let mut story = Story::with(Settings { alert_rules: rule("few", 1), ..settings() });
    let account = AccountFact {
        capacity: Some(Credits(30)),
        kind: Some(Kind::Standalone),
        contact: Some("manager@example.com".into()),
        ..account_fact("own")
    };
    story.say(1, Fact::Account(account));
    for (number, (status, credits)) in
        [("started", 9), ("reviewed", 1), ("started", 2), ("started", 3), ("started", 4), ("reviewed", 5)]
            .into_iter()
            .enumerate()
    {
        story.say(1, project(&format!("p{number}"), "own", Some(status), Some(credits)));
    }
    story.say(1, project("last", "own", Some("started"), Some(5)));
    let alert = alerts(&story, "own").pop().unwrap();
    let ids = |holders: &[crate::ledger::notice::Holder]| -> Vec<String> {
        holders.iter().map(|holder| holder.project_id.to_string()).collect()
    };
    assert_eq!(ids(&alert.largest_holds), ["p0", "last", "p5", "p4", "p3"]);
    assert_eq!(ids(&alert.closest_to_settling), ["p5", "p1", "p0", "last", "p4"]);
    assert_eq!(alert.contact.role, ContactRole::AccountManager);
    assert_eq!(alert.contact.contact.as_deref(), Some("manager@example.com"));
    assert_eq!(alert.balance.available, Credits(1));
}

#[test]
fn one_message_gives_an_account_one_alert_however_much_it_moved() {
    let mut story = Story::new();
    story.say(1, standalone("own", 10, Mode::Recycle, OnInsufficient::Queue));
    story.say(1, project("p", "own", Some("started"), Some(10)));
    for name in ["q", "r", "s"] {
        story.say(1, project(name, "own", Some("started"), Some(3)));
    }
    let before = alerts(&story, "own").len();
    story.say(2, project("p", "own", Some("finalized"), None));
    assert_eq!(story.world.balance("own"), (10, 9, 0), "three claims were placed");
    assert_eq!(alerts(&story, "own").len(), before + 1);
}
