//! Messages from memory into the ledger: decoding, load, decide, save and commit, without a broker.

use std::time::Instant;

use tokio::sync::mpsc;

use super::ground::Field;
use super::workload::{Outgoing, Sent};
use super::{BenchError, Progress, finish, per_second};
use crate::batch::settings::adopt;
use crate::batch::{Arrival, Attempt, Committed, Landing, Pipeline};
use crate::clock;

/// Applies what was sent, and says how many messages were committed in a second. The accounts are open already.
pub(super) async fn run(field: &Field, sent: &Sent, progress: Progress<'_>) -> Result<f64, BenchError> {
    // What was made for it must not be measured with it.
    let messages = sent.messages.clone();
    let count = messages.len();
    let step = |done| progress.at("applying messages", done, count);
    let began = Instant::now();
    let committed = apply(field, messages, field.messages_max, &step).await?;
    let took = began.elapsed();
    let found = (committed.decided(), committed.repeated, committed.parked);
    let expected = (sent.decided, sent.repeated, sent.invalid);
    if found != expected {
        return Err(BenchError::Wrong(format!(
            "of decided, repeated and parked messages there are {found:?}, and {expected:?} were sent"
        )));
    }
    Ok(per_second(count, took))
}

/// Sets the ledger up and opens the accounts.
pub(super) async fn open(field: &Field, opening: Vec<Outgoing>) -> Result<(), BenchError> {
    adopt(&field.store, &field.settings).await?;
    apply(field, opening, field.messages_max, &|_| {}).await?;
    Ok(())
}

/// Applies messages as the daemon does: they are decoded while the batch before is committed. `step` hears how many
/// are done.
pub(super) async fn apply<M>(
    field: &Field,
    messages: M,
    batch_max: usize,
    step: &dyn Fn(usize),
) -> Result<Committed, BenchError>
where
    M: IntoIterator<Item = Outgoing, IntoIter: Send> + Send + 'static,
{
    let (sender, mut decoded) = mpsc::channel(2 * batch_max);
    let decoding = tokio::spawn(async move {
        for message in messages {
            let arrival = Arrival::decode(message.raw(), clock::now());
            if sender.send(arrival).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut pipeline = Pipeline::new(field.store.clone());
    let mut total = Committed::default();
    let mut done = 0;
    let mut buffer = Vec::with_capacity(batch_max);
    while decoded.recv_many(&mut buffer, batch_max).await > 0 {
        let arrivals = std::mem::replace(&mut buffer, Vec::with_capacity(batch_max));
        let count = arrivals.len();
        let landing = pipeline.push(arrivals, count, &field.settings).await;
        done += settle(&mut pipeline, landing, field, &mut total).await?;
        step(done);
    }
    let landing = pipeline.land().await;
    settle(&mut pipeline, landing, field, &mut total).await?;
    finish(decoding).await?;
    Ok(total)
}

/// Adds what was committed to `total`, and applies what has yet to be. Says how many messages that are.
async fn settle(
    pipeline: &mut Pipeline<usize>,
    landing: Landing<usize>,
    field: &Field,
    total: &mut Committed,
) -> Result<usize, BenchError> {
    let Landing { written, undone, error } = landing;
    let mut done = 0;
    if let Some((written, count)) = written {
        total.add(&written.committed);
        done += count;
    }
    error.map_or(Ok(()), Err)?;
    for (arrivals, count) in undone {
        match pipeline.apply(&arrivals, &field.settings).await? {
            Attempt::Committed(written) => total.add(&written.committed),
            Attempt::SettingsDiffer => {
                return Err(BenchError::Wrong("the ledger's settings were changed meanwhile".to_owned()));
            }
        }
        done += count;
    }
    Ok(done)
}
