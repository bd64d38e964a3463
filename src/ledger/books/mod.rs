//! The books: what was loaded of the ledger, and what a batch of inputs makes of it.
//!
//! [`Books::apply`] is the only way in which anything changes. It works on copies of what lies on a
//! [`Shelf`]; where it needs something that isn't there it says so with a [`Need`], and the caller loads it
//! and begins the batch again with fresh books. So a batch either comes out whole or leaves no trace.

mod accounts;
mod alerts;
mod assets;
mod claims;
mod credits;
mod grants;
mod holds;
mod moves;
mod prices;
mod projects;
mod shelf;
mod stale;
#[cfg(test)]
pub(crate) mod tests;
mod touched;

use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

pub use shelf::{HOLDERS_SHOWN, Holders, Need, Shelf};
use touched::Touched;

use super::account::{Account, Organization};
use super::booking::{Circumstances, Movement, book};
use super::credits::Credits;
use super::entry::{Entry, LogNumber, Side};
use super::grant::Grant;
use super::ids::{AccountId, OrganizationId, ProjectId};
use super::input::{AssetRecord, Fact, Input};
use super::map::{Map, Set};
use super::notice::{Notice, NoticeBody, NoticeKind};
use super::outcome::{Outcome, ParkReason, Parking, Refusal, WaitsFor};
use super::price::PriceList;
use super::project::{Project, Ticket};
use super::queue::Queue;
use super::settings::Settings;

/// What the ledger as a whole remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerState {
    /// The settings that decide.
    pub settings: Arc<Settings>,
    /// How often they were set.
    pub settings_number: i64,
    /// The last number given to an entry or a notice.
    pub log_last: LogNumber,
    /// The last ticket drawn by a claim that had to wait.
    pub ticket_last: Ticket,
    /// The last number given to a price list.
    pub price_list_last: i64,
}

/// A line of the ledger's one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRecord {
    /// Credits moved.
    Entry(Entry),
    /// Something was said.
    Notice(Notice),
}

impl LogRecord {
    /// Its place in the ledger's order.
    pub fn number(&self) -> LogNumber {
        match self {
            LogRecord::Entry(entry) => entry.number,
            LogRecord::Notice(notice) => notice.number,
        }
    }
}

/// What became of one input, and which stretch of the log it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What became of it.
    pub outcome: Outcome,
    /// The first and the last number that it wrote, if it wrote any.
    pub log: Option<(LogNumber, LogNumber)>,
}

impl Decision {
    /// The parking, where the message was parked.
    pub fn parking(&self) -> Option<&Parking> {
        match &self.outcome {
            Outcome::Parked(parking) => Some(parking),
            Outcome::Applied | Outcome::Stale | Outcome::Rejected(_) => None,
        }
    }
}

/// What a batch changed, to be saved as a whole.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The ledger's own state.
    pub ledger: LedgerState,
    /// Accounts that were worked on.
    pub accounts: Vec<Account>,
    /// Organizations that were worked on.
    pub organizations: Vec<Organization>,
    /// Projects that were worked on.
    pub projects: Vec<Project>,
    /// Grants with a term that came, were drawn on, or are over.
    pub grants: Vec<Grant>,
    /// Price lists that came, or came into force.
    pub price_lists: Vec<PriceList>,
    /// Assets that were counted.
    pub assets: Vec<AssetRecord>,
    /// Entries and notices, in order.
    pub log: Vec<LogRecord>,
    /// Inputs of the ledger's own that were due before others, and what became of them.
    pub own: Vec<(Input, Decision)>,
    /// What came to be known, so that parked messages that wait for it may be offered again.
    pub appeared: Vec<WaitsFor>,
}

/// Why an input was not applied. The books are to be thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something has to be loaded first.
    Need(Need),
    /// It is a command, and something stands in its way.
    Refused(Refusal),
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Stop::Need(need)
    }
}

/// A command that can't be carried out, for a reason that is said in `detail`.
fn refused(detail: impl Into<String>) -> Stop {
    Stop::Refused(Refusal { detail: detail.into(), in_use_on: None })
}

