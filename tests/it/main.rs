//! creditd from outside, against real servers. One binary, which links once.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it stands, helpers too")]

mod adopt;
mod bad_input;
mod bench;
mod broker;
mod commands;
mod config;
mod contract;
mod daemon;
mod dashboard;
mod events;
#[path = "../faults/mod.rs"]
mod faults;
mod http;
mod last_mile;
mod model;
mod monitoring;
mod proxy;
mod restore;
mod retention;
mod sandbox;
mod store;
mod support;
mod systemd;
mod terms;
mod tls;
mod usage;
