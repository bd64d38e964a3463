//! Inputs of the ledger's own: its settings, and what is due by the clock. Two daemons may see the same thing
//! due; the second input of it finds nothing to do.

use std::sync::Arc;

use super::entry::Cause;
use super::grant::Grant;
use super::ids::MessageKey;
use super::input::{Author, Fact, GrantDue, HoldsStale, Input, PricesStarted};
use super::moment::Timestamp;
use super::price::PriceList;
use super::project::Project;
use super::settings::Settings;

/// What the sources of the ledger's own inputs and of commands begin with. Nobody else may use them.
pub const RESERVED_SOURCE_PREFIX: &str = "creditd/";
/// The most projects that one input about stale holds names: an alert lists them all.
pub const STALE_AT_ONCE_MAX: usize = 100;

/// What the ledger gives itself as an input.
#[derive(Clone, Debug)]
pub enum Own {
    /// The settings that decide, and how often they were set before.
    Settings(Arc<Settings>, i64),
    /// A price list comes into force.
    PricesStarted(PriceList),
    /// A grant's time is over.
    GrantExpired(Grant),
    /// A grant's time is about to be over.
    GrantWarned(Grant),
    /// Projects of one account, at least one, that are in a status for longer than its limit.
    HoldsStale(Vec<Project>),
}

impl Own {
    /// The input, applied at `now`.
    pub fn into_input(self, now: Timestamp) -> Input {
        let (source, id, fact) = match self {
            Own::Settings(settings, number) => {
                ("creditd/settings", (number + 1).to_string(), Fact::Settings(settings))
            }
            Own::PricesStarted(list) => {
                let fact = PricesStarted { number: list.number, organization_id: list.organization_id };
                ("creditd/prices", list.number.to_string(), Fact::PricesStarted(fact))
            }
            Own::GrantExpired(grant) => {
                ("creditd/expiry", grant.number.to_string(), Fact::GrantExpired(due(grant)))
            }
            Own::GrantWarned(grant) => {
                ("creditd/expiry-warning", grant.number.to_string(), Fact::GrantWarned(due(grant)))
            }
            Own::HoldsStale(projects) => {
                let fact = stale(&projects);
                ("creditd/stale", format!("{} {now}", fact.account_id), Fact::HoldsStale(fact))
            }
        };
        let message_type = fact.command_type().into();
        let cause = Cause { key: MessageKey::new(source, &id), message_type, traceparent: None };
        Input { cause: Arc::new(cause), time: None, revision: None, author: Author::Ledger, fact, now }
    }
}

fn due(grant: Grant) -> GrantDue {
    GrantDue { account_id: grant.account_id, grant: grant.number }
}

fn stale(projects: &[Project]) -> HoldsStale {
    let first = projects.first().expect("there is a project that is stale");
    let chain = first.chain.as_ref().expect("a project that holds credits has a chain");
    HoldsStale {
        account_id: chain.account.clone(),
        projects: projects.iter().take(STALE_AT_ONCE_MAX).map(|project| project.id.clone()).collect(),
    }
}

/// Whether a project holds credits in a status for longer than its limit, at `now`.
pub fn is_stale(project: &Project, settings: &Settings, now: Timestamp) -> bool {
    let Some(status) = project.status.get() else { return false };
    let Some((limit, since)) = settings.stale_after(&status.name).zip(project.status_since) else {
        return false;
    };
    project.held.is_positive() && since + limit <= now
}

/// Whether a grant is to be warned of at `now`.
pub fn is_to_be_warned_of(grant: &Grant, settings: &Settings, now: Timestamp) -> bool {
    !grant.warned && !grant.closed && grant.expires_at <= now + settings.grant_warning
}
