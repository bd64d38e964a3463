//! Servers, a network in front of each, and daemons that are started again when they die.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use creditd::sandbox::{Sandbox, ServerKind};
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use rustix::process::Signal;
use tokio::runtime::Runtime;
use url::Url;

use super::super::killed::wait_until_the_queue_is_on_disk;
use super::schedule::{Fault, Schedule};
use crate::proxy::{Network, Proxy};
use crate::support::{Daemon, OpenTransaction, World, blocking, control_broker};

/// How soon RabbitMQ and a daemon miss each other, in seconds.
const HEARTBEAT_S: &str = "2";
/// The file that names the point to die at.
const DIE_AT: &str = "die_at";
/// How often is looked whether a daemon died.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// Where a round takes place.
pub(super) struct Scene<'s> {
    sandbox: &'s Sandbox,
    vhost: String,
    pub(super) world: World,
    runtime: Runtime,
    database: Proxy,
    broker: Proxy,
    /// What the daemons look at to know when to die and what time it is.
    hooks: PathBuf,
    daemons: Mutex<Vec<Daemon>>,
    deaths: AtomicUsize,
}

/// A fault that lasts, and what ends it.
pub(super) struct Begun {
    fault: Fault,
    locked: Option<OpenTransaction>,
    suspended: Option<u32>,
}

impl<'s> Scene<'s> {
    /// A ledger and a vhost of the round's own: the `number`th of the servers.
    pub(super) fn set(sandbox: &'s Sandbox, number: usize, schedule: &Schedule) -> Self {
        let mut world = World::on(sandbox, number);
        world.migrate();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let behind = |url: &str| {
            let mut url = Url::parse(url).unwrap();
            let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
            let proxy = runtime.block_on(Proxy::start(&server, None));
            url.set_port(Some(proxy.address.port())).unwrap();
            (url, proxy)
        };
        let (database_url, database) = behind(&world.database_url);
        let (mut broker_url, broker) = behind(&world.broker_url);
        broker_url.query_pairs_mut().append_pair("heartbeat", HEARTBEAT_S);
        let hooks = world.file("hooks");
        fs::create_dir(&hooks).unwrap();
        for (variable, value) in [
            ("CREDITD__DATABASE__URL", database_url.as_str()),
            ("CREDITD__BROKER__URL", broker_url.as_str()),
            ("CREDITD__BATCH__MESSAGES_MAX", &schedule.messages_max.to_string()),
            ("CREDITD__DATABASE__STATEMENT_TIMEOUT_S", &schedule.statement_timeout_s.to_string()),
            ("CREDITD__DATABASE__LOCK_TIMEOUT_S", &schedule.lock_timeout_s.to_string()),
            ("CREDITD_TEST_HOOKS", hooks.to_str().unwrap()),
        ] {
            world.set(variable, value);
        }
        let (daemons, deaths) = (Mutex::default(), AtomicUsize::default());
        let vhost = sandbox.endpoints().vhosts[number].clone();
        Self { sandbox, vhost, world, runtime, database, broker, hooks, daemons, deaths }
    }

    /// Starts so many daemons. The first one makes the queue.
    pub(super) fn start_daemons(&self, count: usize) {
        for number in 0..count {
            let daemon = self.world.daemon_named(&name(number));
            self.daemons().push(daemon);
        }
    }

    /// From then on RabbitMQ may be killed.
    pub(super) fn wait_until_the_queue_is_on_disk(&self) {
        wait_until_the_queue_is_on_disk(self.sandbox, &self.vhost);
    }

