//! Lines of files: messages that are imported, and projects as the upstream lists them.
//!
//! A line to import is a whole CloudEvent, or in short only what differs from line to line: `type`, `data`,
//! and where they matter `time` and `id`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::facts;
use super::fields::Fields;
use super::inbound::{Message, decode};
use super::json;
use super::kinds::{Kind, text, timestamp, whole};
use super::places::{Path, Wrong, quoted};
use super::raw::{RawMessage, value_hash};
use crate::ledger::ids::KEY_CHARS_MAX;
use crate::ledger::input::ProjectFact;
use crate::ledger::moment::Timestamp;

/// The longest line that is read, in bytes: that of a message's body.
pub const LINE_BYTES_MAX: usize = super::cloudevent::BODY_BYTES_MAX;
/// Stands for the routing key of what was imported, so that it can be told where it is parked.
pub const IMPORT_ROUTING_KEY: &str = "creditd.import";
/// The members of a line in short.
const SHORT_MEMBERS: [&str; 4] = ["type", "data", "time", "id"];

/// A line to import, understood.
#[derive(Clone, Debug)]
pub struct ImportLine {
    /// The message as if it had been delivered.
    pub raw: RawMessage,
    /// The same, decoded.
    pub message: Message,
    /// Whether its id was made from what it says, so that whatever says the same has the same id.
    pub id_is_made: bool,
}

/// A project as the upstream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedProject {
    /// The upstream's count of changes to it, where listed.
    pub revision: Option<i64>,
    /// When the upstream changed it last, where listed.
    pub time: Option<Timestamp>,
    /// Which project, whose, its status and what it costs.
    pub fact: ProjectFact,
}

/// Reads a line to import. `source` is that of lines in short. Says what is wrong with one that is no message.
pub fn import_line(line: &[u8], source: &str) -> Result<ImportLine, String> {
    let (body, id_is_made) = match object(line)? {
        Parsed { members, .. } if members.contains_key("specversion") => (line.to_vec(), false),
        Parsed { flaw: Some(flaw), .. } => return Err(flaw),
        Parsed { members, .. } => written_out(members, source)?,
    };
    let raw = RawMessage {
        routing_key: IMPORT_ROUTING_KEY.to_owned(),
        content_type: Some("application/cloudevents+json".to_owned()),
        headers: Map::new(),
        properties: Map::new(),
        body,
    };
    let message = decode(&raw).map_err(|error| error.detail)?;
    Ok(ImportLine { raw, message, id_is_made })
}

/// A line in short as the whole CloudEvent that it stands for, and whether its id was made from its content.
fn written_out(mut members: Map<String, Value>, source: &str) -> Result<(Vec<u8>, bool), String> {
    if let Some(stranger) = members.keys().find(|name| !SHORT_MEMBERS.contains(&name.as_str())) {
        return Err(format!(
            "{} is no member of a line in short, which has type, data, time and id; a line with specversion \
             is read as a whole CloudEvent",
            quoted(stranger)
        ));
    }
    members.retain(|_, value| !value.is_null());
    let id_is_made = !members.contains_key("id");
    if id_is_made {
        let hash = value_hash(&Value::Object(members.clone()));
        members.insert("id".to_owned(), id_of(&hash).into());
    }
    members.insert("specversion".to_owned(), "1.0".into());
    members.insert("source".to_owned(), source.into());
    Ok((Value::Object(members).to_string().into_bytes(), id_is_made))
}

/// The first half of a hash, in hexadecimal: enough that no two are ever alike.
fn id_of(hash: &[u8; 32]) -> String {
    let half: [u8; 16] = hash[..16].try_into().expect("half of 32 bytes are 16");
    format!("{:032x}", u128::from_be_bytes(half))
}

/// Reads a line of the upstream's list of projects. Says what is wrong with one that is none.
pub fn listed_project(line: &[u8]) -> Result<ListedProject, String> {
    let Parsed { members, flaw } = object(line)?;
    if let Some(flaw) = flaw {
        return Err(flaw);
    }
    let fields = Fields::of_document(&members);
    let read = || -> Result<ListedProject, Wrong> {
        Ok(ListedProject {
            fact: facts::listed_project(&fields)?,
            revision: fields.optional("revision", &whole(0..=i64::MAX))?,
            time: fields.optional("time", &timestamp())?,
        })
    };
    read().map_err(|wrong| wrong.0)
}

/// The object that a line is, and what in it JSON allows and the contract doesn't.
struct Parsed {
    members: Map<String, Value>,
    flaw: Option<String>,
}

fn object(line: &[u8]) -> Result<Parsed, String> {
    let document = json::parse(line, &Path::Top).map_err(|error| {
        // A line's errors are all on its line 1.
        let said = error.to_string();
        let what = said.split(" at line 1 column ").next().unwrap_or(&said);
        format!("not JSON: {what} at column {}", error.column())
    })?;
    match document.value {
        Value::Object(members) => Ok(Parsed { members, flaw: document.flaw.map(|flaw| flaw.wrong.0) }),
        _ => Err("expected a JSON object".to_owned()),
    }
}

