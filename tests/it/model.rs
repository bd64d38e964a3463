//! What a set of messages must come to, worked out from the words of DESIGN 1.1 and from nothing of the code
//! under test; and a generator of such sets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::Message;

const PROJECTS: usize = 40;
const SOURCES: [&str; 2] = ["/north", "/south"];

/// The default table of statuses, as far as it is used here, and what each does.
const STATUSES: [(&str, Effect); 8] = [
    ("draft", Effect::Nothing),
    ("briefed", Effect::Nothing),
    ("started", Effect::Hold),
    ("in_progress", Effect::Hold),
    ("delivered", Effect::Hold),
    ("finalized", Effect::Settle),
    ("finalized", Effect::Settle),
    ("canceled", Effect::Nothing),
];

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Nothing,
    Hold,
    Settle,
}

/// An account of the workload. All of them queue what doesn't fit.
struct Account {
    id: &'static str,
    /// For an integrated account.
    organization: Option<&'static str>,
    consumes: bool,
    /// Whether it, and its organization, become known only in the middle of the stream.
    comes_late: bool,
}

const ACCOUNTS: [Account; 7] = [
    Account { id: "plain", organization: None, consumes: false, comes_late: false },
    Account { id: "payg", organization: None, consumes: true, comes_late: false },
    Account { id: "north.one", organization: Some("north"), consumes: false, comes_late: false },
    Account { id: "north.two", organization: Some("north"), consumes: false, comes_late: false },
    Account { id: "north.payg", organization: Some("north"), consumes: true, comes_late: false },
    Account { id: "late", organization: None, consumes: false, comes_late: true },
    Account { id: "south.one", organization: Some("south"), consumes: false, comes_late: true },
];

/// A message's place in the order of versions: revision, time (none sorts first), source, id.
type Version = (i64, Option<u32>, &'static str, String);

/// What a project message says.
#[derive(Clone)]
struct Said {
    version: Version,
    project: usize,
    account: usize,
    status: Option<usize>,
    credits: Option<i64>,
    final_credits: Option<i64>,
}

impl Said {
    fn random(random: &mut fastrand::Rng, number: usize, project: usize) -> Self {
        // Two messages share an id and differ in source: the id alone identifies nothing. Revisions and times
        // are few, so that all four parts of a version get to decide.
        let (source, id) = (SOURCES[number % SOURCES.len()], format!("m{}", number / SOURCES.len()));
        let second = sometimes(random, 9, |random| random.u32(..3));
        let version = (random.i64(1..6), second, source, id);
        let stray = sometimes(random, 2, |random| random.usize(..ACCOUNTS.len()));
        Self {
            version,
            project,
            account: stray.unwrap_or(project % ACCOUNTS.len()),
            status: sometimes(random, 7, |random| random.usize(..STATUSES.len())),
            credits: sometimes(random, 6, |random| random.i64(0..50)),
            final_credits: sometimes(random, 2, |random| random.i64(0..50)),
        }
    }

    fn key(&self) -> Key {
        (self.version.2.to_owned(), self.version.3.clone())
    }

    fn message(&self) -> Message {
        let (revision, second, source, id) = &self.version;
        let mut data = json!({
            "project_id": project_id(self.project),
            "account_id": ACCOUNTS[self.account].id,
            "revision": revision,
        });
        let said = [
            ("status", self.status.map(|status| json!(STATUSES[status].0))),
            ("credits", self.credits.map(Value::from)),
            ("final_credits", self.final_credits.map(Value::from)),
        ];
        for (member, value) in said {
            if let Some(value) = value {
                data[member] = value;
            }
        }
        let kind = if self.status.is_some() { "project.status_changed.v1" } else { "project.amended.v1" };
        cloud_event(
            source,
            id,
            kind,
            second.map(|second| format!("{}T00:00:{second:02}Z", yesterday())),
            &data,
        )
    }
}

fn sometimes<T>(
    random: &mut fastrand::Rng,
    out_of_ten: u8,
    value: impl FnOnce(&mut fastrand::Rng) -> T,
) -> Option<T> {
    (random.u8(..10) < out_of_ten).then(|| value(random))
}

fn project_id(number: usize) -> String {
    format!("project-{number:02}")
}

fn cloud_event(source: &str, id: &str, kind: &str, time: Option<String>, data: &Value) -> Message {
    let mut event = json!({ "specversion": "1.0", "id": id, "source": source, "type": kind, "data": data });
    if let Some(time) = time {
        event["time"] = time.into();
    }
    Message::raw(kind.trim_end_matches(".v1"), event.to_string())
}

/// A message's source and id.
pub(crate) type Key = (String, String);

/// What is expected of a project in the end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Project {
    pub(crate) account: String,
    pub(crate) status: Option<String>,
    pub(crate) credits: Option<i64>,
    pub(crate) final_credits: Option<i64>,
    pub(crate) held: i64,
    pub(crate) consumed: i64,
}

