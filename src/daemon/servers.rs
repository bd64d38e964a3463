//! How the servers are reached, by the settings.

use std::time::Duration;

use crate::broker::{self, BrokerSettings};
use crate::config::{Config, ConfigError, DatabaseConfig, ServerUrls, Topology};
use crate::store::{StoreSettings, schema};

/// Two batches of the apply loop, the relay, retention, and one for looking.
const CONNECTIONS_MAX: u32 = 5;

impl Config {
    /// How to reach the ledger as the daemon's role.
    pub fn store_settings(&self) -> StoreSettings {
        StoreSettings {
            urls: self.database.url.secrets(),
            schema: self.database.schema.clone(),
            statement_timeout: Duration::from_secs(self.database.statement_timeout_s.into()),
            lock_timeout: Duration::from_secs(self.database.lock_timeout_s.into()),
            connections_max: CONNECTIONS_MAX,
        }
    }

    /// How to reach the broker, and what is used there.
    pub fn broker_settings(&self) -> Result<BrokerSettings, ConfigError> {
        Ok(BrokerSettings {
            urls: self.broker.url()?.secrets(),
            inbound_exchange: self.broker.inbound_exchange.clone(),
            queue: self.broker.queue.clone(),
            events_exchange: self.broker.events_exchange.clone(),
            topology: match self.broker.topology {
                Topology::Declare => broker::Topology::Declare,
                Topology::Check => broker::Topology::Check,
            },
            // Three maximal batches: one is written while another is decided, and the next gathers.
            prefetch: self.batch.messages_max.saturating_mul(3),
        })
    }
}

impl DatabaseConfig {
    /// As whom the schema is made, and for whom.
    pub fn users(&self) -> schema::Users {
        schema::Users {
            runtime: self.url.secrets(),
            owner: self.owner_url.as_ref().map(ServerUrls::secrets),
            reader: self.reader_url.as_ref().map(ServerUrls::secrets),
        }
    }
}
