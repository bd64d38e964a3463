//! Starting where something is wrong or not there yet.

use serde_json::json;
use tokio::runtime::Runtime;

use crate::proxy::{Network, Proxy, Rewrite};
use crate::support::{Daemon, Message, World, wait_until};

/// Starts a daemon that must refuse to run, and returns its exit code and what it said.
fn refusal(world: &World) -> (i32, String) {
    let mut daemon = world.start_daemon("refused");
    let code = daemon.wait().code().unwrap();
    (code, daemon.log())
}

#[test]
fn another_order_than_the_ledgers_is_refused_as_a_wrong_setting() {
    let mut world = World::new();
    assert!(world.daemon().stop().success());
    world.set("CREDITD__ORDER", "time");
    let (code, said) = refusal(&world);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("order is") && said.contains("set it back"), "{said}");
    assert_eq!(world.number("select settings_number from creditd.ledger"), 1);
}

#[test]
fn a_time_zone_that_postgresql_does_not_know_is_refused_as_a_wrong_setting() {
    let mut world = World::new();
    world.set("CREDITD__REPORT__TIMEZONE", "Nope");
    let (code, said) = refusal(&world);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("report.timezone") && said.contains("pg_timezone_names"), "{said}");
}

#[test]
fn a_missing_schema_is_refused_with_what_to_do() {
    let mut world = World::new();
    world.set("CREDITD__DATABASE__SCHEMA", "elsewhere");
    let (code, said) = refusal(&world);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("elsewhere") && said.contains("creditd migrate"), "{said}");
}

#[test]
fn a_schema_from_a_newer_program_is_refused_with_what_to_do() {
    let world = World::new();
    world.as_owner(
        "insert into creditd._sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'from the future', true, '\\x00', 0)",
    );
    let (code, said) = refusal(&world);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("newer") && said.contains("9999"), "{said}");
}

/// The network between a daemon and its servers, as far as a test may cut it.
pub(super) struct Wire {
    _runtime: Runtime,
    pub(super) proxy: Proxy,
}

impl Wire {
    /// A wire to the server of `url`, and the URL that leads over it.
    pub(super) fn over(url: &str) -> (Self, String) {
        Self::with(url, None)
    }

    /// The same, on which bytes of the client are replaced by as many others.
    pub(super) fn rewriting(url: &str, from: &[u8], to: &[u8]) -> (Self, String) {
        Self::with(url, Some((from.to_vec(), to.to_vec())))
    }

    fn with(url: &str, rewrite: Rewrite) -> (Self, String) {
        let (credentials, rest) = url.split_once('@').unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let proxy = runtime.block_on(Proxy::start(host, rewrite));
        let proxied = format!("{credentials}@{}/{path}", proxy.address);
        (Self { _runtime: runtime, proxy }, proxied)
    }

    /// Waits until the daemon has tried it so often from now on.
    fn wait_for_tries(&self, count: usize) {
        let before = self.proxy.connections();
        wait_until(&format!("{count} tries"), || self.proxy.connections() >= before + count);
    }
}

/// How many lines of the log say that something is wrong, whoever says it.
fn complaints(daemon: &Daemon) -> usize {
    daemon.count_in_log("\"WARN\"") + daemon.count_in_log("\"ERROR\"")
}

#[test]
fn servers_that_are_away_at_the_start_are_waited_for_and_told_of_once() {
    let mut world = World::new();
    let (database, database_url) = Wire::over(&world.database_url);
    let (broker, broker_url) = Wire::over(&world.broker_url);
    world.set("CREDITD__DATABASE__URL", &database_url);
    world.set("CREDITD__BROKER__URL", &broker_url);
    database.proxy.set(Network::Cut);
    broker.proxy.set(Network::Cut);
    let mut daemon = world.start_daemon("daemon");

    wait_until("it is told of", || complaints(&daemon) >= 1);
    database.wait_for_tries(4);
    assert_eq!(complaints(&daemon), 1, "{}", daemon.log());
    daemon.wait_for_log(r#""waiting","part":"ledger""#);
    database.proxy.set(Network::Up);
    wait_until("two loops tell of the broker", || complaints(&daemon) >= 3);
    broker.wait_for_tries(8);
    assert_eq!(complaints(&daemon), 3, "{}", daemon.log());
    for part in ["intake", "relay"] {
        daemon.wait_for_log(&format!(r#""waiting","part":"{part}""#));
    }
    assert!(daemon.is_running());
    broker.proxy.set(Network::Up);

    daemon.wait_for_log("\"consuming\"");
    world.publish(&[Message::account("a", "studio", 1, json!({ "capacity": 10 }))]);
    world.wait_for_messages(&["a"]);
    world.wait_until_published();
    assert!(daemon.stop().success());
}

#[test]
fn a_broker_that_refuses_the_password_is_told_of_loudly_and_once_and_tried_again() {
    let mut world = World::new();
    let (broker, url) = Wire::over(&world.broker_url);
    let (user, host) = url.rsplit_once('@').unwrap();
    let (user, _) = user.rsplit_once(':').unwrap();
    world.set("CREDITD__BROKER__URL", &format!("{user}:wrong@{host}"));
    let mut daemon = world.start_daemon("daemon");
    wait_until("two loops tell of it", || complaints(&daemon) >= 2);
    broker.wait_for_tries(8);
    assert_eq!(complaints(&daemon), 2, "one of each loop: {}", daemon.log());
    assert_eq!(daemon.count_in_log("\"ERROR\""), 2);
    assert_eq!(daemon.count_in_log("check user and password in broker.url"), 2);
    assert!(daemon.is_running());
    assert!(daemon.stop().success());
}
