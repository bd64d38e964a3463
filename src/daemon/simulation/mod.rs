//! The apply loop in a world that a seed decides: time, the broker, the database, and all that befalls them. Thousands
//! of schedules go by in the time that one takes on real servers, and each comes again by its seed.
//!
//! The loop, the intake's end of it, the batches' admission and the books are the daemon's own. Simulated are the
//! broker, the ledger's tables, and when what was decided ahead is written.

mod chance;
mod daemon;
mod ledger;
mod messages;
mod process;
mod queue;
mod server;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::chance::Chance;
use self::daemon::Surroundings;
use self::messages::{Manner, Message};
use self::process::{Process, locked};
use self::queue::Broker;
use self::server::Server;
use crate::batch::Arrival;
use crate::batch::in_memory::Tables;
use crate::clock;
use crate::contract::inbound::decode;
use crate::ledger::alert::{Measure, Rule, Severity};
use crate::ledger::books::tests::world;
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::ParkReason;
use crate::ledger::settings::Settings;
use crate::vitals::{Health, Metrics, Progress};

/// For so long things go wrong.
const TROUBLE: Duration = Duration::from_secs(20);
/// After that, all must be as it should within this time.
const RECOVERY_MAX: Duration = Duration::from_mins(10);
/// Whoever was frozen is back by then, and has noticed what became of its connections.
const COMING_BACK: Duration = Duration::from_secs(20);
/// A daemon that is told to stop does so within this time.
const STOPPING_MAX: Duration = Duration::from_secs(30);
/// How often a process must have ended with a message alone in hand before that is parked for it, or have left it
/// without being able to note that it lives.
const ENDS_MIN: u32 = 3;

/// A place where a daemon runs, one after the other.
struct Place {
    settings: Mutex<Arc<Settings>>,
    process: Mutex<Arc<Process>>,
    reload: Mutex<Option<mpsc::UnboundedSender<Arc<Settings>>>>,
}

/// What befalls a daemon or a server.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    /// As by SIGTERM.
    Stopped,
    /// Stopped as by SIGSTOP, and continued after so long.
    Frozen(Duration),
    /// With other settings.
    Reloaded,
    /// The consuming daemon's connection.
    Cut,
    BrokerAway(Duration),
    DatabaseAway(Duration),
}

impl Trouble {
    fn by(chance: &Chance) -> Self {
        let length = chance.time(Duration::from_secs(8));
        match chance.below(9) {
            0 | 1 => Trouble::Killed,
            2 => Trouble::Stopped,
            3 => Trouble::Frozen(length),
            4 => Trouble::Reloaded,
            5 | 6 => Trouble::Cut,
            7 => Trouble::BrokerAway(length),
            _ => Trouble::DatabaseAway(length),
        }
    }
}

/// A schedule.
struct Simulation {
    chance: Chance,
    server: Arc<Server>,
    broker: Arc<Broker>,
    around: Surroundings,
    places: Vec<Place>,
    messages: Vec<Message>,
    /// Whether daemons that end are not started again.
    is_over: CancellationToken,
}

/// What a schedule came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    deaths: usize,
    parked: usize,
    /// The log, and how long it took.
    log: String,
    took: Duration,
}

fn settings(chance: &Chance) -> Arc<Settings> {
    let rule = Rule {
        name: "few".into(),
        measure: Measure::AvailableCredits,
        level: 990,
        severity: *chance.pick(&[Severity::Info, Severity::Warning]),
        margin: 0,
    };
    Arc::new(Settings { alert_rules: Arc::new([rule]), ..world::settings() })
}

