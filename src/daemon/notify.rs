//! Telling systemd how the process is: ready, reloading, stopping, alive, and a line for `systemctl status`.
//!
//! The protocol is that of sd_notify(3); the messages and the clock are the `sd-notify` crate's. The socket
//! is opened here, once: the crate's own way in reads a process-wide variable that a test can't set, and
//! knows no abstract addresses.
//! Without a service manager everything here does nothing.

use std::ffi::OsStr;
use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::vitals::Progress;

/// How long a message to systemd may take. Its queue is full when it is itself in trouble, and then the
/// daemon's own work matters more than telling about it.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one. Messages that it doesn't take are logged and dropped.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<Manager>,
    status: Mutex<String>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// The service manager that started this process: whom the variable `NOTIFY_SOCKET` names, or nobody.
    pub fn from_environment() -> io::Result<Self> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(address) => Self::to(&address),
            None => Ok(Self::default()),
        }
    }

    /// The service manager that listens at `address`: a path, or `@` and an abstract name.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self { manager: Some(Manager { socket, address }), status: Mutex::default() })
    }

    /// The daemon is up: its work has begun, or a reload is done.
    pub fn ready(&self) {
        self.send(&[NotifyState::Ready]);
    }

    /// The settings are being read again. [`Notifier::ready`] must follow, whatever came of it.
    pub fn reloading(&self) {
        // `Type=notify-reload` fails the reload where the time is missing; `Type=notify` ignores it.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "can't tell systemd of the reload: no monotonic clock"),
        }
    }

    /// The daemon drains and will end.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// The daemon is alive and at work.
    pub fn alive(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// The line that `systemctl status` shows. The same line again is not sent again.
    pub fn status(&self, line: &str) {
        // A newline would begin another message of the protocol.
        let line = line.replace(['\r', '\n'], " ");
        let mut last = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == line {
            return;
        }
        self.send(&[NotifyState::Status(&line)]);
        *last = line;
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(Manager { socket, address }) = &self.manager else {
            return;
        };
        let mut message = String::new();
        for state in states {
            writeln!(message, "{state}").expect("writing to a string doesn't fail");
        }
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, message = message.trim_end(), "systemd took no message");
        }
    }
}

/// How often systemd wants to hear that the process is alive: half of what the unit's `WatchdogSec` says, as
/// sd_watchdog_enabled(3) advises. `None` where there is no watchdog, or it is meant for another process.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|half| !half.is_zero())
}

/// Tells systemd every `interval` that the daemon is alive, as long as all its loops are. Never returns.
///
/// Where one is stuck, systemd is left waiting, and ends and restarts the process: for work that hangs
/// without an error, that is the only way out.
pub async fn watch(notifier: &Notifier, progress: &Progress, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    // After a pause of the machine one message is enough.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watchdog = Watchdog { was_stuck: false };
    loop {
        ticks.tick().await;
        watchdog.tick(notifier, progress, Instant::now());
    }
}

/// Shows each status line as it comes. Returns when no more can come.
pub async fn show_status(notifier: &Notifier, mut line: watch::Receiver<String>) {
    loop {
        let now = line.borrow_and_update().clone();
        notifier.status(&now);
        if line.changed().await.is_err() {
            return;
        }
    }
}

/// What is remembered from one tick to the next, so that a change is logged once.
struct Watchdog {
    was_stuck: bool,
}

impl Watchdog {
    fn tick(&mut self, notifier: &Notifier, progress: &Progress, now: Instant) {
        let stuck = progress.stuck(now);
        if stuck.is_empty() {
            notifier.alive();
        }
        for late in stuck.iter().filter(|_| !self.was_stuck) {
            let silent_s = late.silent_for.as_secs();
            tracing::error!(
                work = late.name,
                silent_s,
                "no progress; leaving the watchdog unfed until it moves"
            );
        }
        if self.was_stuck && stuck.is_empty() {
            tracing::info!("all work is moving again");
        }
        self.was_stuck = !stuck.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service manager's end of the line.
    struct Listener {
        socket: UnixDatagram,
        _directory: tempfile::TempDir,
    }

    impl Listener {
        fn start() -> (Self, Notifier) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let notifier = Notifier::to(path.as_os_str()).unwrap();
            (Self { socket, _directory: directory }, notifier)
        }

        fn next(&self) -> String {
            let mut buffer = [0; 4096];
            let length = self.socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        }

        fn has_more(&self) -> bool {
            self.socket.set_nonblocking(true).unwrap();
            let received = self.socket.recv(&mut [0; 1]);
            self.socket.set_nonblocking(false).unwrap();
            received.is_ok()
        }
    }