/// Checks a source that a person names for lines in short. Says what is wrong with it.
pub fn source(text_given: &str) -> Result<Arc<str>, String> {
    let value = Value::String(text_given.to_owned());
    let source =
        text(KEY_CHARS_MAX).read(&Path::Member(&Path::Top, "source"), &value).map_err(|wrong| wrong.0)?;
    if source.starts_with(crate::ledger::own::RESERVED_SOURCE_PREFIX) {
        let prefix = crate::ledger::own::RESERVED_SOURCE_PREFIX;
        return Err(format!("{prefix:?} begins the sources of the ledger's own inputs; use another source"));
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::input::Fact;

    const GRANT: &str = r#"{"type":"credits.granted.v1","data":{"account_id":"a","credits":5}}"#;

    fn line(text: &str) -> Result<ImportLine, String> {
        import_line(text.as_bytes(), "import:old.jsonl")
    }

    fn key(text: &str) -> (String, String) {
        let key = line(text).unwrap().message.cause.key.clone();
        (key.source.to_string(), key.id.to_string())
    }

    #[test]
    fn a_line_in_short_gets_a_source_and_an_id_that_depends_on_what_it_says_alone() {
        let (source, id) = key(GRANT);
        assert_eq!(source, "import:old.jsonl");
        assert_eq!(id.len(), 32);
        let rewritten =
            r#" { "data": {"credits": 5, "account_id": "a"}, "time": null, "type": "credits.granted.v1" } "#;
        assert_eq!(key(rewritten).1, id, "neither spaces nor the order of members count");
        let timed = GRANT.replace(r#","data""#, r#","time":"2026-01-01T00:00:00Z","data""#);
        assert_ne!(key(&timed).1, id, "two grants of different days are two");
        let named = GRANT.replace(r#","data""#, r#","id":"g-1","data""#);
        assert_eq!(key(&named).1, "g-1");
        assert!(line(GRANT).unwrap().id_is_made && !line(&named).unwrap().id_is_made);
    }

    #[test]
    fn what_was_read_of_a_line_is_read_of_its_message_again() {
        let read = line(GRANT).unwrap();
        assert_eq!(decode(&read.raw).unwrap(), read.message, "as it is when it is parked and offered again");
    }

    #[test]
    fn a_whole_event_is_taken_as_it_is() {
        let event = r#"{"specversion":"1.0","id":"7","source":"/upstream","type":"credits.granted.v1",
                        "data":{"account_id":"a","credits":5}}"#;
        let read = line(event).unwrap();
        assert_eq!(key(event), ("/upstream".to_owned(), "7".to_owned()));
        assert_eq!(read.raw.body, event.as_bytes());
        assert!(matches!(read.message.fact, Fact::Grant(_)));
    }

    #[test]
    fn each_mistake_is_said_with_its_place() {
        let wrong = [
            ("", "not JSON: EOF while parsing a value at column 0"),
            ("[]", "expected a JSON object"),
            (r#"{"type":"credits.granted.v1","data":{"account_id":"a","credits":5}"#, "not JSON: EOF while"),
            (r#"{"data":{}}"#, "type: required, but missing or null"),
            (r#"{"type":"credits.granted.v1","date":{}}"#, "\"date\" is no member of a line in short"),
            (r#"{"type":"credits.granted.v1","data":{"account_id":"a"}}"#, "data.credits: required"),
            (r#"{"type":"credits.granted.v1","type":"x","data":{}}"#, "type: appears twice"),
            (r#"{"type":"credits.granted.v2","data":{}}"#, "type: \"credits.granted.v2\" is a version"),
            (r#"{"specversion":"1.0","id":"1","type":"credits.granted.v1"}"#, "source: required"),
            (
                r#"{"specversion":"1.0","id":"1","source":"creditd/cli","type":"credits.granted.v1"}"#,
                "source: \"creditd/cli\" begins with",
            ),
        ];
        for (text, expected) in wrong {
            let said = line(text).unwrap_err();
            assert!(said.starts_with(expected), "{text}: {said}");
        }
    }

    #[test]
    fn a_listed_project_is_read_by_the_rules_of_messages() {
        let text = r#"{"project_id":"p","account_id":"a","status":"started","revision":3,"credits":9,"x":1}"#;
        let listed = listed_project(text.as_bytes()).unwrap();
        assert_eq!((listed.revision, listed.time), (Some(3), None));
        assert_eq!(listed.fact.status.as_deref(), Some("started"));
        for (text, expected) in [
            (r#"{"account_id":"a","status":"started"}"#, "project_id: required"),
            (r#"{"project_id":"p","account_id":"a"}"#, "status: required"),
            (
                r#"{"project_id":"p","account_id":"a","status":"s","credits":"9"}"#,
                "credits: expected a whole",
            ),
            (r#"{"project_id":"p","account_id":"a","status":"s","status":"t"}"#, "status: appears twice"),
        ] {
            let said = listed_project(text.as_bytes()).unwrap_err();
            assert!(said.starts_with(expected), "{text}: {said}");
        }
    }

    #[test]
    fn a_source_is_one_that_a_message_could_have() {
        assert_eq!(&*source("import:old.jsonl").unwrap(), "import:old.jsonl");
        assert!(source("creditd/cli").is_err());
        assert!(source("").is_err());
        assert!(source("a\nb").is_err());
    }
}
