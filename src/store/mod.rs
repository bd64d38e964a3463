//! PostgreSQL. All SQL lives here; what crosses are the ledger's own types.
//!
//! Lock order: whoever writes the books locks the ledger's row before anything else, so these transactions come one
//! after the other: [`Store::begin`] before anything is read, a [`Draft`] with the statement that writes it all.
//! One process has one pipeline of drafts, each of which is sent when the one before is committed.
//! The relay's row and retention's are locked by nobody who holds that one.
//!
//! No database work is ever cancelled half-way (a cancelled `begin` could return a connection with an open
//! transaction to the pool): time limits are the server's, set on every connection.

mod batch;
mod cache;
mod comparison;
mod draft;
mod due;
mod error;
mod events;
mod figures;
mod history;
mod inbox;
mod load;
mod log;
mod parked;
mod parked_desk;
mod queue;
mod relay;
mod reports;
mod retention;
mod rows;
mod save;
pub mod schema;
mod servers;
mod snapshot;
mod standing;
mod usage;
mod verify;
mod versions;
mod writes;

use std::sync::Arc;
use std::time::Duration;

pub use batch::{Batch, Decided, Received};
pub use cache::{Cache, Undo};
pub use comparison::Comparison;
pub use draft::{Draft, Load, Underway, Writing};
pub use error::{Remedy, StoreError};
pub use events::{LogFilter, Span};
pub use history::{AccountStretch, ProjectStanding, Stretch, WriterFate};
pub use inbox::{Discarded, InboxRow, Repeated, Said};
pub use log::{LogKind, LogLine};
pub use parked::{OffersCounted, Parcel, ParkedRow};
pub use parked_desk::{Desk, Discard, OfferResult, ParkedFilter, ParkedSummary, ReasonCount};
pub(crate) use queue::unblocking;
pub use queue::{ClaimFilter, ClaimRow, LoadedQueue, QueueReport, UnblockingRow};
pub use relay::{Lease, RelayStatus};
pub use reports::{
    AccountFilter, AccountRow, AlertCounts, GrantRow, InUse, MessageFate, OrganizationRow,
    OrganizationSummary, PriceListRow, ProjectFilter, ProjectRow, RaisedFilter, RaisedRow, RulesOf, RulesRow,
    WaitingMember, WaitingQueue, WaitingQueues,
};
pub use retention::{Removable, Removed};
use secrecy::SecretString;
use servers::Servers;
pub use snapshot::Snapshot;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
pub use standing::{OverLimit, ParkedGroup, Standing, Waiting};
pub use usage::{
    AssetFigures, BriefedFigures, DayFigures, MovedFigures, ProjectEntriesFilter, ProjectEntry,
    ProjectFigures, ProjectInFull, UsageEntry, UsageOrder, UsageStretch,
};
pub use verify::{Finding, Progress, Verification};

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// As whom, and where: at least one server, of which the first that takes writes is used.
    pub urls: Vec<SecretString>,
    /// The schema that is the ledger.
    pub schema: String,
    /// How long a statement may take before the server ends it.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock before the server ends it.
    pub lock_timeout: Duration,
    /// How many connections are opened at most.
    pub connections_max: u32,
}

/// How long to wait for a connection before the server counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was used less than so long ago is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A ledger in PostgreSQL.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    servers: Arc<Servers>,
    schema: String,
}

impl Store {
    /// A store that connects when it is first used.
    pub fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let statement_ms = settings.statement_timeout.as_millis().to_string();
        let lock_ms = settings.lock_timeout.as_millis().to_string();
        let servers = Servers::of(&settings.urls, |options: PgConnectOptions| {
            options.application_name("creditd").options([
                ("search_path", settings.schema.as_str()),
                ("statement_timeout", &statement_ms),
                ("lock_timeout", &lock_ms),
                // Compiling a plan takes longer than all that is done here runs.
                ("jit", "off"),
                ("idle_in_transaction_session_timeout", &statement_ms),
            ])
        })?;
        let pool = servers.pool(
            PgPoolOptions::new()
                .max_connections(settings.connections_max)
                .after_connect(|connection, _| Box::pin(await_standbys_without_end(connection))),
        );
        Ok(Self { pool, servers: Arc::new(servers), schema: settings.schema.clone() })
    }

    /// The same ledger by at most `connections_max` connections of its own, for those who only read.
    #[must_use]
    pub fn for_readers(&self, connections_max: u32) -> Self {
        let pool = self.servers.pool(PgPoolOptions::new().max_connections(connections_max));
        Self { pool, servers: self.servers.clone(), schema: self.schema.clone() }
    }

    /// Looks which server takes writes, where there are several, and has this store and its readers' connect to that
    /// one from now on. To be called when the one that did is lost.
    pub async fn find_server(&self) -> Result<(), StoreError> {
        self.servers.find().await
    }

    /// Why each of the servers that give no connection gives none, in their order. One that only reads is fine: it may
    /// have to stand in.
    pub async fn unreachable_servers(&self) -> Vec<StoreError> {
        self.servers.unreachable_ones().await
    }

    /// Whether a commit of this role has waited for `long` for a synchronous standby, as it does for as long as none
    /// answers.
    pub async fn waits_for_standby(&self, long: Duration) -> Result<bool, StoreError> {
        let waits = sqlx::query_scalar!(
            r#"select exists (select from pg_stat_activity
                               where usename = current_user and datname = current_database()
                                 and wait_event = 'SyncRep'
                                 and state_change < clock_timestamp() - $1::interval) as "waits!""#,
            relay::interval(long),
        );
        Ok(waits.fetch_one(&self.pool).await?)
    }

    /// Checks that the server can be reached and that the schema fits this program.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.find_server().await?;
        let mut connection = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.unreachable(error).await),
        };
        schema::check(&mut connection, &self.schema).await
    }

    /// What this role may do to entries beyond reading and adding them.
    pub async fn excess(&self) -> Result<Option<schema::Excess>, StoreError> {
        schema::excess(&mut *self.pool.acquire().await?).await
    }

    /// The role that the store is used by.
    pub fn role(&self) -> &str {
        self.servers.first().get_username()
    }

    /// The pool only says that it took too long: who was asked, and what came of it, is said by asking once
    /// more.
    async fn unreachable(&self, error: sqlx::Error) -> StoreError {
        let options = self.pool.connect_options();
        let error = match error {
            sqlx::Error::PoolTimedOut => match servers::connect(&options).await {
                Ok(connection) => {
                    connection.close().await.ok();
                    sqlx::Error::PoolTimedOut
                }
                Err(reason) => reason,
            },
            other => other,
        };
        self.servers.unreachable(&options, error)
    }

    /// The schema that is the ledger.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Closes all connections once they are given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Has a commit wait for synchronous standbys, where the server has them, however long that takes. A server whose
/// time limit ends that wait says that all is well, though what was committed would be lost with it.
async fn await_standbys_without_end(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let asked = "select set_config('statement_timeout', '0', false)
                  where current_setting('synchronous_standby_names') <> ''";
    sqlx::query(asked).execute(connection).await.map(drop)
}
