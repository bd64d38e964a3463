//! A steady load for a long time, with a fault in each of its periods: what the daemon takes of the machine doesn't
//! grow with time. A short one runs with all tests, `scripts/soak.sh` runs a long one.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind};
use serde_json::json;

use super::scene::Scene;
use super::schedule::{Fault, Schedule};
use super::{SetWhenDropped, number_in};
use crate::faults::recovery;
use crate::proxy::Towards;
use crate::support::{Heard, Message, World, creditd, wait_until};

/// What runs with all tests.
const PERIODS: usize = 4;
const PERIOD_S: usize = 6;
const RATE: usize = 100;

/// From so many periods on, the first third of them is held against the last.
const LONG: usize = 9;
/// How much more resident memory the last third may show than the first.
const GROWTH_MAX_PERCENT: i64 = 10;

/// What the daemon's pool holds at most, and two that PostgreSQL may not have seen the end of.
const CONNECTIONS_MAX: i64 = 7;
/// Those, the broker's, and what a process has anyway.
const FILES_MAX: i64 = 40;

const ACCOUNTS: usize = 100;
/// How many are published before their confirms are awaited.
const AT_ONCE: usize = 50;
const LASTING: Duration = Duration::from_secs(3);

/// What happens, one a period and over again. None of it ends the daemon.
const FAULTS: [Fault; 14] = [
    Fault::Cut(ServerKind::RabbitMq),
    Fault::Kill(ServerKind::Postgres),
    Fault::Freeze(ServerKind::RabbitMq, Towards::Client),
    Fault::NoConnections,
    Fault::Kill(ServerKind::RabbitMq),
    Fault::LoseReplies(ServerKind::Postgres),
    Fault::MemoryAlarm,
    Fault::Cut(ServerKind::Postgres),
    Fault::CloseConnections,
    Fault::Slow(ServerKind::Postgres, Towards::Server),
    Fault::LoseReplies(ServerKind::RabbitMq),
    Fault::LockLedger,
    Fault::Freeze(ServerKind::Postgres, Towards::Server),
    Fault::Suspend,
];

/// What the daemon takes of the machine while all is well.
#[derive(Clone, Copy, Debug)]
struct Taken {
    memory_kib: i64,
    files: i64,
    connections: i64,
}

