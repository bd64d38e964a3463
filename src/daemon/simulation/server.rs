//! The database of a simulation, which is away, loses transactions and the replies to them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::error::{DatabaseError, ErrorKind};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::chance::Chance;
use super::messages::{Manner, Message};
use super::process::{Process, locked};
use crate::batch::in_memory::{Draft, Tables};
use crate::batch::{Arrival, Written};
use crate::ledger::ids::MessageKey;
use crate::store::StoreError;

/// The server, with the ledger's tables.
pub(super) struct Server {
    pub(super) tables: Mutex<Tables>,
    pub(super) chance: Chance,
    /// One in so many transactions fails in each of the ways in which it may.
    fails_one_in: usize,
    /// Whether none fails any more.
    is_calm: AtomicBool,
    away_until: Mutex<Option<Instant>>,
    harmful: HashMap<MessageKey, Manner>,
    /// How often a process ended that had this message alone in hand, or left it and could not note that it lives.
    ends: Mutex<HashMap<[u8; 32], u32>>,
    /// What goes on without those that began it.
    pub(super) left: Mutex<Vec<JoinHandle<()>>>,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    /// It loses against another.
    Serialized,
    LostBefore,
    ReplyLost,
}

/// What an attempt at a batch comes to.
pub(super) enum Tried {
    Written(Box<Written>),
    Failed(StoreError),
    /// The process dies of it.
    Dies,
}

impl Server {
    pub(super) fn new(tables: Tables, chance: Chance, fails_one_in: usize, messages: &[Message]) -> Self {
        let harmful = messages.iter().filter(|message| message.manner != Manner::Ordinary);
        let harmful = harmful.filter_map(|message| Some((message.key.clone()?, message.manner)));
        Self {
            tables: Mutex::new(tables),
            chance,
            fails_one_in,
            is_calm: AtomicBool::new(false),
            away_until: Mutex::default(),
            harmful: harmful.collect(),
            ends: Mutex::default(),
            left: Mutex::default(),
        }
    }

    pub(super) fn go_away(&self, length: Duration) {
        *locked(&self.away_until) = Some(Instant::now() + length);
    }

    /// From now on, nothing fails any more.
    pub(super) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// The way to it, or back.
    pub(super) async fn lag(&self) {
        sleep(self.chance.time(Duration::from_millis(40))).await;
    }

    /// The way to it, if it is there.
    pub(super) async fn reach(&self) -> Result<(), StoreError> {
        self.lag().await;
        match locked(&self.away_until).is_some_and(|until| until > Instant::now()) {
            true => Err(lost()),
            false => Ok(()),
        }
    }

    pub(super) fn fate(&self) -> Fate {
        if self.is_calm() {
            return Fate::Committed;
        }
        let fates = [Fate::Serialized, Fate::LostBefore, Fate::ReplyLost];
        *fates.get(self.chance.below(fates.len() * self.fails_one_in)).unwrap_or(&Fate::Committed)
    }

    /// Whether it says by chance that something needs the lock.
    pub(super) fn wants_lock(&self) -> bool {
        self.chance.one_in(10)
    }

    /// A transaction that has no more to say than `work`.
    pub(super) async fn transact<T>(
        &self,
        work: impl FnOnce(&mut Tables) -> T + Send,
    ) -> Result<T, StoreError> {
        self.reach().await?;
        let fate = self.fate();
        fate.before()?;
        let done = work(&mut locked(&self.tables));
        self.lag().await;
        fate.after().map(|()| done)
    }

    /// Tries to decide and to write a batch.
    pub(super) fn try_batch(&self, tables: &mut Tables, arrivals: &[Arrival], fate: Fate) -> Tried {
        let draft = tables.draft(arrivals);
        if self.kills(&draft) {
            return Tried::Dies;
        }
        if let Err(error) = self.refuses(&draft).and_then(|()| fate.before()) {
            return Tried::Failed(error);
        }
        Tried::Written(Box::new(tables.commit(draft)))
    }

    /// Whether whoever decides this dies of it.
    pub(super) fn kills(&self, draft: &Draft) -> bool {
        let of = self.harmful.iter().filter(|(_, manner)| **manner == Manner::KillsApplier);
        of.into_iter().any(|(key, _)| draft.settles(key))
    }

    fn refuses(&self, draft: &Draft) -> Result<(), StoreError> {
        let refused = |(key, manner): (&MessageKey, &Manner)| match manner {
            Manner::Refused => draft.settles(key),
            Manner::RefusedTwice => draft.remembers(key),
            Manner::Ordinary | Manner::KillsDecoder | Manner::KillsApplier => false,
        };
        if self.harmful.iter().any(refused) {
            return Err(refusal("22003"));
        }
        Ok(())
    }

    /// A process is gone, or for others as good as gone, and with that what it had in hand.
    pub(super) fn ended(&self, process: &Process) {
        if let Some(content) = process.had_alone() {
            self.ended_with_alone(content);
        }
    }

    /// What a process had alone in hand came to no end, as far as others can know.
    pub(super) fn ended_with_alone(&self, content: [u8; 32]) {
        *locked(&self.ends).entry(content).or_default() += 1;
    }

    pub(super) fn ends_with(&self, message: &Message) -> u32 {
        locked(&self.ends).get(&message.content).copied().unwrap_or_default()
    }

    /// A message may be acknowledged if it was decided, or is parked.
    pub(super) fn must_account_for(&self, message: &Message) {
        let tables = locked(&self.tables);
        let is_known = message.key.as_ref().is_some_and(|key| tables.known(key).is_some());
        let is_parked = tables.parked(&message.content).is_some();
        assert!(is_known || is_parked, "{message:?} was acknowledged, and nothing is known of it");
    }
}

impl Fate {
    pub(super) fn before(self) -> Result<(), StoreError> {
        match self {
            Fate::Serialized => Err(refusal("40001")),
            Fate::LostBefore => Err(lost()),
            Fate::Committed | Fate::ReplyLost => Ok(()),
        }
    }

    pub(super) fn after(self) -> Result<(), StoreError> {
        if self == Fate::ReplyLost { Err(lost()) } else { Ok(()) }
    }
}

fn lost() -> StoreError {
    sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()).into()
}

fn refusal(code: &'static str) -> StoreError {
    sqlx::Error::Database(Box::new(Refusal(code))).into()
}

/// A refusal, with its SQLSTATE.
#[derive(Debug)]
struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}", self.0)
    }
}

impl Error for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &'static str {
        "refused"
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.0.into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
