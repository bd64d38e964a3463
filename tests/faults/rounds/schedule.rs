//! What happens in a round, drawn from its seed.

use std::fmt;
use std::time::Duration;

use creditd::sandbox::ServerKind;

use crate::proxy::Towards;
use crate::support::PUBLISHED_AT_ONCE;

/// What is done to the daemons, to their servers, or to what lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// `kill -9` of a daemon, at any moment.
    KillDaemon,
    /// The first daemon that comes to this point dies there, as by `kill -9`.
    DieAt(&'static str),
    /// A daemon gets no processor time for a while, and comes back with what it held then.
    Suspend,
    /// `kill -9` of a server with all its processes. It is started again.
    Kill(ServerKind),
    /// All connections to a server end.
    Cut(ServerKind),
    /// Nothing comes through to a server, or from it. It does afterwards.
    Freeze(ServerKind, Towards),
    /// All that goes to a server, or comes from it, is late.
    Slow(ServerKind, Towards),
    /// What a server replies is lost, and then its connections.
    LoseReplies(ServerKind),
    /// RabbitMQ closes all connections.
    CloseConnections,
    /// RabbitMQ is short of memory and blocks whoever publishes.
    MemoryAlarm,
    /// Somebody deletes the daemon's queue, with what is in it. Upstream sends everything again.
    DeleteQueue,
    /// PostgreSQL has no connection to give, and takes those away that it gave.
    NoConnections,
    /// Somebody locks the ledger for longer than a statement waits.
    LockLedger,
    /// PostgreSQL ends transactions as it does with one of two that are in each other's way: by this SQLSTATE.
    EndTransactions(&'static str),
    /// The daemons' clock jumps, by so many seconds from what is right.
    JumpClock(i64),
}

impl Fault {
    /// What it is listed as.
    pub(super) fn kind(self) -> String {
        let server = |server| match server {
            ServerKind::Postgres => "PostgreSQL",
            ServerKind::RabbitMq => "RabbitMQ",
        };
        let way = |from_or_to| match from_or_to {
            Towards::Server => "to",
            Towards::Client => "from",
        };
        match self {
            Self::KillDaemon => "daemon killed at any moment".to_owned(),
            Self::DieAt(point) => format!("daemon killed when it has {point}"),
            Self::Suspend => "daemon stopped and continued".to_owned(),
            Self::Kill(kind) => format!("{} killed and started again", server(kind)),
            Self::Cut(kind) => format!("connections to {} cut", server(kind)),
            Self::Freeze(kind, towards) => {
                format!("nothing comes {} {} for a while", way(towards), server(kind))
            }
            Self::Slow(kind, towards) => format!("all comes late {} {}", way(towards), server(kind)),
            Self::LoseReplies(kind) => format!("replies of {} lost, then its connections", server(kind)),
            Self::CloseConnections => "RabbitMQ closes all connections".to_owned(),
            Self::MemoryAlarm => "RabbitMQ blocks publishers, short of memory".to_owned(),
            Self::DeleteQueue => "queue deleted, all sent again".to_owned(),
            Self::NoConnections => "PostgreSQL has no connections left".to_owned(),
            Self::LockLedger => "ledger locked by somebody else".to_owned(),
            Self::EndTransactions(state) => format!("transactions ended by PostgreSQL with {state}"),
            Self::JumpClock(seconds) if seconds < 0 => "clock jumps back".to_owned(),
            Self::JumpClock(_) => "clock jumps ahead".to_owned(),
        }
    }

    fn random(random: &mut fastrand::Rng) -> Self {
        let servers = [ServerKind::Postgres, ServerKind::RabbitMq];
        let server = *random.choice(&servers).expect("there are two");
        let towards = *random.choice(&[Towards::Server, Towards::Client]).expect("there are two");
        // Deaths of daemons make up a third: at each other fault they come back anyway.
        match random.u8(..24) {
            0..=1 => Self::KillDaemon,
            2..=7 => Self::DieAt(random.choice(&POINTS).expect("there are some")),
            8..=9 => Self::Suspend,
            10..=11 => Self::Kill(server),
            12 => Self::Cut(server),
            13..=14 => Self::Freeze(server, towards),
            15 => Self::Slow(server, towards),
            16 => Self::LoseReplies(server),
            17 => Self::CloseConnections,
            18 => Self::MemoryAlarm,
            19 => Self::DeleteQueue,
            20 => Self::NoConnections,
            21 => Self::LockLedger,
            22 => Self::EndTransactions(random.choice(&["40001", "40P01"]).expect("there are two")),
            _ if random.bool() => Self::JumpClock(-random.i64(1..BACK_SECONDS)),
            _ => Self::JumpClock(random.i64(1..AHEAD_SECONDS)),
        }
    }

    /// Whether a daemon may lose its connection to RabbitMQ by it and live.
    pub(super) fn ends_connections_to_rabbitmq(self) -> bool {
        match self {
            Self::Kill(server) | Self::Cut(server) | Self::Freeze(server, _) | Self::LoseReplies(server) => {
                server == ServerKind::RabbitMq
            }
            // A daemon that is stopped misses heartbeats.
            Self::CloseConnections | Self::DeleteQueue | Self::Suspend => true,
            Self::KillDaemon
            | Self::DieAt(_)
            | Self::Slow(..)
            | Self::MemoryAlarm
            | Self::NoConnections
            | Self::LockLedger
            | Self::EndTransactions(_)
            | Self::JumpClock(_) => false,
        }
    }

    /// Whether two can't be done at once.
    fn excludes(self, other: Self) -> bool {
        // One network in front of each server, in one state at a time.
        let network = |fault| match fault {
            Self::Cut(server)
            | Self::Freeze(server, _)
            | Self::Slow(server, _)
            | Self::LoseReplies(server) => Some(server),
            _ => None,
        };
        // A server that is away can't be told anything.
        let told = |fault| match fault {
            Self::CloseConnections | Self::MemoryAlarm | Self::DeleteQueue => Some(ServerKind::RabbitMq),
            Self::NoConnections | Self::LockLedger | Self::EndTransactions(_) => Some(ServerKind::Postgres),
            Self::Kill(server) => Some(server),
            _ => None,
        };
        let meet = |ours: Option<ServerKind>, theirs| ours.is_some() && ours == theirs;
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
            || meet(network(self), network(other))
            || meet(told(self), told(other))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind())?;
        if let Self::JumpClock(seconds) = self {
            write!(f, " by {seconds} s")?;
        }
        Ok(())
    }
}

