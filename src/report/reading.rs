//! One moment of the ledger, seen through a scope. Whatever is outside the scope is told of exactly as what does
//! not exist, so that nobody learns more by asking than by not asking.

mod clocks;
mod names;
mod project;
mod usage;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::OnceCell;

use super::error::{ReadError, unknown};
use super::listed::{Listed, Page};
use super::quote::{self, Quote};
use crate::access::Scope;
use crate::clock::{self, Clocks, Zone};
use crate::ledger::account::Kind;
use crate::ledger::alert::Severity;
use crate::ledger::balance::Queued;
use crate::ledger::ids::{AccountId, OrganizationId, ProjectId};
use crate::ledger::input::Price;
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::{Contact, ContactRole};
use crate::ledger::settings::Settings;
use crate::store::{
    AccountFilter, AccountRow, AlertCounts, ClaimFilter, GrantRow, InUse, OrganizationRow,
    OrganizationSummary, ParkedFilter, PriceListRow, ProjectFilter, ProjectRow, QueueReport, RaisedFilter,
    RaisedRow, ReasonCount, Snapshot, Standing, Store,
};

/// Where questions are answered from. Clones share it.
#[derive(Clone)]
pub struct Reports {
    store: Store,
    /// What decides in a ledger that no daemon has set up yet.
    settings: Arc<Settings>,
    /// Whose days and months count.
    zone: Zone,
    /// The clocks of that zone, once somebody has asked for them.
    clocks: Arc<OnceCell<Clocks>>,
}

impl Reports {
    /// Answers from `store`.
    pub fn new(store: Store, settings: Arc<Settings>, zone: Zone) -> Self {
        Self { store, settings, zone, clocks: Arc::default() }
    }

    /// The ledger as it stands now, as far as `scope` reaches.
    pub async fn read(&self, scope: Scope) -> Result<Reading, ReadError> {
        let snapshot = self.store.look().await?;
        let (settings, zone, clocks) = (self.settings.clone(), self.zone.clone(), self.clocks.clone());
        Ok(Reading { snapshot, scope, settings, zone, clocks })
    }

    /// The clocks of the reports' time zone, if somebody has asked for them: without a look at the ledger.
    pub fn clocks_at_hand(&self) -> Option<Clocks> {
        self.clocks.get().cloned()
    }

    /// What is raised by whatever changes the books: while it stays, so does all that can be read.
    pub async fn version(&self) -> Result<i64, ReadError> {
        Ok(self.store.version().await?)
    }
}

/// As many accounts are told with their organization.
const ACCOUNTS_TOLD: i64 = 100;

/// What deliverables cost for an organization, or for whoever has none.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Prices {
    /// The organization's own list as it is in force, if it has one. What it lacks, the default list says.
    pub own: Option<PriceListRow>,
    /// The default list as it is in force, if there is one.
    pub default: Option<PriceListRow>,
    /// Versions of both that are announced and not in force yet, soonest first.
    pub announced: Vec<PriceListRow>,
}

/// One moment of the ledger, as far as a scope reaches.
pub struct Reading {
    snapshot: Snapshot,
    scope: Scope,
    settings: Arc<Settings>,
    zone: Zone,
    clocks: Arc<OnceCell<Clocks>>,
}

impl Reading {
    /// Ends it.
    pub async fn close(self) -> Result<(), ReadError> {
        Ok(self.snapshot.close().await?)
    }

    /// How far it reaches.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The last number of the log: which moment of the ledger this is.
    pub fn log_number(&self) -> i64 {
        self.snapshot.log_last().0
    }

