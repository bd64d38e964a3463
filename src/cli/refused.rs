//! A command that was refused: why, who stands in the way, and what to type instead.

use serde::Serialize;

use super::CommandError;
use super::giver::Giver;
use super::output::{Column, or_dash, print_json, table};
use crate::command::Order;
use crate::ledger::account::Kind;
use crate::ledger::ids::AccountId;
use crate::ledger::input::{AccountFact, Fact};
use crate::ledger::outcome::Refusal;
use crate::store::{AccountRow, InUse, ProjectRow, Store};

/// The most projects that are listed as standing in the way.
const SHOWN_MAX: i64 = 20;

/// A refusal as `--json` shows it: the same for every command.
#[derive(Serialize)]
struct Told<'a> {
    refused: &'a str,
    dry_run: bool,
    /// The account whose credits in use stand in the way, where it is that.
    in_use_on: Option<&'a AccountId>,
    /// The projects that use them.
    #[serde(flatten)]
    in_use: &'a InUse,
    /// What would be accepted.
    instead: Option<&'a str>,
}

/// Says why a command was refused: for programs on standard output, for people with the error that this
/// returns.
pub(super) async fn tell(
    store: &Store,
    giver: &Giver,
    order: &Order,
    refusal: Refusal,
    json: bool,
) -> Result<CommandError, CommandError> {
    let Refusal { detail, in_use_on } = &refusal;
    let mut in_use = InUse { projects: Vec::new(), more: 0 };
    let mut instead = None;
    if let Some(account) = in_use_on {
        in_use = store.look().await?.in_use(account.as_str(), SHOWN_MAX).await?;
        let row = store.look().await?.account(account.as_str()).await?;
        instead = row.and_then(|row| accepted(&order.fact, &row));
    }
    if json {
        let (in_use_on, in_use) = (in_use_on.as_ref(), &in_use);
        let dry_run = giver.dry_run;
        print_json(&Told { refused: detail, dry_run, in_use_on, in_use, instead: instead.as_deref() })?;
        return Ok(CommandError::Refused(refusal.detail));
    }
    let mut parts = vec![refusal.detail];
    if !in_use.projects.is_empty() {
        parts.push(list(&in_use));
        let release = "`creditd hold release PROJECT --reason WHY` gives back what a project holds";
        parts.push(format!("to free credits: {release}, as finalizing or canceling it does"));
    }
    parts.extend(instead);
    Ok(CommandError::Refused(parts.join("\n\n")))
}

fn list(in_use: &InUse) -> String {
    let columns = [
        Column::Left("PROJECT"),
        Column::Left("ACCOUNT"),
        Column::Left("STATUS"),
        Column::Right("HELD"),
        Column::Right("WAITS FOR"),
        Column::Left("NAME"),
    ];
    let row = |project: &ProjectRow| {
        let waits_for = project.waiting_since.map(|_| project.wanted - project.held);
        vec![
            project.project_id.clone(),
            project.account_id.clone(),
            or_dash(project.status.as_ref()),
            project.held.to_string(),
            or_dash(waits_for),
            or_dash(project.name.as_ref()),
        ]
    };
    let listed = table(&columns, in_use.projects.iter().map(row));
    match in_use.more {
        0 => listed,
        more => format!("{listed}\nand {more} more"),
    }
}

/// What would be accepted in place of `fact`, as `account` stands now.
fn accepted(fact: &Fact, account: &AccountRow) -> Option<String> {
    let spare = (account.available - account.floor()).max(0);
    let least_plan = (account.plan - spare).max(0);
    let is_subject = |id: &AccountId| id.as_str() == account.account_id;
    match fact {
        Fact::Account(AccountFact { closed: Some(true), .. }) => None,
        Fact::Account(fact) if is_subject(&fact.account_id) => {
            let stays_integrated = fact.kind.is_none() && account.kind == Kind::Integrated.as_str();
            let is_integrated = fact.kind == Some(Kind::Integrated) || stays_integrated;
            let option = if is_integrated { "--allocation" } else { "--capacity" };
            Some(format!("as things are, {option} {least_plan} is the least that is accepted"))
        }
        Fact::Account(_) => {
            let organization = account.organization_id.as_deref().unwrap_or_default();
            let raise = format!("`creditd organization set {organization} --capacity N`");
            Some(format!("what the account holds is charged to the pool too: {raise} gives the pool more"))
        }
        Fact::Organization(_) => {
            Some(format!("as things are, --capacity {least_plan} is the least that is accepted"))
        }
        Fact::Adjustment(fact) if spare > 0 => {
            let whose = match fact.account_id.pool_owner() {
                Some(organization) => format!("--organization {organization}"),
                None => fact.account_id.to_string(),
            };
            let adjust = format!("`creditd credits adjust {whose} -{spare} --reason WHY`");
            Some(format!("as things are, {adjust} takes the most that can be taken"))
        }
        Fact::Transfer(fact) if account.available > 0 => {
            let (from, to, most) = (&fact.from_account_id, &fact.to_account_id, account.available);
            let transfer = format!("`creditd credits transfer {from} {to} {most} --reason WHY`");
            Some(format!("as things are, {transfer} gives the most that can be given"))
        }
        _ => None,
    }
}
