//! Usage reports and statements: the same totals wherever they are told, on the days of a time zone.

mod briefed;
mod commands;
mod files;
mod totals;
mod zones;

use std::time::Duration;

use creditd::clock::Zone;
use creditd::ledger::ids::AccountId;
use creditd::report::Period;
use creditd::store::{Store, StoreSettings};

use crate::support::{World, today};

/// The ledger of a world, read as the daemon's user.
fn store(world: &World) -> Store {
    let settings = StoreSettings {
        urls: vec![world.database_url.clone().into()],
        schema: "creditd".to_owned(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        connections_max: 4,
    };
    Store::new(&settings).unwrap()
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

/// The stretch between two ends as people write them; none where the text is empty.
fn period(from: &str, to: &str) -> Period {
    let border = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    Period { from: border(from), to: border(to) }
}

/// Gives a command as `ops`, which must be done.
fn give(world: &World, arguments: &[&str]) {
    world.json(&[arguments, &["--actor", "ops"]].concat());
}

/// Opens an account that recycles, without credits.
fn open_account(world: &World, id: &str) {
    give(world, &["account", "open", id]);
}

/// Gives an account so many single credits.
fn grant_times(world: &World, id: &str, times: usize) {
    for number in 0..times {
        give(world, &["credits", "grant", id, "1", "--reason", &format!("number {number}")]);
    }
}

/// Lets an account's entries be booked at these times, in order. Their digests no longer fit.
fn book_at(world: &World, id: &str, times: &[&str]) {
    for (place, time) in times.iter().enumerate() {
        let sequence = place + 1;
        world.tamper(&format!(
            "update creditd.entry set at = '{time}' where account_id = '{id}' and sequence = {sequence}"
        ));
    }
}

/// The month of this machine's clock, and the one after it.
fn this_month_and_next() -> [String; 2] {
    let written = |day: time::Date| format!("{:04}-{:02}", day.year(), u8::from(day.month()));
    let last = today().replace_day(today().month().length(today().year())).unwrap();
    [written(today()), written(last.next_day().unwrap())]
}
