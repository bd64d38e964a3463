//! The life of the process. The way of a message: [`intake`] receives and decodes, [`apply`] takes what has
//! arrived by then as one batch through the store and acknowledges it, [`relay`] publishes what the batch
//! wrote. Each is a loop of its own; a server that is away stops only the loops that need it. Beside them,
//! [`retention`] removes what is old.

mod apply;
pub mod backoff;
mod due;
mod figures;
mod intake;
pub mod notify;
mod relay;
pub mod retention;
mod run;
mod signals;

pub(crate) use relay::message_of;
pub use run::{DaemonError, Reload, run};
