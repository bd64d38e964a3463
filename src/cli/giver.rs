//! Who gives a command, why, and whether for real.

use std::sync::Arc;

use clap::Args;

use super::CommandError;
use crate::contract::arguments;

/// Where a login name is found, the nearest to the person first: under sudo the others are root's.
const LOGIN_VARIABLES: [&str; 3] = ["SUDO_USER", "LOGNAME", "USER"];

/// How every command is given.
#[derive(Args)]
pub(super) struct Manner {
    /// Who gives the command; the login name, if this is left out.
    #[arg(long, value_name = "NAME", value_parser = arguments::actor)]
    actor: Option<Arc<str>>,
    /// Only print what would come of it.
    #[arg(long)]
    dry_run: bool,
}

/// How a command is given that may say why.
#[derive(Args)]
pub(super) struct Unexplained {
    /// Why; kept with the command.
    #[arg(long, value_name = "TEXT", value_parser = arguments::reason)]
    reason: Option<Arc<str>>,
    #[command(flatten)]
    manner: Manner,
}

/// How a command is given that must say why.
#[derive(Args)]
pub(super) struct Explained {
    /// Why; kept with the command, and told in its events.
    #[arg(long, value_name = "TEXT", value_parser = arguments::reason)]
    reason: Arc<str>,
    #[command(flatten)]
    manner: Manner,
}

/// Who gives a command, why, and whether for real.
pub(super) struct Giver {
    pub(super) actor: Arc<str>,
    pub(super) reason: Option<Arc<str>>,
    pub(super) dry_run: bool,
}

impl Unexplained {
    pub(super) fn giver(self) -> Result<Giver, CommandError> {
        Giver::of(self.manner, self.reason)
    }
}

impl Explained {
    pub(super) fn giver(self) -> Result<(Giver, Arc<str>), CommandError> {
        Ok((Giver::of(self.manner, Some(self.reason.clone()))?, self.reason))
    }
}

impl Giver {
    fn of(manner: Manner, reason: Option<Arc<str>>) -> Result<Self, CommandError> {
        let actor = match manner.actor {
            Some(actor) => actor,
            None => login_name()?,
        };
        Ok(Self { actor, reason, dry_run: manner.dry_run })
    }
}

/// The login name of the person.
pub(super) fn login_name() -> Result<Arc<str>, CommandError> {
    let name = |variable| Some((variable, std::env::var(variable).ok()?));
    let mut names = LOGIN_VARIABLES.into_iter().filter_map(name);
    let Some((variable, name)) = names.find(|(_, name)| !name.is_empty()) else {
        let what = "nobody is known to give this command: there is no login name in the environment";
        return Err(CommandError::Usage(format!("{what}; type --actor NAME")));
    };
    let wrong = |error| CommandError::Usage(format!("{variable} is no name: {error}; type --actor NAME"));
    arguments::actor(&name).map_err(wrong)
}
