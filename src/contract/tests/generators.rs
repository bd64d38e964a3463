//! Random messages: any JSON, and good data for each type.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::facts::INBOUND_TYPES;

/// Any JSON, with the names that the contract knows more often than others.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "specversion",
            "source",
            "id",
            "type",
            "time",
            "data",
            "data_base64",
            "datacontenttype",
            "account_id",
            "organization_id",
            "project_id",
            "status",
            "credits",
            "revision",
            "deliverables",
            "quantity",
            "alert_rules",
            "name",
            "measure",
            "level",
            "prices",
            "reason",
            "actor",
            "kind",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("1.0")),
        (0..INBOUND_TYPES.len()).prop_map(|place| json!(INBOUND_TYPES[place].name)),
        Just(json!("x")),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            btree_map(name.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A member of good data: its name, whether it is required, and its values.
type Member = (&'static str, bool, BoxedStrategy<Value>);

fn required(name: &'static str, values: impl Strategy<Value = Value> + 'static) -> Member {
    (name, true, values.boxed())
}

fn optional(name: &'static str, values: impl Strategy<Value = Value> + 'static) -> Member {
    (name, false, values.boxed())
}

fn id() -> impl Strategy<Value = Value> {
    r"(\.{0,2}[A-Za-z0-9_@/-]|\.{3})[A-Za-z0-9._@/-]{0,4}".prop_map(Value::from)
}

fn words(chars_max: usize) -> impl Strategy<Value = Value> {
    let printable = any::<char>().prop_map(|c| if c.is_control() { '-' } else { c });
    vec(printable, 1..=chars_max).prop_map(|chars| Value::from(String::from_iter(chars)))
}

fn number(least: i64, most: i64) -> impl Strategy<Value = Value> {
    (least..=most).prop_map(Value::from)
}

fn credits(least: i64) -> impl Strategy<Value = Value> {
    number(least, 1_000_000_000_000)
}

fn one_of(words: &'static [&str]) -> impl Strategy<Value = Value> {
    prop::sample::select(words).prop_map(Value::from)
}

fn revision() -> Member {
    optional("revision", number(0, i64::MAX))
}

fn rules() -> Member {
    let rule = |level: i64, margin: Option<i64>| {
        json!({"name": format!("r{level}"), "measure": "available_percent", "level": level,
               "severity": "info", "margin": margin})
    };
    let list = move |(levels, margin): (BTreeSet<i64>, Option<i64>)| {
        levels.into_iter().map(|level| rule(level, margin)).collect()
    };
    optional("alert_rules", (btree_set(0..90_i64, 0..3), option::of(0..10_i64)).prop_map(list))
}

fn project() -> Vec<Member> {
    let line = (words(5), number(1, 1_000_000));
    let line = line.prop_map(|(name, quantity)| json!({"type": name, "quantity": quantity}));
    vec![
        required("project_id", id()),
        required("account_id", id()),
        revision(),
        optional("name", words(9)),
        optional("credits", credits(0)),
        optional("deliverables", vec(line, 0..4).prop_map(Value::from)),
        optional("final_credits", credits(0)),
    ]
}

fn account() -> Vec<Member> {
    vec![
        required("account_id", id()),
        revision(),
        optional("kind", one_of(&["standalone", "connected", "integrated"])),
        optional("organization_id", id()),
        optional("name", words(9)),
        optional("contact", words(9)),
        optional("capacity", credits(0)),
        optional("allocation", credits(0)),
        optional("mode", one_of(&["recycle", "consume"])),
        optional("on_insufficient", one_of(&["queue", "reject", "overdraw"])),
        optional("overdraft_limit", credits(0)),
        rules(),
    ]
}

fn organization() -> Vec<Member> {
    vec![
        required("organization_id", id()),
        revision(),
        optional("name", words(9)),
        optional("contact", words(9)),
        optional("capacity", credits(0)),
        optional("mode", one_of(&["recycle", "consume"])),
        rules(),
    ]
}

fn members(message_type: &str) -> Vec<Member> {
    match message_type {
        "project.status_changed.v1" => [project(), vec![required("status", words(8))]].concat(),
        "project.amended.v1" => project(),
        "asset.created.v1" => vec![
            required("account_id", id()),
            required("asset_type", words(8)),
            optional("quantity", number(1, 1_000_000)),
            optional("project_id", id()),
            optional("credits", credits(1)),
        ],
        "account.changed.v1" => account(),
        "organization.changed.v1" => organization(),
        "credits.granted.v1" => vec![
            required("organization_id", id()),
            required("credits", credits(1)),
            optional("reason", words(30)),
            optional("expires_at", Just(json!("2026-12-31T00:00:00.5Z"))),
        ],
        "credits.adjusted.v1" => vec![
            required("account_id", id()),
            required("credits", number(-1_000_000_000_000, -1)),
            required("reason", words(30)),
            required("actor", words(30)),
        ],
        "credits.transferred.v1" => vec![
            required("from_account_id", Just(json!("the-giver"))),
            required("to_account_id", id()),
            required("credits", credits(1)),
            optional("actor", words(9)),
        ],
        "price_list.changed.v1" => vec![
            required("prices", btree_map("[a-z ]{1,6}", 0..100_i64, 0..5).prop_map(|prices| json!(prices))),
            optional("organization_id", id()),
        ],
        other => panic!("no inbound type: {other}"),
    }
}

/// A type and good data for it.
pub(super) fn good_message() -> impl Strategy<Value = (&'static str, Map<String, Value>)> {
    (0..INBOUND_TYPES.len()).prop_flat_map(|place| {
        let message_type = INBOUND_TYPES[place].name;
        let drawn = |(name, is_required, values): Member| {
            let absences = u32::from(!is_required);
            let values = prop_oneof![2 => values.prop_map(Some), absences => Just(None)];
            values.prop_map(move |value| (name, value))
        };
        let data: Vec<_> = members(message_type).into_iter().map(drawn).collect();
        let present = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
        (Just(message_type), data.prop_map(move |drawn| drawn.into_iter().filter_map(present).collect()))
    })
}
