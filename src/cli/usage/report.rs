//! `creditd usage report`: every entry, printed as it is read.

use std::io::IsTerminal;

use indicatif::ProgressBar;

use super::super::CommandError;
use super::super::output::{self, Column, balance_phrase, members, or_dash};
use super::super::streamed::{Out, Rows};
use super::{ReportFormat, head};
use crate::clock::Zone;
use crate::ledger::credits::Credits;
use crate::ledger::ids::AccountId;
use crate::report::{Format, Period, UsageLine, UsageReport, WrittenReport};
use crate::store::Snapshot;

pub(super) async fn run(
    snapshot: Snapshot,
    zone: &Zone,
    account: &AccountId,
    period: Period,
    format: ReportFormat,
) -> Result<(), CommandError> {
    let report = UsageReport::open(snapshot, zone, account, period).await?;
    match format {
        ReportFormat::Table => tell(report).await,
        ReportFormat::Csv => write(report, Format::Csv).await,
        ReportFormat::Json => write(report, Format::Json).await,
    }
}

/// Writes it as it would be downloaded.
async fn write(report: UsageReport, format: Format) -> Result<(), CommandError> {
    let bar = match std::io::stdout().is_terminal() {
        // What is printed is progress enough.
        true => ProgressBar::hidden(),
        false => output::progress("entries", usize::try_from(report.entries()).unwrap_or(usize::MAX)),
    };
    let mut written = WrittenReport::new(report, format);
    while let Some(chunk) = written.next_chunk().await? {
        if !output::write(&chunk)? {
            break;
        }
        bar.set_position(written.report().entries_read());
    }
    bar.finish_and_clear();
    Ok(())
}

async fn tell(mut report: UsageReport) -> Result<(), CommandError> {
    let mut out = Out::new();
    let mut about = head(report.about());
    about.push(("opening", balance_phrase(report.opening())));
    out.line(&members(&about))?;
    out.line("")?;
    let mut rows = Rows::new(&COLUMNS);
    loop {
        let page = report.next_page().await?;
        page.iter().try_for_each(|line| rows.push(&mut out, row(line)))?;
        if page.is_empty() || out.is_closed() {
            break;
        }
    }
    rows.begin(&mut out)?;
    let totals = report.totals();
    out.line("")?;
    out.line(&members(&[
        ("credited", totals.flow.credited.to_string()),
        ("debited", totals.flow.debited.to_string()),
        ("closing", balance_phrase(totals.closing)),
    ]))?;
    out.flush()
}

const COLUMNS: [Column; 12] = [
    Column::Left("TIME"),
    Column::Left("KIND"),
    Column::Right("CREDITS"),
    Column::Left("FROM"),
    Column::Left("TO"),
    Column::Right("MOVED"),
    Column::Right("AVAILABLE"),
    Column::Right("HELD"),
    Column::Right("CONSUMED"),
    Column::Left("PROJECT"),
    Column::Left("ASSETS"),
    Column::Left("CAUSE"),
];

fn row(line: &UsageLine) -> Vec<String> {
    let project = match (&line.project_id, &line.project_name) {
        (Some(id), Some(name)) => format!("{id} ({name})"),
        (id, _) => or_dash(id.as_ref()),
    };
    let assets = line.quantity.zip(line.asset_type.as_ref());
    let reason = line.reason.as_ref().map(|reason| format!(": {reason}"));
    let actor = line.actor.as_ref().map(|actor| format!(", by {actor}"));
    let why: String = [reason, actor].into_iter().flatten().collect();
    vec![
        line.time.to_string(),
        line.kind.as_str().to_owned(),
        signed(line.credits),
        line.from.as_str().to_owned(),
        line.to.as_str().to_owned(),
        line.moved.to_string(),
        line.balance.available.to_string(),
        line.balance.held.to_string(),
        line.balance.consumed.to_string(),
        project,
        or_dash(assets.map(|(quantity, asset)| format!("{quantity} {asset}"))),
        format!("{} {} {}{why}", line.message_source, line.message_id, line.message_type),
    ]
}

fn signed(credits: Credits) -> String {
    match credits {
        Credits::ZERO => "0".to_owned(),
        Credits(credits) => format!("{credits:+}"),
    }
}
