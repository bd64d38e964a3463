//! The upstream's list of projects held against the books, and what is missing told them by command.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::compare::{Aspect, Compared, Difference, Sums, compare, unlisted};
use super::lines::{Line, Lines, too_long};
use super::{AdoptionError, LineFile, Mistakes};
use crate::clock;
use crate::command::{self, Answer, CLI_SOURCE, Order};
use crate::contract::line::{ListedProject, listed_project};
use crate::ledger::books::Shelf;
use crate::ledger::entry::Cause;
use crate::ledger::ids::{AccountId, MessageKey, ProjectId};
use crate::ledger::input::{Author, Command, Fact, HoldCommand, Input};
use crate::ledger::moment::Timestamp;
use crate::ledger::settings::Settings;
use crate::store::{Comparison, Store};

/// How many projects are read of the books at a time.
const AT_ONCE: usize = 500;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Reconciliation {
    /// The upstream's list.
    pub file: LineFile,
    /// Whether the list has only some of the upstream's projects: then none is missing from it.
    pub partial: bool,
    /// Only projects that are this account's, here or there.
    pub account: Option<AccountId>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The list is being checked: bytes, and of how many.
    Checking(u64, u64),
    /// Lines are being compared, or their differences repaired: lines, and of how many.
    Comparing(u64, u64),
    /// Projects that hold credits are being looked for on the list: how many so far.
    Searching(u64),
}

/// The upstream's list as it was found by the check.
pub struct List {
    /// How many projects it has.
    pub projects: u64,
    /// Which, as the first 16 bytes of a SHA-256 of each id: a list of a million is held in some 35 MB.
    ids: HashSet<u128>,
}

/// What came of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// It is done, but for a hold that the account's own policy refused, where that is said.
    Done {
        /// The command, as `creditd explain` tells of it.
        message: MessageKey,
        /// Whether the hold was refused.
        hold_refused: bool,
    },
    /// It was refused, and changed nothing.
    Refused(String),
    /// The project changed after it was compared; nothing was done.
    ChangedMeanwhile,
    /// It is not for a repair to undo.
    LeftAlone(&'static str),
}

/// Who repairs, why, and how far.
#[derive(Clone, Debug)]
pub struct Repair {
    /// Who and why.
    pub command: Command,
    /// Whether holds of projects that the upstream doesn't list are released.
    pub release_unknown: bool,
}

fn id_hash(id: &ProjectId) -> u128 {
    let digest = Sha256::digest(id.as_str());
    let first: [u8; 16] = digest[..16].try_into().expect("a SHA-256 has 32 bytes");
    u128::from_be_bytes(first)
}

impl Reconciliation {
    /// Checks the whole list: each line must be a project with a status that the settings know, and no project
    /// may be there twice.
    pub fn check(&self, settings: &Settings, step: &mut dyn FnMut(Step)) -> Result<List, AdoptionError> {
        let mut list = List { projects: 0, ids: HashSet::new() };
        let mut mistakes = Mistakes::default();
        let mut lines = self.file.read()?;
        loop {
            let bytes = lines.bytes();
            let Some((number, line)) = lines.next()? else { break };
            step(Step::Checking(bytes, self.file.bytes()));
            mistakes.lines += 1;
            let read = read(&line, settings).and_then(|listed| {
                let id = listed.fact.project_id;
                let is_first = list.ids.insert(id_hash(&id));
                is_first.then_some(()).ok_or_else(|| format!("project_id: \"{id}\" was listed before"))
            });
            match read {
                Ok(()) => list.projects += 1,
                Err(what) => mistakes.note(number, what),
            }
        }
        if mistakes.count > 0 { Err(AdoptionError::Mistakes(mistakes)) } else { Ok(list) }
    }

    /// Compares the list with the books as of one moment, and tells each difference.
    pub async fn compare(
        &self,
        store: &Store,
        settings: &Settings,
        list: &List,
        tell: &mut dyn FnMut(&Difference),
        step: &mut dyn FnMut(Step),
    ) -> Result<Sums, AdoptionError> {
        let mut sums = Sums::default();
        let mut comparison = store.comparison().await?;
        let mut lines = self.file.read()?;
        let mut done = 0;
        loop {
            let batch = self.next_batch(&mut lines, settings)?;
            if batch.is_empty() {
                break;
            }
            done += batch.len() as u64;
            for difference in self.differences(&batch, &mut comparison, settings, &mut sums).await? {
                tell(&difference);
            }
            step(Step::Comparing(done, list.projects));
        }
        let mut after = None;
        let mut found = 0;
        while let Some(page) = self.unlisted_after(&mut comparison, list, &mut after, &mut found).await? {
            for difference in page {
                sums.add(&difference);
                tell(&difference);
            }
            step(Step::Searching(found));
        }
        comparison.close().await?;
        Ok(sums)
    }

