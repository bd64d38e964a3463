//! Times and days are those of `report.timezone`.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{agency, page, shown};
use crate::support::World;

/// A zone that is more than half a day ahead, and one that is almost as far behind: at any time at least one of them
/// has another day than UTC. Neither puts its clocks forward or back.
const ZONES: [(&str, i64); 2] = [("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)];

#[test]
fn times_are_told_by_the_reports_clocks_in_utc_to_programs_and_the_zone_is_named_once() {
    for (zone, ahead_h) in ZONES {
        let mut world = World::new();
        world.set("CREDITD__REPORT__TIMEZONE", zone);
        let daemon = agency(&world);
        let unknown = page(&daemon, "/accounts/nobody");
        assert!(unknown.text.contains(zone) && !unknown.text.contains("UTC"), "{}", unknown.text);
        let account = page(&daemon, "/accounts/studio");
        let foot = account.text.split_once("<footer").unwrap().1;
        assert_eq!(foot.matches(zone).count(), 1, "{foot}");
        assert!(!account.text.contains("UTC"), "{}", account.text);
        let made = foot.split_once("<time datetime=\"").unwrap().1;
        let (utc, rest) = made.split_once("\">").unwrap();
        assert!(utc.ends_with('Z'), "{utc}");
        let there = OffsetDateTime::parse(utc, &Rfc3339).unwrap() + Duration::hours(ahead_h);
        let today = there.date().to_string();
        let expected = format!("{today} {:02}:{:02}", there.hour(), there.minute());
        assert_eq!(rest.split_once('<').unwrap().0, expected);
        let reports = account.section("reports");
        assert!(reports.contains(&format!("name=\"to\" type=\"date\" value=\"{today}\"")), "{reports}");
        assert!(reports.contains(&format!("value=\"{}\"", &today[..7])), "{reports}");
        let statement = shown(&daemon, "/accounts/studio/statement");
        assert!(statement.contains(&format!("Statement of {}", &today[..7])), "{statement}");
        drop(daemon);
    }
}
