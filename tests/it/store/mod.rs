//! The store against a real PostgreSQL, from outside.

mod batches;
mod bisecting;
mod drafts;
mod schema;
mod settings;
mod verify;
