//! Grants that expire: each keeps what is left of it (DESIGN 1.5).

use super::account::Mode;
use super::credits::Credits;
use super::entry::LogNumber;
use super::ids::AccountId;
use super::moment::Timestamp;

/// A grant with a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The number of the entry that booked it.
    pub number: LogNumber,
    /// Whose credits.
    pub account_id: AccountId,
    /// How many were granted.
    pub credits: Credits,
    /// What of them was not used up.
    pub left: Credits,
    /// From when on they are no longer there.
    pub expires_at: Timestamp,
    /// Whether it was warned of.
    pub warned: bool,
    /// Whether it is over: used up, or expired.
    pub closed: bool,
}

impl Grant {
    /// Whether its time is over and that was not booked yet.
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.closed && self.expires_at <= now
    }

    /// What leaves `total` at expiry: what is left. Where credits are consumed, no more than is available,
    /// for what is held or used up was taken from somewhere.
    pub fn expiring(&self, mode: Mode, available: Credits) -> Credits {
        match mode {
            Mode::Recycle => self.left,
            Mode::Consume => self.left.min(available.or_zero()),
        }
    }
}

/// Takes `used` credits from what is left of an account's `grants`, soonest expiry first. One that is used up
/// is over. What goes beyond all of them is taken from the plan.
pub fn draw(grants: &mut [Grant], used: Credits) {
    grants.sort_by_key(|grant| (grant.expires_at, grant.number));
    let mut rest = used;
    for grant in grants.iter_mut().filter(|grant| !grant.closed) {
        let taken = grant.left.min(rest);
        grant.left -= taken;
        grant.closed = grant.left.is_zero();
        rest -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(number: i64, left: i64, expires_at: i64) -> Grant {
        Grant {
            number: LogNumber(number),
            account_id: AccountId::parse("own").unwrap(),
            credits: Credits(left),
            left: Credits(left),
            expires_at: Timestamp::from_micros(expires_at).unwrap(),
            warned: false,
            closed: false,
        }
    }

    #[test]
    fn use_draws_on_the_grant_that_expires_soonest() {
        let mut grants = [grant(1, 5, 300), grant(2, 3, 100), grant(3, 4, 200)];
        draw(&mut grants, Credits(6));
        let left: Vec<_> = grants.iter().map(|grant| (grant.number.0, grant.left.0, grant.closed)).collect();
        assert_eq!(left, [(2, 0, true), (3, 1, false), (1, 5, false)]);
        draw(&mut grants, Credits(100));
        assert!(grants.iter().all(|grant| grant.closed), "what goes beyond is the plan's");
    }

    #[test]
    fn what_expires_is_what_is_left_and_where_credits_are_consumed_no_more_than_is_available() {
        let grant = grant(1, 5, 100);
        assert_eq!(grant.expiring(Mode::Recycle, Credits(-2)), Credits(5));
        assert_eq!(grant.expiring(Mode::Consume, Credits(2)), Credits(2));
        assert_eq!(grant.expiring(Mode::Consume, Credits(-2)), Credits(0));
        assert_eq!(grant.expiring(Mode::Consume, Credits(9)), Credits(5));
    }
}
