//! The demo's messages: half a year of several agencies' projects, as an upstream would publish them, with the
//! duplicates, delays and mistakes that upstreams make. The same seed and day give the same bytes.

mod faults;
mod life;
mod names;

use fastrand::Rng;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Date, Duration, OffsetDateTime};

use self::names::{AGENCIES, Agency, HOUSES, MEAN_PRICE};

/// When the stream ends before it is moved to the day that is asked for.
const END: OffsetDateTime = datetime!(2025-06-30 18:00 UTC);
/// How much time the stream spans.
pub const SPAN: Duration = Duration::days(180);

/// The mean time for which a project holds its credits; plans are sized by it.
const MEAN_HOLD: Duration = Duration::days(24);
/// A plan must carry the largest brief, else its project would wait aside for ever.
const SMALLEST_PLAN: u32 = 250;

const PER_CENT_REPEATED: u32 = 5;
const PER_CENT_LATE: u32 = 5;

/// An account whose first message comes long after those of its first projects.
const LATECOMER: &str = "verve-weddings";
/// How many projects the latecomer has, where there are enough of them in all.
const LATECOMER_PROJECTS: u32 = 2;

/// A message for the inbound exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoMessage {
    /// The type without its version.
    pub routing_key: String,
    /// That of CloudEvents in structured mode.
    pub content_type: &'static str,
    /// The CloudEvent, or what should have been one.
    pub body: Vec<u8>,
}

/// Everything that happens to the demo's accounts and to this many projects until the evening of `last_day`, in
/// the order of its arrival. On another day only the times differ, and no time makes another message of it.
pub fn messages(seed: u64, projects: u32, last_day: Date) -> impl Iterator<Item = DemoMessage> {
    let mut random = Rng::with_seed(seed);
    let mut happenings = accounts_open(projects);
    for number in 1..=projects {
        happenings.extend(life::of_project(number, agency_of(number, projects, &mut random), &mut random));
    }
    happenings.retain(|happening| happening.time <= END);
    happenings.sort_by_key(|happening| happening.time);
    let later = last_day - END.date();
    for happening in &mut happenings {
        happening.time += later;
    }

    let mut arrivals = arrive(happenings, &mut random);
    faults::mix_in(&mut arrivals, &mut random);
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals.into_iter().map(|arrival| arrival.message)
}

/// What happened upstream.
#[derive(Debug, Clone)]
struct Happening {
    time: OffsetDateTime,
    source: &'static str,
    id: String,
    /// With its version.
    kind: &'static str,
    data: Value,
}

impl Happening {
    fn envelope(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "time": self.time.format(&Rfc3339).expect("the demo's years have four digits"),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}

/// A message on its way, and when it arrives.
struct Arrival {
    at: OffsetDateTime,
    message: DemoMessage,
    /// What it tells, for faults to be made of it.
    happening: Happening,
}

/// Most messages arrive at once; some late, and so behind what happened after them; some twice.
fn arrive(happenings: Vec<Happening>, random: &mut Rng) -> Vec<Arrival> {
    let mut arrivals = Vec::with_capacity(happenings.len() * 11 / 10);
    for happening in happenings {
        let mut at = happening.time;
        let is_of_a_project = happening.kind.starts_with("project.");
        if is_of_a_project && chance(random, PER_CENT_LATE) {
            at += Duration::hours(random.i64(6..24 * 12));
        }
        let message = publish(happening.kind, &happening.envelope());
        if chance(random, PER_CENT_REPEATED) {
            let again = at + Duration::minutes(random.i64(1..60 * 24 * 3));
            arrivals.push(Arrival { at: again, message: message.clone(), happening: happening.clone() });
        }
        arrivals.push(Arrival { at, message, happening });
    }
    arrivals
}

fn publish(kind: &str, envelope: &Value) -> DemoMessage {
    let routing_key = kind.rsplit_once(".v").map_or(kind, |(name, _)| name).to_owned();
    let body = envelope.to_string().into_bytes();
    DemoMessage { routing_key, content_type: "application/cloudevents+json", body }
}

fn chance(random: &mut Rng, per_cent: u32) -> bool {
    random.u32(0..100) < per_cent
}

/// Whose project it is: the latecomer's first and last ones, else by the agencies' shares.
fn agency_of(number: u32, projects: u32, random: &mut Rng) -> Option<&'static Agency> {
    if projects >= 20 * LATECOMER_PROJECTS && number <= LATECOMER_PROJECTS {
        return None;
    }
    let mut drawn = random.u32(0..100);
    AGENCIES.iter().find(|agency| {
        let is_it = drawn < agency.share;
        drawn = drawn.saturating_sub(agency.share);
        is_it
    })
}

fn start() -> OffsetDateTime {
    END - SPAN
}