/// The books under work.
pub struct Books<'s> {
    shelf: &'s Shelf,
    ledger: LedgerState,
    accounts: Map<AccountId, Account>,
    organizations: Map<OrganizationId, Organization>,
    projects: Map<ProjectId, Project>,
    queues: Map<AccountId, Queue>,
    stored_through: Ticket,
    /// Open grants by account, of the accounts on which any changed.
    grants: Map<AccountId, Vec<Grant>>,
    /// Versions of price lists by owner, of the lists of which any changed.
    price_lists: Map<Option<OrganizationId>, Vec<PriceList>>,
    assets: Vec<AssetRecord>,
    touched: Touched,
    log: Vec<LogRecord>,
    own: Vec<(Input, Decision)>,
    appeared: Vec<WaitsFor>,
    /// The organizations whose members are among that.
    announced: Set<OrganizationId>,
}

impl<'s> Books<'s> {
    /// Opens the books on what was loaded.
    pub fn open(shelf: &'s Shelf, ledger: LedgerState) -> Self {
        Self {
            shelf,
            stored_through: ledger.ticket_last,
            ledger,
            accounts: Map::default(),
            organizations: Map::default(),
            projects: Map::default(),
            queues: Map::default(),
            grants: Map::default(),
            price_lists: Map::default(),
            assets: Vec::new(),
            touched: Touched::default(),
            log: Vec::new(),
            own: Vec::new(),
            appeared: Vec::new(),
            announced: Set::default(),
        }
    }

    /// Applies one input, after what is due by the clock on the accounts that it is about. On a [`Stop`] these
    /// books are to be thrown away.
    pub fn apply(&mut self, input: &Input) -> Result<Decision, Stop> {
        self.expire_due(input)?;
        let decision = self.apply_alone(input)?;
        if input.brings_what_is_over() {
            self.expire_due(input)?;
        }
        Ok(decision)
    }

    fn apply_alone(&mut self, input: &Input) -> Result<Decision, Stop> {
        let log_before = self.ledger.log_last;
        self.touched.clear();
        let is_checked = input.command().is_some() && input.fact.sets_limits();
        let accounts_before = is_checked.then(|| self.accounts.clone());
        let outcome = self.decide(input)?;
        if let Some(before) = accounts_before {
            self.refuse_what_exceeds(&before)?;
        }
        self.tell_waiting(input)?;
        self.evaluate_alerts(input)?;
        let parked = matches!(outcome, Outcome::Parked(_));
        assert!(!parked || self.ledger.log_last == log_before, "a parked message moves nothing");
        let first = LogNumber(log_before.0 + 1);
        let log = (self.ledger.log_last >= first).then_some((first, self.ledger.log_last));
        Ok(Decision { outcome, log })
    }

    /// Closes the books and says what changed.
    pub fn close(self) -> Changes {
        Changes {
            ledger: self.ledger,
            accounts: self.accounts.into_values().collect(),
            organizations: self.organizations.into_values().collect(),
            projects: self.projects.into_values().collect(),
            grants: self.grants.into_values().flatten().collect(),
            price_lists: self.price_lists.into_values().flatten().collect(),
            assets: self.assets,
            log: self.log,
            own: self.own,
            appeared: self.appeared,
        }
    }

    fn decide(&mut self, input: &Input) -> Result<Outcome, Stop> {
        let horizon = input.now + self.ledger.settings.time_ahead_max;
        if let Some(time) = input.time.filter(|time| *time > horizon) {
            let detail = format!(
                "its time {time} is further ahead of the ledger's ({}) than time_ahead_max_s allows",
                input.now
            );
            return Ok(park(ParkReason::TimeAhead, detail, None));
        }
        let outcome = match &input.fact {
            Fact::Project(fact) => self.apply_project(input, fact)?,
            Fact::Asset(fact) => self.apply_asset(input, fact)?,
            Fact::Account(fact) => self.apply_account(input, fact)?,
            Fact::Organization(fact) => self.apply_organization(input, fact)?,
            Fact::Grant(fact) => self.apply_grant(input, fact)?,
            Fact::Adjustment(fact) => self.apply_adjustment(input, fact)?,
            Fact::Transfer(fact) => self.apply_transfer(input, fact)?,
            Fact::PriceList(fact) => self.apply_price_list(input, fact)?,
            Fact::PricesAmended(fact) => self.amend_prices(input, fact)?,
            Fact::HoldReleased(hold) => self.release_hold(input, &hold.project_id)?,
            Fact::HoldRestored(hold) => self.restore_hold(input, &hold.project_id)?,
            Fact::HoldRetried(hold) => self.retry_hold(input, &hold.project_id)?,
            Fact::AlertTested(test) => self.test_alert(input, &test.account_id)?,
            Fact::Settings(settings) => self.apply_settings(input, settings)?,
            Fact::PricesStarted(start) => self.start_prices(input, start)?,
            Fact::GrantExpired(due) => self.expire_grant(input, due)?,
            Fact::GrantWarned(due) => self.warn_of_grant(input, due)?,
            Fact::HoldsStale(stale) => self.mark_stale(input, stale)?,
        };
        match outcome {
            // Nobody would come back for a command that waits.
            Outcome::Parked(parking) if input.command().is_some() => Err(refused(as_refusal(parking))),
            outcome => Ok(outcome),
        }
    }

