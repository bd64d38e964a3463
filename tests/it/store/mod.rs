//! The store against a real PostgreSQL, from outside.

mod batches;
mod bisecting;
mod drafts;
mod roles;
mod schema;
mod settings;
mod verify;
