//! `creditd quote`: what a brief would cost, and whether it would start.

use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::output::{Column, members, or_dash, print, print_json, table};
use super::queue::unblocked_by;
use super::{CommandError, open_store_and_settings};
use crate::ledger::credits::Credits;
use crate::ledger::ids::AccountId;
use crate::ledger::input::{Deliverable, Price};
use crate::ledger::notice::{HoldBody, Obstacle};
use crate::report::quote::{Quote, QuoteError, QuotedAlert, QuotedLine, Verdict, quote};

/// The most pieces of one type, as messages may name them.
const QUANTITY_MAX: i64 = 1_000_000;

#[derive(Args)]
pub(super) struct QuoteArgs {
    /// Whose brief it would be.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: AccountId,
    /// What is to be made: a type and how many, such as video=2. Can be given more than once.
    #[arg(long = "deliverable", value_name = "TYPE=COUNT", value_parser = deliverable)]
    deliverables: Vec<Deliverable>,
    /// What it costs, where no price list is to say so.
    #[arg(long, value_name = "CREDITS", value_parser = credits, conflicts_with = "deliverables",
          allow_negative_numbers = true)]
    credits: Option<Credits>,
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse_named(text).map_err(|error| error.to_string())
}

fn credits(text: &str) -> Result<Credits, String> {
    let most = Credits::AMOUNT_MAX.0;
    let number = text.parse().ok().filter(|number| (0..=most).contains(number));
    number.map(Credits).ok_or_else(|| format!("expected a whole number from 0 to {most}"))
}

fn deliverable(text: &str) -> Result<Deliverable, String> {
    let expected = || format!("expected a type and how many, 1 to {QUANTITY_MAX}, such as video=2");
    let (what, count) = text.rsplit_once('=').ok_or_else(expected)?;
    let quantity = count.parse().ok().filter(|count| (1..=QUANTITY_MAX).contains(count));
    let is_type = (1..=64).contains(&what.chars().count()) && !what.contains(char::is_control);
    let quantity = quantity.filter(|_| is_type).ok_or_else(expected)?;
    Ok(Deliverable { deliverable_type: what.into(), quantity })
}

pub(super) async fn run(
    QuoteArgs { account, deliverables, credits }: QuoteArgs,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    if credits.is_none() && deliverables.is_empty() {
        let what =
            "what is to be quoted? --deliverable TYPE=COUNT says what is to be made, --credits what it costs";
        return Err(CommandError::Usage(what.to_owned()));
    }
    let (store, settings) = open_store_and_settings(config).await?;
    let price = match credits {
        Some(credits) => Price::Credits(credits),
        None => Price::Deliverables(deliverables.into()),
    };
    let mut snapshot = store.look().await?;
    let quoted = quote(&mut snapshot, &Arc::new(settings), &account, &price, None).await.map_err(
        |error| match error {
            QuoteError::Store(error) => CommandError::Store(error),
            QuoteError::Refused(why) => CommandError::Refused(why),
        },
    )?;
    if json { print_json(&quoted) } else { print(&show(&quoted)) }
}

fn show(quote: &Quote) -> String {
    let mut parts = Vec::new();
    if !quote.lines.is_empty() {
        parts.push(lines(&quote.lines));
    }
    parts.push(members(&[
        ("account", quote.account_id.to_string()),
        (
            "costs",
            quote.credits.map_or_else(|| "not known".to_owned(), |credits| format!("{credits} credits")),
        ),
        ("available", available(quote)),
        ("it would", verdict(&quote.verdict)),
        ("unblocked by", or_dash(unblocking(&quote.verdict))),
        ("alerts", alerts(quote)),
    ]));
    parts.join("\n\n")
}

fn lines(lines: &[QuotedLine]) -> String {
    let columns =
        [Column::Left("TYPE"), Column::Right("COUNT"), Column::Right("EACH"), Column::Right("CREDITS")];
    let row = |line: &QuotedLine| {
        vec![
            line.deliverable_type.to_string(),
            line.quantity.to_string(),
            line.each.map_or_else(|| "no price".to_owned(), |each| each.to_string()),
            or_dash(line.credits),
        ]
    };
    table(&columns, lines.iter().map(row))
}

fn available(quote: &Quote) -> String {
    match quote.usable == quote.available.or_zero() {
        true => quote.available.to_string(),
        false => format!("{}, of which {} can be held now", quote.available, quote.usable),
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Start => "start at once".to_owned(),
        Verdict::BeUnpriced { types } => {
            format!("hold nothing: no price list has {}; `creditd price set` sets one", types.join(", "))
        }
        Verdict::Wait { claim, .. } => {
            let place = claim.position.unwrap_or_default();
            let why = match (&claim.aside, &claim.shortfall) {
                (Some(aside), _) => {
                    format!(
                        "aside: account {} can't carry more than {} at all",
                        aside.account_id, aside.limit
                    )
                }
                (None, Some(short)) => format!("account {} is short of {}", short.account_id, short.credits),
                (None, None) => "behind what waits ahead of it".to_owned(),
            };
            format!("wait as number {place} in the queue, {why}")
        }
        Verdict::BeRefused { claim } => format!("be refused: {}", refusal(claim)),
    }
}

fn unblocking(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Wait { unblocking, .. } => unblocking.as_ref().map(unblocked_by),
        Verdict::Start | Verdict::BeRefused { .. } | Verdict::BeUnpriced { .. } => None,
    }
}

fn refusal(claim: &HoldBody) -> String {
    match (claim.reason, &claim.aside, &claim.shortfall) {
        (Some(Obstacle::AccountClosed), ..) => "the account is closed".to_owned(),
        (_, Some(aside), _) => {
            format!("account {} can't carry more than {} at all", aside.account_id, aside.limit)
        }
        (Some(Obstacle::QueueAhead), ..) => {
            "claims ahead of it wait, and the account doesn't queue".to_owned()
        }
        (_, _, Some(short)) => format!("account {} is short of {}", short.account_id, short.credits),
        _ => "it does not fit".to_owned(),
    }
}

fn alerts(quote: &Quote) -> String {
    let alert = |quoted: &QuotedAlert| format!("{}: {}", quoted.account_id, quoted.raises.join(", "));
    let raising = quote.alerts.iter().filter(|quoted| !quoted.raises.is_empty());
    match raising.map(alert).collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        alerts => alerts.join("; "),
    }
}
