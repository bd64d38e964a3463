//! A message that the daemon dies of, again and again. What makes it do so is played by a lock: it keeps the
//! message in hand until the daemon is killed.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Message, OpenTransaction, World, wait_until};

/// How often a message is delivered among others before it is tried alone.
const DEATHS_AMONG_OTHERS: i64 = 2;
const DEATHS_ALONE_MAX: i64 = 3;

const TRIES: &str = "select coalesce(sum(tries), 0)::bigint from creditd.suspect";

/// A world with a message at the head of its queue that nobody can apply while the lock is held, and others
/// behind it.
fn world_with_a_deadly_message() -> (World, OpenTransaction) {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[
        Message::account("a1", "deadly", 1, json!({ "capacity": 100 })),
        Message::account("a2", "harmless", 1, json!({ "capacity": 100 })),
    ]);
    world.wait_for_messages(&["a1", "a2"]);
    assert!(daemon.stop().success());
    let locked = world.hold_open("select from creditd.account where account_id = 'deadly' for update");
    world.publish(&[
        Message::project("deadly", "brief", "deadly", 1, "started", 10),
        Message::project("h1", "brief-1", "harmless", 1, "started", 10),
        Message::project("h2", "brief-2", "harmless", 1, "started", 10),
        Message::project("h3", "brief-3", "harmless", 1, "started", 10),
    ]);
    (world, locked)
}

/// Has a daemon take the message in hand and die of it.
fn die_of_it(world: &World) {
    let mut daemon = world.daemon();
    world.wait_until_somebody_is_blocked();
    daemon.kill();
    world.end_daemons_backends();
}

