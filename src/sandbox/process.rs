//! Starting, finding and ending the processes of a sandbox, and what they leave in the kernel.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::SandboxError;

/// Set in the environment of every server process to `DIRECTORY/SERVER`: by it a process is known as ours.
const MARKER: &str = "CREDITD_SANDBOX_SERVER";

/// How long the kernel may take to end killed processes, as some wait for a disk.
const KILLED_WITHIN: Duration = Duration::from_secs(20);

/// Between two looks at something that can only be polled.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// The system's user that a server runs as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Root doesn't run servers (PostgreSQL refuses to): the first of `names` that exists does. Anyone else
    /// runs them as himself, for which this is `None`.
    pub(super) fn for_server(names: &[&str]) -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let found = names.iter().find_map(|name| users.lines().find_map(|line| Self::parse(line, name)));
        found.map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("none of the users {names:?} is in /etc/passwd"))
        })
    }

    fn parse(passwd_line: &str, wanted: &str) -> Option<Self> {
        let mut fields = passwd_line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        if name != wanted {
            return None;
        }
        Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    }
}

/// A server's own directory, and the user that it belongs to.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    account: Option<Account>,
}

impl Home {
    pub(super) fn new(directory: &Path, name: &str, account: Option<Account>) -> io::Result<Self> {
        let home = Self { path: directory.join(name), account };
        home.make(&home.path)?;
        Ok(home)
    }

    /// Makes a directory in the home unless it is there, for its user alone.
    pub(super) fn make(&self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(path)?;
            self.hand_over(path)?;
        }
        Ok(())
    }

    /// Writes a file into the home, for its user alone.
    pub(super) fn write(&self, name: &str, content: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        // The Erlang cookie of an earlier run can't be opened for writing.
        if path.exists() {
            fs::remove_file(&path)?;
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?
            .write_all(content.as_bytes())?;
        self.hand_over(&path)?;
        Ok(path)
    }

    fn hand_over(&self, path: &Path) -> io::Result<()> {
        self.account.map_or(Ok(()), |account| chown(path, Some(account.uid), Some(account.gid)))
    }
}

/// One server of the sandbox: its processes, its output, and how it is found again.
#[derive(Debug)]
pub(super) struct Server {
    name: &'static str,
    directory: PathBuf,
    account: Option<Account>,
    child: Option<Child>,
}

impl Server {
    pub(super) fn new(name: &'static str, directory: &Path, account: Option<Account>) -> Self {
        Self { name, directory: directory.to_owned(), account, child: None }
    }

    /// A command that runs `program` as the server's user, with a clean environment, in a process group of
    /// its own (Ctrl-C on a terminal must reach only the sandbox's command). The kernel ends it by
    /// `death_signal` when the keeper dies: nothing survives the keeper, not even when it is killed.
    pub(super) fn command(&self, program: &Path, home: &Path, death_signal: &str) -> io::Result<Command> {
        let output = File::options().create(true).append(true).mode(0o600).open(self.output())?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", death_signal, "--"]).arg(program);
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.env("LANG", "C.UTF-8").env("HOME", home).env(MARKER, marker(&self.directory, self.name));
        command.current_dir(home).process_group(0);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        Ok(command)
    }

    /// What the server's processes print.
    fn output(&self) -> PathBuf {
        self.directory.join(format!("{}.output", self.name))
    }

    pub(super) fn launch(&mut self, mut command: Command) -> io::Result<()> {
        self.child = Some(command.spawn()?);
        Ok(())
    }

    pub(super) fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Fails with the end of the server's output if it ended by itself, which it should not.
    pub(super) fn must_run(&mut self) -> Result<(), SandboxError> {
        let ended = match &mut self.child {
            Some(child) => {
                child.try_wait().map_err(SandboxError::io(format!("can't watch {}", self.name)))?
            }
            None => return Ok(()),
        };
        match ended {
            None => Ok(()),
            Some(status) => Err(self.failure(format!("ended by itself ({status})"))),
        }
    }

    /// An error about this server, with the last lines that it printed.
    pub(super) fn failure(&self, what: String) -> SandboxError {
        SandboxError::Server { server: self.name, what, output: last_lines(&self.output()) }
    }

    /// Asks the server to stop by `signal`, and kills what is still there after `patience`.
    pub(super) fn stop(&mut self, signal: Signal, patience: Duration) -> Result<(), SandboxError> {
        if let Some(child) = &mut self.child
            && child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            send(child.id(), signal);
            let deadline = Instant::now() + patience;
            while child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        self.kill()
    }

    /// Kills every process of the server at once, as a crash of the machine would.
    pub(super) fn kill(&mut self) -> Result<(), SandboxError> {
        if let Some(mut child) = self.child.take() {
            // An error says that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        kill_all(&self.directory, &[self.name])
    }
}

fn marker(directory: &Path, name: &str) -> PathBuf {
    directory.join(name)
}

fn send(process_id: u32, signal: Signal) {
    let pid = i32::try_from(process_id).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The process may have ended meanwhile, which is what the signal is for.
        let _ = kill_process(pid, signal);
    }
}

