//! Taking over an existing system: each line of a file is a message, and goes the way of every message.
//!
//! The whole file is checked before anything is applied. It is then read once for each kind of thing, what
//! others build on first, so that the order of its lines doesn't matter: a project is never refused for want
//! of credits that a later line grants. Whatever was applied before is known by its source and id, so an import
//! that ended half-way is simply run again.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::lines::{Line, too_long};
use super::{AdoptionError, InForce, LineFile, Mistakes, Patience};
use crate::batch::settings::{self, Adoption, adopt};
use crate::batch::{self, Arrival, Attempt, Choice, Committed, Offers};
use crate::clock;
use crate::contract::line::{ImportLine, import_line};
use crate::ledger::ids::MessageKey;
use crate::ledger::input::Fact;
use crate::ledger::settings::Settings;
use crate::ledger::version::{Version, VersionLack};
use crate::store::{Batch, Cache, Remedy, Standing, Store, StoreError};

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file.
    pub file: LineFile,
    /// The source of lines that name none.
    pub source: Arc<str>,
    /// Whether lines that can't be used are left out, instead of nothing being applied.
    pub skip_invalid: bool,
    /// How many messages one transaction takes at most.
    pub messages_max: usize,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The file is being checked: bytes, and of how many.
    Checking(u64, u64),
    /// Lines are being applied: lines, and of how many.
    Applying(u64, u64),
}

/// A file as it was found by the check.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// How many lines are messages, by their types.
    pub by_type: BTreeMap<Arc<str>, u64>,
    /// How many lines are messages, by their places.
    by_place: [u64; Place::ALL.len()],
    /// The lines that can't be used, which are left out.
    pub skipped: Mistakes,
}

impl Checked {
    /// How many lines are messages.
    pub fn lines(&self) -> u64 {
        self.by_place.iter().sum()
    }
}

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the file has.
    pub checked: Checked,
    /// Lines that were applied when they were read.
    pub applied: usize,
    /// Lines that newer messages had said all of.
    pub stale: usize,
    /// Lines whose hold or transfer was refused, with a notice.
    pub rejected: usize,
    /// Lines that came before: in an import that ended half-way, or earlier in the file.
    pub there_already: usize,
    /// Lines that were parked when they were read.
    pub parked: usize,
    /// Parked messages that came to be applied, stale or refused as what they waited for appeared: lines of
    /// this file, or what had come before it.
    pub taken_up: usize,
    /// How things stand now.
    pub standing: Standing,
}

/// When a line's turn is: what others build on comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Organizations,
    Accounts,
    Credits,
    Transfers,
    Work,
}

impl Place {
    const ALL: [Place; 5] =
        [Place::Organizations, Place::Accounts, Place::Credits, Place::Transfers, Place::Work];

    /// By a message's type, so that a line whose turn is another need not be decoded.
    fn of_type(message_type: &str) -> Self {
        match message_type.rsplit_once(".v").map_or(message_type, |(base, _)| base) {
            "organization.changed" => Place::Organizations,
            "account.changed" | "price_list.changed" => Place::Accounts,
            "credits.granted" | "credits.adjusted" => Place::Credits,
            "credits.transferred" => Place::Transfers,
            _ => Place::Work,
        }
    }
}

/// What a look at a line tells.
#[derive(Deserialize)]
struct Glance<'l> {
    #[serde(borrow, rename = "type")]
    message_type: Option<Cow<'l, str>>,
}

fn glance(line: &[u8]) -> Option<Place> {
    let glance: Glance = serde_json::from_slice(line).ok()?;
    glance.message_type.map(|message_type| Place::of_type(&message_type))
}

impl Import {
    /// Checks the whole file by `settings`. Nothing is applied.
    pub fn check(&self, settings: &Settings, step: &mut dyn FnMut(Step)) -> Result<Checked, AdoptionError> {
        let mut checked = Checked::default();
        let mut twice = Twice::default();
        let mut lines = self.file.read()?;
        loop {
            let bytes = lines.bytes();
            let Some((number, line)) = lines.next()? else { break };
            step(Step::Checking(bytes, self.file.bytes()));
            checked.skipped.lines += 1;
            let read = match line {
                Line::Text(text) => self.read(text, settings),
                Line::TooLong => Err(too_long()),
            };
            match read.and_then(|read| twice.refuse(number, read)) {
                Ok(ImportLine { message, .. }) => {
                    let message_type = message.cause.message_type.clone();
                    checked.by_place[Place::of_type(&message_type) as usize] += 1;
                    *checked.by_type.entry(message_type).or_default() += 1;
                }
                Err(what) => checked.skipped.note(number, what),
            }
        }
        if checked.skipped.count > 0 && !self.skip_invalid {
            return Err(AdoptionError::Mistakes(checked.skipped));
        }
        Ok(checked)
    }

