//! The life of the process. The way of a message: [`intake`] receives and decodes, [`apply`] takes what has
//! arrived by then as one batch through the store, deciding it while the one before is written, and acknowledges it
//! once it is committed, [`relay`] publishes what the batch
//! wrote. Each is a loop of its own; a server that is away stops only the loops that need it. Beside them,
//! [`retention`] removes what is old.

mod apply;
pub mod backoff;
mod due;
mod error;
mod figures;
mod hanging;
mod intake;
mod ledger;
pub mod notify;
mod port;
mod relay;
mod reload;
pub mod retention;
mod run;
mod servers;
mod signals;
#[cfg(test)]
mod simulation;
mod supervise;
mod tail;

pub use error::DaemonError;
pub(crate) use relay::message_of;
pub use reload::Reload;
pub use run::run;
