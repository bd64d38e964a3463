//! `creditd events replay`: an account's events again, for a consumer that lost some. An event is a function of
//! its row, so it has the id and the bytes that it had; nothing in the ledger changes by it.

use std::collections::VecDeque;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::super::output::{print, print_json};
use super::super::{CommandError, open_store_by};
use super::EventType;
use super::sending::{Sending, Sent, WINDOW, counted};
use crate::config::Config;
use crate::daemon::message_of;
use crate::store::{LogKind, LogLine, Span, Store};

#[derive(Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Whose events; a pool's id is pool: and its organization's.
    #[arg(long, value_name = "ID")]
    account: String,
    /// The first `data.sequence` to send again. Each type has its own numbers, from 1.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(1..))]
    from: i64,
    /// The last one [default: the last that is published].
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
    /// Only this type [default: all, each by its own numbers].
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// Only say what would be sent.
    #[arg(long)]
    dry_run: bool,
}

/// Events of one type, by their own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Part {
    #[serde(rename = "type")]
    kind: LogKind,
    from: i64,
    to: i64,
}

/// What is to be sent, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    parts: Vec<Part>,
    /// Asked for, and removed by retention.
    removed: Vec<Part>,
    /// Not published yet.
    unpublished: Vec<Part>,
}

/// What was done, as `--json` shows it.
#[derive(Serialize)]
struct Replayed<'a> {
    account_id: &'a str,
    dry_run: bool,
    parts: &'a [Part],
    removed: &'a [Part],
    unpublished: &'a [Part],
    sent: i64,
    unroutable: i64,
}

impl Part {
    /// `None` where it would be empty.
    fn new(kind: LogKind, from: i64, to: i64) -> Option<Self> {
        (from <= to).then_some(Self { kind, from, to })
    }

    fn events(&self) -> i64 {
        self.to - self.from + 1
    }
}

pub(super) async fn run(
    arguments: &ReplayArgs,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let config = Config::load(config)?;
    let store = open_store_by(&config).await?;
    let account = &arguments.account;
    let Some(mut spans) = store.event_spans(account).await? else {
        let hint = "`creditd account list` shows those that are";
        return Err(CommandError::Refused(format!("no account {account:?} is known; {hint}")));
    };
    if let Some(only) = arguments.event_type {
        spans.retain(|span| span.kind == only.kind());
    }
    let plan = plan(account, &spans, arguments.from, arguments.to).map_err(CommandError::Refused)?;
    for gone in &plan.removed {
        eprintln!("creditd: {} can't be sent again: removed by retention", told(gone));
    }
    for later in &plan.unpublished {
        eprintln!("creditd: {} is left out: the relay publishes it for the first time", told(later));
    }
    let done = match arguments.dry_run {
        true => Sent::default(),
        false => send(&config, &store, account, &plan.parts).await?,
    };
    report(arguments, &plan, done, json)?;
    done.heard()
}

/// What of `from` to `to` can be sent, or why nothing is. `spans` are those of the types asked for.
fn plan(account: &str, spans: &[Span], from: i64, to: Option<i64>) -> Result<Plan, String> {
    let last = spans.iter().map(|span| span.last).max().unwrap_or(0);
    if let Some(to) = to.filter(|to| *to < from) {
        return Err(format!("--from is {from} and --to is {to}: swap them"));
    }
    let asked = spans.iter().map(|span| span.kind.as_str()).collect::<Vec<_>>().join(" or ");
    if from > last || to.is_some_and(|to| to > last) {
        return Err(format!("{account} has no {asked} {}; the last is {last}", to.unwrap_or(from).max(from)));
    }
    let mut plan = Plan::default();
    for span in spans {
        let through = to.unwrap_or(span.last).min(span.last);
        let removed_through = through.min(span.first - 1);
        plan.removed.extend(Part::new(span.kind, from, removed_through));
        plan.parts.extend(Part::new(span.kind, from.max(span.first), through.min(span.published)));
        plan.unpublished.extend(Part::new(span.kind, from.max(span.published + 1), through));
    }
    // A consumer must not see from here what the relay hasn't told yet: it would drop that when it comes.
    if let Some(early) = plan.unpublished.first().filter(|_| to.is_some() || plan.parts.is_empty()) {
        let hint = "it comes by itself; `creditd relay status` tells when nobody publishes";
        return Err(format!("{} of {account} is not published yet: {hint}", told(early)));
    }
    if plan.parts.is_empty() {
        let gone: Vec<_> = plan.removed.iter().map(told).collect();
        return Err(format!("{} of {account} can't be sent again: removed by retention", gone.join(", ")));
    }
    Ok(plan)
}

fn told(part: &Part) -> String {
    let Part { kind, from, to } = part;
    let kind = kind.as_str();
    if from == to { format!("{kind} {from}") } else { format!("{kind} {from} to {to}") }
}

