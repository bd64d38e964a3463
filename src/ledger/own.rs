//! Inputs of the ledger's own: its settings, and what is due by the clock. Each has a key that it can have
//! only once, so that two daemons that see the same thing due give the same input.

use std::sync::Arc;

use super::entry::Cause;
use super::grant::Grant;
use super::ids::MessageKey;
use super::input::{Author, Fact, GrantDue, HoldsStale, Input, PricesStarted};
use super::moment::Timestamp;
use super::price::PriceList;
use super::project::Project;
use super::settings::Settings;

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
    /// Projects of one account, at least one, that are in a status for longer than its limit under the
    /// settings of that number.
    HoldsStale(Vec<Project>, i64),
}

impl Own {
    /// The input, applied at `now`.
    pub fn into_input(self, now: Timestamp) -> Input {
        let (source, id, message_type, fact) = match self {
            Own::Settings(settings, number) => {
                let fact = Fact::Settings(settings);
                ("creditd/settings", (number + 1).to_string(), "creditd.settings_changed.v1", fact)
            }
            Own::PricesStarted(list) => {
                let fact = PricesStarted { number: list.number, organization_id: list.organization_id };
                let id = list.number.to_string();
                ("creditd/prices", id, "creditd.prices_started.v1", Fact::PricesStarted(fact))
            }
            Own::GrantExpired(grant) => {
                let id = grant.number.to_string();
                ("creditd/expiry", id, "creditd.grant_expired.v1", Fact::GrantExpired(due(grant)))
            }
            Own::GrantWarned(grant) => {
                let id = grant.number.to_string();
                ("creditd/expiry-warning", id, "creditd.grant_warned.v1", Fact::GrantWarned(due(grant)))
            }
            Own::HoldsStale(projects, settings_number) => {
                let (id, fact) = stale(&projects, settings_number);
                ("creditd/stale", id, "creditd.holds_stale.v1", Fact::HoldsStale(fact))
            }
        };
        let cause = Cause {
            key: MessageKey::new(source, &id),
            message_type: message_type.into(),
            traceparent: None,
        };
        Input { cause: Arc::new(cause), time: None, revision: None, author: Author::Ledger, fact, now }
    }
}

fn due(grant: Grant) -> GrantDue {
    GrantDue { account_id: grant.account_id, grant: grant.number }
}

/// A project becomes stale once for each time that it comes to a status, but other settings may make it so
/// again.
fn stale(projects: &[Project], settings_number: i64) -> (String, HoldsStale) {
    let first = projects.first().expect("there is a project that is stale");
    let chain = first.chain.as_ref().expect("a project that holds credits has a chain");
    let since = first.status_since.expect("a project that is in a status came to it");
    let fact = HoldsStale {
        account_id: chain.account.clone(),
        projects: projects.iter().take(STALE_AT_ONCE_MAX).map(|project| project.id.clone()).collect(),
    };
    (format!("{} {since} {settings_number}", first.id), fact)
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
