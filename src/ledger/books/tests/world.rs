//! A ledger in memory that gives the books as little as they ask for, so that every [`Need`] is met.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ledger::account::{Account, Kind, Mode, OnInsufficient, Organization};
use crate::ledger::alert::{Measure, Rule, Severity};
use crate::ledger::balance::Balance;
use crate::ledger::books::{
    Books, Changes, Decision, HOLDERS_SHOWN, Holders, LedgerState, LogRecord, Need, Shelf, Stop,
};
use crate::ledger::credits::Credits;
use crate::ledger::entry::{Cause, LogNumber};
use crate::ledger::grant::Grant;
use crate::ledger::ids::{AccountId, MessageKey, OrganizationId, ProjectId};
use crate::ledger::input::{
    AccountFact, AssetRecord, Author, Command, Existence, Fact, Input, OrganizationFact, Price, ProjectFact,
};
use crate::ledger::moment::{Micros, Timestamp};
use crate::ledger::notice::Holder;
use crate::ledger::outcome::{Outcome, Refusal};
use crate::ledger::own::{Own, is_stale, is_to_be_warned_of};
use crate::ledger::price::{PriceList, in_force};
use crate::ledger::project::{Project, Ticket};
use crate::ledger::queue::QueueHead;
use crate::ledger::settings::{Effect, Order, Settings, StatusRule};

pub(super) fn account_id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

pub(super) fn project_id(text: &str) -> ProjectId {
    ProjectId::parse(text).unwrap()
}

pub(super) fn organization_id(text: &str) -> OrganizationId {
    OrganizationId::parse(text).unwrap()
}

/// Three rules that a handful of credits crosses all the time.
pub(crate) fn rules() -> Arc<[Rule]> {
    let rule = |name: &str, measure, level, severity| Rule {
        name: name.into(),
        measure,
        level,
        severity,
        margin: 5,
    };
    [
        rule("low", Measure::AvailablePercent, 40, Severity::Warning),
        rule("few", Measure::AvailableCredits, 2, Severity::Info),
        rule("out", Measure::AvailablePercent, 0, Severity::Critical),
    ]
    .into()
}

pub(crate) fn settings() -> Settings {
    let effects = [
        ("draft", Effect::None),
        ("started", Effect::Hold),
        ("reviewed", Effect::Hold),
        ("finalized", Effect::Settle),
        ("canceled", Effect::Release),
    ];
    let status = |(status, effect): (&str, Effect)| {
        let stale_after_days = (status == "reviewed").then_some(1);
        StatusRule { status: status.into(), effect, stale_after_days }
    };
    Settings {
        order: Order::Revision,
        statuses: effects.map(status).to_vec(),
        alert_rules: rules(),
        queue_blocked: Some(Severity::Warning),
        hold_stale: Some(Severity::Info),
        pool_overcommitted: Some(Severity::Info),
        grant_expiring: Some(Severity::Warning),
        grant_warning: Micros::from_days(2),
        time_ahead_max: Micros::from_seconds(300),
    }
}

/// Makes inputs with a key and a time of their own.
#[derive(Default)]
pub(super) struct Inputs {
    count: i64,
    /// How much later than at first it is.
    days: u32,
}

impl Inputs {
    pub(super) fn next(&mut self, revision: Option<i64>, fact: Fact) -> Input {
        self.count += 1;
        let key = MessageKey::new("test", &format!("m{}", self.count));
        let cause = Cause { key, message_type: "test.v1".into(), traceparent: None };
        let author = Author::Upstream;
        Input { cause: Arc::new(cause), time: None, revision, author, fact, now: self.now() }
    }

    pub(super) fn command(&mut self, object: Existence, fact: Fact) -> Input {
        let command = Command { actor: "ops".into(), reason: Some("asked for".into()), object };
        Input { author: Author::Command(command), ..self.next(None, fact) }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.count).unwrap() + Micros::from_days(self.days)
    }

    pub(super) fn let_pass(&mut self, days: u32) {
        self.days += days;
    }
}

pub(super) fn account_fact(id: &str) -> AccountFact {
    AccountFact::of(account_id(id))
}

