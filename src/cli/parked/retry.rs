//! `creditd parked retry`: messages are marked as due, and the running daemon offers them again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::super::CommandError;
use super::super::output::{Column, counted, or_dash, print, print_json, printable, progress};
use super::super::streamed::{Document, Out, Rows};
use super::filter::{FILTERS, FilterArgs, refuse_flawed};
use super::{handling, instead, lasting_reasons};
use crate::store::{Desk, OfferResult, ParkedFilter, ParkedSummary, Store, StoreError};

/// How many are marked in one transaction, which daemons wait for, and looked at together afterwards.
const PAGE: i64 = 1_000;
/// No more are marked before the first of them were offered: enough to keep a daemon busy, and few to remember.
const OUTSTANDING_MAX: usize = 10_000;
/// How often is looked at what became of them.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(in super::super) struct RetryArgs {
    /// Their numbers, as `parked list` shows them.
    #[arg(value_name = "ID", required_unless_present_any = FILTERS_AND_ALL, conflicts_with_all = FILTERS_AND_ALL)]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// All for which it can help.
    #[arg(long, conflicts_with_all = FILTERS)]
    all: bool,
    /// Bring discarded messages back.
    #[arg(long, conflicts_with_all = FILTERS_AND_ALL)]
    discarded: bool,
    /// Only mark them; a running daemon offers them within seconds.
    #[arg(long, conflicts_with = "wait_s")]
    no_wait: bool,
    /// Give up after so many seconds in which none was offered.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    wait_s: u32,
}

const FILTERS_AND_ALL: [&str; 5] = [FILTERS[0], FILTERS[1], FILTERS[2], FILTERS[3], "all"];

pub(super) async fn run(store: &Store, args: RetryArgs, json: bool) -> Result<(), CommandError> {
    let mut retry = match args.ids.is_empty() {
        true => Retry::of_matching(store, &args).await?,
        false => Retry::of_named(store, &args).await?,
    };
    if args.no_wait {
        while retry.mark().await? > 0 {
            retry.outstanding.clear();
        }
        return retry.tell_marked(json);
    }
    let wait = Duration::from_secs(args.wait_s.into());
    let stalled = match json {
        true => retry.wait_with_json(wait).await?,
        false => retry.wait_with_table(wait).await?,
    };
    match stalled {
        false => Ok(()),
        true => Err(retry.stalled(args.wait_s).await),
    }
}

/// Messages on their way: marked, offered, and told.
struct Retry<'s> {
    store: &'s Store,
    filter: ParkedFilter,
    /// Those that match have numbers after the one and up to the other.
    unmarked: (i64, i64),
    /// Marked, and not known to have been offered; oldest first.
    outstanding: VecDeque<i64>,
    marked: usize,
    /// How many match and can't be helped by it, by reason.
    left_out: BTreeMap<String, i64>,
    /// How many will be marked, as far as is known.
    total: usize,
    tally: Tally,
}

/// What became of those that were offered.
#[derive(Default)]
struct Tally {
    offered: usize,
    outcomes: BTreeMap<String, usize>,
    parked_again: BTreeMap<String, usize>,
}

impl<'s> Retry<'s> {
    /// All of those that were named, marked, or none of them.
    async fn of_named(store: &'s Store, args: &RetryArgs) -> Result<Self, CommandError> {
        let asked: BTreeSet<_> = args.ids.iter().copied().collect();
        let ids: Vec<_> = asked.iter().copied().collect();
        let mut desk = store.desk().await?;
        let found = desk.messages(&ids).await?;
        refuse_flawed(&asked, &found, "offered again", |message| flaw(message, args.discarded))?;
        desk.offer_again(&ids).await?;
        desk.commit().await?;
        let (marked, outstanding) = (ids.len(), VecDeque::from(ids));
        Ok(Self { outstanding, marked, total: marked, ..Self::new(store, ParkedFilter::default()) })
    }