    /// Tells the ledger what it lacks, each difference by a command of its own, and says what came of each. What
    /// changes while this works is left for the next comparison.
    pub async fn repair(
        &self,
        store: &Store,
        settings: &Arc<Settings>,
        list: &List,
        repair: &Repair,
        tell: &mut dyn FnMut(&Difference, &Repaired),
        step: &mut dyn FnMut(Step),
    ) -> Result<(), AdoptionError> {
        let mut lines = self.file.read()?;
        let mut done = 0;
        loop {
            let batch = self.next_batch(&mut lines, settings)?;
            if batch.is_empty() {
                break;
            }
            done += batch.len() as u64;
            let mut comparison = store.comparison().await?;
            let differences =
                self.differences(&batch, &mut comparison, settings, &mut Sums::default()).await?;
            comparison.close().await?;
            for difference in differences {
                let fact = difference.missing_fact().map(Fact::Project);
                tell(&difference, &give(store, settings, repair, &difference, fact).await?);
            }
            step(Step::Comparing(done, list.projects));
        }
        let (mut after, mut found) = (None, 0);
        loop {
            let mut comparison = store.comparison().await?;
            let page = self.unlisted_after(&mut comparison, list, &mut after, &mut found).await?;
            comparison.close().await?;
            let Some(page) = page else { return Ok(()) };
            for difference in page {
                let hold = HoldCommand { project_id: difference.project_id.clone() };
                let fact = repair.release_unknown.then_some(Fact::HoldReleased(hold));
                tell(&difference, &give(store, settings, repair, &difference, fact).await?);
            }
            step(Step::Searching(found));
        }
    }

    fn next_batch(
        &self,
        lines: &mut Lines,
        settings: &Settings,
    ) -> Result<Vec<(u64, ListedProject)>, AdoptionError> {
        let mut batch = Vec::with_capacity(AT_ONCE);
        while batch.len() < AT_ONCE
            && let Some((number, line)) = lines.next()?
        {
            let listed = read(&line, settings).map_err(|_| self.file.changed(number))?;
            batch.push((number, listed));
        }
        Ok(batch)
    }

    async fn differences(
        &self,
        batch: &[(u64, ListedProject)],
        comparison: &mut Comparison,
        settings: &Settings,
        sums: &mut Sums,
    ) -> Result<Vec<Difference>, AdoptionError> {
        let now = clock::now().max(comparison.last_at());
        let inputs: Vec<_> = batch.iter().map(|(_, listed)| as_input(listed, now)).collect();
        let shelf = comparison.look_up(&inputs).await?;
        let mut differences = Vec::new();
        for (line, listed) in batch.iter().filter(|(_, listed)| self.concerns(listed, &shelf)) {
            sums.compared += 1;
            match compare(*line, listed, &shelf, settings, now) {
                Compared::Same => {}
                Compared::BooksAreNewer => sums.books_are_newer += 1,
                Compared::NothingToKnow => sums.nothing_to_know += 1,
                Compared::Differs(difference) => {
                    sums.add(&difference);
                    differences.push(*difference);
                }
            }
        }
        Ok(differences)
    }

    /// Whether a listed project is one of those that were asked about.
    fn concerns(&self, listed: &ListedProject, shelf: &Shelf) -> bool {
        let Some(account) = &self.account else { return true };
        let found = shelf.projects.get(&listed.fact.project_id).and_then(Option::as_ref);
        listed.fact.account_id == *account
            || found.is_some_and(|project| project.account.get().as_ref() == Some(account))
    }

    /// The unlisted ones of the next projects that hold or wait for credits. `None` after the last.
    async fn unlisted_after(
        &self,
        comparison: &mut Comparison,
        list: &List,
        after: &mut Option<ProjectId>,
        found: &mut u64,
    ) -> Result<Option<Vec<Difference>>, AdoptionError> {
        if self.partial {
            return Ok(None);
        }
        let account = self.account.as_ref().map(AccountId::as_str);
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let page = comparison.tied(account, after.as_ref(), limit).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *after = Some(last.id.clone());
        *found += page.len() as u64;
        let missing = page.iter().filter(|project| !list.ids.contains(&id_hash(&project.id)));
        Ok(Some(missing.map(unlisted).collect()))
    }
}

fn read(line: &Line<'_>, settings: &Settings) -> Result<ListedProject, String> {
    let Line::Text(text) = line else { return Err(too_long()) };
    let listed = listed_project(text)?;
    if let Some(status) = listed.fact.status.as_deref() {
        super::known_status("status", status, settings)?;
    }
    Ok(listed)
}

/// A listed project as a message about it would be, to find what it touches.
fn as_input(listed: &ListedProject, now: Timestamp) -> Input {
    let fact = Fact::Project(listed.fact.clone());
    let key = MessageKey::new(CLI_SOURCE, "");
    let cause = Cause { key, message_type: fact.command_type().into(), traceparent: None };
    let author = Author::Upstream;
    Input { cause: Arc::new(cause), time: listed.time, revision: listed.revision, author, fact, now }
}

/// Gives the command that mends a difference, where there is one.
async fn give(
    store: &Store,
    settings: &Arc<Settings>,
    repair: &Repair,
    difference: &Difference,
    fact: Option<Fact>,
) -> Result<Repaired, AdoptionError> {
    let Some(fact) = fact else {
        let why = match difference.differs.contains(&Aspect::UnknownUpstream) {
            true => "the upstream doesn't list it; --release-unknown releases what it holds",
            false => "its hold was released by command; restore it by command, if that was a mistake",
        };
        return Ok(Repaired::LeftAlone(why));
    };
    let order = Order::new(CLI_SOURCE, repair.command.clone(), fact);
    let seen = (&difference.project_id, difference.found.as_ref());
    Ok(match command::give_if_as_seen(store, settings, &order, seen).await? {
        None => Repaired::ChangedMeanwhile,
        Some(Answer::Done(effect)) => {
            Repaired::Done { message: effect.key, hold_refused: effect.hold_refused }
        }
        Some(Answer::Refused(refusal)) => Repaired::Refused(refusal.detail),
    })
}
