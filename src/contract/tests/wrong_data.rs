//! What each wrong member is told, word for word.

use serde_json::{Map, Value, json};

use super::super::facts::INBOUND_TYPES;
use super::{assert_refused, binary, event, refused, structured};
use crate::ledger::outcome::ParkReason;

/// The least that each type needs.
fn least(message_type: &str) -> Value {
    match message_type {
        "project.status_changed.v1" => json!({"project_id": "p", "account_id": "a", "status": "started"}),
        "project.amended.v1" => json!({"project_id": "p", "account_id": "a"}),
        "asset.created.v1" => json!({"account_id": "a", "asset_type": "photo"}),
        "account.changed.v1" => json!({"account_id": "a"}),
        "organization.changed.v1" => json!({"organization_id": "o"}),
        "credits.granted.v1" => json!({"account_id": "a", "credits": 1}),
        "credits.adjusted.v1" => json!({"account_id": "a", "credits": 1, "reason": "r", "actor": "x"}),
        "credits.transferred.v1" => json!({"from_account_id": "a", "to_account_id": "b", "credits": 1}),
        "price_list.changed.v1" => json!({"prices": {}}),
        other => panic!("no inbound type: {other}"),
    }
}

/// Says that setting `member` to `value` in otherwise good data is refused with `detail`, in both modes.
#[track_caller]
fn assert_wrong(message_type: &str, member: &str, value: &Value, detail: &str) {
    let mut data = least(message_type);
    data[member] = value.clone();
    assert_refused(&structured(&event(message_type, &data)), ParkReason::InvalidData, detail);
    assert_refused(&binary(message_type, &data), ParkReason::InvalidData, detail);
}

const STATUS_CHANGED: &str = "project.status_changed.v1";
const ACCOUNT_CHANGED: &str = "account.changed.v1";

#[test]
fn each_required_member_is_missed_by_name() {
    for known in &INBOUND_TYPES {
        let all: Map<String, Value> = super::table(least(known.name));
        for member in all.keys() {
            for absent in [None, Some(Value::Null)] {
                let mut data = all.clone();
                data.remove(member);
                data.extend(absent.map(|null| (member.clone(), null)));
                let error = refused(&binary(known.name, &Value::Object(data)));
                let is_one_of_two = member == "account_id"
                    && ["credits.granted.v1", "credits.adjusted.v1"].contains(&known.name);
                let expected = if is_one_of_two {
                    "data: expected exactly one of account_id and organization_id, found neither".to_owned()
                } else {
                    format!("data.{member}: required, but missing or null")
                };
                assert_eq!((error.reason, error.detail), (ParkReason::InvalidData, expected));
            }
        }
    }
}

#[test]
fn credits_are_whole_numbers_within_their_range() {
    let price = "expected a whole number from 0 to 1000000000000";
    let amount = "expected a whole number from 1 to 1000000000000";
    let huge: Value = serde_json::from_str("1e30").unwrap();
    let cases = [
        (json!("12"), "\"12\""),
        (json!(5.0), "5.0"),
        (json!(-1), "-1"),
        (json!(1_000_000_000_001_i64), "1000000000001"),
        (json!(u64::MAX), "18446744073709551615"),
        (huge, "1e+30"),
        (json!(true), "true"),
        (json!([5]), "a list of 1"),
        (json!({"amount": 5}), "an object"),
    ];
    for (value, found) in &cases {
        let priced = [
            (STATUS_CHANGED, "credits"),
            (STATUS_CHANGED, "final_credits"),
            (ACCOUNT_CHANGED, "capacity"),
            (ACCOUNT_CHANGED, "allocation"),
            (ACCOUNT_CHANGED, "overdraft_limit"),
            ("organization.changed.v1", "capacity"),
        ];
        for (message_type, member) in priced {
            assert_wrong(message_type, member, value, &format!("data.{member}: {price}, found {found}"));
        }
        for message_type in ["credits.granted.v1", "credits.transferred.v1", "asset.created.v1"] {
            assert_wrong(message_type, "credits", value, &format!("data.credits: {amount}, found {found}"));
        }
    }
    for message_type in ["credits.granted.v1", "credits.transferred.v1", "asset.created.v1"] {
        assert_wrong(message_type, "credits", &json!(0), &format!("data.credits: {amount}, found 0"));
    }
}

