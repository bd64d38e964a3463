//! A ledger that is restored from a backup to a point in time: it gives its numbers again, and nobody takes what has
//! them now for what had them before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use creditd::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use crate::proxy::{Network, Proxy, Towards};
use crate::support::{Copied, Message, World, base_backup, creditd, open_directory, wait_until};

const LOG_LAST: &str = "select log_last from creditd.ledger";
const VERSION: &str = "select version from creditd.ledger";
const EPOCH: &str = "select epoch from creditd.relay";

/// A consumer of balances, by the rules of `docs/consuming.md`.
#[derive(Default)]
struct Consumer {
    accounts: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    era: u64,
    sequence: i64,
    balance: Value,
}

impl Consumer {
    fn hear(&mut self, event: &Value) {
        let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
        let sequence = match kind {
            "credits.balance_changed.v1" => data["sequence"].as_i64(),
            "credits.snapshot.v1" => data["sequences"]["credits.balance_changed.v1"].as_i64(),
            _ => return,
        };
        let (era, sequence) = (era(event), sequence.unwrap());
        let known = self.accounts.entry(data["account_id"].as_str().unwrap().to_owned()).or_default();
        if era > known.era {
            *known = Known { era, ..Known::default() };
        }
        if era == known.era && sequence > known.sequence {
            (known.sequence, known.balance) = (sequence, data["balance"].clone());
        }
    }

    fn total(&self, account: &str) -> &Value {
        &self.accounts[account].balance["total"]
    }
}

fn era(event: &Value) -> u64 {
    let source = event["source"].as_str().unwrap();
    source.strip_prefix("creditd/creditd/").map_or(1, |era| era.parse().unwrap())
}

fn account(number: i64, account: &str, capacity: i64) -> Message {
    Message::account(&format!("a{number}"), account, number, json!({ "capacity": capacity }))
}

