//! What is old goes, what guards stays, and `verify` can tell the difference. Old books are made by SQL.

mod daemon;
mod inbox;
mod notices;
mod pages;

use serde_json::Value;

use crate::support::World;

/// Sweeps by hand. Says how many records of project messages, parked messages and notices went.
fn sweep(world: &World) -> [i64; 3] {
    counts(&world.json(&["retention", "run"]))
}

/// How many a sweep would remove.
fn would_sweep(world: &World) -> [i64; 3] {
    counts(&world.json(&["retention", "run", "--dry-run"]))
}

fn counts(report: &Value) -> [i64; 3] {
    ["inbox", "parked_done", "notices"].map(|what| {
        let swept = report["swept"].as_array().unwrap();
        let place = swept.iter().find(|swept| swept["what"] == what).unwrap();
        place["rows"].as_i64().unwrap()
    })
}

/// The ids of messages that the inbox knows, in their order, those of the ledger's own left out.
fn known(world: &World) -> Vec<String> {
    let rows: Vec<(String,)> = world
        .rows("select id from creditd.inbox where source not like 'creditd/%' order by id collate \"C\"");
    rows.into_iter().map(|(id,)| id).collect()
}
