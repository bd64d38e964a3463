//! What is due by the clock, applied as inputs of the ledger's own: price lists that start, grants that expire
//! or are about to, stale holds. The core does the same before a message where the message depends on it.

use tracing::info;

use crate::clock;
use crate::ledger::input::Input;
use crate::ledger::outcome::Outcome;
use crate::store::{Decided, InboxRow, Received, Store, StoreError};

/// No more of a kind are looked for at a time.
const AT_ONCE_MAX: u32 = 100;

/// What came of looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Whether entries or notices were written, which the relay may publish.
    pub(super) wrote_log: bool,
    /// Whether something came to be known that parked messages may wait for.
    pub(super) appeared: bool,
    /// Whether there may be more to do.
    pub(super) more: bool,
}

/// Applies what is due. Another daemon may see the same and be quicker.
pub(super) async fn apply_due(store: &Store) -> Result<Done, StoreError> {
    // A ledger that no daemon has set up yet has nothing in it.
    let (Some(settings), _) = store.settings().await? else { return Ok(Done::default()) };
    let now = clock::now();
    let due = store.due(&settings, now, AT_ONCE_MAX.into()).await?;
    if due.is_empty() {
        return Ok(Done::default());
    }
    let mut batch = store.begin().await?;
    let Some(settings) = batch.settings().cloned() else { return Ok(Done::default()) };
    let now = now.max(batch.last_at());
    let mut inputs: Vec<Input> = due.into_iter().map(|own| own.into_input(now)).collect();
    let keys: Vec<_> = inputs.iter().map(|input| input.cause.key.clone()).collect();
    let (inbox, _) = batch.inbox(&keys).await?;
    inputs.retain(|input| !inbox.knows(&input.cause.key));
    if inputs.is_empty() {
        batch.roll_back().await?;
        return Ok(Done::default());
    }
    let Decided::Done(decisions, changes) = batch.decide(&inputs, &settings).await? else {
        unreachable!("only commands are refused");
    };
    // What another daemon was quicker with did nothing, and leaves no trace.
    let applied = inputs.iter().zip(&decisions).filter(|(_, decision)| decision.outcome != Outcome::Stale);
    let rows = applied.map(|(input, decision)| InboxRow::of_own(input, decision));
    let received = Received { first: rows.collect(), ..Received::default() };
    batch.save(&received, &changes, now).await?;
    batch.commit().await?;
    for row in &received.first {
        let key = &row.key;
        info!(source = %key.source, id = %key.id, "what was due is applied");
    }
    let (wrote_log, appeared) = (!changes.log.is_empty(), !changes.appeared.is_empty());
    Ok(Done { wrote_log, appeared, more: !received.first.is_empty() })
}
