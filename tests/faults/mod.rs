//! Trouble: processes and servers that die at random moments, messages that kill, settings that don't fit.
//! What is asserted is always the same: the books come to what the model says, nothing is lost or counted
//! twice, and downstream hears each event, in order.

mod cluster;
mod failover;
mod full_disk;
mod handover;
mod hanging;
mod killed;
mod offers;
mod reload;
mod rounds;
mod starting;
mod stopping;
mod suspects;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::{Balance, Key, Project, Workload};
use crate::support::{Heard, Listener, Message, World, wait_until};

/// How long it takes until a message that comes now, one that came before, is counted.
fn recovery(world: &World, known: &Message) -> Duration {
    let healed = Instant::now();
    let deliveries = || world.number("select coalesce(sum(deliveries), 0)::bigint from creditd.inbox");
    let applied = || world.number("select count(*) from creditd.inbox where source like '/%'");
    let before = (deliveries(), applied());
    world.publish_through_trouble(std::slice::from_ref(known));
    wait_until("anything is applied again", || (deliveries(), applied()) != before);
    healed.elapsed()
}

/// What downstream made of the events that it heard.
#[derive(Debug, Default, PartialEq)]
struct Told {
    /// Each account's balance, by its last event.
    balances: BTreeMap<String, Balance>,
    /// How many told of a claim that had to wait.
    queued: usize,
    /// How many came again.
    repeated: usize,
    /// How many came before one that they follow on. They came again, too.
    early: usize,
}

/// Waits until everything in the workload has its outcome and all events are published, then compares the
/// ledger and the events with the model.
fn assert_as_modelled(world: &World, workload: &Workload, listener: &Listener) -> Told {
    wait_until_settled(world, workload);
    assert_messages(world, workload);
    assert_projects(world, workload);
    assert_balances(world, workload);
    world.assert_verified();
    world.wait_until_published();
    let log_last = world.number("select log_last from creditd.ledger");
    let told = replay(&listener.take_log(log_last), log_last);
    for (account, expected) in &workload.balances {
        let balance = told.balances.get(account).copied().unwrap_or_default();
        assert_eq!(balance, *expected, "what events alone tell of {account}");
    }
    assert!(told.queued > 0, "the accounts are so tight that work has to wait");
    told
}

/// Each message has its outcome, and each copy of it was counted: others may have come more often than they were sent.
fn wait_until_settled(world: &World, workload: &Workload) {
    let valid = i64::try_from(workload.copies.len()).unwrap();
    let parked = i64::try_from(workload.invalid.len()).unwrap();
    wait_until(&format!("{valid} messages applied, each copy counted, {parked} parked"), || {
        let now: Vec<(i64, i64)> = world.rows(
            "select (select count(*) from creditd.inbox where source like '/%' and outcome <> 'parked'),
                    (select count(*) from creditd.parked where done_at is null)",
        );
        now == [(valid, parked)] && is_every_copy_counted(world, &workload.copies)
    });
}

fn is_every_copy_counted(world: &World, copies: &BTreeMap<Key, i64>) -> bool {
    let rows: Vec<(String, String, i64)> =
        world.rows("select source, id, deliveries from creditd.inbox where source like '/%'");
    let counted: BTreeMap<Key, i64> =
        rows.into_iter().map(|(source, id, deliveries)| ((source, id), deliveries)).collect();
    copies.iter().all(|(key, sent)| counted.get(key).is_some_and(|deliveries| deliveries >= sent))
}

