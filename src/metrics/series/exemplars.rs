//! Exemplars: for each bucket of a histogram, its latest observation and the trace of that request.

use std::fmt;
use std::num::NonZeroU128;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::metrics::catalog::buckets::MAX_EDGES;

/// Id of a trace, as the request log and exemplars name it. Clients choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub NonZeroU128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One observation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    /// In the unit of the bucket edges.
    pub(crate) value: u64,
    /// Milliseconds of Unix time.
    pub(crate) time: u64,
}

/// An exemplar for each bucket that has one.
pub(crate) type Latest = [Option<Exemplar>; MAX_EDGES + 1];

/// Exemplars of one series at one worker.
#[derive(Debug, Default)]
pub(crate) struct Exemplars(Mutex<Latest>);

impl Exemplars {
    /// Replaces the exemplar of a bucket. While a scrape copies them, the earlier one stays: no request waits.
    pub(super) fn replace(&self, bucket: usize, value: u64, trace_id: TraceId) {
        if let Some(mut latest) = self.0.try_lock() {
            latest[bucket] = Some(Exemplar { trace_id, value, time: unix_milliseconds() });
        }
    }

    /// Replaces those of a total that are earlier.
    pub(super) fn add_to(&self, total: &mut Latest) {
        let latest = *self.0.lock();
        for (shown, own) in total.iter_mut().zip(latest) {
            if time(own) > time(*shown) {
                *shown = own;
            }
        }
    }
}

fn time(exemplar: Option<Exemplar>) -> Option<u64> {
    exemplar.map(|exemplar| exemplar.time)
}

fn unix_milliseconds() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(number: u128) -> TraceId {
        TraceId(NonZeroU128::new(number).unwrap())
    }

    fn shown(latest: &Latest) -> Vec<(usize, String, u64)> {
        let exemplars =
            latest.iter().enumerate().filter_map(|(bucket, exemplar)| Some((bucket, (*exemplar)?)));
        exemplars.map(|(bucket, exemplar)| (bucket, exemplar.trace_id.to_string(), exemplar.value)).collect()
    }

    #[test]
    fn a_bucket_shows_its_latest_exemplar_of_all_workers() {
        let (first, second) = (Exemplars::default(), Exemplars::default());
        first.replace(0, 1, trace(1));
        first.replace(0, 2, trace(2));
        first.replace(3, 40, trace(3));
        second.0.lock()[0] = Some(Exemplar { trace_id: trace(4), value: 3, time: u64::MAX });
        second.0.lock()[3] = Some(Exemplar { trace_id: trace(5), value: 41, time: 0 });
        let mut total = Latest::default();
        first.add_to(&mut total);
        second.add_to(&mut total);
        let id = |number| format!("{number:032x}");
        assert_eq!(shown(&total), [(0, id(4), 3), (3, id(3), 40)]);
    }

    #[test]
    fn an_observation_does_not_wait_for_a_scrape() {
        let exemplars = Exemplars::default();
        exemplars.replace(0, 1, trace(1));
        let held = exemplars.0.lock();
        exemplars.replace(0, 2, trace(2));
        drop(held);
        let mut total = Latest::default();
        exemplars.add_to(&mut total);
        assert_eq!(shown(&total), [(0, format!("{:032x}", 1), 1)]);
    }
}
