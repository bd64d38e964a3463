//! `creditd usage`: how an account's credits were used.

mod report;
mod tables;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};

pub(super) use tables::{assets_table, head, kinds_table, project_row, projects_table};

use super::output::{note_limit, print, print_json};
use super::{CommandError, open_store_by};
use crate::clock::Zone;
use crate::config::Config;
use crate::ledger::ids::AccountId;
use crate::report::{self as reports, Border, Period};
use crate::store::{Snapshot, UsageOrder};

#[derive(Subcommand)]
pub(super) enum UsageCommand {
    /// Every entry: what it moved, for which project or asset, who and why.
    Report {
        #[command(flatten)]
        of: OfAccount,
        /// How it is written; --json is the same as json.
        #[arg(long, value_enum, default_value = "table")]
        format: ReportFormat,
    },
    /// What went in and out on each day, and how the account stood at its end.
    Days {
        #[command(flatten)]
        of: OfAccount,
    },
    /// What each project moved: those that most credits left available for first.
    Projects {
        #[command(flatten)]
        of: OfAccount,
        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// What was made, by type of asset, and how many projects were briefed.
    Assets {
        #[command(flatten)]
        of: OfAccount,
    },
}

/// How a usage report is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people.
    Table,
    /// For spreadsheets (RFC 4180).
    Csv,
    /// For programs.
    Json,
}

/// Whose credits, from when and until when.
#[derive(Args)]
pub(super) struct OfAccount {
    /// The account; a pool's is pool: and its organization's id.
    #[arg(value_name = "ACCOUNT", value_parser = parse_account)]
    account: AccountId,
    /// From this day on, a day of `report.timezone`, or from this time.
    #[arg(long, value_name = "T")]
    from: Option<Border>,
    /// Up to this day, all of it; or before this time.
    #[arg(long, value_name = "T")]
    to: Option<Border>,
}

impl OfAccount {
    fn period(&self) -> Period {
        Period { from: self.from, to: self.to }
    }
}

pub(super) fn parse_account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|error| error.to_string())
}

/// A snapshot of the ledger that the settings name, and the time zone of its days.
pub(super) async fn open(config: Option<&Path>) -> Result<(Snapshot, Zone), CommandError> {
    let config = Config::load(config)?;
    let zone = config.report.timezone.clone();
    let snapshot = open_store_by(&config).await?.look().await?;
    Ok((snapshot, zone))
}

pub(super) async fn run(
    command: UsageCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    match command {
        UsageCommand::Report { of, format } => {
            let format = match (format, json) {
                (ReportFormat::Csv, true) => {
                    let what = "--json asks for another form than --format csv; leave one of them out";
                    return Err(CommandError::Usage(what.to_owned()));
                }
                (_, true) => ReportFormat::Json,
                (format, false) => format,
            };
            let (snapshot, zone) = open(config).await?;
            report::run(snapshot, &zone, &of.account, of.period(), format).await
        }
        UsageCommand::Days { of } => {
            let (mut snapshot, zone) = open(config).await?;
            let told = reports::days(&mut snapshot, &zone, &of.account, of.period()).await?;
            if json { print_json(&told) } else { print(&tables::days(&told)) }
        }
        UsageCommand::Projects { of, limit } => {
            let (mut snapshot, zone) = open(config).await?;
            let order = UsageOrder::Largest;
            let told =
                reports::projects(&mut snapshot, &zone, &of.account, of.period(), &order, limit).await?;
            if json {
                return print_json(&told);
            }
            print(&tables::projects(&told))?;
            if told.projects > i64::from(limit) {
                note_limit(told.items.len(), limit);
            }
            Ok(())
        }
        UsageCommand::Assets { of } => {
            let (mut snapshot, zone) = open(config).await?;
            let told = reports::assets(&mut snapshot, &zone, &of.account, of.period()).await?;
            if json { print_json(&told) } else { print(&tables::assets(&told)) }
        }
    }
}
