//! The layers that settings come from, one over the other: built in, file, environment.
//!
//! The `config` crate parses and merges. It is lenient where a daemon should not be: it reads `true` as 1 and
//! 2.5 as 3, skips variables that it doesn't know, and blames "the environment" as a whole. So each layer is
//! held against the built-in one before they are merged, and every mistake is told with its key and origin.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::mistake::{ConfigError, Mistake, Origin};

/// The commented default, which is also the list of all keys and their types.
const BUILT_IN: &str = include_str!("../../config/creditd.toml");
/// What the name of an environment variable that sets a key begins with.
pub(super) const PREFIX: &str = "CREDITD__";
/// Keys that have no default.
const WITHOUT_DEFAULT: [&str; 8] = [
    "broker.url",
    "broker.url_file",
    "database.owner_url",
    "database.owner_url_file",
    "database.reader_url",
    "database.reader_url_file",
    "database.url",
    "database.url_file",
];
/// What each number may be. Seconds and days are bounded where a longer one is surely a slip.
const RANGES: [(&str, RangeInclusive<i64>); 8] = [
    ("alerts.grant_warning_days", 1..=36_500),
    ("batch.messages_max", 1..=5000),
    ("database.lock_timeout_s", 1..=3600),
    ("database.statement_timeout_s", 1..=3600),
    ("retention.inbox_days", 1..=36_500),
    ("retention.notices_days", 1..=36_500),
    ("retention.parked_done_days", 1..=36_500),
    ("time_ahead_max_s", 0..=86_400),
];
/// Numbers that can be switched off by the word. Not by 0: for days to keep something, that could as well mean
/// to keep nothing.
const CAN_BE_OFF: [&str; 3] =
    ["retention.inbox_days", "retention.notices_days", "retention.parked_done_days"];
/// What switches them off.
pub(super) const OFF: &str = "off";
/// A file of settings is a few kilobytes; this only keeps a slip from filling the memory.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a key takes.
enum Kind {
    Whole(RangeInclusive<i64>),
    WholeOrOff(RangeInclusive<i64>),
    Text,
    TextOrList,
    List,
}

impl Kind {
    fn expected(&self) -> String {
        match self {
            Kind::Whole(range) => format!("a whole number, {} to {}", range.start(), range.end()),
            Kind::WholeOrOff(range) => {
                format!("a whole number, {} to {}, or \"{OFF}\"", range.start(), range.end())
            }
            Kind::Text => "a text in quotes".to_owned(),
            Kind::TextOrList => "a text in quotes, or a list of them".to_owned(),
            Kind::List => "a list".to_owned(),
        }
    }

    fn takes(&self, value: &ValueKind) -> bool {
        match (self, value) {
            (Kind::Whole(range) | Kind::WholeOrOff(range), ValueKind::I64(number)) => range.contains(number),
            (Kind::WholeOrOff(_), ValueKind::String(text)) => text == OFF,
            (Kind::Text | Kind::TextOrList, ValueKind::String(_))
            | (Kind::List | Kind::TextOrList, ValueKind::Array(_)) => true,
            _ => false,
        }
    }
}

/// All keys, and what each takes.
struct Schema(BTreeMap<String, Kind>);

impl Schema {
    fn of(built_in: &BTreeMap<String, ValueKind>) -> Self {
        let kind = |key: &str, value: &ValueKind| match value {
            ValueKind::Array(_) => Kind::List,
            ValueKind::String(_) => Kind::Text,
            _ if CAN_BE_OFF.contains(&key) => Kind::WholeOrOff(range_of(key)),
            _ => Kind::Whole(range_of(key)),
        };
        let mut kinds: BTreeMap<_, _> =
            built_in.iter().map(|(key, value)| (key.clone(), kind(key, value))).collect();
        let without_default =
            |key: &str| (key.to_owned(), if is_secret(key) { Kind::TextOrList } else { Kind::Text });
        kinds.extend(WITHOUT_DEFAULT.map(without_default));
        Self(kinds)
    }

