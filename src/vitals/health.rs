//! What state the daemon's parts are in: a log line for each change and none in between, the status line that
//! `systemctl status` shows, and whether the daemon is ready.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::Verdict;
use crate::clock;
use crate::ledger::moment::Timestamp;

/// A part of the daemon that can be in trouble by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Receiving from RabbitMQ.
    Intake,
    /// Applying to PostgreSQL.
    Ledger,
    /// Publishing events.
    Relay,
}

/// What a part does that is well.
///
/// RabbitMQ tells no consumer whether it is the active one. The intake is `Consuming` where nobody else was when
/// it came, or once a message was delivered to it, and `StandingBy` until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Messages come here, or would if there were any.
    Consuming,
    /// Another instance was at it when this one came, and nothing shows that it has gone.
    StandingBy,
    /// PostgreSQL answers, and the schema fits.
    Ready,
    /// The ledger goes by this daemon's settings, and messages are applied.
    Applying,
    /// The lease is here, and all of the log is published or on its way.
    Publishing,
}

/// The state of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Not begun yet.
    Starting,
    /// All is well.
    Well(Doing),
    /// It waits for a server.
    Waiting(String),
    /// A server refuses it until somebody mends something.
    Refused(String),
}

/// Whether the daemon is ready: both servers are reached, the schema fits, and it consumes or stands by.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Readiness {
    /// `ok` where every part is well and the daemon isn't stopping.
    pub status: Verdict,
    /// Whether it was told to stop: it finishes what it has in hand and ends.
    pub stopping: bool,
    /// The parts.
    pub parts: Parts,
}

/// The parts of the daemon.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Parts {
    /// Receiving from RabbitMQ: `consuming`, or `standing_by` behind another instance.
    pub intake: PartReport,
    /// Applying to PostgreSQL: `ready`, or `applying` where messages come.
    pub ledger: PartReport,
    /// Publishing events: `publishing`, or `standing_by` while another instance has the lease.
    pub relay: PartReport,
}

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PartReport {
    /// `ok` where it does its work.
    pub status: Verdict,
    /// What it does, or `starting`; `waiting` for a server that is away; `refused` until somebody mends something.
    pub state: String,
    /// Why it waits or is refused. It holds no passwords.
    pub reason: Option<String>,
    /// Since when it is in this state. Another reason is no other state.
    pub since: Timestamp,
}

const PARTS: [Part; 3] = [Part::Intake, Part::Ledger, Part::Relay];

/// The states of all parts. Clones share them.
#[derive(Clone, Debug)]
pub struct Health {
    known: Arc<Mutex<Known>>,
    status_line: watch::Sender<String>,
}

#[derive(Debug)]
struct Known {
    /// In the order of [`PARTS`], each with since when.
    states: [(State, Timestamp); 3],
    is_stopping: bool,
}

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Part::Intake => "intake",
            Part::Ledger => "ledger",
            Part::Relay => "relay",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Doing {
    /// Its name for people.
    fn as_str(self) -> &'static str {
        match self {
            Doing::Consuming => "consuming",
            Doing::StandingBy => "standing by",
            Doing::Ready => "ready",
            Doing::Applying => "applying",
            Doing::Publishing => "publishing",
        }
    }

    /// Its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Doing::StandingBy => "standing_by",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Starting => f.write_str("starting"),
            State::Well(doing) => f.write_str(doing.as_str()),
            State::Waiting(why) => write!(f, "waiting: {why}"),
            State::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

