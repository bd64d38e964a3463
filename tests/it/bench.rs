//! `creditd bench` measures what books right, tells all that it promises, and leaves nothing behind.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};

use creditd::bench::check::{self, Extent};
use creditd::bench::workload::{Outgoing, SOURCE, Sent, Traffic};
use creditd::bench::{BenchError, Cast, Spread};
use creditd::broker::{Destination, OutboundMessage, Publisher};
use creditd::config::Config;
use creditd::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{assert_nothing_is_left_of, processes_about};
use crate::support::{World, blocking, creditd, wait_until};

fn bench(arguments: &[&str]) -> Output {
    Command::new(creditd()).arg("bench").args(arguments).env_clear().envs(path()).output().unwrap()
}

fn path() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name == "PATH" || name == "TMPDIR")
}

fn assert_quotient(report: &Value, ratio: &str, of: &str, to: &str) {
    let speed = |mode: &str| report[mode]["per_second"].as_f64().unwrap();
    let told = report[ratio].as_f64().unwrap();
    assert!((told - speed(of) / speed(to)).abs() < 1e-9, "{ratio} is {told}: {report}");
}

#[test]
fn a_small_run_tells_every_figure_that_was_asked_for() {
    let small = ["--messages", "3000", "--rate", "200", "--seconds", "2", "--json"];
    let output = bench(&[&["ledger", "null", "drain", "hot", "paced"], &small[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    for mode in ["ledger", "null", "drain", "hot_account", "hot_pool"] {
        assert!(report[mode]["per_second"].as_f64().unwrap() > 0.0, "{mode}: {report}");
    }
    assert_quotient(&report, "drain_over_null", "drain", "null");
    assert_quotient(&report, "hot_account_over_drain", "hot_account", "drain");
    assert_quotient(&report, "hot_pool_over_drain", "hot_pool", "drain");
    for latency in ["commit_ms", "event_ms"] {
        let [p50, p99, p999] = ["p50", "p99", "p999"].map(|name| report["paced"][latency][name].as_f64());
        assert!(p50 > Some(0.0) && p50 <= p99 && p99 <= p999, "{latency}: {report}");
    }
    let [commit, event] = ["commit_ms", "event_ms"].map(|name| report["paced"][name]["p50"].as_f64());
    assert!(commit < event, "an event comes after its commit: {report}");
    assert!(report["daemon_rss_mib_max"].as_f64().unwrap() > 1.0, "{report}");
    for not_run in ["aged", "aged_over_fresh", "start", "queued"] {
        assert_eq!(report.get(not_run), Some(&Value::Null), "{not_run}: {report}");
    }
    assert_eq!((&report["messages"], &report["seed"]), (&3000.into(), &1.into()));
}

#[test]
fn a_small_history_is_measured_beside_what_is_fresh() {
    let output = bench(&[
        "aged",
        "start",
        "queued",
        "--messages",
        "1500",
        "--aged-entries",
        "9000",
        "--aged-projects",
        "1000",
        "--queued-messages",
        "2000",
        "--json",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    let aged = |member: &str| report["aged"][member].as_f64().unwrap();
    let fresh = |mode: &str| report[mode]["per_second"].as_f64().unwrap();
    for mode in ["ledger", "drain"] {
        let expected = aged(&format!("{mode}_per_second")) / fresh(mode);
        assert!((aged(&format!("{mode}_over_fresh")) - expected).abs() < 1e-9, "{report}");
    }
    let worse = aged("ledger_over_fresh").min(aged("drain_over_fresh"));
    assert!((report["aged_over_fresh"].as_f64().unwrap() - worse).abs() < 1e-9, "{report}");
    assert!(aged("entries") > 8_000.0 && aged("projects") >= 1_000.0, "{report}");
    assert!(report["start"]["ready_ms"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["queued"]["rss_mib_max"].as_f64().unwrap() > 1.0, "{report}");
    assert_eq!(report["null"], Value::Null);
}

#[test]
fn what_can_t_be_measured_is_refused_before_anything_is_started() {
    for (arguments, told) in [
        (&["sprint"][..], "[possible values: ledger, null, drain, hot, paced, aged, start, queued]"),
        (&["--messages", "0"], "expected a number from 1 to 20000000"),
        (&["paced", "--rate", "0"], "expected a number from 1 to 100000"),
        (&["paced", "--rate", "100000", "--seconds", "3600"], "more than 20,000,000 messages"),
    ] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
}

/// Some hundred messages of the workload, booked by a daemon.
fn booked(world: &World) -> Sent {
    let cast = Cast::new(Spread::OnePool);
    let time = "2026-03-01T12:00:00Z";
    let sent = Traffic { cast: &cast, count: 400, seed: 1, time, name: "b" }.messages();
    let outbound = |message: &Outgoing| OutboundMessage {
        routing_key: message.routing_key.to_owned(),
        message_id: message.id.clone(),
        content_type: "application/cloudevents+json".to_owned(),
        headers: Vec::new(),
        body: message.body.clone(),
    };
    let daemon = world.daemon();
    let window: Vec<_> =
        cast.opening(time).iter().chain(&sent.messages).chain([&sent.end]).map(outbound).collect();
    blocking(async {
        let mut upstream = Publisher::connect(&world.broker_settings(), Destination::Inbound).await.unwrap();
        upstream.publish_window(&window).await.unwrap();
        upstream.close().await;
    });
    wait_until("an outcome of the last message", || {
        world.run(&["explain", "message", SOURCE, &sent.end.id]).status.success()
    });
    assert!(daemon.stop().success());
    sent
}

#[test]
fn books_that_differ_from_what_was_sent_are_found() {
    let world = World::new();
    let sent = booked(&world);
    let config = Config::load_from(None, world.environment().into_iter()).unwrap();
    let settings = config.ledger_settings();
    let projects = |sent: &Sent| {
        blocking(async {
            let store = Store::new(&config.store_settings()).unwrap();
            check::projects(&store, &settings, sent, Extent::Whole).await
        })
    };
    let wrong = |outcome: Result<(), BenchError>| match outcome {
        Err(BenchError::Wrong(what)) => what,
        other => panic!("wrong books are told: {other:?}"),
    };
    projects(&sent).unwrap();

    // A message was lost.
    let mut one_more = sent.clone();
    let (id, last) = one_more.projects.iter_mut().find(|(_, last)| last.status == "started").unwrap();
    last.revision += 1;
    last.credits += 1;
    let id = id.clone();
    let what = wrong(projects(&one_more));
    assert!(what.contains(&format!("1 of {} projects differ", sent.projects.len())), "{what}");
    assert!(what.contains(&id), "{what}");

    // A project was lost that ties up nothing.
    let (_, briefed) = sent.projects.iter().find(|(_, last)| last.status == "briefed").unwrap();
    let mut one_more = sent.clone();
    one_more.projects.insert("b-lost".to_owned(), briefed.clone());
    let what = wrong(projects(&one_more));
    assert!(what.contains(&format!("{0} of {1} projects", sent.projects.len(), sent.projects.len() + 1)));

    // Somebody else's hand was in the books.
    world.as_superuser(
        "update creditd.project set held = held + 1
          where project_id = (select project_id from creditd.project where held > 0 limit 1)",
    );
    wrong(blocking(async {
        let store = Store::new(&config.store_settings()).unwrap();
        check::entries(&store, &mut |_, _| {}).await
    }));
}

/// A run that has come to the daemon that it measures, with a directory of its own.
struct Running {
    bench: Child,
    files: tempfile::TempDir,
    daemon_process_id: u32,
}

impl Running {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        // Root's servers run as other users.
        fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bench = Command::new(creditd())
            .args(["bench", "drain", "--messages", "10000"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // So that its sandbox's directory is found here.
            .env("TMPDIR", files.path())
            .spawn()
            .unwrap();
        let mut daemon_process_id = None;
        wait_until("the daemon that is measured", || {
            daemon_process_id = daemon_of(bench.id());
            daemon_process_id.is_some()
        });
        Self { bench, files, daemon_process_id: daemon_process_id.unwrap() }
    }

    /// Waits for its end, and that of all that it started. Gives its exit code, and what it said.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        let sandbox = fs::read_dir(self.files.path()).unwrap().map(|entry| entry.unwrap().path());
        let sandbox = sandbox.filter(|path| path.is_dir()).last().unwrap();
        kill_process(Pid::from_child(&self.bench), signal).unwrap();
        let mut said = String::new();
        self.bench.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = self.bench.wait().unwrap();
        assert_nothing_is_left_of(&sandbox);
        wait_until("the daemon's end", || !fs::exists(format!("/proc/{}", self.daemon_process_id)).unwrap());
        assert_eq!(processes_about(self.files.path()), Vec::<String>::new());
        (status.code(), said)
    }
}

/// The `creditd run` among the children of a process.
fn daemon_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let is_daemon = |child: &&str| {
        let command_line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        command_line.ends_with(b"/creditd\0run\0")
    };
    children.split_whitespace().find(is_daemon).and_then(|child| child.parse().ok())
}

#[test]
fn an_interrupted_run_says_so_and_leaves_nothing() {
    let (code, said) = Running::start().end(Signal::INT);
    assert_eq!(code, Some(1));
    assert!(said.contains("creditd: interrupted"), "{said}");
}

#[test]
fn a_killed_run_leaves_nothing() {
    let (code, _) = Running::start().end(Signal::KILL);
    assert_eq!(code, None, "a signal ended it");
}
