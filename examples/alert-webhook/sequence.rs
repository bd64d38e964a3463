//! The rule that makes "at least once, and by account in order" exactly once in effect: keep the last
//! `data.sequence` of each account and type; at or below it, drop; the next one, apply; beyond, wait.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Where a stream begins that nothing is known of yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Begin {
    /// With the first event that is seen. An alert tells all that is raised, so nothing that counts now is
    /// missed by not knowing the ones before.
    Seen,
    /// With number 1: for a queue that was bound before the ledger's first event, and a consumer that must
    /// have them all.
    First,
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was applied before: drop it.
    Duplicate,
    /// It is the next one: apply it.
    Due,
    /// Others before it are missing: keep it until they have come.
    Early,
}

/// The events of one type of one account: how far they were applied, and which came early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// The ledger's era that they are of. Each restoration of the ledger begins one, and gives numbers anew.
    #[serde(default = "first_era")]
    era: u64,
    /// The last sequence that was applied; 0 for none.
    last: i64,
    /// Those that came early, by their sequence; all beyond the one after `last`, or about to be applied.
    held: BTreeMap<i64, String>,
}

fn first_era() -> u64 {
    1
}

impl Stream {
    /// A stream that nothing is known of, whose event `sequence` has come.
    pub(crate) fn new(begin: Begin, era: u64, sequence: i64) -> Self {
        let last = match begin {
            Begin::Seen => sequence - 1,
            Begin::First => 0,
        };
        Self { era, last, held: BTreeMap::new() }
    }

    /// What an event of `era` means for what is known: of an earlier one, it is late; of a later one, all known numbers
    /// are another ledger's, so to say.
    pub(crate) fn compare_era(&self, era: u64) -> Ordering {
        era.cmp(&self.era)
    }

    /// How many came early and were not applied.
    pub(crate) fn held_back(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn verdict(&self, sequence: i64) -> Verdict {
        if sequence <= self.last {
            return Verdict::Duplicate;
        }
        if sequence == self.last + 1 { Verdict::Due } else { Verdict::Early }
    }

    /// Keeps an early event. The same one again changes nothing, since an event keeps its bytes.
    pub(crate) fn hold(&mut self, sequence: i64, event: String) {
        debug_assert_eq!(self.verdict(sequence), Verdict::Early);
        self.held.insert(sequence, event);
    }

    /// The event that is due was applied.
    pub(crate) fn applied(&mut self, sequence: i64) {
        debug_assert_eq!(self.verdict(sequence), Verdict::Due);
        self.last = sequence;
        self.held.remove(&sequence);
    }

    /// An event that came early and is due now, with its sequence.
    pub(crate) fn due(&self) -> Option<(i64, &str)> {
        let sequence = self.last + 1;
        self.held.get(&sequence).map(|event| (sequence, event.as_str()))
    }

    /// What is missing between the last one that was applied and the first one that came early.
    pub(crate) fn gap(&self) -> Option<RangeInclusive<i64>> {
        let (first_held, _) = self.held.first_key_value()?;
        let gap = self.last + 1..=first_held - 1;
        (!gap.is_empty()).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Applies what arrives, as the courier does, and says which events were applied in which order.
    fn applied(begin: Begin, arrivals: &[i64]) -> (Vec<i64>, Option<Stream>) {
        let mut known: Option<Stream> = None;
        let mut applied = Vec::new();
        for &sequence in arrivals {
            let stream = known.get_or_insert_with(|| Stream::new(begin, 1, sequence));
            match stream.verdict(sequence) {
                Verdict::Duplicate => {}
                Verdict::Due => {
                    applied.push(sequence);
                    stream.applied(sequence);
                }
                Verdict::Early => stream.hold(sequence, sequence.to_string()),
            }
            while let Some((sequence, event)) = stream.due() {
                assert_eq!(event, sequence.to_string());
                applied.push(sequence);
                stream.applied(sequence);
            }
        }
        (applied, known)
    }

    #[test]
    fn a_repetition_is_dropped_and_what_comes_early_waits() {
        let (order, stream) = applied(Begin::First, &[1, 1, 4, 2, 4, 1]);
        assert_eq!(order, [1, 2]);
        assert_eq!(stream.unwrap().gap(), Some(3..=3));
        let (order, stream) = applied(Begin::First, &[1, 1, 4, 2, 4, 1, 3]);
        assert_eq!(order, [1, 2, 3, 4]);
        assert_eq!(stream.unwrap().gap(), None);
    }

    #[test]
    fn an_unknown_stream_begins_where_it_is_seen_or_waits_for_its_first() {
        assert_eq!(applied(Begin::Seen, &[7, 6, 8]).0, [7, 8]);
        let (order, stream) = applied(Begin::First, &[7, 6, 8]);
        assert!(order.is_empty());
        assert_eq!(stream.unwrap().gap(), Some(1..=5));
    }

    #[test]
    fn a_stream_is_the_same_after_it_was_written_and_read() {
        let (_, stream) = applied(Begin::First, &[1, 2, 5, 4]);
        let written = serde_json::to_string(&stream).unwrap();
        assert_eq!(written, r#"{"era":1,"last":2,"held":{"4":"4","5":"5"}}"#);
        assert_eq!(serde_json::from_str::<Option<Stream>>(&written).unwrap(), stream);
    }

    /// Each of 1 to n at least once, in any order, with any repetitions between.
    fn arrivals() -> impl Strategy<Value = (i64, Vec<i64>)> {
        (1_i64..8).prop_flat_map(|count| {
            let repeated = prop::collection::vec(1..=count, 0..8);
            repeated.prop_flat_map(move |repeated| {
                let all: Vec<_> = (1..=count).chain(repeated).collect();
                (Just(count), Just(all).prop_shuffle())
            })
        })
    }

    proptest! {
        #[test]
        fn whatever_the_order_and_the_repetitions_each_is_applied_once_and_in_order(
            (count, arrivals) in arrivals()
        ) {
            let (order, stream) = applied(Begin::First, &arrivals);
            prop_assert!(order.into_iter().eq(1..=count));
            prop_assert_eq!(stream.unwrap().gap(), None);
        }

        #[test]
        fn a_stream_that_begins_in_the_middle_applies_all_from_there(
            (count, arrivals) in arrivals()
        ) {
            let (order, stream) = applied(Begin::Seen, &arrivals);
            prop_assert!(order.into_iter().eq(arrivals[0]..=count));
            prop_assert_eq!(stream.unwrap().gap(), None);
        }
    }

    #[test]
    fn a_stream_that_was_kept_before_there_were_eras_is_of_the_first() {
        let kept: Stream = serde_json::from_str(r#"{"last":7,"held":{}}"#).unwrap();
        assert_eq!(kept.compare_era(1), Ordering::Equal);
        let restored = Stream::new(Begin::Seen, 2, 5);
        assert_eq!((restored.compare_era(1), restored.compare_era(3)), (Ordering::Less, Ordering::Greater));
        assert_eq!(restored.verdict(5), Verdict::Due);
    }
}
