//! Projects: a few registers, the target that follows from them, and the movements from what is booked to
//! that target (DESIGN 1.1).

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{Chain, Mode};
use super::balance::Queued;
use super::booking::Movement;
use super::credits::Credits;
use super::entry::{EntryKind, Side};
use super::ids::{AccountId, ProjectId};
use super::input::Price;
use super::moment::Timestamp;
use super::settings::Effect;
use super::version::{Register, Version};

/// A status with what it does, as the settings said when it was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The status, in the upstream's vocabulary.
    pub name: Arc<str>,
    /// What it does.
    pub effect: Effect,
    /// How far along a project's life it is; higher is closer to being settled.
    pub stage: u16,
}

/// The status of a project whose hold was released by command.
pub const RELEASED_BY_OPERATOR: &str = "released_by_operator";

/// A price as it was said, with the credits that it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceTag {
    /// As it was said.
    pub said: Price,
    /// What that is in credits; unknown while no price list covers it.
    pub credits: Option<Credits>,
}

/// Orders the claims of a queue: drawn from a counter of the ledger when a claim begins to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub i64);

/// What a project wants held beyond what it has, waiting for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its place in the queue.
    pub ticket: Ticket,
    /// Since when it waits.
    pub since: Timestamp,
    /// Whether it exceeds what an account of its chain could ever carry. It then blocks nobody.
    pub aside: bool,
}

/// What a project's registers ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// To be held.
    pub held: Credits,
    /// To be consumed.
    pub consumed: Credits,
}

/// Where a project stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun: no status, or one without effect.
    None,
    /// It would tie up or use up credits, but its price isn't known.
    Unpriced,
    /// It holds credits; it may want more.
    Held,
    /// It holds none, and waits.
    Queued,
    /// It holds none, and was refused.
    Rejected,
    /// It gave back what it had.
    Released,
    /// What it had is used up.
    Captured,
}

impl State {
    /// Every state.
    pub const ALL: [State; 7] = [
        State::None,
        State::Unpriced,
        State::Held,
        State::Queued,
        State::Rejected,
        State::Released,
        State::Captured,
    ];

    /// Its name, as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::None => "none",
            State::Unpriced => "unpriced",
            State::Held => "held",
            State::Queued => "queued",
            State::Rejected => "rejected",
            State::Released => "released",
            State::Captured => "captured",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The thing that ties credits up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Whose it is.
    pub account: Register<Option<AccountId>>,
    /// Where it is in its life.
    pub status: Register<Option<Status>>,
    /// What it costs.
    pub price: Register<Option<PriceTag>>,
    /// What it cost in the end.
    pub final_credits: Register<Option<Credits>>,
    /// What people call it.
    pub name: Register<Option<Arc<str>>>,
    /// What settling does; taken from the account when the project came to it.
    pub mode: Mode,
    /// The accounts that `held` and `consumed` are booked on, and that a claim is made on.
    pub chain: Option<Chain>,
    /// What is booked as held, on each account of the chain.
    pub held: Credits,
    /// What is booked as consumed, on each account of the chain.
    pub consumed: Credits,
    /// Its place in the queue, while it waits.
    pub claim: Option<Claim>,
    /// The held target that was refused, until the target changes.
    pub refused: Option<Credits>,
    /// Since when it is in its status: a message that repeats the status does not begin anew.
    pub status_since: Option<Timestamp>,
    /// Since when its hold counts as stale: it is in its status for longer than that one's limit.
    pub stale_since: Option<Timestamp>,
    /// The status that it was in when its hold was released by command, until another status comes.
    pub released_from: Option<Status>,
    /// Since when a price was said that no list turns into credits.
    pub unpriced_since: Option<Timestamp>,
}

impl Project {
    /// A project that nobody has said anything about.
    pub fn new(id: ProjectId) -> Self {
        Self {
            id,
            account: Register::default(),
            status: Register::default(),
            price: Register::default(),
            final_credits: Register::default(),
            name: Register::default(),
            mode: Mode::Recycle,
            chain: None,
            held: Credits::ZERO,
            consumed: Credits::ZERO,
            claim: None,
            refused: None,
            status_since: None,
            stale_since: None,
            released_from: None,
            unpriced_since: None,
        }
    }

    /// The versions of its registers, in the order in which they are stored.
    pub fn versions(&self) -> [Option<&Arc<Version>>; 5] {
        [
            self.account.version(),
            self.status.version(),
            self.price.version(),
            self.final_credits.version(),
            self.name.version(),
        ]
    }

    /// What its status does; nothing where it has none.
    pub fn effect(&self) -> Effect {
        self.status.get().as_ref().map_or(Effect::None, |status| status.effect)
    }

    /// Its price in credits, where known.
    pub fn credits(&self) -> Option<Credits> {
        self.price.get().as_ref().and_then(|tag| tag.credits)
    }

    /// What settling would use up, where known: the final credits, else the price.
    fn settled_credits(&self) -> Option<Credits> {
        self.final_credits.get().or(self.credits())
    }

