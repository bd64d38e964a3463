//! Assets: counted by type, and charged where they belong to no project (DESIGN 1.6).

use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, LogNumber, Side};
use super::super::input::{AssetFact, AssetRecord, Deliverable, Input};
use super::super::outcome::{Outcome, ParkReason, WaitsFor};
use super::projects::account_unknown;
use super::{Books, Need, park};

impl Books<'_> {
    pub(super) fn apply_asset(&mut self, input: &Input, fact: &AssetFact) -> Result<Outcome, Need> {
        let Some(account) = self.account(&fact.account_id)?.cloned() else {
            return Ok(account_unknown(&fact.account_id));
        };
        let organization_id = account.organization().cloned();
        let credits = match (&fact.project_id, fact.credits) {
            // The project's price covers it.
            (Some(_), _) => Credits::ZERO,
            (None, Some(credits)) => credits,
            (None, None) => {
                let piece =
                    Deliverable { deliverable_type: fact.asset_type.clone(), quantity: fact.quantity };
                match self.price_of(&account, &[piece], input.now)? {
                    Ok(Some(credits)) => credits,
                    Ok(None) => return Ok(price_unknown(fact)),
                    Err(too_dear) => return Ok(park(ParkReason::OutOfRange, too_dear.to_string(), None)),
                }
            }
        };
        let charge = if credits.is_positive() {
            let chain = account.chain();
            if let Some(parked) = self.out_of_range(&chain)? {
                return Ok(parked);
            }
            let entry = LogNumber(self.ledger.log_last.0 + 1);
            let (from, to) = (Side::Available, Side::Consumed);
            for link in chain.iter() {
                self.book(link, &Movement { kind: EntryKind::Charge, from, to, credits }, None, input)?;
            }
            self.place_claims(chain.queue(), input)?;
            Some((credits, entry))
        } else {
            None
        };
        let (cause, asset, at) = (input.cause.clone(), fact.clone(), input.now);
        self.assets.push(AssetRecord { cause, asset, organization_id, charge, at });
        Ok(Outcome::Applied)
    }
}

fn price_unknown(fact: &AssetFact) -> Outcome {
    let detail = format!(
        "data.asset_type: no price list has {:?}; this is applied when one does. credits would do too",
        fact.asset_type
    );
    park(ParkReason::PriceUnknown, detail, Some(WaitsFor::Price(fact.asset_type.clone())))
}
