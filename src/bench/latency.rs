//! How long things took, as percentiles out of an HDR histogram.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::workload::Outgoing;

/// Longer ones count as this.
const LONGEST_US: u64 = 60_000_000;
/// Three digits: a microsecond of each millisecond.
const DIGITS: u8 = 3;

/// The distribution of a latency, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
}

/// Latencies in microseconds.
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        Self(histogram.expect("the bounds are constants in order"))
    }

    pub(super) fn note(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST_US));
    }

    /// `None` where there are none.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let ms = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.0.is_empty()).then(|| Percentiles { p50: ms(0.5), p99: ms(0.99), p999: ms(0.999) })
    }
}

/// When each message was meant to be sent. Latencies count from there, whenever it was sent in fact: one that had to
/// wait for its turn would otherwise look fast because the one before it was slow.
pub(super) struct Schedule {
    began: SystemTime,
    interval: Duration,
    /// Those before this one are the warm-up.
    first_counted: u32,
    /// The places of the messages that are sent once, by their ids.
    places: HashMap<String, u32>,
}

impl Schedule {
    /// The message at place `n` is due `n` intervals after `began`.
    pub(super) fn new(
        messages: &[Outgoing],
        began: SystemTime,
        interval: Duration,
        first_counted: u32,
    ) -> Self {
        let mut places: HashMap<String, Option<u32>> = HashMap::new();
        for (place, message) in (0..).zip(messages) {
            // Which of two copies came first can't be told from what it led to.
            places.entry(message.id.clone()).and_modify(|place| *place = None).or_insert(Some(place));
        }
        let once = |(id, place): (String, Option<u32>)| Some((id, place?));
        let places = places.into_iter().filter_map(once).collect();
        Self { began, interval, first_counted, places }
    }

    /// How long after a message was due something came about by it; `None` for those that don't count.
    pub(super) fn since_due(&self, id: &str, at: SystemTime) -> Option<Duration> {
        let place = *self.places.get(id).filter(|place| **place >= self.first_counted)?;
        let due = self.began + self.interval * place;
        Some(at.duration_since(due).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Outgoing {
        Outgoing { id: id.to_owned(), routing_key: "project.amended", body: Vec::new() }
    }

    #[test]
    fn latencies_count_from_when_a_message_was_due_and_only_where_it_was_sent_once_after_the_warm_up() {
        let messages = ["warm-up", "twice", "once", "twice"].map(message);
        let began = SystemTime::UNIX_EPOCH;
        let ms = Duration::from_millis;
        let schedule = Schedule::new(&messages, began, ms(10), 1);
        assert_eq!(schedule.since_due("once", began + ms(25)), Some(ms(5)));
        assert_eq!(schedule.since_due("twice", began + ms(25)), None);
        assert_eq!(schedule.since_due("warm-up", began + ms(25)), None);
        assert_eq!(schedule.since_due("unknown", began + ms(25)), None);
    }

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        for took in 1..=1_000 {
            latencies.note(Duration::from_millis(took));
        }
        let found = latencies.percentiles().unwrap();
        for (found, expected) in [(found.p50, 500.0), (found.p99, 990.0), (found.p999, 999.0)] {
            assert!((found / expected - 1.0).abs() < 0.001, "{found} where {expected} is expected");
        }
    }
}
