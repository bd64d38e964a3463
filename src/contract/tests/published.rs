//! The published contract says what the code does: the files are current, the examples are true, and the
//! schemas take what the reader takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::facts::INBOUND_TYPES;
use super::super::inbound::decode;
use super::super::outbound::OUTBOUND_TYPES;
use super::super::published::{EXAMPLES_FOLDER, SCHEMAS_FOLDER, files};
use super::super::samples;
use super::generators::{any_json, good_message};
use super::{event, raw, structured};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The schemas that would be written, by the names of their types.
fn schemas() -> Vec<(String, Value)> {
    let of_types = files().into_iter().filter(|file| file.path.starts_with(SCHEMAS_FOLDER));
    of_types.map(|file| parsed(&file.text)).map(|schema| (named(&schema["title"]), schema)).collect()
}

fn named(name: &Value) -> String {
    name.as_str().unwrap().to_owned()
}

fn validator(message_type: &str) -> Validator {
    let (_, schema) = schemas().into_iter().find(|(name, _)| name == message_type).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The validators of the inbound types, in their order.
static INBOUND_VALIDATORS: LazyLock<Vec<Validator>> =
    LazyLock::new(|| INBOUND_TYPES.iter().map(|known| validator(known.name)).collect());

#[track_caller]
fn inbound_validator(message_type: &str) -> &'static Validator {
    let place = INBOUND_TYPES.iter().position(|known| known.name == message_type).unwrap();
    &INBOUND_VALIDATORS[place]
}

#[test]
fn the_files_in_docs_are_what_the_types_say() {
    for file in files() {
        let found = std::fs::read_to_string(docs().join(&file.path)).unwrap_or_default();
        let remedy = "run `creditd contract write docs`";
        assert!(found == file.text, "docs/{} is not what the types say: {remedy}", file.path);
    }
}

#[test]
fn each_example_is_of_a_type_and_each_type_has_one() {
    let inbound = INBOUND_TYPES.iter().flat_map(|known| known.examples.iter().map(|_| known.name.to_owned()));
    let outbound = OUTBOUND_TYPES
        .iter()
        .flat_map(|known| samples::of(known).into_iter().map(|_sample| known.full_name()));
    let mut declared: Vec<String> = inbound.chain(outbound).collect();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(docs().join(EXAMPLES_FOLDER)).unwrap() {
        let path = entry.unwrap().path();
        let message_type = named(&parsed(&std::fs::read_to_string(&path).unwrap())["type"]);
        let file = path.file_stem().unwrap().to_str().unwrap();
        let variant = file.strip_prefix(&message_type).unwrap_or_else(|| panic!("{file} is named otherwise"));
        assert!(variant.is_empty() || variant.starts_with('-'), "{file}");
        found.push(message_type);
    }
    declared.sort();
    found.sort();
    assert_eq!(found, declared, "each file of an example is declared at its type");
    let types: BTreeSet<String> = schemas().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), types);
}

#[test]
fn each_inbound_example_is_decoded_and_valid() {
    for known in &INBOUND_TYPES {
        for example in known.examples {
            let message = decode(&raw(Some("application/cloudevents+json"), json!({}), *example));
            let message = message.unwrap_or_else(|error| panic!("{error} in {example}"));
            assert_eq!(*message.cause.message_type, *known.name);
            assert!(inbound_validator(known.name).is_valid(&parsed(example)), "{example}");
        }
    }
}

#[test]
fn each_outbound_example_is_what_is_published_and_valid() {
    for known in &OUTBOUND_TYPES {
        let validator = validator(&known.full_name());
        for (name, sample) in samples::of(known) {
            let example = std::fs::read_to_string(docs().join(EXAMPLES_FOLDER).join(format!("{name}.json")));
            let sent: Value = serde_json::from_slice(&sample.body).unwrap();
            assert_eq!(parsed(&example.unwrap()), sent, "{name}");
            let wrong: Vec<String> = validator.iter_errors(&sent).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
        }
    }
}