impl Simulation {
    fn of(seed: u64, metrics: &Arc<Metrics>) -> Self {
        fastrand::seed(seed);
        clock::simulated::begin(Timestamp::parse("2026-03-01T12:00:00Z").unwrap());
        let chance = Chance::new(seed);
        let messages = messages::messages(&chance);
        let first = settings(&chance);
        let tables = Tables::new((*first).clone());
        let fails_one_in = *chance.pick(&[3, 10, 100, 1_000]);
        let server = Arc::new(Server::new(tables, chance.clone(), fails_one_in, &messages));
        let prefetch = *chance.pick(&[1, 3, 10]);
        let broker = Arc::new(Broker::new(server.clone(), chance.clone(), prefetch));
        let deadly = messages.iter().filter(|message| message.manner == Manner::KillsDecoder);
        let places = (0..=chance.below(3)).map(|_| Place {
            settings: Mutex::new(settings(&chance)),
            process: Mutex::default(),
            reload: Mutex::default(),
        });
        let places: Vec<_> = places.collect();
        let around = Surroundings {
            server: server.clone(),
            broker: broker.clone(),
            deadly: Arc::new(deadly.map(|message| message.content).collect()),
            messages_max: *chance.pick(&[1, 2, 5]),
            prefetch,
            metrics: metrics.clone(),
        };
        Self { chance, server, broker, around, places, messages, is_over: CancellationToken::new() }
    }