    /// Sets the settings that decide from here on, and evaluates everybody's rules by them.
    fn apply_settings(&mut self, input: &Input, settings: &Arc<Settings>) -> Result<Outcome, Need> {
        self.ledger.settings = settings.clone();
        self.ledger.settings_number += 1;
        let status_known = |rule: &super::settings::StatusRule| WaitsFor::Status(rule.status.clone());
        self.appeared.extend(settings.statuses.iter().map(status_known));
        self.forget_stale(input)?;
        for account in self.everyone()? {
            self.touch(&account);
        }
        Ok(Outcome::Applied)
    }

    /// A command that sets limits takes no account over one, nor further over it (DESIGN 1.5): what is in use
    /// stands in its way. `before` are the accounts as they were copied before it.
    fn refuse_what_exceeds(&self, before: &Map<AccountId, Account>) -> Result<(), Stop> {
        for id in &self.touched.accounts.members {
            let after = self.known_account(id)?;
            let stored = self.shelf.accounts.get(id).and_then(Option::as_ref);
            let before = before.get(id).or(stored).map(|account| account.balance.available());
            let available = after.balance.available();
            let lower = available < before.unwrap_or_default();
            if lower && available < after.floor() {
                let detail = format!(
                    "account \"{id}\" would be {} credits over its limit: of {} in total, {} are held and {} \
                     used up",
                    after.floor() - available,
                    after.balance.total,
                    after.balance.held,
                    after.balance.consumed,
                );
                return Err(Stop::Refused(Refusal { detail, in_use_on: Some(id.clone()) }));
            }
        }
        Ok(())
    }

    fn touch(&mut self, account: &AccountId) {
        self.touched.accounts.add(account);
    }

    fn tell_about(&mut self, project: &ProjectId) {
        self.touched.waiting.add(project);
    }

    fn next_number(&mut self) -> LogNumber {
        self.ledger.log_last.0 += 1;
        self.ledger.log_last
    }

    /// Books one movement on one account.
    fn book(
        &mut self,
        account_id: &AccountId,
        movement: &Movement,
        project_id: Option<&ProjectId>,
        input: &Input,
    ) -> Result<(), Need> {
        let number = self.next_number();
        let (reason, actor) = input.reason_and_actor();
        let around = Circumstances { number, at: input.now, project_id, cause: &input.cause, reason, actor };
        let account = self.known_account_mut(account_id)?;
        let entry = book(account, movement, &around);
        let pool = account.chain().pool;
        self.log.push(LogRecord::Entry(entry));
        self.touch(account_id);
        if let Some(pool) = pool {
            match (movement.from, movement.to) {
                (Side::Outside, _) => self.promise(&pool, movement.credits)?,
                (_, Side::Outside) => self.promise(&pool, -movement.credits)?,
                _ => {}
            }
        }
        if movement.to == Side::Consumed {
            self.draw_on_grants(account_id, movement.credits)?;
        }
        Ok(())
    }

    /// Counts what an integrated account may use more, or less, as promised of its pool.
    fn promise(&mut self, pool: &AccountId, credits: Credits) -> Result<(), Need> {
        self.known_account_mut(pool)?.tallies.promised += credits;
        self.touch(pool);
        Ok(())
    }

