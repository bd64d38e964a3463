//! `creditd reconcile`: the upstream's list of projects held against the books.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::giver::login_name;
use super::import::{note_differing, progress_bar, show_progress, tell_mistakes};
use super::output::{Column, members, or_dash, print, print_json_line, table};
use super::{CommandError, open_store};
use crate::adoption::compare::{Aspect, Difference, Side, Sums};
use crate::adoption::reconcile::{List, Reconciliation, Repair, Repaired, Step};
use crate::adoption::{self, AdoptionError, LineFile};
use crate::config::Config;
use crate::contract::arguments;
use crate::ledger::ids::AccountId;
use crate::ledger::input::{Command, Existence};
use crate::ledger::settings::Settings;
use crate::store::Store;

/// Each line of FILE is a project as the upstream has it: "project_id", "account_id" and "status", and where
/// known "revision" (or "time"), "credits" or "deliverables", "final_credits" and "name". Exits with 1 where
/// anything differs. With --json, each difference is an object on a line of its own, and the sums come last.
#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct ReconcileArgs {
    /// One JSON object a line.
    file: PathBuf,
    /// Only projects of this account, here or upstream.
    #[arg(long, value_name = "ACCOUNT", value_parser = AccountId::parse_named)]
    account: Option<AccountId>,
    /// FILE has only some of the upstream's projects: say nothing of those that it lacks.
    #[arg(long)]
    partial: bool,
    /// Tell the ledger what it lacks, by a command for each project, and compare again.
    #[arg(long, requires = "reason")]
    repair: bool,
    /// Why it is repaired; kept with each command.
    #[arg(long, requires = "repair", value_parser = arguments::reason)]
    reason: Option<Arc<str>>,
    /// Who repairs; the login name, if this is left out.
    #[arg(long, requires = "repair", value_parser = arguments::actor)]
    actor: Option<Arc<str>>,
    /// Repair by releasing what projects hold that aren't in FILE, too. A file that was cut off would release
    /// what runs: look at the differences first, then say --yes.
    #[arg(long, requires_all = ["repair", "yes"], conflicts_with = "partial")]
    release_unknown: bool,
    /// FILE is complete, and what it lacks may be released.
    #[arg(long, requires = "release_unknown")]
    yes: bool,
    /// Show at most so many differences; all of them are counted.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
}

fn repair_of(args: &ReconcileArgs) -> Result<Option<Repair>, CommandError> {
    if !args.repair {
        return Ok(None);
    }
    let actor = match &args.actor {
        Some(actor) => actor.clone(),
        None => login_name()?,
    };
    let command = Command { actor, reason: args.reason.clone(), object: Existence::Any };
    Ok(Some(Repair { command, release_unknown: args.release_unknown }))
}

pub(super) async fn run(args: ReconcileArgs, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let settings = Config::load(config)?;
    let repair = repair_of(&args)?;
    let file = LineFile::at(&args.file).map_err(AdoptionError::from)?;
    let what = Reconciliation { file, partial: args.partial, account: args.account };
    let store = open_store(config).await?;
    let in_force = adoption::settings_in_force(&store, &settings).await?;
    note_differing(&in_force.differing);
    let bar = progress_bar();
    let list = match what.check(&in_force.settings, &mut |step| show_step(&bar, step)) {
        Err(AdoptionError::Mistakes(mistakes)) => {
            bar.finish_and_clear();
            let hint = "nothing was compared: mend them first";
            return Err(tell_mistakes(&args.file, &mistakes, hint, json)?);
        }
        list => list?,
    };
    if list.projects == 0 && what.account.is_none() {
        bar.finish_and_clear();
        let what = format!("{} lists no project; is it the right file?", args.file.display());
        return Err(CommandError::Usage(format!("{what} nothing was compared")));
    }
    let work = Work { what, list, store, settings: in_force.settings, bar, limit: args.limit, json };
    let mut sums = work.compare("summary").await?;
    if let Some(repair) = repair.filter(|_| sums.differing > 0) {
        work.repair(&repair).await?;
        sums = work.compare("summary_after_repair").await?;
    }
    work.bar.finish_and_clear();
    if sums.differing == 0 { Ok(()) } else { Err(CommandError::Said) }
}