    fn has_section(&self, name: &str) -> bool {
        self.0.keys().any(|key| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// What is wrong with `value` at `key`, if anything is.
    fn mistake(&self, key: &str, value: &ValueKind) -> Option<String> {
        if let Some(kind) = self.0.get(key) {
            let expected = kind.expected();
            let found = if is_secret(key) { "something else".to_owned() } else { described(value) };
            return (!kind.takes(value)).then(|| format!("found {found}, expected {expected}"));
        }
        if self.has_section(key) {
            let is_section = matches!(value, ValueKind::Table(_));
            return (!is_section)
                .then(|| format!("found {}, expected the section [{key}]", described(value)));
        }
        Some(self.unknown(key))
    }

    fn unknown(&self, key: &str) -> String {
        let distance = |known: &&String| edit_distance(known, key);
        let nearest = self.0.keys().min_by_key(distance).filter(|known| distance(known) <= 3);
        match nearest {
            Some(known) => format!("no such setting; did you mean {known}?"),
            None => "no such setting; config/creditd.toml lists them all".to_owned(),
        }
    }
}

fn range_of(key: &str) -> RangeInclusive<i64> {
    let known = RANGES.iter().find(|(name, _)| *name == key);
    known.map(|(_, range)| range.clone()).expect("a test holds every number's range against the default file")
}

/// Whether the value at `key` must not be shown.
pub(super) fn is_secret(key: &str) -> bool {
    key.ends_with("url")
}

fn described(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(value) => value.to_string(),
        ValueKind::I64(value) => value.to_string(),
        ValueKind::I128(value) => value.to_string(),
        ValueKind::U64(value) => value.to_string(),
        ValueKind::U128(value) => value.to_string(),
        ValueKind::Float(value) => value.to_string(),
    }
}

/// How many characters must be added, removed or replaced to get from one to the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, from_char) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for (column, to_char) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(from_char != *to_char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The merged settings, and where each that is not built in came from.
pub(super) struct Layers {
    pub(super) merged: serde_json::Value,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads and merges the layers, or tells everything that doesn't fit.
    pub(super) fn gather(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let built_in = toml(BUILT_IN).collect().expect("a test parses the built-in settings");
        let schema = Schema::of(&leaves(built_in));
        let mut builder = config::Config::builder().add_source(toml(BUILT_IN));
        let mut origins = BTreeMap::new();
        let mut mistakes = Vec::new();

        if let Some(path) = file {
            let origin = Origin::File(path.to_owned());
            let text = read(path).map_err(|message| at_file(&origin, message))?;
            let found = toml(&text).collect().map_err(|error| at_file(&origin, without_source(&error)))?;
            for (key, value) in leaves(found) {
                match schema.mistake(&key, &value) {
                    Some(message) => mistakes.push(Mistake { key, origin: Some(origin.clone()), message }),
                    None => drop(origins.insert(key, origin.clone())),
                }
            }
            builder = builder.add_source(toml(&text));
        }

        for (name, text) in environment.filter(|(_, text)| !text.is_empty()) {
            let (key, value) = match variable(&schema, &name, text) {
                Ok(Some(setting)) => setting,
                Ok(None) => continue,
                Err(mistake) => {
                    mistakes.push(mistake);
                    continue;
                }
            };
            builder = builder.set_override(&key, value).expect("a known key is a valid path");
            origins.insert(key, Origin::Environment(name));
        }

        if !mistakes.is_empty() {
            return Err(ConfigError { mistakes });
        }
        let merged = builder.build().and_then(config::Config::try_deserialize);
        let merged = merged.expect("every layer was parsed before, and any of their values is a JSON value");
        Ok(Self { merged, origins })
    }

    /// Where the value of `key`, which may be a place in a list, came from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let whole = key.split('[').next().unwrap_or(key);
        self.origins.get(whole).cloned().unwrap_or(Origin::BuiltIn)
    }

    /// All settings that have a value, by key.
    pub(super) fn settings(&self) -> BTreeMap<String, serde_json::Value> {
        let mut settings = BTreeMap::new();
        for (name, value) in self.merged.as_object().into_iter().flatten() {
            let Some(section) = value.as_object() else {
                settings.insert(name.clone(), value.clone());
                continue;
            };
            let keys = section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone()));
            settings.extend(keys);
        }
        settings
    }
}

