//! The daemon as its users run it: a process of its own.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::BenchError;
use super::ground::Field;

/// How often a daemon is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A daemon that takes longer than this to be ready won't be.
const READY_MAX: Duration = Duration::from_mins(2);

/// A running daemon. It is killed when this is dropped.
pub(super) struct Daemon {
    child: Child,
    /// From its start until it was ready: both servers reached, the schema checked, and messages consumed.
    pub(super) ready_in: Duration,
}

impl Daemon {
    /// Starts `executable run` on `field`, and waits until it says that it is ready. The kernel kills it when this
    /// process ends in any way.
    pub(super) async fn start(executable: &Path, field: &Field) -> Result<Self, BenchError> {
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
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(BenchError::system("starting the daemon (by setpriv of util-linux)"))?;
        let mut daemon = Self { child, ready_in: Duration::ZERO };
        while !is_ready(field.http_listen).await {
            daemon.must_run()?;
            if began.elapsed() > READY_MAX {
                let what = format!("it was not ready within {} s", READY_MAX.as_secs());
                return Err(BenchError::Daemon(io::Error::other(what)));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        daemon.ready_in = began.elapsed();
        Ok(daemon)
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

/// Whether `/readyz` says so. A daemon that doesn't answer yet isn't.
async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    ask.await.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