/// Calls `check` with each schema inside of `schema`, and its place.
fn for_each_schema(place: &str, schema: &Value, check: &mut impl FnMut(&str, &Value)) {
    check(place, schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        for_each_schema(&format!("{place}.{name}"), member, check);
    }
    if schema["items"].is_object() {
        for_each_schema(&format!("{place}[]"), &schema["items"], check);
    }
}

#[test]
fn each_member_of_each_type_is_described_in_running_text() {
    for (name, schema) in schemas() {
        for_each_schema(&name, &schema, &mut |place, schema| {
            let description = schema["description"].as_str().unwrap_or_else(|| panic!("{place}: none"));
            assert!(!description.contains('\n') && !description.contains("  "), "{place}: {description}");
        });
        // Links of Rust's documentation lead nowhere here.
        assert!(!schema.to_string().contains("[`"), "{name}");
    }
}

/// An outbound member that is optional by accident, or closed to new ones, would bind consumers.
#[test]
fn outbound_schemas_allow_members_to_be_added_and_none_to_be_left_out() {
    let left_out_at_times = ["traceparent", "position", "reason", "aside", "subjects", "overcommitted"];
    for known in &OUTBOUND_TYPES {
        let (name, schema) = schemas().into_iter().find(|(name, _)| *name == known.full_name()).unwrap();
        for_each_schema(&name, &schema, &mut |place, schema| {
            assert_eq!(schema.get("additionalProperties"), None, "{place}");
            let required: BTreeSet<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for member in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
                let is_required = required.contains(member.as_str());
                assert!(is_required || left_out_at_times.contains(&member.as_str()), "{place}.{member}");
            }
        });
    }
}

/// What the reader refuses and a schema can't: these sentences, and no other.
const MORE_THAN_A_SCHEMA_SAYS: [&str; 3] = [
    "must be below 100, or it could never be resolved",
    "appears twice; names must differ",
    "expected another account than from_account_id",
];

/// Whether reader and schema agree about `event`, as far as a schema can say it.
fn assert_agreement(message_type: &str, event: &Value) -> Result<(), TestCaseError> {
    let is_valid = inbound_validator(message_type).is_valid(event);
    match decode(&structured(event)) {
        Ok(_) => prop_assert!(is_valid, "read, but not valid: {event}"),
        Err(error) if MORE_THAN_A_SCHEMA_SAYS.iter().any(|more| error.detail.contains(more)) => {}
        Err(error) => prop_assert!(!is_valid, "valid, but {error}: {event}"),
    }
    Ok(())
}

/// Values at the borders of what some member may be.
fn border_values() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "a b",
        "a\tb",
        "\u{7f}",
        "\u{85}",
        "é",
        "pool:x",
        "pool:",
        "creditd/x",
        "creditd",
        "low",
        "queue_blocked",
        "hold_stale",
        "available_percent",
        "available_credits",
        "queued_projects",
        "critical",
        "standalone",
        "pool",
        "consume",
        "overdraw",
        "1.0",
        "2026-02-28T23:59:59.123456789-01:30",
        "2026-02-28",
        "application/json",
        "TEXT/JSON;charset=utf-8",
        "application/vnd.x+JSON",
        "text/plain",
        "json",
    ];
    let lengths = [63, 64, 65, 255, 256, 257, 1024, 1025];
    let numbers = [
        i64::MIN,
        -1_000_000_000_001,
        -1_000_000_000_000,
        -1,
        0,
        1,
        5,
        94,
        95,
        99,
        100,
        1000,
        1001,
        1_000_000,
        1_000_001,
        1_000_000_000_000,
        1_000_000_000_001,
        i64::MAX,
    ];
    let line = json!({"type": "photo", "quantity": 1});
    let counts = [0, 1, 16, 17, 1000, 1001];
    let lists = counts.map(|items| json!(vec![line.clone(); items]));
    let objects = counts.map(|members| (0..members).map(|n| (format!("type {n}"), json!(n))).collect());
    let others = [json!(null), json!(true), json!(0.5), json!(u64::MAX), json!(-0.5)];
    let texts = texts.into_iter().map(str::to_owned);
    let long = lengths.into_iter().flat_map(|length| ["x".repeat(length), "é".repeat(length)]);
    let texts = texts.chain(long).map(Value::from);
    texts.chain(numbers.map(Value::from)).chain(lists).chain(objects).chain(others).collect()
}

