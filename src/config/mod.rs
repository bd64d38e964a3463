//! Settings: typed, and checked as a whole before anything starts.
//!
//! They come in three layers, the nearer over the farther: the built-in copy of `config/creditd.toml`, the
//! file given with `--config`, environment variables. What each key means is said in that file.

mod connection_url;
mod exposed;
mod layers;
mod mistake;
mod read;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::access::{self, Tokens};
use crate::clock::Zone;
use crate::ledger::alert::{Rule, Severity};
use crate::ledger::moment::Micros;
use crate::ledger::settings::{Order, Settings, StatusRule};
use crate::logging::LogConfig;

pub use connection_url::{ConnectionUrl, ServerUrls, UrlError};
pub use exposed::closed_to_others;
pub use mistake::{ConfigError, Mistake, Origin};

/// All settings, valid by themselves: what only a server can tell is not known yet.
#[derive(Clone, Debug)]
pub struct Config {
    /// PostgreSQL.
    pub database: DatabaseConfig,
    /// RabbitMQ.
    pub broker: BrokerConfig,
    /// What makes one message newer than another.
    pub order: Order,
    /// How many seconds a message's time may be ahead of the clock before it is parked.
    pub time_ahead_max_s: u32,
    /// How messages are taken together.
    pub batch: BatchConfig,
    /// What the upstream's statuses do, in the order of a project's life. Unique, and at least one.
    pub statuses: Vec<StatusRule>,
    /// What is raised when credits run low.
    pub alerts: AlertsConfig,
    /// How long what nobody needs any more is kept.
    pub retention: RetentionConfig,
    /// Where health and reports are served, and to whom.
    pub http: HttpConfig,
    /// How reports reckon.
    pub report: ReportConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    in_force: Vec<Setting>,
}

/// The PostgreSQL server and the ledger's schema in it.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The servers as the daemon's user; always names a user and a database.
    pub url: ServerUrls,
    /// The servers as the owner of the tables, for `migrate`. `None`: `url` is the owner's too.
    pub owner_url: Option<ServerUrls>,
    /// The servers as a user who only reads, whom `migrate` makes and grants. `None`: there is none.
    pub reader_url: Option<ServerUrls>,
    /// The schema: an identifier of lowercase letters, digits and underscores, at most 63, not `pg_...`.
    pub schema: String,
    /// Seconds after which the server ends a statement.
    pub statement_timeout_s: u32,
    /// Seconds after which the server ends a wait for a lock.
    pub lock_timeout_s: u32,
}

/// The RabbitMQ server and the names that creditd uses on it.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    url: Option<ServerUrls>,
    /// The topic exchange that project messages are published to.
    pub inbound_exchange: String,
    /// The queue that they are read from.
    pub queue: String,
    /// The topic exchange that events are published to.
    pub events_exchange: String,
    /// Whether creditd makes what is missing.
    pub topology: Topology,
}

impl BrokerConfig {
    /// The servers. Only commands that talk to one need it, so only they are refused where it isn't set.
    pub fn url(&self) -> Result<&ServerUrls, ConfigError> {
        self.url.as_ref().ok_or_else(|| read::not_set("broker.url").into())
    }
}

/// Who makes exchanges and queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// creditd does, where they are missing.
    Declare,
    /// Somebody else does; creditd says which is missing, and waits for it.
    Check,
}

/// How messages are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// The most messages that one transaction takes, 1 to 5000.
    pub messages_max: u16,
}

/// What is raised when credits run low.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertsConfig {
    /// The rules of who has none of their own; checked as a list.
    pub rules: Arc<[Rule]>,
    /// How severe it is that work waits for credits; `None` for no alert, here and below.
    pub queue_blocked: Option<Severity>,
    /// How severe it is that a hold is stale.
    pub hold_stale: Option<Severity>,
    /// How severe it is that more of a pool was promised than it has.
    pub pool_overcommitted: Option<Severity>,
    /// How severe it is that a grant is about to expire.
    pub grant_expiring: Option<Severity>,
    /// How many days before it expires a grant is warned of.
    pub grant_warning_days: u32,
}

/// How long what nobody needs any more is kept, in days, 1 to 36500; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Inbox rows of project messages.
    #[serde(deserialize_with = "read::days_or_off")]
    pub inbox_days: Option<u32>,
    /// Parked messages that were dealt with.
    #[serde(deserialize_with = "read::days_or_off")]
    pub parked_done_days: Option<u32>,
    /// Notices that were published.
    #[serde(deserialize_with = "read::days_or_off")]
    pub notices_days: Option<u32>,
}