    /// Goes through it all.
    async fn go(self: Arc<Self>) -> Told {
        let began = Instant::now();
        let deaths: Vec<_> =
            (0..self.places.len()).map(|place| tokio::spawn(self.clone().keep_running(place))).collect();
        tokio::join!(self.publish(), self.trouble());
        self.server.calm();
        // Who was frozen comes back, and goes on with what it had in hand.
        sleep(COMING_BACK).await;
        self.settle().await;
        // Whoever messages come to now sets the ledger's settings.
        let last = messages::last(&self.chance);
        self.broker.publish(last.clone());
        self.settle().await;
        self.check_settings();
        let took = began.elapsed();

        self.is_over.cancel();
        for place in &self.places {
            locked(&place.process).told_to_stop.cancel();
        }
        let mut told = Told { took, ..Told::default() };
        for ended in deaths {
            let ended = timeout(STOPPING_MAX, ended).await.expect("a daemon that is told to stop ends");
            told.deaths += ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        let left = std::mem::take(&mut *locked(&self.server.left));
        for left in left.into_iter().filter(tokio::task::JoinHandle::is_finished) {
            left.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        }
        self.check(&last, &mut told);
        told
    }

    /// Runs a daemon, and another when that has ended. Says how many died.
    async fn keep_running(self: Arc<Self>, place: usize) -> usize {
        let place = &self.places[place];
        let mut deaths = 0;
        loop {
            let process = Arc::new(Process::default());
            let (reload, reloaded) = mpsc::unbounded_channel();
            *locked(&place.process) = process.clone();
            *locked(&place.reload) = Some(reload);
            let settings = locked(&place.settings).clone();
            if self.is_over.is_cancelled() {
                return deaths;
            }
            match process.run(daemon::run(&self.around, &process, settings, reloaded)).await {
                None => {
                    info!(sessions = ?locked(&process.sessions), "a daemon died");
                    deaths += 1;
                }
                Some(ended) => {
                    assert!(ended.is_ok(), "{:?}", ended.err());
                    assert!(process.told_to_stop.is_cancelled(), "a daemon ended that was not told to");
                }
            }
            self.server.ended(&process);
            self.broker.lose(&process);
            if self.is_over.is_cancelled() {
                return deaths;
            }
            sleep(self.chance.time(Duration::from_secs(5))).await;
        }
    }

    /// Sends the messages, some of them again.
    async fn publish(&self) {
        let mut sent = Vec::new();
        for message in &self.messages {
            sleep(self.chance.time(TROUBLE / 10)).await;
            self.broker.publish(message.clone());
            sent.push(message);
            if self.chance.one_in(4) {
                self.broker.publish((*self.chance.pick(&sent)).clone());
            }
        }
    }

    /// Whatever may befall the daemons and their servers.
    async fn trouble(&self) {
        let began = Instant::now();
        let count = self.chance.below(9);
        for _ in 0..count {
            sleep(self.chance.time(TROUBLE.saturating_sub(began.elapsed()) / 2)).await;
            let trouble = Trouble::by(&self.chance);
            let place = self.chance.pick(&self.places);
            info!(?trouble, sessions = ?locked(&locked(&place.process).sessions), "trouble");
            self.befall(place, trouble);
        }
    }

    fn befall(&self, place: &Place, trouble: Trouble) {
        let process = locked(&place.process).clone();
        match trouble {
            Trouble::Killed => process.killed.cancel(),
            Trouble::Stopped => process.told_to_stop.cancel(),
            Trouble::Frozen(length) => {
                process.freeze();
                // Another process can't know that this one is alive, and takes what it had in hand for what it died of.
                if self.places.len() > 1 {
                    self.server.ended(&process);
                }
                if self.chance.one_in(2) {
                    self.broker.lose(&process);
                }
                tokio::spawn(async move {
                    sleep(length).await;
                    process.thaw();
                });
            }
            Trouble::Reloaded => {
                let settings = settings(&self.chance);
                *locked(&place.settings) = settings.clone();
                let reload = locked(&place.reload).clone();
                // A daemon that has ended reads them as it starts.
                let _ = reload.map(|reload| reload.send(settings));
            }
            Trouble::Cut => {
                if let Some(active) = self.broker.active() {
                    self.broker.cut(active);
                }
            }
            Trouble::BrokerAway(length) => self.broker.go_down(length),
            Trouble::DatabaseAway(length) => self.server.go_away(length),
        }
    }

    /// Waits until there is nothing left to do.
    async fn settle(&self) {
        let settled = async {
            loop {
                sleep(Duration::from_secs(3)).await;
                if self.broker.is_empty() && locked(&self.server.tables).due_messages(1).is_empty() {
                    return;
                }
            }
        };
        let settled = timeout(RECOVERY_MAX, settled).await;
        settled.unwrap_or_else(|_| {
            let due = locked(&self.server.tables).due_messages(9);
            let sessions = |place: &Place| locked(&locked(&place.process).sessions).clone();
            let sessions: Vec<_> = self.places.iter().map(sessions).collect();
            let queue = self.broker.told();
            panic!(
                "it goes on without end: {queue} is in the queue; daemons had {sessions:?}; due is {due:?}"
            );
        });
    }

    fn check_settings(&self) {
        let active = self.broker.active().expect("a daemon consumes");
        let is_active = |place: &&Place| locked(&locked(&place.process).sessions).contains(&active);
        let place = self.places.iter().find(is_active).expect("a daemon consumes");
        let tables = locked(&self.server.tables);
        assert!(tables.goes_by(&locked(&place.settings)), "the consuming daemon's settings decide");
    }

    /// What must hold in the end.
    fn check(&self, last: &Message, told: &mut Told) {
        let tables = locked(&self.server.tables);
        tables.world.check();
        let mut expected = Tables::new((*tables.world.ledger.settings).clone());
        let mut applied = Vec::new();
        for message in self.messages.iter().chain([last]) {
            match self.parked_for(message, &tables) {
                Some(_) => told.parked += 1,
                None => applied.push(message),
            }
        }
        // Accounts first: in what order the others came makes no difference then.
        applied.sort_by_key(|message| !message.raw.body.windows(8).any(|bytes| bytes == b"capacity"));
        let now = tables.world.last_at;
        let arrivals: Vec<_> =
            applied.iter().map(|message| Arrival::decode(message.raw.clone(), now)).collect();
        let draft = expected.draft(&arrivals);
        expected.commit(draft);
        while expected.apply_due(now).2 {}
        assert_eq!(books(&expected), books(&tables), "the same messages made other books");
        told.log = format!("{:?}", tables.world.log);
    }

    /// Why a message is parked, which must be what it deserves; `None` where it was applied, or told under the same key
    /// as the one that was.
    fn parked_for(&self, message: &Message, tables: &Tables) -> Option<ParkReason> {
        let parked = tables.parked(&message.content).filter(|row| !row.is_done).map(|row| row.reason);
        let kills = matches!(message.manner, Manner::KillsDecoder | Manner::KillsApplier);
        if parked == Some(ParkReason::Suspect) && !kills {
            assert!(
                self.server.ends_with(message) >= ENDS_MIN,
                "{message:?} is parked for deaths that were not of it"
            );
            return parked;
        }
        let expected = match message.manner {
            Manner::KillsDecoder | Manner::KillsApplier => Some(ParkReason::Suspect),
            Manner::Refused | Manner::RefusedTwice => Some(ParkReason::DatabaseRefused),
            Manner::Ordinary => match decode(&message.raw) {
                Err(error) => Some(error.reason),
                Ok(decoded) => {
                    let known = tables.known(&decoded.cause.key);
                    let (first, _) = known.unwrap_or_else(|| panic!("{message:?} is lost"));
                    (first != decoded.fingerprint()).then_some(ParkReason::Conflict)
                }
            },
        };
        assert_eq!(parked, expected, "{message:?}");
        let waits = message.key.as_ref().and_then(|key| tables.known(key)).is_some_and(|(_, parked)| parked);
        assert!(expected.is_some() || !waits, "{message:?} was not decided");
        parked
    }
}

/// What is in the books, but for in what order it came there.
fn books(tables: &Tables) -> BTreeMap<String, String> {
    let accounts = tables.world.accounts.values();
    let accounts = accounts.map(|account| (account.id.to_string(), format!("{:?}", account.balance)));
    let projects = tables.world.projects.values().map(|project| {
        let status = project.status.get().as_ref().map(|status| &status.name);
        let tied = (status, project.held, project.consumed);
        (format!("project {}", project.id), format!("{tied:?}"))
    });
    accounts.chain(projects).collect()
}

/// Says by which seed a schedule comes again, if it fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to repeat this, and see it: CREDITD_TEST_SCHEDULES=1 CREDITD_TEST_SEED={} CREDITD_TEST_LOG=1 \
                 cargo test --lib daemon::simulation::whatever -- --nocapture",
                self.0
            );
        }
    }
}

