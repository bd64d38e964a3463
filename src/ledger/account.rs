//! Accounts and organizations: who holds credits, how many, and by which rules.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alert::{Raised, Rule};
use super::balance::{Balance, Queued, Tallies};
use super::credits::Credits;
use super::entry::Digest;
use super::ids::{AccountId, OrganizationId};
use super::version::{Register, Version};

/// Where an account's credits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A plan of its own.
    Standalone,
    /// A plan of its own; belongs to an organization for reporting.
    Connected,
    /// Draws on its organization's pool, up to an allocation.
    Integrated,
    /// An organization's shared credits.
    Pool,
}

impl Kind {
    /// Its name, as stored and as messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Standalone => "standalone",
            Kind::Connected => "connected",
            Kind::Integrated => "integrated",
            Kind::Pool => "pool",
        }
    }
}

/// What finalizing does with held credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They come back.
    Recycle,
    /// They are used up.
    Consume,
}

impl Mode {
    /// Its name, as stored and as messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Recycle => "recycle",
            Mode::Consume => "consume",
        }
    }
}

/// What becomes of a claim that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInsufficient {
    /// It waits.
    Queue,
    /// It is refused.
    Reject,
    /// It is placed down to the account's overdraft limit, then refused.
    Overdraw,
}

impl OnInsufficient {
    /// Its name, as stored and as messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            OnInsufficient::Queue => "queue",
            OnInsufficient::Reject => "reject",
            OnInsufficient::Overdraw => "overdraw",
        }
    }
}

/// The last number given, of each kind of event about an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// Entries.
    pub entries: i64,
    /// Alerts.
    pub alerts: i64,
    /// Hold notices.
    pub holds: i64,
    /// Transfers that were rejected.
    pub transfers_rejected: i64,
}

/// Who holds credits. A pool is an account too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Where its credits come from.
    pub kind: Register<Kind>,
    /// The organization that was named for it; see [`Account::organization`].
    pub organization_id: Register<Option<OrganizationId>>,
    /// What people call it.
    pub name: Register<Option<Arc<str>>>,
    /// Whom to turn to, for standalone and connected accounts.
    pub contact: Register<Option<Arc<str>>>,
    /// Its own plan; counts unless the account is integrated.
    pub capacity: Register<Credits>,
    /// Its share of the pool; counts where the account is integrated.
    pub allocation: Register<Credits>,
    /// What finalizing does.
    pub mode: Register<Mode>,
    /// What becomes of a claim that doesn't fit, where it was said.
    pub on_insufficient: Register<Option<OnInsufficient>>,
    /// How far below zero `overdraw` may go.
    pub overdraft_limit: Register<Credits>,
    /// Alert rules of its own.
    pub alert_rules: Register<Option<Arc<[Rule]>>>,
    /// Whether it takes no new holds any more. Set by command only.
    pub closed: Register<bool>,
    /// How much of `balance.total` is the plan.
    pub plan: Credits,
    /// Its credits.
    pub balance: Balance,
    /// What waits for them.
    pub queued: Queued,
    /// What else is counted.
    pub tallies: Tallies,
    /// The last numbers given.
    pub sequences: Sequences,
    /// The digest of its last entry.
    pub digest: Digest,
    /// The alert rules that are raised, in the order of its list.
    pub raised: Vec<Raised>,
}

impl Account {
    /// An account that nobody has said anything about: standalone, recycling, without credits.
    pub fn new(id: AccountId) -> Self {
        let owner = id.pool_owner();
        let kind = if owner.is_some() { Kind::Pool } else { Kind::Standalone };
        Self {
            id,
            kind: Register::unset(kind),
            organization_id: Register::unset(owner),
            name: Register::default(),
            contact: Register::default(),
            capacity: Register::default(),
            allocation: Register::default(),
            mode: Register::unset(Mode::Recycle),
            on_insufficient: Register::default(),
            overdraft_limit: Register::default(),
            alert_rules: Register::default(),
            closed: Register::default(),
            plan: Credits::ZERO,
            balance: Balance::default(),
            queued: Queued::default(),
            tallies: Tallies::default(),
            sequences: Sequences::default(),
            digest: Digest::FIRST,
            raised: Vec::new(),
        }
    }

