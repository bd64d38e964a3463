//! The pages of projects, and the ways to them.

use reqwest::StatusCode;
use serde_json::json;

use super::{agency, page, shown};
use crate::support::{Message, World, message};

#[test]
fn a_project_that_runs_tells_what_it_holds_what_it_costs_and_how_it_came_so() {
    let world = World::new();
    let daemon = agency(&world);
    let amended = json!({ "project_id": "P-1", "account_id": "agency/film", "revision": 2, "credits": 70 });
    let asset =
        json!({ "account_id": "agency/film", "asset_type": "photo", "quantity": 7, "project_id": "P-1" });
    world.publish(&[
        message("less", "project.amended.v1", &amended),
        message("made", "asset.created.v1", &asset),
    ]);
    world.wait_for_messages(&["less", "made"]);
    let page = page(&daemon, "/projects/P-1");
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let path =
        page.text.split_once("aria-label=\"Where this is\"").unwrap().1.split_once("</nav>").unwrap().0;
    assert!(path.contains("href=\"/organizations/agency\"") && path.contains("Agency &lt;b&gt;"), "{path}");
    assert!(path.contains("href=\"/accounts/agency%2Ffilm\""), "{path}");
    let standing = page.section("standing");
    assert!(standing.contains("<strong>70</strong><span>credits held</span>"), "{standing}");
    assert!(standing.contains("until it is finalized; then they come back."), "{standing}");
    let facts = page.section("facts");
    assert!(facts.contains("in progress") && facts.contains("70 credits"), "{facts}");
    let entries = page.section("entries");
    let (latest, first) = (entries.find("It gave a part back"), entries.find("It began to hold credits"));
    assert!(latest.unwrap() < first.unwrap(), "{entries}");
    assert_eq!(entries.matches("<tr>").count(), 3, "an account and its pool are one step: {entries}");
    assert!(
        entries.contains("/accounts/agency%2Ffilm") && entries.contains("/accounts/pool%3Aagency"),
        "{entries}"
    );
    assert!(entries.contains("Project amended") && entries.contains("less"), "{entries}");
    assert!(page.section("assets").contains("<strong>7</strong>"));
}

#[test]
fn a_project_that_waits_tells_its_place_and_what_would_unblock_it() {
    let world = World::new();
    let daemon = agency(&world);
    let page = page(&daemon, "/projects/P-2");
    let standing = page.section("standing");
    assert!(
        standing.contains("<strong>8 credits</strong>") && standing.contains("as number 1 in the queue"),
        "{standing}"
    );
    assert!(standing.contains("Finalizing") && standing.contains("href=\"/projects/P-1\""), "{standing}");
    assert!(page.section("entries").contains("It has moved no credits here yet."), "{}", page.text);
}

#[test]
fn a_project_that_was_refused_is_a_draft_or_has_no_price_says_so_and_odd_ids_have_pages_too() {
    let world = World::new();
    let daemon = agency(&world);
    let unpriced =
        json!({ "project_id": "a/b:c.d@e", "account_id": "strict", "revision": 1, "status": "started" });
    world.publish(&[
        Message::account("x", "strict", 1, json!({ "capacity": 5, "on_insufficient": "reject" })),
        Message::project("r", "too-much", "strict", 1, "started", 6),
        Message::project("d", "sketch", "strict", 1, "draft", 6),
        message("u", "project.status_changed.v1", &unpriced),
        Message::project("f", "done", "strict", 1, "started", 3),
        Message::project("g", "done", "strict", 2, "finalized", 3),
    ]);
    world.wait_for_messages(&["r", "d", "u", "f", "g"]);
    let standing = |path: &str| page(&daemon, path).section("standing").to_owned();
    assert!(standing("/projects/too-much").contains("It was refused a hold of 6"));
    assert!(standing("/projects/sketch").contains("It asks for nothing, for it is draft."));
    assert!(standing("/projects/a%2Fb%3Ac.d%40e").contains("Nobody has said its price"));
    assert!(standing("/projects/done").contains("It holds nothing any more, for it is finalized."));
    let done = page(&daemon, "/projects/done");
    assert!(done.section("entries").contains("It gave back all that it held"), "{}", done.text);
}

#[test]
fn every_mention_of_a_project_leads_to_its_page() {
    let world = World::new();
    let daemon = agency(&world);
    for (path, section) in [
        ("/accounts/agency%2Ffilm", "projects"),
        ("/accounts/agency%2Ffilm", "entries"),
        ("/accounts/agency%2Ffilm", "waiting"),
        ("/organizations/agency", "projects"),
        ("/accounts/agency%2Ffilm/statement", "projects"),
    ] {
        let page = page(&daemon, path);
        assert!(page.section(section).contains("href=\"/projects/P-1\""), "{path} {section}: {}", page.text);
    }
    let quote = shown(&daemon, "/accounts/agency%2Ffilm/quote?credits=9");
    assert!(quote.contains("href=\"/projects/P-1\""), "{quote}");
}
