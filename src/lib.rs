//! creditd turns what happens to projects into holds and releases of credits on a PostgreSQL ledger.

pub mod contract;
pub mod ledger;
pub mod store;
