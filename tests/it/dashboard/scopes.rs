//! Who sees a part sees its pages and no others.

use reqwest::StatusCode;

use super::{Page, agency, page, page_with};
use crate::support::{Daemon, World};

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
    for file in ["/style.css", "/favicon.svg"] {
        assert_eq!(page(&daemon, file).status, StatusCode::OK);
    }
}
