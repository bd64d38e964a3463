//! Keeping pages up to date.

use futures_util::StreamExt;
use reqwest::StatusCode;

use super::{agency, client, page};
use crate::support::{Message, World, blocking};

#[test]
fn who_listens_is_told_when_the_books_change_and_let_go_when_the_daemon_stops() {
    let world = World::new();
    let daemon = agency(&world);
    let url = format!("{}/events", daemon.http_address());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, mut events) = runtime.block_on(async {
        let answer = client().get(url).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut events = answer.bytes_stream();
        (events.next().await.unwrap().unwrap(), events)
    });
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(first.contains("event: ledger"), "{first}");
    world.publish(&[Message::grant("g", "studio", 5)]);
    let second = runtime.block_on(async { events.next().await.unwrap().unwrap() });
    let second = String::from_utf8(second.to_vec()).unwrap();
    assert!(second.contains("event: ledger") && second != first, "{second}");
    let stopping = std::thread::spawn(move || daemon.stop());
    runtime.block_on(async { while events.next().await.is_some_and(|event| event.is_ok()) {} });
    assert!(stopping.join().unwrap().success());
}

#[test]
fn a_page_differs_from_itself_only_where_what_it_shows_changed() {
    let world = World::new();
    let daemon = agency(&world);
    world.text(&["account", "open", "quiet", "--capacity", "50", "--actor", "ops"]);
    let version = |path: &str| {
        let page = page(&daemon, path);
        assert_eq!(page.status, StatusCode::OK);
        page.text.split_once("data-version=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    let (quiet, prices) = (version("/accounts/quiet"), version("/prices"));
    world.publish(&[Message::project("q", "P-9", "quiet", 1, "started", 7)]);
    world.wait_for_messages(&["q"]);
    assert_ne!(version("/accounts/quiet"), quiet);
    assert_eq!(version("/prices"), prices);
}

#[test]
fn no_more_listen_than_may_and_the_others_are_told_so() {
    let world = World::new();
    let daemon = agency(&world);
    let url = format!("{}/events", daemon.http_address());
    blocking(async {
        let mut listening = Vec::new();
        for _ in 0..64 {
            listening.push(client().get(&url).send().await.unwrap());
        }
        assert!(listening.iter().all(|answer| answer.status() == StatusCode::OK));
        let refused = client().get(&url).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}