    /// Starts daemons again that died, as a service manager does, until `stop`.
    pub(super) fn keep_daemons_running(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.start_the_dead_again();
            std::thread::sleep(LOOK_EVERY);
        }
        self.start_the_dead_again();
    }

    fn start_the_dead_again(&self) {
        for (number, daemon) in self.daemons().iter_mut().enumerate() {
            if !daemon.is_running() {
                let status = daemon.wait();
                let killed = status.signal() == Some(Signal::KILL.as_raw());
                assert!(killed, "a daemon gave up ({status}):\n{}", daemon.log());
                self.deaths.fetch_add(1, Ordering::Relaxed);
                *daemon = self.world.start_daemon(&name(number));
            }
        }
    }

    /// A daemon's process.
    pub(super) fn process_id(&self, number: usize) -> u32 {
        self.daemons()[number].process_id()
    }

    /// How often a daemon was killed.
    pub(super) fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Ends the daemons as a service manager does.
    pub(super) fn stop_daemons(&self) {
        for daemon in self.daemons().drain(..) {
            assert!(daemon.stop().success(), "a daemon drains");
        }
    }

    /// The last of what each daemon logged.
    pub(super) fn last_words(&self) -> String {
        let lines_max = 40;
        let of = |number| {
            let log =
                fs::read_to_string(self.world.file(&format!("{}.log", name(number)))).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(lines_max)..].join("\n");
            format!("{}:\n{last}\n", name(number))
        };
        (0..self.daemons().len()).map(of).collect()
    }

    /// Makes it happen.
    pub(super) fn begin(&self, fault: Fault, random: &mut fastrand::Rng) -> Begun {
        let (mut locked, mut suspended) = (None, None);
        let count = self.daemons().len();
        match fault {
            Fault::KillDaemon => {
                self.daemons()[random.usize(..count)].kill();
            }
            Fault::DieAt(point) => fs::write(self.hooks.join(DIE_AT), point).unwrap(),
            Fault::Suspend => {
                let mut daemons = self.daemons();
                // Something else may have ended it, and it is not started again yet.
                let daemon = &mut daemons[random.usize(..count)];
                if daemon.is_running() {
                    daemon.signal(Signal::STOP);
                    suspended = Some(daemon.process_id());
                }
            }
            Fault::Kill(server) => self.sandbox.kill(server).unwrap(),
            Fault::Cut(server) => self.runtime.block_on(self.network(server).cut_once()),
            Fault::Freeze(server, towards) => self.network(server).set(Network::Frozen(towards)),
            Fault::Slow(server, towards) => self.network(server).set(Network::Slow(towards)),
            Fault::LoseReplies(server) => self.network(server).set(Network::Silent),
            Fault::CloseConnections => self.tell_broker(&["close_all_connections", "a test"]),
            Fault::MemoryAlarm => self.tell_broker(&["set_vm_memory_high_watermark", "absolute", "1"]),
            Fault::DeleteQueue => self.delete_queue(),
            Fault::NoConnections => {
                self.world.as_superuser("alter role creditd connection limit 0");
                self.world.end_daemons_backends();
            }
            Fault::LockLedger => {
                locked = Some(self.world.hold_open("select from creditd.ledger for update"));
            }
            Fault::EndTransactions(state) => self.world.as_superuser(&format!(
                "create function public.trip() returns trigger language plpgsql as
                 $$ begin raise exception 'tripped' using errcode = '{state}'; end $$;
                 create trigger trip before insert or update on creditd.inbox
                    for each statement execute function public.trip()"
            )),
            Fault::JumpClock(seconds) => {
                fs::write(self.hooks.join("clock_ahead_s"), seconds.to_string()).unwrap();
            }
        }
        Begun { fault, locked, suspended }
    }

    /// Makes an end of it.
    pub(super) fn end(&self, begun: Begun) {
        let Begun { fault, locked, suspended } = begun;
        drop(locked);
        match fault {
            Fault::Suspend => {
                let mut daemons = self.daemons();
                let still = daemons.iter_mut().find(|daemon| Some(daemon.process_id()) == suspended);
                if let Some(daemon) = still
                    && daemon.is_running()
                {
                    daemon.signal(Signal::CONT);
                }
            }
            Fault::Kill(server) => self.sandbox.start_again(server).unwrap(),
            Fault::Freeze(server, _) | Fault::Slow(server, _) => self.network(server).set(Network::Up),
            Fault::LoseReplies(server) => self.runtime.block_on(self.network(server).cut_once()),
            Fault::MemoryAlarm => self.tell_broker(&["set_vm_memory_high_watermark", "0.4"]),
            Fault::NoConnections => self.world.as_superuser("alter role creditd connection limit -1"),
            Fault::EndTransactions(_) => {
                self.world.as_superuser("drop trigger trip on creditd.inbox; drop function public.trip()");
            }
            Fault::JumpClock(_) => fs::remove_file(self.hooks.join("clock_ahead_s")).unwrap(),
            // It stays until a daemon comes there.
            Fault::DieAt(_)
            | Fault::KillDaemon
            | Fault::Cut(_)
            | Fault::CloseConnections
            | Fault::DeleteQueue
            | Fault::LockLedger => {}
        }
    }

    /// Whether it has come to pass; all but deaths at a point have as soon as they are made to.
    pub(super) fn has_happened(&self, fault: Fault) -> bool {
        !matches!(fault, Fault::DieAt(_)) || !self.hooks.join(DIE_AT).exists()
    }

    /// No daemon dies any more.
    pub(super) fn disarm(&self) {
        // A daemon may have removed it just now.
        fs::remove_file(self.hooks.join(DIE_AT)).ok();
    }

    fn network(&self, server: ServerKind) -> &Proxy {
        match server {
            ServerKind::Postgres => &self.database,
            ServerKind::RabbitMq => &self.broker,
        }
    }

    fn daemons(&self) -> MutexGuard<'_, Vec<Daemon>> {
        // Who failed with them in hand has said why; the others still have their say.
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_broker(&self, arguments: &[&str]) {
        control_broker(self.sandbox, arguments);
    }

    fn delete_queue(&self) {
        blocking(async {
            let connection = Connection::connect(&self.world.broker_url, ConnectionProperties::default());
            let connection = connection.await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            let options = QueueDeleteOptions::default();
            channel.queue_delete("creditd.projects".into(), options).await.unwrap();
            connection.close(200, "done".into()).await.unwrap();
        });
    }
}

fn name(number: usize) -> String {
    format!("daemon-{number}")
}
