//! Limits on everything that somebody could make large, long or many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{TryRecvError, channel};

use serde_json::json;

use super::asker::{Asker, read_to_end};
use super::{give, open_transactions};
use crate::support::{World, wait_until};

const CONNECTIONS_MAX: usize = 256;
const REQUESTS_MAX: usize = 64;

#[test]
fn who_is_slow_or_says_too_much_is_told_so_or_hung_up_on() {
    let world = World::new();
    let daemon = world.daemon();
    give(&world, &["account", "open", "studio", "--capacity", "10"]);
    let http = Asker::of(&daemon);
    let begin = |said: &str| {
        let mut stream = http.connect();
        stream.write_all(said.as_bytes()).unwrap();
        stream
    };
    let quote =
        "POST /v1/accounts/studio/quote HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    // All wait at once.
    let mut slow_body = begin(&format!("{quote}content-length: 13\r\n\r\n{{\"cred"));
    let mut slow_chunks = begin(&format!("{quote}transfer-encoding: chunked\r\n\r\n6\r\n{{\"cred\r\n"));
    let mut slow_head = begin("GET /livez HTTP/1.1\r\nhost: local");
    let mut silent = begin("");
    let mut idle = begin("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let dripping = begin("GET /livez HTTP/1.1\r\n");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = dripping;
            wait_until("who drips a head is hung up on", || stream.write_all(b"x: y\r\n").is_err());
            is_over.store(true, Ordering::Relaxed);
        });
        for slow in [&mut slow_body, &mut slow_chunks] {
            let told = read_to_end(slow);
            assert!(told.starts_with("HTTP/1.1 408") && told.contains("application/problem+json"), "{told}");
        }
        for (what, stream) in [("a slow head", &mut slow_head), ("silence", &mut silent)] {
            let told = read_to_end(stream);
            assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{what}: {told}");
        }
        assert!(read_to_end(&mut idle).starts_with("HTTP/1.1 200"));
    });
    assert!(is_over.load(Ordering::Relaxed));

    let large = format!("{{\"credits\":1{}}}", " ".repeat(256 * 1024));
    let json = [("content-type", "application/json")];
    let answer = http.ask("POST", "/v1/accounts/studio/quote", &json, Some(&large));
    assert!(answer.problem(413).contains("262144 bytes"));
    http.ask("GET", "/v1/accounts", &[], Some(&large)).problem(413);
    let just = format!("{{\"credits\":1{}}}", " ".repeat(256 * 1024 - 13));
    assert_eq!(http.ask("POST", "/v1/accounts/studio/quote", &json, Some(&just)).status, 200);
    let endless =
        http.say(format!("{quote}content-length: 99999999999\r\n\r\n{}", " ".repeat(300_000)).as_bytes());
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 413"), "{endless}");
    assert_eq!(daemon.count_in_log("\"ERROR\""), 0, "{}", daemon.log());
}

#[test]
fn so_many_requests_are_answered_at_once_and_those_who_leave_are_still_counted() {
    let mut world = World::new();
    // What waits here waits for the test.
    world.set("CREDITD__DATABASE__LOCK_TIMEOUT_S", "100");
    world.set("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", "110");
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    // Most of those who are answered wait for a connection to the database, and give up after 5 s. A machine that
    // needs longer than that for a round is given another.
    wait_until("so many are answered, and others told to come again", || so_many_are_answered(&world, &http));
    wait_until("those who left keep their places", || those_who_leave_are_counted(&world, &http));
    wait_until("they are let go", || http.get("/v1/accounts").status == 200);
    wait_until("no transaction is left open", || open_transactions(&world) == 0);
}

const LOCK: &str = "lock table creditd.account in access exclusive mode";
/// How many more ask than there are places for.
const BEYOND: usize = 20;
const ALL_BUSY: &str = "64 requests are being answered";

/// Whether all places were taken, seen by what was said to the others; `false` if it took too long to tell.
fn so_many_are_answered(world: &World, http: &Asker) -> bool {
    let blocked = world.hold_open(LOCK);
    let (answered, waiting): (Vec<_>, Vec<_>) = take_all_places(http).into_iter().partition(is_answered);
    let told: Vec<_> = answered.into_iter().map(answer).collect();
    assert_eq!(http.get("/livez").status, 200, "whether the process lives is said all the same");
    drop(blocked);
    for told in waiting.into_iter().map(answer) {
        assert!(told.starts_with("HTTP/1.1 200") || told.starts_with("HTTP/1.1 503"), "{told}");
    }
    if !told.iter().all(|told| told.contains(ALL_BUSY)) {
        return false;
    }
    assert_eq!(told.len(), BEYOND, "all who were too many, and nobody else");
    let is_to_come_again =
        |told: &String| told.starts_with("HTTP/1.1 503") && told.contains("retry-after: 2");
    assert!(told.iter().all(is_to_come_again), "{told:?}");
    true
}

/// Whether all places stay taken when those who took them leave.
fn those_who_leave_are_counted(world: &World, http: &Asker) -> bool {
    let _blocked = world.hold_open(LOCK);
    // Nobody leaves before being heard.
    drop(take_all_places(http));
    // Asked so often that the ends were noticed.
    (0..BEYOND).all(|_| http.get("/v1/parked").text().contains(ALL_BUSY))
}

/// More ask than there are places for, and as many as that are answered.
fn take_all_places(http: &Asker) -> Vec<TcpStream> {
    let ask = |_| {
        let mut stream = http.connect();
        let ask = "GET /v1/accounts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        stream
    };
    let asking: Vec<_> = (0..REQUESTS_MAX + BEYOND).map(ask).collect();
    wait_until("some are answered at once", || {
        asking.iter().filter(|stream| is_answered(stream)).count() >= BEYOND
    });
    asking
}

/// Whether anything came on the connection, its end included.
fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn answer(mut stream: TcpStream) -> String {
    read_to_end(&mut stream)
}

#[test]
fn more_connections_than_there_are_places_for_wait_their_turn() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let silent: Vec<_> = (0..CONNECTIONS_MAX + 44).map(|_| http.connect()).collect();
    assert_eq!(http.json("/livez")["status"], json!("ok"), "once those who say nothing were hung up on");
    drop(silent);
    // Only a machine that rests for many seconds hangs up on all before this is looked at.
    wait_until("who says nothing on one of the last places gives it up before the others", || {
        let silent: Vec<_> = (0..CONNECTIONS_MAX).map(|_| http.connect()).collect();
        assert_eq!(http.get("/livez").status, 200);
        !silent[..CONNECTIONS_MAX / 4 * 3].iter().any(is_answered)
    });
    assert!(daemon.stop().success());
}

#[test]
fn the_daemon_stops_though_all_places_for_connections_are_taken() {
    let world = World::new();
    let daemon = world.daemon();
    let http = Asker::of(&daemon);
    let mut busy: Vec<_> = (0..CONNECTIONS_MAX).map(|_| http.connect()).collect();
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (stopped_in, stopped) = channel::<()>();
        let rounds = &rounds;
        scope.spawn(move || {
            // None is ever idle for long enough to be hung up on.
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                for stream in &mut busy {
                    live(stream);
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        wait_until("all are served", || rounds.load(Ordering::Relaxed) > 0);
        assert!(daemon.stop().success());
        stopped_in.send(()).unwrap();
    });
}

/// Asks on a connection that may have been closed.
fn live(stream: &mut TcpStream) {
    if stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").is_ok() {
        let _answer_or_end = stream.read(&mut [0; 4096]);
    }
}
