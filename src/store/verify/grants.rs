//! What is left of each grant with a term, recomputed from the entries of its account (DESIGN 1.5).

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{Finding, StoreError};
use crate::ledger::entry::{Entry, EntryKind, Side};
use crate::ledger::grant::{Grant, draw};
use crate::ledger::ids::AccountId;
use crate::store::rows::GrantRecord;

/// The grants of all accounts: as they are stored, and as the entries tell them.
pub(super) struct Grants {
    stored: HashMap<AccountId, Vec<Grant>>,
    told: HashMap<AccountId, Vec<Grant>>,
}

impl Grants {
    pub(super) async fn load(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query_as!(
            GrantRecord,
            "select log_number, account_id, credits, credits_left, expires_at, warned, closed from credit_grant",
        )
        .fetch_all(connection)
        .await?;
        let mut stored: HashMap<AccountId, Vec<Grant>> = HashMap::new();
        for row in rows {
            let grant = Grant::try_from(row)?;
            stored.entry(grant.account_id.clone()).or_default().push(grant);
        }
        Ok(Self { stored, told: HashMap::new() })
    }

    /// Takes an entry; those of an account come in their order.
    pub(super) fn take(&mut self, entry: &Entry) {
        let Some(stored) = self.stored.get(&entry.account_id) else { return };
        let told = self.told.entry(entry.account_id.clone()).or_default();
        let fresh = |grant: &Grant| Grant { left: grant.credits, closed: false, ..grant.clone() };
        told.extend(stored.iter().filter(|grant| grant.number == entry.number).map(fresh));
        if entry.kind == EntryKind::Expiry {
            let number = entry.cause.key.id.parse().ok();
            for grant in told.iter_mut().filter(|grant| Some(grant.number.0) == number) {
                grant.left -= entry.credits;
                grant.closed = true;
            }
        }
        if entry.to == Side::Consumed {
            // What was due by then was over before, even if nothing of it was left to leave the total.
            told.iter_mut().filter(|grant| grant.is_due(entry.at)).for_each(|grant| grant.closed = true);
            draw(told, entry.credits);
        }
    }

    /// What is stored otherwise than the entries tell it.
    pub(super) fn compare(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for grant in self.stored.values().flatten() {
            let of_account = self.told.get(&grant.account_id).into_iter().flatten();
            let Some(told) = of_account.clone().find(|told| told.number == grant.number) else {
                // That its entry is missing is told by the check of what names entries.
                continue;
            };
            let mut add = |what: String| {
                findings.push(Finding::about_account(grant.account_id.as_str(), what));
            };
            if told.left != grant.left {
                add(format!(
                    "of grant {} {} credits are left, its entries say {} ({:+})",
                    grant.number,
                    grant.left,
                    told.left,
                    (grant.left - told.left).0
                ));
            }
            if !grant.closed && told.closed {
                add(format!("grant {} is open, its entries say that it is over", grant.number));
            }
        }
        findings
    }
}