fn toml(text: &str) -> File<config::FileSourceString, FileFormat> {
    File::from_str(text, FileFormat::Toml)
}

fn at_file(origin: &Origin, message: String) -> Mistake {
    Mistake { key: String::new(), origin: Some(origin.clone()), message }
}

/// The content of the text file at `path`, or a sentence that says why not.
pub(super) fn read(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("can't be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes; is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|_| "isn't UTF-8 text".to_owned())
}

/// A TOML error without the lines that it quotes: one of them may hold a password.
fn without_source(error: &config::ConfigError) -> String {
    let text = match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let is_quote = |line: &&str| !line.contains('|');
    text.lines().filter(is_quote).collect::<Vec<_>>().join(": ")
}

/// Every value in `table` that is no section with something in it, by its key.
fn leaves(table: Map<String, Value>) -> BTreeMap<String, ValueKind> {
    let mut found = BTreeMap::new();
    for (name, value) in table {
        match value.kind {
            ValueKind::Table(section) if !section.is_empty() => {
                let below = leaves(section).into_iter().map(|(key, value)| (format!("{name}.{key}"), value));
                found.extend(below);
            }
            other => drop(found.insert(name, other)),
        }
    }
    found
}

/// The setting that an environment variable makes: none where it isn't one of creditd's.
fn variable(schema: &Schema, name: &str, text: String) -> Result<Option<(String, ValueKind)>, Mistake> {
    let mistake = |key: String, message: String| {
        let origin = Some(Origin::Environment(name.to_owned()));
        Err(Mistake { key, origin, message })
    };
    let Some(key) = key_of(name) else {
        // CREDITD_DATABASE_URL looks right and would set nothing. Other programs may use CREDITD_... freely.
        return match schema.0.keys().find(|key| squeezed(&variable_name(key)) == squeezed(name)) {
            Some(key) => mistake(key.clone(), format!("sets nothing; did you mean {}?", variable_name(key))),
            None => Ok(None),
        };
    };
    let Some(kind) = schema.0.get(&key) else {
        let message = schema.unknown(&key);
        return mistake(key, message);
    };
    let value = match kind {
        Kind::Text | Kind::TextOrList => ValueKind::String(text),
        Kind::Whole(_) | Kind::WholeOrOff(_) => text.parse().map_or(ValueKind::String(text), ValueKind::I64),
        Kind::List => return mistake(key, "a list can't be set by a variable; use --config FILE".to_owned()),
    };
    match schema.mistake(&key, &value) {
        Some(message) => mistake(key, message),
        None => Ok(Some((key, value))),
    }
}

/// The key that an environment variable sets, whether or not there is such a key.
pub(super) fn key_of(variable: &str) -> Option<String> {
    variable.strip_prefix(PREFIX).map(|rest| rest.to_lowercase().replace("__", "."))
}

/// The environment variable that sets `key`.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn squeezed(name: &str) -> String {
    name.to_uppercase().split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_in_the_default_file_has_a_range_that_takes_its_default() {
        let built_in = leaves(toml(BUILT_IN).collect().unwrap());
        for (key, kind) in Schema::of(&built_in).0 {
            let default = built_in.get(&key);
            assert!(default.is_none_or(|value| kind.takes(value)), "{key}");
        }
    }

    #[test]
    fn every_range_belongs_to_a_key_of_the_default_file() {
        let built_in = leaves(toml(BUILT_IN).collect().unwrap());
        for key in RANGES.iter().map(|(key, _)| *key).chain(CAN_BE_OFF) {
            assert!(built_in.contains_key(key), "{key}");
        }
    }

    #[test]
    fn the_default_file_mentions_every_key_that_has_no_default() {
        for key in WITHOUT_DEFAULT {
            let (_, name) = key.split_once('.').unwrap();
            assert!(BUILT_IN.contains(&format!("\n# {name} = ")), "{key}");
        }
    }

    #[test]
    fn the_edit_distance_counts_single_characters() {
        assert_eq!(edit_distance("database.url", "databse.url"), 1);
        assert_eq!(edit_distance("order", "order"), 0);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
