//! The HTTP port from outside: over real connections, to a daemon on real servers.

mod asker;
mod away;
mod books;
mod browsers;
mod downloads;
mod limits;
mod long;
mod members;
mod moments;
mod pages;
mod protocol;
mod scopes;
mod secrets;
mod tokens;

use serde_json::Value;

use crate::support::World;

/// Gives a command as `ops`, which must be done.
fn give(world: &World, arguments: &[&str]) {
    world.json(&[arguments, &["--actor", "ops"]].concat());
}

/// Makes a token of this scope in the world's file of tokens, and returns it.
fn token(world: &World, name: &str, scope: &str, more: &[&str]) -> String {
    let file = world.file("tokens.toml");
    let fixed = ["token", "new", "--name", name, "--scope", scope, "--file", file.to_str().unwrap()];
    world.text(&[&fixed[..], more].concat()).trim().to_owned()
}

/// Lets the world's daemons ask for tokens.
fn ask_for_tokens(world: &mut World) {
    let file = world.file("tokens.toml");
    world.set("CREDITD__HTTP__TOKENS_FILE", file.to_str().unwrap());
}

/// A text of an answer.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

/// How many transactions of the daemon are open.
fn open_transactions(world: &World) -> i64 {
    let count = world.report(
        "select to_jsonb(count(*)) from pg_stat_activity
          where datname = current_database() and usename = 'creditd' and xact_start is not null",
    );
    count.as_i64().unwrap()
}
