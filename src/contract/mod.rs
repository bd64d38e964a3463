//! The wire.

pub mod raw;