pub(super) fn standalone(id: &str, capacity: i64, mode: Mode, policy: OnInsufficient) -> Fact {
    Fact::Account(AccountFact {
        capacity: Some(Credits(capacity)),
        mode: Some(mode),
        on_insufficient: Some(policy),
        overdraft_limit: Some(Credits(2)),
        ..account_fact(id)
    })
}

pub(super) fn integrated(id: &str, organization: &str, allocation: i64, policy: OnInsufficient) -> Fact {
    Fact::Account(AccountFact {
        kind: Some(Kind::Integrated),
        organization_id: Some(organization_id(organization)),
        allocation: Some(Credits(allocation)),
        on_insufficient: Some(policy),
        overdraft_limit: Some(Credits(2)),
        ..account_fact(id)
    })
}

/// `team`, which consumes, queues, and has 10 credits in a pool or of its own.
pub(super) fn consuming(kind: Kind) -> Fact {
    Fact::Account(AccountFact {
        kind: Some(kind),
        organization_id: Some(organization_id("org")),
        capacity: Some(Credits(10)),
        allocation: Some(Credits(10)),
        mode: Some(Mode::Consume),
        on_insufficient: Some(OnInsufficient::Queue),
        ..account_fact("team")
    })
}

pub(super) fn organization(id: &str, capacity: i64) -> Fact {
    Fact::Organization(OrganizationFact {
        organization_id: organization_id(id),
        name: None,
        contact: Some("admin@example.com".into()),
        capacity: Some(Credits(capacity)),
        mode: None,
        alert_rules: None,
    })
}

pub(super) fn project(id: &str, account: &str, status: Option<&str>, credits: Option<i64>) -> Fact {
    Fact::Project(ProjectFact {
        project_id: project_id(id),
        account_id: account_id(account),
        status: status.map(Into::into),
        price: credits.map(|credits| Price::Credits(Credits(credits))),
        final_credits: None,
        name: None,
    })
}

