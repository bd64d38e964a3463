//! The usage report as files: for spreadsheets and for programs.

use std::collections::BTreeMap;

use creditd::report::{
    AssetsUsage, DaysUsage, Format, Period, ProjectsUsage, Statement, UsageReport, UsageReportDocument,
    WrittenReport,
};
use serde_json::{Value, json};

use super::{account, give, open_account, store, this_month_and_next, zone};
use crate::support::{Message, World, blocking, message};

/// The rows of a CSV, by the names in its head.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(csv.as_bytes()).into_deserialize().map(Result::unwrap).collect()
}

/// What a command about the account `-2` prints for programs.
fn json_of(world: &World, command: &[&str]) -> Value {
    serde_json::from_str(&world.text(&[command, &["--json", "--", "-2"]].concat())).unwrap()
}

/// A world in which hostile names and ids moved credits, and its CSV.
fn world_with_formulas() -> World {
    let world = World::new();
    let daemon = world.daemon();
    let project = json!({
        "project_id": "@sum", "account_id": "-2", "revision": 1, "status": "started", "credits": 30,
        "name": "=HYPERLINK(\"http://evil.example\",\"a, b\")",
    });
    let asset = json!({ "account_id": "-2", "asset_type": "+poster", "quantity": 4, "credits": 12 });
    let grant = json!({ "account_id": "-2", "credits": 5, "reason": "  =1+1", "actor": "\u{FF1D}x" });
    world.publish(&[
        Message::account("a", "-2", 1, json!({ "capacity": 100, "name": "Anna" })),
        message("=p", "project.status_changed.v1", &project),
        message("asset", "asset.created.v1", &asset),
        message("grant", "credits.granted.v1", &grant),
    ]);
    world.wait_for_messages(&["grant"]);
    assert!(daemon.stop().success());
    world
}

#[test]
fn no_cell_of_the_csv_is_taken_for_a_formula_and_numbers_stay_numbers() {
    let world = world_with_formulas();
    let csv = world.text(&["usage", "report", "--format", "csv", "--", "-2"]);
    assert!(csv.ends_with("\r\n"));
    let head = csv.split("\r\n").next().unwrap();
    assert_eq!(
        head,
        "time,day,organization_id,account_id,project_id,project_name,project_status,kind,credits,moved,from,to,\
         total,held,consumed,available,asset_type,quantity,actor,reason,message_source,message_id,message_type,\
         sequence,log_number"
    );
    let rows = rows(&csv);
    let kinds: Vec<_> = rows.iter().map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["plan", "hold", "charge", "grant"]);
    let numbers = ["credits", "moved", "total", "held", "consumed", "available", "quantity", "sequence"];
    for (name, cell) in rows.iter().flatten() {
        let is_number = cell.parse::<i64>().is_ok();
        assert_eq!(
            is_number,
            (numbers.contains(&name.as_str()) && !cell.is_empty()) || name == "log_number",
            "{name}: {cell:?}"
        );
        assert!(
            is_number || !cell.trim_start().starts_with(['=', '+', '-', '@', '\u{FF1D}']),
            "{name}: {cell:?}"
        );
    }
    let [plan, hold, charge, grant] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((plan["credits"].as_str(), plan["project_id"].as_str()), ("100", ""));
    let shown =
        ["credits", "moved", "from", "to", "project_id", "project_name", "project_status", "message_id"];
    let name = "'=HYPERLINK(\"http://evil.example\",\"a, b\")";
    assert_eq!(
        shown.map(|name| hold[name].as_str()),
        ["-30", "30", "available", "held", "'@sum", name, "started", "'=p"]
    );
    let shown = ["credits", "available", "asset_type", "quantity", "account_id"];
    assert_eq!(shown.map(|name| charge[name].as_str()), ["-12", "58", "'+poster", "4", "'-2"]);
    assert_eq!(
        ["credits", "reason", "actor"].map(|name| grant[name].as_str()),
        ["5", "'  =1+1", "'\u{FF1D}x"]
    );
}

