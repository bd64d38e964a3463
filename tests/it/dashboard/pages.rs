//! What stands on the pages.

use reqwest::StatusCode;
use serde_json::json;

use super::{agency, page, page_with, shown};
use crate::support::{Message, World, wait_until};

#[test]
fn the_overview_tells_what_needs_somebody_and_leads_to_everything() {
    let world = World::new();
    let daemon = agency(&world);
    let overview = page(&daemon, "/");
    assert_eq!(overview.status, StatusCode::OK);
    assert!(
        overview.section("organizations").contains("href=\"/organizations/agency\""),
        "{}",
        overview.text
    );
    let accounts = overview.section("accounts");
    assert!(accounts.contains("/accounts/studio") && !accounts.contains("agency"), "{accounts}");
    let stops = overview.section("waiting");
    assert!(stops.contains("/accounts/pool%3Aagency") && stops.contains("by 2 credits"), "{stops}");
    assert_eq!(stops.matches("Pool of Agency &lt;b&gt;").count(), 1, "{stops}");
    assert!(
        stops.contains("1 project for 8 credits") && stops.contains("Agency Film</bdi></a> 1 for 8"),
        "{stops}"
    );
    assert!(overview.section("alerts").contains("Work waits for credits"));
    assert!(overview.section("parked").contains("No message is parked."));
}

#[test]
fn alerts_are_counted_in_full_and_the_most_urgent_come_first_whatever_their_accounts_are_called() {
    let world = World::new();
    let daemon = world.daemon();
    let warned = |number: i64| {
        let id = format!("a-{number:02}");
        Message::account(&id, &id, 1, json!({ "capacity": 100, "alert_rules": [rule("warning")] }))
    };
    let critical = json!({ "capacity": 100, "alert_rules": [rule("critical")] });
    let mut messages: Vec<_> = (0..60).map(warned).collect();
    messages.push(Message::account("z", "z-last", 1, critical));
    world.publish(&messages);
    world.wait_for_messages(&["z"]);
    let overview = page(&daemon, "/");
    let tile =
        |name: &str| overview.text.split(name).nth(1).unwrap().split("</strong>").next().unwrap().to_owned();
    assert!(tile("Critical alerts").ends_with(">1"), "{}", overview.text);
    assert!(tile("Other alerts").ends_with(">60"), "{}", overview.text);
    let alerts = overview.section("alerts");
    assert!(alerts.find("z-last").unwrap() < alerts.find("a-00").unwrap(), "{alerts}");
}

/// A rule that is raised at once.
fn rule(severity: &str) -> serde_json::Value {
    json!({ "name": "at_once", "measure": "available_credits", "level": 1000, "severity": severity })
}

#[test]
fn an_accounts_page_tells_what_is_left_what_waits_and_whom_to_turn_to() {
    let world = World::new();
    let daemon = agency(&world);
    let account = page(&daemon, "/accounts/agency%2Ffilm");
    assert_eq!(account.status, StatusCode::OK, "{}", account.text);
    assert!(account.text.contains("<strong>5</strong><span>credits left of 95</span>"), "{}", account.text);
    assert!(account.text.contains("Of 95 credits: 90 held, 5 available. Beyond that, 8 credits waited for."));
    let attention = account.section("alerts");
    assert!(
        attention.contains("mailto:ada@agency.example") && attention.contains("organization\u{2019}s admin"),
        "{attention}"
    );
    let waiting = account.section("waiting");
    assert!(waiting.contains("P-2") && waiting.contains("Finalizing"), "{waiting}");
    assert!(account.section("entries").contains("Hold"));
    let pool = shown(&daemon, "/accounts/pool%3Aagency");
    assert!(pool.contains("<h1><bdi>Pool of Agency &lt;b&gt;</bdi></h1>"), "{pool}");
    assert!(account.section("assets").contains("Projects briefed"));
    assert!(account.section("reports").contains("action=\"/v1/accounts/agency%2Ffilm/usage.csv\""));
    let figures = account.section("history");
    assert!(figures.contains("<td class=\"number\">90</td>") && figures.contains("This month"), "{figures}");
    let year = shown(&daemon, "/accounts/agency%2Ffilm?days=365");
    assert_eq!(year.matches("class=\"column\"").count(), 365);
}

#[test]
fn what_strangers_wrote_stays_text() {
    let world = World::new();
    let daemon = agency(&world);
    let paths =
        ["/", "/accounts/agency%2Ffilm", "/organizations/agency", "/accounts/pool%3Aagency", "/projects/P-1"];
    for path in paths {
        let page = shown(&daemon, path);
        assert!(
            !page.contains("<script>") && !page.contains("\u{202E}") && !page.contains("<b>"),
            "{path}: {page}"
        );
    }
    let account = shown(&daemon, "/accounts/agency%2Ffilm");
    assert!(account.contains("Spring &amp; \u{FFFD}&lt;script&gt;"), "{account}");
}

#[test]
fn an_organizations_page_has_its_pool_its_accounts_and_its_prices() {
    let world = World::new();
    let daemon = agency(&world);
    let organization = page(&daemon, "/organizations/agency");
    assert!(
        organization.text.contains("<strong>10</strong><span>credits left of 100</span>"),
        "{}",
        organization.text
    );
    assert!(organization.section("accounts").contains("/accounts/agency%2Ffilm"));
    assert!(organization.section("prices").contains("3D film"));
    assert!(organization.section("reports").contains("/v1/accounts/pool%3Aagency/usage.csv"));
}

