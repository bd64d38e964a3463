//! The core alone: decisions with their entries and digests, over the workload of `creditd bench`, in batches as
//! large as the daemon's. Each batch finds on its shelf what the store would have put there, and no more. Only the
//! core's own work is measured: from where the books are opened to where they are closed.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creditd::bench::workload::{Outgoing, Traffic};
use creditd::bench::{Cast, Spread};
use creditd::config::Config;
use creditd::contract::inbound;
use creditd::ledger::account::{Account, Organization};
use creditd::ledger::books::{Books, Changes, Holders, LedgerState, Need, Shelf, Stop};
use creditd::ledger::entry::LogNumber;
use creditd::ledger::ids::{AccountId, OrganizationId, ProjectId};
use creditd::ledger::input::{Fact, Input};
use creditd::ledger::moment::Timestamp;
use creditd::ledger::project::{Project, Ticket};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MESSAGES: usize = 100_000;
/// As `batch.messages_max` is, unless set otherwise.
const BATCH: usize = 500;
const TIME: &str = "2026-03-01T12:00:00Z";

/// A ledger in memory.
#[derive(Clone)]
struct Memory {
    accounts: HashMap<AccountId, Account>,
    organizations: HashMap<OrganizationId, Organization>,
    projects: HashMap<ProjectId, Project>,
    ledger: LedgerState,
}

impl Memory {
    fn new() -> Self {
        // No server is asked for anything.
        let servers = [
            ("CREDITD__DATABASE__URL", "postgres://nobody@127.0.0.1/none"),
            ("CREDITD__BROKER__URL", "amqp://127.0.0.1"),
        ];
        let servers = servers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load_from(None, servers.into_iter()).expect("the other defaults are built in");
        let ledger = LedgerState {
            settings: Arc::new(config.ledger_settings()),
            settings_number: 1,
            log_last: LogNumber(0),
            ticket_last: Ticket(0),
            price_list_last: 0,
        };
        let (accounts, organizations, projects) = Default::default();
        Self { accounts, organizations, projects, ledger }
    }

    /// Applies a batch. Gives how long the core took, and the number of its log's lines.
    fn apply(&mut self, inputs: &[Input]) -> (Duration, usize) {
        let mut shelf = self.shelf_for(inputs);
        loop {
            let ledger = self.ledger.clone();
            let began = Instant::now();
            let mut books = Books::open(&shelf, ledger);
            let decided: Result<Vec<_>, Stop> = inputs.iter().map(|input| books.apply(input)).collect();
            match decided {
                Ok(decisions) => {
                    let changes = books.close();
                    let took = began.elapsed();
                    black_box(decisions);
                    return (took, self.keep(changes));
                }
                Err(Stop::Need(need)) => self.meet(need, &mut shelf),
                Err(Stop::Refused(refusal)) => unreachable!("nothing here is a command: {refusal:?}"),
            }
        }
    }

    /// What a batch names: projects, and their accounts, pools and organizations.
    fn shelf_for(&self, inputs: &[Input]) -> Shelf {
        let mut shelf = Shelf::default();
        for input in inputs {
            let Fact::Project(fact) = &input.fact else { continue };
            shelf.projects.insert(fact.project_id.clone(), self.projects.get(&fact.project_id).cloned());
            let account = self.accounts.get(&fact.account_id).cloned();
            if let Some(organization) = account.as_ref().and_then(Account::organization) {
                let pool = AccountId::pool_of(organization);
                shelf.accounts.insert(pool.clone(), self.accounts.get(&pool).cloned());
                let known = self.organizations.get(organization).cloned();
                shelf.organizations.insert(organization.clone(), known);
            }
            shelf.accounts.insert(fact.account_id.clone(), account);
        }
        shelf
    }

    /// Loads what a batch needs beside that.
    fn meet(&self, need: Need, shelf: &mut Shelf) {
        match need {
            Need::Account(id) => {
                shelf.accounts.insert(id.clone(), self.accounts.get(&id).cloned());
            }
            Need::Organization(id) => {
                shelf.organizations.insert(id.clone(), self.organizations.get(&id).cloned());
            }
            Need::Holders(ids) => {
                shelf.holders.extend(ids.into_iter().map(|id| (id, Holders::default())));
            }
            other => unreachable!("nothing of the workload needs {other:?}"),
        }
    }

    fn keep(&mut self, changes: Changes) -> usize {
        self.ledger = changes.ledger;
        self.accounts.extend(changes.accounts.into_iter().map(|one| (one.id.clone(), one)));
        self.organizations.extend(changes.organizations.into_iter().map(|one| (one.id.clone(), one)));
        self.projects.extend(changes.projects.into_iter().map(|one| (one.id.clone(), one)));
        changes.log.len()
    }

    /// Applies all of it, as [`Memory::apply`].
    fn apply_all(&mut self, inputs: &[Input]) -> (Duration, usize) {
        let batches = inputs.chunks(BATCH).map(|batch| self.apply(batch));
        batches.fold((Duration::ZERO, 0), |(took, lines), batch| (took + batch.0, lines + batch.1))
    }
}

/// The messages as they come to the core: decoded, and each but once.
fn inputs<'m>(messages: impl IntoIterator<Item = &'m Outgoing>) -> Vec<Input> {
    let now = Timestamp::parse(TIME).expect("a constant");
    let mut known = HashSet::new();
    let first = messages.into_iter().filter(|message| known.insert(message.id.as_str()));
    first.filter_map(|message| Some(inbound::decode(&message.raw()).ok()?.into_input(now))).collect()
}

fn books(criterion: &mut Criterion) {
    let cast = Cast::new(Spread::Everyone);
    let sent = Traffic { cast: &cast, count: MESSAGES, seed: 1, time: TIME, name: "b" }.messages();
    let inputs = inputs(&sent.messages);
    let mut opened = Memory::new();
    opened.apply_all(&self::inputs(&cast.opening(TIME)));
    let mut trial = opened.clone();
    let (_, entries) = trial.apply_all(&inputs);
    assert!(entries > inputs.len() / 2, "{entries} entries of {} messages", inputs.len());
    assert_eq!(held_by_projects(&trial), held_by_accounts(&trial), "the books are right");

    let mut group = criterion.benchmark_group("books");
    group.sample_size(10).throughput(Throughput::Elements(inputs.len() as u64));
    group.bench_function("apply, in batches of 500", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| opened.clone().apply_all(&inputs).0).sum::<Duration>()
        });
    });
    group.finish();
}

/// What is held, by account, as the projects have it: a member's holds are its pool's too.
fn held_by_projects(memory: &Memory) -> HashMap<String, i64> {
    let mut held: HashMap<String, i64> = HashMap::new();
    for project in memory.projects.values().filter(|project| !project.held.is_zero()) {
        let chain = project.chain.as_ref().expect("who holds has a chain");
        for account in [Some(&chain.account), chain.pool.as_ref()].into_iter().flatten() {
            *held.entry(account.to_string()).or_default() += project.held.0;
        }
    }
    held
}

fn held_by_accounts(memory: &Memory) -> HashMap<String, i64> {
    let holding = memory.accounts.values().filter(|account| !account.balance.held.is_zero());
    holding.map(|account| (account.id.to_string(), account.balance.held.0)).collect()
}

criterion_group!(benches, books);
criterion_main!(benches);
