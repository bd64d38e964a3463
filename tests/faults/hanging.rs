//! What never comes: a server that is gone without a word, a standby that confirms nothing, a message that the library
//! can't read, a batch that takes longer than a statement may.

use std::time::Duration;

use creditd::sandbox::{Sandbox, SandboxOptions};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::starting::Wire;
use crate::proxy::{Network, Towards};
use crate::support::{Copied, Daemon, Message, World, base_backup, creditd, open_directory, wait_until};

/// How soon a loop that doesn't move counts as stuck here, in seconds: longer than a loop that waits is silent.
const PATIENCE_S: &str = "6";

/// Has this world's daemons lose patience soon.
fn make_impatient(world: &mut World) {
    let hooks = world.file("hooks");
    std::fs::create_dir(&hooks).unwrap();
    std::fs::write(hooks.join("patience_s"), PATIENCE_S).unwrap();
    world.set("CREDITD_TEST_HOOKS", hooks.to_str().unwrap());
}

#[test]
fn a_daemon_whose_database_is_gone_without_a_word_ends_and_what_it_had_in_hand_is_applied_by_the_next() {
    let mut world = World::new();
    make_impatient(&mut world);
    let (database, database_url) = Wire::over(&world.database_url);
    world.set("CREDITD__DATABASE__URL", &database_url);
    let mut daemon = world.daemon();
    world.publish(&[Message::account("a1", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["a1"]);
    database.proxy.set(Network::Frozen(Towards::Client));
    world.publish(&[Message::project("p1", "brief", "studio", 1, "started", 10)]);
    assert_eq!(daemon.wait().code(), Some(70), "{}", daemon.log());
    assert!(daemon.log().contains("won't any more"), "{}", daemon.log());

    // Nor does a start hang.
    let mut daemon = world.start_daemon("daemon");
    daemon.wait_for_log("gave no answer within");
    assert!(daemon.is_running());
    database.proxy.set(Network::Up);
    world.wait_for_messages(&["p1"]);
    assert_eq!(world.balance("studio"), Some((100, 10, 0, 90)));
    world.wait_until_published();
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_that_was_stopped_for_long_is_not_taken_to_hang_when_it_is_continued() {
    let mut world = World::new();
    make_impatient(&mut world);
    let mut daemon = world.daemon();
    let stopped = std::time::Instant::now();
    daemon.signal(Signal::STOP);
    wait_until("it was stopped for long", || stopped.elapsed() > Duration::from_secs(30));
    daemon.signal(Signal::CONT);
    world.publish(&[Message::account("a1", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["a1"]);
    assert!(daemon.is_running());
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_waits_for_as_long_as_no_synchronous_standby_answers_and_says_so() {
    let directory = open_directory();
    let options = SandboxOptions { vhosts: 1, ..SandboxOptions::default() };
    let primary =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    let mut world = World::on(&primary, 0);
    world.migrate();
    make_impatient(&mut world);
    let backup = directory.path().join("backup");
    base_backup(&primary, &backup, &["--write-recovery-conf"]);
    let standby = Copied::start(&directory.path().join("standby"), &backup, &[]);
    world.as_superuser("alter system set synchronous_standby_names = '*'");
    world.as_superuser("select pg_reload_conf()");
    let in_step = "select to_jsonb(count(*)) from pg_stat_replication where sync_state = 'sync'";
    wait_until("the standby is a synchronous one", || world.report(in_step) == 1);
    let mut daemon = world.daemon();
    world.publish(&[Message::account("a1", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["a1"]);
    drop(standby);
    wait_until("the standby is gone", || world.report(in_step) == 0);

    world.publish(&[Message::project("p1", "brief", "studio", 1, "started", 10)]);
    daemon.wait_for_log("no synchronous standby of PostgreSQL confirms a commit");
    // Without an excuse it would have been given up by then.
    let waited = "select to_jsonb(coalesce(max(now() - query_start) > interval '40 seconds', false))
                    from pg_stat_activity where wait_event = 'SyncRep'";
    wait_until("it has waited for long", || world.report(waited) == true);
    assert!(daemon.is_running(), "{}", daemon.log());
    assert_eq!(daemon.count_in_log("no progress"), 0);
    world.as_superuser("alter system reset synchronous_standby_names");
    world.as_superuser("select pg_reload_conf()");
    world.wait_for_messages(&["p1"]);
    world.wait_until_published();
    world.assert_verified();
    assert!(daemon.stop().success());
}

/// When the lines were logged that have this in them, in seconds since the first of them.
fn times_in_log(daemon: &Daemon, text: &str) -> Vec<f64> {
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains(text));
    let times = lines.map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = line["timestamp"].as_str().unwrap();
        time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339).unwrap()
    });
    let times: Vec<_> = times.collect();
    times.iter().map(|at| (*at - times[0]).as_seconds_f64()).collect()
}

#[test]
fn a_message_that_ends_each_connection_is_tried_at_ever_longer_intervals() {
    let mut world = World::new();
    world.declare();
    let (upstream, url) = Wire::rewriting(&world.broker_url, b"caf\xc3\xa9", b"caf\xe9\xe9");
    let direct = std::mem::replace(&mut world.broker_url, url);
    let account = Message::account("a1", "studio", 1, json!({ "capacity": 100 }));
    world.publish(&[Message { routing_key: "café".into(), ..account }]);
    world.broker_url = direct;
    drop(upstream);

    let daemon = world.start_daemon("daemon");
    let tries = 6;
    let refused = r#"in case somebody mends it","part":"intake""#;
    wait_until("it has tried", || times_in_log(&daemon, refused).len() >= tries);
    let at = times_in_log(&daemon, refused);
    // The schedule's fourth and fifth delays are 0.8 s and 1.6 s at least; its first one is at most 0.3 s.
    assert!(at[tries - 1] - at[tries - 3] > 2.0, "{at:?}");
    assert!(daemon.stop().success());
}

#[test]
fn a_batch_that_takes_longer_than_a_statement_may_is_applied_in_parts() {
    let mut world = World::new();
    world.set("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", "1");
    assert!(world.daemon().stop().success());
    world.as_owner(
        "create function creditd.dawdle() returns trigger language plpgsql as
         $$ begin perform pg_sleep(0.3); return new; end $$;
         create trigger dawdle before insert on creditd.inbox for each row
            when (new.source = '/test') execute function creditd.dawdle()",
    );
    let account = |number: usize| {
        let name = format!("a{number}");
        Message::account(&name, &name, 1, json!({ "capacity": 100 }))
    };
    world.publish(&(0..8).map(account).collect::<Vec<_>>());
    let daemon = world.daemon();
    world.wait_for_messages(&["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"]);
    assert_eq!(world.number("select count(*) from creditd.parked"), 0);
    world.as_owner("drop trigger dawdle on creditd.inbox; drop function creditd.dawdle()");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_that_does_not_know_that_another_took_over_does_not_set_its_settings_again() {
    let mut world = World::new();
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "1");
    // Neither heartbeats nor anything else tells the first one that RabbitMQ has given it up.
    let (wire, broker_url) = Wire::over(&world.broker_url);
    world.set("CREDITD__BROKER__URL", &format!("{broker_url}?heartbeat=0"));
    let first = world.daemon_named("first");
    world.publish(&[Message::account("a1", "studio", 1, json!({ "capacity": 100 }))]);
    world.wait_for_messages(&["a1"]);
    let locked = world.hold_open("select from creditd.ledger for update");
    world.publish(&[Message::project("p1", "brief", "studio", 1, "started", 10)]);
    world.wait_until_somebody_is_blocked();
    wire.proxy.set(Network::Frozen(Towards::Client));
    world.close_connections();

    let direct = world.broker_url.clone();
    world.set("CREDITD__BROKER__URL", &direct);
    world.set("CREDITD__TIME_AHEAD_MAX_S", "120");
    let second = world.start_daemon("second");
    second.wait_for_log(r#""consuming","part":"intake""#);
    // The first one would decide first, if it were told of the lock's end first.
    first.signal(Signal::STOP);
    world.end_daemons_backends();
    drop(locked);
    world.wait_for_messages(&["p1"]);
    let stored = "select settings->'time_ahead_max' from creditd.ledger";
    wait_until("the second one's settings decide", || world.report(stored) == 120_000_000);
    let number = world.number("select settings_number from creditd.ledger");
    first.signal(Signal::CONT);
    first.wait_for_log("so messages come to that one");
    wire.proxy.set(Network::Up);
    first.wait_for_log(r#""standing by","part":"intake""#);
    world.publish(&[Message::project("p2", "other", "studio", 1, "started", 10)]);
    world.wait_for_messages(&["p2"]);
    assert_eq!(world.number("select settings_number from creditd.ledger"), number);
    assert_eq!(world.balance("studio"), Some((100, 20, 0, 80)));
    world.assert_verified();
    assert!(first.stop().success());
    assert!(second.stop().success());
}
