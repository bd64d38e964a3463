//! `creditd queue`: what waits, since when, for how many credits, and what would unblock it.

use std::path::Path;

use clap::Subcommand;

use super::output::{Column, note_limit, or_dash, print, print_json, table};
use super::{CommandError, open_store};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{AccountId, OrganizationId};
use crate::ledger::notice::Holder;
use crate::store::{ClaimFilter, ClaimRow, QueueReport, UnblockingRow};

/// How many projects that would unblock a claim are named in a table.
const PROJECTS_NAMED: usize = 3;

#[derive(Subcommand)]
pub(super) enum QueueCommand {
    /// Claims that wait, queue by queue, first come first.
    List {
        /// Only the queue that this account's claims wait in: its pool's, if it shares one.
        #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
        account: Option<AccountId>,
        /// Only the queue of this organization's pool.
        #[arg(long, value_name = "ORGANIZATION", value_parser = parse_organization, conflicts_with = "account")]
        organization: Option<OrganizationId>,
        /// At most so many of each queue; what would unblock a claim is told of the first 200.
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
}

fn parse_account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|error| error.to_string())
}

fn parse_organization(text: &str) -> Result<OrganizationId, String> {
    OrganizationId::parse(text).map_err(|error| error.to_string())
}

pub(super) async fn run(
    command: QueueCommand,
    config: Option<&Path>,
    json: bool,
) -> Result<(), CommandError> {
    let QueueCommand::List { account, organization, limit } = command;
    let store = open_store(config).await?;
    let mut snapshot = store.look().await?;
    let asked = account.or_else(|| organization.as_ref().map(AccountId::pool_of));
    let queues = match &asked {
        None => snapshot.queues(None, None, i64::MAX).await?,
        Some(account) => {
            let known = snapshot.chain(account).await?;
            let Some(known) = known.first() else {
                let hint = "`creditd account list` shows those that are";
                return Err(CommandError::Refused(format!("no account \"{account}\" is known; {hint}")));
            };
            vec![known.chain().queue().clone()]
        }
    };
    let mut reports = Vec::new();
    for owner in &queues {
        let filter = ClaimFilter { account: None, after: None, limit: limit.into() };
        reports.push(snapshot.queue_report(owner, &filter).await?);
    }
    for report in &reports {
        note_limit(report.claims.len(), limit);
    }
    if json { print_json(&reports) } else { print(&list(&reports)) }
}

fn list(reports: &[QueueReport]) -> String {
    let waiting: Vec<_> = reports.iter().filter(|report| !report.claims.is_empty()).map(queue).collect();
    if waiting.is_empty() { "nothing waits".to_owned() } else { waiting.join("\n\n") }
}

fn queue(report: &QueueReport) -> String {
    let columns = [
        Column::Right("PLACE"),
        Column::Left("PROJECT"),
        Column::Left("ACCOUNT"),
        Column::Right("CREDITS"),
        Column::Left("SHORT OF"),
        Column::Left("SINCE"),
        Column::Left("UNBLOCKED BY"),
    ];
    let row = |claim: &ClaimRow| {
        vec![
            claim.position.to_string(),
            claim.project_id.to_string(),
            claim.account_id.to_string(),
            claim.credits.to_string(),
            short_of(claim),
            claim.waiting_since.to_string(),
            or_dash(claim.unblocking.as_ref().map(unblocked_by)),
        ]
    };
    let projects = match report.queued.projects {
        1 => "one project waits".to_owned(),
        more => format!("{more} projects wait"),
    };
    let head = format!("queue of {}: {projects} for {} credits", report.queue, report.queued.credits);
    format!("{head}\n{}", table(&columns, report.claims.iter().map(row)))
}

fn short_of(claim: &ClaimRow) -> String {
    match (&claim.aside, &claim.shortfall) {
        (Some(aside), _) => format!("aside: {} carries {} at most", aside.account_id, aside.limit),
        (None, Some(short)) => format!("{} on {}", short.credits, short.account_id),
        (None, None) => "- (others are ahead)".to_owned(),
    }
}

/// What would unblock a claim, in a line.
pub(super) fn unblocked_by(unblocking: &UnblockingRow) -> String {
    match unblocking {
        UnblockingRow::Settling { projects, projects_in_all, credits, and_more, others_too } => {
            settling(projects, *projects_in_all, *and_more || *others_too, *credits)
        }
        UnblockingRow::MoreCredits { account_id, credits } => {
            format!("{credits} credits more on {account_id}, beside all that runs")
        }
        UnblockingRow::LargerPlan => "a larger plan, or a smaller project".to_owned(),
    }
}

fn settling(projects: &[Holder], in_all: usize, and_others: bool, credits: Credits) -> String {
    if projects.is_empty() && !and_others {
        return "nothing more; it is placed with the next message".to_owned();
    }
    let named = |holder: &Holder| {
        format!("{} ({}, {})", holder.project_id, holder.held, or_dash(holder.status.as_ref()))
    };
    let first: Vec<_> = projects.iter().take(PROJECTS_NAMED).map(named).collect();
    let more = match in_all.saturating_sub(PROJECTS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let others = if and_others { ", and others that run" } else { "" };
    format!("settling {}{more}{others}: {credits}", first.join(", "))
}