#[test]
fn an_adjustment_goes_up_or_down_but_not_nowhere() {
    let expected = "data.credits: expected a whole number from -1000000000000 to 1000000000000 except 0";
    for value in [json!(0), json!(1_000_000_000_001_i64), json!(-1_000_000_000_001_i64), json!(i64::MIN)] {
        assert_wrong("credits.adjusted.v1", "credits", &value, &format!("{expected}, found {value}"));
    }
}

#[test]
fn revisions_and_quantities_have_their_ranges() {
    let revision = "data.revision: expected a whole number from 0 to 9223372036854775807";
    for message_type in [STATUS_CHANGED, "project.amended.v1", ACCOUNT_CHANGED, "organization.changed.v1"] {
        assert_wrong(message_type, "revision", &json!(-1), &format!("{revision}, found -1"));
        assert_wrong(message_type, "revision", &json!("7"), &format!("{revision}, found \"7\""));
    }
    let quantity = "expected a whole number from 1 to 1000000";
    assert_wrong("asset.created.v1", "quantity", &json!(0), &format!("data.quantity: {quantity}, found 0"));
    assert_wrong(
        STATUS_CHANGED,
        "deliverables",
        &json!([{"type": "photo", "quantity": 1}, {"type": "photo", "quantity": 1_000_001}]),
        &format!("data.deliverables[1].quantity: {quantity}, found 1000001"),
    );
}

#[test]
fn deliverables_are_checked_even_where_credits_win() {
    let mut data = least(STATUS_CHANGED);
    data["credits"] = json!(5);
    data["deliverables"] = json!([{"quantity": 1}]);
    let detail = "data.deliverables[0].type: required, but missing or null";
    assert_refused(&binary(STATUS_CHANGED, &data), ParkReason::InvalidData, detail);
}

#[test]
fn lists_are_lists_of_a_bounded_length() {
    let cases = [
        (json!("photo"), "data.deliverables: expected a list of at most 1000, found \"photo\""),
        (json!({"photo": 2}), "data.deliverables: expected a list of at most 1000, found an object"),
        (json!(["photo"]), "data.deliverables[0]: expected an object, found \"photo\""),
        (
            json!(vec![json!({"type": "photo", "quantity": 1}); 1001]),
            "data.deliverables: expected a list of at most 1000, found a list of 1001",
        ),
    ];
    for (value, detail) in cases {
        assert_wrong(STATUS_CHANGED, "deliverables", &value, detail);
    }
}

#[test]
fn ids_follow_their_rule() {
    let allowed = "allowed are A-Z a-z 0-9 . _ : @ / -";
    let cases = [
        (
            json!(""),
            "data.project_id: expected an id, found \"\": it is empty; expected 1 to 64 characters".into(),
        ),
        (json!("a b"), format!("data.project_id: expected an id, found \"a b\": it contains ' '; {allowed}")),
        (
            json!("x".repeat(65)),
            format!(
                "data.project_id: expected an id, found \"{}\": it has 65 characters; expected 1 to 64",
                "x".repeat(65)
            ),
        ),
        (
            json!(".."),
            "data.project_id: expected an id, found \"..\": \"..\" alone has a meaning of its own in addresses; \
             expected another id"
                .into(),
        ),
        (json!(7), "data.project_id: expected an id as text, found 7".into()),
    ];
    for (value, detail) in cases {
        assert_wrong(STATUS_CHANGED, "project_id", &value, &detail);
    }
    let pool = "expected an id, found \"pool:o\": ids beginning with \"pool:\" are kept for the pools of \
                organizations";
    let named = [
        (STATUS_CHANGED, "account_id"),
        ("asset.created.v1", "account_id"),
        (ACCOUNT_CHANGED, "account_id"),
        ("credits.granted.v1", "account_id"),
        ("credits.adjusted.v1", "account_id"),
        ("credits.transferred.v1", "from_account_id"),
        ("credits.transferred.v1", "to_account_id"),
    ];
    for (message_type, member) in named {
        assert_wrong(message_type, member, &json!("pool:o"), &format!("data.{member}: {pool}"));
    }
}