/// What is compared, with what, and how it is shown.
struct Work {
    what: Reconciliation,
    list: List,
    store: Store,
    settings: Arc<Settings>,
    bar: ProgressBar,
    limit: usize,
    json: bool,
}

impl Work {
    /// Compares, and shows what differs and then the sums, in JSON under the name `sums_name`.
    async fn compare(&self, sums_name: &str) -> Result<Sums, CommandError> {
        let mut rows = Vec::new();
        let mut printed = Ok(());
        let tell = &mut |difference: &Difference| {
            if self.json && printed.is_ok() {
                printed = self.bar.suspend(|| print_json_line(difference));
            } else if rows.len() < self.limit {
                rows.push(row(difference));
            }
        };
        let step = &mut |step| show_step(&self.bar, step);
        let sums = self.what.compare(&self.store, &self.settings, &self.list, tell, step).await;
        self.bar.set_message("");
        let sums = sums?;
        printed?;
        self.bar.suspend(|| match self.json {
            true => print_json_line(&json!({ sums_name: sums })),
            false => print(&show(rows, &sums)),
        })?;
        Ok(sums)
    }

    async fn repair(&self, repair: &Repair) -> Result<(), CommandError> {
        let mut printed = Ok(());
        let tell = &mut |difference: &Difference, repaired: &Repaired| {
            if printed.is_ok() {
                printed = self.bar.suspend(|| match self.json {
                    true => print_json_line(&repaired_json(difference, repaired)),
                    false => print(&repaired_text(difference, repaired)),
                });
            }
        };
        let step = &mut |step| show_step(&self.bar, step);
        let done = self.what.repair(&self.store, &self.settings, &self.list, repair, tell, step).await;
        self.bar.set_message("");
        done?;
        printed?;
        if self.json { Ok(()) } else { self.bar.suspend(|| print("\ncompared again:")) }
    }
}

fn show_step(bar: &ProgressBar, step: Step) {
    match step {
        Step::Checking(done, total) => show_progress(bar, "checking", done, total),
        Step::Comparing(done, total) => show_progress(bar, "comparing", done, total),
        Step::Searching(found) => {
            show_progress(bar, "looking for projects that are not listed", found, found);
        }
    }
}

fn row(difference: &Difference) -> Vec<String> {
    let what: Vec<_> = difference.differs.iter().map(|aspect| in_words(*aspect, difference)).collect();
    vec![
        difference.project_id.to_string(),
        or_dash(difference.line),
        what.join("; "),
        difference.held.to_string(),
        difference.wanted.to_string(),
        difference.should_hold.map_or_else(|| "?".to_owned(), |credits| credits.to_string()),
    ]
}

/// In what a project differs, as people say it: how it is here, and how it is listed.
fn in_words(aspect: Aspect, difference: &Difference) -> String {
    let (here, listed) = (difference.here.as_ref(), difference.upstream.as_ref());
    let both = |what: &str, value: &dyn Fn(&Side) -> String| {
        format!("{what} {}, listed as {}", or_dash(here.map(value)), or_dash(listed.map(value)))
    };
    let as_a_whole = |side: &Side| {
        let price = side.credits.map_or_else(String::new, |credits| format!(", at {credits}"));
        format!("{} on {}{price}", or_dash(side.status.as_ref()), side.account_id)
    };
    match aspect {
        Aspect::UnknownHere => format!("unknown here; listed as {}", or_dash(listed.map(as_a_whole))),
        Aspect::UnknownUpstream => format!("not listed; {}", or_dash(here.map(as_a_whole))),
        Aspect::Account => both("account", &|side| side.account_id.to_string()),
        Aspect::Effect => {
            both("status", &|side| format!("{} ({})", or_dash(side.status.as_ref()), side.effect.as_str()))
        }
        Aspect::Status => both("status", &|side| or_dash(side.status.as_ref())),
        Aspect::ReleasedHere => {
            let listed = listed.and_then(|side| side.status.as_ref());
            format!("hold released by command, listed as {}", or_dash(listed))
        }
        Aspect::Price => both("price", &|side| match (&side.credits, &side.deliverables) {
            (Some(credits), _) => credits.to_string(),
            (None, Some(_)) => "unknown".to_owned(),
            (None, None) => "none".to_owned(),
        }),
        Aspect::FinalCredits => both("final credits", &|side| or_dash(side.final_credits)),
        Aspect::Name => both("name", &|side| or_dash(side.name.as_ref().map(|name| format!("{name:?}")))),
    }
}

