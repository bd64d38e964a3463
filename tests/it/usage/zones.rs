//! Days and months are those of `report.timezone`, also where its clocks are changed.

use creditd::report::{DaysUsage, days};

use super::{account, book_at, grant_times, open_account, period, store, zone};
use crate::support::{World, blocking};

/// An account whose every credit was given at one of these times.
fn world_with_credits_at(times: &[&str]) -> World {
    let world = World::new();
    open_account(&world, "x");
    grant_times(&world, "x", times.len());
    book_at(&world, "x", times);
    world
}

fn told(world: &World, in_zone: &str, from: &str, to: &str) -> DaysUsage {
    blocking(async {
        let store = store(world);
        let mut snapshot = store.look().await.unwrap();
        days(&mut snapshot, &zone(in_zone), &account("x"), period(from, to)).await.unwrap()
    })
}

/// Each day with what was credited on it.
fn credited(usage: &DaysUsage) -> Vec<(String, i64)> {
    usage.days.iter().map(|day| (day.day.to_string(), day.credited.0)).collect()
}

fn expected<const N: usize>(days: [(&str, i64); N]) -> Vec<(String, i64)> {
    days.map(|(day, credits)| (day.to_owned(), credits)).into()
}

/// How long a stretch is, in hours.
fn hours(usage: &DaysUsage) -> i64 {
    let [from, before] = [usage.about.from, usage.about.before].map(Option::unwrap);
    (before - from).0 / 3_600_000_000
}

#[test]
fn a_day_of_berlin_has_23_hours_when_its_clocks_go_forward_and_25_when_they_go_back() {
    let world = world_with_credits_at(&[
        "2026-03-28T22:59:59.999999Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59.999999Z",
        "2026-03-29T22:00:00Z",
        "2026-10-24T21:59:59.999999Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59.999999Z",
        "2026-10-25T23:00:00Z",
    ]);
    let spring = told(&world, "Europe/Berlin", "2026-03-28", "2026-03-30");
    assert_eq!(credited(&spring), expected([("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1)]));
    let autumn = told(&world, "Europe/Berlin", "2026-10-24", "2026-10-26");
    assert_eq!(credited(&autumn), expected([("2026-10-24", 1), ("2026-10-25", 2), ("2026-10-26", 1)]));
    for (day, is_long) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)] {
        assert_eq!(hours(&told(&world, "Europe/Berlin", day, day)), is_long, "{day}");
    }
    let utc = told(&world, "UTC", "2026-03-28", "2026-03-29");
    assert_eq!(credited(&utc), expected([("2026-03-28", 2), ("2026-03-29", 2)]));
}

#[test]
fn where_clocks_are_put_back_over_midnight_the_day_begins_at_the_first_of_the_two() {
    // In Havana 1:00 becomes 0:00 on that day, which has 25 hours.
    let world = world_with_credits_at(&[
        "2025-11-02T03:59:59.999999Z",
        "2025-11-02T04:00:00Z",
        "2025-11-02T04:30:00Z",
        "2025-11-02T05:30:00Z",
    ]);
    let day = told(&world, "America/Havana", "2025-11-02", "2025-11-02");
    assert_eq!((hours(&day), credited(&day)), (25, expected([("2025-11-02", 3)])));
    let before = told(&world, "America/Havana", "2025-11-01", "2025-11-01");
    assert_eq!((hours(&before), credited(&before)), (24, expected([("2025-11-01", 1)])));
    // In Beirut 0:00 becomes 1:00 on that day, which has 23.
    assert_eq!(hours(&told(&world, "Asia/Beirut", "2026-03-29", "2026-03-29")), 23);
}

#[test]
fn every_day_of_a_stretch_is_told_also_before_the_first_entry_and_parts_of_days_at_its_ends() {
    let world =
        world_with_credits_at(&["2026-03-02T10:00:00Z", "2026-03-02T12:00:00Z", "2026-03-04T00:00:00Z"]);
    let all = told(&world, "UTC", "2026-03-01", "2026-03-05");
    let expected_days =
        [("2026-03-01", 0), ("2026-03-02", 2), ("2026-03-03", 0), ("2026-03-04", 1), ("2026-03-05", 0)];
    assert_eq!(credited(&all), expected(expected_days));
    let ends: Vec<_> = all.days.iter().map(|day| day.balance.available.0).collect();
    assert_eq!(ends, [0, 2, 2, 3, 3]);
    let part = told(&world, "UTC", "2026-03-02T11:00:00Z", "2026-03-04T00:00:00Z");
    assert_eq!(credited(&part), expected([("2026-03-02", 1), ("2026-03-03", 0)]));
    assert_eq!(part.totals.opening.available.0, 1);
    let open = told(&world, "UTC", "", "2026-03-03");
    assert_eq!(credited(&open), expected([("2026-03-02", 2), ("2026-03-03", 0)]));
    let up_to_today = told(&world, "UTC", "2026-03-04", "");
    let today = crate::support::today();
    assert!(up_to_today.days.last().unwrap().day.0 >= today.previous_day().unwrap(), "{today}");
}
