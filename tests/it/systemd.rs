//! The systemd unit, as systemd itself reads it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const UNIT: &str = include_str!("../../systemd/creditd.service");

/// The unit with this build's binary in place of the installed one, which `verify` wants to exist.
fn unit() -> (TempDir, PathBuf) {
    let content = UNIT.replace("/usr/bin/creditd", env!("CARGO_BIN_EXE_creditd"));
    assert_ne!(content, UNIT, "the unit runs /usr/bin/creditd");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("creditd.service");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

/// Runs `systemd-analyze`, or says on the terminal, past the capture of test output, that it is missing.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let (_directory, path) = unit();
    let run = Command::new("systemd-analyze").args(arguments).arg(&path).stdin(Stdio::null()).output();
    match run {
        Ok(output) => Some(output),
        Err(error) => {
            let line = format!("SKIPPED: the systemd unit is not checked: systemd-analyze: {error}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

#[test]
fn systemd_finds_nothing_to_say_about_the_unit() {
    let Some(output) = analyze(&["verify", "--man=no"]) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_unit_is_hardened_to_an_exposure_of_1_5_at_most() {
    // The threshold is in tenths.
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager", "--threshold=15"]) else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_credentials_that_the_unit_loads_are_those_that_it_points_the_settings_to() {
    for (credential, variable) in
        [("database-url", "CREDITD__DATABASE__URL_FILE"), ("broker-url", "CREDITD__BROKER__URL_FILE")]
    {
        assert!(UNIT.contains(&format!("\nLoadCredential={credential}:/etc/creditd/{credential}\n")));
        assert!(UNIT.contains(&format!("\nEnvironment={variable}=%d/{credential}\n")));
    }
}
