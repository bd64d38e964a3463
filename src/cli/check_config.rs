//! `creditd check-config`: what is in force and where it came from, or what is wrong and where.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::output::{Column, print, print_json, table};
use super::{CommandError, asynchronously, open_store_by, tell};
use crate::config::{Config, ConfigError, Mistake, Setting};
use crate::store::schema;

/// The exit code of a configuration that can't be used.
const WRONG_CONFIGURATION: u8 = 2;

/// Checks the settings as the daemon would read them, and, if it is to be strict, whether each server that they name lets
/// it in, as whom it would work, and who may read its secrets. Without that no server is asked. Exits with 2 if they
/// can't be used.
pub(super) fn run(file: Option<&Path>, strict: bool, json: bool) -> ExitCode {
    let checked = match load(file) {
        Ok(config) if strict => match asynchronously(as_deployed(&config)) {
            Ok(()) => Ok(config),
            Err(CommandError::Config(error)) => Err(error),
            Err(error) => return tell(&error),
        },
        checked => checked,
    };
    let (printed, code) = match checked {
        Ok(config) if json => (print_json(&valid_json(&config)), ExitCode::SUCCESS),
        Ok(config) => (print(&valid_text(file, &config)), ExitCode::SUCCESS),
        Err(error) if json => {
            let report = json!({ "valid": false, "mistakes": error.mistakes });
            (print_json(&report), ExitCode::from(WRONG_CONFIGURATION))
        }
        Err(error) => {
            eprintln!("{error}");
            (Ok(()), ExitCode::from(WRONG_CONFIGURATION))
        }
    };
    let Err(error) = printed else { return code };
    eprintln!("creditd: {error}");
    ExitCode::FAILURE
}

/// What only the machine and the servers can tell: whether every server that is named could be used, or stand in
/// for another one, and whether more can be done than the daemon does, by its user or by others.
async fn as_deployed(config: &Config) -> Result<(), CommandError> {
    let store = open_store_by(config).await?;
    let mistake =
        |key: &str, message: String| Mistake { key: key.to_owned(), origin: config.origin(key), message };
    let mut mistakes = Vec::new();
    if let Some(excess) = store.excess().await? {
        let message = format!("user {} {excess}: {}", store.role(), schema::EXCESS_REMEDY);
        mistakes.push(mistake("database.url", message));
    }
    for unreachable in store.unreachable_servers().await {
        mistakes.push(mistake("database.url", unreachable.to_string()));
    }
    for unreachable in config.broker_settings()?.unreachable_brokers().await {
        mistakes.push(mistake("broker.url", unreachable.to_string()));
    }
    mistakes.extend(config.exposed_secrets());
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigError { mistakes }.into()) }
}

/// The settings, if the daemon could start with them: it needs a broker, and tokens for those whom it serves;
/// other commands don't.
fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let config = Config::load(file)?;
    let broker = config.broker.url().err();
    let tokens = config.tokens().err();
    let mistakes: Vec<_> = broker.into_iter().chain(tokens).flat_map(|error| error.mistakes).collect();
    if mistakes.is_empty() { Ok(config) } else { Err(ConfigError { mistakes }) }
}

fn valid_json(config: &Config) -> Value {
    json!({ "valid": true, "settings": config.in_force() })
}

fn valid_text(file: Option<&Path>, config: &Config) -> String {
    let file = file.map(|path| format!(", {}", path.display())).unwrap_or_default();
    let columns = [Column::Left("SETTING"), Column::Left("VALUE"), Column::Left("FROM")];
    let row = |Setting { key, value, origin }: &Setting| vec![key.clone(), shown(value), origin.to_string()];
    let settings = table(&columns, config.in_force().iter().map(row));
    format!("configuration is valid: built-in defaults{file}, environment\n\n{settings}")
}

/// A text without its quotes, and each element of a list on a line of its own.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(elements) => elements.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => element(fields),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An element of a list, by its name: a status, or an alert rule.
fn element(fields: &Map<String, Value>) -> String {
    let is_name = |field: &str| matches!(field, "status" | "name");
    let (names, others): (Vec<_>, Vec<_>) = fields.iter().partition(|(field, _)| is_name(field));
    let name = names.first().map(|(_, name)| shown(name)).unwrap_or_default();
    let others = others.into_iter().map(|(field, value)| format!("{field} {}", shown(value)));
    format!("{name}: {}", others.collect::<Vec<_>>().join(", "))
}