    /// The organization it belongs to. A standalone account belongs to none, whatever was named for it.
    pub fn organization(&self) -> Option<&OrganizationId> {
        match self.kind.get() {
            Kind::Standalone => None,
            Kind::Connected | Kind::Integrated | Kind::Pool => self.organization_id.get().as_ref(),
        }
    }

    /// The accounts that a hold of this account is charged to. A pool itself has no holds of its own.
    pub fn chain(&self) -> Chain {
        let pool = match self.kind.get() {
            Kind::Integrated => self.organization().map(AccountId::pool_of),
            Kind::Standalone | Kind::Connected | Kind::Pool => None,
        };
        Chain { account: self.id.clone(), pool }
    }

    /// The credits of its plan: the capacity, or an integrated account's allocation.
    pub fn planned(&self) -> Credits {
        match self.kind.get() {
            Kind::Integrated => *self.allocation.get(),
            Kind::Standalone | Kind::Connected | Kind::Pool => *self.capacity.get(),
        }
    }

    /// What becomes of a claim that doesn't fit: as said, else `queue` where credits are recycled and
    /// `reject` where they are consumed.
    pub fn policy(&self) -> OnInsufficient {
        self.on_insufficient.get().unwrap_or(match self.mode.get() {
            Mode::Recycle => OnInsufficient::Queue,
            Mode::Consume => OnInsufficient::Reject,
        })
    }

    /// How low `available` may go by a hold: zero, or below it by the overdraft limit. Never below zero
    /// for a pool.
    pub fn floor(&self) -> Credits {
        let may_overdraw = *self.kind.get() != Kind::Pool && self.policy() == OnInsufficient::Overdraw;
        if may_overdraw { -*self.overdraft_limit.get() } else { Credits::ZERO }
    }

    /// The versions of its registers, in the order in which they are stored. New ones come last.
    pub fn versions(&self) -> [Option<&Arc<Version>>; 11] {
        [
            self.kind.version(),
            self.organization_id.version(),
            self.name.version(),
            self.contact.version(),
            self.capacity.version(),
            self.allocation.version(),
            self.mode.version(),
            self.on_insufficient.version(),
            self.overdraft_limit.version(),
            self.alert_rules.version(),
            self.closed.version(),
        ]
    }

    /// What a hold of `more` credits is short of; zero or less where it fits.
    pub fn shortfall(&self, more: Credits) -> Credits {
        more - (self.balance.available() - self.floor())
    }

    /// The most that a single project could ever hold here, whatever else runs.
    pub fn holdable(&self) -> Credits {
        self.balance.total - self.balance.consumed - self.floor()
    }

    /// Whether one more message can be booked without leaving the numbers' range.
    pub fn has_room(&self) -> bool {
        let Balance { total, held, consumed } = self.balance;
        [total, held, consumed, self.queued.credits, self.tallies.promised]
            .iter()
            .all(|part| part.abs() <= Credits::BALANCE_MAX)
    }
}

/// The accounts that a hold is charged to: all of them, or none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// The project's own account; it is tested first.
    pub account: AccountId,
    /// An integrated account's pool.
    pub pool: Option<AccountId>,
}

impl Chain {
    /// The accounts in the order in which they are tested and booked.
    pub fn iter(&self) -> impl Iterator<Item = &AccountId> {
        std::iter::once(&self.account).chain(self.pool.as_ref())
    }

    /// The account whose queue the chain's claims wait in: the pool, if there is one.
    pub fn queue(&self) -> &AccountId {
        self.pool.as_ref().unwrap_or(&self.account)
    }
}

/// Who shares a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What people call it.
    pub name: Register<Option<Arc<str>>>,
    /// Its admin: whom to turn to for the pool and the integrated accounts.
    pub contact: Register<Option<Arc<str>>>,
    /// Alert rules for its accounts and its pool.
    pub alert_rules: Register<Option<Arc<[Rule]>>>,
}

impl Organization {
    /// The versions of its registers, in the order in which they are stored.
    pub fn versions(&self) -> [Option<&Arc<Version>>; 3] {
        [self.name.version(), self.contact.version(), self.alert_rules.version()]
    }

    /// An organization that nobody has said anything about.
    pub fn new(id: OrganizationId) -> Self {
        Self { id, name: Register::default(), contact: Register::default(), alert_rules: Register::default() }
    }
}
