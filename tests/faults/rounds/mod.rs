//! Rounds of faults, drawn from a seed: a workload with a model beside it is published, and meanwhile things happen
//! to daemons, servers and networks, several at a time. In the end the books are what the model says, `verify` finds
//! nothing, downstream heard each event, and no message is unaccounted for.
//!
//! A few rounds run with all tests; `scripts/faults.sh` runs more, and repeats one that failed.

mod scene;
mod schedule;
mod soak;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use creditd::sandbox::{Sandbox, SandboxOptions};

use self::scene::Scene;
use self::schedule::{Fault, Moment, Schedule, Step};
use self::tally::{Round, Tally};
use super::{assert_as_modelled, recovery};
use crate::model::{Workload, seed};
use crate::support::{creditd, wait_until};

/// How many rounds run with all tests.
const ROUNDS: usize = 3;
/// How many rounds run on the same servers, each with a database and a vhost of its own.
const ROUNDS_ON_SERVERS: usize = 20;
/// As often may a message be in hand at a death, or a lost connection, before it is parked as a suspect.
const SUSPECT_AFTER: usize = 5;
/// As often may a message be in hand when connections end by one fault: whoever connects anew may be cut off as well.
const DISCONNECTS_A_FAULT: usize = 2;

#[test]
fn whatever_happens_in_a_round_of_faults_the_books_are_what_the_model_says() {
    let rounds = number_in("CREDITD_FAULT_ROUNDS").unwrap_or(ROUNDS);
    let workers = number_in("CREDITD_FAULT_WORKERS").unwrap_or(1);
    let first = seed();
    let began = Instant::now();
    let (tally, next, failed) = (Mutex::<Tally>::default(), AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let _failed_when_panicking = SetWhenPanicking(&failed);
                loop {
                    let begin = next.fetch_add(ROUNDS_ON_SERVERS, Ordering::Relaxed);
                    let seeds: Vec<_> = (begin..rounds.min(begin + ROUNDS_ON_SERVERS))
                        .map(|round| first.wrapping_add(round as u64))
                        .collect();
                    if seeds.is_empty() || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    run_rounds(&seeds, &tally, &failed);
                }
            });
        }
    });
    println!(
        "{rounds} rounds by {workers} at once in {:.0} s\n{}",
        began.elapsed().as_secs_f64(),
        tally.lock().unwrap()
    );
}

fn number_in(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Runs a round of each seed, on servers of their own.
fn run_rounds(seeds: &[u64], tally: &Mutex<Tally>, failed: &AtomicBool) {
    let options = SandboxOptions { vhosts: u32::try_from(seeds.len()).unwrap(), ..SandboxOptions::default() };
    let sandbox =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    for (number, seed) in seeds.iter().enumerate() {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let mut random = fastrand::Rng::with_seed(*seed);
        let schedule = Schedule::random(&mut random);
        let scene = Scene::set(&sandbox, number, &schedule);
        match catch_unwind(AssertUnwindSafe(|| play(&scene, &schedule, &mut random))) {
            Ok(round) => {
                println!("seed {seed}: {schedule}\n  {round}");
                tally.lock().unwrap().add(round);
            }
            Err(cause) => {
                println!(
                    "seed {seed}: {schedule}\n  FAILED; to repeat it: scripts/faults.sh --rounds 1 --seed {seed}"
                );
                println!("{}", scene.last_words());
                resume_unwind(cause);
            }
        }
    }
}

/// Plays one round.
fn play(scene: &Scene, schedule: &Schedule, random: &mut fastrand::Rng) -> Round {
    let began = Instant::now();
    let is_sent_again = schedule.steps.iter().any(|step| step.faults.contains(&Fault::DeleteQueue));
    let mut workload = Workload::random(random);
    if is_sent_again {
        workload = workload.without_conflicts();
    }
    let world = &scene.world;
    let listener = world.listen();
    scene.start_daemons(schedule.daemons);
    scene.wait_until_the_queue_is_on_disk();
    let mut recoveries = Vec::new();
    let stop = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let keeper = scope.spawn(|| scene.keep_daemons_running(&stop));
        let _stop_when_dropped = SetWhenDropped(&stop);
        let parts = || workload.stream.chunks(workload.stream.len().div_ceil(schedule.steps.len()));
        for (step, part) in schedule.steps.iter().zip(parts()) {
            thread::scope(|scope| {
                scope.spawn(|| world.publish_slowly(part, step.pause(part.len())));
                happen(scene, step, random);
                let recovery = recovery(world, &workload.stream[0]);
                let happened = step.faults.iter().filter(|fault| scene.has_happened(**fault));
                recoveries.extend(happened.map(|fault| (fault.kind(), recovery)));
            });
        }
        scene.disarm();
        if is_sent_again {
            // By the same parts, so that each message comes with the same properties.
            for part in parts() {
                world.publish_through_trouble(part);
            }
        }
        offer_suspects(scene, &workload, schedule, &|| keeper.is_finished());
        assert_as_modelled(world, &workload, &listener)
    });
    assert_eq!(told.early, 0, "no event comes before one that it follows on");
    scene.stop_daemons();
    Round { took: began.elapsed(), deaths: scene.deaths(), told, recoveries }
}

