//! A private PostgreSQL cluster and RabbitMQ node, for the demo and the tests: from the installed packages, on
//! free loopback ports, in a directory of their own, beside whatever the machine runs already.
//!
//! [`Sandbox::start`] runs a *keeper*, this same executable with a hidden subcommand, which owns the servers
//! (see [`keeper`]). Nothing stays behind, whoever dies and however:
//!
//! | what ends | what ends the servers | what removes the directory |
//! |---|---|---|
//! | the [`Sandbox`] is stopped or dropped, its process ends or is killed | the keeper, at the end of its input | the keeper |
//! | the keeper is killed | the kernel, by the parent-death signal that they were started with | the process that holds the [`Sandbox`] |
//! | both are killed at once | the kernel | the next start of a sandbox by the same user |
//!
//! A directory that the caller named is never removed, and can be started again with its data.

mod endpoints;
pub mod keeper;
mod patience;
mod postgres;
mod process;
mod rabbitmq;
pub mod stream;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

pub use self::endpoints::{Endpoints, free_ports};
use self::keeper::{KeeperArgs, Order, Reply};

/// The subcommand of `creditd` that runs [`keeper::keep`].
pub const KEEPER_COMMAND: &str = "sandbox-keeper";

const PREFIX: &str = "creditd-sandbox-";
/// Locked by the keeper and its parent as long as they live.
const LOCK: &str = "lock";
/// Ports and passwords, and the sign that the servers in the directory are set up.
const PLAN: &str = "sandbox.json";

/// Longer than any server may take, so that it is the keeper who says what took too long.
const ANSWER_WITHIN: Duration = Duration::from_secs(400);
/// A directory is made a moment before it is locked.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);

/// A server of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// The database.
    Postgres,
    /// The broker.
    RabbitMq,
}

/// Where and how large a sandbox is to be.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// A directory that is new, empty, or an earlier sandbox's; kept when the sandbox stops. Without it, a new
    /// one under the system's temporary directory, which is removed.
    pub directory: Option<PathBuf>,
    /// How many vhosts to make beside `/`: `t1`, `t2`, ...
    pub vhosts: u32,
    /// Settings of PostgreSQL beside those that every sandbox has, when its data is made: `name = value`.
    pub postgres_settings: Vec<String>,
    /// Settings of RabbitMQ beside those that every sandbox has, when its data is made: `name = value`.
    pub rabbitmq_settings: Vec<String>,
    /// RabbitMQ's plugins.
    pub rabbitmq_plugins: Vec<String>,
    /// The directory of a running sandbox, whose RabbitMQ this one's forms a cluster with when its data is made. Its
    /// node has to end after this one's.
    pub join: Option<PathBuf>,
}

/// What keeps a sandbox from starting or obeying.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The servers aren't installed.
    #[error(
        "PostgreSQL's or RabbitMQ's server is missing; install Debian's packages: \
         apt-get install --no-install-recommends postgresql rabbitmq-server \
         (scripts/setup.sh does it without starting the system's services)"
    )]
    Missing,
    /// Root runs the servers as other users, who can't get to the directory.
    #[error("the servers' users can't reach {}: {} is closed to others; choose another directory",
        directory.display(), closed.display())]
    Closed {
        /// The sandbox's directory.
        directory: PathBuf,
        /// The directory on the way to it that is closed.
        closed: PathBuf,
    },
    /// The given directory holds something else.
    #[error("{} isn't empty and holds no sandbox; choose another directory", .0.display())]
    Occupied(PathBuf),
    /// The given directory's sandbox is running.
    #[error("a sandbox is running in {}; stop it or choose another directory", .0.display())]
    InUse(PathBuf),
    /// A server didn't do as it should.
    #[error("{server} {what}; its last words: {output}")]
    Server {
        /// Which.
        server: &'static str,
        /// What it did.
        what: String,
        /// The end of what it printed.
        output: String,
    },
    /// The kernel didn't end killed processes.
    #[error("processes {processes:?} of the sandbox in {} are still there although killed", directory.display())]
    Left {
        /// Their ids.
        processes: Vec<u32>,
        /// The sandbox's directory.
        directory: PathBuf,
    },
    /// The keeper said what is wrong.
    #[error("{0}")]
    Keeper(String),
    /// The keeper ended, or was killed.
    #[error("the sandbox's keeper ended unexpectedly; its servers ended with it")]
    KeeperGone,
    /// Keeper and parent don't understand each other.
    #[error("the sandbox's keeper and its parent are of different versions: {0}")]
    Protocol(String),
    /// Stopped while it was starting.
    #[error("the sandbox was stopped")]
    Stopped,
    /// The system refused something.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
}

impl SandboxError {
    fn io(what: String) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }
}

/// A running sandbox. It stops when this is stopped or dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Sandbox {
    endpoints: Endpoints,
    keeper: Mutex<Keeper>,
}

/// The keeper's process, and the conversation with it.
#[derive(Debug)]
struct Keeper {
    process: Child,
    orders: Option<ChildStdin>,
    replies: Receiver<Reply>,
    /// Reads the replies; when they end it makes sure that nothing is left.
    reader: Option<JoinHandle<Result<(), SandboxError>>>,
    processes: [u32; 2],
}

