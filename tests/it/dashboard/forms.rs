//! Forms, which work without a script.

use reqwest::StatusCode;

use super::{agency, page, shown};
use crate::support::World;

#[test]
fn a_brief_is_quoted_by_an_address_that_can_be_passed_on() {
    let world = World::new();
    let daemon = agency(&world);
    let form = shown(&daemon, "/accounts/agency%2Ffilm/quote");
    assert!(form.contains("name=\"pieces:3D film\"") && form.contains("40 each"), "{form}");
    let before = world.number("select log_last from creditd.ledger");
    let waits = page(&daemon, "/accounts/agency%2Ffilm/quote?pieces%3A3D+film=1&pieces%3Aphoto=");
    let answer = waits.section("answer");
    assert!(
        answer.contains("<strong>40</strong>") && answer.contains("It would wait, as number 2"),
        "{answer}"
    );
    assert!(answer.contains("What would unblock it"), "{answer}");
    assert_eq!(world.number("select log_last from creditd.ledger"), before, "nothing is booked by asking");
    let open =
        ["account", "open", "late", "--kind", "integrated", "--organization", "agency", "--actor", "ops"];
    world.text(&[&open[..], &["--allocation", "50"]].concat());
    let unasked = page(&daemon, "/accounts/late/quote");
    let answer = unasked.section("answer");
    assert!(answer.contains("The account has 50 credits left."), "{answer}");
    assert!(answer.contains("Only <strong>"), "more than the pool has can't be used: {answer}");
}

#[test]
fn what_would_start_be_refused_or_has_no_price_is_told_so() {
    let world = World::new();
    let daemon = agency(&world);
    let answer = |path: &str| page(&daemon, path).section("answer").to_owned();
    world.text(&["account", "open", "roomy", "--capacity", "50", "--actor", "ops"]);
    assert!(answer("/accounts/roomy/quote?credits=50").contains("It would start at once."));
    assert!(answer("/accounts/roomy/quote?pieces%3Asong=2").contains("Without a price: <bdi>song</bdi>"));
    world.text(&["account", "set", "roomy", "--on-insufficient", "reject", "--actor", "ops"]);
    assert!(answer("/accounts/roomy/quote?credits=51").contains("It would be refused."));
    assert!(answer("/accounts/pool%3Aagency/quote?credits=1").contains("a pool has no projects of its own"));
}

#[test]
fn what_can_not_be_read_is_told_beside_its_field_and_kept_as_typed() {
    let world = World::new();
    let daemon = agency(&world);
    let page = page(&daemon, "/accounts/studio/quote?pieces%3Aphoto=%22many%22&credits=5");
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("value=\"&quot;many&quot;\""), "{}", page.text);
    assert!(page.text.contains("a whole number from 0 to 1,000,000 is expected here"), "{}", page.text);
    assert_eq!(page.text.matches("aria-invalid=\"true\"").count(), 1, "{}", page.text);
    assert!(page.section("answer").contains("role=\"alert\""));
}

#[test]
fn what_is_looked_for_is_found_by_its_id_and_else_offered_by_how_it_begins() {
    let world = World::new();
    let daemon = agency(&world);
    let found = |id: &str| page(&daemon, &format!("/search?id={id}")).location().to_owned();
    assert_eq!(found("agency%2Ffilm"), "/accounts/agency%2Ffilm");
    assert_eq!(found("agency"), "/organizations/agency");
    assert_eq!(found("+studio+"), "/accounts/studio");
    assert_eq!(found("P-1"), "/projects/P-1");
    assert!(shown(&daemon, "/search?id=stu").contains("/accounts/studio"));
    for nothing in ["nobody", "%00", "%3Cb%3E", ""] {
        let page = page(&daemon, &format!("/search?id={nothing}"));
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{nothing}");
        assert!(page.text.contains("nothing of this id is known"), "{}", page.text);
    }
}
