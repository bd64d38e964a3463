//! A private PostgreSQL cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::SandboxError;
use super::endpoints::{DATABASE, OWNER, Plan, SUPERUSER};
use super::patience::Patience;
use super::process::{Account, Home, Server, remove_shared_memory};
use crate::config::closed_to_others;

/// The name of the server's directory and processes.
pub(super) const NAME: &str = "postgres";

/// Making a cluster takes 2 s, and starting after a crash has a log to replay.
const READY_WITHIN: Duration = Duration::from_mins(2);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Postgres {
    binaries: PathBuf,
    home: Home,
    /// Settings that this sandbox has beside the usual ones.
    more_settings: Vec<String>,
    pub(super) server: Server,
}

impl Postgres {
    pub(super) fn prepare(directory: &Path, more_settings: &[String]) -> Result<Self, SandboxError> {
        let binaries = find_binaries().ok_or(SandboxError::Missing)?;
        let account = Account::for_server(&["postgres", "nobody"])
            .map_err(SandboxError::io("can't find a user to run PostgreSQL as".to_owned()))?;
        if account.is_some()
            && let Some(closed) = closed_to_others(directory)
        {
            return Err(SandboxError::Closed { directory: directory.to_owned(), closed });
        }
        let home = Home::new(directory, NAME, account).map_err(SandboxError::io(format!(
            "can't make PostgreSQL's directory in {}",
            directory.display()
        )))?;
        let server = Server::new(NAME, directory, account);
        Ok(Self { binaries, home, more_settings: more_settings.to_vec(), server })
    }

    /// Makes the cluster, its owner and the database, unless an earlier sandbox did in this directory.
    pub(super) fn create(&mut self, plan: &Plan, patience: &Patience) -> Result<(), SandboxError> {
        self.initialize(plan, patience)?;
        self.configure(plan)?;
        let statements = format!(
            "CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD '{}'\nCREATE DATABASE {DATABASE} OWNER {OWNER}\n",
            plan.owner_password,
        );
        self.run_alone(&statements, patience)
    }

    fn initialize(&mut self, plan: &Plan, patience: &Patience) -> Result<(), SandboxError> {
        let password_file = self.write("superuser-password", &plan.superuser_password)?;
        let mut initdb = self.command("initdb")?;
        initdb.arg("--pgdata").arg(self.data()).arg(format!("--username={SUPERUSER}"));
        initdb.arg("--pwfile").arg(&password_file).arg("--auth=scram-sha-256");
        // Nothing is lost if the machine stops while the cluster is made. The server itself always syncs.
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
        self.run_to_end(initdb, "initdb", patience)?;
        fs::remove_file(&password_file)
            .map_err(SandboxError::io(format!("can't remove {}", password_file.display())))
    }

    fn configure(&self, plan: &Plan) -> Result<(), SandboxError> {
        let settings = format!(
            "listen_addresses = '127.0.0.1'\n\
             port = {}\n\
             unix_socket_directories = ''\n\
             max_connections = 200\n\
             password_encryption = 'scram-sha-256'\n\
             fsync = on\n\
             synchronous_commit = on\n\
             # In the data directory, where a killed server's leftovers are removed with it.\n\
             dynamic_shared_memory_type = mmap\n\
             {}\n",
            plan.postgres_port,
            self.more_settings.join("\n"),
        );
        self.write("data/postgresql.auto.conf", &settings).map(|_| ())
    }

    /// Lets PostgreSQL's single-user mode run statements, one a line: no server, no client, no password.
    fn run_alone(&mut self, statements: &str, patience: &Patience) -> Result<(), SandboxError> {
        let input = self.write("statements.sql", statements)?;
        let opened =
            fs::File::open(&input).map_err(SandboxError::io(format!("can't read {}", input.display())))?;
        let mut postgres = self.command("postgres")?;
        postgres.args(["--single", "-c", "exit_on_error=on", "-D"]).arg(self.data()).arg(SUPERUSER);
        postgres.stdin(opened);
        self.run_to_end(postgres, "postgres --single", patience)?;
        fs::remove_file(&input).map_err(SandboxError::io(format!("can't remove {}", input.display())))
    }

