//! The daemon as its users run it: a process of its own.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::BenchError;
use super::ground::Field;

/// How often is looked whether a daemon that isn't ready yet is still there.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Longer than anything that a daemon tells its service manager, in bytes.
const NOTICE_BYTES_MAX: usize = 4096;

/// A running daemon. It is killed when this is dropped.
pub(super) struct Daemon {
    child: Child,
    /// From its start until it said that it is ready.
    pub(super) ready_in: Duration,
    /// Hears what it tells its service manager, as long as it runs: nobody else would.
    listening: Option<JoinHandle<()>>,
    /// Where it tells that.
    _directory: TempDir,
}

impl Daemon {
    /// Starts `executable run` on `field`, and waits until it says that it is ready. The kernel kills it when this
    /// process ends in any way.
    pub(super) async fn start(executable: &Path, field: &Field) -> Result<Self, BenchError> {
        let directory = tempfile::tempdir().map_err(BenchError::system("making a directory"))?;
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).map_err(BenchError::system("listening to the daemon"))?;
        let began = Instant::now();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(executable)
            .arg("run")
            // The settings of whoever measures are for other servers.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .envs(field.environment.iter().map(|(name, value)| (name, value)))
            .env("CREDITD__LOG__LEVEL", "warn")
            .env("NOTIFY_SOCKET", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(BenchError::system("starting the daemon (by setpriv of util-linux)"))?;
        let mut daemon = Self { child, ready_in: Duration::ZERO, listening: None, _directory: directory };
        daemon.wait_until_ready(&socket).await?;
        daemon.ready_in = began.elapsed();
        daemon.listening = Some(tokio::spawn(listen(socket)));
        Ok(daemon)
    }

    async fn wait_until_ready(&mut self, socket: &UnixDatagram) -> Result<(), BenchError> {
        let mut notice = [0; NOTICE_BYTES_MAX];
        loop {
            if let Ok(received) = timeout(LOOK_EVERY, socket.recv(&mut notice)).await {
                let length = received.map_err(BenchError::Daemon)?;
                if notice[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                    return Ok(());
                }
            }
            self.must_run()?;
        }
    }

    /// Fails if it ended by itself, which it should not.
    pub(super) fn must_run(&mut self) -> Result<(), BenchError> {
        match self.child.try_wait().map_err(BenchError::Daemon)? {
            None => Ok(()),
            Some(status) => {
                Err(BenchError::Daemon(io::Error::other(format!("it ended by itself ({status})"))))
            }
        }
    }

    /// The most memory that it ever had, in MiB.
    pub(super) fn resident_mib_max(&self) -> Result<f64, BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .map_err(BenchError::Daemon)?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
        });
        kib.map(|kib| kib / 1024.0).ok_or_else(|| BenchError::Daemon(io::Error::other("no VmHWM")))
    }

    /// Stops it as a service manager does, and waits for its end.
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a child has a process id");
        kill_process(pid, Signal::TERM).map_err(|error| BenchError::Daemon(error.into()))?;
        let status = self.child.wait().map_err(BenchError::Daemon)?;
        match status.success() {
            true => Ok(()),
            false => Err(BenchError::Daemon(io::Error::other(format!("it ended with {status}")))),
        }
    }
}

/// Reads what the daemon tells, so that it never waits for somebody to listen.
async fn listen(socket: UnixDatagram) {
    let mut notice = [0; NOTICE_BYTES_MAX];
    while socket.recv(&mut notice).await.is_ok() {}
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}
