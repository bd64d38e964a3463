//! `creditd run`: the daemon.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::CommandError;
use crate::config::Config;
use crate::logging::LogFormat;
use crate::{daemon, logging};

/// Sets the stacks of all threads but the main one.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";
/// lapin reads nested headers by recursion, on a thread of its own; a frame of 128 KiB can nest 26,000 deep.
/// With the default of 2 MiB, one such message would end the process at each delivery, before anything of
/// creditd sees it. This is enough for 25,000 levels in a build without optimizations (tried); only what is
/// used of a stack takes memory.
const STACK_BYTES: u32 = 512 * 1024 * 1024;

/// From what size on the C library takes memory from the system and gives it back block by block, and of how much that
/// is free it keeps; elsewhere than with glibc they say nothing. By itself it would raise both to the largest block
/// that was ever freed, which for what a batch is made of is a matter of chance, and keep that much on every thread.
const BLOCK_VARIABLES: [&str; 2] = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];
const BLOCK_BYTES: u32 = 512 * 1024;

/// Runs the daemon; with `json`, its log is for programs even on a terminal.
pub(super) fn run(config_file: Option<&Path>, json: bool) -> Result<(), CommandError> {
    if std::env::var_os(STACK_VARIABLE).is_none() {
        return Err(again_with_memory_set());
    }
    let mut config = Config::load(config_file)?;
    if json {
        config.log.format = LogFormat::Json;
    }
    let log = logging::init(&config.log)?;
    let file = config_file.map(Path::to_owned);
    let reload = Box::new(move || Config::load(file.as_deref()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::System { what: "starting", error })?;
    let ended = runtime.block_on(daemon::run(config, log, reload));
    // What hangs is not waited for.
    runtime.shutdown_background();
    Ok(ended?)
}

/// Replaces this process by the same with the variables set that aren't: they are read once, when a process starts.
fn again_with_memory_set() -> CommandError {
    let failed = |error| CommandError::System { what: "starting again with its memory set", error };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(error),
    };
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).env(STACK_VARIABLE, STACK_BYTES.to_string());
    for variable in BLOCK_VARIABLES.into_iter().filter(|variable| std::env::var_os(variable).is_none()) {
        again.env(variable, BLOCK_BYTES.to_string());
    }
    failed(again.exec())
}
