//! Documents that commands read: `--from-file`.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::CommandError;
use crate::contract::arguments::json_document;

/// More than any list that a command takes.
const BYTES_MAX: u64 = 1024 * 1024;

/// Reads a document: TOML where the file's name ends in `.toml`, else JSON; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Value, CommandError> {
    let wrong = |what: String| CommandError::Usage(format!("--from-file {}: {what}", path.display()));
    let mut text = String::new();
    let opened: Result<Box<dyn Read>, _> = match path.as_os_str() == "-" {
        true => Ok(Box::new(std::io::stdin())),
        false => std::fs::File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let read = opened.and_then(|source| source.take(BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|error| wrong(format!("can't be read: {error}")))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(wrong(format!("it is larger than {BYTES_MAX} bytes")));
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        return toml::from_str(&text).map_err(|error| wrong(format!("it is not TOML: {error}")));
    }
    let hint = "a file in TOML has a name that ends in .toml";
    json_document(text.as_bytes()).map_err(|error| wrong(format!("{error}; {hint}")))
}

/// The member `name` of an object; another document as it is. TOML knows no document that is a list.
pub(super) fn member(document: Value, name: &str) -> Value {
    match document {
        Value::Object(mut members) if members.contains_key(name) => {
            members.remove(name).expect("it was just seen there")
        }
        other => other,
    }
}
