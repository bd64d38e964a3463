//! Whether the books say what was sent: a benchmark that books wrong is no benchmark.

use std::io::Write;

use serde_json::json;

use super::BenchError;
use super::workload::Sent;
use crate::adoption::compare::{Difference, Sums};
use crate::adoption::reconcile::Reconciliation;
use crate::adoption::{AdoptionError, LineFile};
use crate::ledger::settings::Settings;
use crate::store::Store;

/// Which projects a ledger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// None but those that were sent.
    Whole,
    /// Others beside those that were sent.
    Part,
}

/// Holds each project against the last that was sent of it, whatever came first.
pub async fn projects(
    store: &Store,
    settings: &Settings,
    sent: &Sent,
    extent: Extent,
) -> Result<(), BenchError> {
    let unwritten = || BenchError::system("writing down what was sent");
    let mut list = tempfile::NamedTempFile::new().map_err(unwritten())?;
    let mut writer = std::io::BufWriter::new(list.as_file_mut());
    for (id, last) in &sent.projects {
        let line = json!({
            "project_id": id, "account_id": last.account, "revision": last.revision, "status": last.status,
            "credits": last.credits,
        });
        writeln!(writer, "{line}").map_err(unwritten())?;
    }
    writer.flush().map_err(unwritten())?;
    drop(writer);
    let file = LineFile::at(list.path()).map_err(AdoptionError::from)?;
    let reconciliation = Reconciliation { file, partial: extent == Extent::Part, account: None };
    let found = reconciliation.check(settings, &mut |_| {})?;
    let mut first = None;
    let mut tell = |difference: &Difference| {
        first.get_or_insert_with(|| difference.project_id.to_string());
    };
    let sums = reconciliation.compare(store, settings, &found, &mut tell, &mut |_| {}).await?;
    judge(&sums, found.projects, first)
}

fn judge(sums: &Sums, sent: u64, first: Option<String>) -> Result<(), BenchError> {
    if let Some(first) = first {
        return Err(BenchError::Wrong(format!(
            "{} of {sent} projects differ from what was sent, the first is {first}",
            sums.differing
        )));
    }
    // A project of which nothing was booked would not differ if it ties up nothing; but each was sent.
    match sums.compared - sums.nothing_to_know - sums.books_are_newer {
        same if same == sent => Ok(()),
        same => Err(BenchError::Wrong(format!("{same} of {sent} projects that were sent are as sent"))),
    }
}

/// Has the books recomputed from their entries; `step` hears of how many of how many.
pub async fn entries(store: &Store, step: &mut (dyn FnMut(u64, u64) + Send)) -> Result<(), BenchError> {
    let verification = store.verify(step).await?;
    match verification.findings.first() {
        Some(finding) => Err(BenchError::Wrong(format!("{}: {}", finding.place, finding.what))),
        None => Ok(()),
    }
}
