//! `examples/alert-webhook` as its users run it: a process of its own between a real daemon's events, a real broker,
//! and a webhook and a mail server that behave as they do out there.

mod delivering;
mod failing;
mod gaps;
mod http;
mod smtp;
mod tls;

/// The example itself, for its unit tests: cargo runs those of a program, or builds it for the tests here, not both.
#[path = "../../../examples/alert-webhook/main.rs"]
#[allow(dead_code, reason = "the tests use parts, and the program runs as a process")]
mod example;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::http::Endpoint;
use crate::support::{Daemon, Message, World, creditd};

const SECRET: &str = "top secret";

/// The example as cargo built it beside the program under test. `cargo test` builds it; `cargo test --test it` does
/// not, and must not test one of yesterday.
fn program() -> PathBuf {
    let program = creditd().parent().unwrap().join("examples/alert-webhook");
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/alert-webhook");
    let newest =
        fs::read_dir(sources).unwrap().map(|source| modified(&source.unwrap().path()).unwrap()).max();
    let is_current = modified(&program).is_ok_and(|built| Some(built) >= newest);
    assert!(
        is_current,
        "{} is missing or older than its source; run: cargo build --example alert-webhook",
        program.display()
    );
    program
}

/// The arguments that post to an endpoint.
fn webhook(world: &World, endpoint: &Endpoint) -> Vec<String> {
    let secret = world.file("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let file = secret.to_str().unwrap().to_owned();
    vec!["--webhook-url".to_owned(), endpoint.url(), "--webhook-secret-file".to_owned(), file]
}

/// The example with these arguments, not started yet. Its state is the world's unless they say otherwise.
fn command(world: &World, broker_url: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("ALERT_BROKER_URL", broker_url).env("ALERT_STATE", world.file("state"));
    command.args(arguments);
    command
}

/// Starts the example and waits until its queue is bound. All of a world's log to one file.
fn start(world: &World, arguments: &[String]) -> Daemon {
    let log = world.file("alert-webhook.log");
    let before = fs::read_to_string(&log).unwrap_or_default().len();
    let mut consumer = Daemon::spawn(command(world, &world.broker_url, arguments), &log);
    crate::support::wait_until("the example waits for alerts", || {
        assert!(consumer.is_running(), "{}", consumer.log());
        consumer.log().split_off(before).contains("waiting for alerts")
    });
    consumer
}

/// An account with 100 credits.
fn account(world: &World, id: &str) {
    world.publish(&[Message::account(&format!("{id}-open"), id, 1, serde_json::json!({ "capacity": 100 }))]);
    world.wait_for_messages(&[&format!("{id}-open")]);
}

/// Has the account's next alert told: the `number`th, raised where that is odd, resolved where it is even.
fn alert(world: &World, account: &str, number: i64) {
    let status = if number % 2 == 1 { "started" } else { "finalized" };
    let id = format!("{account}-{number}");
    world.publish(&[Message::project(&id, &format!("of-{account}"), account, number, status, 85)]);
    world.wait_for_messages(&[&id]);
    world.wait_until_published();
}

/// What was set aside.
fn aside(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.file("state").join("aside.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of(account: &str, sequences: impl IntoIterator<Item = i64>) -> Vec<(String, i64)> {
    sequences.into_iter().map(|sequence| (account.to_owned(), sequence)).collect()
}
