//! A ledger and a vhost of a test's own.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use creditd::broker::{BrokerSettings, Destination, OutboundMessage, Publisher, Topology};
use creditd::sandbox::{Endpoints, Sandbox, SandboxOptions};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, FromRow};
use tokio::runtime::Runtime;

use super::messages::Message;
use super::{Daemon, Listener, config_arguments, control_broker, creditd, wait_until};

/// As many tests can have a vhost of their own on one sandbox.
const VHOSTS: u32 = 320;

/// How many messages are published before their confirms are awaited, where the broker may be in trouble.
pub(crate) const PUBLISHED_AT_ONCE: usize = 5;
/// How often a broker that is away is tried.
const RECONNECT_EVERY: Duration = Duration::from_millis(100);

/// The run's servers. They end with the process that runs the tests, however that ends.
pub(crate) fn servers() -> &'static Sandbox {
    static SERVERS: OnceLock<Sandbox> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let options = SandboxOptions { vhosts: VHOSTS, ..SandboxOptions::default() };
        Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh")
    })
}

/// A test's own database and vhost.
pub(crate) struct World {
    pub(crate) endpoints: Endpoints,
    pub(crate) database_url: String,
    pub(crate) owner_url: String,
    pub(crate) superuser_url: String,
    pub(crate) broker_url: String,
    /// Further nodes of that broker.
    more_broker_urls: Vec<String>,
    more: Vec<(String, String)>,
    /// What the daemons' and commands' `--config` names.
    pub(crate) config: Option<PathBuf>,
    files: tempfile::TempDir,
}

impl World {
    /// A world on the run's servers, its ledger made.
    pub(crate) fn new() -> Self {
        let world = Self::unmigrated();
        world.migrate();
        world
    }

    /// A world on the run's servers, its database empty.
    pub(crate) fn unmigrated() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self::on(servers(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A world on servers of its own, which it may kill: the `number`th on them.
    pub(crate) fn on(sandbox: &Sandbox, number: usize) -> Self {
        let endpoints = sandbox.endpoints().clone();
        let database = format!("test_{number}");
        let vhost = endpoints.vhosts.get(number).expect("a vhost for each test: raise VHOSTS");
        let of_database = |url: &str| Endpoints::url_of_database(url, &database);
        let world = Self {
            database_url: of_database(&endpoints.database_url),
            owner_url: of_database(&endpoints.owner_url),
            superuser_url: of_database(&endpoints.superuser_url),
            broker_url: endpoints.broker_url_of(vhost),
            endpoints,
            more_broker_urls: Vec::new(),
            more: Vec::new(),
            config: None,
            files: tempfile::tempdir().unwrap(),
        };
        blocking(async {
            let mut owner = PgConnection::connect(&world.endpoints.owner_url).await.unwrap();
            let create = AssertSqlSafe(format!("create database {database}"));
            sqlx::raw_sql(create).execute(&mut owner).await.unwrap();
        });
        world
    }

    /// Another ledger in this world's database and vhost, not made yet: a schema, a queue and exchanges called
    /// `name`.
    pub(crate) fn beside(&self, name: &str) -> Self {
        let mut world = Self {
            endpoints: self.endpoints.clone(),
            database_url: self.database_url.clone(),
            owner_url: self.owner_url.clone(),
            superuser_url: self.superuser_url.clone(),
            broker_url: self.broker_url.clone(),
            more_broker_urls: Vec::new(),
            more: Vec::new(),
            config: None,
            files: tempfile::tempdir().unwrap(),
        };
        for part in
            ["DATABASE__SCHEMA", "BROKER__QUEUE", "BROKER__INBOUND_EXCHANGE", "BROKER__EVENTS_EXCHANGE"]
        {
            let name =
                if part.ends_with("EVENTS_EXCHANGE") { format!("{name}.events") } else { name.to_owned() };
            world.set(&format!("CREDITD__{part}"), &name);
        }
        world
    }

    /// Another setting for this world's daemons and commands.
    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.more.retain(|(known, _)| known != variable);
        self.more.push((variable.to_owned(), value.to_owned()));
    }

    /// Goes by a broker of several nodes.
    pub(crate) fn reach_brokers(&mut self, urls: &[String]) {
        let (first, others) = urls.split_first().unwrap();
        (self.broker_url, self.more_broker_urls) = (first.clone(), others.to_vec());
    }

    fn broker_urls(&self) -> Vec<String> {
        [std::slice::from_ref(&self.broker_url), &self.more_broker_urls].concat()
    }

    fn setting<'a>(&'a self, variable: &str, default: &'a str) -> &'a str {
        let found = self.more.iter().find(|(known, _)| known == variable);
        found.map_or(default, |(_, value)| value)
    }

    /// A configuration file for this world's daemons and commands, in place of the one before.
    pub(crate) fn configure(&mut self, toml: &str) {
        let file = self.file("creditd.toml");
        std::fs::write(&file, toml).unwrap();
        self.config = Some(file);
    }

    /// The settings as environment variables.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let anywhere = "127.0.0.1:0".to_owned();
        let base = [
            ("CREDITD__DATABASE__URL", &self.database_url),
            ("CREDITD__DATABASE__OWNER_URL", &self.owner_url),
            ("CREDITD__BROKER__URL", &self.broker_urls().join(" ")),
        ];
        // Any port that is free: many daemons run at once.
        let base = base.into_iter().chain([("CREDITD__HTTP__LISTEN", &anywhere)]);
        let base = base.map(|(name, value)| (name.to_owned(), value.clone()));
        base.chain(self.more.iter().cloned()).collect()
    }

