//! `creditd import`: takes over an existing system from a file.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::output::{Column, members, or_dash, print, print_json, table};
use super::{CommandError, open_store};
use crate::adoption::import::{Checked, Import, Imported, Step};
use crate::adoption::{self, AdoptionError, LineFile, MISTAKES_TOLD_MAX, Mistakes};
use crate::config::Config;
use crate::contract::line;
use crate::store::Standing;

/// Each line of FILE is a message of the contract: a whole CloudEvent, or in short {"type": ..., "data": {...}},
/// with "time" and "id" where they matter. Their order doesn't matter. The whole file is checked before anything
/// is applied. What was applied before is known by its source and id, so an import that ended half-way is run
/// again. Needs no broker; a daemon may run.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// One JSON object a line.
    file: PathBuf,
    /// Do it all in one transaction, say what came of it, and take it back. A daemon waits meanwhile.
    #[arg(long)]
    dry_run: bool,
    /// Leave out lines that can't be used, instead of applying nothing.
    #[arg(long)]
    skip_invalid: bool,
    /// The source of lines in short [default: import: and the file's name].
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// How many lines one transaction takes at most [default: batch.messages_max].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=5000))]
    batch: Option<u16>,
}

pub(super) async fn run(args: ImportArgs, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let settings = Config::load(config)?;
    let file = LineFile::at(&args.file).map_err(AdoptionError::from)?;
    let source = args.source.unwrap_or_else(|| format!("import:{}", file.name()));
    let source = line::source(&source).map_err(|what| CommandError::Usage(format!("--source: {what}")))?;
    let messages_max = args.batch.unwrap_or(settings.batch.messages_max).into();
    let import = Import { file, source, skip_invalid: args.skip_invalid, messages_max };

    let store = open_store(config).await?;
    let in_force = adoption::settings_in_force(&store, &settings).await?;
    note_differing(&in_force.differing);
    let bar = progress_bar();
    let mut taken = 0;
    let step = &mut |step| {
        if let Step::Applying(done, _) = step {
            taken = done;
        }
        show_step(&bar, step);
    };
    let checked = match import.check(&in_force.settings, step) {
        Err(AdoptionError::Mistakes(mistakes)) => {
            bar.finish_and_clear();
            let hint = "nothing was applied: mend them, or leave them out with --skip-invalid";
            return Err(tell_mistakes(&args.file, &mistakes, hint, json)?);
        }
        checked => checked?,
    };
    let imported = match args.dry_run {
        true => import.rehearse(&store, &in_force, checked, step).await,
        false => import.apply(&store, &in_force, checked, step).await,
    };
    bar.finish_and_clear();
    let imported = imported.inspect_err(|_| {
        if taken > 0 && !args.dry_run {
            eprintln!(
                "creditd: {taken} lines were taken before this; run the same import again, and it goes on from there"
            );
        }
    })?;
    match json {
        true => print_json(&as_json(&imported, args.dry_run))?,
        false => print(&show(&args.file, &imported, args.dry_run))?,
    }
    match imported.standing.parked_imported {
        0 => Ok(()),
        parked => Err(CommandError::Refused(format!(
            "imported messages that {} parked, and not applied: {parked}",
            if args.dry_run { "would be" } else { "are" }
        ))),
    }
}

/// Says, where the configuration is not what the ledger goes by, which of both counts.
pub(super) fn note_differing(keys: &[&str]) {
    if !keys.is_empty() {
        eprintln!(
            "creditd: the ledger goes by other settings than this configuration ({}); the ledger's count, and \
             its daemon changes them at its start or on HUP",
            keys.join(", ")
        );
    }
}

/// Tells the mistakes of a file. Says with what the command ends.
pub(super) fn tell_mistakes(
    file: &Path,
    mistakes: &Mistakes,
    hint: &str,
    as_json: bool,
) -> Result<CommandError, CommandError> {
    if as_json {
        print_json(&json!({ "mistakes": mistakes_json(mistakes), "mistakes_total": mistakes.count }))?;
    } else {
        list_mistakes(file, mistakes);
    }
    let Mistakes { count, lines, .. } = mistakes;
    Ok(CommandError::Usage(format!("{count} of {lines} lines can't be used; {hint}")))
}

fn list_mistakes(file: &Path, mistakes: &Mistakes) {
    for (number, what) in &mistakes.told {
        eprintln!("{}:{number}: {what}", file.display());
    }
    if mistakes.count > mistakes.told.len() as u64 {
        eprintln!("creditd: only the first {MISTAKES_TOLD_MAX} of {} are shown", mistakes.count);
    }
}

fn mistakes_json(mistakes: &Mistakes) -> Vec<Value> {
    mistakes.told.iter().map(|(line, mistake)| json!({ "line": line, "mistake": mistake })).collect()
}