    pub(super) fn launch(&mut self) -> Result<(), SandboxError> {
        let mut postgres = self.command("postgres")?;
        postgres.arg("-D").arg(self.data());
        self.server.launch(postgres).map_err(SandboxError::io("can't start PostgreSQL".to_owned()))
    }

    pub(super) fn wait_until_ready(&mut self, patience: &Patience) -> Result<(), SandboxError> {
        let pid_file = self.data().join("postmaster.pid");
        let server = &mut self.server;
        let ready = patience.wait(READY_WITHIN, || {
            server.must_run()?;
            Ok(says_ready(&pid_file, server.process_id()))
        })?;
        if ready { Ok(()) } else { Err(self.server.failure(format!("wasn't ready within {READY_WITHIN:?}"))) }
    }

    pub(super) fn stop(&mut self, keep_data: bool) -> Result<(), SandboxError> {
        // PostgreSQL's fast shutdown writes a checkpoint; its immediate one only cleans up behind itself.
        let signal = if keep_data { Signal::INT } else { Signal::QUIT };
        self.server.stop(signal, STOPPED_WITHIN)?;
        remove_shared_memory(&self.data());
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.home.path.join("data")
    }

    fn command(&self, program: &str) -> Result<Command, SandboxError> {
        self.server
            .command(&self.binaries.join(program), &self.home.path, "QUIT")
            .map_err(SandboxError::io(format!("can't prepare {program}")))
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf, SandboxError> {
        self.home.write(name, content).map_err(SandboxError::io(format!("can't write {name} for PostgreSQL")))
    }

    fn run_to_end(&self, mut command: Command, what: &str, patience: &Patience) -> Result<(), SandboxError> {
        let mut child = command
            .spawn()
            .map_err(SandboxError::io(format!("can't run {what} (by setpriv of util-linux)")))?;
        let mut status = None;
        let ended = patience.wait(READY_WITHIN, || {
            status = child.try_wait().map_err(SandboxError::io(format!("can't watch {what}")))?;
            Ok(status.is_some())
        });
        if !matches!(ended, Ok(true)) {
            let _ = child.kill();
            let _ = child.wait();
        }
        match (ended?, status) {
            (true, Some(status)) if status.success() => Ok(()),
            (true, Some(status)) => Err(self.server.failure(format!("{what} failed ({status})"))),
            _ => Err(self.server.failure(format!("{what} took longer than {READY_WITHIN:?}"))),
        }
    }
}

/// PostgreSQL writes its state into the last line of `postmaster.pid`. The file of a killed server lies there
/// until the next one replaces it, so the first line must be this server's process.
fn says_ready(pid_file: &Path, process_id: Option<u32>) -> bool {
    let content = fs::read_to_string(pid_file).unwrap_or_default();
    let written_by = content.lines().next().and_then(|line| line.parse().ok());
    let state = content.lines().nth(7).map(str::trim);
    // A standby is ready when it can be read.
    process_id.is_some() && written_by == process_id && matches!(state, Some("ready" | "standby"))
}

/// Debian keeps the server's programs out of PATH, a directory for each version: the highest one, else PATH.
pub(super) fn find_binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let highest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, directory)| has_server(directory))
        .max();
    if let Some((_, directory)) = highest {
        return Some(directory);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).find(|directory| has_server(directory))
}

fn has_server(directory: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| directory.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_running_servers_own_word_counts_as_ready() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("postmaster.pid");
        fs::write(&pid_file, "41\n/data\n1767225600\n20001\n\n127.0.0.1\n  123  4\nready   \n").unwrap();

        assert!(says_ready(&pid_file, Some(41)));
        assert!(!says_ready(&pid_file, Some(42)), "the file of the killed predecessor");
        assert!(!says_ready(&pid_file, None));

        fs::write(&pid_file, "41\n/data\n1767225600\n20001\n\n127.0.0.1\n  123  4\nstandby \n").unwrap();
        assert!(says_ready(&pid_file, Some(41)));

        fs::write(&pid_file, "41\n/data\n1767225600\n20001\n\n127.0.0.1\n  123  4\nstarting\n").unwrap();
        assert!(!says_ready(&pid_file, Some(41)));
    }
}