fn accounts_open(projects: u32) -> Vec<Happening> {
    let mut register = Register { at: start(), happenings: Vec::new() };
    for house in &HOUSES {
        let members = AGENCIES.iter().filter(|agency| is_member(agency, house.organization));
        let load: u32 = members.map(|agency| expected_load(agency, projects)).sum();
        let mut data = json!({
            "organization_id": house.organization,
            "revision": 1,
            "name": house.name,
            "contact": house.contact,
            "capacity": plan(load, house.pool_percent),
            "mode": "recycle",
        });
        if house.organization == "harbour-vale" {
            data["alert_rules"] = json!([
                {"name": "tight", "measure": "available_percent", "level": 30, "severity": "info", "margin": 10},
                {"name": "nearly_full", "measure": "available_percent", "level": 12, "severity": "critical"},
            ]);
        }
        register.note("organization.changed.v1", house.organization, data);
    }
    for agency in &AGENCIES {
        register.open(agency, projects);
    }
    register.grow(projects);
    register.trade();
    register.happenings
}

fn is_member(agency: &Agency, organization: &str) -> bool {
    agency.kind == "integrated" && agency.organization == Some(organization)
}

/// What an agency is expected to hold at a time; in consume mode, to use up in all. In credits.
fn expected_load(agency: &Agency, projects: u32) -> u32 {
    let all = projects * agency.share * MEAN_PRICE / 100;
    if agency.consumes {
        return all;
    }
    let part = MEAN_HOLD.whole_days() * i64::from(all) / SPAN.whole_days();
    u32::try_from(part).unwrap_or(u32::MAX)
}

fn plan(load: u32, per_cent: u32) -> u32 {
    SMALLEST_PLAN.max(load * per_cent / 100)
}

/// Upstream's register of accounts and what it publishes.
struct Register {
    at: OffsetDateTime,
    happenings: Vec<Happening>,
}

impl Register {
    fn note(&mut self, kind: &'static str, subject: &str, data: Value) {
        self.at += Duration::seconds(20);
        let number = self.happenings.len() + 1;
        let id = format!("{subject}-{number:04}");
        self.happenings.push(Happening { time: self.at, source: "/accounts", id, kind, data });
    }

    fn open(&mut self, agency: &Agency, projects: u32) {
        let credits = plan(expected_load(agency, projects), agency.plan_percent);
        let mut data = json!({
            "account_id": agency.account,
            "revision": 1,
            "kind": agency.kind,
            "name": agency.name,
            "contact": format!("accounts at {0} <billing@{0}.example>", agency.account),
            "mode": if agency.consumes { "consume" } else { "recycle" },
        });
        let measure = if agency.kind == "integrated" { "allocation" } else { "capacity" };
        data[measure] = json!(credits);
        if let Some(organization) = agency.organization {
            data["organization_id"] = json!(organization);
        }
        if agency.account == "atelier-brandt" {
            data["alert_rules"] = json!([
                {"name": "last_credits", "measure": "available_credits", "level": 100, "severity": "warning", "margin": 50},
            ]);
        }
        self.note("account.changed.v1", agency.account, data);
    }

    /// What changes in the course of the months: grants, a larger and a smaller plan, a correction, and the
    /// account that was forgotten.
    fn grow(&mut self, projects: u32) {
        for agency in AGENCIES.iter().filter(|agency| agency.consumes) {
            for month in [2, 4] {
                self.at = start() + Duration::days(30 * month);
                let credits = (expected_load(agency, projects) / 10).max(1);
                let data = json!({
                    "account_id": agency.account, "credits": credits, "reason": "top-up", "actor": "sales@creditd.example",
                });
                self.note("credits.granted.v1", agency.account, data);
            }
        }
        for (days, account, per_cent) in [(120, "atelier-brandt", 130), (100, "studio-miro", 60)] {
            self.at = start() + Duration::days(days);
            let load = AGENCIES.iter().find(|agency| agency.account == account);
            let capacity = plan(load.map_or(0, |agency| expected_load(agency, projects)), per_cent);
            let data = json!({"account_id": account, "revision": 2, "capacity": capacity});
            self.note("account.changed.v1", account, data);
        }
        self.at = start() + Duration::days(90);
        let data = json!({
            "account_id": "kestrel-print", "credits": 40, "reason": "misprint made good", "actor": "support@creditd.example",
        });
        self.note("credits.adjusted.v1", "kestrel-print", data);

        self.at = start() + Duration::days(60);
        let data = json!({
            "account_id": LATECOMER, "revision": 1, "kind": "standalone", "name": "Verve Weddings",
            "contact": "Priya Verve <priya@verve.example>", "capacity": 2 * SMALLEST_PLAN,
        });
        self.note("account.changed.v1", LATECOMER, data);
    }
}

