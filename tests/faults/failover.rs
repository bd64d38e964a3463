//! The primary of PostgreSQL is lost under load, and its synchronous standby promoted.

use std::thread;
use std::time::Instant;

use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind};

use super::assert_as_modelled;
use super::killed::{COMMITS, FEW, growth, wait_until_the_queue_is_on_disk};
use crate::model::{Workload, seed};
use crate::support::{Copied, World, base_backup, creditd, open_directory, run_as, wait_until};

#[test]
fn a_synchronous_standby_that_is_promoted_under_load_has_all_that_was_acknowledged() {
    let mut random = fastrand::Rng::with_seed(seed());
    let workload = Workload::random(&mut random);
    let directory = open_directory();
    let options = SandboxOptions { vhosts: 1, ..SandboxOptions::default() };
    let primary =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    let mut world = World::on(&primary, 0);
    world.migrate();

    let backup = directory.path().join("backup");
    base_backup(&primary, &backup, &["--write-recovery-conf"]);
    let standby = Copied::start(&directory.path().join("standby"), &backup, &[]);
    world.as_superuser("alter system set synchronous_standby_names = '*'");
    world.as_superuser("select pg_reload_conf()");
    wait_until("the standby is a synchronous one", || {
        world.report("select to_jsonb(count(*)) from pg_stat_replication where sync_state = 'sync'") == 1
    });

    let promoted = standby.url(&world.database_url);
    world.set("CREDITD__DATABASE__URL", &format!("{} {promoted}", world.database_url));
    world.set("CREDITD__BATCH__MESSAGES_MAX", FEW);
    let listener = world.listen();
    let mut daemon = world.daemon();
    wait_until_the_queue_is_on_disk(&primary, "t1");
    let some_commits = growth(&world, COMMITS, random.i64(1..20));
    let superuser = standby.url(&world.superuser_url);
    let lost = thread::scope(|scope| {
        scope.spawn(|| world.publish_through_trouble(&workload.stream));
        some_commits();
        primary.kill(ServerKind::Postgres).unwrap();
        let lost = Instant::now();
        daemon.wait_for_log(r#""waiting","part":"ledger""#);
        run_as(&superuser, "select pg_promote()");
        lost
    });
    for url in [&mut world.database_url, &mut world.owner_url, &mut world.superuser_url] {
        *url = standby.url(url);
    }
    growth(&world, COMMITS, 1)();
    println!("applied again {:.1} s after the primary was lost", lost.elapsed().as_secs_f64());

    assert_as_modelled(&world, &workload, &listener);
    assert!(daemon.is_running(), "the same daemon did it all");
    assert!(daemon.stop().success());
}
