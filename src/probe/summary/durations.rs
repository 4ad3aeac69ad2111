//! Histograms of durations, as far as a page shows them.

use crate::metrics::parser::Sample;

/// A bucket of a histogram: durations above `lower_s`, up to and including `upper_s`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Bucket {
    /// Lower edge in seconds, 0 for the first bucket.
    pub lower_s: f64,
    /// Upper edge in seconds; `None` for the last bucket, which has none.
    pub upper_s: Option<f64>,
}

/// Upper edges of one histogram; a page with more is not Aurora's, whose histograms have 22 at most.
const MOST_EDGES: usize = 100;

/// Observations of a histogram of durations, summed over series.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Durations {
    /// Cumulative counts by upper edge.
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

impl Durations {
    /// Adds a sample of such a histogram.
    pub(crate) fn add(&mut self, sample: &Sample) {
        if sample.name.ends_with("_sum") {
            self.sum += sample.value;
        } else if sample.name.ends_with("_count") {
            self.count += sample.value;
        } else if let Ok(edge) = sample.label("le").parse::<f64>() {
            match self.place(edge) {
                Ok(place) => self.buckets[place].1 += sample.value,
                Err(place) if self.buckets.len() < MOST_EDGES => {
                    self.buckets.insert(place, (edge, sample.value));
                }
                Err(_) => {}
            }
        }
    }

    /// Place of an upper edge, or the place at which it belongs.
    fn place(&self, edge: f64) -> Result<usize, usize> {
        self.buckets.binary_search_by(|(known, _)| known.total_cmp(&edge))
    }

    /// Increase since an earlier reading of the same histogram.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut increase = self.clone();
        for (edge, count) in &mut increase.buckets {
            if let Ok(place) = earlier.place(*edge) {
                *count = (*count - earlier.buckets[place].1).max(0.0);
            }
        }
        increase.sum -= earlier.sum;
        increase.count = (self.count - earlier.count).max(0.0);
        increase
    }

    /// Adds another histogram, each of its counts multiplied by `share`.
    pub(crate) fn merge(&mut self, other: &Self, share: f64) {
        for (edge, count) in &other.buckets {
            match self.place(*edge) {
                Ok(place) => self.buckets[place].1 += count * share,
                Err(place) if self.buckets.len() < MOST_EDGES => {
                    self.buckets.insert(place, (*edge, count * share));
                }
                Err(_) => {}
            }
        }
        self.sum += other.sum * share;
        self.count += other.count * share;
    }

    /// Observations of each bucket alone, with its bounds.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Bucket, f64)> {
        let (mut lower_s, mut below) = (0.0, 0.0);
        self.buckets.iter().map(move |(edge, count)| {
            let bucket = Bucket { lower_s, upper_s: edge.is_finite().then_some(*edge) };
            let alone = (count - below).max(0.0);
            (lower_s, below) = (*edge, *count);
            (bucket, alone)
        })
    }

    /// Mean in seconds; `None` without observations.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then_some(self.sum / self.count)
    }

    /// The bucket that contains a quantile. A histogram records nothing finer.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<Bucket> {
        let (_, total) = *self.buckets.last()?;
        if total <= 0.0 {
            return None;
        }
        let place = self.buckets.iter().position(|(_, count)| *count >= quantile * total)?;
        let lower_s = if place == 0 { 0.0 } else { self.buckets[place - 1].0 };
        let upper = self.buckets[place].0;
        Some(Bucket { lower_s, upper_s: upper.is_finite().then_some(upper) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(lower_s: f64, upper_s: Option<f64>) -> Option<Bucket> {
        Some(Bucket { lower_s, upper_s })
    }

    #[test]
    fn quantile_is_the_bucket_that_contains_it() {
        for (counts, quantile, expected) in [
            ([0.0, 0.0, 0.0, 0.0], 0.5, None),
            ([4.0, 4.0, 4.0, 4.0], 0.5, bucket(0.0, Some(0.1))),
            ([0.0, 10.0, 10.0, 10.0], 0.5, bucket(0.1, Some(1.0))),
            ([5.0, 10.0, 10.0, 10.0], 0.5, bucket(0.0, Some(0.1))),
            ([0.0, 5.0, 10.0, 10.0], 0.95, bucket(1.0, Some(2.0))),
            ([0.0, 0.0, 0.0, 7.0], 0.99, bucket(2.0, None)),
        ] {
            let buckets = [0.1, 1.0, 2.0, f64::INFINITY].into_iter().zip(counts).collect();
            let durations = Durations { buckets, ..Durations::default() };
            assert_eq!(durations.quantile(quantile), expected, "{counts:?} {quantile}");
        }
        let unbounded = Durations { buckets: vec![(f64::INFINITY, 3.0)], ..Durations::default() };
        assert_eq!(unbounded.quantile(0.5), bucket(0.0, None));
    }
}
