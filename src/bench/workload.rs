//! What the benchmark sends: projects that live on their accounts, with the faults that upstreams have.

use std::collections::HashMap;

use fastrand::Rng;
use serde_json::{Value, json};

use super::cast::{Account, Cast};
use crate::contract::raw::RawMessage;

/// How many projects run at the same time.
const RUNNING: usize = 2_000;
/// A copy comes at most so many messages behind the first.
const REPEATED_WITHIN: u64 = 500;
/// A late message comes at most so many messages behind its place.
const LATE_WITHIN: u64 = 50;

/// So many of 1,000 messages are sent again.
const PER_MILLE_REPEATED: u32 = 50;
/// So many of 1,000 messages come behind later ones.
const PER_MILLE_LATE: u32 = 50;
/// So many of 1,000 messages can't be used.
const PER_MILLE_INVALID: u32 = 1;

/// A message that is cut off ends here.
const INVALID_BYTES: usize = 40;

/// Who sends all of it.
pub const SOURCE: &str = "/bench";

/// CloudEvents in structured mode.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";

/// A message, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id; the same again for a repetition.
    pub id: String,
    /// The type without its version.
    pub routing_key: &'static str,
    /// The event.
    pub body: Vec<u8>,
}

impl Outgoing {
    pub(super) fn event(kind: &'static str, id: &str, time: &str, data: &Value) -> Self {
        let event = json!({
            "specversion": "1.0", "source": SOURCE, "id": id, "type": kind, "time": time,
            "datacontenttype": "application/json", "data": data,
        });
        let routing_key = kind.strip_suffix(".v1").unwrap_or(kind);
        Self { id: id.to_owned(), routing_key, body: event.to_string().into_bytes() }
    }

    /// The same as the broker would hand it over.
    pub fn raw(&self) -> RawMessage {
        RawMessage {
            routing_key: self.routing_key.to_owned(),
            content_type: Some(CONTENT_TYPE.to_owned()),
            headers: serde_json::Map::new(),
            properties: serde_json::Map::new(),
            body: self.body.clone(),
        }
    }
}

/// What was sent, and so what the books must say in the end, in whatever order it came.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The messages, in the order of their arrival.
    pub messages: Vec<Outgoing>,
    /// How many of them are to be decided, each for the first time.
    pub decided: usize,
    /// How many came before.
    pub repeated: usize,
    /// How many can't be used.
    pub invalid: usize,
    /// How many changes of balances there are where every message comes in its order, each an event.
    pub events: usize,
    /// The last that was said of each project.
    pub projects: HashMap<String, LastSaid>,
    /// What is to be sent behind all others: where it is known, so are they.
    pub end: Outgoing,
}

/// A project as its sender has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSaid {
    /// Whose it is.
    pub account: String,
    /// Of the last message, in its own order.
    pub revision: usize,
    /// Its status.
    pub status: &'static str,
    /// Its price.
    pub credits: u64,
}

/// The statuses of a life; the third is an amendment of the price in a third of all lives. By the built-in
/// lifecycle credits are held from the second on, and come back with the last.
const STATUSES: [&str; 6] = ["briefed", "started", "in_progress", "submitted", "delivered", "finalized"];
const AMENDMENT: usize = 2;

/// A project that is not over.
struct Life<'c> {
    project: String,
    account: &'c Account,
    step: usize,
    status: &'static str,
    credits: u64,
}

impl<'c> Life<'c> {
    fn begin(project: String, cast: &'c Cast, random: &mut Rng) -> Self {
        Self {
            project,
            account: cast.draw(random),
            step: 0,
            status: STATUSES[0],
            credits: random.u64(20..200),
        }
    }