/// What is expected of an account in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Balance {
    pub(crate) total: i64,
    pub(crate) held: i64,
    pub(crate) consumed: i64,
}

/// Why a message is parked whose key another one has.
const CONFLICT: &str = "conflict";

/// A message that must be parked, and why.
pub(crate) struct Invalid {
    pub(crate) reason: &'static str,
    pub(crate) message: Message,
}

/// Messages, and what they must come to in any order and however often they come.
pub(crate) struct Workload {
    /// In the order of publishing.
    pub(crate) stream: Vec<Message>,
    /// How often each valid message is in the stream.
    pub(crate) copies: BTreeMap<Key, i64>,
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) balances: BTreeMap<String, Balance>,
}

/// The seed of a test: a fresh one, or the one to repeat. A failed test shows what it printed.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("CREDITD_TEST_SEED").ok().map(|text| text.parse().unwrap());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("to repeat this: CREDITD_TEST_SEED={seed}");
    seed
}

impl Workload {
    /// About 500 messages on 40 projects of 7 accounts, each account with exactly the credits that it needs
    /// in the end: so before the end there is much waiting.
    pub(crate) fn random(random: &mut fastrand::Rng) -> Self {
        let mut said = Vec::new();
        for project in 0..PROJECTS {
            for _ in 0..random.usize(5..13) {
                said.push(Said::random(random, said.len(), project));
            }
        }
        let projects: BTreeMap<_, _> = (0..PROJECTS).map(|number| final_project(number, &said)).collect();
        let balances = final_balances(projects.values());
        let mut copies: BTreeMap<_, _> = said.iter().map(|said| (said.key(), 1)).collect();
        let mut messages: Vec<_> = said.iter().map(Said::message).collect();
        for one in &said {
            if random.u8(..6) == 0 {
                *copies.get_mut(&one.key()).unwrap() += 1;
                messages.push(one.message());
            }
        }
        random.shuffle(&mut messages);
        let mut invalid = invalid_messages();
        for one in &invalid {
            messages.insert(random.usize(..messages.len()), one.message.clone());
        }

        let mut stream = Vec::new();
        let mut take_accounts = |late: bool, stream: &mut Vec<Message>| {
            for (key, message) in known_accounts(late, &balances) {
                copies.insert(key, 1);
                stream.push(message);
            }
        };
        take_accounts(false, &mut stream);
        let second_half = messages.split_off(messages.len() / 2);
        stream.extend(messages);
        take_accounts(true, &mut stream);
        stream.extend(second_half);
        // Last, because which of two messages under one key counts is decided by which comes first.
        for one in said.iter().step_by(97) {
            let mut other = one.clone();
            other.credits = Some(one.credits.unwrap_or_default() + 1000);
            invalid.push(Invalid { reason: CONFLICT, message: other.message() });
            stream.push(other.message());
        }
        Self { stream, copies, invalid, projects, balances }
    }

    /// The same without what contradicts a message that came before: where messages get lost on the way, and all are
    /// sent again, nobody knows which of two comes first.
    pub(crate) fn without_conflicts(mut self) -> Self {
        let all = self.invalid.len();
        self.invalid.retain(|one| one.reason != CONFLICT);
        self.stream.truncate(self.stream.len() - (all - self.invalid.len()));
        self
    }
}

/// Registers are set by the largest version that mentions them; the target is a function of the registers.
fn final_project(number: usize, said: &[Said]) -> (String, Project) {
    let about: Vec<_> = said.iter().filter(|said| said.project == number).collect();
    let account = last(&about, |said| Some(said.account)).expect("every project is told of");
    let status = last(&about, |said| said.status).map(|status| STATUSES[status]);
    let credits = last(&about, |said| said.credits);
    let final_credits = last(&about, |said| said.final_credits);
    let (held, consumed) = match status.map_or(Effect::Nothing, |(_, effect)| effect) {
        Effect::Hold => (credits, None),
        Effect::Settle if ACCOUNTS[account].consumes => (None, final_credits.or(credits)),
        Effect::Settle | Effect::Nothing => (None, None),
    };
    let project = Project {
        account: ACCOUNTS[account].id.to_owned(),
        status: status.map(|(name, _)| name.to_owned()),
        credits,
        final_credits,
        held: held.unwrap_or(0),
        consumed: consumed.unwrap_or(0),
    };
    (project_id(number), project)
}