#[test]
fn a_message_that_was_alone_in_hand_at_three_deaths_is_parked_undecoded_and_the_rest_is_applied() {
    let (world, locked) = world_with_a_deadly_message();
    for death in 1..=DEATHS_AMONG_OTHERS + DEATHS_ALONE_MAX {
        die_of_it(&world);
        assert_eq!(world.number(TRIES), (death - DEATHS_AMONG_OTHERS).max(0), "after death {death}");
    }

    // Still locked: it must not even be tried.
    let daemon = world.daemon();
    world.wait_for_messages(&["h1", "h2", "h3"]);
    assert_eq!(world.balance("harmless"), Some((100, 30, 0, 70)));
    let parked = world.json(&["parked", "list"]);
    assert_eq!(parked.as_array().unwrap().len(), 1, "{parked}");
    assert_eq!(parked[0]["reason"], "suspect");
    assert_eq!(parked[0]["message_id"], json!(null), "nobody decoded it");
    assert_eq!(world.number(TRIES), 0, "it is settled");
    wait_until("all is acknowledged", || world.queue_depth() == 0);
    drop(locked);
    assert_eq!(world.balance("deadly"), Some((100, 0, 0, 100)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_that_was_told_to_stop_did_not_die_of_what_it_had_in_hand() {
    let (mut world, locked) = world_with_a_deadly_message();
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "1");
    for stop in 1..=DEATHS_AMONG_OTHERS + 2 {
        let daemon = world.daemon();
        world.wait_until_somebody_is_blocked();
        let tries = i64::from(stop > DEATHS_AMONG_OTHERS);
        assert_eq!(world.number(TRIES), tries, "at stop {stop}");
        assert!(daemon.stop().success());
        assert_eq!(world.number(TRIES), 0, "after stop {stop}");
    }
    drop(locked);

    let daemon = world.daemon();
    world.wait_for_messages(&["deadly", "h1", "h2", "h3"]);
    assert_eq!(world.number("select count(*) from creditd.suspect"), 0);
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_that_may_not_write_entries_did_not_die_of_what_it_had_in_hand() {
    let world = World::new();
    let daemon = world.daemon();
    world.publish(&[Message::account("a1", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["a1"]);
    assert!(daemon.stop().success());
    world.as_owner("revoke insert on creditd.entry from creditd");
    world.publish(&[
        Message::project("p1", "brief-1", "studio", 1, "started", 10),
        Message::project("p2", "brief-2", "studio", 1, "started", 10),
    ]);
    for ending in 1..=DEATHS_AMONG_OTHERS + DEATHS_ALONE_MAX + 1 {
        let mut daemon = world.start_daemon("refused");
        assert_eq!(daemon.wait().code(), Some(1), "{}", daemon.log());
        assert_eq!(world.number(TRIES), 0, "after ending {ending}");
    }
    world.as_owner("grant insert on creditd.entry to creditd");
    let daemon = world.daemon();
    world.wait_for_messages(&["p1", "p2"]);
    assert_eq!(world.balance("studio"), Some((100, 20, 0, 80)));
    assert_eq!(world.number("select count(*) from creditd.parked"), 0);
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn what_was_left_undone_when_the_daemon_stopped_is_not_acknowledged_with_what_came_after_it() {
    let (mut world, locked) = world_with_a_deadly_message();
    for _ in 0..DEATHS_AMONG_OTHERS {
        die_of_it(&world);
    }
    drop(locked);
    // All of them are suspects now, and none can be counted; a message behind them could be applied.
    let uncountable = world.hold_open("lock table creditd.suspect in exclusive mode");
    world.publish(&[Message::project("h4", "brief-4", "harmless", 1, "started", 10)]);
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "1");
    let daemon = world.daemon();
    world.wait_until_somebody_is_blocked();
    assert!(daemon.stop().success());
    drop(uncountable);

    let daemon = world.daemon();
    world.wait_for_messages(&["deadly", "h1", "h2", "h3", "h4"]);
    assert_eq!(world.balance("harmless"), Some((100, 40, 0, 60)));
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_suspect_that_comes_through_before_its_third_death_alone_is_cleared() {
    let (world, locked) = world_with_a_deadly_message();
    for _ in 0..DEATHS_AMONG_OTHERS + DEATHS_ALONE_MAX - 1 {
        die_of_it(&world);
    }
    assert_eq!(world.number(TRIES), DEATHS_ALONE_MAX - 1);

    let daemon = world.daemon();
    world.wait_until_somebody_is_blocked();
    assert_eq!(world.number(TRIES), DEATHS_ALONE_MAX);
    drop(locked);
    world.wait_for_messages(&["deadly", "h1", "h2", "h3"]);
    assert_eq!(world.balance("deadly"), Some((100, 10, 0, 90)));
    assert_eq!(world.balance("harmless"), Some((100, 30, 0, 70)));
    assert_eq!(world.number("select count(*) from creditd.suspect"), 0);
    assert_eq!(world.number("select count(*) from creditd.parked"), 0);
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_message_that_ends_the_process_that_decodes_it_is_parked_and_all_around_it_is_applied() {
    let mut world = World::new();
    let hooks = world.file("hooks");
    std::fs::create_dir(&hooks).unwrap();
    std::fs::write(hooks.join("die_of"), "poisoned").unwrap();
    world.set("CREDITD_TEST_HOOKS", hooks.to_str().unwrap());
    world.declare();
    let project = |name: &str| Message::project(name, name, "studio", 1, "started", 10);
    world.publish(&[
        Message::account("a1", "studio", 1, json!({ "capacity": 100 })),
        project("before"),
        project("poisoned"),
        project("behind"),
    ]);

    let mut daemon = world.start_daemon("daemon");
    let mut die_until_parked = |copies: i64| {
        let mut deaths = 0;
        wait_until("it is parked", || {
            if !daemon.is_running() {
                assert_eq!(daemon.wait().signal(), Some(Signal::KILL.as_raw()), "{}", daemon.log());
                deaths += 1;
                daemon = world.start_daemon("daemon");
            }
            let parked =
                "select coalesce(sum(deliveries), 0)::bigint from creditd.parked where reason = 'suspect'";
            world.number(parked) == copies
        });
        deaths
    };
    assert_eq!(die_until_parked(1), DEATHS_AMONG_OTHERS + DEATHS_ALONE_MAX);
    world.wait_for_messages(&["a1", "before", "behind"]);
    assert_eq!(world.balance("studio"), Some((100, 20, 0, 80)));
    // That it is one to die of is known when it comes again, which is what it does at the same place.
    world.publish(&[project("before"), project("behind"), project("poisoned"), project("behind-again")]);
    assert_eq!(die_until_parked(2), DEATHS_AMONG_OTHERS);
    world.wait_for_messages(&["behind-again"]);
    assert_eq!(world.balance("studio"), Some((100, 30, 0, 70)));

    // Once what it dies of is mended, it is offered again.
    std::fs::remove_file(hooks.join("die_of")).unwrap();
    assert!(world.text(&["parked", "retry", "--reason", "suspect"]).contains("applied"));
    assert_eq!(world.balance("studio"), Some((100, 40, 0, 60)));
    world.assert_verified();
    assert!(daemon.stop().success());
}