    /// Applies a file that was checked.
    pub async fn apply(
        &self,
        store: &Store,
        in_force: &InForce,
        checked: Checked,
        step: &mut dyn FnMut(Step),
    ) -> Result<Imported, AdoptionError> {
        if in_force.ledger_is_new
            && let Adoption::OrderDiffers(differ) = adopt(store, &in_force.settings).await?
        {
            return Err(differ.into());
        }
        let settings = in_force.settings.clone();
        let mut way =
            Way { to: To::Ledger(store), settings, messages_max: self.messages_max, cache: Cache::default() };
        let (came, taken_up) = self.go(&mut way, &in_force.settings, &checked, step).await?;
        let standing = store.standing().await?;
        Ok(imported(checked, &came, taken_up, standing))
    }

    /// Does all that [`Import::apply`] does in one transaction, and takes it back. The ledger is locked
    /// meanwhile: a daemon waits, and loses nothing.
    pub async fn rehearse(
        &self,
        store: &Store,
        in_force: &InForce,
        checked: Checked,
        step: &mut dyn FnMut(Step),
    ) -> Result<Imported, AdoptionError> {
        let mut batch = store.begin().await?;
        if in_force.ledger_is_new && batch.settings().is_none() {
            settings::set(&mut batch, &in_force.settings).await?;
        }
        let settings = batch.settings().unwrap_or(&in_force.settings).clone();
        let mut way = Way {
            to: To::Rehearsal(Some(batch)),
            settings,
            messages_max: self.messages_max,
            cache: Cache::default(),
        };
        let (came, taken_up) = self.go(&mut way, &in_force.settings, &checked, step).await?;
        let To::Rehearsal(Some(mut batch)) = way.to else { unreachable!("a rehearsal stays one") };
        let standing = batch.standing().await?;
        batch.roll_back().await?;
        Ok(imported(checked, &came, taken_up, standing))
    }

    /// Reads the file once for each kind of thing that it has, by the settings that it was checked by. Says what
    /// came of its lines, and how many parked messages were taken up.
    async fn go(
        &self,
        way: &mut Way<'_>,
        settings: &Settings,
        checked: &Checked,
        step: &mut dyn FnMut(Step),
    ) -> Result<(Committed, usize), AdoptionError> {
        let mut came = Committed::default();
        let mut done = 0;
        for place in Place::ALL {
            if checked.by_place[place as usize] == 0 {
                continue;
            }
            let mut twice = Twice::default();
            let mut lines = self.file.read()?;
            let mut arrivals = Vec::with_capacity(self.messages_max);
            while let Some((number, line)) = lines.next()? {
                let Line::Text(text) = line else { continue };
                if glance(text).is_some_and(|found| found != place) {
                    continue;
                }
                let read = self.read(text, settings).and_then(|read| twice.refuse(number, read));
                let Ok(ImportLine { raw, message, .. }) = read else {
                    if self.skip_invalid {
                        continue;
                    }
                    return Err(self.file.changed(number).into());
                };
                arrivals.push(Arrival::decoded(raw, message, clock::now()));
                if arrivals.len() == self.messages_max {
                    done += arrivals.len() as u64;
                    came.add(&way.take(std::mem::take(&mut arrivals)).await?);
                    step(Step::Applying(done, checked.lines()));
                }
            }
            done += arrivals.len() as u64;
            came.add(&way.take(arrivals).await?);
            step(Step::Applying(done, checked.lines()));
        }
        // Not before the end: what waited for an account may need the credits that are granted to it, too.
        let taken_up = way.offer_parked().await?;
        Ok((came, taken_up))
    }

    /// Reads a line, and refuses what would only be parked for good, or until the settings change.
    fn read(&self, line: &[u8], settings: &Settings) -> Result<ImportLine, String> {
        let read = import_line(line, &self.source)?;
        let message = &read.message;
        let has_registers =
            matches!(message.fact, Fact::Project(_) | Fact::Account(_) | Fact::Organization(_));
        let version = Version::of(settings.order, message.revision, message.time, &message.cause.key);
        match version {
            Err(VersionLack::Revision) if has_registers => {
                let hint = "0 lets any later message of the upstream win";
                return Err(format!(
                    "data.revision: missing; the setting order = \"revision\" needs it; {hint}"
                ));
            }
            Err(VersionLack::Time) if has_registers => {
                return Err("time: missing; the setting order = \"time\" needs it".to_owned());
            }
            _ => {}
        }
        if let Some(time) = message.time.filter(|time| *time > clock::now() + settings.time_ahead_max) {
            return Err(format!("time: {time} is further ahead than time_ahead_max_s allows"));
        }
        if let Fact::Project(fact) = &message.fact
            && let Some(status) = fact.status.as_deref()
        {
            super::known_status("data.status", status, settings)?;
        }
        Ok(read)
    }
}