/// Kills all processes of these servers of the sandbox in `directory`, and waits until they are gone.
pub(super) fn kill_all(directory: &Path, names: &[&str]) -> Result<(), SandboxError> {
    let deadline = Instant::now() + KILLED_WITHIN;
    loop {
        let left: Vec<u32> = names.iter().flat_map(|name| processes_of(directory, name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(SandboxError::Left { processes: left, directory: directory.to_owned() });
        }
        for process_id in left {
            send(process_id, Signal::KILL);
        }
        thread::sleep(POLL);
    }
}

/// The living processes of one server of the sandbox in `directory`.
pub(super) fn processes_of(directory: &Path, name: &str) -> Vec<u32> {
    let marked = format!("{MARKER}={}", marker(directory, name).display()).into_bytes();
    let home = marker(directory, name);
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|process_id| is_marked(*process_id, &marked) || is_postgres_in(*process_id, &home))
        .collect()
}

fn is_marked(process_id: u32, marked: &[u8]) -> bool {
    fs::read(format!("/proc/{process_id}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == marked))
}

/// PostgreSQL's processes write their titles over their environment, but all work in the data directory.
fn is_postgres_in(process_id: u32, home: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{process_id}"));
    let works_there = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(home));
    works_there
        && fs::read_link(process.join("exe"))
            .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == "postgres"))
}

/// A killed PostgreSQL leaves its System V segment to the next start on the same data. Where no such start
/// will come it is removed, if it is still the one that `postmaster.pid` names and nobody uses it.
pub(super) fn remove_shared_memory(data: &Path) {
    let Ok(pid_file) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    let Some(key_and_id) = pid_file.lines().nth(6) else { return };
    let mut fields = key_and_id.split_whitespace();
    let (Some(key), Some(id)) = (fields.next(), fields.next()) else { return };
    if segment_is_unused(key, id) {
        // At worst 56 bytes stay until the next boot.
        let _ = Command::new("ipcrm")
            .args(["--shmem-id", id])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn segment_is_unused(key: &str, id: &str) -> bool {
    const KEY: usize = 0;
    const ID: usize = 1;
    const ATTACHED: usize = 6;
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    segments.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
        // The key is printed as signed here and as unsigned there.
        let key_matches =
            match (fields.get(KEY).and_then(|field| field.parse::<i64>().ok()), key.parse::<i64>()) {
                (Some(listed), Ok(wanted)) => listed & 0xffff_ffff == wanted & 0xffff_ffff,
                _ => false,
            };
        key_matches && fields.get(ID) == Some(&id) && fields.get(ATTACHED) == Some(&"0")
    })
}

fn last_lines(path: &Path) -> String {
    const BYTES: u64 = 2_000;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let skipped = file.metadata()?.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(skipped))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(directory: &Path, name: &'static str) -> Server {
        let mut server = Server::new(name, directory, None);
        let mut command = server.command(Path::new("sleep"), directory, "KILL").unwrap();
        command.arg("600");
        server.launch(command).unwrap();
        server
    }

    #[test]
    fn killing_one_server_leaves_those_of_other_names_and_directories() {
        let directory = tempfile::tempdir().unwrap();
        let longer_name = directory.path().join("one-more");
        fs::create_dir(&longer_name).unwrap();
        let mut killed = sleeper(directory.path(), "one");
        let mut other_name = sleeper(directory.path(), "one-more");
        let mut other_directory = sleeper(&longer_name, "one");

        killed.kill().unwrap();

        assert!(processes_of(directory.path(), "one").is_empty());
        assert!(other_name.must_run().is_ok());
        assert!(other_directory.must_run().is_ok());
        other_name.kill().unwrap();
        other_directory.kill().unwrap();
    }

    #[test]
    fn a_server_that_ends_by_itself_is_reported_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::new("talker", directory.path(), None);
        let mut command = server.command(Path::new("sh"), directory.path(), "KILL").unwrap();
        command.args(["-c", "echo no room left; exit 4"]);
        server.launch(command).unwrap();

        let deadline = Instant::now() + Duration::from_secs(10);
        let failure = loop {
            match server.must_run() {
                Err(failure) => break failure.to_string(),
                Ok(()) => assert!(Instant::now() < deadline, "the end of the process went unnoticed"),
            }
            thread::sleep(POLL);
        };
        assert!(failure.contains("no room left") && failure.contains("exit status: 4"), "{failure}");
    }

    #[test]
    fn a_users_line_is_read_only_for_the_name_asked_for() {
        let line = "postgres:x:101:104:PostgreSQL administrator:/var/lib/postgresql:/bin/bash";

        let account = Account::parse(line, "postgres").unwrap();

        assert_eq!((account.uid, account.gid), (101, 104));
        assert!(Account::parse(line, "postgre").is_none());
    }
}
