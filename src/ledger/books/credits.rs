//! Messages about credits: granted, adjusted, transferred (DESIGN 1.5).

use super::super::account::Kind;
use super::super::booking::Movement;
use super::super::credits::Credits;
use super::super::entry::{EntryKind, Side};
use super::super::ids::AccountId;
use super::super::input::{AdjustmentFact, GrantFact, Input, TransferFact};
use super::super::notice::{NoticeBody, TransferRejectedBody};
use super::super::outcome::{Outcome, ParkReason, Refusal, Rejection, WaitsFor};
use super::alerts::largest;
use super::projects::account_unknown;
use super::{Books, Need, Stop, park};

impl Books<'_> {
    /// Credits given. The number of a grant's entry is the grant's. What is over already lets nothing start: it
    /// expires next.
    pub(super) fn apply_grant(&mut self, input: &Input, fact: &GrantFact) -> Result<Outcome, Need> {
        if let Some(parked) = self.cannot_give(&fact.account_id)? {
            return Ok(parked);
        }
        self.move_total(&fact.account_id, EntryKind::Grant, fact.credits, input)?;
        self.remember_term(fact)?;
        if !input.brings_what_is_over() {
            self.place_on_account(&fact.account_id, input)?;
        }
        Ok(Outcome::Applied)
    }

    /// A correction. The total may end below what is in use: a fact is accepted, and the account is over limit.
    pub(super) fn apply_adjustment(&mut self, input: &Input, fact: &AdjustmentFact) -> Result<Outcome, Need> {
        if let Some(parked) = self.cannot_give(&fact.account_id)? {
            return Ok(parked);
        }
        self.move_total(&fact.account_id, EntryKind::Adjustment, fact.credits, input)?;
        self.place_on_account(&fact.account_id, input)?;
        Ok(Outcome::Applied)
    }

    /// Moves available credits between two integrated accounts of one organization: all of them, or none.
    pub(super) fn apply_transfer(&mut self, input: &Input, fact: &TransferFact) -> Result<Outcome, Stop> {
        let (from, to) = (&fact.from_account_id, &fact.to_account_id);
        for id in [from, to] {
            if let Some(parked) = self.cannot_give(id)? {
                return Ok(parked);
            }
        }
        if let Some(parked) = self.cannot_transfer(from, to)? {
            return Ok(parked);
        }
        let giver = self.known_account(from)?;
        let short = fact.credits - giver.balance.available().or_zero();
        if !short.is_positive() {
            self.move_total(from, EntryKind::Transfer, -fact.credits, input)?;
            self.move_total(to, EntryKind::Transfer, fact.credits, input)?;
            self.place_on_account(to, input)?;
            return Ok(Outcome::Applied);
        }
        if input.command().is_some() {
            let detail = format!(
                "account \"{from}\" has {} credits available, {short} too few for a transfer of {}",
                giver.balance.available(),
                fact.credits
            );
            return Err(Stop::Refused(Refusal { detail, in_use_on: Some(from.clone()) }));
        }
        self.reject_transfer(input, fact, short)?;
        Ok(Outcome::Rejected(Rejection::Transfer))
    }

    fn reject_transfer(&mut self, input: &Input, fact: &TransferFact, short: Credits) -> Result<(), Need> {
        let from = &fact.from_account_id;
        let body = TransferRejectedBody {
            from_account_id: from.clone(),
            to_account_id: fact.to_account_id.clone(),
            credits: fact.credits,
            short,
            balance: self.known_account(from)?.balance.into(),
            largest_holds: largest(self.holders_of(from)?),
            reason: fact.reason.clone(),
            actor: fact.actor.clone(),
        };
        self.say(from, NoticeBody::TransferRejected(body), input)
    }

    /// Why nothing can be given between two accounts, if so. It can be later, when one of them has changed.
    fn cannot_transfer(&self, from: &AccountId, to: &AccountId) -> Result<Option<Outcome>, Need> {
        let is_integrated = |id: &AccountId| -> Result<bool, Need> {
            Ok(*self.known_account(id)?.kind.get() == Kind::Integrated)
        };
        let what = if !is_integrated(from)? {
            (from, format!("account \"{from}\" is not an integrated one"))
        } else if !is_integrated(to)? {
            (to, format!("account \"{to}\" is not an integrated one"))
        } else if self.known_account(from)?.organization() != self.known_account(to)?.organization() {
            (to, format!("accounts \"{from}\" and \"{to}\" belong to different organizations"))
        } else {
            return Ok(None);
        };
        let (account, what) = what;
        let detail =
            format!("{what}; credits are transferred between integrated accounts of one organization");
        let waits_for = WaitsFor::Account(account.clone());
        Ok(Some(park(ParkReason::NotTransferable, detail, Some(waits_for))))
    }

    /// What a message about the credits of an account is parked for, if it is.
    fn cannot_give(&self, id: &AccountId) -> Result<Option<Outcome>, Need> {
        let Some(account) = self.account(id)? else {
            return Ok(Some(account_unknown(id)));
        };
        self.out_of_range(&account.chain())
    }

    /// Raises or lowers an account's total.
    pub(super) fn move_total(
        &mut self,
        account_id: &AccountId,
        kind: EntryKind,
        credits: Credits,
        input: &Input,
    ) -> Result<(), Need> {
        let (from, to) = match credits.is_positive() {
            true => (Side::Outside, Side::Available),
            false => (Side::Available, Side::Outside),
        };
        self.book(account_id, &Movement { kind, from, to, credits: credits.abs() }, None, input)
    }
}
