//! Who sees a part sees its pages and no others.

use reqwest::StatusCode;

use super::{PAGE, Page, agency, client, page, page_with, read};
use crate::support::{Daemon, Message, World, blocking};

/// A token of a scope, in the world's file of tokens.
fn token(world: &World, scope: &str, name: &str) -> String {
    let file = world.file("tokens.toml");
    let made =
        world.json(&["token", "new", "--scope", scope, "--name", name, "--file", file.to_str().unwrap()]);
    made["token"].as_str().unwrap().to_owned()
}

/// A world that asks for tokens, and tokens for an organization and for an account of it.
fn guarded() -> (World, Daemon, String, String) {
    let mut world = World::new();
    let file = world.file("tokens.toml");
    let organization = token(&world, "organization:agency", "agency");
    let account = token(&world, "account:studio", "studio");
    world.set("CREDITD__HTTP__TOKENS_FILE", file.to_str().unwrap());
    let daemon = agency(&world);
    (world, daemon, organization, account)
}

fn seen_with(daemon: &Daemon, token: &str, path: &str) -> Page {
    page_with(daemon, path, &[("authorization", &format!("Bearer {token}"))])
}

#[test]
fn who_sees_a_part_begins_at_its_page_and_finds_no_other() {
    let (_world, daemon, organization, account) = guarded();
    assert_eq!(seen_with(&daemon, &organization, "/").location(), "/organizations/agency");
    assert_eq!(seen_with(&daemon, &account, "/").location(), "/accounts/studio");
    let unseen = seen_with(&daemon, &account, "/accounts/agency%2Ffilm");
    let unknown = seen_with(&daemon, &account, "/accounts/nobody");
    assert_eq!((unseen.status, unknown.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    let said =
        |page: &Page| page.text.replace("agency/film", "nobody").split_once("</main>").unwrap().0.to_owned();
    let main =
        |page: &Page| said(page).split_once("data-version").unwrap().1.split_once('>').unwrap().1.to_owned();
    assert_eq!(main(&unseen), main(&unknown), "what is not to be seen is told of as what is not there");
    let own = seen_with(&daemon, &account, "/accounts/studio");
    assert_eq!(own.status, StatusCode::OK);
    assert!(!own.text.contains("agency") && own.text.contains("Signed in as"), "{}", own.text);
    assert_eq!(seen_with(&daemon, &account, "/search?id=agency").status, StatusCode::NOT_FOUND);
}

#[test]
fn a_projects_page_tells_of_no_account_that_is_not_to_be_seen() {
    let (world, daemon, organization, account) = guarded();
    let file = world.file("tokens.toml");
    let pool = token(&world, "account:pool:agency", "pool");
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("the tokens were read again");
    let moved = |id: &str, to: &str, revision: i64| Message::project(id, "P-7", to, revision, "started", 1);
    world.publish(&[
        moved("m1", "studio", 1),
        Message::grant("more", "studio", 9),
        moved("m2", "agency/film", 2),
    ]);
    world.wait_for_messages(&["m1", "more", "m2"]);
    assert!(file.exists());
    let of_organization = seen_with(&daemon, &organization, "/projects/P-7");
    assert_eq!(of_organization.status, StatusCode::OK);
    assert!(!of_organization.text.contains("studio"), "{}", of_organization.text);
    let of_pool = seen_with(&daemon, &pool, "/projects/P-1");
    assert_eq!(of_pool.status, StatusCode::OK);
    assert!(
        !of_pool.text.contains("/accounts/agency%2Ffilm") && of_pool.text.contains("/accounts/pool%3Aagency")
    );
    let pools_own = seen_with(&daemon, &pool, "/accounts/pool%3Aagency").text;
    assert!(
        pools_own.contains("agency/film") && !pools_own.contains("/accounts/agency%2Ffilm"),
        "{pools_own}"
    );
    assert_eq!(seen_with(&daemon, &account, "/projects/P-7").status, StatusCode::NOT_FOUND);
}

#[test]
fn who_is_kept_out_at_the_gate_is_told_so_on_a_page_and_a_program_in_its_way() {
    let world = World::new();
    let daemon = world.daemon();
    let misdirected = page_with(&daemon, "/", &[("host", "evil.example")]);
    assert_eq!(misdirected.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(misdirected.text.contains("<h1>Not under this name</h1>"), "{}", misdirected.text);
    assert!(!misdirected.text.contains("<nav"), "nobody is let in: {}", misdirected.text);
    let program = page_with(&daemon, "/v1/accounts", &[("host", "evil.example"), ("accept", "*/*")]);
    assert_eq!(program.header("content-type"), "application/problem+json");
    let post = |path: &str, accept: &str| {
        let asked = client().post(format!("{}{path}", daemon.http_address()));
        let asked = asked.header("sec-fetch-site", "cross-site").header("accept", accept);
        blocking(async { read(asked.send().await.unwrap()).await })
    };
    for path in ["/login", "/logout", "/v1/accounts/studio/quote"] {
        let foreign = post(path, PAGE);
        assert_eq!(foreign.status, StatusCode::FORBIDDEN, "{path}");
        assert!(foreign.text.contains("<h1>Asked by another site</h1>"), "{path}: {}", foreign.text);
        assert!(foreign.text.contains("open the page here instead."), "{path}: {}", foreign.text);
        assert_eq!(
            post(path, "application/json").header("content-type"),
            "application/problem+json",
            "{path}"
        );
    }
}

#[test]
fn who_has_not_signed_in_is_led_to_the_login_and_may_have_its_look() {
    let (_world, daemon, ..) = guarded();
    assert_eq!(page(&daemon, "/accounts/studio").location(), "/login?next=/accounts/studio");
    assert_eq!(
        page_with(&daemon, "/events", &[("accept", "text/event-stream")]).status,
        StatusCode::UNAUTHORIZED
    );
    let login = page(&daemon, "/login?wrong&next=/accounts/studio");
    assert!(
        login.text.contains("name=\"next\" type=\"hidden\" value=\"/accounts/studio\""),
        "{}",
        login.text
    );
    assert!(
        login.text.contains("role=\"alert\"") && login.text.contains("type=\"password\""),
        "{}",
        login.text
    );
    assert!(
        login.text.contains("autocomplete=\"username\"")
            && login.text.contains("autocomplete=\"current-password\"")
    );
    for file in ["/style.css", "/favicon.svg"] {
        assert_eq!(page(&daemon, file).status, StatusCode::OK);
    }
}