/// A bar on standard error; hidden by itself where that is no terminal.
pub(super) fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("{msg} {bar:40} {percent}%, {eta} left");
    bar.set_style(style.expect("the template is a constant"));
    bar
}

/// Shows how far some work is.
pub(super) fn show_progress(bar: &ProgressBar, what: &'static str, done: u64, total: u64) {
    if bar.is_hidden() {
        return;
    }
    if bar.message() != what {
        bar.reset();
        bar.set_message(what);
        bar.set_length(total);
    }
    bar.set_position(done);
}

fn show_step(bar: &ProgressBar, step: Step) {
    match step {
        Step::Checking(done, total) => show_progress(bar, "checking", done, total),
        Step::Applying(done, total) => show_progress(bar, "applying", done, total),
    }
}

fn as_json(imported: &Imported, dry_run: bool) -> Value {
    let Imported { checked, applied, stale, rejected, there_already, parked, taken_up, standing } = imported;
    json!({
        "dry_run": dry_run,
        "lines": checked.lines(),
        "by_type": checked.by_type,
        "skipped": mistakes_json(&checked.skipped),
        "skipped_total": checked.skipped.count,
        "applied": applied,
        "stale": stale,
        "rejected": rejected,
        "there_already": there_already,
        "parked": parked,
        "taken_up": taken_up,
        "standing": standing,
    })
}

fn show(file: &Path, imported: &Imported, dry_run: bool) -> String {
    let Imported { checked, standing, .. } = imported;
    if checked.skipped.count > 0 {
        list_mistakes(file, &checked.skipped);
    }
    let rehearsal = "this was a rehearsal, and nothing of it was kept".to_owned();
    let parts = [
        dry_run.then_some(rehearsal),
        Some(by_type(checked)),
        Some(counts(imported)),
        parked(standing),
        over_limit(standing),
        waiting(standing),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn by_type(checked: &Checked) -> String {
    let rows = checked.by_type.iter().map(|(name, count)| vec![name.to_string(), count.to_string()]);
    table(&[Column::Left("TYPE"), Column::Right("LINES")], rows)
}

fn counts(imported: &Imported) -> String {
    let Imported { checked, applied, stale, rejected, there_already, parked, taken_up, .. } = imported;
    let mut pairs = vec![
        ("lines", checked.lines().to_string()),
        ("left out", checked.skipped.count.to_string()),
        ("applied", applied.to_string()),
        ("stale", format!("{stale}, of which newer messages had said all")),
        ("refused", format!("{rejected}, whose holds or transfers were refused with a notice")),
        ("there already", there_already.to_string()),
        ("parked", parked.to_string()),
        ("taken up", format!("{taken_up} parked messages, those from before among them")),
    ];
    pairs.retain(|(name, value)| matches!(*name, "lines" | "applied") || !value.starts_with('0'));
    members(&pairs)
}

fn parked(standing: &Standing) -> Option<String> {
    let Standing { parked, parked_imported, parked_for, .. } = standing;
    let columns = [
        Column::Left("PARKED FOR"),
        Column::Left("WAITS FOR"),
        Column::Right("MESSAGES"),
        Column::Left("DETAIL OF ONE"),
    ];
    let rows = parked_for.iter().map(|group| {
        let waits_for = or_dash(group.waits_for.as_ref());
        vec![group.reason.clone(), waits_for, group.messages.to_string(), group.detail.clone()]
    });
    let head = format!("parked in the ledger: {parked}, of them imported: {parked_imported}");
    (*parked > 0).then(|| format!("{head}\n{}", table(&columns, rows)))
}

fn over_limit(standing: &Standing) -> Option<String> {
    let columns = [
        Column::Left("ACCOUNT"),
        Column::Right("TOTAL"),
        Column::Right("HELD"),
        Column::Right("CONSUMED"),
        Column::Right("AVAILABLE"),
    ];
    let rows = standing.over_limit_accounts.iter().map(|account| {
        let credits = [account.total, account.held, account.consumed, account.available];
        std::iter::once(account.account_id.clone())
            .chain(credits.map(|credits| credits.to_string()))
            .collect()
    });
    let head = format!("accounts over limit, for which nothing new is held: {}", standing.over_limit);
    (standing.over_limit > 0).then(|| format!("{head}\n{}", table(&columns, rows)))
}

fn waiting(standing: &Standing) -> Option<String> {
    let columns = [
        Column::Left("ACCOUNT"),
        Column::Right("PROJECTS"),
        Column::Right("CREDITS WANTED"),
        Column::Right("AVAILABLE"),
    ];
    let rows = standing.waiting_accounts.iter().map(|account| {
        let numbers = [account.projects, account.credits, account.available];
        std::iter::once(account.account_id.clone()).chain(numbers.map(|number| number.to_string())).collect()
    });
    let head = format!("projects that wait for credits: {}", standing.waiting);
    (standing.waiting > 0).then(|| format!("{head}\n{}", table(&columns, rows)))
}
