//! Moving an existing system over: files of messages imported, and the upstream's list of projects held against
//! the books.

mod equal;
mod files;
mod killed;
mod lists;
mod repairs;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::model::Workload;
use crate::support::World;

/// Writes a file of lines.
fn write(world: &World, name: &str, lines: &[String]) -> PathBuf {
    let path = world.file(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// Runs a command on a file.
fn on(world: &World, command: &str, file: &Path, more: &[&str]) -> Output {
    world.run(&[&[command, file.to_str().unwrap()], more].concat())
}

/// Imports a file with `--json`, and returns the exit code and the report.
fn import(world: &World, file: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = on(world, "import", file, &[more, &["--json"]].concat());
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", said(&output)));
    (output.status.code(), report)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The workload's messages that are to be applied, as lines of a file.
fn lines_of(workload: &Workload) -> Vec<String> {
    let wrong = |body: &[u8]| workload.invalid.iter().any(|invalid| invalid.message.body == body);
    let right = workload.stream.iter().filter(|message| !wrong(&message.body));
    right.map(|message| String::from_utf8(message.body.clone()).unwrap()).collect()
}
