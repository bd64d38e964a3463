//! creditd turns what happens to projects into holds and releases of credits on a PostgreSQL ledger, each
//! exactly once in its effect, and publishes balance changes and alerts.
//!
//! The way of a message: [`broker`] delivers it, [`contract`] decodes it, [`store`] loads what it touches,
//! [`ledger`] decides, [`store`] saves, [`broker`] acknowledges; then the relay in [`daemon`] publishes what
//! was written. How all of it is doing is kept in [`vitals`].
//!
//! [`access`] knows who may see what of it.
//!
//! "DESIGN 1.1" in a comment is that section of `docs/design.md`.

pub mod access;
pub mod adoption;
mod batch;
pub mod bench;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod contract;
pub mod daemon;
#[cfg(test)]
mod fuzzing;
mod hooks;
pub mod http;
pub mod ledger;
pub mod logging;
pub mod report;
pub mod sandbox;
pub mod store;
mod tls;
pub mod vitals;
