//! A world for each test: a database and a vhost of its own on the run's sandbox, a daemon to start and kill,
//! and upstream and downstream to play.

mod aging;
mod backups;
mod certificates;
mod cluster;
mod daemon;
mod listener;
mod messages;
mod world;

pub(crate) use backups::{Copied, base_backup, open_directory};
pub(crate) use certificates::{Authority, Identity, Validity};
pub(crate) use cluster::{Cluster, control_broker};
pub(crate) use daemon::Daemon;
pub(crate) use listener::{Heard, Listener};
pub(crate) use messages::{Message, message, today};
pub(crate) use world::{OpenTransaction, PUBLISHED_AT_ONCE, World, blocking, run_as, servers};

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) fn creditd() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_creditd"))
}

/// What names a configuration file, where there is one.
pub(crate) fn config_arguments(config: Option<&Path>) -> Vec<&OsStr> {
    config.map(|file| vec![OsStr::new("--config"), file.as_os_str()]).unwrap_or_default()
}

/// Waits until `condition` holds. The limit only ends a test that would never pass.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(5);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}