    #[test]
    fn each_state_reaches_the_service_manager_as_the_protocol_says() {
        let (listener, notifier) = Listener::start();
        notifier.ready();
        assert_eq!(listener.next(), "READY=1\n");
        notifier.alive();
        assert_eq!(listener.next(), "WATCHDOG=1\n");
        notifier.stopping();
        assert_eq!(listener.next(), "STOPPING=1\n");
    }

    #[test]
    fn a_reload_carries_the_monotonic_time_in_the_same_message() {
        let (listener, notifier) = Listener::start();
        notifier.reloading();
        let message = listener.next();
        let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both in one message");
        assert!(time.trim_end().parse::<u64>().unwrap() > 0, "{message}");
    }

    #[test]
    fn a_status_line_is_sent_once_until_it_changes() {
        let (listener, notifier) = Listener::start();
        notifier.status("up to date");
        notifier.status("up to date");
        notifier.status("broker away\nREADY=1");
        assert_eq!(listener.next(), "STATUS=up to date\n");
        assert_eq!(listener.next(), "STATUS=broker away READY=1\n");
        assert!(!listener.has_more());
    }

    #[test]
    fn an_abstract_address_works_too() {
        let name = format!("creditd-notify-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}"))).unwrap().ready();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\n");
    }

    #[test]
    fn without_a_service_manager_or_after_its_end_nothing_fails() {
        Notifier::default().ready();
        let (listener, notifier) = Listener::start();
        drop(listener);
        notifier.ready();
        notifier.status("still here");
    }

    #[test]
    fn the_watchdog_is_fed_while_all_loops_move_and_starved_while_one_is_stuck() {
        let (listener, notifier) = Listener::start();
        let progress = Progress::default();
        let mut watchdog = Watchdog { was_stuck: false };
        let limit = Duration::from_secs(30);
        let heartbeat = progress.register("apply", limit);

        watchdog.tick(&notifier, &progress, Instant::now());
        assert_eq!(listener.next(), "WATCHDOG=1\n");

        let too_late = Instant::now() + limit * 2;
        watchdog.tick(&notifier, &progress, too_late);
        assert!(!listener.has_more(), "a stuck loop must leave the watchdog unfed");

        heartbeat.beat();
        watchdog.tick(&notifier, &progress, Instant::now());
        assert_eq!(listener.next(), "WATCHDOG=1\n");
    }

    #[tokio::test]
    async fn the_status_line_follows_what_is_told_until_nobody_tells_any_more() {
        let (listener, notifier) = Listener::start();
        let (teller, line) = watch::channel("starting".to_owned());
        let telling = async move {
            tokio::task::yield_now().await;
            teller.send_replace("consuming".to_owned());
        };
        tokio::join!(show_status(&notifier, line), telling);
        assert_eq!(listener.next(), "STATUS=starting\n");
        assert_eq!(listener.next(), "STATUS=consuming\n");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn watching_feeds_the_watchdog_again_and_again() {
        let (listener, notifier) = Listener::start();
        let progress = Progress::default();
        let listening = tokio::task::spawn_blocking(move || [listener.next(), listener.next()]);
        tokio::select! {
            () = watch(&notifier, &progress, Duration::from_millis(1)) => unreachable!("it never returns"),
            messages = listening => assert_eq!(messages.unwrap(), ["WATCHDOG=1\n"; 2]),
        }
    }
}