#[test]
fn a_ledger_restored_to_a_point_in_time_gives_no_number_twice_under_one_source() {
    let directory = open_directory();
    let archive = directory.path().join("wal");
    fs::create_dir(&archive).unwrap();
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o777)).unwrap();
    let archive = archive.display();
    let options = SandboxOptions {
        vhosts: 1,
        postgres_settings: vec![
            "archive_mode = on".to_owned(),
            format!("archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'"),
        ],
        ..SandboxOptions::default()
    };
    let original =
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
    let mut world = World::on(&original, 0);
    world.migrate();
    let listener = world.listen();
    let daemon = world.daemon();
    let old = [account(1, "studio", 10), account(2, "other", 10)];
    world.publish(&old);
    world.wait_for_messages(&["a1", "a2"]);
    let backup = directory.path().join("backup");
    base_backup(&original, &backup, &[]);
    let after_the_backup = [account(3, "studio", 20)];
    world.publish(&after_the_backup);
    world.wait_for_messages(&["a3"]);
    world.as_superuser("select pg_create_restore_point('noon')");
    let lost = [account(4, "studio", 30), account(5, "studio", 40)];
    world.publish(&lost);
    world.wait_for_messages(&["a4", "a5"]);
    world.wait_until_published();

    let (code, said) = world.failure(&["migrate", "--restored"]);
    assert!(code == 1 && said.contains("stop all daemons"), "{code}: {said}");
    assert!(daemon.stop().success());
    let numbers = world.number(LOG_LAST);
    world.as_superuser("select pg_switch_wal()");
    wait_until("the log is archived", || {
        world.report(
            "select to_jsonb(last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1))
               from pg_stat_archiver",
        ) == true
    });

    fs::write(backup.join("recovery.signal"), "").unwrap();
    let recovery = [
        format!("restore_command = 'cp {archive}/%f %p'"),
        "recovery_target_name = 'noon'".to_owned(),
        "recovery_target_action = 'promote'".to_owned(),
    ];
    let restored = Copied::start(&directory.path().join("restored"), &backup, &recovery);
    for url in [&mut world.database_url, &mut world.owner_url, &mut world.superuser_url] {
        *url = restored.url(url);
    }
    wait_until("it is promoted", || world.report("select to_jsonb(not pg_is_in_recovery())") == true);
    assert_eq!(world.balance("studio").unwrap().0, 20, "as it was at noon");
    let said = world.text(&["migrate", "--restored"]);
    let first_era = world.number("select era::bigint from creditd.ledger");
    assert!(first_era > 1 && said.contains(&format!("era {first_era} began")), "{said}");
    world.assert_verified();

    let published_at_noon = world.number("select published from creditd.relay");
    let daemon = world.daemon();
    // Upstream sends again what came since, and something new before it: numbers go to other events than before.
    world.publish(&[account(6, "other", 50)]);
    world.publish(&[&after_the_backup[..], &lost].concat());
    world.wait_for_messages(&["a4", "a5", "a6"]);
    world.wait_until_published();
    let told = world.json(&["events", "snapshot"]);
    let source = format!("creditd/creditd/{first_era}");
    let expected = json!({ "source": source, "accounts": 2, "sent": 2, "unroutable": 0 });
    assert_eq!(told["through"], world.number(LOG_LAST));
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(told[member], *value, "{told}");
    }
    let (code, said) = world.failure(&["events", "snapshot", "--account", "nobody"]);
    assert!(code == 1 && said.contains("no account \"nobody\" is known"), "{said}");

    assert!(daemon.stop().success());

    let (first_epoch, first_version) = (world.number(EPOCH), world.number(VERSION));
    let again = world.number(LOG_LAST) - published_at_noon;
    let heard = listener.take_whole(usize::try_from(numbers + again).unwrap() + 2);
    let keys: BTreeSet<_> = heard.iter().map(|one| (era(&one.event), one.message_id.as_str())).collect();
    assert_eq!(keys.len(), heard.len(), "source and id are unique together");
    let ids: BTreeSet<_> = keys.iter().map(|(_, id)| id).collect();
    assert!(ids.len() < keys.len(), "ids alone are not");

    let (mut consumer, mut beginner) = (Consumer::default(), Consumer::default());
    for one in &heard {
        consumer.hear(&one.event);
        if one.event["type"] == "credits.snapshot.v1" {
            beginner.hear(&one.event);
        }
    }
    for (account, total) in [("studio", 40), ("other", 50)] {
        assert_eq!((consumer.total(account), beginner.total(account)), (&json!(total), &json!(total)));
    }

    // The same backup once more: what it says of eras is as before.
    world.as_superuser("update creditd.ledger set era = 1");
    world.text(&["migrate", "--restored"]);
    assert!(world.number("select era::bigint from creditd.ledger") > first_era, "an era of its own again");
    // Whoever still has what it knew of the first one notices.
    assert!(world.number(EPOCH) > first_epoch && world.number(VERSION) > first_version);
}

#[test]
fn snapshots_go_out_though_the_broker_takes_its_time() {
    let mut world = World::new();
    let daemon = world.daemon();
    world.publish(&[account(1, "studio", 10)]);
    world.wait_for_messages(&["a1"]);
    assert!(daemon.stop().success());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url: url::Url = world.broker_url.parse().unwrap();
    let broker = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let proxy = runtime.block_on(Proxy::start(&broker, None));
    world.set("CREDITD__BROKER__URL", &world.broker_url.replace(&broker, &proxy.address.to_string()));
    // It is the limit for a session that is idle, too.
    world.set("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", "1");
    world.listen();

    proxy.set(Network::Frozen(Towards::Client));
    let sent = thread::scope(|scope| {
        let sending = scope.spawn(|| world.json(&["events", "snapshot"]));
        wait_until("the ledger's reader is idle for longer than it may be", || {
            let idle = "select to_jsonb(count(*)) from pg_stat_activity where datname = current_database()
                         and state = 'idle in transaction' and state_change < now() - interval '2 seconds'";
            sending.is_finished() || world.report(idle) == 1
        });
        proxy.set(Network::Up);
        sending.join().unwrap()
    });
    assert_eq!((&sent["sent"], &sent["accounts"]), (&json!(1), &json!(1)));
}
