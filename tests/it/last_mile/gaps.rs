//! What is missing is waited for, said loudly, and filled by a replay.

use lapin::options::QueuePurgeOptions;
use lapin::{Connection, ConnectionProperties};

use super::http::Endpoint;
use super::{account, alert, of, start, webhook};
use crate::support::{Daemon, World, blocking, wait_until};

/// Loses what waits in the example's queue.
fn purge(world: &World) {
    blocking(async {
        let connection = Connection::connect(&world.broker_url, ConnectionProperties::default());
        let connection = connection.await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let purged = channel.queue_purge("alert-webhook".into(), QueuePurgeOptions::default()).await.unwrap();
        assert_eq!(purged, 1, "there was something to lose");
        connection.close(200, "done".into()).await.unwrap();
    });
}

/// Runs the command that the log names for the account.
fn run_what_the_log_says(world: &World, consumer: &Daemon, account: &str) {
    let log = consumer.log();
    let told = log.lines().rfind(|line| line.contains("ERROR") && line.contains(account)).expect(&log);
    let (_, command) = told.split_once("creditd events replay ").expect(told);
    let command: Vec<_> = command.split_whitespace().take(8).collect();
    world.text(&[&["events", "replay"], &command[..]].concat());
}

#[test]
fn a_gap_holds_back_what_is_beyond_it_over_a_restart_until_a_replay_fills_it() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    let arguments = webhook(&world, &endpoint);
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    account(&world, "film");
    alert(&world, "studio", 1);
    endpoint.wait_for_taken(1);
    assert!(consumer.stop().success());
    alert(&world, "studio", 2);
    purge(&world);

    let consumer = start(&world, &arguments);
    alert(&world, "studio", 3);
    alert(&world, "studio", 4);
    wait_until("both wait", || consumer.count_in_log("came early and is kept") == 2);
    consumer.wait_for_log("--account studio --type alert --from 2 --to 2");
    alert(&world, "film", 1);
    let before_film = of("studio", [1]);
    assert_eq!(endpoint.wait_for_taken(2), [before_film, of("film", [1])].concat(), "nobody else waits");
    assert!(consumer.stop().success());

    let consumer = start(&world, &arguments);
    consumer.wait_for_log("alerts are missing, and later ones wait for them");
    run_what_the_log_says(&world, &consumer, "studio");
    assert_eq!(endpoint.wait_for_taken(5)[2..], of("studio", 2..=4));
    alert(&world, "studio", 5);
    assert_eq!(endpoint.wait_for_taken(6)[2..], of("studio", 2..=5), "and nothing twice");
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn an_account_begins_where_it_is_first_seen_unless_told_to_begin_with_its_first() {
    let world = World::new();
    let daemon = world.daemon();
    account(&world, "studio");
    alert(&world, "studio", 1);
    alert(&world, "studio", 2);

    let seen = Endpoint::start();
    let consumer = start(&world, &webhook(&world, &seen));
    alert(&world, "studio", 3);
    assert_eq!(seen.wait_for_taken(1), of("studio", [3]));
    assert!(consumer.stop().success());

    let all = Endpoint::start();
    let mut arguments = webhook(&world, &all);
    // A consumer of its own: another queue and another state.
    let state = world.file("state-of-all").to_str().unwrap().to_owned();
    arguments.extend(["--begin", "first", "--queue", "all", "--state", &state].map(str::to_owned));
    let consumer = start(&world, &arguments);
    alert(&world, "studio", 4);
    consumer.wait_for_log("--account studio --type alert --from 1 --to 3");
    assert_eq!(all.taken(), []);
    world.text(&["events", "replay", "--account", "studio", "--type", "alert", "--from", "1", "--to", "3"]);
    assert_eq!(all.wait_for_taken(4), of("studio", 1..=4));
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}

#[test]
fn a_gap_that_nothing_can_fill_is_closed_by_the_account_s_file() {
    let world = World::new();
    let daemon = world.daemon();
    let endpoint = Endpoint::start();
    let arguments = webhook(&world, &endpoint);
    let consumer = start(&world, &arguments);
    account(&world, "studio");
    alert(&world, "studio", 1);
    endpoint.wait_for_taken(1);
    assert!(consumer.stop().success());
    alert(&world, "studio", 2);
    purge(&world);
    let consumer = start(&world, &arguments);
    alert(&world, "studio", 3);
    consumer.wait_for_log("came early and is kept");
    assert!(consumer.stop().success());

    let file = world.file("state").join("studio.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"last\": 1", "\"last\": 2")).unwrap();
    let consumer = start(&world, &arguments);
    assert_eq!(endpoint.wait_for_taken(2), of("studio", [1, 3]), "without another event");
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}
