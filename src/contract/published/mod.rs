//! The contract for other programs: an AsyncAPI document, a JSON Schema for each type, and examples. All of
//! it follows from the types that are read and written; nothing of it is kept by hand but the inbound examples.
//!
//! A new member needs its line at its type, with its documentation. A new type needs its line in
//! [`INBOUND_TYPES`] and an example in `docs/examples`, or its line in [`OUTBOUND_TYPES`] and a sample. Then
//! `creditd contract write docs` makes the files anew.

mod asyncapi;
mod schemas;
pub(crate) mod text;

use serde_json::Value;

use super::facts::INBOUND_TYPES;
use super::outbound::OUTBOUND_TYPES;
use super::samples;

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its path below the directory that all of them are in.
    pub path: String,
    /// What it contains.
    pub text: String,
}

/// The folder of the schemas, with one file a type and no other.
pub const SCHEMAS_FOLDER: &str = "schemas";
/// The folder of the examples: whole CloudEvents in structured mode. The inbound ones are written by hand.
pub const EXAMPLES_FOLDER: &str = "examples";

/// Every file of the contract that is generated.
pub fn files() -> Vec<PublishedFile> {
    let mut files = vec![PublishedFile { path: "asyncapi.yaml".to_owned(), text: asyncapi::document() }];
    for inbound in &INBOUND_TYPES {
        files.push(schema_file(inbound.name, &schemas::of_inbound(inbound)));
    }
    for outbound in &OUTBOUND_TYPES {
        files.push(schema_file(&outbound.full_name(), &schemas::of_outbound(outbound)));
        for (name, event) in samples::of(outbound) {
            let body = String::from_utf8_lossy(&event.body);
            let path = format!("{EXAMPLES_FOLDER}/{name}.json");
            files.push(PublishedFile { path, text: text::indented(&body) });
        }
    }
    files
}

fn schema_file(type_name: &str, schema: &Value) -> PublishedFile {
    let text = text::indented(&schema.to_string());
    PublishedFile { path: format!("{}.json", schema_path(type_name)), text }
}

/// The place of a type's schema, without its suffix.
fn schema_path(type_name: &str) -> String {
    format!("{SCHEMAS_FOLDER}/{type_name}")
}
