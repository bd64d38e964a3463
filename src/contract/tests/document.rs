//! `docs/contract.md` says what the code does: each example is run, and each reason is explained.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::facts::INBOUND_TYPES;
use super::super::inbound::decode;
use super::super::outbound::{StoredNotice, of_entry, of_notice};
use super::super::samples::{self, LEDGER};
use super::{raw, structured};
use crate::ledger::outcome::ParkReason;

const DOCUMENT: &str = include_str!("../../../docs/contract.md");

/// The text of each JSON example between two headings.
fn examples_between(from: &str, to: &str) -> Vec<&'static str> {
    let (_, from_here) = DOCUMENT.split_once(from).expect("the document has the heading");
    let (section, _) = from_here.split_once(to).expect("the document has the next heading");
    let blocks = section.split("```json\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("each block ends").0).collect()
}

#[test]
fn each_inbound_type_has_an_example_that_decodes() {
    let mut seen = BTreeSet::new();
    for example in examples_between("## What comes in", "## What goes out") {
        let message = decode(&raw(Some("application/cloudevents+json"), json!({}), example));
        let message = message.unwrap_or_else(|error| panic!("{error} in {example}"));
        seen.insert(message.cause.message_type.to_string());
    }
    let all: BTreeSet<String> = INBOUND_TYPES.iter().map(|known| known.name.to_owned()).collect();
    assert_eq!(seen, all);
}

/// An example that shows a member under a name that isn't read would decode all the same.
#[test]
fn each_member_of_an_inbound_example_is_read() {
    for example in examples_between("## What comes in", "## What goes out") {
        let event: Value = serde_json::from_str(example).unwrap();
        for member in event["data"].as_object().unwrap().keys() {
            let mut spoilt = event.clone();
            spoilt["data"][member] = json!(false);
            let error = decode(&structured(&spoilt)).expect_err(member);
            assert!(error.detail.starts_with(&format!("data.{member}: ")), "{error}");
        }
    }
}

/// What is shown here is what is in `docs/examples`, which the schemas are held to.
#[test]
fn each_example_of_the_document_is_among_the_published_ones() {
    for example in examples_between("## What comes in", "### What a consumer may rely on") {
        let shown: Value = serde_json::from_str(example).unwrap();
        let file =
            format!("{}/docs/examples/{}.json", env!("CARGO_MANIFEST_DIR"), shown["type"].as_str().unwrap());
        let published: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(shown, published, "{file}");
    }
}

#[test]
fn the_examples_of_events_are_what_is_published() {
    let published = [
        of_entry(LEDGER, &samples::entry()),
        of_notice(LEDGER, &StoredNotice::from(&samples::raised_alert())),
        of_notice(LEDGER, &StoredNotice::from(&samples::queued_hold())),
    ];
    let examples = examples_between("## What goes out", "### What a consumer may rely on");
    assert_eq!(examples.len(), published.len());
    for (example, event) in examples.iter().zip(published) {
        let shown: Value = serde_json::from_str(example).unwrap();
        let sent: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(shown, sent);
    }
}

#[test]
fn each_reason_for_parking_is_explained() {
    for reason in ParkReason::ALL {
        let rows = DOCUMENT.lines().filter(|line| line.starts_with(&format!("| `{reason}` | ")));
        assert_eq!(rows.count(), 1, "{reason}");
    }
}
