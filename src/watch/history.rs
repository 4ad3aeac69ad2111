//! Everything that the view knows: each endpoint with its last page, and the increase of each past interval.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::reading::{Counts, Gauges, Growth, ModelCounts, Reading};
use super::rounds::Round;
use crate::probe::Finding;

/// Intervals in memory.
const MOST_INTERVALS: usize = 600;

/// Rows of models in memory, over all intervals: about 40 MB.
const MOST_ROWS: usize = 60_000;

/// Past intervals and the endpoints.
pub(crate) struct History {
    pub(crate) endpoints: Vec<Endpoint>,
    /// Oldest first.
    pub(crate) intervals: VecDeque<Interval>,
    interval: Duration,
    rows: usize,
}

/// One endpoint.
pub(crate) struct Endpoint {
    /// Its URL, as it may be printed.
    pub(crate) url: String,
    pub(crate) status: Status,
    /// The last page; kept while the endpoint is down.
    pub(crate) last: Option<Reading>,
    /// True if its process restarted before the last page.
    pub(crate) restarted: bool,
    /// Time of the page that showed its last restart.
    pub(crate) restart: Option<Instant>,
}

/// Status of an endpoint after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// It responded with an exposition.
    Up,
    /// Its response is awaited since that time.
    Waiting(Instant),
    /// It failed.
    Down(Finding),
}

/// The increase during one interval, over the endpoints that responded.
#[derive(Default)]
pub(crate) struct Interval {
    /// Its length; 0 where no endpoint gave an increase.
    pub(crate) seconds: f64,
    pub(crate) counts: Counts,
    /// The counts of all models.
    pub(crate) all: ModelCounts,
    /// Requests in flight at its end.
    pub(crate) in_flight: Option<f64>,
}

impl History {
    /// No page yet. Endpoints are waited for from `at` on.
    pub(crate) fn new(urls: impl IntoIterator<Item = String>, interval: Duration, at: Instant) -> Self {
        let endpoint =
            |url| Endpoint { url, status: Status::Waiting(at), last: None, restarted: false, restart: None };
        Self {
            endpoints: urls.into_iter().map(endpoint).collect(),
            intervals: VecDeque::new(),
            interval,
            rows: 0,
        }
    }

    /// Takes the results of a round. Returns true if it added an interval: the first pages give no increase.
    pub(crate) fn take(&mut self, round: Round) -> bool {
        let had_pages = self.endpoints.iter().any(|endpoint| endpoint.last.is_some());
        let usual = self.interval.as_secs_f64();
        let mut interval = Interval::default();
        let alone = self.endpoints.len() == 1;
        for (endpoint, result) in self.endpoints.iter_mut().zip(round.results) {
            endpoint.restarted = false;
            // A late page of the only endpoint is that of a longer interval.
            let is_late = alone && matches!(endpoint.status, Status::Waiting(_));
            let longest = if is_late { f64::INFINITY } else { usual * 1.5 };
            match result {
                Some(Ok(reading)) => endpoint.take(reading, usual, longest, &mut interval),
                Some(Err(finding)) => endpoint.status = Status::Down(finding),
                None if matches!(endpoint.status, Status::Waiting(_)) => {}
                None => {
                    endpoint.status =
                        Status::Waiting(round.at.checked_sub(self.interval).unwrap_or(round.at));
                }
            }
        }
        if had_pages {
            for model in interval.counts.models.values() {
                interval.all.merge(model, 1.0);
            }
            interval.in_flight = self.gauges().in_flight;
            self.rows += interval.counts.models.len();
            self.intervals.push_back(interval);
        }
        while self.intervals.len() > MOST_INTERVALS || self.rows > MOST_ROWS && self.intervals.len() > 1 {
            if let Some(oldest) = self.intervals.pop_front() {
                self.rows -= oldest.counts.models.len();
            }
        }
        had_pages
    }

    /// Gauges of the endpoints that are up, summed.
    pub(crate) fn gauges(&self) -> Gauges {
        let mut gauges = Gauges::default();
        for reading in self.up().filter_map(|endpoint| endpoint.last.as_ref()) {
            if let Some(in_flight) = reading.gauges.in_flight {
                *gauges.in_flight.get_or_insert(0.0) += in_flight;
            }
            for (name, states) in &reading.gauges.breakers {
                let sums = gauges.breakers.entry(name.clone()).or_default();
                for (sum, state) in sums.iter_mut().zip(states) {
                    *sum += state;
                }
            }
            gauges.label_sets.extend(reading.gauges.label_sets.iter().cloned());
        }
        gauges
    }

    /// Endpoints whose last scrape succeeded.
    pub(crate) fn up(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().filter(|endpoint| endpoint.status == Status::Up)
    }

    pub(crate) fn all_up(&self) -> bool {
        self.up().count() == self.endpoints.len()
    }
}

impl Endpoint {
    /// Takes a page, and adds the increase since the last one to the interval.
    fn take(&mut self, reading: Reading, usual: f64, longest: f64, interval: &mut Interval) {
        self.status = Status::Up;
        if let Some(last) = &self.last {
            let Growth { counts, restarted } = reading.since(last);
            let elapsed = reading.at.duration_since(last.at).as_secs_f64();
            // An increase that took longer, because the endpoint was down or another process counted it, is spread over
            // its time.
            let took = match reading.started {
                Some(started) if restarted => elapsed.max(seconds_since(started)),
                _ => elapsed,
            };
            let seconds = if elapsed > longest { usual } else { elapsed };
            let share = if took > 0.0 && seconds < took { seconds / took } else { 1.0 };
            interval.counts.merge(&counts, share);
            interval.seconds = interval.seconds.max(seconds);
            self.restarted = restarted;
            if restarted {
                self.restart = Some(reading.at);
            }
        }
        self.last = Some(reading);
    }
}

/// Seconds since a time given in seconds since 1970; 0 for a time to come.
fn seconds_since(time: f64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs_f64() - time).max(0.0)
}

/// Increase during the last intervals, newest first, that fill `window`: at least one. An interval without an increase is
/// as long as `usual`, but the last ones of an outage leave the figures before it.
pub(crate) fn sum<'a>(
    intervals: impl Iterator<Item = &'a Interval>,
    window: Duration,
    usual: Duration,
) -> Interval {
    let mut sum = Interval::default();
    let mut passed = 0.0;
    for interval in intervals {
        let length = if interval.seconds > 0.0 { interval.seconds } else { usual.as_secs_f64() };
        if sum.seconds > 0.0 && passed + length / 2.0 > window.as_secs_f64() {
            break;
        }
        if sum.seconds > 0.0 || interval.seconds > 0.0 {
            passed += length;
        }
        sum.seconds += interval.seconds;
        sum.counts.merge(&interval.counts, 1.0);
    }
    sum
}
