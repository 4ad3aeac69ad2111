//! Properties that every scrape has under any load, and sums over an exposition.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use aurora::metrics::parser::{self, Exposition, Kind, Sample};

use crate::support::aurora::{Aurora, WAIT_LIMIT};

/// Scrapes ten times a second until stopped and checks every exposition, see [`check`]. Gives the number of scrapes.
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

/// Every exposition parses with cumulative buckets, nothing that only grows ever falls or is gone, no gauge is below
/// zero.
fn check(scraped: Receiver<String>) {
    let mut before = Exposition::default();
    for text in scraped {
        let now = parser::parse(text.as_bytes()).expect("an exposition");
        for sample in samples(&now) {
            assert!(sample.value >= 0.0, "{sample} is {}", sample.value);
        }
        // Samples are sorted, and new ones only come between: one walk meets all of them.
        let mut left = growing(&now);
        for was in growing(&before) {
            let is = left.find(|is| (&is.name, &is.labels) == (&was.name, &was.labels));
            let is = is.unwrap_or_else(|| panic!("{was} is gone, or out of order"));
            assert!(is.value >= was.value, "{was} fell from {} to {}", was.value, is.value);
        }
        drop(left);
        before = now;
    }
}

fn samples(exposition: &Exposition) -> impl Iterator<Item = &Sample> {
    exposition.families.iter().flat_map(|family| &family.samples)
}

/// Samples of everything but gauges.
fn growing(exposition: &Exposition) -> impl Iterator<Item = &Sample> {
    let families = exposition.families.iter().filter(|family| family.kind != Kind::Gauge);
    families.flat_map(|family| &family.samples)
}

/// Sum of a series (such as `x_total` or `x_count`) over the samples that `counts`.
pub(crate) fn sum(exposition: &Exposition, name: &str, counts: impl Fn(&Sample) -> bool) -> u64 {
    let counted = samples(exposition).filter(|sample| *sample.name == *name && counts(sample));
    whole(counted.map(|sample| sample.value).sum())
}

/// Sums by the values of labels, joined by spaces; without sums of zero.
pub(crate) fn sums(exposition: &Exposition, name: &str, labels: &[&str]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for sample in samples(exposition).filter(|sample| *sample.name == *name && sample.value > 0.0) {
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
        let until = Instant::now() + WAIT_LIMIT;
        while !self.counts("aurora_requests_in_flight").is_empty() {
            assert!(Instant::now() < until, "something stays in flight");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
