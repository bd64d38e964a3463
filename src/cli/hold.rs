//! `creditd hold`: a project's hold released, restored, tried again.

use std::path::Path;

use clap::Subcommand;

use super::CommandError;
use super::giver::{Explained, Unexplained};
use super::giving::give;
use crate::contract::arguments;
use crate::ledger::ids::ProjectId;
use crate::ledger::input::{self, Existence, Fact};

#[derive(Subcommand)]
pub(super) enum HoldCommand {
    /// Give back what a project holds, and its place in the queue; a later status of the upstream counts again.
    Release {
        /// Which project.
        #[arg(value_parser = arguments::project_id)]
        project_id: ProjectId,
        #[command(flatten)]
        how: Explained,
    },
    /// Undo a mistaken release: the project claims what it had, as the last of its queue.
    Restore {
        /// Which project.
        #[arg(value_parser = arguments::project_id)]
        project_id: ProjectId,
        #[command(flatten)]
        how: Explained,
    },
    /// Try a refused hold again, as the last of its queue.
    Retry {
        /// Which project.
        #[arg(value_parser = arguments::project_id)]
        project_id: ProjectId,
        #[command(flatten)]
        how: Unexplained,
    },
}

pub(super) async fn run(command: HoldCommand, config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let (giver, fact) = match command {
        HoldCommand::Release { project_id, how } => {
            (how.giver()?.0, Fact::HoldReleased(input::HoldCommand { project_id }))
        }
        HoldCommand::Restore { project_id, how } => {
            (how.giver()?.0, Fact::HoldRestored(input::HoldCommand { project_id }))
        }
        HoldCommand::Retry { project_id, how } => {
            (how.giver()?, Fact::HoldRetried(input::HoldCommand { project_id }))
        }
    };
    give(&giver, Existence::Any, fact, config, json).await?;
    Ok(())
}
