//! Properties that every scrape has under any load, and sums over an exposition.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use aurora::metrics::parser::{self, Exposition, Kind, Sample};

use crate::aurora::{Aurora, PATIENCE};

/// Every sample by name and labels.
type Samples = HashMap<String, f64>;

fn samples(exposition: &Exposition, only_growing: bool) -> Samples {
    let families = exposition.families.iter();
    let families = families.filter(|family| !only_growing || family.kind != Kind::Gauge);
    families.flat_map(|family| &family.samples).map(|sample| (sample.to_string(), sample.value)).collect()
}

/// Scrapes ten times a second until told to stop and checks every exposition, see [`check`]. Gives the number of scrapes.
pub(crate) fn watch(aurora: &Aurora, stop: &AtomicBool) -> u64 {
    let (sender, scraped) = mpsc::channel();
    thread::scope(|scope| {
        // Checking takes longer than scraping, and must not slow it.
        let checker = scope.spawn(|| check(scraped));
        let mut scrapes = 0;
        let mut next = Instant::now();
        while !stop.load(Ordering::SeqCst) {
            next = (next + Duration::from_millis(100)).max(Instant::now());
            let is_checked = sender.send(aurora.scrape()).is_ok();
            assert!(is_checked || checker.is_finished(), "the checker listens until it fails");
            scrapes += 1;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        drop(sender);
        checker.join().expect("no scrape broke a rule");
        scrapes
    })
}

/// Every exposition parses with cumulative buckets, nothing that only grows ever falls, no gauge is below zero.
fn check(scraped: Receiver<String>) {
    let mut before = Samples::new();
    for text in scraped {
        let exposition = parser::parse(text.as_bytes()).expect("an exposition");
        let now = samples(&exposition, true);
        for (name, was) in &before {
            let is = now.get(name).unwrap_or_else(|| panic!("{name} is gone"));
            assert!(is >= was, "{name} fell from {was} to {is}");
        }
        for (name, value) in samples(&exposition, false) {
            assert!(value >= 0.0, "{name} is {value}");
        }
        before = now;
    }
}

/// Sum of a series (such as `x_total` or `x_count`) over the samples that `counts`.
pub(crate) fn sum(exposition: &Exposition, name: &str, counts: impl Fn(&Sample) -> bool) -> u64 {
    let samples = exposition.families.iter().flat_map(|family| &family.samples);
    let samples = samples.filter(|sample| sample.name == name && counts(sample));
    whole(samples.map(|sample| sample.value).sum())
}

/// The same by the values of labels, joined by spaces; sums of zero are left out.
pub(crate) fn sums(exposition: &Exposition, name: &str, labels: &[&str]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    let samples = exposition.families.iter().flat_map(|family| &family.samples);
    for sample in samples.filter(|sample| sample.name == name && sample.value > 0.0) {
        let values: Vec<&str> = labels.iter().map(|label| sample.label(label)).collect();
        *sums.entry(values.join(" ")).or_default() += whole(sample.value);
    }
    sums
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of a test are small")]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value} is no count");
    value as u64
}

impl Aurora {
    /// The exposition, parsed strictly.
    pub(crate) fn exposition(&self) -> Exposition {
        parser::parse(self.scrape().as_bytes()).expect("an exposition")
    }

    /// Waits until nothing is in flight, which is so within a second of the last response.
    pub(crate) fn quiet(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.counts("aurora_requests_in_flight").is_empty() {
            assert!(Instant::now() < until, "something stays in flight");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
