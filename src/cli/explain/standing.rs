//! How a project stands, in a sentence.

use super::hold_details;
use crate::ledger::account::{Account, Chain};
use crate::ledger::credits::Credits;
use crate::ledger::input::Price;
use crate::ledger::project::{Claim, Project, State};
use crate::store::ProjectStanding;

/// How a project stands, and why.
pub(super) fn sentence(standing: &ProjectStanding) -> String {
    let project = &standing.project;
    match project.state() {
        State::None => format!("it asks for nothing: {}", status(project)),
        State::Unpriced => {
            format!("its price isn't known, so it asks for nothing yet: {}", lacking_price(project))
        }
        State::Held if project.held.is_positive() => {
            let waits = waiting(standing).map(|waits| format!(", and {waits}"));
            let refused = refused(standing).map(|refused| format!(", and {refused}"));
            format!("it {}{}{}", holding(standing), waits.unwrap_or_default(), refused.unwrap_or_default())
        }
        State::Held => "it costs nothing, so it runs without a hold".to_owned(),
        State::Queued => format!("it {}", waiting(standing).unwrap_or_else(|| "waits".to_owned())),
        State::Rejected => format!("it {}", refused(standing).unwrap_or_else(|| "was refused".to_owned())),
        State::Released => format!("it holds nothing any more: {}", status(project)),
        State::Captured => {
            format!("it used up {} on {}: {}", project.consumed, accounts(standing), status(project))
        }
    }
}

fn status(project: &Project) -> String {
    match project.status.get() {
        None => "nobody has said its status".to_owned(),
        Some(status) => format!("it is {}", status.name),
    }
}

fn lacking_price(project: &Project) -> String {
    match project.price.get().as_ref().map(|tag| &tag.said) {
        Some(Price::Deliverables(_)) => "no price list covers its deliverables".to_owned(),
        _ => "nobody has said it".to_owned(),
    }
}

/// The accounts that it is booked on.
fn accounts(standing: &ProjectStanding) -> String {
    let ids = standing.project.chain.iter().flat_map(Chain::iter).map(ToString::to_string);
    ids.collect::<Vec<_>>().join(" and ")
}

fn holding(standing: &ProjectStanding) -> String {
    let since = standing.held_since.map(|since| format!(" since {since}")).unwrap_or_default();
    format!("holds {} on {}{since}", standing.project.held, accounts(standing))
}

/// Its place in the queue and what it lacks, where it waits.
fn waiting(standing: &ProjectStanding) -> Option<String> {
    let project = &standing.project;
    let Claim { since, aside, .. } = project.claim?;
    let wanted = match project.held.is_positive() {
        true => format!("{} more", project.growth()),
        false => project.growth().to_string(),
    };
    let position = standing.position.unwrap_or(0);
    let place = format!("waits for {wanted} as number {position} since {since}");
    let obstacle = match aside {
        true => too_large(standing).unwrap_or_else(|| "it will be looked at again with its queue".to_owned()),
        false => lack(standing).unwrap_or_else(|| "what waits ahead of it comes first".to_owned()),
    };
    Some(format!("{place}: {obstacle}"))
}

/// The first account of its chain that lacks credits for it, as the core tests them.
fn lack(standing: &ProjectStanding) -> Option<String> {
    let growth = standing.project.growth();
    let short = |account: &Account| Some(account.shortfall(growth)).filter(|credits| credits.is_positive());
    let told = |account: &Account, credits: Credits| format!("{} lacks {credits}", account.id);
    standing.chain.iter().find_map(|account| Some(told(account, short(account)?)))
}

/// The first account of its chain that could not carry it if nothing else ran.
fn too_large(standing: &ProjectStanding) -> Option<String> {
    let wanted = standing.project.target().held;
    let small = standing.chain.iter().find(|account| wanted > account.holdable())?;
    let limit = small.holdable();
    Some(format!(
        "it stands aside, for {wanted} is more than the {limit} that {} could carry at all",
        small.id
    ))
}

/// What it was refused, and what its notice said of that.
fn refused(standing: &ProjectStanding) -> Option<String> {
    let wanted = standing.project.refused?;
    let Some(notice) = &standing.refusal else {
        return Some(format!(
            "was refused a hold of {wanted}; the notice that says why is not kept any more"
        ));
    };
    Some(format!("was refused a hold of {wanted} at {}{}", notice.at, hold_details(&notice.body)))
}