#[test]
fn csv_and_json_say_the_same_and_every_answer_is_as_its_schema_says() {
    let world = world_with_formulas();
    let [month, _] = this_month_and_next();
    let document = json_of(&world, &["usage", "report"]);
    let csv = rows(&world.text(&["usage", "report", "--format", "csv", "--", "-2"]));
    let items = document["items"].as_array().unwrap();
    assert_eq!(items.len(), csv.len());
    for (item, row) in items.iter().zip(&csv) {
        assert_eq!(item.as_object().unwrap().len(), row.len(), "{item}");
        for (name, cell) in row {
            let value = match &item[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert!(*cell == value || *cell == format!("'{value}"), "{name}: {cell:?} {value:?}");
        }
    }
    assert_eq!((&document["credited"], &document["debited"]), (&json!(105), &json!(42)));
    assert_eq!(
        (&document["opening"]["available"], &document["closing"]["available"]),
        (&json!(0), &json!(63))
    );

    let statement = json_of(&world, &["statement", "--month", &month]);
    let answers = [
        (schemars::schema_for!(UsageReportDocument), document),
        (schemars::schema_for!(DaysUsage), json_of(&world, &["usage", "days"])),
        (schemars::schema_for!(ProjectsUsage), json_of(&world, &["usage", "projects"])),
        (schemars::schema_for!(AssetsUsage), json_of(&world, &["usage", "assets"])),
        (schemars::schema_for!(Statement), statement),
    ];
    for (schema, answer) in answers {
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let wrong: Vec<_> = validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {answer:#}");
        let properties = schema.as_value()["properties"].as_object().unwrap();
        let unknown: Vec<_> =
            answer.as_object().unwrap().keys().filter(|key| !properties.contains_key(*key)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

/// Books so many holds and releases on an account in turn, behind the ledger's back.
fn book_many(world: &World, id: &str, entries: u32) {
    world.tamper(&format!(
        "insert into creditd.entry (log_number, account_id, sequence, at, kind, from_side, to_side, credits, project_id,
                total, held, consumed, cause_source, cause_id, cause_type, layout, digest)
         select log_last + n, '{id}', entries + n, now(),
                case when n % 2 = 1 then 'hold' else 'release' end,
                case when n % 2 = 1 then 'available' else 'held' end,
                case when n % 2 = 1 then 'held' else 'available' end, 1, 'p' || (n / 2) % 500,
                total, n % 2, 0, '/test', 'many-' || n, 'project.status_changed.v1', 1, sha256('x')
           from creditd.account, creditd.ledger, generate_series(1, {entries}) n where account_id = '{id}';
         update creditd.account set entries = entries + {entries}, held = {entries} % 2 where account_id = '{id}';
         update creditd.ledger set log_last = log_last + {entries};"
    ));
}

#[test]
fn a_long_report_is_read_in_pieces_from_one_snapshot_whatever_is_booked_meanwhile() {
    let world = World::new();
    open_account(&world, "x");
    give(&world, &["credits", "grant", "x", "10", "--reason", "why"]);
    book_many(&world, "x", 20_000);
    for (format, pieces) in [(Format::Csv, 22), (Format::Json, 23)] {
        let chunks = blocking(async {
            let store = store(&world);
            let snapshot = store.look().await.unwrap();
            let report =
                UsageReport::open(snapshot, &zone("UTC"), &account("x"), Period::default()).await.unwrap();
            let log_number = report.about().log_number.0;
            let mut written = WrittenReport::new(report, format);
            assert!(written.file_name().starts_with("usage-x-"), "{}", written.file_name());
            let mut chunks = vec![written.next_chunk().await.unwrap().unwrap()];
            give(&world, &["credits", "grant", "x", "7", "--reason", "meanwhile"]);
            while let Some(chunk) = written.next_chunk().await.unwrap() {
                chunks.push(chunk);
            }
            assert!(written.next_chunk().await.unwrap().is_none(), "the end stays the end");
            assert!(written.report().about().log_number.0 == log_number);
            chunks
        });
        assert_eq!(chunks.len(), pieces, "head, thousand by thousand, and end");
        assert!(chunks.iter().all(|chunk| chunk.len() < 1_000_000));
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert!(
            !text.contains("meanwhile") || format == Format::Json && text.matches("meanwhile").count() == 1
        );
        match format {
            Format::Csv => assert_eq!(rows(&text).len(), 20_001),
            Format::Json => {
                let document: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(document["items"].as_array().unwrap().len(), 20_002);
                assert_eq!((&document["credited"], &document["debited"]), (&json!(10_017), &json!(10_000)));
                assert_eq!(document["entries"], 20_002);
            }
        }
    }
}

#[test]
fn a_report_whose_entries_do_not_follow_from_each_other_is_refused() {
    let world = World::new();
    open_account(&world, "x");
    give(&world, &["credits", "grant", "x", "10", "--reason", "why"]);
    book_many(&world, "x", 10);
    let changed = "update creditd.entry set credits = 2, held = 2 where account_id = 'x' and sequence = 6";
    world.tamper(changed);
    for arguments in [
        &["usage", "report", "x"][..],
        &["usage", "report", "x", "--format", "csv"],
        &["usage", "report", "x", "--json"],
        &["usage", "days", "x"],
        &["usage", "projects", "x"],
        &["statement", "x", "--month", &this_month_and_next()[0]],
    ] {
        let (code, said) = world.failure(arguments);
        assert!(code == 1 && said.contains("run `creditd verify`"), "{arguments:?}: {code} {said}");
    }
}