/// Finds lines that count something and say the same as another, without an id that tells them apart: of two
/// such grants only one would count.
#[derive(Default)]
struct Twice {
    seen: HashMap<MessageKey, u64>,
}

impl Twice {
    fn refuse(&mut self, number: u64, line: ImportLine) -> Result<ImportLine, String> {
        // A register may be set to the same again; that is no loss.
        let counts = !matches!(
            line.message.fact,
            Fact::Project(_) | Fact::Account(_) | Fact::Organization(_) | Fact::PriceList(_)
        );
        if !counts || !line.id_is_made {
            return Ok(line);
        }
        match self.seen.insert(line.message.cause.key.clone(), number) {
            None => Ok(line),
            Some(first) => Err(format!(
                "says the same as line {first}, and would count as that one again; give each an id or a time \
                 of its own if both are meant, else take one out"
            )),
        }
    }
}

/// Where messages are applied.
enum To<'s> {
    /// In the ledger, batch by batch.
    Ledger(&'s Store),
    /// In one transaction, which is taken back in the end. `None` while a batch is in work, and after an error.
    Rehearsal(Option<Batch>),
}

/// The way of the messages: by which settings, and how many at a time.
struct Way<'s> {
    to: To<'s>,
    settings: Arc<Settings>,
    messages_max: usize,
    /// What the last batch left behind.
    cache: Cache,
}

impl Way<'_> {
    async fn take(&mut self, arrivals: Vec<Arrival>) -> Result<Committed, StoreError> {
        match &mut self.to {
            _ if arrivals.is_empty() => Ok(Committed::default()),
            To::Ledger(store) => {
                let store = *store;
                self.commit(store, arrivals).await
            }
            To::Rehearsal(batch) => {
                let begun = batch.take().expect("an error ends the rehearsal");
                let (goes_on, committed) = batch::rehearse(begun, &arrivals, &self.settings).await?;
                *batch = Some(goes_on);
                Ok(committed)
            }
        }
    }

    /// Takes arrivals through the store until they are committed, as the daemon does; but gives up on a server
    /// that stays away: what is committed by then is there when the import is run again.
    async fn commit(&mut self, store: &Store, arrivals: Vec<Arrival>) -> Result<Committed, StoreError> {
        let mut total = Committed::default();
        let mut patience = Patience::new();
        let mut parts = vec![arrivals];
        while let Some(part) = parts.pop() {
            match batch::apply(store, &mut self.cache, &part, &self.settings).await {
                Ok(Attempt::Committed(written)) => total.add(&written.committed),
                Ok(Attempt::SettingsDiffer) => {
                    // Its daemon has changed them.
                    parts.push(part);
                    let (stored, _) = store.settings().await?;
                    self.settings = stored.map_or_else(|| self.settings.clone(), Arc::new);
                }
                Err(error) if error.remedy() == Remedy::Bisect => {
                    parts.extend(batch::narrow_down(part, &error).map_err(|_| error)?.into_iter().rev());
                }
                Err(error) => {
                    parts.push(part);
                    patience.after(error).await?;
                }
            }
        }
        Ok(total)
    }

    /// Offers parked messages whose reason has gone, until no more become due by that. Says how many were taken
    /// up.
    async fn offer_parked(&mut self) -> Result<usize, StoreError> {
        let mut taken_up = 0;
        loop {
            let limit = i64::try_from(self.messages_max).unwrap_or(i64::MAX);
            let due = match &mut self.to {
                To::Ledger(store) => store.due_messages(limit).await?,
                To::Rehearsal(batch) => {
                    batch.as_mut().expect("an error ends the rehearsal").due_messages(limit).await?
                }
            };
            let Choice::Offer(offers) = Offers::choose(due, true, None, self.messages_max) else {
                return Ok(taken_up);
            };
            if let To::Ledger(store) = &self.to {
                store.count_offers(&offers.to_count()).await?;
            }
            let is_all = offers.is_all;
            let committed = self.take(offers.into_arrivals(clock::now())).await?;
            taken_up += committed.decided();
            if is_all && !committed.appeared {
                return Ok(taken_up);
            }
        }
    }
}

fn imported(checked: Checked, came: &Committed, taken_up: usize, standing: Standing) -> Imported {
    Imported {
        checked,
        applied: came.applied,
        stale: came.stale,
        rejected: came.rejected,
        there_already: came.repeated,
        parked: came.parked,
        taken_up,
        standing,
    }
}
