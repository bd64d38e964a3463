//! The JSON Schema of each type: of the whole event, as structured mode writes it. In binary mode the body is
//! what stands under `data`.

use serde_json::{Value, json};

use super::text;
use crate::contract::attributes::{ContextMembers, InlineDataMembers, NameMembers};
use crate::contract::cloudevent::BODY_BYTES_MAX;
use crate::contract::facts::{InboundType, RevisionMember};
use crate::contract::kinds::Schema;
use crate::contract::members::{Members, ObjectSchema};
use crate::contract::outbound::OutboundType;

/// The dialect. The keywords used mean the same in draft 7, which AsyncAPI is based on.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What holds for each inbound message. All but the first sentence is more than a schema can say.
fn inbound_limits() -> String {
    format!(
        "Unknown members and attributes are ignored, and one that is null counts as left out. Numbers are \
         written without a point: `5.0` is refused. Times are of days that the calendar has. The body has at most {BODY_BYTES_MAX} bytes and is nested \
         at most 127 levels deep; no member appears twice in an object, and no text contains U+0000."
    )
}

/// What holds for each event.
const OUTBOUND_PROMISES: &str = "Delivered at least once, and for each account in order: keep the last \
    `data.sequence` of each account and type; drop what is at or below it, apply the next, and wait where \
    there is a gap. Ignore members that you don't know.";

/// The schema of an inbound type's events.
pub(super) fn of_inbound(inbound: &InboundType) -> Schema {
    let mut event = ObjectSchema::default();
    NameMembers::describe(&mut event);
    ContextMembers::describe(&mut event);
    InlineDataMembers::describe(&mut event);
    event.required_member("type", type_name(inbound.name));
    event.required_member("data", data_of(inbound));
    let about = format!("{} {}", (inbound.about)(), inbound_limits());
    headed(inbound.name, event.into_schema(&about))
}

/// The schema of the attribute `type` of one type.
fn type_name(name: &str) -> Schema {
    json!({"type": "string", "const": name, "description": "What happened."})
}

/// The schema of an inbound type's data.
fn data_of(inbound: &InboundType) -> Schema {
    let mut data = ObjectSchema::default();
    (inbound.describe)(&mut data);
    if inbound.has_revision {
        RevisionMember::describe(&mut data);
    }
    data.into_schema(&(inbound.about)())
}

/// The schema of an outbound type's events.
pub(super) fn of_outbound(outbound: &OutboundType) -> Schema {
    let mut schema = (outbound.schema)().to_value();
    text::join_lines(&mut schema);
    schema["properties"]["type"]["const"] = json!(outbound.full_name());
    schema["properties"]["data"]["description"] = json!(outbound.about);
    schema["description"] = json!(format!("{} {OUTBOUND_PROMISES}", outbound.about));
    headed(&outbound.full_name(), schema)
}

fn headed(type_name: &str, mut schema: Value) -> Schema {
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!(type_name);
    schema
}