impl Taken {
    fn by(process_id: u32, world: &World) -> Self {
        let status = fs::read_to_string(format!("/proc/{process_id}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            memory_kib: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            files: fs::read_dir(format!("/proc/{process_id}/fd")).unwrap().map(|_| 1).sum(),
            connections: world.number(
                "select count(*) from pg_stat_activity
                  where datname = current_database() and usename = 'creditd'",
            ),
        }
    }
}

#[test]
fn under_a_steady_load_with_faults_a_daemon_takes_no_more_of_the_machine_as_time_goes_by() {
    let periods = number_in("CREDITD_SOAK_PERIODS").unwrap_or(PERIODS);
    let period = Duration::from_secs(number_in("CREDITD_SOAK_PERIOD_S").unwrap_or(PERIOD_S) as u64);
    let rate = number_in("CREDITD_SOAK_RATE").unwrap_or(RATE);
    let options = SandboxOptions { vhosts: 1, ..SandboxOptions::default() };
    let sandbox =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    let schedule = Schedule {
        daemons: 1,
        messages_max: 500,
        statement_timeout_s: 5,
        lock_timeout_s: 5,
        steps: Vec::new(),
    };
    let scene = Scene::set(&sandbox, 0, &schedule);
    let world = &scene.world;
    let listener = world.listen();
    scene.start_daemons(schedule.daemons);
    scene.wait_until_the_queue_is_on_disk();
    let accounts: Vec<_> = (0..ACCOUNTS).map(account).collect();
    world.publish(&accounts);
    wait_until("the accounts are known", || world.number("select count(*) from creditd.account") == 100);

    let process_id = scene.process_id(0);
    let (stop, log_last) = (AtomicBool::new(false), AtomicI64::new(i64::MAX));
    let (heard, given_up) = (AtomicI64::new(0), AtomicBool::new(false));
    let mut random = fastrand::Rng::with_seed(1);
    let mut taken = Vec::new();
    let sent = thread::scope(|scope| {
        let downstream = scope.spawn(|| {
            let mut numbers = Vec::new();
            let hear = |event: Heard| {
                let place = usize::try_from(event.log_number()).unwrap();
                numbers.resize(numbers.len().max(place + 1), false);
                if !std::mem::replace(&mut numbers[place], true) {
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            };
            listener.follow(hear, || {
                given_up.load(Ordering::Relaxed)
                    || heard.load(Ordering::Relaxed) == log_last.load(Ordering::Relaxed)
            });
        });
        let _give_up_when_dropped = SetWhenDropped(&given_up);
        let upstream = scope.spawn(|| publish_steadily(world, rate, &stop));
        let sent = {
            let _stop_when_dropped = SetWhenDropped(&stop);
            for number in 0..periods {
                thread::sleep(period.saturating_sub(LASTING));
                let now = Taken::by(process_id, world);
                taken.push(now);
                let fault = FAULTS[number % FAULTS.len()];
                let begun = scene.begin(fault, &mut random);
                thread::sleep(LASTING);
                scene.end(begun);
                let recovered = recovery(world, &accounts[0]);
                println!(
                    "{number:3}: {} KiB, {} files, {} connections to PostgreSQL; then {fault}, and {recovered:.1?}",
                    now.memory_kib, now.files, now.connections
                );
            }
            stop.store(true, Ordering::Relaxed);
            upstream.join().unwrap()
        };
        let known = i64::try_from(ACCOUNTS + sent).unwrap();
        wait_until("each message has its outcome", || {
            world.number("select count(*) from creditd.inbox where source like '/%'") == known
        });
        world.wait_until_published();
        log_last.store(world.number("select log_last from creditd.ledger"), Ordering::Relaxed);
        downstream.join().unwrap();
        sent
    });
    println!("{sent} messages, {} events, {} of them heard", log_last.into_inner(), heard.into_inner());

    let projects = i64::try_from(sent / 2).unwrap();
    let finalized = "select count(*) from creditd.project where status = 'finalized' and held = 0";
    assert_eq!(world.number(finalized), projects);
    assert_eq!(world.number("select sum(held)::bigint from creditd.account"), 0);
    assert_eq!(world.number("select count(*) from creditd.parked where done_at is null"), 0);
    world.assert_verified();
    assert_eq!(scene.process_id(0), process_id);
    scene.stop_daemons();
    assert_flat(&taken);
}

fn account(number: usize) -> Message {
    let id = format!("account-{number}");
    Message::account(&id, &id, 1, json!({ "capacity": 1_000_000 }))
}

/// Begins and ends projects, so many messages a second, until told to stop. Says how many that were.
fn publish_steadily(world: &World, rate: usize, stop: &AtomicBool) -> usize {
    let began = Instant::now();
    let projects = rate / 2;
    let mut sent = 0;
    for second in 0.. {
        let due = began + Duration::from_secs(second);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let all = |status: &'static str, revision| {
            (0..projects).map(move |number| {
                let project = format!("p-{second}-{number}");
                let account = format!("account-{}", number % ACCOUNTS);
                Message::project(&format!("{project}-{status}"), &project, &account, revision, status, 1)
            })
        };
        let messages: Vec<_> = all("started", 1).chain(all("finalized", 2)).collect();
        world.publish_by(AT_ONCE, &messages, Duration::ZERO);
        sent += messages.len();
    }
    sent
}

/// Nothing that the daemon takes grows with time. In a short time some of it has only begun to be used.
fn assert_flat(taken: &[Taken]) {
    let most = |of: &[Taken], what: fn(&Taken) -> i64| of.iter().map(what).max().unwrap();
    assert!(most(taken, |taken| taken.connections) <= CONNECTIONS_MAX, "connections: {taken:?}");
    assert!(most(taken, |taken| taken.files) <= FILES_MAX, "open files: {taken:?}");
    if taken.len() < LONG {
        return;
    }
    let third = taken.len() / 3;
    let (first, last) = (&taken[..third], &taken[taken.len() - third..]);
    let grew = |what| most(last, what) - most(first, what);
    assert!(grew(|taken| taken.files) <= 2, "open files: {taken:?}");
    assert!(grew(|taken| taken.connections) <= 1, "connections: {taken:?}");
    let percent = 100 * grew(|taken| taken.memory_kib) / most(first, |taken| taken.memory_kib);
    assert!(percent <= GROWTH_MAX_PERCENT, "memory: {taken:?}");
}
