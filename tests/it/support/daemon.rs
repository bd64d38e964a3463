//! A daemon under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{config_arguments, creditd, wait_until};

/// A `creditd run`, or a program that goes with it. Killed with -9 when dropped.
pub(crate) struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts one with these settings, over those of the file `config`; its log goes to `log`, appended.
    pub(crate) fn start(environment: &[(String, String)], config: Option<&Path>, log: &Path) -> Self {
        let mut command = Command::new(creditd());
        command.arg("run").args(config_arguments(config)).env_clear().envs(environment.iter().cloned());
        Self::spawn(command, log)
    }

    /// Starts another program that runs until it is told to stop.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn().unwrap();
        Self { process, log: log.to_owned() }
    }

    /// What it logged so far, and those before it on the same file.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it logged this.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(&format!("a log line with {text:?}"), || self.log().contains(text));
    }

    /// How many of the lines that it logged so far have this in them.
    pub(crate) fn count_in_log(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Where it answers HTTP, such as `http://127.0.0.1:40961`: the last one of those on the same log.
    pub(crate) fn http_address(&self) -> String {
        const LINE: &str = "\"answering HTTP\",\"address\":\"";
        self.wait_for_log(LINE);
        let log = self.log();
        let (_, rest) = log.rsplit_once(LINE).unwrap();
        let (address, _) = rest.split_once('"').unwrap();
        format!("http://{address}")
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it with -9 and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to drain, and waits for its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the daemon's end", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
