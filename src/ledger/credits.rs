//! Amounts of credits: whole numbers in checked arithmetic.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of credits. One credit is one unit of production capacity; there are no fractions.
///
/// Arithmetic panics on overflow rather than wrap. [`Credits::BALANCE_MAX`] keeps that out of reach: a
/// message that finds an account beyond it is parked before anything is added.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(description = "A number of credits. There are no fractions.")]
pub struct Credits(pub i64);

impl Credits {
    /// No credits.
    pub const ZERO: Credits = Credits(0);
    /// The most that one message may name as a price, grant, charge, transfer, adjustment or plan.
    pub const AMOUNT_MAX: Credits = Credits(1_000_000_000_000);
    /// The size of a balance's part beyond which nothing more is booked: less than a ninth of what an `i64` holds. What
    /// is available is made of three of them, and an account that comes to a pool can double each.
    pub const BALANCE_MAX: Credits = Credits(1_000_000_000_000_000_000);

    /// `self`, or zero where it is below.
    #[must_use]
    pub fn or_zero(self) -> Credits {
        self.max(Credits::ZERO)
    }

    /// Whether this is more than nothing.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether this is exactly nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The size without the sign.
    #[must_use]
    pub fn abs(self) -> Credits {
        Credits(self.0.checked_abs().expect("credits stay far from i64::MIN"))
    }
}

impl Add for Credits {
    type Output = Credits;
    fn add(self, other: Credits) -> Credits {
        Credits(self.0.checked_add(other.0).expect("credits stay within BALANCE_MAX"))
    }
}

impl Sub for Credits {
    type Output = Credits;
    fn sub(self, other: Credits) -> Credits {
        Credits(self.0.checked_sub(other.0).expect("credits stay within BALANCE_MAX"))
    }
}

impl Neg for Credits {
    type Output = Credits;
    fn neg(self) -> Credits {
        Credits(self.0.checked_neg().expect("credits stay far from i64::MIN"))
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Credits) {
        *self = *self + other;
    }
}

impl SubAssign for Credits {
    fn sub_assign(&mut self, other: Credits) {
        *self = *self - other;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Credits>>(amounts: I) -> Credits {
        amounts.fold(Credits::ZERO, Add::add)
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "credits stay within BALANCE_MAX")]
    fn adding_past_the_end_panics_instead_of_wrapping() {
        let _ = Credits(i64::MAX) + Credits(1);
    }
}
