//! `creditd credits`: granted, corrected, transferred.

use std::path::Path;

use clap::{Args, Subcommand};

use super::giver::Explained;
use super::giving::give;
use super::output::{Column, note_limit, or_dash, print, print_json, table};
use super::{CommandError, account, open_store};
use crate::clock;
use crate::contract::arguments;
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId};
use crate::ledger::input::{AdjustmentFact, Existence, Fact, GrantFact, TransferFact};
use crate::ledger::moment::Timestamp;
use crate::store::GrantRow;

#[derive(Subcommand)]
pub(super) enum CreditsCommand {
    /// Give credits to an account, or to an organization's pool.
    #[command(allow_missing_positional = true)]
    Grant {
        #[command(flatten)]
        whose: Whose,
        /// How many, 1 or more.
        #[arg(value_parser = arguments::some_credits, allow_negative_numbers = true)]
        credits: Credits,
        /// Until when; what is left of them then is taken back.
        #[arg(long, value_name = "TIME", value_parser = arguments::timestamp)]
        expires: Option<Timestamp>,
        #[command(flatten)]
        how: Explained,
    },
    /// Correct the credits of an account or of a pool, up or down.
    #[command(allow_missing_positional = true)]
    Adjust {
        #[command(flatten)]
        whose: Whose,
        /// By how many, such as 5 or -5.
        #[arg(value_parser = arguments::signed_credits, allow_negative_numbers = true)]
        credits: Credits,
        #[command(flatten)]
        how: Explained,
    },
    /// Move available credits between two integrated accounts of one organization: all of them, or none.
    Transfer {
        /// Who gives.
        #[arg(value_parser = arguments::account_id)]
        from: AccountId,
        /// Who gets.
        #[arg(value_parser = arguments::account_id)]
        to: AccountId,
        /// How many, 1 or more.
        #[arg(value_parser = arguments::some_credits, allow_negative_numbers = true)]
        credits: Credits,
        #[command(flatten)]
        how: Explained,
    },
    /// Grants with a term, and what is left of each; soonest expiry first.
    Grants {
        /// Only those of this account; a pool's id is pool: and its organization's id.
        account_id: Option<String>,
        /// Those that are used up or expired too.
        #[arg(long)]
        all: bool,
        /// At most so many.
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        limit: u32,
    },
}

/// An account, or an organization for its pool.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// Which account.
    // A number below zero that follows is taken for an option, unless the place before it could be one too.
    #[arg(value_name = "ACCOUNT", value_parser = arguments::account_id, allow_negative_numbers = true)]
    account: Option<AccountId>,
    /// The pool of this organization.
    #[arg(long, value_name = "ORGANIZATION", value_parser = arguments::organization_id)]
    organization: Option<OrganizationId>,
}

impl Whose {
    /// The account that is meant.
    pub(super) fn account_id(self) -> AccountId {
        let pool = self.organization.as_ref().map(AccountId::pool_of);
        pool.or(self.account).expect("the command line is refused without either")
    }
}

pub(super) async fn run(
    command: CreditsCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let (giver, fact) = match command {
        CreditsCommand::Grants { account_id, all, limit } => {
            return grants(account_id.as_deref(), all, limit, config, json).await;
        }
        CreditsCommand::Grant { whose, credits, expires, how } => {
            let account_id = whose.account_id();
            check_expiry(expires)?;
            let (giver, reason) = how.giver()?;
            let (reason, actor) = (Some(reason), Some(giver.actor.clone()));
            (giver, Fact::Grant(GrantFact { account_id, credits, reason, actor, expires_at: expires }))
        }
        CreditsCommand::Adjust { whose, credits, how } => {
            let account_id = whose.account_id();
            let (giver, reason) = how.giver()?;
            let actor = giver.actor.clone();
            (giver, Fact::Adjustment(AdjustmentFact { account_id, credits, reason, actor }))
        }
        CreditsCommand::Transfer { from, to, credits, how } => {
            if from == to {
                let what = format!("{from} would give to itself; expected two different accounts");
                return Err(CommandError::Usage(what));
            }
            let (giver, reason) = how.giver()?;
            let fact = TransferFact {
                from_account_id: from,
                to_account_id: to,
                credits,
                reason: Some(reason),
                actor: Some(giver.actor.clone()),
            };
            (giver, Fact::Transfer(fact))
        }
    };
    give(&giver, Existence::Any, fact, config, json).await?;
    Ok(())
}

/// A message may tell late of a grant that is over; a person means something else.
fn check_expiry(expires: Option<Timestamp>) -> Result<(), CommandError> {
    let now = clock::now();
    match expires.filter(|expires| *expires <= now) {
        None => Ok(()),
        Some(past) => {
            Err(CommandError::Usage(format!("--expires {past} is over; expected a time after {now}")))
        }
    }
}

async fn grants(
    account_id: Option<&str>,
    all: bool,
    limit: u32,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let store = open_store(config).await?;
    if let Some(account_id) = account_id {
        account::known(&store, account_id).await?;
    }
    let grants = store.look().await?.grants(account_id, all, None, limit.into()).await?;
    note_limit(grants.len(), limit);
    if json { print_json(&grants) } else { print(&list(&grants)) }
}

fn list(grants: &[GrantRow]) -> String {
    let columns = [
        Column::Right("GRANT"),
        Column::Left("ACCOUNT"),
        Column::Right("GRANTED"),
        Column::Right("LEFT"),
        Column::Left("EXPIRES"),
        Column::Left("STATE"),
        Column::Left("BY"),
        Column::Left("REASON"),
    ];
    let row = |grant: &GrantRow| {
        let state = match (grant.closed, grant.expiring) {
            (true, _) => "over",
            (false, true) => "expiring",
            (false, false) => "open",
        };
        vec![
            grant.grant.to_string(),
            grant.account_id.clone(),
            grant.credits.to_string(),
            grant.credits_left.to_string(),
            grant.expires_at.to_string(),
            state.to_owned(),
            or_dash(grant.actor.as_ref()),
            or_dash(grant.reason.as_ref()),
        ]
    };
    table(&columns, grants.iter().map(row))
}
