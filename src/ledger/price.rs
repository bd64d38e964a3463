//! Price lists: what a deliverable or an asset costs, and which list says so when (DESIGN 1.3).

use std::sync::Arc;

use super::credits::Credits;
use super::entry::Cause;
use super::ids::OrganizationId;
use super::input::{Deliverable, PriceLine};
use super::moment::Timestamp;

/// The most lines that one price list may have, and the most deliverables that one project may name.
pub const LINES_MAX: usize = 1000;

/// One version of a price list, complete by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// Its place among all price lists of the ledger, from 1, in the order of their arrival.
    pub number: i64,
    /// Whose it is; `None` for the default list.
    pub organization_id: Option<OrganizationId>,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// From when it is in force: the time that it names, or its arrival if that is later.
    pub starts_at: Timestamp,
    /// Its lines, by type.
    pub prices: Arc<[PriceLine]>,
    /// Whether its start was applied: until then it is only announced.
    pub started: bool,
    /// Which message brought it.
    pub cause: Arc<Cause>,
    /// Who set it, where that was said.
    pub actor: Option<Arc<str>>,
}

impl PriceList {
    fn price(&self, what: &str) -> Option<Credits> {
        self.prices.iter().find(|line| &*line.deliverable_type == what).map(|line| line.credits)
    }
}

/// The version of a list that is in force at `now`: the latest start wins, then the later arrival.
pub fn in_force(versions: &[PriceList], now: Timestamp) -> Option<&PriceList> {
    let begun = versions.iter().filter(|list| list.starts_at <= now);
    begun.max_by_key(|list| (list.starts_at, list.number))
}

/// The lists that price an account's work: its organization's own, and the default one for what that lacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists<'l> {
    /// The organization's own.
    pub own: Option<&'l PriceList>,
    /// The default one.
    pub default: Option<&'l PriceList>,
}

/// A line of a quote or of a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    /// What.
    pub deliverable_type: Arc<str>,
    /// How many pieces.
    pub quantity: i64,
    /// What a piece costs, where a list says so.
    pub each: Option<Credits>,
    /// The number of the list that says so.
    pub list: Option<i64>,
}

impl PricedLine {
    /// What all its pieces cost together. An `i128` holds every product of a price and a quantity.
    pub fn sum(&self) -> Option<i128> {
        self.each.map(|each| i128::from(each.0) * i128::from(self.quantity))
    }
}

/// A price beyond what one message may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it comes to {credits} credits; a price is at most {}", Credits::AMOUNT_MAX.0)]
pub struct TooDear {
    credits: i128,
}

impl Lists<'_> {
    /// Prices each line by the organization's own list, else by the default one.
    pub fn lines(&self, deliverables: &[Deliverable]) -> Vec<PricedLine> {
        let line = |deliverable: &Deliverable| {
            let lists = self.own.into_iter().chain(self.default);
            let found =
                lists.filter_map(|list| Some((list.price(&deliverable.deliverable_type)?, list.number)));
            let (each, list) = found.into_iter().next().unzip();
            PricedLine {
                deliverable_type: deliverable.deliverable_type.clone(),
                quantity: deliverable.quantity,
                each,
                list,
            }
        };
        deliverables.iter().map(line).collect()
    }

    /// What all of it costs; `None` while a type has no price.
    pub fn price(&self, deliverables: &[Deliverable]) -> Result<Option<Credits>, TooDear> {
        let sums: Option<Vec<i128>> = self.lines(deliverables).iter().map(PricedLine::sum).collect();
        let Some(sums) = sums else { return Ok(None) };
        // At most 1,000 lines of 10^18 each: far from what an i128 holds.
        let sum: i128 = sums.into_iter().sum();
        let credits = i64::try_from(sum).ok().map(Credits).filter(|credits| *credits <= Credits::AMOUNT_MAX);
        credits.map(Some).ok_or(TooDear { credits: sum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::ids::MessageKey;

    fn list(number: i64, starts_at: i64, prices: &[(&str, i64)]) -> PriceList {
        let line = |(what, credits): &(&str, i64)| PriceLine {
            deliverable_type: (*what).into(),
            credits: Credits(*credits),
        };
        let key = MessageKey::new("test", "list");
        PriceList {
            number,
            organization_id: None,
            arrived_at: Timestamp::EPOCH,
            starts_at: Timestamp::from_micros(starts_at).unwrap(),
            prices: prices.iter().map(line).collect(),
            started: true,
            cause: Arc::new(Cause { key, message_type: "price_list.changed.v1".into(), traceparent: None }),
            actor: None,
        }
    }

    fn pieces(deliverables: &[(&str, i64)]) -> Vec<Deliverable> {
        let piece = |(what, quantity): &(&str, i64)| Deliverable {
            deliverable_type: (*what).into(),
            quantity: *quantity,
        };
        deliverables.iter().map(piece).collect()
    }

    #[test]
    fn the_latest_start_is_in_force_and_of_two_the_later_arrival() {
        let versions = [list(1, 10, &[]), list(2, 30, &[]), list(3, 20, &[]), list(4, 20, &[])];
        let at =
            |micros| in_force(&versions, Timestamp::from_micros(micros).unwrap()).map(|list| list.number);
        assert_eq!([at(9), at(10), at(20), at(29), at(30)], [None, Some(1), Some(4), Some(4), Some(2)]);
    }

    #[test]
    fn what_the_own_list_lacks_is_priced_by_the_default_one() {
        let own = list(2, 0, &[("video", 8)]);
        let default = list(1, 0, &[("video", 10), ("photo", 5)]);
        let lists = Lists { own: Some(&own), default: Some(&default) };
        assert_eq!(lists.price(&pieces(&[("video", 2), ("photo", 3)])), Ok(Some(Credits(31))));
        assert_eq!(lists.price(&pieces(&[("video", 2), ("song", 1)])), Ok(None));
        let lines = lists.lines(&pieces(&[("video", 2), ("photo", 3)]));
        assert_eq!(lines.iter().map(|line| line.list).collect::<Vec<_>>(), [Some(2), Some(1)]);
    }

    #[test]
    fn a_price_beyond_the_limit_is_refused_and_never_wraps() {
        let dear = list(1, 0, &[("film", Credits::AMOUNT_MAX.0)]);
        let lists = Lists { own: None, default: Some(&dear) };
        assert_eq!(lists.price(&pieces(&[("film", 1)])), Ok(Some(Credits::AMOUNT_MAX)));
        let many: Vec<_> = (0..1000).map(|_| ("film", 1_000_000)).collect();
        assert!(lists.price(&pieces(&many)).is_err());
    }
}