/// Waits for the step's moment, and has its faults happen.
fn happen(scene: &Scene, step: &Step, random: &mut fastrand::Rng) {
    let world = &scene.world;
    let commits = || world.number("select version from creditd.ledger");
    let events = || world.number("select published from creditd.relay");
    // What is published may be applied before all of that has come; then it happens to an idle daemon.
    let patience = Instant::now() + Duration::from_secs(2);
    match step.moment {
        Moment::Millis(count) => thread::sleep(Duration::from_millis(count)),
        Moment::Commits(count) => {
            let before = commits();
            wait_until("commits", || commits() >= before + count || Instant::now() > patience);
        }
        Moment::Events(count) => {
            let before = events();
            wait_until("events", || events() >= before + count || Instant::now() > patience);
        }
    }
    let begun: Vec<_> = step.faults.iter().map(|fault| scene.begin(*fault, random)).collect();
    thread::sleep(step.lasting);
    for begun in begun.into_iter().rev() {
        scene.end(begun);
    }
}

/// Messages that were in hand at so many deaths that they count as suspects are offered again, as an operator would.
fn offer_suspects(scene: &Scene, workload: &Workload, schedule: &Schedule, nobody_keeps: &dyn Fn() -> bool) {
    let world = &scene.world;
    let valid = i64::try_from(workload.copies.len()).unwrap();
    let mut suspects = 0;
    wait_until("all valid messages are applied", || {
        assert!(!nobody_keeps(), "nobody starts daemons again any more");
        let parked =
            world.number("select count(*) from creditd.parked where reason = 'suspect' and done_at is null");
        if parked > 0 {
            suspects += parked;
            world.run(&["parked", "retry", "--reason", "suspect"]);
        }
        world.number("select count(*) from creditd.inbox where source like '/%' and outcome <> 'parked'")
            == valid
    });
    let faults = schedule.steps.iter().flat_map(|step| &step.faults);
    let disconnects = faults.filter(|fault| fault.ends_connections_to_rabbitmq()).count();
    assert!(
        suspects == 0 || scene.deaths() + DISCONNECTS_A_FAULT * disconnects >= SUSPECT_AFTER,
        "{suspects} suspects after {} deaths and {disconnects} faults that end connections",
        scene.deaths()
    );
}

/// Sets a flag at the end of a scope, whichever way that is left.
struct SetWhenDropped<'f>(&'f AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sets a flag where a thread panics.
struct SetWhenPanicking<'f>(&'f AtomicBool);

impl Drop for SetWhenPanicking<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(thread::panicking(), Ordering::Relaxed);
    }
}
