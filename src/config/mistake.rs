//! What can be wrong with a configuration, said so that the reader can go and mend it.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The copy of `config/creditd.toml` inside the program.
    BuiltIn,
    /// A file: the one given with `--config`, or one that holds a secret.
    File(PathBuf),
    /// An environment variable, by its name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built-in default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => f.write_str(name),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The key as it is typed in a file, such as `database.url` or `alerts.rules[1].level`; empty where the
    /// file as a whole can't be read.
    pub key: String,
    /// Where the value is; `None` where it is missing.
    pub origin: Option<Origin>,
    /// What was found and what was expected. It never holds a secret.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) if self.key.is_empty() => write!(f, "{origin}: {}", self.message),
            Some(origin) => write!(f, "{} (from {origin}): {}", self.key, self.message),
            None => write!(f, "{}: {}", self.key, self.message),
        }
    }
}

/// A configuration that can't be used, with everything that was found wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// What is wrong; at least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration can't be used")?;
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl From<Mistake> for ConfigError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake] }
    }
}
