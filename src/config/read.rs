//! From merged layers to typed settings: what a value means, and what values must be among themselves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::connection_url::{ServerUrls, UrlError};
use super::layers::{self, Layers};
use super::mistake::{ConfigError, Mistake, Origin};
use super::{
    AlertsConfig, BatchConfig, BrokerConfig, Config, DatabaseConfig, HttpConfig, ReportConfig,
    RetentionConfig, Setting, Topology,
};
use crate::clock::Zone;
use crate::ledger::alert::{self, Rule, Severity};
use crate::ledger::settings::{Order, StatusRule};
use crate::logging::{self, LogConfig};

/// The longest stretch of time that a setting may name, in days: a hundred years.
const DAYS_MAX: u32 = 36_500;
/// The most statuses that a table may have; an upstream's vocabulary has some dozens.
const STATUSES_MAX: usize = 256;
/// The longest status, in characters.
const STATUS_CHARS_MAX: usize = 64;
/// The longest name of an exchange or queue in AMQP 0-9-1, in bytes.
const AMQP_NAME_BYTES_MAX: usize = 255;
/// The longest identifier of PostgreSQL, in bytes.
const SCHEMA_BYTES_MAX: usize = 63;

/// The merged settings as they are written. Numbers and types were held against the schema before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    order: Order,
    time_ahead_max_s: u32,
    database: WrittenDatabase,
    broker: WrittenBroker,
    batch: BatchConfig,
    lifecycle: WrittenLifecycle,
    alerts: WrittenAlerts,
    retention: RetentionConfig,
    http: WrittenHttp,
    report: WrittenReport,
    log: LogConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDatabase {
    #[serde(default, deserialize_with = "one_or_several")]
    url: Option<String>,
    url_file: Option<String>,
    #[serde(default, deserialize_with = "one_or_several")]
    owner_url: Option<String>,
    owner_url_file: Option<String>,
    #[serde(default, deserialize_with = "one_or_several")]
    reader_url: Option<String>,
    reader_url_file: Option<String>,
    schema: String,
    statement_timeout_s: u32,
    lock_timeout_s: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBroker {
    #[serde(default, deserialize_with = "one_or_several")]
    url: Option<String>,
    url_file: Option<String>,
    inbound_exchange: String,
    queue: String,
    events_exchange: String,
    topology: Topology,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLifecycle {
    statuses: Vec<StatusRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAlerts {
    rules: Vec<Rule>,
    #[serde(deserialize_with = "severity_or_off")]
    queue_blocked: Option<Severity>,
    #[serde(deserialize_with = "severity_or_off")]
    hold_stale: Option<Severity>,
    #[serde(deserialize_with = "severity_or_off")]
    pool_overcommitted: Option<Severity>,
    #[serde(deserialize_with = "severity_or_off")]
    grant_expiring: Option<Severity>,
    grant_warning_days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHttp {
    listen: String,
    tokens_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReport {
    timezone: String,
}

fn severity_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Severity>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum SeverityOrOff {
        Info,
        Warning,
        Critical,
        Off,
    }
    Ok(match SeverityOrOff::deserialize(deserializer)? {
        SeverityOrOff::Info => Some(Severity::Info),
        SeverityOrOff::Warning => Some(Severity::Warning),
        SeverityOrOff::Critical => Some(Severity::Critical),
        SeverityOrOff::Off => None,
    })
}

/// A URL, or a list of them, as one text with a line for each. What is wrong with it is said without it: it is secret.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let written = serde_json::Value::deserialize(deserializer)?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let several =
        |list: &Vec<_>| list.iter().map(text).collect::<Option<Vec<_>>>().map(|urls| urls.join("\n"));
    let read = text(&written).or_else(|| written.as_array().and_then(several));
    match read.is_some() || written.is_null() {
        true => Ok(read),
        false => Err(D::Error::custom("found something else, expected URLs in quotes")),
    }
}

/// Days, or the word for none; that it is one of both was held against the schema before.
pub(super) fn days_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum DaysOrOff {
        Days(u32),
        Off(String),
    }
    match DaysOrOff::deserialize(deserializer)? {
        DaysOrOff::Days(days) => Ok(Some(days)),
        DaysOrOff::Off(word) if word == layers::OFF => Ok(None),
        DaysOrOff::Off(word) => Err(D::Error::custom(format!("found {word:?}, expected days or \"off\""))),
    }
}

/// Types the merged settings and checks them, or tells everything that is wrong.
pub(super) fn config(layers: &Layers) -> Result<Config, ConfigError> {
    let written: Written = serde_path_to_error::deserialize(&layers.merged).map_err(|error| {
        let key = error.path().to_string();
        let origin = Some(layers.origin(&key));
        Mistake { key, origin, message: error.into_inner().to_string() }
    })?;

    let mut checker = Checker { layers, mistakes: Vec::new(), urls: Vec::new() };
    let Urls { database, owner, reader, broker } = checker.all_urls(&written);
    checker.schema(&written.database.schema);
    checker.broker_names(&written.broker);
    checker.statuses(&written.lifecycle.statuses);
    let rules = alert::check_rules(&written.alerts.rules);
    checker.check("alerts.rules", rules.map_err(|error| error.to_string()));
    let level = logging::check_level(&written.log.level);
    checker.check("log.level", level.map_err(|error| error.to_string()));
    let listen = checker.address_or_off("http.listen", &written.http.listen);
    let timezone = checker.timezone(&written.report.timezone);

    let Checker { mistakes, urls, .. } = checker;
    let (Some(url), Some(timezone), true) = (database, timezone, mistakes.is_empty()) else {
        return Err(ConfigError { mistakes });
    };
    Ok(Config {
        database: DatabaseConfig {
            url,
            owner_url: owner,
            reader_url: reader,
            schema: written.database.schema,
            statement_timeout_s: written.database.statement_timeout_s,
            lock_timeout_s: written.database.lock_timeout_s,
        },
        broker: BrokerConfig {
            url: broker,
            inbound_exchange: written.broker.inbound_exchange,
            queue: written.broker.queue,
            events_exchange: written.broker.events_exchange,
            topology: written.broker.topology,
        },
        order: written.order,
        time_ahead_max_s: written.time_ahead_max_s,
        batch: written.batch,
        statuses: written.lifecycle.statuses,
        alerts: AlertsConfig {
            rules: written.alerts.rules.into(),
            queue_blocked: written.alerts.queue_blocked,
            hold_stale: written.alerts.hold_stale,
            pool_overcommitted: written.alerts.pool_overcommitted,
            grant_expiring: written.alerts.grant_expiring,
            grant_warning_days: written.alerts.grant_warning_days,
        },
        retention: written.retention,
        http: HttpConfig { listen, tokens_file: path(&written.http.tokens_file) },
        report: ReportConfig { timezone },
        log: written.log,
        in_force: shown(layers, urls),
    })
}

/// The file of tokens, whatever else is set.
pub(super) fn tokens_file(layers: &Layers) -> Option<PathBuf> {
    let setting = layers.settings().remove("http.tokens_file");
    let text = setting.as_ref().and_then(serde_json::Value::as_str);
    text.and_then(path)
}

/// A path, or nothing where it is empty.
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// The servers' URLs, as far as they are given and right.
struct Urls {
    database: Option<ServerUrls>,
    owner: Option<ServerUrls>,
    reader: Option<ServerUrls>,
    broker: Option<ServerUrls>,
}

/// All settings for people to see. `urls` stand in for the secrets that they are made of.
fn shown(layers: &Layers, urls: Vec<Setting>) -> Vec<Setting> {
    let plain = layers.settings().into_iter().filter(|(key, _)| !layers::is_secret(key));
    let with_origin = |(key, value): (String, _)| {
        let origin = layers.origin(&key);
        Setting { key, value, origin }
    };
    let mut settings: Vec<_> = plain.map(with_origin).chain(urls).collect();
    settings.sort_by(|left, right| left.key.cmp(&right.key));
    settings
}

/// The mistake of a secret that must be given and isn't.
pub(super) fn not_set(key: &str) -> Mistake {
    let message = format!(
        "not set; expected it here, in {key}_file, or in the variable {} or {}",
        layers::variable_name(key),
        layers::variable_name(&format!("{key}_file")),
    );
    Mistake { key: key.to_owned(), origin: None, message }
}

/// Checks values one after the other, and remembers what was wrong.
struct Checker<'l> {
    layers: &'l Layers,
    mistakes: Vec<Mistake>,
    /// The URLs that were found right, fit to be shown.
    urls: Vec<Setting>,
}

impl Checker<'_> {
    fn wrong(&mut self, key: &str, message: String) {
        let origin = Some(self.layers.origin(key));
        self.mistakes.push(Mistake { key: key.to_owned(), origin, message });
    }

    fn check(&mut self, key: &str, result: Result<(), String>) {
        if let Err(message) = result {
            self.wrong(key, message);
        }
    }

    /// All URLs. Only the daemon's database is needed by every command.
    fn all_urls(&mut self, written: &Written) -> Urls {
        let written_database = &written.database;
        let WrittenDatabase { url, url_file, owner_url, owner_url_file, .. } = written_database;
        let WrittenDatabase { reader_url, reader_url_file, .. } = written_database;
        if url.is_none() && url_file.is_none() {
            self.mistakes.push(not_set("database.url"));
        }
        let mut postgres = |key: &str, url: &Option<String>, file: &Option<String>| {
            self.url(key, url.as_ref(), file.as_ref(), ServerUrls::postgres)
        };
        let database = postgres("database.url", url, url_file);
        let owner = postgres("database.owner_url", owner_url, owner_url_file);
        let reader = postgres("database.reader_url", reader_url, reader_url_file);
        let WrittenBroker { url, url_file, .. } = &written.broker;
        let broker = self.url("broker.url", url.as_ref(), url_file.as_ref(), ServerUrls::amqp);
        Urls { database, owner, reader, broker }
    }

    /// The URLs at `key`, or in the file that `key_file` names.
    fn url(
        &mut self,
        key: &str,
        direct: Option<&String>,
        file: Option<&String>,
        parse: fn(&str) -> Result<ServerUrls, UrlError>,
    ) -> Option<ServerUrls> {
        let file_key = format!("{key}_file");
        let (text, origin) = match (direct, file) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                let other = self.layers.origin(&file_key);
                self.wrong(key, format!("{file_key} (from {other}) is set too; remove one of them"));
                return None;
            }
            (Some(text), None) => (text.clone(), self.layers.origin(key)),
            // A URL where its file was to be named. It may have a password.
            (None, Some(path)) if path.contains("://") => {
                self.wrong(&file_key, format!("found a URL, expected the path of a file; {key} takes a URL"));
                return None;
            }
            (None, Some(path)) => match layers::read(Path::new(path)) {
                Ok(text) => (text, Origin::File(path.into())),
                Err(message) => {
                    self.wrong(&file_key, format!("{path} {message}"));
                    return None;
                }
            },
        };
        match parse(&text) {
            Ok(url) => {
                let value = url.to_string().into();
                self.urls.push(Setting { key: key.to_owned(), value, origin });
                Some(url)
            }
            Err(error) => {
                let mistake =
                    Mistake { key: key.to_owned(), origin: Some(origin), message: error.to_string() };
                self.mistakes.push(mistake);
                None
            }
        }
    }

    fn schema(&mut self, schema: &str) {
        let is_first = |first: char| first.is_ascii_lowercase() || first == '_';
        let is_rest = |rest: char| is_first(rest) || rest.is_ascii_digit();
        let is_identifier = schema.starts_with(is_first) && schema.chars().all(is_rest);
        if is_identifier && schema.len() <= SCHEMA_BYTES_MAX && !schema.starts_with("pg_") {
            return;
        }
        let expected = "1 to 63 of a-z 0-9 _, not beginning with a digit or pg_";
        self.wrong("database.schema", format!("found {schema:?}, expected {expected}"));
    }

    fn broker_names(&mut self, broker: &WrittenBroker) {
        let names = [
            ("broker.inbound_exchange", &broker.inbound_exchange),
            ("broker.queue", &broker.queue),
            ("broker.events_exchange", &broker.events_exchange),
        ];
        for (key, name) in names {
            let is_sound =
                (1..=AMQP_NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control);
            if !is_sound || name.starts_with("amq.") {
                let expected = "1 to 255 bytes without control characters, not beginning with amq.";
                self.wrong(key, format!("found {name:?}, expected {expected}"));
            }
        }
        if broker.inbound_exchange == broker.events_exchange {
            let message = "is broker.inbound_exchange too; creditd would read its own events".to_owned();
            self.wrong("broker.events_exchange", message);
        }
    }

    fn statuses(&mut self, statuses: &[StatusRule]) {
        if !(1..=STATUSES_MAX).contains(&statuses.len()) {
            let message = format!("found {} statuses, expected 1 to {STATUSES_MAX}", statuses.len());
            self.wrong("lifecycle.statuses", message);
        }
        for (place, rule) in statuses.iter().enumerate() {
            let status = &*rule.status;
            let key = format!("lifecycle.statuses[{place}].status");
            let is_sound = (1..=STATUS_CHARS_MAX).contains(&status.chars().count());
            if !is_sound || status.contains(char::is_control) {
                let expected = "1 to 64 characters, none of them a control character";
                self.wrong(&key, format!("found {status:?}, expected {expected}"));
            }
            if let Some(days) = rule.stale_after_days {
                self.days(&format!("lifecycle.statuses[{place}].stale_after_days"), days);
            }
            if statuses[..place].iter().any(|earlier| earlier.status == rule.status) {
                self.wrong(&key, format!("found {status:?} again, expected each status once"));
            }
        }
    }

    fn days(&mut self, key: &str, days: u32) {
        if !(1..=DAYS_MAX).contains(&days) {
            self.wrong(key, format!("found {days}, expected 1 to {DAYS_MAX} days"));
        }
    }

    fn address_or_off(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        if text == layers::OFF {
            return None;
        }
        let address = text.parse().ok();
        if address.is_none() {
            let expected = format!("an address and a port such as 127.0.0.1:8080, or \"{}\"", layers::OFF);
            self.wrong(key, format!("found {text:?}, expected {expected}"));
        }
        address
    }

    fn timezone(&mut self, name: &str) -> Option<Zone> {
        Zone::parse(name).map_err(|error| self.wrong("report.timezone", error.to_string())).ok()
    }
}