/// A change of one place in an event.
#[derive(Clone, Debug)]
enum Mutation {
    Remove,
    Replace(Value),
    Rename(String),
}

/// Every mutation at the borders.
fn border_mutations() -> Vec<Mutation> {
    let values = border_values();
    let names = values.iter().filter_map(Value::as_str).map(|name| Mutation::Rename(name.to_owned()));
    let mut mutations: Vec<Mutation> = names.collect();
    mutations.push(Mutation::Remove);
    mutations.extend(values.into_iter().map(Mutation::Replace));
    mutations
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        10 => prop::sample::select(border_mutations()),
        1 => any_json().prop_filter("a schema knows no point", has_no_whole_float).prop_map(Mutation::Replace),
    ]
}

/// To a schema `5.0` is whole; and no schema sees a NUL in what is ignored.
fn has_no_whole_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.as_f64().is_some_and(|float| float.fract() != 0.0),
        Value::Array(items) => items.iter().all(has_no_whole_float),
        Value::Object(members) => {
            members.iter().all(|(name, member)| !name.contains('\0') && has_no_whole_float(member))
        }
        Value::String(text) => !text.contains('\0'),
        Value::Null | Value::Bool(_) => true,
    }
}

/// The pointers to every value inside of `value`.
fn places(pointer: &str, value: &Value, found: &mut Vec<String>) {
    let mut inside = |name: &str, value: &Value| {
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        places(&pointer, value, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| inside(name, member)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| inside(&place.to_string(), item));
        }
        _ => {}
    }
}

fn all_places(event: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places("", event, &mut found);
    // Another type is another schema's matter.
    found.retain(|pointer| pointer != "/type");
    found
}

fn mutated(mut event: Value, pointer: &str, mutation: &Mutation) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match event.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            let was = members.remove(&name).unwrap();
            match mutation {
                Mutation::Remove => None,
                Mutation::Replace(value) => members.insert(name, value.clone()),
                Mutation::Rename(name) => members.insert(name.clone(), was),
            };
        }
        Value::Array(items) => {
            let place: usize = name.parse().unwrap();
            match mutation {
                Mutation::Replace(value) => items[place] = value.clone(),
                Mutation::Remove | Mutation::Rename(_) => drop(items.remove(place)),
            }
        }
        _ => unreachable!("only these have places"),
    }
    event
}

