//! The contract: what comes in and goes out, as CloudEvents 1.0 (DESIGN 2; `docs/contract.md`). Pure code
//! between the bytes on the wire and the core's types.

pub mod arguments;
mod attributes;
mod cloudevent;
mod facts;
mod fields;
pub mod inbound;
mod json;
mod kinds;
pub mod line;
mod lists;
mod members;
pub mod outbound;
mod places;
pub mod published;
pub mod raw;
pub(crate) mod samples;

#[cfg(test)]
mod tests;
