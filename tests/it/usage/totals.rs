//! Report, statement, and usage by day, project and asset are cut differently from the same entries.

use std::collections::BTreeMap;

use creditd::clock::Zone;
use creditd::ledger::ids::AccountId;
use creditd::report::{
    Flow, Format, Month, Period, ProjectUsage, Statement, UsageLine, UsageReport, WrittenReport, assets,
    days, projects, statement,
};
use creditd::store::{Store, UsageOrder};

use super::{account, period, store, zone};
use crate::model::{Workload, seed};
use crate::support::{Message, World, blocking, message, wait_until};

/// A ledger with much in it, booked from the beginning of March to the end of October 2026: over both changes of
/// the clocks in Berlin.
pub(super) fn world_with_much_in_it(random: &mut fastrand::Rng) -> World {
    let world = World::new();
    let daemon = world.daemon();
    let published = world.run(&["sandbox", "publish", "--projects", "60", "--seed", "5"]);
    assert!(published.status.success(), "{published:?}");
    world.publish(&Workload::random(random).stream);
    let asset = |number: u32| {
        let data = serde_json::json!({
            "account_id": if number.is_multiple_of(2) { "north.payg" } else { "plain" },
            "asset_type": if number.is_multiple_of(3) { "photo" } else { "video" },
            "quantity": number + 1,
            "credits": number % 5,
            "project_id": number.is_multiple_of(4).then_some("project-01"),
        });
        message(&format!("asset-{number}"), "asset.created.v1", &data)
    };
    world.publish(&(0..30).map(asset).collect::<Vec<_>>());
    world.publish(&[Message::account("last", "last", 1, serde_json::json!({}))]);
    world.wait_for_messages(&["last"]);
    wait_until("nothing is due", || world.number("select count(*) from creditd.parked where due") == 0);
    assert!(daemon.stop().success());
    // What one message brought about has one time, as the ledger books it.
    world.tamper(
        "create temp table moved as
           select log_number, timestamptz '2026-03-01' + interval '244 days'
                  * min(log_number) over (partition by cause_source, cause_id) / max(log_number) over () as at
             from creditd.entry;
         update creditd.entry set at = moved.at from moved where moved.log_number = entry.log_number;
         update creditd.asset set at = coalesce(
             (select at from moved where moved.log_number = asset.log_number), '2026-06-01');",
    );
    world
}

/// The lines of a report, and the same as the rows of its CSV.
async fn report(
    store: &Store,
    zone: &Zone,
    id: &AccountId,
    period: Period,
) -> (Vec<UsageLine>, Vec<BTreeMap<String, String>>) {
    let open = async || {
        let snapshot = store.look().await.unwrap();
        UsageReport::open(snapshot, zone, id, period).await.unwrap()
    };
    let mut report = open().await;
    let mut lines = Vec::new();
    loop {
        let page = report.next_page().await.unwrap();
        if page.is_empty() {
            break;
        }
        lines.extend(page);
    }
    let mut written = WrittenReport::new(open().await, Format::Csv);
    let mut csv = Vec::new();
    while let Some(chunk) = written.next_chunk().await.unwrap() {
        csv.extend(chunk);
    }
    let rows = csv::Reader::from_reader(&csv[..]).into_deserialize().map(Result::unwrap).collect();
    (lines, rows)
}

/// What lines come to, added up from nothing but their signed credits.
fn added_up(lines: &[UsageLine]) -> (i64, i64) {
    let sum = |sign: i64| lines.iter().map(|line| (sign * line.credits.0).max(0)).sum();
    (sum(1), sum(-1))
}

fn in_and_out(flow: &Flow) -> (i64, i64) {
    (flow.credited.0, flow.debited.0)
}

fn summed<'f>(flows: impl IntoIterator<Item = &'f Flow>) -> (i64, i64) {
    flows.into_iter().map(in_and_out).fold((0, 0), |sum, flow| (sum.0 + flow.0, sum.1 + flow.1))
}

/// All projects of a stretch, page by page.
async fn all_projects(store: &Store, zone: &Zone, id: &AccountId, period: Period) -> Vec<ProjectUsage> {
    let mut all: Vec<ProjectUsage> = Vec::new();
    loop {
        let mut snapshot = store.look().await.unwrap();
        let order = UsageOrder::ById(all.last().map(|project| project.project_id.clone()));
        let page = projects(&mut snapshot, zone, id, period, &order, 7).await.unwrap();
        let goes_on = page.next.is_some();
        all.extend(page.items);
        assert_eq!(goes_on, i64::try_from(all.len()).unwrap() < page.projects);
        if !goes_on {
            return all;
        }
    }
}