/// `event` with each member that `schema` knows and it lacks, as null, which counts as left out.
fn with_all_members(event: &mut Value, schema: &Value) {
    match event {
        Value::Object(members) => {
            for (name, of_member) in schema["properties"].as_object().into_iter().flatten() {
                with_all_members(members.entry(name.as_str()).or_insert(Value::Null), of_member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| with_all_members(item, &schema["items"])),
        _ => {}
    }
}

/// One thing at a time, and each of them: what is rare is not left to chance.
#[test]
fn reader_and_schema_agree_about_each_example_with_one_thing_spoilt() {
    let schemas = schemas();
    let mutations = border_mutations();
    for known in &INBOUND_TYPES {
        let (_, schema) = schemas.iter().find(|(name, _)| name == known.name).unwrap();
        for example in known.examples {
            let mut good = parsed(example);
            with_all_members(&mut good, schema);
            assert!(decode(&structured(&good)).is_ok(), "{good}");
            for place in all_places(&good) {
                for mutation in &mutations {
                    let spoilt = mutated(good.clone(), &place, mutation);
                    assert_agreement(known.name, &spoilt).unwrap_or_else(|error| panic!("{place}: {error}"));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn the_schemas_take_good_data((message_type, data) in good_message()) {
        let event = event(message_type, &Value::Object(data));
        prop_assert!(decode(&structured(&event)).is_ok());
        prop_assert!(inbound_validator(message_type).is_valid(&event), "{event}");
    }

    #[test]
    fn reader_and_schema_agree_about_spoilt_data(
        (message_type, data) in good_message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 1..4),
    ) {
        let mut spoilt = event(message_type, &Value::Object(data));
        for (place, mutation) in &changes {
            let places = all_places(&spoilt);
            let pointer: &String = place.get(&places);
            spoilt = mutated(spoilt, pointer, mutation);
            spoilt["type"] = json!(message_type);
        }
        assert_agreement(message_type, &spoilt)?;
    }

    #[test]
    fn reader_and_schema_agree_about_times_but_for_the_calendar(
        date in "([0-9]{4}-[01][0-9]-[0-3][0-9]|0000-01-0[12]|9999-12-3[01])",
        time in "[Tt][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,10})?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?",
    ) {
        let effective_at = format!("{date}{time}");
        let event = event("price_list.changed.v1", &json!({"prices": {}, "effective_at": effective_at}));
        let is_valid = inbound_validator("price_list.changed.v1").is_valid(&event);
        let read = decode(&structured(&event));
        let is_read = read.is_ok();
        // For that it is written again.
        let _written = read.map(|message| message.fingerprint());
        prop_assert!(is_valid || !is_read, "read, but not valid");
        let is_late_in_month = matches!(&date[8..], "29" | "30" | "31");
        let is_at_the_calendars_end = matches!(&date[..4], "0000" | "9999");
        let is_leap_second = time.contains(":60");
        let is_the_calendars = is_late_in_month || is_at_the_calendars_end || is_leap_second;
        prop_assert!(is_read || !is_valid || is_the_calendars, "valid, but not read");
    }
}

/// The reader takes any character between date and time, as RFC 3339 lets applications do. The schema asks for
/// what all agree about.
#[test]
fn only_the_reader_takes_another_letter_between_date_and_time() {
    let data = json!({"prices": {}, "effective_at": "2026-01-01 00:00:00Z"});
    let event = event("price_list.changed.v1", &data);
    assert!(decode(&structured(&event)).is_ok());
    assert!(!inbound_validator("price_list.changed.v1").is_valid(&event));
}

/// Each of these is said in a description. A new one belongs there too.
#[test]
fn what_a_schema_cannot_say_is_refused_by_the_reader_alone() {
    let rule = |name: &str, level: i64| json!({"name": name, "measure": "available_percent", "level": level, "severity": "info"});
    let cases = [
        ("account.changed.v1", json!({"account_id": "a", "alert_rules": [rule("low", 95)]})),
        ("account.changed.v1", json!({"account_id": "a", "alert_rules": [rule("low", 9), rule("low", 8)]})),
        ("account.changed.v1", json!({"account_id": "a", "capacity": 5.0})),
        ("account.changed.v1", json!({"account_id": "a", "unknown": "\0"})),
        ("credits.transferred.v1", json!({"from_account_id": "a", "to_account_id": "a", "credits": 1})),
        ("price_list.changed.v1", json!({"prices": {}, "effective_at": "2026-02-29T00:00:00Z"})),
    ];
    for (message_type, data) in cases {
        let event = event(message_type, &data);
        assert!(inbound_validator(message_type).is_valid(&event), "{event}");
        assert!(decode(&structured(&event)).is_err(), "{event}");
    }
}

#[test]
fn exactly_one_of_account_and_organization_is_in_the_schema_too() {
    let validator = inbound_validator("credits.granted.v1");
    let with = |targets: Value| {
        let mut data = targets;
        data["credits"] = json!(1);
        validator.is_valid(&event("credits.granted.v1", &data))
    };
    assert!(with(json!({"account_id": "a"})));
    assert!(with(json!({"account_id": null, "organization_id": "o"})));
    assert!(!with(json!({})));
    assert!(!with(json!({"account_id": null, "organization_id": null})));
    assert!(!with(json!({"account_id": "a", "organization_id": "o"})));
}
