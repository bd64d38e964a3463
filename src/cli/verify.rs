//! `creditd verify`: the books recomputed from the entries alone.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{print, print_json};
use super::{CommandError, open_store};

pub(super) async fn run(config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("replaying entries {bar:40} {pos} of {len}, {eta} left");
    bar.set_style(style.expect("the template is a constant"));
    let verification = store
        .verify(&mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })
        .await?;
    bar.finish_and_clear();
    let is_well = verification.findings.is_empty();
    if json {
        print_json(&verification)?;
    } else {
        for finding in &verification.findings {
            print(&format!("{}: {}", finding.place, finding.what))?;
        }
        let checked = format!(
            "{} accounts, {} projects, {} entries and {} notices",
            verification.accounts, verification.projects, verification.entries, verification.notices
        );
        print(&match is_well {
            true => format!("the books are right: {checked} were recomputed"),
            false => format!("{} findings in {checked}", verification.findings.len()),
        })?;
    }
    if is_well { Ok(()) } else { Err(CommandError::Said) }
}