#[test]
fn words_are_of_the_known_ones() {
    let kinds = "data.kind: expected one of standalone, connected, integrated, found";
    assert_wrong(ACCOUNT_CHANGED, "kind", &json!("pool"), &format!("{kinds} \"pool\""));
    assert_wrong(ACCOUNT_CHANGED, "kind", &json!("Connected"), &format!("{kinds} \"Connected\""));
    let modes = "data.mode: expected one of recycle, consume, found \"payg\"";
    assert_wrong(ACCOUNT_CHANGED, "mode", &json!("payg"), modes);
    assert_wrong("organization.changed.v1", "mode", &json!("payg"), modes);
    let policies = "data.on_insufficient: expected one of queue, reject, overdraw, found 1";
    assert_wrong(ACCOUNT_CHANGED, "on_insufficient", &json!(1), policies);
}

#[test]
fn texts_have_a_length_and_no_control_characters() {
    let cases = [
        (STATUS_CHANGED, "status", 64),
        (STATUS_CHANGED, "name", 256),
        ("asset.created.v1", "asset_type", 64),
        (ACCOUNT_CHANGED, "name", 256),
        (ACCOUNT_CHANGED, "contact", 256),
        ("organization.changed.v1", "contact", 256),
        ("credits.granted.v1", "reason", 1024),
        ("credits.granted.v1", "actor", 256),
        ("credits.adjusted.v1", "reason", 1024),
        ("credits.adjusted.v1", "actor", 256),
        ("credits.transferred.v1", "reason", 1024),
    ];
    for (message_type, member, most) in cases {
        let expected =
            format!("data.{member}: expected a text of 1 to {most} characters without control characters");
        assert_wrong(message_type, member, &json!(""), &format!("{expected}, found \"\""));
        assert_wrong(message_type, member, &json!(["x"]), &format!("{expected}, found a list of 1"));
        assert_wrong(
            message_type,
            member,
            &json!("a\u{1b}[2J"),
            &format!("{expected}, found \"a\\u{{1b}}[2J\""),
        );
        let long = "é".repeat(most + 1);
        let start = "é".repeat(80.min(most + 1));
        let found =
            if most < 80 { format!("{long:?}") } else { format!("{start:?}... ({} characters)", most + 1) };
        assert_wrong(message_type, member, &json!(long), &format!("{expected}, found {found}"));
    }
}

#[test]
fn times_are_rfc_3339() {
    let expected = "expected an RFC 3339 time such as 2026-03-01T12:00:00Z";
    for text in ["2026-03-01", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
        let detail = format!("data.expires_at: {expected}, found {text:?}");
        assert_wrong("credits.granted.v1", "expires_at", &json!(text), &detail);
    }
    let value = json!(1_772_366_400);
    assert_wrong(
        "price_list.changed.v1",
        "effective_at",
        &value,
        &format!("data.effective_at: {expected}, found 1772366400"),
    );
}