impl Sandbox {
    /// Starts the servers, by `executable`: a `creditd`, usually the running one. Takes about 7 s.
    pub fn start(executable: &Path, options: SandboxOptions) -> Result<Self, SandboxError> {
        Self::start_unless(executable, options, &AtomicBool::new(false))
    }

    /// As [`Sandbox::start`], but gives up with [`SandboxError::Stopped`] when `interrupted` becomes true.
    pub fn start_unless(
        executable: &Path,
        options: SandboxOptions,
        interrupted: &AtomicBool,
    ) -> Result<Self, SandboxError> {
        if postgres::find_binaries().is_none() || rabbitmq::find_program().is_none() {
            return Err(SandboxError::Missing);
        }
        remove_abandoned(&std::env::temp_dir());
        let keep_data = options.directory.is_some();
        let directory = prepare_directory(options.directory)?;
        let lock = lock_directory(&directory)?;
        let arguments = KeeperArgs {
            directory,
            keep_data,
            vhosts: options.vhosts,
            postgres_settings: options.postgres_settings,
            rabbitmq_settings: options.rabbitmq_settings,
            rabbitmq_plugins: options.rabbitmq_plugins,
            join: options.join,
        };
        let mut keeper = Keeper::spawn(executable, arguments, lock)?;
        match keeper.answer_unless(interrupted) {
            Ok(Reply::Ready { endpoints, postgres, rabbitmq }) => {
                keeper.processes = [postgres, rabbitmq];
                Ok(Self { endpoints, keeper: Mutex::new(keeper) })
            }
            Ok(other) => Err(SandboxError::Protocol(format!("{other:?} came before ready"))),
            Err(error) => {
                keeper.stop()?;
                Err(error)
            }
        }
    }

    /// How to reach the servers.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The main process of a server. After [`Sandbox::start_again`] it is another one.
    pub fn process_id(&self, server: ServerKind) -> u32 {
        self.keeper().processes[server as usize]
    }

    /// The keeper's process.
    pub fn keeper_process_id(&self) -> u32 {
        self.keeper().process.id()
    }

    /// Kills a server with all its processes, as a crash would. RabbitMQ loses by it what it holds in memory
    /// only: a quorum queue declared less than about a second ago comes back without its log and leaderless.
    pub fn kill(&self, server: ServerKind) -> Result<(), SandboxError> {
        match self.keeper().obey(Order::Kill(server))? {
            Reply::Killed => Ok(()),
            other => Err(SandboxError::Protocol(format!("{other:?} is no answer to kill"))),
        }
    }

    /// Starts a server again on the same port and data, and waits until it serves. A running one crashes first.
    pub fn start_again(&self, server: ServerKind) -> Result<(), SandboxError> {
        let mut keeper = self.keeper();
        match keeper.obey(Order::Start(server))? {
            Reply::Started { process_id } => {
                keeper.processes[server as usize] = process_id;
                Ok(())
            }
            other => Err(SandboxError::Protocol(format!("{other:?} is no answer to start"))),
        }
    }

    /// Whether the keeper has ended, and all that was left has been cleaned up.
    pub fn has_ended(&self) -> bool {
        self.keeper().reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the servers and waits until nothing is left of them.
    pub fn stop(self) -> Result<(), SandboxError> {
        self.keeper().stop()
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        // A test that panicked between order and answer leaves the others their servers.
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Nobody is left to be told. The next start removes what could not be removed now.
        let _ = self.keeper().stop();
    }
}

impl Keeper {
    fn spawn(executable: &Path, arguments: KeeperArgs, lock: File) -> Result<Self, SandboxError> {
        let mut process = Command::new(executable)
            .arg(KEEPER_COMMAND)
            .args(arguments.command_line())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it has to say comes as a reply.
            .stderr(Stdio::null())
            // Ctrl-C on a terminal is for its parent, who then says what is to happen.
            .process_group(0)
            .spawn()
            .map_err(SandboxError::io(format!("can't run {}", executable.display())))?;
        let orders = process.stdin.take();
        let output = process.stdout.take().ok_or(SandboxError::KeeperGone)?;
        let (sender, replies) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let reply = serde_json::from_str(&line).unwrap_or_else(|error| Reply::Failed {
                    error: format!("{error} in the keeper's {line}"),
                });
                if sender.send(reply).is_err() {
                    break;
                }
            }
            drop(sender);
            let cleaned = clean_up(&arguments.directory, arguments.keep_data);
            drop(lock);
            cleaned
        });
        Ok(Self { process, orders, replies, reader: Some(reader), processes: [0; 2] })
    }

    fn obey(&mut self, order: Order) -> Result<Reply, SandboxError> {
        let line =
            serde_json::to_string(&order).map_err(|error| SandboxError::Protocol(error.to_string()))?;
        let orders = self.orders.as_mut().ok_or(SandboxError::KeeperGone)?;
        writeln!(orders, "{line}").and_then(|()| orders.flush()).map_err(|_| SandboxError::KeeperGone)?;
        self.answer_unless(&AtomicBool::new(false))
    }

    fn answer_unless(&mut self, interrupted: &AtomicBool) -> Result<Reply, SandboxError> {
        const LOOK: Duration = Duration::from_millis(50);
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.replies.recv_timeout(LOOK) {
                Ok(Reply::Failed { error }) => return Err(SandboxError::Keeper(error)),
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Err(SandboxError::KeeperGone),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(SandboxError::Stopped);
            }
            if Instant::now() > deadline {
                return Err(SandboxError::Keeper(format!(
                    "the keeper didn't answer within {ANSWER_WITHIN:?}"
                )));
            }
        }
    }

    fn stop(&mut self) -> Result<(), SandboxError> {
        self.orders = None;
        let Some(reader) = self.reader.take() else { return Ok(()) };
        let cleaned = reader.join().unwrap_or(Err(SandboxError::KeeperGone));
        self.process.wait().map_err(SandboxError::io("can't wait for the sandbox's keeper".to_owned()))?;
        cleaned
    }
}

