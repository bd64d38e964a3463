//! `creditd run`: the daemon.

use std::path::Path;

use super::CommandError;
use crate::config::Config;
use crate::{daemon, logging};

pub(super) fn run(config_file: Option<&Path>) -> Result<(), CommandError> {
    let config = Config::load(config_file)?;
    let log = logging::init(&config.log)?;
    let file = config_file.map(Path::to_owned);
    let reload = Box::new(move || Config::load(file.as_deref()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::System { what: "starting", error })?;
    Ok(runtime.block_on(daemon::run(config, log, reload))?)
}
