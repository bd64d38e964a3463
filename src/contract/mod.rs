//! The contract: what comes in and goes out, as CloudEvents 1.0 (DESIGN 2; `docs/contract.md`). Pure code
//! between the bytes on the wire and the core's types.

mod cloudevent;
mod facts;
mod fields;
pub mod inbound;
mod json;
pub mod line;
pub mod outbound;
pub mod raw;

#[cfg(test)]
mod tests;
