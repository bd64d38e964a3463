//! Whatever messages say, as far as they can be read, the books stand after each.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::world::{World, settings};
use crate::contract::inbound::decode;
use crate::contract::raw::RawMessage;
use crate::fuzzing::{examples, fuzz};
use crate::ledger::books::LogRecord;
use crate::ledger::moment::{Micros, Timestamp};

/// How many messages of an input are looked at.
const MESSAGES_MAX: usize = 40;

/// An event a line, in structured mode.
fn message(line: &[u8]) -> RawMessage {
    RawMessage {
        routing_key: String::new(),
        content_type: None,
        headers: serde_json::Map::new(),
        properties: serde_json::Map::new(),
        body: line.to_vec(),
    }
}

/// The contract's examples in one input, so that they can be changed and combined.
fn seeds() -> Vec<Vec<u8>> {
    let lines: Vec<_> = examples().iter().map(Value::to_string).collect();
    vec![lines.join("\n").into_bytes()]
}

fn kind(record: &LogRecord) -> String {
    match record {
        LogRecord::Entry(entry) => format!("{:?}", entry.kind),
        LogRecord::Notice(notice) => format!("{:?}", notice.body.kind()),
    }
}

#[test]
fn whatever_messages_say_the_books_stand_after_each() {
    fuzz("books", seeds(), |input| {
        let mut world = World::new(settings());
        let mut known = HashSet::new();
        let mut outcomes = BTreeSet::new();
        // In the year of the contract's examples.
        let mut now = Timestamp::from_micros(1_775_000_000_000_000).unwrap();
        for line in input.split(|byte| *byte == b'\n').take(MESSAGES_MAX) {
            let Ok(message) = decode(&message(line)) else { continue };
            message.fingerprint();
            // One that comes again gets no further than the inbox.
            if !known.insert(message.cause.key.clone()) {
                continue;
            }
            now = now + Micros::from_days(1);
            for own in world.due(now) {
                world.apply_one(&own.into_input(now));
                world.check();
            }
            let before = world.log.len();
            let outcome = world.apply_one(&message.into_input(now));
            world.check();
            // What came of it, and not about whom.
            let said = format!("{outcome:?}");
            let said = said.split("detail").next().unwrap_or_default();
            let kinds: BTreeSet<_> = world.log[before..].iter().map(kind).collect();
            outcomes.insert(format!("{said} {kinds:?}"));
        }
        outcomes.into_iter().collect()
    });
}