    /// Says something about an account.
    fn say(&mut self, account_id: &AccountId, body: NoticeBody, input: &Input) -> Result<(), Need> {
        let number = self.next_number();
        let account = self.known_account_mut(account_id)?;
        let counter = match body.kind() {
            NoticeKind::Alert => &mut account.sequences.alerts,
            NoticeKind::Hold => &mut account.sequences.holds,
            NoticeKind::TransferRejected => &mut account.sequences.transfers_rejected,
        };
        *counter += 1;
        let sequence = *counter;
        let organization_id = account.organization().cloned();
        self.log.push(LogRecord::Notice(Notice {
            number,
            account_id: account_id.clone(),
            organization_id,
            sequence,
            at: input.now,
            cause: input.cause.clone(),
            body,
        }));
        Ok(())
    }

    fn account(&self, id: &AccountId) -> Result<Option<&Account>, Need> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(Some(account));
        }
        let stored = self.shelf.accounts.get(id).ok_or_else(|| Need::Account(id.clone()))?;
        Ok(stored.as_ref())
    }

    fn account_mut(&mut self, id: &AccountId) -> Result<Option<&mut Account>, Need> {
        match self.accounts.entry(id.clone()) {
            Slot::Occupied(copy) => Ok(Some(copy.into_mut())),
            Slot::Vacant(place) => {
                let stored = self.shelf.accounts.get(id).ok_or_else(|| Need::Account(id.clone()))?;
                Ok(stored.as_ref().map(|account| place.insert(account.clone())))
            }
        }
    }

    /// An account that must exist by now: one of a chain, or one that was looked up before.
    fn known_account(&self, id: &AccountId) -> Result<&Account, Need> {
        Ok(self.account(id)?.expect("an account that is in a chain exists, and none is ever removed"))
    }

    fn known_account_mut(&mut self, id: &AccountId) -> Result<&mut Account, Need> {
        let account = self.account_mut(id)?;
        Ok(account.expect("an account that is in a chain exists, and none is ever removed"))
    }

    fn organization(&self, id: &OrganizationId) -> Result<Option<&Organization>, Need> {
        if let Some(organization) = self.organizations.get(id) {
            return Ok(Some(organization));
        }
        let stored = self.shelf.organizations.get(id).ok_or_else(|| Need::Organization(id.clone()))?;
        Ok(stored.as_ref())
    }

    /// A copy of a project to work on; a new one where there is none yet.
    fn project(&self, id: &ProjectId) -> Result<Project, Need> {
        Ok(self.known_project(id)?.cloned().unwrap_or_else(|| Project::new(id.clone())))
    }

    fn known_project(&self, id: &ProjectId) -> Result<Option<&Project>, Need> {
        if let Some(project) = self.projects.get(id) {
            return Ok(Some(project));
        }
        let stored = self.shelf.projects.get(id).ok_or_else(|| Need::Project(id.clone()))?;
        Ok(stored.as_ref())
    }

    /// All accounts, in the order of their ids.
    fn everyone(&self) -> Result<Vec<AccountId>, Need> {
        let stored = self.shelf.everyone.as_ref().ok_or(Need::Everyone)?;
        let mut all: Vec<_> = stored.iter().chain(self.accounts.keys()).cloned().collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The accounts of an organization, its pool included, in the order of their ids.
    fn members(&self, organization: &OrganizationId) -> Result<Vec<AccountId>, Need> {
        let stored = self.shelf.members.get(organization);
        let stored = stored.ok_or_else(|| Need::Members(organization.clone()))?;
        let mut members = Vec::new();
        for id in stored.iter().chain(self.accounts.keys()) {
            if self.known_account(id)?.organization() == Some(organization) {
                members.push(id.clone());
            }
        }
        members.sort();
        members.dedup();
        Ok(members)
    }
}

fn park(reason: ParkReason, detail: String, waits_for: Option<WaitsFor>) -> Outcome {
    Outcome::Parked(Parking { reason, detail, waits_for })
}

/// A parking as the person is told who gave the command.
fn as_refusal(parking: Parking) -> String {
    match parking.waits_for {
        Some(WaitsFor::Account(id)) if parking.reason == ParkReason::AccountUnknown => {
            format!("no account \"{id}\" is known; `creditd account list` shows those that are")
        }
        Some(WaitsFor::Account(id)) if parking.reason == ParkReason::OrganizationUnknown => {
            let what = "is to be integrated, and no organization was ever named for it";
            format!("account \"{id}\" {what}; name one with --organization")
        }
        Some(WaitsFor::Organization(id)) => {
            format!("no organization \"{id}\" is known; `creditd organization list` shows those that are")
        }
        _ => parking.detail,
    }
}
