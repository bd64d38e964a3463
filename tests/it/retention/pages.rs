//! A page at a time, beside whoever books.

use std::time::Duration;

use creditd::store::{Removable, Store, StoreSettings};

use super::{known, sweep};
use crate::support::{World, blocking, wait_until};

/// Records of project messages of long ago, and parked messages that were dealt with then.
const MANY: &str = "
    insert into creditd.inbox (source, id, type, fingerprint, received_at, outcome)
    select '/test', 'old-' || number, 'project.amended.v1', decode(repeat('00', 32), 'hex'),
           now() - interval '500 days', 'applied' from generate_series(1, 2500) number;
    insert into creditd.parked (content_hash, reason, detail, received_at, envelope, body, done_at, done_outcome)
    select sha256(number::text::bytea), 'account_unknown', '', now() - interval '500 days', '{}', '',
           now() - interval '500 days', 'applied' from generate_series(1, 1500) number";

impl World {
    /// The ledger as the daemon's role sees it, with a statement's and a lock's limit of some seconds.
    fn store(&self) -> Store {
        let limit = Duration::from_secs(10);
        let settings = StoreSettings {
            urls: vec![self.database_url.clone().into()],
            schema: "creditd".to_owned(),
            statement_timeout: limit,
            lock_timeout: limit,
            connections_max: 2,
        };
        Store::new(&settings).unwrap()
    }

    fn remove_page(&self, what: Removable) -> u64 {
        blocking(async { self.store().remove_page(what, 400, 1000).await.unwrap() })
    }
}

#[test]
fn no_statement_removes_more_than_a_page_and_a_sweep_removes_all() {
    let world = World::new();
    world.as_owner(MANY);
    let pages = [(); 4].map(|()| world.remove_page(Removable::Inbox));
    assert_eq!(pages, [1000, 1000, 500, 0]);
    assert_eq!(world.remove_page(Removable::ParkedDone), 1000);
    assert_eq!(
        world.number("select inbox_removed * 10000 + parked_removed from creditd.retention"),
        25_001_000
    );
    world.as_owner("delete from creditd.parked");
    world.as_owner(MANY);
    assert_eq!(sweep(&world), [2500, 1500, 0]);
    assert_eq!(known(&world), Vec::<String>::new());
}

#[test]
fn a_page_waits_neither_for_the_ledgers_lock_nor_for_rows_that_somebody_changes() {
    let world = World::new();
    world.as_owner(MANY);
    let ledger = world.hold_open("select from creditd.ledger for update");
    let row = world.hold_open("update creditd.inbox set deliveries = 2 where id = 'old-7'");
    let pages = [(); 3].map(|()| world.remove_page(Removable::Inbox));
    assert_eq!(pages, [1000, 1000, 499]);
    drop(row);
    assert_eq!(known(&world), ["old-7"]);
    wait_until("who changed it has let go", || world.remove_page(Removable::Inbox) == 1);
    drop(ledger);
}

#[test]
fn one_sweep_is_made_in_an_hour_whoever_asks() {
    let world = World::new();
    let claim = || blocking(async { world.store().claim_sweep(Duration::from_hours(1)).await.unwrap() });
    assert!(claim());
    assert!(!claim());
    world.as_owner("update creditd.retention set swept_at = now() - interval '59 minutes'");
    assert!(!claim());
    world.as_owner("update creditd.retention set swept_at = now() - interval '61 minutes'");
    assert!(claim());
    assert!(!claim());
}
