//! Commands: what people tell the ledger at the command line or by HTTP. Each is a message of its own, decided
//! by the core like any other, under the same lock and in the same kind of transaction (DESIGN 1.5).

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::contract::outbound::StoredNotice;
use crate::ledger::books::{Changes, Decision, LogRecord};
use crate::ledger::entry::Cause;
use crate::ledger::ids::{MessageKey, ProjectId};
use crate::ledger::input::{Author, Command, Fact, Input};
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::{Outcome, Refusal};
use crate::ledger::project::Project;
use crate::ledger::settings::Settings;
use crate::store::{Decided, InboxRow, LogLine, Received, Remedy, Store, StoreError};

/// The source of what is given at the command line.
pub const CLI_SOURCE: &str = "creditd/cli";
/// How often a command is tried that lost against another transaction, or whose end is not known.
const TRIES_MAX: u32 = 5;
/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// A command on its way. The same one takes effect once, however often it is given.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which command it is.
    pub key: MessageKey,
    /// By whom, why, and what it expects to be there.
    pub command: Command,
    /// What is to be.
    pub fact: Fact,
}

impl Order {
    /// A new command from `source`, under an id that nothing else has: the time and a random number.
    pub fn new(source: &str, command: Command, fact: Fact) -> Self {
        let id = format!("{}-{:016x}", clock::now(), fastrand::u64(..));
        Self { key: MessageKey::new(source, &id), command, fact }
    }

    fn into_input(self, now: Timestamp) -> Input {
        let message_type = self.fact.command_type().into();
        let cause = Cause { key: self.key, message_type, traceparent: None };
        let author = Author::Command(self.command);
        Input { cause: Arc::new(cause), time: None, revision: None, author, fact: self.fact, now }
    }
}

/// What came of a command.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done, or with a dry run: it would be.
    Done(Effect),
    /// It was refused, and changed nothing.
    Refused(Refusal),
}

/// What a command did, or would do.
#[derive(Clone, Debug)]
pub struct Effect {
    /// Which command it was.
    pub key: MessageKey,
    /// Whether the hold that it leads to was refused, by the account's own policy. The rest of it is done.
    pub hold_refused: bool,
    /// What is written: entries and notices, in order, as they are published.
    pub log: Vec<LogLine>,
}

/// Gives a command. `settings` decide in a ledger that no daemon has set up yet.
///
/// Where the reply to the commit is lost it is given again under the same key, and found to be done.
pub async fn give(store: &Store, settings: &Arc<Settings>, order: &Order) -> Result<Answer, StoreError> {
    let answer = give_if(store, settings, order, None).await?;
    Ok(answer.expect("a command that looks at no project finds none changed"))
}

/// A project as it was seen when a command about it was made: which, and what there was of it.
pub type Seen<'p> = (&'p ProjectId, Option<&'p Project>);

/// As [`give`], unless somebody has told of the project since it was `seen`: then nothing is done, and there is
/// no answer.
pub async fn give_if_as_seen(
    store: &Store,
    settings: &Arc<Settings>,
    order: &Order,
    seen: Seen<'_>,
) -> Result<Option<Answer>, StoreError> {
    give_if(store, settings, order, Some(seen)).await
}

async fn give_if(
    store: &Store,
    settings: &Arc<Settings>,
    order: &Order,
    seen: Option<Seen<'_>>,
) -> Result<Option<Answer>, StoreError> {
    let mut tries = 1;
    loop {
        match try_once(store, settings, order, seen).await {
            Err(error) if tries < TRIES_MAX && matches!(error.remedy(), Remedy::Wait | Remedy::Retry) => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Says what would come of a command, on a snapshot: nothing is locked or kept.
pub async fn preview(store: &Store, settings: &Arc<Settings>, order: &Order) -> Result<Answer, StoreError> {
    let mut snapshot = store.look().await?;
    let input = order.clone().into_input(clock::now().max(snapshot.last_at()));
    match snapshot.decide(std::slice::from_ref(&input), settings).await? {
        Decided::Refused(refusal) => Ok(Answer::Refused(refusal)),
        Decided::Done(decisions, changes) => Ok(Answer::Done(effect(&input, &decisions, &changes))),
    }
}

async fn try_once(
    store: &Store,
    settings: &Arc<Settings>,
    order: &Order,
    seen: Option<Seen<'_>>,
) -> Result<Option<Answer>, StoreError> {
    let mut batch = store.begin().await?;
    let input = order.clone().into_input(clock::now().max(batch.last_at()));
    if batch.inbox(std::slice::from_ref(&order.key)).await?.0.knows(&order.key) {
        batch.roll_back().await?;
        return done_before(store, order).await.map(Some);
    }
    if let Some((id, project)) = seen
        && batch.project(id).await?.as_ref().map(Project::versions) != project.map(Project::versions)
    {
        batch.roll_back().await?;
        return Ok(None);
    }
    let inputs = [input];
    let (decisions, changes) = match batch.decide(&inputs, settings).await? {
        Decided::Done(decisions, changes) => (decisions, changes),
        Decided::Refused(refusal) => {
            batch.roll_back().await?;
            return Ok(Some(Answer::Refused(refusal)));
        }
    };
    let rows = inputs.iter().zip(&decisions).map(|(input, decision)| InboxRow::of_own(input, decision));
    let received = Received { first: rows.collect(), ..Received::default() };
    let [input] = inputs;
    batch.save(&received, &changes, input.now).await?;
    batch.commit().await?;
    Ok(Some(Answer::Done(effect(&input, &decisions, &changes))))
}

/// The reply to an earlier try was lost, and it had come through.
async fn done_before(store: &Store, order: &Order) -> Result<Answer, StoreError> {
    let MessageKey { source, id } = &order.key;
    let fate = store.message_fate(source, id).await?.expect("the inbox was just seen to know it");
    let hold_refused = fate.outcome == "rejected";
    Ok(Answer::Done(Effect { key: order.key.clone(), hold_refused, log: fate.log }))
}

fn effect(input: &Input, decisions: &[Decision], changes: &Changes) -> Effect {
    let lines = changes.log.iter().map(|record| match record {
        LogRecord::Entry(entry) => LogLine::Entry(Box::new(entry.clone())),
        LogRecord::Notice(notice) => LogLine::Notice(Box::new(StoredNotice::from(notice))),
    });
    Effect {
        key: input.cause.key.clone(),
        hold_refused: decisions.iter().any(|decision| matches!(decision.outcome, Outcome::Rejected(_))),
        log: lines.collect(),
    }
}
