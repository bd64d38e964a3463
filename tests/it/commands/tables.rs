//! What people see.

use super::publish_books;
use crate::support::World;

const ACCOUNTS: &str = "\
ACCOUNT    KIND        MODE     TOTAL  HELD  CONSUMED  AVAILABLE  WAITING  ALERTS
agency     connected   recycle     10     0         0         10        -  -
member     integrated  recycle     40    15         0         25        -  -
payg       standalone  consume     20     0         8         12        -  -
pool:acme  pool        recycle     50    15         0         35        -  -
studio     standalone  recycle    100    90         0         10  35 in 2  credits_low, queue_blocked
";

const ORGANIZATION: &str = "\
organization  acme
name          -
contact       -

ACCOUNT    KIND        MODE     TOTAL  HELD  CONSUMED  AVAILABLE  WAITING  ALERTS
pool:acme  pool        recycle     50    15         0         35        -  -
agency     connected   recycle     10     0         0         10        -  -
member     integrated  recycle     40    15         0         25        -  -
";

const PROJECTS: &str = "\
PROJECT  ACCOUNT  STATE     STATUS     CREDITS  HELD  CONSUMED  WANTED  WAITING SINCE  NAME
used     payg     captured  finalized        8     0         8       0  -              -
";

const ACCOUNT: &str = "\
account            studio
name               Studio
contact            -
kind               standalone
organization       -
mode               recycle
what does not fit  queue
closed             no
plan               100 (capacity)
total              100
held               90
consumed           0
available          10
waiting            35 credits for 2 projects
open grants        0
stale holds        0
alerts             credits_low, queue_blocked
";

const ENTRIES: &str = "
LOG  ACCOUNT    KIND  FROM       TO    CREDITS  PROJECT  AVAILABLE  THEN
 16  member     hold  available  held       15  pooled          40    25
 17  pool:acme  hold  available  held       15  pooled          50    35
";

#[test]
fn tables_have_a_head_aligned_columns_and_no_lines_to_trip_over() {
    let world = World::new();
    assert_eq!(world.text(&["parked", "list"]), "ID  REASON  SOURCE  MESSAGE  CAME  RECEIVED  DETAIL\n");
    let daemon = world.daemon();
    publish_books(&world);
    assert_eq!(world.text(&["account", "list"]), ACCOUNTS);
    assert_eq!(world.text(&["account", "show", "studio"]), ACCOUNT);
    assert_eq!(world.text(&["organization", "show", "acme"]), ORGANIZATION);
    assert_eq!(world.text(&["project", "list", "--state", "captured"]), PROJECTS);
    let explained = world.text(&["explain", "message", "/test", "p11"]);
    assert!(explained.ends_with(ENTRIES), "{explained}");
    let explained = world.text(&["explain", "message", "/test", "p9"]);
    let told = "it moved no credits\n\n14  hold on agency: a hold of 11 for refused is rejected: exceeds_limit; agency lacks 1\n";
    assert!(explained.ends_with(told), "{explained}");
    assert!(daemon.stop().success());
}
