//! How the keeper waits.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::SandboxError;
use super::process::POLL;

/// Waiting that ends at once when the sandbox is to stop.
pub(super) struct Patience {
    lines: Receiver<String>,
    stopping: Arc<AtomicBool>,
}

impl Patience {
    /// From now on, a signal or the parent's end stops the waiting.
    pub(super) fn begin() -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stopping))?;
        }
        let (sender, lines) = mpsc::channel();
        let parent_gone = Arc::clone(&stopping);
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
            parent_gone.store(true, Ordering::Relaxed);
        });
        Ok(Self { lines, stopping })
    }

    /// Polls until `is_done` says so; `false` when that took longer than `limit`.
    pub(super) fn wait(
        &self,
        limit: Duration,
        mut is_done: impl FnMut() -> Result<bool, SandboxError>,
    ) -> Result<bool, SandboxError> {
        let deadline = Instant::now() + limit;
        while !is_done()? {
            if self.stopping.load(Ordering::Relaxed) {
                return Err(SandboxError::Stopped);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            thread::sleep(POLL);
        }
        Ok(true)
    }

    /// The parent's next line.
    pub(super) fn next_line(&self) -> Result<String, SandboxError> {
        loop {
            match self.lines.recv_timeout(POLL) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if !self.stopping.load(Ordering::Relaxed) => {}
                Err(_) => return Err(SandboxError::Stopped),
            }
        }
    }
}
