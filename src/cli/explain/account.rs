//! `creditd explain account`: which message or command moved which of an account's credits, in order, up to the
//! present balance.

use std::collections::BTreeSet;

use super::super::CommandError;
use super::super::output::{Column, balance_phrase, members, or_dash};
use super::super::streamed::{Document, Out, Rows};
use super::{ExplainedEntry, cause, refused_id, signed, why};
use crate::ledger::balance::Balance;
use crate::ledger::entry::Entry;
use crate::ledger::ids::AccountId;
use crate::ledger::notice::ShownBalance;
use crate::store::{AccountStretch, Store, Stretch};

pub(super) async fn run(store: &Store, id: &str, stretch: Stretch, json: bool) -> Result<(), CommandError> {
    let unknown = || format!("no account {id:?} is known; `creditd account list` shows those that are");
    let account_id = AccountId::parse(id).map_err(|error| refused_id(&unknown(), &error))?;
    let Some(found) = store.account_stretch(&account_id, stretch).await? else {
        return Err(CommandError::Refused(unknown()));
    };
    let walk = Walk::of(store, &found);
    let mut out = Out::new();
    let flaw = match json {
        true => tell_json(walk, &found, stretch, &mut out).await?,
        false => tell_text(walk, &found, stretch, &mut out).await?,
    };
    match flaw {
        None => Ok(()),
        Some(flaw) => Err(CommandError::Refused(format!("{flaw}; run `creditd verify`"))),
    }
}

/// The entries of a stretch, read page by page and held against each other.
struct Walk<'w> {
    store: &'w Store,
    id: &'w AccountId,
    /// The last entry so far.
    at: i64,
    through: i64,
    balance: Balance,
    /// The first thing that doesn't fit.
    flaw: Option<String>,
}

impl<'w> Walk<'w> {
    fn of(store: &'w Store, found: &'w AccountStretch) -> Self {
        let AccountStretch { account, opening, after, through } = found;
        Self { store, id: &account.id, at: *after, through: *through, balance: *opening, flaw: None }
    }

    /// The next entries; none at the end.
    async fn next_page(&mut self) -> Result<Vec<ExplainedEntry>, CommandError> {
        if self.at >= self.through {
            return Ok(Vec::new());
        }
        let entries = self.store.account_entries(self.id, self.at, self.through).await?;
        for entry in &entries {
            self.follow(entry);
        }
        if entries.is_empty() {
            self.find(format!("entries {} to {} of {} are missing", self.at + 1, self.through, self.id));
        }
        let projects: BTreeSet<_> = entries.iter().filter_map(|entry| entry.project_id.clone()).collect();
        let names = self.store.project_names(&projects.into_iter().collect::<Vec<_>>()).await?;
        let name = |entry: &Entry| names.get(entry.project_id.as_ref()?).cloned();
        Ok(entries.iter().map(|entry| ExplainedEntry::of(entry, name(entry))).collect())
    }

    fn follow(&mut self, entry: &Entry) {
        if entry.sequence != self.at + 1 || entry.previous_balance() != self.balance {
            self.find(format!("entry {} does not follow from the one before it", entry.number));
        }
        (self.at, self.balance) = (entry.sequence, entry.balance);
    }

    fn find(&mut self, flaw: String) {
        self.flaw.get_or_insert(flaw);
    }

    /// What doesn't fit: between the entries, or in the end between them and the account's balance.
    fn end(self, found: &AccountStretch) -> (Balance, Option<String>) {
        let reaches_present = self.through == found.account.sequences.entries;
        let differs = reaches_present && self.balance != found.account.balance;
        let flaw = differs.then(|| format!("the entries of {} don't lead to its present balance", self.id));
        (self.balance, self.flaw.or(flaw))
    }
}

fn later_entries(found: &AccountStretch) -> i64 {
    found.account.sequences.entries - found.through
}

async fn tell_json(
    mut walk: Walk<'_>,
    found: &AccountStretch,
    stretch: Stretch,
    out: &mut Out,
) -> Result<Option<String>, CommandError> {
    let mut document = Document::begin(out)?;
    document.member("account_id", &found.account.id)?;
    document.member("name", found.account.name.get())?;
    document.member("from", &stretch.from)?;
    document.member("before", &stretch.before)?;
    document.member("opening", &ShownBalance::from(found.opening))?;
    document.list("entries")?;
    loop {
        let page = walk.next_page().await?;
        page.iter().try_for_each(|entry| document.element(entry))?;
        if page.is_empty() || document.is_closed() {
            break;
        }
    }
    let is_closed = document.is_closed();
    let (closing, flaw) = walk.end(found);
    document.end_list()?;
    document.member("closing", &ShownBalance::from(closing))?;
    document.member("later_entries", &later_entries(found))?;
    document.member("present", &ShownBalance::from(found.account.balance))?;
    document.end()?;
    Ok(flaw.filter(|_| !is_closed))
}

async fn tell_text(
    mut walk: Walk<'_>,
    found: &AccountStretch,
    stretch: Stretch,
    out: &mut Out,
) -> Result<Option<String>, CommandError> {
    out.line(&members(&[
        ("account", found.account.id.to_string()),
        ("name", or_dash(found.account.name.get().as_ref())),
        ("stretch", super::told_stretch(stretch)),
        ("opening", balance_phrase(found.opening.into())),
    ]))?;
    out.line("")?;
    let mut rows = Rows::new(&COLUMNS);
    loop {
        let page = walk.next_page().await?;
        page.iter().try_for_each(|entry| rows.push(out, row(entry)))?;
        if page.is_empty() || out.is_closed() {
            break;
        }
    }
    rows.begin(out)?;
    out.line("")?;
    let is_closed = out.is_closed();
    let (closing, flaw) = walk.end(found);
    let later = usize::try_from(later_entries(found)).unwrap_or(0);
    let present = match later {
        0 if flaw.is_none() => "the same".to_owned(),
        0 => balance_phrase(found.account.balance.into()),
        later => {
            format!("{}, after {later} more {}", balance_phrase(found.account.balance.into()), entries(later))
        }
    };
    out.line(&members(&[("closing", balance_phrase(closing.into())), ("present", present)]))?;
    out.flush()?;
    Ok(flaw.filter(|_| !is_closed))
}

fn entries(count: usize) -> &'static str {
    if count == 1 { "entry" } else { "entries" }
}

const COLUMNS: [Column; 13] = [
    Column::Right("LOG"),
    Column::Left("TIME"),
    Column::Left("KIND"),
    Column::Left("FROM"),
    Column::Left("TO"),
    Column::Right("CREDITS"),
    Column::Right("AVAILABLE"),
    Column::Right("THEN"),
    Column::Right("TOTAL"),
    Column::Right("HELD"),
    Column::Right("CONSUMED"),
    Column::Left("PROJECT"),
    Column::Left("CAUSE"),
];

fn row(explained: &ExplainedEntry) -> Vec<String> {
    let entry = &explained.entry;
    let project = match (&entry.project_id, &explained.project_name) {
        (Some(id), Some(name)) => format!("{id} ({name})"),
        (id, _) => or_dash(id.as_ref()),
    };
    vec![
        entry.log_number.to_string(),
        entry.at.to_string(),
        entry.kind.to_owned(),
        entry.from.to_owned(),
        entry.to.to_owned(),
        signed(explained),
        entry.previous.available.to_string(),
        entry.balance.available.to_string(),
        entry.balance.total.to_string(),
        entry.balance.held.to_string(),
        entry.balance.consumed.to_string(),
        project,
        format!("{}{}", cause(&explained.cause), why(explained)),
    ]
}
