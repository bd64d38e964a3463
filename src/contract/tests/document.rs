//! `docs/contract.md` says what the code does: its examples are the published ones, which are run, and each
//! reason is explained.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::facts::INBOUND_TYPES;
use super::super::inbound::decode;
use super::super::outbound::{OUTBOUND_TYPES, OutboundType};
use super::structured;
use crate::ledger::outcome::ParkReason;

const DOCUMENT: &str = include_str!("../../../docs/contract.md");

/// The text of each JSON example between two headings.
fn examples_between(from: &str, to: &str) -> Vec<&'static str> {
    let (_, from_here) = DOCUMENT.split_once(from).expect("the document has the heading");
    let (section, _) = from_here.split_once(to).expect("the document has the next heading");
    let blocks = section.split("```json\n").skip(1);
    blocks.map(|block| block.split_once("```").expect("each block ends").0).collect()
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

/// The files in `docs/examples` are held to the types and the schemas; what people read is held to the files.
#[test]
fn each_type_has_an_example_and_each_is_among_the_published_ones() {
    let mut seen = BTreeSet::new();
    for example in examples_between("## What comes in", "### What a consumer may rely on") {
        let shown: Value = serde_json::from_str(example).unwrap();
        let event_type = shown["type"].as_str().unwrap();
        let file = format!("{}/docs/examples/{event_type}.json", env!("CARGO_MANIFEST_DIR"));
        let published: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(shown, published, "{file}");
        seen.insert(event_type.to_owned());
    }
    let inbound = INBOUND_TYPES.iter().map(|known| known.name.to_owned());
    let all: BTreeSet<String> = inbound.chain(OUTBOUND_TYPES.iter().map(OutboundType::full_name)).collect();
    assert_eq!(seen, all);
}

#[test]
fn each_reason_for_parking_is_explained() {
    for reason in ParkReason::ALL {
        let rows = DOCUMENT.lines().filter(|line| line.starts_with(&format!("| `{reason}` | ")));
        assert_eq!(rows.count(), 1, "{reason}");
    }
}