fn show(rows: Vec<Vec<String>>, sums: &Sums) -> String {
    let columns = [
        Column::Left("PROJECT"),
        Column::Right("LINE"),
        Column::Left("WHAT DIFFERS"),
        Column::Right("HELD"),
        Column::Right("WANTED"),
        Column::Right("SHOULD HOLD"),
    ];
    let mut text = String::new();
    if !rows.is_empty() {
        let shown = rows.len() as u64;
        text = format!("{}\n\n", table(&columns, rows));
        if shown < sums.differing {
            text.insert_str(0, &format!("the first {shown} of {}; --limit shows more\n", sums.differing));
        }
    }
    format!("{text}{}", summary(sums))
}

fn summary(sums: &Sums) -> String {
    let mut pairs = vec![
        ("compared", format!("{} listed projects", sums.compared)),
        (
            "newer here",
            format!("{}: the books have heard of a later change than the list", sums.books_are_newer),
        ),
        ("not known here", format!("{}, and they would tie up nothing", sums.nothing_to_know)),
        ("differing", sums.differing.to_string()),
    ];
    let aspects: Vec<_> = sums.differs.iter().map(|(name, count)| (format!("  {name}"), count)).collect();
    pairs.extend(aspects.iter().map(|(name, count)| (name.as_str(), count.to_string())));
    pairs.extend([
        ("held too much", format!("{} credits", sums.held_too_much)),
        ("held too little", format!("{} credits", sums.held_too_little)),
        ("used up too much", format!("{} credits", sums.consumed_too_much)),
        ("used up too little", format!("{} credits", sums.consumed_too_little)),
        ("of unknown price", format!("{} projects, which are in none of these sums", sums.unpriced)),
    ]);
    pairs.retain(|(name, value)| matches!(*name, "compared" | "differing") || !value.starts_with('0'));
    members(&pairs)
}

fn repaired_text(difference: &Difference, repaired: &Repaired) -> String {
    let project = &difference.project_id;
    match repaired {
        Repaired::Done { message, hold_refused } => {
            let refused =
                if *hold_refused { ", but its hold was refused by its account's policy" } else { "" };
            format!("{project}: repaired{refused}; creditd explain message {message}")
        }
        Repaired::Refused(detail) => format!("{project}: refused, {detail}; {WHAT_TO_DO}"),
        Repaired::ChangedMeanwhile => format!("{project}: changed while it was compared, and left alone"),
        Repaired::LeftAlone(why) => format!("{project}: left alone; {why}"),
    }
}

/// What to do about a refusal, for it says what stands in the way.
const WHAT_TO_DO: &str = "mend that first, by `creditd import` or by a command, and run this again";

fn repaired_json(difference: &Difference, repaired: &Repaired) -> Value {
    let mut shown = match repaired {
        Repaired::Done { message, hold_refused } => json!({
            "outcome": "done", "hold_refused": hold_refused, "source": message.source, "id": message.id,
        }),
        Repaired::Refused(detail) => {
            json!({ "outcome": "refused", "detail": format!("{detail}; {WHAT_TO_DO}") })
        }
        Repaired::ChangedMeanwhile => json!({ "outcome": "changed_meanwhile" }),
        Repaired::LeftAlone(why) => json!({ "outcome": "left_alone", "detail": why }),
    };
    shown["repair_of"] = json!(difference.project_id);
    shown
}