    /// What its registers ask for: DESIGN 1.1's second table. An unknown price asks for nothing yet.
    pub fn target(&self) -> Target {
        let (held, consumed) = match (self.effect(), self.mode) {
            (Effect::None | Effect::Release, _) | (Effect::Settle, Mode::Recycle) => (None, None),
            (Effect::Hold, _) => (self.credits(), None),
            (Effect::Settle, Mode::Consume) => (None, self.settled_credits()),
        };
        Target { held: held.unwrap_or_default(), consumed: consumed.unwrap_or_default() }
    }

    /// Where it stands, in a word.
    pub fn state(&self) -> State {
        match (self.effect(), self.mode) {
            (Effect::None, _) => State::None,
            (Effect::Release, _) | (Effect::Settle, Mode::Recycle) => State::Released,
            (Effect::Settle, Mode::Consume) if self.settled_credits().is_none() => State::Unpriced,
            (Effect::Settle, Mode::Consume) => State::Captured,
            (Effect::Hold, _) if self.credits().is_none() => State::Unpriced,
            (Effect::Hold, _) if self.held.is_positive() => State::Held,
            (Effect::Hold, _) if self.claim.is_some() => State::Queued,
            (Effect::Hold, _) if self.refused.is_some() => State::Rejected,
            (Effect::Hold, _) => State::Held,
        }
    }

    /// How much more it wants held than it has.
    pub fn growth(&self) -> Credits {
        self.target().held - self.held
    }

    /// What it adds to what waits on each account of its chain.
    pub fn waiting(&self) -> Queued {
        match self.claim {
            Some(_) => Queued { projects: 1, credits: self.growth() },
            None => Queued::default(),
        }
    }

    /// Whether it can't leave its chain by itself: it holds or waits there, or what it used up there stays
    /// used up.
    pub fn is_tied(&self) -> bool {
        let stays_consumed = self.consumed.is_positive() && !self.target().held.is_positive();
        self.held.is_positive() || self.claim.is_some() || stays_consumed
    }
}

/// The movements from what is booked to `target`, all but the growth of the hold, which may have to wait.
///
/// What was consumed and is to be held again goes straight from one to the other. What is to be consumed
/// comes out of what is held, then out of what is available, for a settlement always books.
pub fn movements(held: Credits, consumed: Credits, target: Target) -> Vec<Movement> {
    let mut list = Vec::new();
    let mut add = |kind, from, to, credits: Credits| {
        if credits.is_positive() {
            list.push(Movement { kind, from, to, credits });
        }
    };
    let uncaptured = (consumed - target.consumed).or_zero();
    let held_again = uncaptured.min((target.held - held).or_zero());
    add(EntryKind::Reversal, Side::Consumed, Side::Held, held_again);
    add(EntryKind::Reversal, Side::Consumed, Side::Available, uncaptured - held_again);

    let to_capture = (target.consumed - consumed).or_zero();
    let spare = (held - target.held).or_zero();
    let from_held = to_capture.min(spare);
    add(EntryKind::Capture, Side::Held, Side::Consumed, from_held);
    add(EntryKind::Capture, Side::Available, Side::Consumed, to_capture - from_held);
    add(EntryKind::Release, Side::Held, Side::Available, spare - from_held);
    list
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::balance::Balance;
    use super::super::entry::moved;
    use super::*;

    fn credits() -> impl Strategy<Value = Credits> {
        (0i64..6).prop_map(Credits)
    }

    proptest! {
        /// After the movements only the growth of the hold is missing, and nothing was taken from
        /// `available` but what a settlement needs beyond the hold.
        #[test]
        fn the_movements_reach_the_target_all_but_the_growth_of_the_hold(
            held in credits(), consumed in credits(), target_held in credits(), target_consumed in credits(),
        ) {
            let before = Balance { total: Credits(100), held, consumed };
            let target = Target { held: target_held, consumed: target_consumed };
            let after = movements(held, consumed, target)
                .iter()
                .fold(before, |balance, step| moved(balance, step.from, step.to, step.credits));
            prop_assert_eq!(after.consumed, target_consumed);
            prop_assert!(after.held <= target_held);
            prop_assert_eq!(after.total, before.total);
            let missing = target_held - after.held;
            let reversed = (consumed - target_consumed).or_zero();
            prop_assert!(missing.is_zero() || missing == target_held - held - reversed);
        }
    }

    #[test]
    fn a_reopened_project_goes_straight_from_consumed_to_held() {
        let target = Target { held: Credits(8), consumed: Credits::ZERO };
        let steps = movements(Credits::ZERO, Credits(5), target);
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].from, steps[0].to, steps[0].credits), (Side::Consumed, Side::Held, Credits(5)));
    }

    #[test]
    fn settling_for_less_than_was_held_captures_and_releases() {
        let target = Target { held: Credits::ZERO, consumed: Credits(3) };
        let steps = movements(Credits(10), Credits::ZERO, target);
        let told: Vec<_> = steps.iter().map(|step| (step.kind, step.credits)).collect();
        assert_eq!(told, [(EntryKind::Capture, Credits(3)), (EntryKind::Release, Credits(7))]);
    }
}
