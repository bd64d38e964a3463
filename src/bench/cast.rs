//! Who takes part in the benchmark: organizations with pools, and accounts, some of them far busier than others.

use fastrand::Rng;
use serde_json::json;

use super::workload::Outgoing;

/// Organizations, each with a pool.
const ORGANIZATIONS: usize = 50;
/// Accounts that draw on a pool, as many of each organization.
const MEMBERS: usize = 1_000;
/// Accounts that belong to no organization.
const STANDALONE: usize = 200;
/// More than all projects together ever hold: with credits that ran out, what is held in the end would depend on
/// who came first, and could not be told from what was sent.
const PLAN: u64 = 1_000_000_000_000;

/// An account that has projects.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) id: String,
    organization: Option<String>,
}

impl Account {
    /// How many accounts an entry is booked on: a member's on its pool as well.
    pub(super) fn depth(&self) -> usize {
        1 + usize::from(self.organization.is_some())
    }
}

/// Which accounts have projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All of them, the n-th as often as 1/n: Zipf's law with exponent 1.
    Everyone,
    /// A single one that belongs to no organization.
    OneAccount,
    /// Those of one pool, the n-th as often as 1/n.
    OnePool,
}

/// The accounts, in the order of how busy they are.
pub struct Cast {
    accounts: Vec<Account>,
    /// For each how often it, or one before it, is drawn, where all together are drawn as often as the last says.
    weights: Vec<f64>,
}

impl Cast {
    /// The accounts that have projects where they are spread so.
    pub fn new(spread: Spread) -> Self {
        let member = |number: usize| Account {
            id: format!("bench-{number:04}"),
            organization: Some(format!("house-{:02}", number % ORGANIZATIONS)),
        };
        let standalone =
            |number: usize| Account { id: format!("bench-{:04}", MEMBERS + number), organization: None };
        let accounts: Vec<_> = match spread {
            Spread::OneAccount => vec![standalone(0)],
            Spread::OnePool => (0..MEMBERS).step_by(ORGANIZATIONS).map(member).collect(),
            // One standalone account after each five members.
            Spread::Everyone => {
                let each = MEMBERS / STANDALONE;
                (0..STANDALONE)
                    .flat_map(|number| {
                        (each * number..each * (number + 1)).map(member).chain([standalone(number)])
                    })
                    .collect()
            }
        };
        let mut sum = 0.0;
        let weights = (1..=accounts.len()).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self { weights: weights.collect(), accounts }
    }

    /// One of them, the busier the more often.
    pub(super) fn draw(&self, random: &mut Rng) -> &Account {
        let most = self.weights.last().copied().unwrap_or_default();
        let drawn = random.f64() * most;
        let index = self.weights.partition_point(|weight| *weight <= drawn);
        &self.accounts[index.min(self.accounts.len() - 1)]
    }

    /// What opens the accounts and their pools, all of it of `time`.
    pub fn opening(&self, time: &str) -> Vec<Outgoing> {
        let mut organizations: Vec<_> =
            self.accounts.iter().filter_map(|account| account.organization.as_ref()).collect();
        organizations.sort_unstable();
        organizations.dedup();
        let pools = organizations.into_iter().map(|id| {
            let data = json!({"organization_id": id, "revision": 1, "name": id, "capacity": PLAN});
            Outgoing::event("organization.changed.v1", &format!("open-{id}"), time, &data)
        });
        let accounts = self.accounts.iter().map(|account| {
            let mut data = json!({"account_id": account.id, "revision": 1, "name": account.id});
            match &account.organization {
                Some(organization) => {
                    data["kind"] = json!("integrated");
                    data["organization_id"] = json!(organization);
                    data["allocation"] = json!(PLAN);
                }
                None => data["capacity"] = json!(PLAN),
            }
            Outgoing::event("account.changed.v1", &format!("open-{}", account.id), time, &data)
        });
        pools.chain(accounts).collect()
    }
}