/// How far the clock jumps back at most: a message whose time is more than a day ahead would be refused, and rightly.
const BACK_SECONDS: i64 = 86_000;
/// How far the clock jumps ahead at most: past the end of a month, and of whatever is kept for days.
const AHEAD_SECONDS: i64 = 40 * 86_400;

/// The points at which a daemon built for tests can be told to die, in the order in which a message comes by.
pub(super) const POINTS: [&str; 10] = [
    "received",
    "loaded",
    "decided",
    "saved",
    "committed",
    "noted",
    "acknowledged",
    "taken to publish",
    "published",
    "recorded",
];

/// When something happens, counted from the begin of its step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// After so many commits.
    Commits(i64),
    /// After so many events that are recorded as published.
    Events(i64),
    /// After so many milliseconds.
    Millis(u64),
}

/// A part of the stream is published, and while it is, something happens.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) moment: Moment,
    pub(super) faults: Vec<Fault>,
    pub(super) lasting: Duration,
}

/// All that happens in a round.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// How many daemons are at work on the ledger.
    pub(super) daemons: usize,
    pub(super) messages_max: u16,
    pub(super) statement_timeout_s: u8,
    pub(super) lock_timeout_s: u8,
    pub(super) steps: Vec<Step>,
}

impl Schedule {
    pub(super) fn random(random: &mut fastrand::Rng) -> Self {
        let count = random.usize(2..6);
        let mut steps: Vec<_> = (0..count).map(|_| Step::random(random)).collect();
        // RabbitMQ 3.10 loses a queue that it is killed just after the declaration of, which is a fault of its own.
        let is_deleted = steps.iter().any(|step| step.faults.contains(&Fault::DeleteQueue));
        if is_deleted {
            for step in &mut steps {
                step.faults.retain(|fault| *fault != Fault::Kill(ServerKind::RabbitMq));
            }
        }
        Self {
            daemons: *random.choice(&[1, 1, 2, 2, 3]).expect("there are some"),
            // Small batches, so that there are many moments to die at, and now and then large ones.
            messages_max: *random.choice(&[1, 5, 5, 20, 500]).expect("there are some"),
            // The shorter one strikes where somebody has a lock.
            statement_timeout_s: random.u8(1..4),
            lock_timeout_s: random.u8(1..4),
            steps,
        }
    }
}

/// What a step takes beside what is done in it lasts.
const ABOUT_A_STEP: Duration = Duration::from_secs(2);

impl Step {
    fn random(random: &mut fastrand::Rng) -> Self {
        let moment = match random.u8(..4) {
            0 => Moment::Millis(random.u64(..300)),
            1 => Moment::Events(random.i64(1..20)),
            _ => Moment::Commits(random.i64(1..10)),
        };
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..random.usize(1..4) {
            let fault = Fault::random(random);
            if !faults.iter().any(|other| fault.excludes(*other)) {
                faults.push(fault);
            }
        }
        // Long enough now and then for a statement, a lease (7 s) and a heartbeat (3 s here) to run out.
        let longest = *random.choice(&[300, 300, 3000, 9000]).expect("there are some");
        Self { moment, faults, lasting: Duration::from_millis(random.u64(50..longest)) }
    }

    /// How long upstream pauses after each few of so many messages, so that they come all the time that it takes.
    pub(super) fn pause(&self, messages: usize) -> Duration {
        let windows = messages.div_ceil(PUBLISHED_AT_ONCE).max(1);
        (self.lasting + ABOUT_A_STEP) / u32::try_from(windows).expect("a step has few")
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} daemons, batches of {}, statements of {} s, locks of {} s",
            self.daemons, self.messages_max, self.statement_timeout_s, self.lock_timeout_s
        )?;
        for step in &self.steps {
            let faults: Vec<_> = step.faults.iter().map(ToString::to_string).collect();
            write!(f, "\n  after {:?}, for {:?}: {}", step.moment, step.lasting, faults.join(" + "))?;
        }
        Ok(())
    }
}