    /// A file of this world's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn migrate(&self) {
        let done = self.run(&["migrate"]);
        assert!(done.status.success(), "{done:?}");
    }

    /// Runs a command and returns what it printed and its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command that is not run yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(creditd());
        let config = config_arguments(self.config.as_deref());
        command.args(arguments).args(config).env_clear().envs(self.environment());
        command
    }

    /// What a command prints for people; it must succeed.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code of a command that must fail, and what it says then.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeds");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// What a command prints with `--json`; it must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `(total, held, consumed, available)` of an account, or `None` where there is none.
    pub(crate) fn balance(&self, account: &str) -> Option<(i64, i64, i64, i64)> {
        let output = self.run(&["account", "show", account, "--json"]);
        if !output.status.success() {
            return None;
        }
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let member = |name: &str| shown[name].as_i64().unwrap();
        Some((member("total"), member("held"), member("consumed"), member("available")))
    }

    /// Starts a daemon without waiting for anything; its log is named after it.
    pub(crate) fn start_daemon(&self, name: &str) -> Daemon {
        Daemon::start(&self.environment(), self.config.as_deref(), &self.file(&format!("{name}.log")))
    }

    /// Starts a daemon and waits until it stands by, or receives and goes by its settings, as far as it can.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_named("daemon")
    }

    /// The same, with a log of its own.
    pub(crate) fn daemon_named(&self, name: &str) -> Daemon {
        let log = self.file(&format!("{name}.log"));
        let before = std::fs::read_to_string(&log).unwrap_or_default().len();
        let mut daemon = self.start_daemon(name);
        wait_until("the daemon receives", || {
            assert!(daemon.is_running(), "{}", daemon.log());
            let new = daemon.log().split_off(before);
            let lines: Vec<Value> = new.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let said = |part: &str| {
                let of_part = lines.iter().filter(|line| line["part"] == part);
                of_part.filter_map(|line| line["message"].as_str()).collect::<Vec<_>>()
            };
            let (intake, ledger) = (said("intake"), said("ledger"));
            let has_settings_to_set = intake.contains(&"consuming");
            intake.contains(&"standing by")
                || has_settings_to_set && ledger.iter().any(|&what| what != "ready")
        });
        daemon
    }

    /// How the broker module reaches this world's vhost.
    pub(crate) fn broker_settings(&self) -> BrokerSettings {
        BrokerSettings {
            urls: self.broker_urls().into_iter().map(Into::into).collect(),
            inbound_exchange: self.setting("CREDITD__BROKER__INBOUND_EXCHANGE", "projects").to_owned(),
            queue: "creditd.projects".to_owned(),
            events_exchange: "creditd.events".to_owned(),
            topology: Topology::Declare,
            prefetch: 100,
        }
    }

    /// Publishes to the inbound exchange, in order, and waits for the confirms.
    pub(crate) fn publish(&self, messages: &[Message]) {
        let outbound: Vec<_> = messages.iter().enumerate().map(outbound).collect();
        blocking(async {
            let settings = self.broker_settings();
            let mut upstream = Publisher::connect(&settings, Destination::Inbound).await.unwrap();
            for window in outbound.chunks(500) {
                let published = upstream.publish_window(window).await.unwrap();
                assert_eq!(published.unroutable, 0, "the daemon's queue takes everything");
            }
            upstream.close().await;
        });
    }

    /// Publishes a body with properties that [`Message`] doesn't have.
    pub(crate) fn publish_as(&self, routing_key: &str, properties: &BasicProperties, body: &[u8]) {
        blocking(async {
            let connection = Connection::connect(&self.broker_url, ConnectionProperties::default());
            let connection = connection.await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            let exchange = self.broker_settings().inbound_exchange;
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm = channel
                .basic_publish(exchange.into(), routing_key.into(), options, body, properties.clone())
                .await
                .unwrap();
            assert_eq!(
                confirm.await.unwrap(),
                Confirmation::Ack(None),
                "the daemon's queue takes everything"
            );
            connection.close(200, "done".into()).await.unwrap();
        });
    }

    /// Publishes in order, a few at a time, whatever happens to the broker meanwhile: only what it confirmed
    /// counts, and the rest is published again. Says how often it met with trouble.
    pub(crate) fn publish_through_trouble(&self, messages: &[Message]) -> usize {
        self.publish_slowly(messages, Duration::ZERO)
    }

    /// The same with a pause after each few.
    pub(crate) fn publish_slowly(&self, messages: &[Message], pause: Duration) -> usize {
        self.publish_by(PUBLISHED_AT_ONCE, messages, pause)
    }

    /// The same with a pause after each `at_once`.
    pub(crate) fn publish_by(&self, at_once: usize, messages: &[Message], pause: Duration) -> usize {
        let outbound: Vec<_> = messages.iter().enumerate().map(outbound).collect();
        let mut failures = 0;
        blocking(async {
            let settings = self.broker_settings();
            let mut connected = None;
            let mut unconfirmed = outbound.as_slice();
            while !unconfirmed.is_empty() {
                let Some(mut upstream) = connected.take() else {
                    connected = Publisher::connect(&settings, Destination::Inbound).await.ok();
                    if connected.is_none() {
                        failures += 1;
                        tokio::time::sleep(RECONNECT_EVERY).await;
                    }
                    continue;
                };
                let window = &unconfirmed[..at_once.min(unconfirmed.len())];
                match upstream.publish_window(window).await {
                    Ok(done) if done.unroutable == 0 => {
                        unconfirmed = &unconfirmed[window.len()..];
                        connected = Some(upstream);
                        tokio::time::sleep(pause).await;
                    }
                    // The queue is not back yet.
                    Ok(_) => failures += 1,
                    Err(error) => {
                        failures += 1;
                        unconfirmed = &unconfirmed[error.confirmed()..];
                    }
                }
            }
            if let Some(upstream) = connected {
                upstream.close().await;
            }
        });
        failures
    }

    /// How many messages wait in the inbound queue, none being in anybody's hands.
    pub(crate) fn queue_depth(&self) -> u32 {
        blocking(async {
            let connection = Connection::connect(&self.broker_url, ConnectionProperties::default());
            let channel = connection.await.unwrap().create_channel().await.unwrap();
            let look = QueueDeclareOptions { passive: true, ..Default::default() };
            let none = FieldTable::default();
            channel.queue_declare("creditd.projects".into(), look, none).await.unwrap().message_count()
        })
    }

    /// Waits until messages with these ids from `/test` have an outcome.
    pub(crate) fn wait_for_messages(&self, ids: &[&str]) {
        for id in ids {
            wait_until(&format!("an outcome of {id}"), || {
                self.run(&["explain", "message", "/test", id]).status.success()
            });
        }
    }

    /// Waits until all of the log is published.
    pub(crate) fn wait_until_published(&self) {
        wait_until("the relay is done", || {
            let left: i64 = self.number("select log_last - published from creditd.ledger, creditd.relay");
            left == 0
        });
    }

    /// A number out of the database, asked as the owner.
    pub(crate) fn number(&self, query: &'static str) -> i64 {
        blocking(async {
            let mut owner = PgConnection::connect(&self.owner_url).await.unwrap();
            sqlx::query_scalar(query).fetch_one(&mut owner).await.unwrap()
        })
    }

    /// Rows out of the database, asked as the owner.
    pub(crate) fn rows<T>(&self, query: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        blocking(async {
            let mut owner = PgConnection::connect(&self.owner_url).await.unwrap();
            sqlx::query_as(query).fetch_all(&mut owner).await.unwrap()
        })
    }

    /// Runs a statement as the owner in a transaction that stays open, with the locks that it took.
    pub(crate) fn hold_open(&self, statement: &'static str) -> OpenTransaction {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut owner = PgConnection::connect(&self.owner_url).await.unwrap();
            sqlx::raw_sql("begin").execute(&mut owner).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut owner).await.unwrap();
            owner
        });
        OpenTransaction { runtime, connection: Some(connection) }
    }

    /// Waits until somebody waits for a lock in this world's database.
    pub(crate) fn wait_until_somebody_is_blocked(&self) {
        wait_until("somebody waits for a lock", || {
            self.number(
                "select count(*) from pg_locks join pg_stat_activity using (pid)
                  where not granted and datname = current_database()",
            ) > 0
        });
    }

    /// Runs statements as the owner.
    pub(crate) fn as_owner(&self, statements: &'static str) {
        blocking(async {
            let mut owner = PgConnection::connect(&self.owner_url).await.unwrap();
            sqlx::raw_sql(statements).execute(&mut owner).await.unwrap();
        });
    }

    /// A report out of the database as JSON, asked as its superuser.
    pub(crate) fn report(&self, query: &'static str) -> Value {
        blocking(async {
            let mut superuser = PgConnection::connect(&self.superuser_url).await.unwrap();
            sqlx::query_scalar(query).fetch_one(&mut superuser).await.unwrap()
        })
    }

    /// The messages that are parked, as `parked list` shows them.
    pub(crate) fn parked(&self) -> Vec<Value> {
        let Value::Array(messages) = self.json(&["parked", "list"]) else { panic!("a list is an array") };
        messages
    }

    /// What became of a message from `/test`.
    pub(crate) fn explain(&self, id: &str) -> Value {
        self.json(&["explain", "message", "/test", id])
    }

    /// Declares the daemon's queue, so that messages can wait in it for the next daemon's first batch.
    pub(crate) fn declare(&self) {
        assert!(self.daemon_named("declares").stop().success());
    }

    /// Ends the sessions of daemons that were killed: PostgreSQL notices a client's death only once its lock
    /// has come or timed out.
    pub(crate) fn end_daemons_backends(&self) {
        self.as_superuser(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity
              where datname = current_database() and usename = 'creditd'",
        );
    }

    /// Has RabbitMQ close all connections of this world, which must be on the run's servers.
    pub(crate) fn close_connections(&self) {
        let (_, vhost) = self.broker_url.rsplit_once('/').unwrap();
        control_broker(servers(), &["close_all_connections", "--vhost", vhost, "a test"]);
    }

    /// Runs statements as PostgreSQL's superuser.
    pub(crate) fn as_superuser(&self, statements: &str) {
        run_as(&self.superuser_url, statements);
    }

    /// `verify` must find nothing.
    pub(crate) fn assert_verified(&self) {
        let output = self.run(&["verify"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Binds a queue to all events. Call it before what is to be heard.
    pub(crate) fn listen(&self) -> Listener {
        blocking(async {
            let connection = Connection::connect(&self.broker_url, ConnectionProperties::default());
            let connection = connection.await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            let exchange = lapin::options::ExchangeDeclareOptions { durable: true, ..Default::default() };
            let topic = lapin::ExchangeKind::Topic;
            let none = FieldTable::default;
            channel.exchange_declare("creditd.events".into(), topic, exchange, none()).await.unwrap();
            let queue = QueueDeclareOptions { durable: true, ..Default::default() };
            let mut arguments = none();
            if !self.more_broker_urls.is_empty() {
                // One that is on several nodes.
                arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            }
            channel.queue_declare("listener".into(), queue, arguments).await.unwrap();
            let bind = QueueBindOptions::default();
            channel
                .queue_bind("listener".into(), "creditd.events".into(), "#".into(), bind, none())
                .await
                .unwrap();
        });
        Listener::on(&self.broker_url)
    }
}

fn outbound((number, message): (usize, &Message)) -> OutboundMessage {
    OutboundMessage {
        routing_key: message.routing_key.clone(),
        message_id: number.to_string(),
        content_type: message.content_type.clone(),
        headers: message.headers.clone(),
        body: message.body.clone(),
    }
}

/// A transaction that ends, undone, when it is dropped.
pub(crate) struct OpenTransaction {
    runtime: Runtime,
    connection: Option<PgConnection>,
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Where this fails the server is gone, and the transaction with it.
            self.runtime.block_on(connection.close()).ok();
        }
    }
}

/// Runs statements as the user of a database's URL.
pub(crate) fn run_as(url: &str, statements: &str) {
    blocking(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    });
}

/// Runs something asynchronous where a test stands.
pub(crate) fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
