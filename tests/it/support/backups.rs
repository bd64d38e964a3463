//! Copies of a PostgreSQL cluster, made as its operators make them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use creditd::sandbox::{Sandbox, SandboxOptions};

use super::creditd;

/// A backup of the running cluster of `sandbox` in `directory`, which is made, by `pg_basebackup`.
pub(crate) fn base_backup(sandbox: &Sandbox, directory: &Path, more: &[&str]) {
    let mut command = Command::new("pg_basebackup");
    command.args(["--checkpoint=fast", "--dbname", &sandbox.endpoints().superuser_url, "--pgdata"]);
    let done = command.arg(directory).args(more).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A directory for a sandbox, which servers that root runs as others can reach.
pub(crate) fn open_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A sandbox whose PostgreSQL goes on from a copy of another one's cluster. Users and passwords are that one's.
pub(crate) struct Copied {
    _sandbox: Sandbox,
    port: String,
}

impl Copied {
    /// A sandbox in `directory`, new or an earlier one's that was stopped, with the cluster in `data` and `settings`
    /// over that one's own.
    pub(crate) fn start(directory: &Path, data: &Path, settings: &[String]) -> Self {
        let options =
            || SandboxOptions { directory: Some(directory.to_owned()), ..SandboxOptions::default() };
        let first = Sandbox::start(creditd(), options()).unwrap();
        let port = port(&first.endpoints().superuser_url).to_owned();
        first.stop().unwrap();

        let cluster = directory.join("postgres/data");
        let owner = fs::metadata(&cluster).unwrap();
        fs::remove_dir_all(&cluster).unwrap();
        let copied = Command::new("cp").arg("-a").arg(data).arg(&cluster).output().unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let file = cluster.join("postgresql.auto.conf");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{before}port = {port}\n{}\n", settings.join("\n"))).unwrap();
        give(&cluster, &owner);
        fs::set_permissions(&cluster, fs::Permissions::from_mode(0o700)).unwrap();
        Self { _sandbox: Sandbox::start(creditd(), options()).unwrap(), port }
    }

    /// Where this copy has what is at `url` in the original.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", port(url)), &format!(":{}/", self.port))
    }
}

fn port(url: &str) -> &str {
    let (_, address) = url.rsplit_once(':').unwrap();
    address.split_once('/').unwrap().0
}

/// Gives all below `path` to the owner of something else.
fn give(path: &Path, owner: &fs::Metadata) {
    chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), owner);
        }
    }
}