impl State {
    /// Whether `other` is this state. The reason may read differently at each try, and that is no change.
    fn is_same_as(&self, other: &State) -> bool {
        match (self, other) {
            (State::Well(this), State::Well(that)) => this == that,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    fn report(&self, since: Timestamp) -> PartReport {
        let (state, reason) = match self {
            State::Starting => ("starting", None),
            State::Well(doing) => (doing.name(), None),
            State::Waiting(why) => ("waiting", Some(why.clone())),
            State::Refused(why) => ("refused", Some(why.clone())),
        };
        let status = Verdict::of(matches!(self, State::Well(_)));
        PartReport { status, state: state.to_owned(), reason, since }
    }
}

impl Default for Health {
    fn default() -> Self {
        let now = clock::now();
        let known = Known { states: PARTS.map(|_| (State::Starting, now)), is_stopping: false };
        let status_line = watch::Sender::new(known.status_line());
        Self { known: Arc::new(Mutex::new(known)), status_line }
    }
}

impl Health {
    /// All is well with `part`.
    pub fn well(&self, part: Part, doing: Doing) {
        self.set(part, State::Well(doing));
    }

    /// `part` waits, because of `why`.
    pub fn waiting(&self, part: Part, why: &dyn fmt::Display) {
        self.set(part, State::Waiting(without_passwords(&why.to_string())));
    }

    /// `part` is refused by a server, because of `why`, and trying again will help only once that is mended.
    pub fn refused(&self, part: Part, why: &dyn fmt::Display) {
        self.set(part, State::Refused(without_passwords(&why.to_string())));
    }

    /// `part` can't use a server: it is away, or refuses until somebody mends something.
    pub fn without_server(&self, part: Part, needs_mending: bool, why: &dyn fmt::Display) {
        match needs_mending {
            true => self.refused(part, why),
            false => self.waiting(part, why),
        }
    }

    /// The daemon was told to stop: it is ready for nothing more.
    pub fn stopping(&self) {
        self.known().is_stopping = true;
    }

    /// Whether the daemon is ready, and if not, why.
    pub fn readiness(&self) -> Readiness {
        let known = self.known();
        let [intake, ledger, relay] = known.states.each_ref().map(|(state, since)| state.report(*since));
        let all_are_well = [&intake, &ledger, &relay].iter().all(|part| part.status.is_ok());
        Readiness {
            status: Verdict::of(all_are_well && !known.is_stopping),
            stopping: known.is_stopping,
            parts: Parts { intake, ledger, relay },
        }
    }

    /// The line that `systemctl status` shows, as it changes.
    pub fn status_line(&self) -> watch::Receiver<String> {
        self.status_line.subscribe()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is half done under this lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, part: Part, state: State) {
        let mut known = self.known();
        let (place, since) = &mut known.states[part as usize];
        if *place == state {
            return;
        }
        let is_change = !place.is_same_as(&state);
        match &state {
            State::Waiting(why) if is_change => warn!(part = %part, reason = %why, "waiting"),
            State::Refused(why) if is_change => {
                error!(part = %part, reason = %why, "refused; trying again in case somebody mends it");
            }
            State::Waiting(_) | State::Refused(_) | State::Starting => {}
            State::Well(doing) => info!(part = %part, "{}", doing.as_str()),
        }
        if is_change {
            *since = clock::now();
        }
        *place = state;
        // Under the lock, so that the line of the last change is the last line.
        self.status_line.send_replace(known.status_line());
    }
}

impl Known {
    fn status_line(&self) -> String {
        let parts = PARTS.iter().zip(&self.states).map(|(part, (state, _))| format!("{part} {state}"));
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// The same text without the password of any URL in it. No error that is known repeats one; this is for those
/// that aren't, since what is said here can be read without a token.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = after.find(|c: char| c.is_whitespace() || "/?#\"".contains(c)).unwrap_or(after.len());
        // The last @ ends the password: one in it may have been left unescaped.
        match after[..authority].rsplit_once('@') {
            Some((user_and_password, _)) => {
                let user = user_and_password.split(':').next().unwrap_or_default();
                shown.push_str(user);
                rest = &after[user_and_password.len()..];
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A daemon with nothing to complain of.
    fn healthy() -> Health {
        let health = Health::default();
        health.well(Part::Intake, Doing::Consuming);
        health.well(Part::Ledger, Doing::Applying);
        health.well(Part::Relay, Doing::Publishing);
        health
    }

    #[test]
    fn the_status_line_tells_each_part_as_it_changes() {
        let health = Health::default();
        let mut line = health.status_line();
        assert_eq!(*line.borrow_and_update(), "intake starting; ledger starting; relay starting");
        health.well(Part::Intake, Doing::Consuming);
        health.waiting(Part::Ledger, &"PostgreSQL could not be reached in time");
        assert!(line.has_changed().unwrap());
        let now = "intake consuming; ledger waiting: PostgreSQL could not be reached in time; relay starting";
        assert_eq!(*line.borrow_and_update(), now);
        health.well(Part::Intake, Doing::Consuming);
        assert!(!line.has_changed().unwrap(), "the same again is no change");
    }

    #[test]
    fn a_daemon_is_ready_once_every_part_of_it_is_well() {
        let health = Health::default();
        assert_eq!(health.readiness().status, Verdict::Failing);
        health.well(Part::Intake, Doing::Consuming);
        health.well(Part::Ledger, Doing::Ready);
        assert_eq!(health.readiness().status, Verdict::Failing, "the relay is still starting");
        health.well(Part::Relay, Doing::Publishing);
        assert_eq!(health.readiness().status, Verdict::Ok);
    }

    #[test]
    fn a_daemon_that_stands_by_is_ready_too() {
        let health = healthy();
        health.well(Part::Intake, Doing::StandingBy);
        health.well(Part::Ledger, Doing::Ready);
        health.well(Part::Relay, Doing::StandingBy);
        let readiness = health.readiness();
        assert_eq!(readiness.status, Verdict::Ok);
        assert_eq!(readiness.parts.intake.state, "standing_by");
    }

    #[test]
    fn whoever_is_not_ready_says_which_part_and_why() {
        let health = healthy();
        health.without_server(Part::Intake, true, &"these credentials are refused");
        health.without_server(Part::Ledger, false, &"no answer");
        let report = serde_json::to_value(health.readiness()).unwrap();
        assert_eq!(report["status"], "failing");
        let intake = &report["parts"]["intake"];
        let told = json!([intake["status"], intake["state"], intake["reason"]]);
        assert_eq!(told, json!(["failing", "refused", "these credentials are refused"]));
        assert_eq!(report["parts"]["ledger"]["state"], "waiting");
        assert_eq!(report["parts"]["relay"]["status"], "ok");
        assert_eq!(report["parts"]["relay"]["reason"], json!(null));
    }

    #[test]
    fn another_reason_is_not_another_state() {
        let health = healthy();
        health.waiting(Part::Ledger, &"the first try");
        let first = health.readiness().parts.ledger;
        while clock::now() == first.since {}
        health.waiting(Part::Ledger, &"the second try");
        let second = health.readiness().parts.ledger;
        assert_eq!((second.reason.as_deref(), second.since), (Some("the second try"), first.since));
        health.well(Part::Ledger, Doing::Applying);
        assert!(health.readiness().parts.ledger.since > first.since);
    }

    #[test]
    fn a_daemon_that_stops_is_not_ready_though_all_is_well() {
        let health = healthy();
        health.stopping();
        let readiness = health.readiness();
        assert_eq!((readiness.status, readiness.stopping), (Verdict::Failing, true));
        assert!(readiness.parts.intake.status.is_ok());
    }

    #[test]
    fn no_reason_shows_a_password() {
        for (said, shown) in [
            ("amqp://creditd:s3cret@mq:5672/x is away", "amqp://creditd@mq:5672/x is away"),
            ("two: postgres://a:b@h and amqps://c:d@e@h", "two: postgres://a@h and amqps://c@h"),
            ("amqp://mq:5672/x: no such thing as a@b", "amqp://mq:5672/x: no such thing as a@b"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(without_passwords(said), shown);
            let health = Health::default();
            health.refused(Part::Intake, &said);
            assert_eq!(health.readiness().parts.intake.reason.as_deref(), Some(shown));
        }
    }
}
