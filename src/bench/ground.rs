//! What the benchmark runs on: private servers that sync what they commit, and for each measurement a ledger and
//! a queue of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::BenchError;
use super::database::Database;
use crate::broker::BrokerSettings;
use crate::config::Config;
use crate::ledger::settings::Settings;
use crate::sandbox::{Endpoints, Sandbox, SandboxOptions};
use crate::store::{Store, schema};

/// What the benchmark asks PostgreSQL to keep: when each transaction was committed, and how long syncs took.
const POSTGRES_SETTINGS: [&str; 2] = ["track_commit_timestamp = on", "track_wal_io_timing = on"];

/// Running servers.
pub(super) struct Ground {
    sandbox: Sandbox,
}

impl Ground {
    /// Starts the servers, by `executable`: a `creditd`.
    pub(super) fn start(executable: &Path, interrupted: &AtomicBool) -> Result<Self, BenchError> {
        let postgres_settings = POSTGRES_SETTINGS.map(str::to_owned).to_vec();
        let options = SandboxOptions { postgres_settings, ..SandboxOptions::default() };
        Ok(Self { sandbox: Sandbox::start_unless(executable, options, interrupted)? })
    }

    /// Makes a ledger, with a queue and exchanges of its own, all called `name`.
    pub(super) async fn field(&self, name: &str) -> Result<Field, BenchError> {
        let endpoints = self.sandbox.endpoints();
        let environment = environment(endpoints, name);
        let config = Config::load_from(None, environment.iter().cloned())?;
        schema::migrate(&config.database.schema, &config.database.users(), false).await?;
        Ok(Field {
            name: name.to_owned(),
            store: Store::new(&config.store_settings())?,
            database: Database::new(&endpoints.superuser_url, name)?,
            settings: Arc::new(config.ledger_settings()),
            broker: config.broker_settings()?,
            messages_max: config.batch.messages_max.into(),
            http_listen: endpoints.http_listen,
            environment,
        })
    }

    /// Stops the servers.
    pub(super) fn stop(self) -> Result<(), BenchError> {
        Ok(self.sandbox.stop()?)
    }
}

/// A ledger and its way in and out.
pub(super) struct Field {
    /// What its schema is called, and what its queues begin with.
    pub(super) name: String,
    pub(super) store: Store,
    pub(super) database: Database,
    pub(super) settings: Arc<Settings>,
    pub(super) broker: BrokerSettings,
    /// The most messages of a batch.
    pub(super) messages_max: usize,
    /// Where a daemon there answers HTTP.
    pub(super) http_listen: SocketAddr,
    /// What leads a daemon there.
    pub(super) environment: Vec<(String, String)>,
}

fn environment(endpoints: &Endpoints, name: &str) -> Vec<(String, String)> {
    let own = [
        ("CREDITD__DATABASE__SCHEMA", name.to_owned()),
        ("CREDITD__BROKER__QUEUE", format!("{name}.in")),
        ("CREDITD__BROKER__INBOUND_EXCHANGE", format!("{name}.projects")),
        ("CREDITD__BROKER__EVENTS_EXCHANGE", format!("{name}.events")),
    ];
    let all = endpoints.environment().into_iter().chain(own);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