/// Holds all ways of telling a stretch against each other, and says how many entries it has.
async fn assert_all_say_the_same(store: &Store, zone: &Zone, id: &AccountId, period: Period) -> usize {
    let what = format!("{id} {period:?} {zone}");
    let (lines, rows) = report(store, zone, id, period).await;
    let moved = added_up(&lines);
    let sum_of_rows: i64 = rows.iter().map(|row| row["credits"].parse::<i64>().unwrap()).sum();
    assert_eq!(sum_of_rows, moved.0 - moved.1, "{what}");

    let mut snapshot = store.look().await.unwrap();
    let by_day = days(&mut snapshot, zone, id, period).await.unwrap();
    assert_eq!(in_and_out(&by_day.totals.flow), moved, "{what}");
    let (opening, closing) = (by_day.totals.opening, by_day.totals.closing);
    assert_eq!(opening.available.0 + moved.0 - moved.1, closing.available.0, "{what}");
    let of_days = by_day.days.iter().map(|day| (day.credited.0, day.debited.0));
    assert_eq!(of_days.fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1)), moved, "{what}");
    assert_eq!(by_day.days.last().unwrap().balance, closing, "{what}");
    for day in &by_day.days {
        let of_day: Vec<_> = lines.iter().filter(|line| line.day == day.day).cloned().collect();
        assert_eq!(added_up(&of_day), (day.credited.0, day.debited.0), "{what} {}", day.day);
    }

    let by_project = all_projects(store, zone, id, period).await;
    let order = UsageOrder::Largest;
    let largest = projects(&mut snapshot, zone, id, period, &order, 10_000).await.unwrap();
    let flows = by_project.iter().map(|project| &project.flow);
    assert_eq!(summed(flows.chain([&largest.outside_projects])), moved, "{what}");
    assert!(largest.items.is_sorted_by_key(|project| std::cmp::Reverse(project.flow.debited)), "{what}");
    let mut sorted = largest.items;
    sorted.sort_by(|left, right| left.project_id.as_str().cmp(right.project_id.as_str()));
    assert_eq!(sorted, by_project, "{what}");

    let made = assets(&mut snapshot, zone, id, period).await.unwrap();
    let charges: i64 =
        lines.iter().filter(|line| line.kind.as_str() == "charge").map(|line| line.moved.0).sum();
    assert_eq!(made.charged.0, charges, "{what}");
    lines.len()
}

/// A statement is a report of its month, cut by kind and by project.
fn assert_statement(statement: &Statement, lines: &[UsageLine]) {
    let moved = added_up(lines);
    let Statement { totals, kinds, projects, .. } = statement;
    assert_eq!(in_and_out(&totals.flow), moved);
    assert_eq!(totals.opening.available.0 + moved.0 - moved.1, totals.closing.available.0);
    assert_eq!(totals.opening.consumed.0 + totals.flow.used.0, totals.closing.consumed.0);
    assert_eq!(summed(kinds.iter().map(|kind| &kind.flow)), moved);
    let largest = projects.largest.iter().map(|project| &project.flow);
    assert_eq!(summed(largest.chain([&projects.others.flow, &projects.outside_projects])), moved);
    for kind in kinds {
        let of_kind: Vec<_> = lines.iter().filter(|line| line.kind == kind.kind).collect();
        assert_eq!(kind.moved.0, of_kind.iter().map(|line| line.moved.0).sum::<i64>());
        assert_eq!(kind.flow.entries, i64::try_from(of_kind.len()).unwrap());
    }
}

#[test]
fn report_statement_days_projects_and_assets_come_to_the_same_for_any_account_and_stretch() {
    let mut random = fastrand::Rng::with_seed(seed());
    let world = world_with_much_in_it(&mut random);
    let accounts = world.json(&["account", "list"]);
    let ids: Vec<_> =
        accounts.as_array().unwrap().iter().map(|row| row["account_id"].as_str().unwrap()).collect();
    let mut entries = 0;
    blocking(async {
        let store = store(&world);
        for id in ids {
            let id = account(id);
            entries += assert_all_say_the_same(&store, &zone("UTC"), &id, Period::default()).await;
            for _ in 0..4 {
                let zone = zone(random.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"]).unwrap());
                let mut ends = [random.u32(0..244), random.u32(0..244)];
                ends.sort_unstable();
                let [from, to] = ends.map(|days| {
                    let day = time::macros::date!(2026 - 03 - 01) + time::Duration::days(days.into());
                    if random.bool() {
                        day.to_string()
                    } else {
                        format!("{day}T{:02}:30:00Z", random.u8(..24))
                    }
                });
                let Some(period) = Some(period(&from, &to)).filter(|_| ends[0] < ends[1]) else { continue };
                assert_all_say_the_same(&store, &zone, &id, period).await;
            }
        }
    });
    let booked = world.number("select count(*) from creditd.entry");
    assert_eq!(i64::try_from(entries).unwrap(), booked, "every entry is in its account's report");
    assert!(world.number("select count(*) from creditd.entry where kind = 'charge'") > 20);
}

#[test]
fn the_statements_of_all_months_lead_from_nothing_to_how_an_account_stands() {
    let mut random = fastrand::Rng::with_seed(seed());
    let world = world_with_much_in_it(&mut random);
    let accounts = world.json(&["account", "list"]);
    let berlin = zone("Europe/Berlin");
    blocking(async {
        let store = store(&world);
        for row in accounts.as_array().unwrap() {
            let id = account(row["account_id"].as_str().unwrap());
            let mut available = 0;
            for number in 2..=12 {
                let month: Month = format!("2026-{number:02}").parse().unwrap();
                let mut snapshot = store.look().await.unwrap();
                let told = statement(&mut snapshot, &berlin, &id, month).await.unwrap();
                let (lines, _) = report(&store, &berlin, &id, month.period()).await;
                assert_statement(&told, &lines);
                assert_eq!(told.totals.opening.available.0, available, "{id} {month}");
                available = told.totals.closing.available.0;
            }
            assert_eq!(available, row["available"].as_i64().unwrap(), "{id}");
        }
    });
}
