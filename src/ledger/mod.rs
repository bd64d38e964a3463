//! The core: what messages do to the books. Pure values and functions; no clock, no I/O, no async.

pub mod account;
pub mod alert;
pub mod balance;
pub mod booking;
pub mod books;
pub mod credits;
pub mod digest;
pub mod entry;
pub mod grant;
pub mod ids;
pub mod inbox;
pub mod input;
pub mod map;
pub mod moment;
pub mod notice;
pub mod outcome;
pub mod own;
pub mod price;
pub mod project;
pub mod queue;
pub mod settings;
pub mod unblock;
pub mod version;
