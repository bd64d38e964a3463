use super::*;
use crate::ledger::account::Mode;
use crate::ledger::ids::MessageKey;
use crate::ledger::settings::StatusRule;

/// A project here: in progress on `studio`, at 50 credits, by revision 3.
fn here() -> Project {
    let version = version(Some(3), Some("2026-01-03T00:00:00Z"));
    let mut project = Project::new(ProjectId::parse("p").unwrap());
    project.account.set(Some(Some(account("studio"))), &version);
    project.status.set(Some(Some(status("in_progress", Effect::Hold))), &version);
    let price = PriceTag { said: Price::Credits(Credits(50)), credits: Some(Credits(50)) };
    project.price.set(Some(Some(price)), &version);
    project.held = Credits(50);
    project
}

fn version(revision: Option<i64>, time: Option<&str>) -> Arc<Version> {
    let time = time.map(|text| Timestamp::parse(text).unwrap());
    Version::of(Order::Revision, revision, time, &MessageKey::new("s", "i")).unwrap()
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn status(name: &str, effect: Effect) -> Status {
    Status { name: name.into(), effect, stage: 0 }
}

fn settings(order: Order) -> Settings {
    let rules = [
        ("draft", Effect::None),
        ("started", Effect::Hold),
        ("in_progress", Effect::Hold),
        ("finalized", Effect::Settle),
        ("canceled", Effect::Release),
    ];
    let rule = |(status, effect): (&str, Effect)| StatusRule {
        status: status.into(),
        effect,
        stale_after_days: None,
    };
    let statuses: Vec<StatusRule> = rules.into_iter().map(rule).collect();
    serde_json::from_value(serde_json::json!({
        "order": order, "statuses": statuses, "alert_rules": [], "queue_blocked": null, "time_ahead_max": 0,
    }))
    .unwrap()
}

/// As the upstream lists it, by the members that matter.
fn listed(more: &serde_json::Value) -> ListedProject {
    let mut line = serde_json::json!({ "project_id": "p", "account_id": "studio", "status": "in_progress" });
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    crate::contract::line::listed_project(line.to_string().as_bytes()).unwrap()
}

fn held_against(found: Option<&Project>, more: &serde_json::Value) -> Compared {
    by(Order::Revision, found, more)
}

fn by(order: Order, found: Option<&Project>, more: &serde_json::Value) -> Compared {
    let mut shelf = Shelf::default();
    shelf.projects.insert(ProjectId::parse("p").unwrap(), found.cloned());
    let mut payg = Account::new(account("payg"));
    payg.mode = Register::unset(Mode::Consume);
    shelf.accounts.insert(account("payg"), Some(payg));
    compare(7, &listed(more), &shelf, &settings(order), Timestamp::EPOCH)
}

fn difference(found: Option<&Project>, more: &serde_json::Value) -> Difference {
    match held_against(found, more) {
        Compared::Differs(difference) => *difference,
        _ => panic!("{more} doesn't differ"),
    }
}

#[test]
fn what_the_list_leaves_out_does_not_differ() {
    for more in [
        serde_json::json!({}),
        serde_json::json!({ "credits": 50, "revision": 3 }),
        serde_json::json!({ "credits": 50, "revision": 9 }),
    ] {
        assert!(matches!(held_against(Some(&here()), &more), Compared::Same), "{more}");
    }
}

#[test]
fn each_aspect_is_found_and_says_what_it_means_in_credits() {
    let cases = [
        (serde_json::json!({ "account_id": "payg" }), Aspect::Account, 50),
        (serde_json::json!({ "status": "finalized" }), Aspect::Effect, 0),
        (serde_json::json!({ "status": "started" }), Aspect::Status, 50),
        (serde_json::json!({ "credits": 60 }), Aspect::Price, 60),
        (serde_json::json!({ "final_credits": 4 }), Aspect::FinalCredits, 50),
        (serde_json::json!({ "name": "A film" }), Aspect::Name, 50),
    ];
    for (more, aspect, should_hold) in cases {
        let found = difference(Some(&here()), &more);
        assert_eq!(found.differs, [aspect], "{more}");
        assert_eq!((found.line, found.held, found.wanted), (Some(7), Credits(50), Credits(50)), "{more}");
        assert_eq!(found.should_hold, Some(Credits(should_hold)), "{more}");
    }
}

#[test]
fn a_repair_says_what_differs_and_no_more() {
    let more = serde_json::json!({ "status": "finalized", "credits": 50, "name": "A film" });
    let fact = difference(Some(&here()), &more).missing_fact().unwrap();
    assert_eq!(fact.status.as_deref(), Some("finalized"));
    assert_eq!((fact.price, fact.final_credits, fact.name.as_deref()), (None, None, Some("A film")));
    let unknown = difference(None, &serde_json::json!({ "credits": 50 }));
    assert_eq!(unknown.missing_fact(), Some(listed(&serde_json::json!({ "credits": 50 })).fact));
}

#[test]
fn an_unknown_project_differs_only_where_it_means_credits() {
    let unknown = |more: serde_json::Value| held_against(None, &more);
    for nothing in [
        serde_json::json!({ "status": "draft", "credits": 5 }),
        serde_json::json!({ "status": "canceled", "credits": 5 }),
        serde_json::json!({ "status": "finalized", "credits": 5 }),
        serde_json::json!({ "status": "started", "credits": 0 }),
    ] {
        assert!(matches!(unknown(nothing.clone()), Compared::NothingToKnow), "{nothing}");
    }
    let holds = difference(None, &serde_json::json!({ "credits": 5 }));
    assert_eq!((holds.should_hold, holds.should_consume), (Some(Credits(5)), Some(Credits(0))));
    let used =
        serde_json::json!({ "account_id": "payg", "status": "finalized", "credits": 5, "final_credits": 4 });
    let used = difference(None, &used);
    assert_eq!((used.should_hold, used.should_consume), (Some(Credits(0)), Some(Credits(4))));
    let unpriced = difference(None, &serde_json::json!({}));
    assert_eq!((unpriced.differs, unpriced.should_hold), (vec![Aspect::UnknownHere], None));
}

#[test]
fn a_list_older_than_the_books_says_nothing_about_them() {
    let project = here();
    let cases = [
        (Order::Revision, serde_json::json!({ "status": "started", "revision": 2 }), true),
        (Order::Revision, serde_json::json!({ "status": "started", "revision": 3 }), false),
        (Order::Revision, serde_json::json!({ "status": "started", "time": "2020-01-01T00:00:00Z" }), false),
        (Order::Time, serde_json::json!({ "status": "started", "time": "2026-01-02T00:00:00Z" }), true),
        (Order::Time, serde_json::json!({ "status": "started", "time": "2026-01-04T00:00:00Z" }), false),
    ];
    for (order, more, is_older) in cases {
        let compared = by(order, Some(&project), &more);
        assert_eq!(matches!(compared, Compared::BooksAreNewer), is_older, "{more}");
    }
}

#[test]
fn a_release_by_command_is_told_and_left_alone_until_the_upstream_moves_on() {
    let mut project = here();
    let released = Some(status("released_by_operator", Effect::Release));
    project.released_from = Some(status("in_progress", Effect::Hold));
    project.status = Register::stored(released, project.status.version().cloned());
    project.held = Credits::ZERO;
    let found = difference(Some(&project), &serde_json::json!({}));
    assert_eq!(found.differs, [Aspect::ReleasedHere]);
    assert_eq!(found.missing_fact(), None);
    let moved_on = difference(Some(&project), &serde_json::json!({ "status": "finalized" }));
    assert_eq!(moved_on.differs, [Aspect::Effect]);
    assert!(moved_on.missing_fact().is_some());
}

#[test]
fn the_same_pieces_cost_the_same_in_any_order_and_others_are_priced_by_the_lists() {
    let video = |quantity| Deliverable { deliverable_type: "video".into(), quantity };
    let photo = Deliverable { deliverable_type: "photo".into(), quantity: 1 };
    let mut project = here();
    let said = Price::Deliverables([video(1), photo, video(1)].into());
    project.price = Register::unset(Some(PriceTag { said, credits: Some(Credits(50)) }));
    let pieces = |videos: i64| {
        serde_json::json!({ "deliverables":
            [{ "type": "photo", "quantity": 1 }, { "type": "video", "quantity": videos }] })
    };
    assert!(matches!(held_against(Some(&project), &pieces(2)), Compared::Same));
    let other = difference(Some(&project), &pieces(3));
    assert_eq!((other.differs, other.should_hold), (vec![Aspect::Price], None), "no list prices them");
}

#[test]
fn sums_count_what_is_on_another_account_on_both_sides() {
    let mut sums = Sums::default();
    for more in [
        serde_json::json!({ "credits": 60 }),
        serde_json::json!({ "status": "canceled" }),
        serde_json::json!({ "account_id": "payg", "credits": 55 }),
    ] {
        sums.add(&difference(Some(&here()), &more));
    }
    sums.add(&difference(None, &serde_json::json!({})));
    sums.add(&unlisted(&here()));
    assert_eq!((sums.differing, sums.unpriced), (5, 1));
    assert_eq!((sums.held_too_much, sums.held_too_little), (50 + 50 + 50, 10 + 55));
    assert_eq!(sums.differs["price"], 2);
}