/// Each valid message is applied or stale, and was counted as often as it was sent at least; each invalid one
/// is parked whole, with its reason; and nothing else is there.
fn assert_messages(world: &World, workload: &Workload) {
    let rows: Vec<(String, String, String, i64)> = world.rows(
        "select source, id, outcome, deliveries from creditd.inbox
          where source like '/%' and outcome <> 'parked'",
    );
    let mut unaccounted: BTreeMap<Key, i64> = workload.copies.clone();
    for (source, id, outcome, deliveries) in rows {
        assert!(matches!(outcome.as_str(), "applied" | "stale"), "{source} {id} is {outcome}");
        let copies = unaccounted.remove(&(source.clone(), id.clone()));
        let copies = copies.unwrap_or_else(|| panic!("{source} {id} was never sent, or is {outcome}"));
        assert!(deliveries >= copies, "{source} {id}: {deliveries} counted of {copies}");
    }
    assert_eq!(unaccounted, BTreeMap::new(), "sent, and without an outcome");

    let mut parked: Vec<(String, Vec<u8>)> =
        world.rows("select reason, body from creditd.parked where done_at is null");
    let expected = workload.invalid.iter().map(|one| (one.reason.to_owned(), one.message.body.clone()));
    let mut expected: Vec<_> = expected.collect();
    parked.sort();
    expected.sort();
    assert_eq!(readable(&parked), readable(&expected), "what is parked");
}

fn readable(parked: &[(String, Vec<u8>)]) -> Vec<String> {
    parked.iter().map(|(reason, body)| format!("{reason}: {}", String::from_utf8_lossy(body))).collect()
}

pub(crate) fn assert_projects(world: &World, workload: &Workload) {
    type Row = (String, String, Option<String>, Option<i64>, Option<i64>, i64, i64);
    let rows: Vec<Row> = world.rows(
        "select project_id, account_id, status, price_credits, final_credits, held, consumed
           from creditd.project",
    );
    let stored = rows.into_iter().map(|(id, account, status, credits, final_credits, held, consumed)| {
        (id, Project { account, status, credits, final_credits, held, consumed })
    });
    assert_eq!(stored.collect::<BTreeMap<_, _>>(), workload.projects);
}

pub(crate) fn assert_balances(world: &World, workload: &Workload) {
    let rows: Vec<(String, i64, i64, i64)> =
        world.rows("select account_id, total, held, consumed from creditd.account");
    let stored = rows.into_iter().map(|(id, total, held, consumed)| (id, Balance { total, held, consumed }));
    assert_eq!(stored.collect::<BTreeMap<_, _>>(), workload.balances);
}

/// Reads events as the contract tells a consumer to: at or below the last sequence of its account and type
/// one is dropped, the next is applied, and beyond that the gap has to fill first.
fn replay(heard: &[Heard], log_last: i64) -> Told {
    let mut bodies: BTreeMap<i64, &[u8]> = BTreeMap::new();
    let mut sequences: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    let mut told = Told::default();
    for one in heard {
        let number = one.log_number();
        assert_eq!(one.event["id"], number.to_string());
        let first = bodies.entry(number).or_insert(&one.body);
        assert_eq!(*first, one.body, "number {number} came with two bodies");
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let data = &one.event["data"];
        let stream = (text(&data["account_id"]), text(&one.event["type"]));
        let sequence = data["sequence"].as_i64().unwrap();
        let (last, highest) = sequences.entry(stream).or_default();
        *highest = sequence.max(*highest);
        if sequence <= *last {
            told.repeated += 1;
        } else if sequence > *last + 1 {
            told.early += 1;
        } else {
            *last = sequence;
            apply(one, &mut told);
        }
    }
    assert!(bodies.keys().copied().eq(1..=log_last), "each number of the log has one event, and no more");
    for (stream, (last, highest)) in sequences {
        assert_eq!(last, highest, "{stream:?} came to an end with a gap");
    }
    told
}

fn apply(one: &Heard, told: &mut Told) {
    let data = &one.event["data"];
    if one.event["type"] != "credits.balance_changed.v1" {
        told.queued += usize::from(data["state"] == "queued");
        return;
    }
    let balance = |member: &str| {
        let credits = |name: &str| data[member][name].as_i64().unwrap();
        Balance { total: credits("total"), held: credits("held"), consumed: credits("consumed") }
    };
    let account = data["account_id"].as_str().unwrap().to_owned();
    let before = told.balances.insert(account, balance("balance"));
    assert_eq!(before.unwrap_or_default(), balance("previous"), "each event goes on from the one before");
}
