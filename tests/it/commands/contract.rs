//! The files of the contract: written, and found to be current or not. No server is asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::creditd;

fn contract(action: &str, directory: &Path, more: &[&str]) -> Output {
    let command = Command::new(creditd()).args(["contract", action]).arg(directory).args(more).output();
    command.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Each file's path and state, as programs are told.
fn states(directory: &Path) -> Vec<(String, String)> {
    let output = contract("check", directory, &["--json"]);
    let files: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |file: &Value, member: &str| file[member].as_str().unwrap().to_owned();
    files.iter().map(|file| (of(file, "path"), of(file, "state"))).collect()
}

#[test]
fn what_was_written_is_current_and_not_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let first = contract("write", directory.path(), &[]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let checked = contract("check", directory.path(), &[]);
    assert_eq!((checked.status.code(), text(&checked.stderr)), (Some(0), String::new()));
    assert!(text(&checked.stdout).ends_with("are current\n"), "{}", text(&checked.stdout));
    let again = text(&contract("write", directory.path(), &[]).stdout);
    assert!(again.starts_with("wrote 0 of "), "{again}");
}

#[test]
fn each_file_that_differs_is_told_and_ends_with_1() {
    let directory = tempfile::tempdir().unwrap();
    contract("write", directory.path(), &[]);
    fs::write(directory.path().join("asyncapi.yaml"), "asyncapi: 2.6.0\n").unwrap();
    fs::remove_file(directory.path().join("schemas/credits.hold.v1.json")).unwrap();
    fs::write(directory.path().join("schemas/credits.hold.v0.json"), "{}").unwrap();

    let output = contract("check", directory.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    for (file, state) in [
        ("asyncapi.yaml", "differs"),
        ("schemas/credits.hold.v1.json", "missing"),
        ("schemas/credits.hold.v0.json", "stray"),
    ] {
        let line = told.lines().find(|line| line.contains(file)).unwrap_or_else(|| panic!("{told}"));
        assert!(line.ends_with(state), "{line}");
        let path = directory.path().join(file).display().to_string();
        assert!(states(directory.path()).contains(&(path, state.to_owned())));
    }
    assert_eq!(told.lines().count(), 4, "a head and no current file: {told}");
    assert!(text(&output.stderr).contains("run `creditd contract write "), "{}", text(&output.stderr));
    assert_eq!(contract("check", directory.path(), &["--json"]).status.code(), Some(1));

    // Writing mends all but the file that is no type's, which is somebody's to delete.
    let mended = text(&contract("write", directory.path(), &[]).stdout);
    assert!(mended.starts_with("wrote 2 of ") && mended.contains("credits.hold.v0.json"), "{mended}");
    let others = states(directory.path()).into_iter().filter(|(_, state)| state != "current");
    assert_eq!(others.map(|(_, state)| state).collect::<Vec<_>>(), ["stray"]);
}

#[test]
fn a_directory_that_is_not_there_is_told_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("dosc");
    for action in ["write", "check"] {
        let output = contract(action, &absent, &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.ends_with("is not a directory; make it, or name another\n"), "{said}");
        assert!(!absent.exists());
    }
}