    /// Whether an account of that id, and of that organization, may be seen.
    fn sees(&self, account_id: &str, organization_id: Option<&str>) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Organization(own) => organization_id == Some(own.as_str()),
            Scope::Account(own) => account_id == own.as_str(),
        }
    }

    /// One account.
    pub async fn account(&mut self, id: &str) -> Result<AccountRow, ReadError> {
        // What can't be an id is not worth a question, and PostgreSQL refuses some of it.
        let id = AccountId::parse(id).map_err(|_| unknown("account", id))?;
        let id = id.as_str();
        let found = self.snapshot.account(id).await?;
        let seen = found.filter(|row| self.sees(&row.account_id, row.organization_id.as_deref()));
        seen.ok_or_else(|| unknown("account", id))
    }

    /// A page of accounts: of one organization, or of all that may be seen.
    pub async fn accounts(
        &mut self,
        organization: Option<String>,
        page: &Page,
    ) -> Result<Listed<AccountRow>, ReadError> {
        if let Some(asked) = &organization {
            self.organization_is_known(asked).await?;
        }
        let mut filter = AccountFilter {
            organizations: organization.map(|id| vec![id]),
            after: page.after.clone(),
            limit: page.limit + 1,
            ..AccountFilter::default()
        };
        match &self.scope {
            Scope::Organization(own) => filter.organizations = Some(vec![own.to_string()]),
            Scope::Account(own) => filter.only = Some(own.to_string()),
            Scope::All => {}
        }
        let rows = self.snapshot.accounts(&filter).await?;
        Ok(Listed::of(rows, page.limit, |row| row.account_id.clone()))
    }

    /// A page of the accounts that belong to no organization. Only who sees all sees any of them.
    pub async fn standalone(&mut self, page: &Page) -> Result<Listed<AccountRow>, ReadError> {
        if self.scope != Scope::All {
            return Ok(Listed { items: Vec::new(), next: None });
        }
        let filter = AccountFilter {
            standalone: true,
            after: page.after.clone(),
            limit: page.limit + 1,
            ..AccountFilter::default()
        };
        let rows = self.snapshot.accounts(&filter).await?;
        Ok(Listed::of(rows, page.limit, |row| row.account_id.clone()))
    }

    /// Whom to turn to about an account: as its alerts say it, to whoever may see the account.
    pub async fn contact(&mut self, account: &AccountRow) -> Result<Contact, ReadError> {
        let is_integrated = account.kind == Kind::Integrated.as_str();
        let contact = match &account.organization_id {
            Some(organization) if is_integrated => {
                let found = self.snapshot.organization_summaries(Some(organization), None, 1).await?.pop();
                found.and_then(|row| row.contact)
            }
            _ => account.contact.clone(),
        };
        let is_pool = account.kind == Kind::Pool.as_str();
        let role = if is_integrated || is_pool {
            ContactRole::OrganizationAdmin
        } else {
            ContactRole::AccountManager
        };
        Ok(Contact { role, contact: contact.map(Arc::from) })
    }

    async fn organization_is_known(&mut self, id: &str) -> Result<(), ReadError> {
        self.organization_in_short(id).await.map(drop)
    }

    /// One organization in short.
    pub async fn organization_in_short(&mut self, id: &str) -> Result<OrganizationSummary, ReadError> {
        let seen = self.sees_organization(id);
        let found =
            if seen { self.snapshot.organization_summaries(Some(id), None, 1).await?.pop() } else { None };
        found.ok_or_else(|| unknown("organization", id))
    }

    /// Whether an organization of that id may be seen, if there is one.
    fn sees_organization(&self, id: &str) -> bool {
        let in_scope = match &self.scope {
            Scope::All => true,
            Scope::Organization(own) => own.as_str() == id,
            Scope::Account(_) => false,
        };
        in_scope && OrganizationId::parse(id).is_ok()
    }

    /// One organization, with its pool and the first [`ACCOUNTS_TOLD`] of its accounts.
    pub async fn organization(&mut self, id: &str) -> Result<OrganizationRow, ReadError> {
        let seen = self.sees_organization(id);
        let found = if seen { self.snapshot.organization(id, ACCOUNTS_TOLD).await? } else { None };
        found.ok_or_else(|| unknown("organization", id))
    }

    /// A page of organizations, each in short.
    pub async fn organizations(&mut self, page: &Page) -> Result<Listed<OrganizationSummary>, ReadError> {
        let only = match &self.scope {
            Scope::All => None,
            Scope::Organization(own) => Some(own.as_str()),
            Scope::Account(_) => return Ok(Listed { items: Vec::new(), next: None }),
        };
        let after = page.after.as_deref();
        let rows = self.snapshot.organization_summaries(only, after, page.limit + 1).await?;
        Ok(Listed::of(rows, page.limit, |row| row.organization_id.clone()))
    }

    /// One project.
    pub async fn project(&mut self, id: &str) -> Result<ProjectRow, ReadError> {
        ProjectId::parse(id).map_err(|_| unknown("project", id))?;
        let found = self.snapshot.project(id).await?;
        let Some(project) = found else { return Err(unknown("project", id)) };
        let account = self.snapshot.account(&project.account_id).await?;
        let is_seen = account.is_some_and(|row| {
            // As everywhere, a pool's projects are those of all accounts of its organization.
            let pool = row.organization_id.as_ref().map(|organization| format!("pool:{organization}"));
            let is_of_pool =
                matches!(&self.scope, Scope::Account(own) if pool.as_deref() == Some(own.as_str()));
            is_of_pool || self.sees(&row.account_id, row.organization_id.as_deref())
        });
        is_seen.then_some(project).ok_or_else(|| unknown("project", id))
    }

    /// A page of an account's projects; of all accounts of its organization where it is a pool.
    pub async fn projects(
        &mut self,
        account: &str,
        state: Option<String>,
        waiting: bool,
        page: &Page,
    ) -> Result<Listed<ProjectRow>, ReadError> {
        let account = self.account(account).await?;
        let is_pool = account.kind == "pool";
        let filter = ProjectFilter {
            organization: account.organization_id.filter(|_| is_pool),
            account: (!is_pool).then_some(account.account_id),
            state,
            waiting,
            after: page.after.clone(),
            limit: page.limit + 1,
        };
        let rows = self.snapshot.projects_by_id(&filter).await?;
        Ok(Listed::of(rows, page.limit, |row| row.project_id.clone()))
    }

    /// The projects that hold an account's credits or wait for them, the largest holds first; a pool's members'
    /// too.
    pub async fn in_use(&mut self, account: &str, limit: i64) -> Result<InUse, ReadError> {
        self.account(account).await?;
        Ok(self.snapshot.in_use(account, limit).await?)
    }

    /// What waits in the queue that an account's claims wait in, and what would unblock it: a page of `limit` claims,
    /// those behind the ticket `after`. Who sees that account alone is told of its own claims only.
    pub async fn queue(
        &mut self,
        account: &str,
        after: Option<i64>,
        limit: i64,
    ) -> Result<QueueReport, ReadError> {
        let row = self.account(account).await?;
        let id = AccountId::parse(&row.account_id).map_err(|_| unknown("account", account))?;
        let chain = self.snapshot.chain(&id).await?;
        let Some(known) = chain.first() else { return Err(unknown("account", account)) };
        let owner = known.chain().queue().clone();
        let only = match &self.scope {
            Scope::Account(own) if *own != owner => Some(own),
            _ => None,
        };
        let filter = ClaimFilter { account: only, after, limit };
        let mut report = self.snapshot.queue_report(&owner, &filter).await?;
        if only.is_some() {
            report.queued = row.queued;
        }
        Ok(report)
    }

    /// A page of the queues in which something waits, those that may be seen: `claims` of each at most.
    pub async fn queues(&mut self, claims: i64, page: &Page) -> Result<Listed<QueueReport>, ReadError> {
        let organization = match self.scope.clone() {
            Scope::All => None,
            Scope::Organization(own) => Some(own),
            Scope::Account(own) => {
                // As of any list: one of an account that isn't there yet is empty.
                let report = match self.queue(own.as_str(), None, claims).await {
                    Err(ReadError::Unknown { .. }) => return Ok(Listed { items: Vec::new(), next: None }),
                    told => told?,
                };
                let items = if report.queued == Queued::default() { Vec::new() } else { vec![report] };
                return Ok(Listed { items, next: None });
            }
        };
        let organization = organization.as_ref().map(OrganizationId::as_str);
        let owners = self.snapshot.queues(organization, page.after.as_deref(), page.limit + 1).await?;
        let owners = Listed::of(owners, page.limit, ToString::to_string);
        let mut items = Vec::new();
        for owner in &owners.items {
            items.push(self.queue(owner.as_str(), None, claims).await?);
        }
        Ok(Listed { items, next: owners.next })
    }

    /// How many alert rules are raised in the whole ledger, by severity, and the most urgent of them: those of
    /// `accounts` accounts. Only who sees all is told.
    pub async fn urgent_alerts(&mut self, accounts: i64) -> Result<(AlertCounts, Vec<RaisedRow>), ReadError> {
        if self.scope != Scope::All {
            return Err(ReadError::OutOfScope("all alerts together"));
        }
        Ok((self.snapshot.alert_counts().await?, self.snapshot.urgent(accounts).await?))
    }

    /// What is raised for an account.
    pub async fn alerts_of(&mut self, account: &str) -> Result<Vec<RaisedRow>, ReadError> {
        self.account(account).await?;
        Ok(self
            .snapshot
            .raised(&RaisedFilter { account: Some(account), ..RaisedFilter::default() }, 1)
            .await?)
    }

    /// What is raised for all accounts that may be seen, by account: of as many accounts as a page has items. Only
    /// what is as urgent as `severity` says, and the rule of the name `rule`, where they are named.
    pub async fn alerts(
        &mut self,
        severity: Option<Severity>,
        rule: Option<&str>,
        page: &Page,
    ) -> Result<Listed<RaisedRow>, ReadError> {
        let (account, organization) = match &self.scope {
            Scope::All => (None, None),
            Scope::Organization(own) => (None, Some(own.as_str())),
            Scope::Account(own) => (Some(own.as_str()), None),
        };
        let after = page.after.as_deref();
        let filter = RaisedFilter { account, organization, severity, rule, after };
        let mut rows = self.snapshot.raised(&filter, page.limit + 1).await?;
        // An account's alerts stay together: a page ends where an account does.
        let mut accounts: Vec<_> = rows.iter().map(|row| row.account_id.clone()).collect();
        accounts.dedup();
        let next = Listed::of(accounts, page.limit, Clone::clone).next;
        if let Some(last) = &next {
            rows.retain(|row| row.account_id <= *last);
        }
        Ok(Listed { items: rows, next })
    }

    /// A page of an account's grants with a term, soonest expiry first: those after the grant of the number
    /// `after`; those that are over too with `also_closed`.
    pub async fn grants(
        &mut self,
        account: &str,
        also_closed: bool,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Listed<GrantRow>, ReadError> {
        self.account(account).await?;
        if let Some(grant) = after
            && !self.snapshot.has_grant(account, grant).await?
        {
            let what = format!("after: {account} has no grant {grant}; expected `next` of the page before");
            return Err(ReadError::Refused(what));
        }
        let rows = self.snapshot.grants(Some(account), also_closed, after, limit + 1).await?;
        Ok(Listed::of(rows, limit, |row| row.grant.to_string()))
    }

    /// What deliverables cost: for an organization, or by default.
    pub async fn prices(&mut self, organization: Option<&str>) -> Result<Prices, ReadError> {
        if let Some(organization) = organization {
            self.organization_is_known(organization).await?;
        }
        self.price_lists(organization).await
    }

    /// What deliverables cost for an account.
    pub async fn prices_of_account(&mut self, account: &str) -> Result<Prices, ReadError> {
        let organization = self.account(account).await?.organization_id;
        self.price_lists(organization.as_deref()).await
    }

    async fn price_lists(&mut self, organization: Option<&str>) -> Result<Prices, ReadError> {
        let now = clock::now();
        let default = self.snapshot.price_lists(None).await?;
        let own = match organization {
            Some(_) => self.snapshot.price_lists(organization).await?,
            None => Vec::new(),
        };
        let (own, mut announced) = in_force(own, now);
        let (default, more) = in_force(default, now);
        announced.extend(more);
        announced.sort_by_key(|list| (list.starts_at, list.number));
        Ok(Prices { own, default, announced })
    }

    /// What a brief would cost an account, and whether it would start. Who sees that account alone is told of
    /// its own projects and alerts only.
    pub async fn quote(&mut self, account: &str, price: &Price) -> Result<Quote, ReadError> {
        let row = self.account(account).await?;
        let id = AccountId::parse_named(&row.account_id).map_err(|_| {
            ReadError::Refused("a pool has no projects of its own; quote for one of its accounts".to_owned())
        })?;
        let seen_by = match &self.scope {
            Scope::Account(own) => Some(own),
            Scope::All | Scope::Organization(_) => None,
        };
        Ok(quote::quote(&mut self.snapshot, &self.settings, &id, price, seen_by).await?)
    }

    /// Who is over limit, what waits and what is parked in all of the ledger.
    pub async fn standing(&mut self) -> Result<Standing, ReadError> {
        match self.scope {
            Scope::All => Ok(self.snapshot.standing().await?),
            Scope::Organization(_) | Scope::Account(_) => {
                Err(ReadError::OutOfScope("the sums over all accounts"))
            }
        }
    }

    /// How many messages are parked, by reason.
    pub async fn parked(&mut self) -> Result<Vec<ReasonCount>, ReadError> {
        match self.scope {
            Scope::All => Ok(self.snapshot.parked_counts(&ParkedFilter::default(), false).await?),
            Scope::Organization(_) | Scope::Account(_) => Err(ReadError::OutOfScope("parked messages")),
        }
    }
}

/// The version that is in force at `now`, and those that are yet to come, of versions in the order of their starts.
fn in_force(versions: Vec<PriceListRow>, now: Timestamp) -> (Option<PriceListRow>, Vec<PriceListRow>) {
    let (mut begun, announced): (Vec<_>, _) = versions.into_iter().partition(|list| list.starts_at <= now);
    (begun.pop(), announced)
}