impl Register {
    /// What happens beside projects: price lists, single assets on an account that pays as it goes, a transfer
    /// within a house, and one that is too large.
    fn trade(&mut self) {
        self.at = start();
        let prices = json!({"prices": {"photo": 4, "video": 30, "poster": 6}});
        self.note("price_list.changed.v1", "default", prices);
        self.at = start() + Duration::days(75);
        let prices = json!({"prices": {"photo": 3}, "organization_id": "northlight"});
        self.note("price_list.changed.v1", "northlight", prices);
        for week in 1..=20 {
            self.at = start() + Duration::weeks(week);
            let data =
                json!({"account_id": "kestrel-motion", "asset_type": "poster", "quantity": 1 + week % 3});
            self.note("asset.created.v1", "kestrel-motion", data);
        }
        for (days, credits) in [(80, 25), (110, 100_000)] {
            self.at = start() + Duration::days(days);
            let data = json!({
                "from_account_id": "northlight-social", "to_account_id": "northlight-film", "credits": credits,
                "reason": "a large film", "actor": "ines@northlight.example",
            });
            self.note("credits.transferred.v1", "northlight-film", data);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    use super::*;

    const PROJECTS: u32 = 600;

    /// The messages that are whole, by type and data.
    fn events(seed: u64) -> Vec<Value> {
        messages(seed, PROJECTS, END.date())
            .filter_map(|message| serde_json::from_slice(&message.body).ok())
            .collect()
    }

    fn part_of(all: usize, per_cent: std::ops::Range<usize>) -> std::ops::Range<usize> {
        all * per_cent.start / 100..all * per_cent.end / 100
    }

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_others() {
        let stream = |seed| messages(seed, PROJECTS, END.date()).collect::<Vec<_>>();

        assert_eq!(stream(7), stream(7));
        assert_ne!(stream(7), stream(8));
    }

    #[test]
    fn some_messages_come_twice_and_some_behind_later_ones() {
        let all: Vec<DemoMessage> = messages(1, PROJECTS, END.date()).collect();
        let different: BTreeSet<&[u8]> = all.iter().map(|message| message.body.as_slice()).collect();
        assert!(part_of(all.len(), 3..7).contains(&(all.len() - different.len())));

        let mut newest: HashMap<String, u64> = HashMap::new();
        let mut late = 0;
        for event in events(1) {
            let (Some(project), Some(revision)) =
                (event["data"]["project_id"].as_str(), event["data"]["revision"].as_u64())
            else {
                continue;
            };
            let seen = newest.entry(project.to_owned()).or_default();
            late += usize::from(revision < *seen);
            *seen = revision.max(*seen);
        }
        assert!(part_of(all.len(), 1..8).contains(&late), "{late} of {} are overtaken", all.len());
    }

    #[test]
    fn every_project_goes_through_rising_revisions_in_the_order_of_its_time() {
        let mut lives: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        for event in events(2) {
            let told = (
                event["data"]["project_id"].as_str(),
                event["data"]["revision"].as_u64(),
                event["time"].as_str(),
            );
            if let (Some(project), Some(revision), Some(time)) = told {
                lives.entry(project.to_owned()).or_default().insert(revision, time.to_owned());
            }
        }
        assert!(lives.len() > PROJECTS as usize * 9 / 10);
        for (project, life) in lives {
            assert!(life.values().is_sorted(), "{project}: {life:?}");
        }
    }

    #[test]
    fn months_of_all_statuses_and_all_kinds_of_accounts_are_told() {
        let events = events(3);
        let texts = |member: &str| -> BTreeSet<String> {
            events.iter().filter_map(|event| event["data"][member].as_str()).map(str::to_owned).collect()
        };
        for status in life::STATUSES {
            assert!(texts("status").contains(status), "no project was ever {status}");
        }
        assert!(
            texts("kind").is_superset(&["integrated", "connected", "standalone"].map(str::to_owned).into())
        );
        assert!(texts("mode").contains("consume"));

        let times: BTreeSet<&str> = events.iter().filter_map(|event| event["time"].as_str()).collect();
        assert!(times.first().unwrap().starts_with("2025-01-01"));
        assert!(times.last().unwrap().starts_with("2025-06-30"));
    }

    #[test]
    fn projects_of_the_latecomer_are_told_of_before_it() {
        let events = events(4);
        let names_it = |event: &&Value| event["data"]["account_id"] == LATECOMER;
        let kinds: Vec<&str> =
            events.iter().filter(names_it).filter_map(|event| event["type"].as_str()).collect();

        assert!(kinds.first().unwrap().starts_with("project."));
        assert!(kinds.contains(&"account.changed.v1"));
    }

    #[test]
    fn few_projects_are_no_trouble() {
        for projects in 0..5 {
            assert!(messages(5, projects, END.date()).count() >= AGENCIES.len() + HOUSES.len());
        }
    }
}