#[test]
fn a_wrong_alert_rule_is_told_with_its_place() {
    let good = json!({"name": "low", "measure": "available_percent", "level": 20, "severity": "warning"});
    let with = |member: &str, value: Value| {
        let mut rule = good.clone();
        rule["name"] = json!("second");
        rule[member] = value;
        rule
    };
    let measures = "expected one of available_percent, available_credits, found \"queued_projects\"";
    let cases = [
        (with("level", json!(120)), "[1].level: rule \"second\": level is 120; expected 0 to 99 percent"),
        (
            with("level", json!("20")),
            "[1].level: expected a whole number from -9223372036854775808 to 9223372036854775807, found \"20\"",
        ),
        (
            with("margin", json!(80)),
            "[1].level: rule \"second\": level 20 plus margin 80 must be below 100, or it could never be resolved",
        ),
        (with("margin", json!(-1)), "[1].margin: rule \"second\": margin is -1; expected 0 to 1000"),
        (with("name", json!("low")), "[1].name: rule \"low\" appears twice; names must differ"),
        (
            with("name", json!("so low")),
            "[1].name: rule \"so low\": its name must be 1 to 64 of A-Z a-z 0-9 . _ : @ / -",
        ),
        (
            with("name", json!("hold_stale")),
            "[1].name: rule \"hold_stale\": this name is kept for a built-in alert; choose another",
        ),
        (with("measure", json!("queued_projects")), &format!("[1].measure: {measures}")),
        (
            with("severity", json!("fatal")),
            "[1].severity: expected one of info, warning, critical, found \"fatal\"",
        ),
        (with("severity", json!(null)), "[1].severity: required, but missing or null"),
        (json!("low"), "[1]: expected an object, found \"low\""),
    ];
    for (second, problem) in cases {
        for message_type in [ACCOUNT_CHANGED, "organization.changed.v1"] {
            let rules = json!([good, second]);
            assert_wrong(message_type, "alert_rules", &rules, &format!("data.alert_rules{problem}"));
        }
    }
    let many = json!(vec![good; 17]);
    let detail = "data.alert_rules: expected a list of at most 16, found a list of 17";
    assert_wrong(ACCOUNT_CHANGED, "alert_rules", &many, detail);
}

#[test]
fn a_grant_goes_to_an_account_or_a_pool_but_not_to_both() {
    let detail = "data: expected exactly one of account_id and organization_id, found both";
    for message_type in ["credits.granted.v1", "credits.adjusted.v1"] {
        assert_wrong(message_type, "organization_id", &json!("o"), detail);
    }
}

#[test]
fn a_transfer_needs_two_accounts() {
    let detail = "data.to_account_id: expected another account than from_account_id";
    assert_wrong("credits.transferred.v1", "to_account_id", &json!("a"), detail);
}

#[test]
fn price_lines_have_a_type_and_credits() {
    let long = "x".repeat(65);
    let too_many: Map<String, Value> = (0..1001).map(|n| (format!("type{n}"), json!(1))).collect();
    let types = "data.prices: expected a type of 1 to 64 characters without control characters, found";
    let cases = [
        (json!([5]), "data.prices: expected an object of credits by type of deliverable".to_owned()),
        (
            json!({"photo": "5"}),
            "data.prices.photo: expected a whole number from 0 to 1000000000000, found \"5\"".to_owned(),
        ),
        (
            json!({"4K \"video\"": -1}),
            "data.prices[\"4K \\\"video\\\"\"]: expected a whole number from 0 to 1000000000000, found -1"
                .to_owned(),
        ),
        (json!({"": 5}), format!("{types} \"\"")),
        (json!({&long: 5}), format!("{types} \"{long}\"")),
        (json!({"a\nb": 5}), format!("{types} \"a\\nb\"")),
        (Value::Object(too_many), "data.prices: expected at most 1000, found 1001".to_owned()),
    ];
    for (value, detail) in cases {
        assert_wrong("price_list.changed.v1", "prices", &value, &detail);
    }
}

#[test]
fn data_is_an_object() {
    let cases = [
        (json!(null), "data: expected an object, found null"),
        (json!([]), "data: expected an object, found a list of 0"),
        (
            json!("{\"project_id\": \"p\"}"),
            "data: expected an object, found \"{\\\"project_id\\\": \\\"p\\\"}\"",
        ),
    ];
    for (data, detail) in cases {
        assert_refused(&structured(&event(STATUS_CHANGED, &data)), ParkReason::InvalidData, detail);
        assert_refused(&binary(STATUS_CHANGED, &data), ParkReason::InvalidData, detail);
    }
    let mut without = event(STATUS_CHANGED, &json!({}));
    without.as_object_mut().unwrap().remove("data");
    assert_refused(&structured(&without), ParkReason::InvalidData, "data: expected an object, found null");
}
