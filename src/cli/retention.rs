//! `creditd retention`: a sweep by hand. The daemon makes one an hour by itself.

use std::path::Path;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::output::{Column, print, print_json, table};
use super::{CommandError, open_store_by};
use crate::config::Config;
use crate::daemon::retention::sweep;
use crate::store::Removable;

#[derive(Subcommand)]
pub(super) enum RetentionCommand {
    /// Remove now what is older than the settings say. Entries are never removed.
    Run {
        /// Only say how many rows would go.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What a sweep did, or would do.
#[derive(Serialize)]
struct Sweep {
    dry_run: bool,
    swept: Vec<Swept>,
}

#[derive(Serialize)]
struct Swept {
    what: Removable,
    /// For how many days it is kept; `null`: for ever.
    days: Option<u32>,
    rows: u64,
}

pub(super) async fn run(
    command: RetentionCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let RetentionCommand::Run { dry_run } = command;
    let config = Config::load(config)?;
    let store = open_store_by(&config).await?;
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("removing {msg} {bar:40} {pos} of {len}, {eta} left");
    bar.set_style(style.expect("the template is a constant"));
    let mut swept = Vec::new();
    for what in Removable::ALL {
        let Some(days) = config.retention.days(what) else {
            swept.push(Swept { what, days: None, rows: 0 });
            continue;
        };
        // Counting takes a while in a large ledger: it is for those who ask for it, or watch.
        let mut rows = 0;
        if dry_run || !bar.is_hidden() {
            rows = store.removable(what, days).await?;
        }
        if !dry_run {
            bar.set_message(name(what));
            bar.set_length(rows);
            rows = 0;
            sweep(&store, what, days, |removed| {
                rows += removed;
                bar.set_position(rows);
                true
            })
            .await?;
        }
        swept.push(Swept { what, days: Some(days), rows });
    }
    bar.finish_and_clear();
    let sweep = Sweep { dry_run, swept };
    if json { print_json(&sweep) } else { print(&show(&sweep)) }
}

fn name(what: Removable) -> &'static str {
    match what {
        Removable::Inbox => "records of project messages",
        Removable::ParkedDone => "parked messages that were dealt with",
        Removable::Notices => "alerts and hold events",
    }
}

fn show(sweep: &Sweep) -> String {
    let rows = if sweep.dry_run { "WOULD GO" } else { "REMOVED" };
    let columns = [Column::Left("WHAT"), Column::Right("KEPT"), Column::Right(rows)];
    let row = |swept: &Swept| {
        let kept = swept.days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
        vec![name(swept.what).to_owned(), kept, swept.rows.to_string()]
    };
    table(&columns, sweep.swept.iter().map(row))
}
