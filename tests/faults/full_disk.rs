//! PostgreSQL's disk is full. Where root allows it, the database has a small file system of its own.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind};
use serde_json::json;

use crate::support::{Message, World, creditd, wait_until};

/// Runs creditd with a file system of 256 MiB in place of PostgreSQL's directory, which nobody but its own processes
/// sees, and which ends with them.
const WITH_SMALL_DISK: &str = r#"#!/bin/sh
if [ "$1" = inside ]; then
    shift
    mkdir -p "$3/postgres"
    mount -t tmpfs -o size=256m,mode=1777 tmpfs "$3/postgres"
    exec CREDITD "$@"
fi
exec unshare --mount --propagation private "$0" inside "$@"
"#;

/// What fills the disk up.
struct Filling {
    file: PathBuf,
}

impl Filling {
    /// Takes all that is left.
    fn of(sandbox: &Sandbox) -> Self {
        let seen_by_keeper = format!("/proc/{}/root", sandbox.keeper_process_id());
        let directory = sandbox.endpoints().directory.strip_prefix("/").unwrap();
        let file = PathBuf::from(seen_by_keeper).join(directory).join("postgres/filling");
        let mut filling = File::create(&file).unwrap();
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            // Half as much may still fit.
            if filling.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Self { file }
    }

    fn remove(self) {
        fs::remove_file(self.file).unwrap();
    }
}

#[test]
fn what_comes_while_the_disk_of_postgresql_is_full_is_applied_once_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let wrapper = directory.path().join("creditd-with-small-disk");
    fs::write(&wrapper, WITH_SMALL_DISK.replace("CREDITD", creditd().to_str().unwrap())).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let try_it = ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let tried = Command::new("unshare").args(try_it).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        let line = "SKIPPED: nothing is tried with a full disk: only root may mount a small one\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let options = SandboxOptions {
        vhosts: 1,
        // Few and small, so that there is nothing left to be written to.
        postgres_settings: vec!["min_wal_size = 32MB".to_owned(), "max_wal_size = 32MB".to_owned()],
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(&wrapper, options).expect("the servers are installed, see scripts/setup.sh");
    let world = World::on(&sandbox, 0);
    world.migrate();
    let mut daemon = world.daemon();
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 1_000_000 }))]);
    world.wait_for_messages(&["account"]);

    let filling = Filling::of(&sandbox);
    let mut sent = 0;
    wait_until("PostgreSQL has no room", || {
        let message = |number| {
            let name = format!("brief-{number}");
            Message::project(&name, &name, "studio", 1, "started", 1)
        };
        world.publish(&(sent..sent + 500).map(message).collect::<Vec<_>>());
        sent += 500;
        daemon.log().contains("No space left on device")
    });
    assert!(daemon.is_running(), "{}", daemon.log());
    filling.remove();
    // It ends by itself where it finds no room for its log.
    if !world.run(&["relay", "status"]).status.success() {
        sandbox.start_again(ServerKind::Postgres).unwrap();
    }

    wait_until("all is applied", || world.balance("studio").is_some_and(|(_, held, ..)| held == sent));
    world.assert_verified();
    world.wait_until_published();
    assert!(daemon.is_running(), "the same daemon did it all");
    assert!(daemon.stop().success());
}
