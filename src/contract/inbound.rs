//! What comes in: from a delivered message to a fact for the core, or to what is wrong with it.

use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::attributes::{ContextMembers, InlineDataMembers, NameMembers, key_text};
use super::cloudevent::{self, Data, Opened, Refusal};
use super::facts::{INBOUND_TYPES, InboundType, RevisionMember};
use super::fields::Fields;
use super::members::Members;
use super::places::{Path, Wrong, quoted};
use super::raw::RawMessage;
use crate::ledger::entry::Cause;
use crate::ledger::ids::MessageKey;
use crate::ledger::input::{Author, Fact, Input};
use crate::ledger::moment::Timestamp;
use crate::ledger::outcome::ParkReason;
use crate::ledger::own::RESERVED_SOURCE_PREFIX;

/// The longest detail of an error, in characters.
const DETAIL_CHARS_MAX: usize = 1000;
/// Separates these hashes from all others, and one canonical form from the next.
const FINGERPRINT_FORM: &[u8] = b"creditd message 1";

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Which message, of what type (with its `.vN`), under which trace.
    pub cause: Arc<Cause>,
    /// When the sender says that it happened.
    pub time: Option<Timestamp>,
    /// The sender's count of changes to the object, for the types that have one.
    pub revision: Option<i64>,
    /// What it says.
    pub fact: Fact,
}

/// A message that was not understood, with as much of it as could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DecodeError {
    /// Why, for programs.
    pub reason: ParkReason,
    /// Why, for people: which field, what was expected, what was found. Long values are shortened, and
    /// characters that don't print are escaped.
    pub detail: String,
    /// Which message, where source and id could be read.
    pub key: Option<MessageKey>,
    /// Its type, where it could be read.
    pub message_type: Option<Arc<str>>,
}

/// The types that this version understands, with their versions.
pub fn known_types() -> Vec<&'static str> {
    INBOUND_TYPES.iter().map(|known| known.name).collect()
}

/// The place of `message_type` among [`known_types`], if it is one of them.
pub fn place_of_type(message_type: &str) -> Option<usize> {
    INBOUND_TYPES.iter().position(|known| known.name == message_type)
}

/// Reads a message as the contract says (DESIGN 2).
///
/// Structured mode is what has the content type `application/cloudevents+json`, and binary mode what has JSON
/// data and CloudEvents headers. JSON with neither is read as a structured event, because simple publishers
/// set no content type.
pub fn decode(raw: &RawMessage) -> Result<Message, DecodeError> {
    let Opened { attributes, data } = cloudevent::open(raw);
    let (key, message_type) = attributes.as_ref().map(named).unwrap_or_default();
    let decoded = data.and_then(|data| read(&attributes?, &data));
    decoded.map_err(|Refusal { reason, detail }| DecodeError {
        reason,
        detail: shortened(detail),
        key,
        message_type,
    })
}

/// A path through deep nesting is long, and serves nobody at that length.
fn shortened(mut detail: String) -> String {
    if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
        detail.truncate(end);
        detail.push_str("...");
    }
    detail
}

/// The names of a message as far as they can be read, for an error to carry.
fn named(attributes: &Map<String, Value>) -> (Option<MessageKey>, Option<Arc<str>>) {
    let attributes = Fields::of_document(attributes);
    let read = |name| attributes.required(name, &key_text()).ok();
    let key = read("source").zip(read("id")).map(|(source, id)| MessageKey { source, id });
    (key, read("type"))
}

fn read(attributes: &Map<String, Value>, data: &Data) -> Result<Message, Refusal> {
    let attributes = Fields::of_document(attributes);
    let NameMembers { specversion: (), source, id, message_type } =
        NameMembers::read(&attributes).map_err(cloudevent::not_cloudevent)?;
    let key = MessageKey { source, id };
    if key.source.starts_with(RESERVED_SOURCE_PREFIX) {
        let detail = format!(
            "source: {} begins with \"{RESERVED_SOURCE_PREFIX}\", which is kept for the ledger's own inputs; \
             use another source",
            quoted(&key.source)
        );
        return Err(Refusal::new(ParkReason::ReservedSource, detail));
    }
    let inbound_type = known_type(&message_type)?;
    let ContextMembers { time, datacontenttype: (), traceparent } =
        ContextMembers::read(&attributes).map_err(cloudevent::not_cloudevent)?;
    let InlineDataMembers { data_base64: () } = InlineDataMembers::read(&attributes).map_err(invalid_data)?;
    let (revision, fact) = read_data(inbound_type, data)?;
    let cause = Cause { key, message_type, traceparent: traceparent.flatten() };
    Ok(Message { cause: Arc::new(cause), time, revision, fact })
}

fn read_data(inbound_type: &InboundType, data: &Data) -> Result<(Option<i64>, Fact), Refusal> {
    if let Some(Wrong(flaw)) = &data.flaw {
        return Err(Refusal::new(ParkReason::InvalidData, flaw.as_str()));
    }
    let path = Path::Member(&Path::Top, "data");
    let fields = Fields::of(&path, &data.value).map_err(invalid_data)?;
    let fact = (inbound_type.read)(&fields).map_err(invalid_data)?;
    if !inbound_type.has_revision {
        return Ok((None, fact));
    }
    let RevisionMember { revision } = RevisionMember::read(&fields).map_err(invalid_data)?;
    Ok((revision, fact))
}

fn invalid_data(wrong: Wrong) -> Refusal {
    Refusal::new(ParkReason::InvalidData, wrong.0)
}

fn known_type(message_type: &str) -> Result<&'static InboundType, Refusal> {
    if let Some(known) = INBOUND_TYPES.iter().find(|known| known.name == message_type) {
        return Ok(known);
    }
    let found = quoted(message_type);
    let same_but_version = |known: &&InboundType| {
        let (base, _version) = known.name.rsplit_once(".v").expect("every type's name ends in .vN");
        message_type.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(".v"))
    };
    let detail = if let Some(known) = INBOUND_TYPES.iter().find(same_but_version) {
        format!("type: {found} is a version that is not known; {} is", known.name)
    } else {
        format!("type: {found} is not known; known are {}", known_types().join(", "))
    };
    Err(Refusal::new(ParkReason::UnknownType, detail))
}

impl Message {
    /// What the message says, as a hash: two messages under one key are the same message exactly if this is
    /// equal. It covers the type, the revision and the fact, and nothing that the contract ignores: neither
    /// unknown members nor other attributes, nor the mode or the order of members.
    pub fn fingerprint(&self) -> [u8; 32] {
        let message_type = self.cause.message_type.as_bytes();
        let revision = self.revision.map_or_else(String::new, |revision| revision.to_string());
        let fact = canonical(&self.fact);
        let mut hash = Sha256::new();
        for part in [FINGERPRINT_FORM, message_type, revision.as_bytes(), fact.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// The message as it is applied at `now`.
    pub fn into_input(self, now: Timestamp) -> Input {
        let Message { cause, time, revision, fact } = self;
        Input { cause, time, revision, author: Author::Upstream, fact, now }
    }
}

/// The fact as JSON. What the message left out is left out, so that a message keeps its hash when a later
/// version of creditd can be told more.
fn canonical(fact: &Fact) -> String {
    let mut canonical = serde_json::to_value(fact).expect("a fact has only text for keys");
    remove_nulls(&mut canonical);
    canonical.to_string()
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}