    /// Those that match, to be marked page by page. What is parked meanwhile is left alone.
    async fn of_matching(store: &'s Store, args: &RetryArgs) -> Result<Self, CommandError> {
        let filter = args.filter.filter();
        if let Some((reason, instead)) =
            filter.reason.as_deref().and_then(|reason| Some((reason, instead(reason)?)))
        {
            let hint = "what needs no more attention, `creditd parked discard` closes";
            let told = format!(
                "what is parked for {reason} can't succeed by being offered again: {instead}; {hint}"
            );
            return Err(CommandError::Refused(told));
        }
        let counts = store.look().await?.parked_counts(&filter, false).await?;
        let through = counts.iter().map(|count| count.last_id).max().unwrap_or(0);
        let (lasting, helped): (Vec<_>, Vec<_>) =
            counts.iter().partition(|count| instead(&count.reason).is_some());
        let left_out = lasting.iter().map(|count| (count.reason.clone(), count.messages)).collect();
        let total: i64 = helped.iter().map(|count| count.messages).sum();
        let total = usize::try_from(total).unwrap_or(0);
        Ok(Self { unmarked: (0, through), left_out, total, ..Self::new(store, filter) })
    }

    fn new(store: &'s Store, filter: ParkedFilter) -> Self {
        Self {
            store,
            filter,
            unmarked: (0, 0),
            outstanding: VecDeque::new(),
            marked: 0,
            left_out: BTreeMap::new(),
            total: 0,
            tally: Tally::default(),
        }
    }

    /// Marks the next page of those that match. Says how many it has.
    async fn mark(&mut self) -> Result<usize, StoreError> {
        if self.unmarked.0 >= self.unmarked.1 {
            return Ok(0);
        }
        let mut desk: Desk = self.store.desk().await?;
        let ids = desk.page(&self.filter, &lasting_reasons(), self.unmarked, PAGE).await?;
        let Some(&last) = ids.last() else {
            self.unmarked.0 = self.unmarked.1;
            return Ok(0);
        };
        desk.offer_again(&ids).await?;
        desk.commit().await?;
        self.unmarked.0 = last;
        self.marked += ids.len();
        Ok(ids.len()).inspect(|_| self.outstanding.extend(ids))
    }

