//! Booking: the only way in which a balance changes.

use std::sync::Arc;

use super::account::Account;
use super::credits::Credits;
use super::digest;
use super::entry::{Cause, Digest, Entry, EntryKind, LogNumber, Side, moved};
use super::ids::ProjectId;
use super::moment::Timestamp;

/// A movement to be booked: an [`Entry`] without what its account and place give it.
#[derive(Clone, Debug)]
pub struct Movement {
    /// What it is.
    pub kind: EntryKind,
    /// Where the credits come from.
    pub from: Side,
    /// Where they go.
    pub to: Side,
    /// How many; more than zero.
    pub credits: Credits,
}

/// What surrounds a movement.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// Its place in the ledger's order.
    pub number: LogNumber,
    /// When.
    pub at: Timestamp,
    /// The project that it is for.
    pub project_id: Option<&'a ProjectId>,
    /// Which message brought it about.
    pub cause: &'a Arc<Cause>,
    /// Why, in a person's words.
    pub reason: Option<&'a Arc<str>>,
    /// Who did it.
    pub actor: Option<&'a Arc<str>>,
}

/// Books one movement on `account`: its balance, its sequence and its digest move on, and the entry says so.
pub fn book(account: &mut Account, movement: &Movement, around: &Circumstances) -> Entry {
    let Movement { kind, from, to, credits } = *movement;
    assert!(credits.is_positive(), "an entry moves more than nothing");
    assert!(from != to, "an entry has two different sides");
    account.balance = moved(account.balance, from, to, credits);
    assert!(account.balance.held >= Credits::ZERO, "no more is released than was held");
    assert!(account.balance.consumed >= Credits::ZERO, "no more is reversed than was consumed");
    account.sequences.entries += 1;
    let mut entry = Entry {
        number: around.number,
        account_id: account.id.clone(),
        organization_id: account.organization().cloned(),
        sequence: account.sequences.entries,
        at: around.at,
        kind,
        from,
        to,
        credits,
        project_id: around.project_id.cloned(),
        balance: account.balance,
        cause: around.cause.clone(),
        reason: around.reason.cloned(),
        actor: around.actor.cloned(),
        digest: Digest::FIRST,
    };
    entry.digest = digest::of_entry(account.digest, &entry);
    account.digest = entry.digest;
    entry
}
