//! The core alone: decisions with their entries and digests, over the workload of `creditd bench`, in batches as
//! large as the daemon's. What a batch needs lies on the shelf, and what it changed is put there for the next one: as
//! the store would, without a store.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;

use creditd::bench::workload::{Outgoing, Traffic};
use creditd::bench::{Cast, Spread};
use creditd::config::Config;
use creditd::contract::inbound;
use creditd::ledger::account::Account;
use creditd::ledger::books::{Books, Changes, Holders, LedgerState, Need, Shelf, Stop};
use creditd::ledger::entry::LogNumber;
use creditd::ledger::input::{Fact, Input};
use creditd::ledger::moment::Timestamp;
use creditd::ledger::project::Ticket;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const MESSAGES: usize = 100_000;
/// As `batch.messages_max` is, unless set otherwise.
const BATCH: usize = 500;
const TIME: &str = "2026-03-01T12:00:00Z";

/// A ledger in memory.
#[derive(Clone)]
struct Memory {
    shelf: Shelf,
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
        Self { shelf: Shelf::default(), ledger }
    }

    /// Applies a batch, and gives the number of its log's lines.
    fn apply(&mut self, inputs: &[Input]) -> usize {
        for input in inputs {
            if let Fact::Project(fact) = &input.fact {
                // The store looks a batch's projects up at once: what isn't there is new.
                self.shelf.projects.entry(fact.project_id.clone()).or_default();
            }
        }
        loop {
            let mut books = Books::open(&self.shelf, self.ledger.clone());
            let decided: Result<Vec<_>, Stop> = inputs.iter().map(|input| books.apply(input)).collect();
            match decided {
                Ok(decisions) => {
                    black_box(decisions);
                    return self.keep(books.close());
                }
                Err(Stop::Need(need)) => self.meet(need),
                Err(Stop::Refused(refusal)) => unreachable!("nothing here is a command: {refusal:?}"),
            }
        }
    }

    /// Whatever isn't on the shelf isn't anywhere.
    fn meet(&mut self, need: Need) {
        let shelf = &mut self.shelf;
        match need {
            Need::Account(id) => drop(shelf.accounts.insert(id, None)),
            Need::Organization(id) => drop(shelf.organizations.insert(id, None)),
            Need::Project(id) => drop(shelf.projects.insert(id, None)),
            Need::Holders(ids) => {
                shelf.holders.extend(ids.into_iter().map(|id| (id, Holders::default())));
            }
            Need::Members(id) => {
                let members = shelf.accounts.values().flatten();
                let members = members.filter(|account| account.organization() == Some(&id));
                let members = members.map(|account| account.id.clone()).collect();
                shelf.members.insert(id, members);
            }
            Need::Grants(id) => drop(shelf.grants.insert(id, Vec::new())),
            Need::Prices(owner) => drop(shelf.price_lists.insert(owner, Vec::new())),
            other => unreachable!("nothing of the workload needs {other:?}"),
        }
    }

    fn keep(&mut self, changes: Changes) -> usize {
        self.ledger = changes.ledger;
        let accounts = changes.accounts.into_iter();
        self.shelf.accounts.extend(accounts.map(|account: Account| (account.id.clone(), Some(account))));
        let organizations = changes.organizations.into_iter();
        self.shelf.organizations.extend(organizations.map(|one| (one.id.clone(), Some(one))));
        let projects = changes.projects.into_iter();
        self.shelf.projects.extend(projects.map(|project| (project.id.clone(), Some(project))));
        changes.log.len()
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
    for batch in self::inputs(&cast.opening(TIME)).chunks(BATCH) {
        opened.apply(batch);
    }
    let mut trial = opened.clone();
    let entries: usize = inputs.chunks(BATCH).map(|batch| trial.apply(batch)).sum();
    assert!(entries > inputs.len() / 2, "{entries} entries of {} messages", inputs.len());
    assert_eq!(held_by_projects(&trial), held_by_accounts(&trial), "the books are right");

    let mut group = criterion.benchmark_group("books");
    group.sample_size(10).throughput(Throughput::Elements(inputs.len() as u64));
    group.bench_function("apply, in batches of 500", |bencher| {
        bencher.iter_batched_ref(
            || opened.clone(),
            |memory| inputs.chunks(BATCH).map(|batch| memory.apply(batch)).sum::<usize>(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What is held, by account, as the projects have it: a member's holds are its pool's too.
fn held_by_projects(memory: &Memory) -> HashMap<String, i64> {
    let mut held: HashMap<String, i64> = HashMap::new();
    for project in memory.shelf.projects.values().flatten().filter(|project| !project.held.is_zero()) {
        let chain = project.chain.as_ref().expect("who holds has a chain");
        for account in [Some(&chain.account), chain.pool.as_ref()].into_iter().flatten() {
            *held.entry(account.to_string()).or_default() += project.held.0;
        }
    }
    held
}

fn held_by_accounts(memory: &Memory) -> HashMap<String, i64> {
    let accounts = memory.shelf.accounts.values().flatten();
    let holding = accounts.filter(|account| !account.balance.held.is_zero());
    holding.map(|account| (account.id.to_string(), account.balance.held.0)).collect()
}

criterion_group!(benches, books);
criterion_main!(benches);
