//! What state the daemon's parts are in: a log line for each change and none in between, and the status line
//! that `systemctl status` shows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info, warn};

use super::notify::Notifier;
use crate::broker::BrokerError;

/// A part of the daemon that can be in trouble by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Receiving from RabbitMQ.
    Intake,
    /// Applying to PostgreSQL.
    Ledger,
    /// Publishing events.
    Relay,
}

/// The state of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not begun yet.
    Starting,
    /// All is well; in a word, what it does.
    Well(&'static str),
    /// It waits for a server.
    Waiting(String),
    /// A server refuses it until somebody mends something.
    Refused(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Intake => "intake",
            Part::Ledger => "ledger",
            Part::Relay => "relay",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Starting => f.write_str("starting"),
            State::Well(doing) => f.write_str(doing),
            State::Waiting(why) => write!(f, "waiting: {why}"),
            State::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

const PARTS: [Part; 3] = [Part::Intake, Part::Ledger, Part::Relay];

/// The states of all parts. Clones share them.
#[derive(Clone)]
pub(super) struct Health {
    states: Arc<Mutex<[State; 3]>>,
    notifier: Arc<Notifier>,
}

impl Health {
    pub(super) fn new(notifier: Arc<Notifier>) -> Self {
        Self { states: Arc::new(Mutex::new([const { State::Starting }; 3])), notifier }
    }

    /// All is well with `part`.
    pub(super) fn well(&self, part: Part, doing: &'static str) {
        self.set(part, State::Well(doing));
    }

    /// `part` waits, because of `why`.
    pub(super) fn waiting(&self, part: Part, why: &dyn fmt::Display) {
        self.set(part, State::Waiting(why.to_string()));
    }

    /// `part` is refused by a server, because of `why`, and trying again will help only once that is mended.
    fn refused(&self, part: Part, why: &dyn fmt::Display) {
        self.set(part, State::Refused(why.to_string()));
    }

    /// `part` is without RabbitMQ: away, or refusing.
    pub(super) fn without_broker(&self, part: Part, error: &BrokerError) {
        match error.is_permanent() {
            true => self.refused(part, error),
            false => self.waiting(part, error),
        }
    }

    fn set(&self, part: Part, state: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut states[part as usize];
        if *place == state {
            return;
        }
        // The reason may read differently at each try, and that is no change of state.
        let is_change = std::mem::discriminant(place) != std::mem::discriminant(&state);
        match &state {
            State::Waiting(why) if is_change => warn!(part = %part, reason = %why, "waiting"),
            State::Refused(why) if is_change => {
                error!(part = %part, reason = %why, "refused; trying again in case somebody mends it");
            }
            State::Waiting(_) | State::Refused(_) | State::Starting => {}
            State::Well(doing) => info!(part = %part, "{doing}"),
        }
        *place = state;
        let line: Vec<_> =
            PARTS.iter().zip(states.iter()).map(|(part, state)| format!("{part} {state}")).collect();
        self.notifier.status(&line.join("; "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_tells_each_part() {
        let health = Health::new(Arc::default());
        health.well(Part::Intake, "consuming");
        health.waiting(Part::Ledger, &"PostgreSQL could not be reached in time");
        let states = health.states.lock().unwrap();
        assert_eq!(states[0].to_string(), "consuming");
        assert_eq!(states[1].to_string(), "waiting: PostgreSQL could not be reached in time");
        assert_eq!(states[2], State::Starting);
    }
}