/// Makes sure that nothing is left when the keeper has ended; it usually has left nothing.
fn clean_up(directory: &Path, keep_data: bool) -> Result<(), SandboxError> {
    process::kill_all(directory, &[postgres::NAME, rabbitmq::NAME, rabbitmq::EPMD])?;
    process::remove_shared_memory(&directory.join(postgres::NAME).join("data"));
    if keep_data { Ok(()) } else { remove_directory(directory) }
}

fn remove_directory(directory: &Path) -> Result<(), SandboxError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SandboxError::io(format!("can't remove {}", directory.display()))(error))
        }
        _ => Ok(()),
    }
}

fn prepare_directory(given: Option<PathBuf>) -> Result<PathBuf, SandboxError> {
    let failed = |path: &Path| SandboxError::io(format!("can't make the directory {}", path.display()));
    let Some(directory) = given else {
        let parent = std::env::temp_dir();
        let made =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(failed(&parent))?.keep();
        open_to_servers(&made).map_err(failed(&made))?;
        return Ok(made);
    };
    if !directory.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed(&directory))?;
    }
    let directory = directory.canonicalize().map_err(failed(&directory))?;
    let mut entries = fs::read_dir(&directory).map_err(failed(&directory))?;
    let is_empty = entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == LOCK));
    if !is_empty && !directory.join(PLAN).is_file() {
        return Err(SandboxError::Occupied(directory));
    }
    open_to_servers(&directory).map_err(failed(&directory))?;
    Ok(directory)
}

/// Root's servers are other users, who must be able to go through the directory to their own.
fn open_to_servers(directory: &Path) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(directory, Permissions::from_mode(0o711))?;
    }
    Ok(())
}

/// The keeper and its parent each hold the lock; a test whether anyone does tries to get it for itself.
fn lock_directory(directory: &Path) -> Result<File, SandboxError> {
    let path = directory.join(LOCK);
    let failed = || SandboxError::io(format!("can't lock {}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed())?;
    file.try_lock().map_err(|_| SandboxError::InUse(directory.to_owned()))?;
    // Downgraded, so that the keeper can hold it too.
    file.lock_shared().map_err(failed())?;
    Ok(file)
}

/// Removes what sandboxes of this user have left whose keeper and parent were killed at once. Failing here is
/// no reason not to start.
fn remove_abandoned(parent: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let is_sandbox = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        if is_sandbox && is_own && is_abandoned(&entry.path().join(LOCK)) {
            let _ = clean_up(&entry.path(), false);
        }
    }
}

fn is_abandoned(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else { return false };
    let made = file.metadata().and_then(|found| found.modified()).unwrap_or_else(|_| SystemTime::now());
    let is_old = made.elapsed().is_ok_and(|age| age > ABANDONED_AFTER);
    is_old && file.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_old(lock: &Path) {
        let long_ago = SystemTime::now() - 2 * ABANDONED_AFTER;
        File::options().write(true).open(lock).unwrap().set_modified(long_ago).unwrap();
    }

    #[test]
    fn only_old_directories_that_nobody_holds_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let sandbox = |name: &str| {
            let path = parent.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&path).unwrap();
            path
        };
        let (held, abandoned, new) = (sandbox("held"), sandbox("abandoned"), sandbox("new"));
        let _lock = lock_directory(&held).unwrap();
        drop(lock_directory(&abandoned).unwrap());
        drop(lock_directory(&new).unwrap());
        make_old(&held.join(LOCK));
        make_old(&abandoned.join(LOCK));

        remove_abandoned(parent.path());

        assert!(held.exists() && new.exists());
        assert!(!abandoned.exists());
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();

        let refused = prepare_directory(Some(directory.path().to_owned()));

        assert!(matches!(refused, Err(SandboxError::Occupied(_))), "{refused:?}");
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _lock = lock_directory(directory.path()).unwrap();

        assert!(matches!(lock_directory(directory.path()), Err(SandboxError::InUse(_))));
    }
}