fn simulate(seed: u64, metrics: &Arc<Metrics>) -> Told {
    let _told_if_it_fails = Seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async { Arc::new(Simulation::of(seed, metrics)).go().await })
}

/// Has all that is logged shown where somebody wants to see a schedule.
fn show_if_wanted() {
    if std::env::var_os("CREDITD_TEST_LOG").is_some() {
        let shown = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::DEBUG);
        let _ = shown.without_time().try_init();
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, expected a number")))
}

/// So many schedules are run where nobody says how many.
const SCHEDULES: u64 = 1_000;

#[test]
fn whatever_befalls_it_each_message_is_decided_once_or_parked_for_a_reason() {
    show_if_wanted();
    let count = number("CREDITD_TEST_SCHEDULES").unwrap_or(SCHEDULES);
    let first = number("CREDITD_TEST_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let began = std::time::Instant::now();
    let run = |thread: usize| {
        let metrics = Metrics::new(&Health::default(), &Progress::default());
        let mut sums = (0, 0, Duration::ZERO);
        for seed in (first..first + count).skip(thread).step_by(threads) {
            let told = simulate(seed, &metrics);
            sums = (sums.0 + told.deaths, sums.1 + told.parked, sums.2 + told.took);
        }
        sums
    };
    let sums: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let deaths: usize = sums.iter().map(|sums| sums.0).sum();
    let parked: usize = sums.iter().map(|sums| sums.1).sum();
    let hours = sums.iter().map(|sums| sums.2).sum::<Duration>().as_secs() / 3_600;
    println!(
        "{count} schedules from seed {first} in {:.1} s: {hours} hours of theirs, {deaths} deaths, {parked} messages \
         parked",
        began.elapsed().as_secs_f64()
    );
    assert!(count < 100 || deaths > 0 && parked > 0, "there was no trouble");
}

#[test]
fn a_seed_makes_the_same_schedule_again() {
    let metrics = Metrics::new(&Health::default(), &Progress::default());
    let told: HashSet<_> = (0..20).map(|seed| simulate(seed, &metrics).log).collect();
    assert!(told.len() > 10, "seeds make different schedules");
    for seed in 0..20 {
        assert_eq!(simulate(seed, &metrics), simulate(seed, &metrics));
    }
}