    fn go_on(&mut self, time: &str, random: &mut Rng) -> Outgoing {
        let is_amended = self.step == AMENDMENT && random.u32(0..3) == 0;
        let mut data = json!({
            "project_id": self.project, "account_id": self.account.id, "revision": self.step + 1,
        });
        let kind = if is_amended {
            self.credits = self.credits * random.u64(70..150) / 100;
            data["credits"] = json!(self.credits);
            "project.amended.v1"
        } else {
            self.status = STATUSES[self.step];
            data["status"] = json!(self.status);
            "project.status_changed.v1"
        };
        if self.step == 0 {
            data["credits"] = json!(self.credits);
            data["name"] = json!(format!("The {} campaign", self.project));
        }
        self.step += 1;
        Outgoing::event(kind, &format!("{}-{}", self.project, self.step), time, &data)
    }

    /// What it should hold: its price from the second step to the last but one.
    fn held(&self) -> u64 {
        let is_running = (2..STATUSES.len()).contains(&self.step);
        if is_running { self.credits } else { 0 }
    }

    fn last_said(&self) -> LastSaid {
        LastSaid {
            account: self.account.id.clone(),
            revision: self.step,
            status: self.status,
            credits: self.credits,
        }
    }
}

/// Which messages are to be sent.
#[derive(Clone, Copy)]
pub struct Traffic<'a> {
    /// Whose projects they are about.
    pub cast: &'a Cast,
    /// How many.
    pub count: usize,
    /// The same seed gives the same messages, to the byte.
    pub seed: u64,
    /// When all of it happened, in RFC 3339.
    pub time: &'a str,
    /// What all ids begin with: two lots of messages to one ledger are about projects of their own.
    pub name: &'a str,
}