/// Publishes the parts in the order of the log.
async fn send(config: &Config, store: &Store, account: &str, parts: &[Part]) -> Result<Sent, CommandError> {
    let mut sending = Sending::begin(config, parts.iter().map(Part::events).sum()).await?;
    let source = store.event_source().await?;
    let mut events = Events::new(store, account, parts);
    loop {
        let window = events.next_window().await?;
        if window.is_empty() {
            return Ok(sending.end().await);
        }
        sending.send(&window.iter().map(|line| message_of(&source, line)).collect::<Vec<_>>()).await?;
    }
}

/// The events of some parts in the order of the log. No more than a window of each is in memory.
struct Events<'a> {
    store: &'a Store,
    account: &'a str,
    sources: Vec<(Part, VecDeque<LogLine>)>,
}

impl<'a> Events<'a> {
    fn new(store: &'a Store, account: &'a str, parts: &[Part]) -> Self {
        let sources = parts.iter().map(|part| (*part, VecDeque::new())).collect();
        Self { store, account, sources }
    }

    /// The next ones; none at the end.
    async fn next_window(&mut self) -> Result<Vec<LogLine>, CommandError> {
        let mut window = Vec::new();
        while window.len() < WINDOW {
            self.refill().await?;
            let heads = self.sources.iter_mut().filter(|(_, lines)| !lines.is_empty());
            let Some((_, lines)) = heads.min_by_key(|(_, lines)| lines[0].number()) else { break };
            window.extend(lines.pop_front());
        }
        Ok(window)
    }

    /// Reads on in those that are used up and not at their end.
    async fn refill(&mut self) -> Result<(), CommandError> {
        for (part, lines) in self.sources.iter_mut().filter(|(_, lines)| lines.is_empty()) {
            let to = part.to.min(part.from + counted(WINDOW) - 1);
            if part.from > to {
                continue;
            }
            let read = self.store.account_lines(self.account, part.kind, part.from, to).await?;
            if !read.iter().map(LogLine::sequence).eq(part.from..=to) {
                let what = told(&Part { to, ..*part });
                let why = "some of them are gone: did retention remove them meanwhile? run `creditd verify`";
                return Err(CommandError::Refused(format!(
                    "{what} of {} can't be read: {why}",
                    self.account
                )));
            }
            part.from = to + 1;
            lines.extend(read);
        }
        Ok(())
    }
}

fn report(
    arguments: &ReplayArgs,
    plan: &Plan,
    Sent { sent, unroutable }: Sent,
    json: bool,
) -> Result<(), CommandError> {
    let (account, dry_run) = (&arguments.account, arguments.dry_run);
    let Plan { parts, removed, unpublished } = plan;
    if json {
        let account_id = account;
        return print_json(&Replayed { account_id, dry_run, parts, removed, unpublished, sent, unroutable });
    }
    let what = parts.iter().map(told).collect::<Vec<_>>().join(", ");
    if dry_run {
        let total: i64 = parts.iter().map(Part::events).sum();
        return print(&format!("would send {total} events of {account} again: {what}"));
    }
    print(&format!("sent {sent} events of {account} again: {what}; no queue took {unroutable} of them"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::notice::NoticeKind;

    const ALERT: LogKind = LogKind::Notice(NoticeKind::Alert);

    /// Entries 1 to 9, of which 8 are published, and alerts 4 to 5 of 6, of which 3 were removed.
    const SPANS: [Span; 2] = [
        Span { kind: LogKind::Entry, first: 1, published: 8, last: 9 },
        Span { kind: ALERT, first: 4, published: 5, last: 6 },
    ];

    fn part(kind: LogKind, from: i64, to: i64) -> Part {
        Part { kind, from, to }
    }

    #[test]
    fn what_is_left_and_published_is_sent_and_the_rest_is_told() {
        let expected = Plan {
            parts: vec![part(LogKind::Entry, 2, 8), part(ALERT, 4, 5)],
            removed: vec![part(ALERT, 2, 3)],
            unpublished: vec![part(LogKind::Entry, 9, 9), part(ALERT, 6, 6)],
        };
        assert_eq!(plan("a", &SPANS, 2, None), Ok(expected));
        let expected = Plan { parts: vec![part(LogKind::Entry, 7, 8)], ..Plan::default() };
        assert_eq!(plan("a", &SPANS[..1], 7, Some(8)), Ok(expected));
    }

    #[test]
    fn a_range_that_reaches_beyond_what_is_published_or_there_is_refused() {
        let refused = |spans, from, to| plan("a", spans, from, to).unwrap_err();
        let said = refused(&SPANS[..1], 1, Some(9));
        assert!(said.starts_with("balance_changed 9 of a is not published yet"), "{said}");
        let said = refused(&SPANS[..1], 9, None);
        assert!(said.starts_with("balance_changed 9 of a is not published yet"), "{said}");
        assert_eq!(refused(&SPANS[..1], 3, Some(10)), "a has no balance_changed 10; the last is 9");
        assert_eq!(refused(&SPANS, 12, None), "a has no balance_changed or alert 12; the last is 9");
        assert_eq!(refused(&SPANS, 5, Some(4)), "--from is 5 and --to is 4: swap them");
        let said = refused(&SPANS[1..], 1, Some(3));
        assert_eq!(said, "alert 1 to 3 of a can't be sent again: removed by retention");
    }
}
