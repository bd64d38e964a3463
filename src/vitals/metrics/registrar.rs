//! Making figures known, so that what is documented and what is served can't differ.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

/// A figure with all its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in sentences.
    pub help: &'static str,
}

/// A figure that may be unknown: then it has no series, rather than an old value.
#[derive(Clone, Debug)]
pub(super) struct Gauge(GaugeVec);

impl Gauge {
    pub(super) fn set(&self, value: f64) {
        self.0.with_label_values::<&str>(&[]).set(value);
    }

    pub(super) fn forget(&self) {
        self.0.reset();
    }
}

/// Registers figures, and remembers which.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    pub(super) registry: Registry,
    pub(super) families: Vec<Family>,
}

const CONSTANT: &str = "names are constants that differ, and a test registers them all";

impl Registrar {
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> IntCounter {
        self.counters(name, &[], help).with_label_values::<&str>(&[])
    }

    pub(super) fn counters(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(name, help), labels).expect(CONSTANT);
        self.add(Family { name, kind: "counter", labels, help }, counters.clone());
        counters
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        Gauge(self.gauges(name, &[], help))
    }

    pub(super) fn gauges(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> GaugeVec {
        let gauges = GaugeVec::new(Opts::new(name, help), labels).expect(CONSTANT);
        self.add(Family { name, kind: "gauge", labels, help }, gauges.clone());
        gauges
    }

    pub(super) fn histogram(&mut self, name: &'static str, buckets: &[f64], help: &'static str) -> Histogram {
        self.histograms(name, &[], buckets, help).with_label_values::<&str>(&[])
    }

    pub(super) fn histograms(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        buckets: &[f64],
        help: &'static str,
    ) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = HistogramVec::new(options, labels).expect(CONSTANT);
        self.add(Family { name, kind: "histogram", labels, help }, histograms.clone());
        histograms
    }

    fn add(&mut self, family: Family, collector: impl Collector + 'static) {
        self.registry.register(Box::new(collector)).expect(CONSTANT);
        self.families.push(family);
    }
}
