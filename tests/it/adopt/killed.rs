//! An import that is killed at any point is run again.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::{import, lines_of, write};
use crate::faults::{assert_balances, assert_projects};
use crate::model::{Workload, seed};
use crate::support::{World, wait_until};

const KILLS: i64 = 4;
/// How long a batch takes at least: far longer than it needs, so that a busy machine can kill it in time.
const BATCH_MS: u64 = 50;
const SLOW: &str = "
    create function pause() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.05); return null; end $$;
    create trigger pause after insert on creditd.inbox for each statement execute function pause()";

#[test]
fn an_import_killed_at_random_moments_and_run_again_comes_to_the_same() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let world = World::new();
    let lines = lines_of(&workload);
    let file = write(&world, "plans.jsonl", &lines);
    let name = file.to_str().unwrap();
    world.as_owner(SLOW);
    let mut kills = 0;
    for _ in 0..KILLS {
        // Each time further on than the time before: what is there already commits nothing new.
        let before = world.number("select count(*) from creditd.inbox");
        let more = random.i64(1..60);
        let mut process = world
            .command(&["import", name, "--batch", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut is_over = false;
        wait_until("some more lines are committed", || {
            is_over = process.try_wait().unwrap().is_some();
            is_over || world.number("select count(*) from creditd.inbox") >= before + more
        });
        if is_over {
            break;
        }
        thread::sleep(Duration::from_millis(random.u64(..BATCH_MS)));
        kills += 1;
        process.kill().unwrap();
        process.wait().unwrap();
        world.end_daemons_backends();
    }
    assert!(kills > 0, "it is killed before its end");
    world.as_owner("drop trigger pause on creditd.inbox; drop function pause()");
    let (code, report) = import(&world, &file, &[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["there_already"].as_u64().unwrap() > 0, "what was committed was told");
    assert_projects(&world, &workload);
    assert_balances(&world, &workload);
    world.assert_verified();

    let (code, report) = import(&world, &file, &[]);
    assert_eq!((code, &report["there_already"]), (Some(0), &lines.len().into()), "{report}");
    assert_balances(&world, &workload);
}