/// Where health and reports are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The file of tokens. `None`: no token is asked for, which [`Config::tokens`] refuses beyond loopback.
    pub tokens_file: Option<PathBuf>,
}

/// How reports reckon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportConfig {
    /// Whose days and months they go by.
    pub timezone: Zone,
}

/// A setting in force, fit to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The key as it is typed in a file.
    pub key: String,
    /// Its value, without any password.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Reads the settings from `file`, if one is given, and the environment of this process.
    ///
    /// The error tells all that is wrong with them, each with its key and origin.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(file, environment()?.into_iter())
    }

    /// As [`Config::load`], from the environment given.
    pub fn load_from(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        read::config(&layers::Layers::gather(file, environment)?)
    }

    /// The file of tokens that the settings name, for commands that need nothing else: the other settings must
    /// only have the right form.
    pub fn tokens_file(file: Option<&Path>) -> Result<Option<PathBuf>, ConfigError> {
        let layers = layers::Layers::gather(file, environment()?.into_iter())?;
        Ok(read::tokens_file(&layers))
    }

    /// The tokens without which nobody is served; `None` where everyone is: on loopback without a file of
    /// tokens, and where nothing is served at all.
    ///
    /// Only the daemon serves, so only it is refused where the file can't be used, or where an address beyond
    /// loopback has no tokens.
    pub fn tokens(&self) -> Result<Option<Tokens>, ConfigError> {
        let mistake = |key: &str, message: String| -> ConfigError {
            Mistake { key: key.to_owned(), origin: self.origin(key), message }.into()
        };
        let Some(listen) = self.http.listen else { return Ok(None) };
        let is_loopback = listen.ip().is_loopback();
        let Some(path) = &self.http.tokens_file else {
            if is_loopback {
                return Ok(None);
            }
            let found =
                format!("{listen} can be reached from other machines, and http.tokens_file names no tokens");
            let make = "make one by `creditd token new --scope all --file FILE`";
            let remedy = format!("{make} and set http.tokens_file to FILE, or listen on 127.0.0.1");
            return Err(mistake("http.listen", format!("{found}; {remedy}")));
        };
        let set = access::read(path).map_err(|error| mistake("http.tokens_file", error.to_string()))?;
        if set.entries().is_empty() && !is_loopback {
            let found = format!("{} has no token, so nobody could be served", path.display());
            let remedy = "`creditd token new --scope all` adds one";
            return Err(mistake("http.tokens_file", format!("{found}; {remedy}")));
        }
        Ok(Some(Tokens::new(set)))
    }

    /// All settings that have a value, sorted by key, with passwords left out.
    pub fn in_force(&self) -> &[Setting] {
        &self.in_force
    }

    /// Where the value at `key` came from; `None` where it has none.
    pub fn origin(&self, key: &str) -> Option<Origin> {
        let setting = self.in_force.iter().find(|setting| setting.key == key);
        setting.map(|setting| setting.origin.clone())
    }

    /// The settings that decide what messages do.
    pub fn ledger_settings(&self) -> Settings {
        Settings {
            order: self.order,
            statuses: self.statuses.clone(),
            alert_rules: self.alerts.rules.clone(),
            queue_blocked: self.alerts.queue_blocked,
            hold_stale: self.alerts.hold_stale,
            pool_overcommitted: self.alerts.pool_overcommitted,
            grant_expiring: self.alerts.grant_expiring,
            grant_warning: Micros::from_days(self.alerts.grant_warning_days),
            time_ahead_max: Micros::from_seconds(self.time_ahead_max_s),
        }
    }
}

/// The environment of this process, as far as it is text.
fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut environment = Vec::new();
    for (name, value) in std::env::vars_os() {
        // A name that isn't Unicode can't be ours.
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            Err(_) if name.starts_with(layers::PREFIX) => return Err(not_unicode(name).into()),
            Err(_) => {}
        }
    }
    Ok(environment)
}

fn not_unicode(variable: String) -> Mistake {
    let key = layers::key_of(&variable).unwrap_or_default();
    let message = "found bytes that aren't UTF-8, expected text".to_owned();
    Mistake { key, origin: Some(Origin::Environment(variable)), message }
}
