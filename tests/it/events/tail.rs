//! The log as it grows.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::publish_books;
use crate::support::{Message, World, wait_until};

/// A `creditd events tail`, killed when dropped.
struct Tail {
    process: Child,
    /// `None` once nobody reads.
    lines: Option<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.command(&[&["events", "tail"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = process.stdout.take().map(BufReader::new);
        Self { process, lines }
    }

    /// Its next line; waits for it.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the tail goes on: {line:?}");
        line.trim_end().to_owned()
    }

    /// Waits for its end. It must have ended well, and in silence.
    fn end(mut self) {
        let mut status = None;
        wait_until("the tail ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((status.unwrap().code(), &*said), (Some(0), ""));
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The numbers of the log that a tail without following shows.
fn numbers(world: &World, arguments: &[&str]) -> Vec<i64> {
    let text = world.text(&[&["events", "tail", "--no-follow"], arguments].concat());
    text.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

#[test]
fn tail_shows_programs_the_events_as_they_go_out_a_line_each() {
    let world = World::new();
    let events = world.listen();
    let daemon = world.daemon();
    publish_books(&world);
    let output = world.run(&["events", "tail", "--no-follow", "--from", "1", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let mut expected = Vec::new();
    for heard in events.take_log(10) {
        expected.extend(heard.body);
        expected.push(b'\n');
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), String::from_utf8(expected).unwrap());
    assert!(daemon.stop().success());
}

#[test]
fn tail_shows_what_is_asked_for_and_nothing_else() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    let all: Vec<i64> = (1..=10).collect();
    let cases: [(&[&str], &[i64]); 10] = [
        (&[], &all),
        (&["--from", "8"], &[8, 9, 10]),
        (&["--from", "11"], &[]),
        (&["--from", "1", "--limit", "2"], &[1, 2]),
        (&["--account", "studio"], &[1, 2, 3, 4, 5, 6]),
        (&["--account", "pool:acme"], &[7, 10]),
        (&["--organization", "acme"], &[7, 8, 9, 10]),
        (&["--type", "alert"], &[4, 6]),
        (&["--type", "hold", "--account", "studio"], &[5]),
        (&["--type", "balance_changed", "--account", "member"], &[8, 9]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(numbers(&world, arguments), expected, "{arguments:?}");
    }
    let text = world.text(&["events", "tail", "--no-follow", "--from", "5", "--limit", "2"]);
    let said: Vec<_> = text.lines().map(|line| line.split_once('Z').unwrap().1.trim_start()).collect();
    let expected = [
        "hold             studio  a hold of 20 for three is queued, place 1 in the queue; studio lacks 10",
        "alert            studio  updated, warning: credits_low, queue_blocked",
    ];
    assert_eq!(said, expected);
}

#[test]
fn tail_finds_the_place_of_a_time_in_the_log() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    assert!(daemon.stop().success());
    let times: Vec<(String,)> = world.rows(
        "select to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
           from (select log_number, at from creditd.entry union all select log_number, at from creditd.notice) log
          order by log_number",
    );
    for (place, (time,)) in times.iter().enumerate() {
        let first = times.iter().position(|(earlier,)| earlier == time).unwrap();
        let expected: Vec<i64> = (1..=10).skip(first).collect();
        assert_eq!(numbers(&world, &["--since", time]), expected, "number {}, {time}", place + 1);
    }
    assert_eq!(numbers(&world, &["--since", "2020-01-01T00:00:00Z"]).len(), 10);
    assert_eq!(numbers(&world, &["--since", "2999-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(numbers(&world, &["--since", "1d"]).len(), 10);
    let (code, said) = world.failure(&["events", "tail", "--since", "yesterday"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("expected a time such as 2026-03-01T12:00:00Z, or a stretch such as 90s"),
        "{said}"
    );
}

#[test]
fn tail_follows_the_log_until_it_is_interrupted() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    let mut tail = Tail::start(&world, &["--from", "10"]);
    assert!(tail.line().trim_start().starts_with("10 "));
    world.publish(&[Message::project("p5", "five", "member", 1, "started", 1)]);
    for number in ["11 ", "12 "] {
        let line = tail.line();
        assert!(line.trim_start().starts_with(number), "{line}");
        assert!(line.contains("hold 1 from available to held for five"), "{line}");
    }
    let pid = Pid::from_raw(i32::try_from(tail.process.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    tail.end();
    assert!(daemon.stop().success());
}

#[test]
fn tail_ends_when_nobody_reads_and_after_as_many_events_as_were_asked_for() {
    let world = World::new();
    let daemon = world.daemon();
    publish_books(&world);
    let mut tail = Tail::start(&world, &["--from", "1"]);
    for number in 1..=10 {
        assert!(tail.line().trim_start().starts_with(&format!("{number} ")));
    }
    // Nothing more comes, so this is noticed without writing.
    drop(tail.lines.take());
    tail.end();

    let mut limited = Tail::start(&world, &["--from", "10", "--limit", "2"]);
    assert!(limited.line().trim_start().starts_with("10 "));
    world.publish(&[Message::grant("g", "studio", 1)]);
    assert!(limited.line().trim_start().starts_with("11 "));
    limited.end();
    assert!(daemon.stop().success());
}
