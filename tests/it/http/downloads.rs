//! Reports of any length: at the same use of memory, and given up with whoever reads them.

use std::io::{Read, Write};
use std::time::Duration;

use super::asker::{Asker, read_to_end};
use super::{ask_for_tokens, give, open_transactions, token};
use crate::support::{Daemon, World, wait_until};

/// A report of more than all buffers between here and there can take.
const ENTRIES: i64 = 100_000;
const JSON_BYTES_MIN: usize = 40_000_000;
/// What a daemon's memory may grow by, in KiB, while it writes that.
const GROWTH_MAX_KIB: i64 = 16 * 1024;

/// A world with an account of so many entries. Nothing is left to publish.
pub(super) fn world_with_a_long_report() -> World {
    let world = World::new();
    give(&world, &["account", "open", "studio", "--capacity", "1"]);
    world.tamper(&format!(
        "insert into creditd.entry
           select log_last + number, account_id, null, entries + number, last_at, 'grant', 'outside', 'available', 1,
                  null, total + number, held, consumed, '/test', 'bulk-' || number, 'credits.granted.v1', null,
                  'because of number ' || number, 'ops', 1, account.digest
             from creditd.account, creditd.ledger, generate_series(1, {ENTRIES}) number;
         update creditd.account set entries = entries + {ENTRIES}, total = total + {ENTRIES};
         update creditd.ledger set log_last = log_last + {ENTRIES};
         update creditd.relay set published = (select log_last from creditd.ledger)"
    ));
    world
}

/// The most memory that a process had so far, in KiB.
fn memory_peak_kib(daemon: &Daemon) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const JSON: &str = "GET /v1/accounts/studio/usage.json HTTP/1.1\r\nhost: localhost\r\n";

/// Asks for a report, reads its head, and then nothing more.
fn stall(http: &Asker) -> std::net::TcpStream {
    stall_as(http, "")
}

/// The same with one more line of the request's head.
fn stall_as(http: &Asker, line: &str) -> std::net::TcpStream {
    let mut stream = http.connect();
    write!(stream, "{JSON}{line}\r\n").unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

#[test]
fn a_long_report_is_streamed_and_those_who_stop_reading_are_given_up() {
    let world = world_with_a_long_report();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    // What any answer takes is taken.
    http.json("/v1/accounts/studio/entries?limit=1000");
    assert_eq!(http.get("/v1/accounts/studio/usage.json?to=2000-01-01").status, 200);
    let before = memory_peak_kib(&daemon);
    let report = http.get("/v1/accounts/studio/usage.json");
    assert!(report.body.len() > JSON_BYTES_MIN, "{}", report.body.len());
    assert_eq!(report.json()["items"].as_array().unwrap().len(), usize::try_from(ENTRIES).unwrap() + 1);
    let csv = http.get("/v1/accounts/studio/usage.csv");
    assert!(csv.header("content-disposition").starts_with("attachment; filename=\"usage-studio-"));
    assert_eq!(csv.text().lines().count(), usize::try_from(ENTRIES).unwrap() + 2);
    let grown = memory_peak_kib(&daemon) - before;
    println!(
        "{} bytes of JSON and {} of CSV: {before} KiB and {grown} more",
        report.body.len(),
        csv.body.len()
    );
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more than {before}");

    let mut stalled: Vec<_> = (0..3).map(|_| stall(&http)).collect();
    wait_until("three reports are being read", || open_transactions(&world) >= 3);
    for kind in ["csv", "json"] {
        let fourth = http.get(&format!("/v1/accounts/studio/usage.{kind}"));
        assert!(fourth.problem(503).contains("other reports"), "{kind}");
        assert_eq!(fourth.header("retry-after"), "2");
    }
    assert_eq!(http.get("/v1/accounts/studio/usage/assets").status, 200, "all else is answered");
    drop(stalled.pop());
    wait_until("who left is given up", || open_transactions(&world) <= 2);
    wait_until("and the place is free", || {
        http.get("/v1/accounts/studio/usage.csv?to=2000-01-01").status == 200
    });
    // These two are still there, and read nothing.
    wait_until("they are given up", || open_transactions(&world) == 0);
    for stream in &mut stalled {
        let told = read_to_end(stream);
        assert!(!told.ends_with("0\r\n\r\n"), "a part must not pass for the whole");
    }
    assert_eq!(http.get("/v1/accounts/studio/usage.csv").body.len(), csv.body.len());
    assert!(daemon.stop().success());
}

#[test]
fn who_reads_slowly_leaves_a_download_to_others() {
    let mut world = world_with_a_long_report();
    let [slow, other] = ["slow", "other"].map(|name| token(&world, name, "all", &[]));
    ask_for_tokens(&mut world);
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let line = format!("authorization: Bearer {slow}\r\n");
    let stalled = [stall_as(&http, &line), stall_as(&http, &line)];
    let path = "/v1/accounts/studio/usage.csv?to=2000-01-01";
    assert!(http.with(&slow).get(path).problem(503).contains("other reports"));
    assert_eq!(http.with(&other).get(path).status, 200);
    drop(stalled);
    assert!(daemon.stop().success());
}

#[test]
fn the_daemon_stops_though_somebody_reads_a_report_slowly() {
    let world = world_with_a_long_report();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let mut stream = stall(&http);
    let (stopped_in, stopped) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut buffer = [0; 4096];
            // Never so slow that it would be given up, and never done before the daemon has stopped.
            while stopped.recv_timeout(Duration::from_millis(20)).is_err() {
                if stream.read(&mut buffer).unwrap_or(0) == 0 {
                    break;
                }
            }
            read_to_end(&mut stream)
        });
        assert!(daemon.stop().success());
        stopped_in.send(()).ok();
        let rest = reader.join().unwrap();
        assert!(!rest.ends_with("0\r\n\r\n"), "a part must not pass for the whole");
    });
    assert_eq!(open_transactions(&world), 0);
}
