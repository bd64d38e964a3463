//! The attributes of an inbound CloudEvent: what each may be.

use std::sync::Arc;

use serde_json::json;

use super::cloudevent::{is_json_content_type, is_traceparent};
use super::kinds::{Kind, beginning_with, checked_later, kind, text, timestamp};
use super::members::{checked, members, optional, required};
use super::places::Wrong;
use crate::ledger::ids::KEY_CHARS_MAX;
use crate::ledger::moment::Timestamp;
use crate::ledger::own::RESERVED_SOURCE_PREFIX;

/// The only version of CloudEvents there is.
const SPECVERSION: &str = "1.0";
/// The regular expression of the content types that are JSON, in any case: expressions have no portable way
/// to say that.
const JSON_CONTENT_TYPE: &str = concat!(
    r"^\s*([Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn]|[Tt][Ee][Xx][Tt]/[Jj][Ss][Oo][Nn]",
    r"|[^;]*\+[Jj][Ss][Oo][Nn])\s*(;|$)",
);

members! {
    /// What names a message.
    struct NameMembers {
        /// The version of CloudEvents.
        specversion: () = required(specversion()),
        /// Who sends. Together with `id` it identifies the message.
        source: Arc<str> = required(foreign_source()),
        /// Never used twice by one source. Send the same message again as often as you like: it takes effect
        /// once. The same `source` and `id` with another type, other data or another revision is a conflict,
        /// and never applied.
        id: Arc<str> = required(key_text()),
        /// What happened.
        message_type as "type": Arc<str> = required(key_text()),
    }
}

members! {
    /// What else is said about a message.
    struct ContextMembers {
        /// When it happened, RFC 3339, cut to microseconds. Required where the ledger's `order` is `time`. As
        /// a header it may be an AMQP timestamp.
        time: Option<Timestamp> = optional(timestamp()),
        /// JSON, where it is given.
        datacontenttype: () = checked(json_content_type()),
        /// W3C trace context, handed on in the events that follow. Ignored if it doesn't have its form.
        traceparent: Option<Option<Arc<str>>> = optional(trace_context()),
    }
}

members! {
    /// The form of the data.
    struct InlineDataMembers {
        /// Not read: the data belongs into `data`, as JSON.
        data_base64: () = checked(nothing()),
    }
}

/// A text that identifies.
pub(super) fn key_text() -> impl Kind<Arc<str>> {
    text(KEY_CHARS_MAX)
}

/// A source that is none of the ledger's own. Those are refused later, for a reason of their own.
fn foreign_source() -> impl Kind<Arc<str>> {
    checked_later(key_text(), || json!({"not": beginning_with(RESERVED_SOURCE_PREFIX)}))
}

fn specversion() -> impl Kind<()> {
    kind(
        || json!({"type": "string", "const": SPECVERSION}),
        |path, value| match value.as_str() {
            Some(SPECVERSION) => Ok(()),
            _ => Err(Wrong::expected(path, format_args!("\"{SPECVERSION}\""), value)),
        },
    )
}

fn json_content_type() -> impl Kind<()> {
    kind(
        || json!({"type": "string", "pattern": JSON_CONTENT_TYPE}),
        |path, value| match value.as_str() {
            Some(content_type) if is_json_content_type(content_type) => Ok(()),
            _ => Err(Wrong::expected(path, "application/json", value)),
        },
    )
}

fn nothing() -> impl Kind<()> {
    let problem = "not read; put the data into data, as JSON";
    kind(|| json!({"type": "null"}), move |path, _value| Err(Wrong::at(path, problem)))
}

/// A trace context that doesn't have its form says nothing, and is no reason to refuse a message.
fn trace_context() -> impl Kind<Option<Arc<str>>> {
    kind(
        || json!({}),
        |path, value| Ok(key_text().read(path, value).ok().filter(|value| is_traceparent(value))),
    )
}