    /// Waits until all were offered, and hands on what became of each. Says whether it was given up because for
    /// `wait` none was.
    async fn wait(
        &mut self,
        wait: Duration,
        tell: &mut impl FnMut(&OfferResult) -> Result<(), CommandError>,
    ) -> Result<bool, CommandError> {
        let bar = progress("offering messages", self.total);
        let mut progress_at = Instant::now();
        loop {
            while self.outstanding.len() < OUTSTANDING_MAX && self.mark().await? > 0 {}
            if self.outstanding.is_empty() {
                bar.finish_and_clear();
                return Ok(false);
            }
            let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
            let oldest: Vec<_> = self.outstanding.iter().copied().take(page).collect();
            let results = self.store.offer_results(&oldest).await?;
            if results.is_empty() {
                if progress_at.elapsed() >= wait {
                    bar.finish_and_clear();
                    return Ok(true);
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            progress_at = Instant::now();
            let offered: BTreeSet<_> = results.iter().map(|result| result.id).collect();
            self.outstanding.retain(|id| !offered.contains(id));
            bar.suspend(|| results.iter().try_for_each(&mut *tell))?;
            for result in &results {
                self.tally.add(result);
            }
            bar.inc(u64::try_from(results.len()).unwrap_or(0));
        }
    }

    async fn wait_with_table(&mut self, wait: Duration) -> Result<bool, CommandError> {
        let columns = [
            Column::Right("ID"),
            Column::Left("OUTCOME"),
            Column::Left("REASON"),
            Column::Left("SOURCE"),
            Column::Left("MESSAGE"),
            Column::Left("DETAIL"),
        ];
        let (mut out, mut rows) = (Out::new(), Rows::new(&columns));
        let stalled = self.wait(wait, &mut |result| rows.push(&mut out, row(result))).await?;
        if self.tally.offered > 0 {
            rows.begin(&mut out)?;
            out.line("")?;
        }
        out.line(&self.tally.told())?;
        if let Some(told) = self.left_out_told() {
            out.line(&told)?;
        }
        out.flush()?;
        Ok(stalled)
    }

    async fn wait_with_json(&mut self, wait: Duration) -> Result<bool, CommandError> {
        let mut out = Out::new();
        let mut document = Document::begin(&mut out)?;
        document.list("messages")?;
        let stalled = self.wait(wait, &mut |result| document.element(result)).await?;
        document.end_list()?;
        document.member("offered", &self.tally.offered)?;
        document.member("outcomes", &self.tally.outcomes)?;
        document.member("parked_again", &self.tally.parked_again)?;
        document.member("left_out", &self.left_out)?;
        document.member("still_due", &self.outstanding.len())?;
        document.end()?;
        Ok(stalled)
    }

    fn tell_marked(&self, json: bool) -> Result<(), CommandError> {
        if json {
            return print_json(&json!({ "due": self.marked, "left_out": self.left_out }));
        }
        let told = match self.marked {
            0 => "nothing that matches is parked".to_owned(),
            marked => {
                let marked = counted(marked, "message");
                format!("{marked} will be offered again by the running daemon, or by the next one")
            }
        };
        print(&told)?;
        self.left_out_told().map_or(Ok(()), |told| print(&told))
    }

    fn left_out_told(&self) -> Option<String> {
        if self.left_out.is_empty() {
            return None;
        }
        let reasons: Vec<_> =
            self.left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let told = format!("left out, because offering again can't help: {}", reasons.join(", "));
        let hints =
            self.left_out.keys().filter_map(|reason| Some(format!("\n    {reason}: {}", instead(reason)?)));
        Some(format!("{told}{}", hints.collect::<String>()))
    }

    /// What to do where nobody offers them.
    async fn stalled(&self, seconds: u32) -> CommandError {
        let left = self.outstanding.len() + self.total.saturating_sub(self.marked);
        let left = counted(left, "message");
        // The daemon that publishes has a lease, so it shows whether any is there.
        let daemon = match self.store.relay_status().await {
            Ok(status) if status.owner.is_none() => "no daemon is running: start `creditd run`",
            Ok(_) => "a daemon is running, so look at its log or status line for what it waits for",
            Err(_) => "PostgreSQL doesn't answer any more, so look at that first",
        };
        CommandError::Refused(format!(
            "{left} left, and none was offered in {seconds} s: {daemon}. What is marked stays due and is offered then; \
             `creditd parked list` shows what became of it"
        ))
    }
}

/// Why a message can't be offered again.
fn flaw(message: &ParkedSummary, discarded: bool) -> Option<String> {
    if message.standing_discard().is_some() && !discarded {
        return Some(format!("it was {}; --discarded brings it back", handling(message)));
    }
    if message.standing_discard().is_none() && message.done_at.is_some() {
        return Some(format!("it was {} already", handling(message)));
    }
    let instead = instead(&message.reason)?;
    Some(format!("it is parked for {}, and can't succeed by being offered again: {instead}", message.reason))
}

fn row(result: &OfferResult) -> Vec<String> {
    vec![
        result.id.to_string(),
        result.outcome.clone(),
        or_dash(result.reason.as_ref()),
        or_dash(result.source.as_deref().map(printable)),
        or_dash(result.message_id.as_deref().map(printable)),
        or_dash(result.detail.as_ref()),
    ]
}

impl Tally {
    fn add(&mut self, result: &OfferResult) {
        self.offered += 1;
        match &result.reason {
            Some(reason) => *self.parked_again.entry(reason.clone()).or_default() += 1,
            None => *self.outcomes.entry(result.outcome.clone()).or_default() += 1,
        }
    }

    fn told(&self) -> String {
        if self.offered == 0 {
            return "nothing was offered again".to_owned();
        }
        let outcomes = self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}"));
        let again =
            self.parked_again.iter().map(|(reason, count)| format!("{count} parked again ({reason})"));
        let parts: Vec<_> = outcomes.chain(again).collect();
        format!("{} offered again: {}", counted(self.offered, "message"), parts.join(", "))
    }
}