fn last<T>(about: &[&Said], register: impl Fn(&Said) -> Option<T>) -> Option<T> {
    let writers = about.iter().filter(|said| register(said).is_some());
    writers.max_by_key(|said| &said.version).and_then(|said| register(said))
}

/// Each account, and each pool with what its members have; their totals are what that takes.
fn final_balances<'p>(projects: impl Iterator<Item = &'p Project>) -> BTreeMap<String, Balance> {
    let mut balances = BTreeMap::new();
    for account in &ACCOUNTS {
        balances.insert(account.id.to_owned(), Balance::default());
        if let Some(organization) = account.organization {
            balances.insert(format!("pool:{organization}"), Balance::default());
        }
    }
    for project in projects {
        let account = ACCOUNTS.iter().find(|account| account.id == project.account).unwrap();
        let pool = account.organization.map(|organization| format!("pool:{organization}"));
        for charged in pool.into_iter().chain([project.account.clone()]) {
            let balance = balances.get_mut(&charged).unwrap();
            balance.held += project.held;
            balance.consumed += project.consumed;
            balance.total += project.held + project.consumed;
        }
    }
    balances
}

/// What makes the early or the late accounts known. Members come before their organization and have to wait
/// for it.
fn known_accounts(late: bool, balances: &BTreeMap<String, Balance>) -> Vec<(Key, Message)> {
    let mut messages = Vec::new();
    let mut tell = |id: String, kind: &str, data: Value| {
        let message = cloud_event(SOURCES[0], &id, kind, None, &data);
        messages.push(((SOURCES[0].to_owned(), id), message));
    };
    let mut organizations = Vec::new();
    for account in ACCOUNTS.iter().filter(|account| account.comes_late == late) {
        let mut data = json!({
            "account_id": account.id,
            "revision": 1,
            "mode": if account.consumes { "consume" } else { "recycle" },
            "on_insufficient": "queue",
        });
        match account.organization {
            None => data["capacity"] = balances[account.id].total.into(),
            Some(organization) => {
                data["kind"] = "integrated".into();
                data["organization_id"] = organization.into();
                data["allocation"] = balances[account.id].total.into();
                organizations.push(organization);
            }
        }
        tell(format!("account-{}", account.id), "account.changed.v1", data);
    }
    organizations.dedup();
    for organization in organizations {
        let capacity = balances[&format!("pool:{organization}")].total;
        let data = json!({ "organization_id": organization, "revision": 1, "capacity": capacity });
        tell(format!("organization-{organization}"), "organization.changed.v1", data);
    }
    messages
}

/// One of each kind of message that must be parked and must harm nothing around it.
fn invalid_messages() -> Vec<Invalid> {
    let project = |id: &str, more: Value| {
        let mut data = json!({ "project_id": project_id(0), "account_id": "plain", "status": "started" });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cloud_event(SOURCES[0], id, "project.status_changed.v1", None, &data)
    };
    let transfer = json!({ "from_account_id": "plain", "to_account_id": "north.two", "credits": 5 });
    let wrong = [
        ("not_json", Message::raw("project.status_changed", "credits, please")),
        ("not_cloudevent", Message::raw("project.status_changed", r#"{"specversion":"0.3","id":"x1"}"#)),
        ("unknown_type", cloud_event(SOURCES[0], "x2", "project.exploded.v1", None, &json!({}))),
        ("invalid_data", project("x3", json!({ "revision": 9, "credits": -1 }))),
        ("invalid_data", project("x4", json!({ "revision": 9, "account_id": null }))),
        ("revision_missing", project("x5", json!({ "credits": 7 }))),
        ("unknown_status", project("x6", json!({ "revision": 9, "status": "exploded" }))),
        ("account_unknown", project("x7", json!({ "revision": 9, "account_id": "nobody" }))),
        ("not_transferable", cloud_event(SOURCES[0], "x8", "credits.transferred.v1", None, &transfer)),
    ];
    wrong.into_iter().map(|(reason, message)| Invalid { reason, message }).collect()
}

/// A day whose every second has passed.
fn yesterday() -> time::Date {
    crate::support::today().previous_day().unwrap()
}