/// A whole ledger in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct World {
    pub(crate) ledger: LedgerState,
    pub(crate) accounts: HashMap<AccountId, Account>,
    pub(super) organizations: HashMap<OrganizationId, Organization>,
    pub(crate) projects: HashMap<ProjectId, Project>,
    pub(super) grants: BTreeMap<LogNumber, Grant>,
    pub(super) price_lists: BTreeMap<i64, PriceList>,
    pub(super) assets: Vec<AssetRecord>,
    pub(crate) log: Vec<LogRecord>,
    /// The time of the last input.
    pub(crate) last_at: Timestamp,
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let ledger = LedgerState {
            settings: Arc::new(settings),
            settings_number: 1,
            log_last: LogNumber(0),
            ticket_last: Ticket(0),
            price_list_last: 0,
        };
        Self {
            ledger,
            accounts: HashMap::new(),
            organizations: HashMap::new(),
            projects: HashMap::new(),
            grants: BTreeMap::new(),
            price_lists: BTreeMap::new(),
            assets: Vec::new(),
            log: Vec::new(),
            last_at: Timestamp::EPOCH,
        }
    }

    /// Applies a batch, meeting each need as it is said and then beginning again.
    pub(super) fn apply(&mut self, batch: &[Input]) -> Vec<Decision> {
        self.try_apply(batch).expect("only commands are refused")
    }

    /// As [`World::apply`]; where a command is refused, nothing is changed.
    pub(super) fn try_apply(&mut self, batch: &[Input]) -> Result<Vec<Decision>, Refusal> {
        let (decisions, changes) = self.decide(batch)?;
        self.save(changes, batch.last().map_or(self.last_at, |input| input.now));
        Ok(decisions)
    }

    /// What a batch comes to, and would change.
    pub(crate) fn decide(&self, batch: &[Input]) -> Result<(Vec<Decision>, Changes), Refusal> {
        let mut shelf = Shelf::default();
        loop {
            let mut books = Books::open(&shelf, self.ledger.clone());
            let decided: Result<Vec<_>, _> = batch.iter().map(|input| books.apply(input)).collect();
            match decided {
                Ok(decisions) => return Ok((decisions, books.close())),
                Err(Stop::Need(need)) => self.meet(need, &mut shelf),
                Err(Stop::Refused(refusal)) => return Err(refusal),
            }
        }
    }

    pub(super) fn apply_one(&mut self, input: &Input) -> Outcome {
        self.apply(std::slice::from_ref(input)).remove(0).outcome
    }

    /// What is due at `now`, as the daemon would find it.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<Own> {
        let settings = &self.ledger.settings;
        let mut due = Vec::new();
        let lists = self.price_lists.values().filter(|list| !list.started && list.starts_at <= now);
        due.extend(lists.cloned().map(Own::PricesStarted));
        let mut over: Vec<_> = self.grants.values().filter(|grant| grant.is_due(now)).cloned().collect();
        over.sort_by_key(|grant| (grant.expires_at, grant.number));
        due.extend(over.into_iter().map(Own::GrantExpired));
        let warned = |grant: &&Grant| !grant.is_due(now) && is_to_be_warned_of(grant, settings, now);
        due.extend(self.grants.values().filter(warned).cloned().map(Own::GrantWarned));
        let mut stale: BTreeMap<AccountId, Vec<Project>> = BTreeMap::new();
        for project in self.projects.values() {
            if project.stale_since.is_none() && is_stale(project, settings, now) {
                let account = project.chain.as_ref().unwrap().account.clone();
                stale.entry(account).or_default().push(project.clone());
            }
        }
        due.extend(stale.into_values().map(Own::HoldsStale));
        due
    }

    /// Changes what a batch changes whose last input came at `now`.
    pub(crate) fn save(&mut self, changes: Changes, now: Timestamp) {
        self.last_at = now;
        self.ledger = changes.ledger;
        self.accounts.extend(changes.accounts.into_iter().map(|account| (account.id.clone(), account)));
        let organizations = changes.organizations.into_iter();
        self.organizations.extend(organizations.map(|organization| (organization.id.clone(), organization)));
        self.projects.extend(changes.projects.into_iter().map(|project| (project.id.clone(), project)));
        self.grants.extend(changes.grants.into_iter().map(|grant| (grant.number, grant)));
        self.price_lists.extend(changes.price_lists.into_iter().map(|list| (list.number, list)));
        self.assets.extend(changes.assets);
        self.log.extend(changes.log);
    }

    fn meet(&self, need: Need, shelf: &mut Shelf) {
        match need {
            Need::Account(id) => {
                let account = self.accounts.get(&id).cloned();
                assert!(shelf.accounts.insert(id, account).is_none(), "a need is said once");
            }
            Need::Organization(id) => {
                let organization = self.organizations.get(&id).cloned();
                shelf.organizations.insert(id, organization);
            }
            Need::Project(id) => {
                let project = self.projects.get(&id).cloned();
                shelf.projects.insert(id, project);
            }
            Need::Queue(owner) => {
                let loaded = shelf.queues.get(&owner).map_or(0, |head| head.claims.len());
                let queue = self.queue(&owner);
                let claims: Vec<_> = queue.iter().take(loaded + 1).cloned().collect();
                for (_, id) in &claims {
                    shelf.projects.insert(id.clone(), self.projects.get(id).cloned());
                }
                let complete = claims.len() == queue.len();
                shelf.queues.insert(owner, QueueHead { claims, complete });
            }
            Need::Ahead(id) => {
                let project = &self.projects[&id];
                let owner = project.chain.as_ref().unwrap().queue();
                let ticket = project.claim.unwrap().ticket;
                let ahead = self.queue(owner).iter().filter(|(other, _)| *other < ticket).count();
                shelf.ahead.insert(id, i64::try_from(ahead).unwrap());
            }
            Need::Members(organization) => {
                let belongs = |account: &&Account| account.organization() == Some(&organization);
                let members = self.accounts.values().filter(belongs).map(|account| account.id.clone());
                shelf.members.insert(organization.clone(), members.collect());
            }
            Need::Everyone => shelf.everyone = Some(self.accounts.keys().cloned().collect()),
            Need::Grants(account) => {
                let open = self.grants.values().filter(|grant| grant.account_id == account && !grant.closed);
                let open = open.cloned().collect();
                assert!(shelf.grants.insert(account, open).is_none(), "a need is said once");
            }
            Need::Prices(owner) => {
                let versions = self.price_lists.values().filter(|list| list.organization_id == owner);
                let versions: Vec<_> = versions.cloned().collect();
                let now = in_force(&versions, self.last_at).map(|list| list.number);
                let counts = |list: &&PriceList| {
                    Some(list.number) == now || list.starts_at > self.last_at || !list.started
                };
                let counting = versions.iter().filter(counts).cloned().collect();
                assert!(shelf.price_lists.insert(owner, counting).is_none(), "a need is said once");
            }
            Need::Tied(account) => {
                let tied = self.put_on_shelf(shelf, |project| {
                    let of_account = project.chain.as_ref().is_some_and(|chain| chain.account == account);
                    of_account && (project.held.is_positive() || project.claim.is_some())
                });
                shelf.tied.insert(account, tied);
            }
            Need::Unpriced => {
                shelf.unpriced = Some(self.put_on_shelf(shelf, |project| project.unpriced_since.is_some()));
            }
            Need::Stale => {
                shelf.stale = Some(self.put_on_shelf(shelf, |project| project.stale_since.is_some()));
            }
            Need::Holders(accounts) => {
                shelf.holders.extend(accounts.into_iter().map(|account| (account, Holders::default())));
            }
        }
        // What is on the shelf itself must not be among the stored holders too.
        let wanted = shelf.holders.keys().cloned().collect::<Vec<_>>();
        for account in wanted {
            let projects = self.holders(&account, shelf);
            shelf.holders.insert(account, Holders { projects });
        }
    }

    fn put_on_shelf(&self, shelf: &mut Shelf, which: impl Fn(&Project) -> bool) -> Vec<ProjectId> {
        let found: Vec<_> = self.projects.values().filter(|project| which(project)).cloned().collect();
        let ids = found.iter().map(|project| project.id.clone()).collect();
        shelf.projects.extend(found.into_iter().map(|project| (project.id.clone(), Some(project))));
        ids
    }

    fn holders(&self, account: &AccountId, shelf: &Shelf) -> Vec<Holder> {
        let holds = |project: &&Project| {
            let chain = project.chain.as_ref();
            let of_account = chain.is_some_and(|chain| chain.iter().any(|link| link == account));
            project.held.is_positive() && of_account && !shelf.projects.contains_key(&project.id)
        };
        let mut all: Vec<_> = self.projects.values().filter(holds).map(as_holder).collect();
        let largest = |holder: &Holder| (-holder.held, holder.project_id.clone());
        all.sort_by_key(largest);
        let mut shown: Vec<_> = all.iter().take(HOLDERS_SHOWN).cloned().collect();
        all.sort_by_key(|holder| (std::cmp::Reverse(holder.stage), largest(holder)));
        for holder in all.into_iter().take(HOLDERS_SHOWN) {
            if !shown.contains(&holder) {
                shown.push(holder);
            }
        }
        shown
    }

    /// The claims that wait in `owner`'s queue, first come first.
    pub(super) fn queue(&self, owner: &AccountId) -> Vec<(Ticket, ProjectId)> {
        let in_queue =
            |project: &&Project| project.chain.as_ref().is_some_and(|chain| chain.queue() == owner);
        let claim = |project: &Project| Some((project.claim?.ticket, project.id.clone()));
        let mut queue: Vec<_> = self.projects.values().filter(in_queue).filter_map(claim).collect();
        queue.sort();
        queue
    }

    pub(super) fn balance(&self, account: &str) -> (i64, i64, i64) {
        let Balance { total, held, consumed } = self.accounts[&account_id(account)].balance;
        (total.0, held.0, consumed.0)
    }
}

fn as_holder(project: &Project) -> Holder {
    let status = project.status.get().as_ref();
    Holder {
        project_id: project.id.clone(),
        account_id: project.chain.as_ref().unwrap().account.clone(),
        name: project.name.get().clone(),
        status: status.map(|status| status.name.clone()),
        stage: status.map_or(0, |status| status.stage),
        held: project.held,
    }
}