#[test]
fn an_account_over_limit_says_by_how_much_and_what_was_made() {
    let world = World::new();
    let daemon = agency(&world);
    let studio = page(&daemon, "/accounts/studio");
    assert!(studio.text.contains("credits over the limit of 10"), "{}", studio.text);
    assert!(studio.section("alerts").contains("Turn to <bdi>Max</bdi>, the account manager."));
    let made = studio.section("assets");
    assert!(made.contains("photo") && made.contains("<dd>3</dd>"), "{made}");
    let entries = studio.section("entries");
    assert!(entries.contains("Charge") && entries.contains("3 \u{D7} <bdi>photo</bdi>"), "{entries}");
}

#[test]
fn entries_are_read_back_page_by_page_to_the_first() {
    let world = World::new();
    let daemon = agency(&world);
    let grants: Vec<_> =
        (0..40).map(|number| Message::grant(&format!("g{number}"), "studio", 1000 + number)).collect();
    world.publish(&grants);
    world.wait_for_messages(&["g39"]);
    let mut path = "/accounts/studio".to_owned();
    let mut seen = 0;
    loop {
        let page = page(&daemon, &path);
        let entries = page.section("entries");
        seen += entries.matches("<tr>").count() - 1;
        let Some((_, next)) = entries.split_once("?entries_after=") else { break };
        path = format!("/accounts/studio?entries_after={}", next.split_once('#').unwrap().0);
    }
    assert_eq!(seen, 42, "the plan, the charge and the grants");
}

#[test]
fn a_statement_of_a_month_adds_up_and_a_word_that_is_no_month_is_told_so() {
    let world = World::new();
    let daemon = agency(&world);
    let statement = page(&daemon, "/accounts/studio/statement");
    let balance = statement.section("balance");
    assert!(
        balance.contains("+10") && balance.contains("\u{2212}12") && balance.contains("\u{2212}2</dd>"),
        "{balance}"
    );
    let wrong = shown(&daemon, "/accounts/studio/statement?month=spring");
    assert!(
        wrong.contains("expected a month such as 2026-03") && wrong.contains("aria-invalid=\"true\""),
        "{wrong}"
    );
}

#[test]
fn every_page_has_one_heading_a_way_past_the_menu_and_a_strict_policy() {
    let world = World::new();
    let daemon = agency(&world);
    let paths = [
        "/",
        "/prices",
        "/organizations/agency",
        "/accounts/studio",
        "/accounts/studio/quote?credits=3",
        "/accounts/studio/statement",
        "/projects/P-1",
        "/projects/P-2",
        "/search?id=nobody",
        "/nowhere",
        "/accounts/nobody",
    ];
    for path in paths {
        let page = page(&daemon, path);
        assert_eq!(page.text.matches("<h1>").count(), 1, "{path}");
        assert!(page.text.contains("href=\"#main\"") && page.text.contains("<main id=\"main\""), "{path}");
        assert!(!page.text.contains(" style=") && !page.text.contains("<style"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let mut ids: Vec<_> =
            page.text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{path}: an id stands for one thing");
    }
}

#[test]
fn the_files_that_pages_are_made_with_are_served_and_known_again() {
    let world = World::new();
    let daemon = world.daemon();
    for (path, media_type) in
        [("/style.css", "text/css"), ("/script.js", "text/javascript"), ("/favicon.svg", "image/svg+xml")]
    {
        let file = page(&daemon, path);
        assert!(file.header("content-type").starts_with(media_type), "{path}");
        let again = page_with(&daemon, path, &[("if-none-match", file.header("etag"))]);
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    }
}

#[test]
fn what_is_not_there_is_a_page_for_people_and_a_problem_for_programs() {
    let world = World::new();
    let daemon = world.daemon();
    for path in [
        "/accounts/nobody",
        "/organizations/nobody",
        "/projects/none",
        "/accounts/%00",
        "/accounts/%FF",
        "/projects/%FF",
    ] {
        let page = page(&daemon, path);
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains("<h1>Not found</h1>"), "{path}: {}", page.text);
    }
    let problem = page_with(&daemon, "/v1/accounts/nobody", &[("accept", "application/json")]);
    assert_eq!(problem.header("content-type"), "application/problem+json");
}

#[test]
fn while_the_ledger_is_away_a_page_says_so_and_comes_back_by_itself() {
    let world = World::new();
    let daemon = agency(&world);
    // This world's database alone: the role and the server are everybody's.
    let limit_connections = |limit: i32| {
        world.as_superuser(&format!(
            "do $$ begin execute format('alter database %I connection limit {limit}', current_database()); end $$"
        ));
    };
    limit_connections(0);
    world.end_daemons_backends();
    let mut away = page(&daemon, "/");
    wait_until("the page that the ledger is away", || {
        away = page(&daemon, "/");
        away.status == StatusCode::SERVICE_UNAVAILABLE
    });
    limit_connections(-1);
    assert!(away.text.contains("can't be reached at present"), "{}", away.text);
    assert!(away.text.contains("loads itself again") && away.header("refresh") == "10", "{}", away.text);
    wait_until("the overview", || page(&daemon, "/").status == StatusCode::OK);
}

#[test]
fn a_new_ledger_says_in_sentences_that_there_is_nothing_yet() {
    let world = World::new();
    let daemon = world.daemon();
    let overview = shown(&daemon, "/");
    for sentence in [
        "No alert is raised.",
        "No organization is known yet.",
        "No standalone account is known yet.",
        "No project waits",
    ] {
        assert!(overview.contains(sentence), "{sentence}: {overview}");
    }
    assert!(shown(&daemon, "/prices").contains("No price list is set"));
    world.publish(&[Message::account("new", "new", 1, json!({}))]);
    world.wait_for_messages(&["new"]);
    let account = shown(&daemon, "/accounts/new");
    for sentence in [
        "Nothing: work goes on",
        "No project holds credits.",
        "Nothing has moved credits here yet.",
        "No asset has been created yet.",
    ] {
        assert!(account.contains(sentence), "{sentence}: {account}");
    }
}
