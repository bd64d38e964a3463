//! Adding up: what moves of credits come to, by the one rule that all reports share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ledger::balance::Balance;
use crate::ledger::credits::Credits;
use crate::ledger::entry::{EntryKind, Side};
use crate::ledger::notice::ShownBalance;
use crate::store::MovedFigures;

/// What went in and out of `available`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flow {
    /// How many entries.
    pub entries: i64,
    /// What entered `available`, in credits.
    pub credited: Credits,
    /// What left `available`, in credits.
    pub debited: Credits,
    /// What was used up, less what of that was undone, in credits.
    pub used: Credits,
}

/// What entries of one kind moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KindUsage {
    /// What they are.
    pub kind: EntryKind,
    /// What they come to.
    #[serde(flatten)]
    pub flow: Flow,
    /// All that they moved, in credits: also between held and consumed, which leaves `available` as it is.
    pub moved: Credits,
}

/// What a stretch of an account's entries comes to:
/// `opening.available + credited - debited = closing.available`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Totals {
    /// The balance before the stretch.
    pub opening: ShownBalance,
    /// What happened to it.
    #[serde(flatten)]
    pub flow: Flow,
    /// The balance at the end of the stretch.
    pub closing: ShownBalance,
}

/// What an entry adds to `available`; below zero what it takes from there; zero where it moves credits elsewhere.
pub(super) fn effect_on_available(from: Side, to: Side, credits: Credits) -> Credits {
    match (from, to) {
        (_, Side::Available) => credits,
        (Side::Available, _) => -credits,
        _ => Credits::ZERO,
    }
}

impl Flow {
    /// Counts `entries` that moved `credits` in all from one side to another.
    pub(super) fn add(&mut self, from: Side, to: Side, entries: i64, credits: Credits) {
        let effect = effect_on_available(from, to, credits);
        self.entries += entries;
        self.credited += effect.or_zero();
        self.debited += (-effect).or_zero();
        match (from, to) {
            (_, Side::Consumed) => self.used += credits,
            (Side::Consumed, _) => self.used -= credits,
            _ => {}
        }
    }

    /// The same without what `part` of it came to.
    pub(super) fn without(self, part: Flow) -> Flow {
        Flow {
            entries: self.entries - part.entries,
            credited: self.credited - part.credited,
            debited: self.debited - part.debited,
            used: self.used - part.used,
        }
    }

    /// What these come to together.
    pub(super) fn sum(parts: impl IntoIterator<Item = Flow>) -> Flow {
        parts.into_iter().fold(Flow::default(), |sum, part| Flow {
            entries: sum.entries + part.entries,
            credited: sum.credited + part.credited,
            debited: sum.debited + part.debited,
            used: sum.used + part.used,
        })
    }

    /// Of these figures, those that count.
    pub(super) fn of(moved: &[MovedFigures], counts: impl Fn(&MovedFigures) -> bool) -> Flow {
        let mut flow = Flow::default();
        for figures in moved.iter().filter(|figures| counts(figures)) {
            flow.add(figures.from, figures.to, figures.entries, figures.credits);
        }
        flow
    }
}

impl Totals {
    /// Puts both balances to what happened between them; `None` where that doesn't lead from one to the other.
    pub(super) fn of(opening: Balance, flow: Flow, closing: Balance) -> Option<Self> {
        let leads = opening.available() + flow.credited - flow.debited == closing.available()
            && opening.consumed + flow.used == closing.consumed;
        leads.then(|| Self { opening: opening.into(), flow, closing: closing.into() })
    }
}

/// What each kind moved, in the order of the kinds; none that moved nothing.
pub(super) fn by_kind(moved: &[MovedFigures]) -> Vec<KindUsage> {
    let usage = |kind: EntryKind| {
        let is_of_kind = |figures: &&MovedFigures| figures.kind == kind;
        KindUsage {
            kind,
            flow: Flow::of(moved, |figures| figures.kind == kind),
            moved: moved.iter().filter(is_of_kind).map(|figures| figures.credits).sum(),
        }
    };
    EntryKind::ALL.into_iter().map(usage).filter(|usage| usage.flow.entries > 0).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::entry::moved;

    fn side() -> impl Strategy<Value = Side> {
        prop::sample::select(Side::ALL.to_vec())
    }

    fn a_move() -> impl Strategy<Value = MovedFigures> {
        let kind = prop::sample::select(EntryKind::ALL.to_vec());
        let different = (side(), side()).prop_filter("two sides", |(from, to)| from != to);
        (kind, different, 1..50_i64, any::<bool>()).prop_map(|(kind, (from, to), credits, in_project)| {
            MovedFigures { kind, from, to, in_project, entries: 1, credits: Credits(credits) }
        })
    }

    proptest! {
        #[test]
        fn whatever_moves_the_opening_balance_leads_to_the_closing_one(
            moves in prop::collection::vec(a_move(), 0..30),
            opening in (-50..50_i64, 0..50_i64, 0..50_i64),
        ) {
            let (total, held, consumed) = opening;
            let [total, held, consumed] = [total, held, consumed].map(Credits);
            let opening = Balance { total, held, consumed };
            let closing = moves.iter().fold(opening, |balance, one| moved(balance, one.from, one.to, one.credits));
            let flow = Flow::of(&moves, |_| true);
            let totals = Totals::of(opening, flow, closing).expect("it leads there");
            prop_assert_eq!(totals.closing, closing.into());
            prop_assert_eq!(flow.entries, i64::try_from(moves.len()).unwrap());
        }

        #[test]
        fn the_parts_come_to_the_whole_however_it_is_cut(moves in prop::collection::vec(a_move(), 0..30)) {
            let whole = Flow::of(&moves, |_| true);
            let kinds = by_kind(&moves);
            prop_assert_eq!(Flow::sum(kinds.iter().map(|kind| kind.flow)), whole);
            let (inside, outside) = (Flow::of(&moves, |one| one.in_project), Flow::of(&moves, |one| !one.in_project));
            prop_assert_eq!(Flow::sum([inside, outside]), whole);
            prop_assert_eq!(whole.without(inside), outside);
            for kind in kinds {
                prop_assert!(kind.moved >= kind.flow.credited + kind.flow.debited);
            }
        }
    }

    #[test]
    fn a_balance_that_does_not_follow_is_found_out() {
        let closing = Balance { total: Credits(1), ..Balance::default() };
        assert_eq!(Totals::of(Balance::default(), Flow::default(), closing), None);
    }
}