impl Traffic<'_> {
    /// The messages.
    pub fn messages(&self) -> Sent {
        let mut sent = Sent {
            messages: Vec::new(),
            decided: 0,
            repeated: 0,
            invalid: 0,
            events: 0,
            projects: HashMap::new(),
            end: self.end(),
        };
        let mut random = Rng::with_seed(self.seed);
        let mut lives: Vec<Life<'_>> = Vec::with_capacity(RUNNING);
        let mut begun = 0;
        let mut arrivals: Vec<(u64, Outgoing)> = Vec::with_capacity(self.count);
        while arrivals.len() < self.count {
            let place = 2 * arrivals.len() as u64;
            if random.u32(0..1_000) < PER_MILLE_INVALID {
                sent.invalid += 1;
                arrivals.push((place, self.invalid(sent.invalid)));
                continue;
            }
            if lives.len() < RUNNING {
                begun += 1;
                lives.push(Life::begin(format!("{}-{begun:07}", self.name), self.cast, &mut random));
            }
            let index = random.usize(..lives.len());
            let message = self.go_on(&mut lives[index], &mut sent, &mut random);
            if lives[index].step == STATUSES.len() {
                lives.swap_remove(index);
            }
            let is_late = random.u32(0..1_000) < PER_MILLE_LATE;
            let late = if is_late { random.u64(1..=2 * LATE_WITHIN) } else { 0 };
            if random.u32(0..1_000) < PER_MILLE_REPEATED && arrivals.len() + 1 < self.count {
                sent.repeated += 1;
                arrivals.push((place + late + random.u64(1..=2 * REPEATED_WITHIN), message.clone()));
            }
            arrivals.push((place + late, message));
        }
        arrivals.sort_by_key(|(place, _)| *place);
        sent.messages = arrivals.into_iter().map(|(_, message)| message).collect();
        sent
    }

    /// The next message of a life, noted as sent.
    fn go_on(&self, life: &mut Life<'_>, sent: &mut Sent, random: &mut Rng) -> Outgoing {
        let held = life.held();
        let message = life.go_on(self.time, random);
        if life.held() != held {
            sent.events += life.account.depth();
        }
        sent.decided += 1;
        sent.projects.insert(life.project.clone(), life.last_said());
        message
    }

    fn end(&self) -> Outgoing {
        let id = format!("{}-end", self.name);
        let data = json!({"account_id": id, "revision": 1, "name": "The end"});
        Outgoing::event("account.changed.v1", &id, self.time, &data)
    }

    /// A message that can't be used, each in its turn of one of three kinds.
    fn invalid(&self, number: usize) -> Outgoing {
        let id = format!("{}-invalid-{number}", self.name);
        let data = json!({"project_id": id, "account_id": "bench-0001", "revision": 1});
        let mut message = Outgoing::event("project.status_changed.v1", &id, self.time, &data);
        match number % 3 {
            // As it is: it has no status.
            0 => {}
            1 => message.body.truncate(INVALID_BYTES),
            _ => message = Outgoing::event("project.archived.v1", &id, self.time, &data),
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::super::cast::Spread;
    use super::*;

    const TIME: &str = "2026-03-01T12:00:00Z";

    fn sent(count: usize, seed: u64) -> Sent {
        let cast = Cast::new(Spread::Everyone);
        Traffic { cast: &cast, count, seed, time: TIME, name: "b" }.messages()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        assert_eq!(sent(2_000, 7).messages, sent(2_000, 7).messages);
        assert_ne!(sent(2_000, 7).messages, sent(2_000, 8).messages);
    }

    #[test]
    fn faults_are_as_frequent_as_promised() {
        let sent = sent(60_000, 1);
        assert_eq!(sent.messages.len(), 60_000);
        assert_eq!(sent.decided + sent.repeated + sent.invalid, 60_000);
        let mut known = HashSet::new();
        let repeated = sent.messages.iter().filter(|message| !known.insert(message.id.as_str())).count();
        assert_eq!(repeated, sent.repeated);
        assert!((2_600..3_200).contains(&sent.repeated), "{} of 60,000 come twice", sent.repeated);
        assert!((30..100).contains(&sent.invalid), "{} of 60,000 can't be used", sent.invalid);

        // Late ones come behind a later one of their own project, if that has one so soon.
        let mut latest: HashMap<String, u64> = HashMap::new();
        let mut behind = 0;
        for message in &sent.messages {
            let Ok(event) = serde_json::from_slice::<Value>(&message.body) else { continue };
            let revision = event["data"]["revision"].as_u64().unwrap();
            let project = event["data"]["project_id"].as_str().unwrap().to_owned();
            let newest = latest.entry(project).or_default();
            behind += usize::from(revision < *newest);
            *newest = revision.max(*newest);
        }
        assert!(behind > 0, "nothing comes out of order");
    }

    #[test]
    fn a_project_holds_once_and_gives_back_once_and_a_third_are_amended() {
        let sent = sent(60_000, 1);
        let mut started = HashSet::new();
        let mut amended = HashSet::new();
        let mut finalized = HashSet::new();
        for message in &sent.messages {
            let Ok(event) = serde_json::from_slice::<Value>(&message.body) else { continue };
            let project = event["data"]["project_id"].as_str().unwrap().to_owned();
            match (message.routing_key, event["data"]["status"].as_str()) {
                ("project.amended", _) => drop(amended.insert(project)),
                (_, Some("started")) => drop(started.insert(project)),
                (_, Some("finalized")) => drop(finalized.insert(project)),
                _ => {}
            }
        }
        assert!(finalized.is_subset(&started), "whatever ends has begun");
        let of_three = 3 * amended.len();
        assert!(of_three > started.len() * 8 / 10 && of_three < started.len() * 12 / 10, "{of_three}");
    }

    #[test]
    fn busy_accounts_go_by_zipfs_law() {
        let sent = sent(60_000, 1);
        let mut projects: HashMap<&str, usize> = HashMap::new();
        for last in sent.projects.values() {
            *projects.entry(&last.account).or_default() += 1;
        }
        let mut busiest: Vec<_> = projects.values().copied().collect();
        busiest.sort_unstable_by(|a, b| b.cmp(a));
        let (first, tenth) = (busiest[0], busiest[9]);
        assert!(
            (5..20).contains(&(first / tenth)),
            "{first} and {tenth}: the tenth has a tenth of the first"
        );
    }
}
